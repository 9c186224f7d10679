"""tensordict: a TensorDict of `MemoryMappedTensor`, all bands of a patch in one.

https://docs.pytorch.org/tensordict/stable/tutorials/data_fashion.html writes such a data set and
indexes it by batches.  A whole patch is four times a window of 224 x 224, so here the windows are
sliced, converted by ``copy_`` and scaled by ``mul_``, in Python's threads, each with its samples.
Tried and slower: ``td[index]``, then the windows (8 times); ``mul(out=)``; all bands at once.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival


def convert(task, folder):
    import torch
    from tensordict import MemoryMappedTensor, TensorDict

    def written(name, arrays):
        shape = task.n_patches, len(arrays), *arrays[0].shape[1:]
        dtype = getattr(torch, np.dtype(arrays[0].dtype).name)
        tensor = MemoryMappedTensor.empty(shape, dtype=dtype, filename=folder / f"{name}.memmap")
        for b, array in enumerate(arrays):
            tensor.numpy()[:, b] = array.mapped()
        return tensor

    data = {"image": written("image", task.bands)}
    if task.label is not None:
        data["label"] = written("label", [task.label])
    TensorDict(data, [task.n_patches]).memmap_(folder)


@contextmanager
def opened(task):
    import torch
    from tensordict import TensorDict

    data = TensorDict.load_memmap(task.converted)
    patches = data["image"].as_subclass(torch.Tensor)
    image, label = (None if part is None else torch.from_numpy(part) for part in task.allocate())
    scales = task.scales.tolist()
    if task.label is not None:
        codes, table = data["label"][:, 0], torch.from_numpy(task.label.table)

    def share(windows, first):
        for s in range(first, len(windows), task.threads):
            patch, rows, cols = windows[s]
            for b, pixels in enumerate(patches[patch, :, rows, cols]):
                image[s, b].copy_(pixels).mul_(scales[b])
            if label is not None:
                torch.take(table, codes[patch, rows, cols].long(), out=label[s])

    with ThreadPoolExecutor(task.threads, "torch", torch.set_num_threads, (1,)) as pool:

        def read(k):
            windows = task.windows(k)
            list(pool.map(lambda first: share(windows, first), range(task.threads)))
            return image, label

        yield read


RIVALS = [Rival("tensordict", opened, ("formats",), ("tensordict", "torch"), convert=convert)]
