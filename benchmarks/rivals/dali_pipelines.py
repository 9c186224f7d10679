"""DALI on the CPU: windows from a Python source, and windows of .npy files.

https://docs.nvidia.com/deeplearning/dali/user-guide/docs/operations/nvidia.dali.fn.external_source.html
and nvidia.dali.fn.readers.numpy.html there: ``roi_start`` and ``roi_shape`` read only the window.
That reader reads the files of a list in its order, so that the list is the random order.
Tried and slower: mapped bands as sources without a copy and DALI's ``slice``, then ``cast`` and
``stack`` (2.5 times the CPU time), ``stack`` and one product (1.7 times), or
``crop_mirror_normalize`` and ``cat`` (1.6 times).
"""

from contextlib import contextmanager
from functools import partial

import numpy as np

from ..suite.rival import Rival


def convert(task, folder):
    maps = [band.mapped() for band in task.bands]
    codes = None if task.label is None else task.label.mapped()
    for p in range(task.n_patches):
        np.save(folder / f"image{p}.npy", np.stack([array[p] for array in maps]))
        if codes is not None:
            np.save(folder / f"label{p}.npy", codes[p])


class _Windows:
    """The windows of batch k; with worker processes, these import this class and map the files."""

    def __init__(self, task, arrays, stacked):
        self.task, self.arrays, self.stacked, self.maps = task, arrays, stacked, None

    def __call__(self, k):
        if self.maps is None:
            self.maps = [array.mapped() for array in self.arrays]
        windows = self.task.windows(getattr(k, "iteration", k) % self.task.n_batches)
        if self.stacked:
            return [np.stack([array[window] for array in self.maps]) for window in windows]
        return [self.maps[0][window].copy() for window in windows]


def _from_source(task, fn):
    how = {"parallel": True, "batch_info": True} if task.workers else {"no_copy": True}
    sources = [_Windows(task, task.bands, stacked=True)]
    if task.label is not None:
        sources.append(_Windows(task, [task.label], stacked=False))
    return [fn.external_source(source=source, **how) for source in sources]


def _from_files(task, fn):
    def starts(k):
        return list(task.origin[k % task.n_batches].astype(np.int32))

    def windows(name, axes):
        files = [str(task.converted / f"{name}{p}.npy") for p in task.index.ravel()]
        return fn.readers.numpy(
            files=files,
            roi_start=origins,
            roi_shape=task.size,
            roi_axes=axes,
            cache_header_information=True,
        )

    origins = fn.external_source(source=starts)
    found = [windows("image", [1, 2])]
    return found if task.label is None else [*found, windows("label", [0, 1])]


@contextmanager
def opened(task, windows):
    from nvidia.dali import Pipeline, fn, types

    how = {"py_num_workers": task.workers, "py_start_method": "spawn"} if task.workers else {}
    pipeline = Pipeline(task.batch_size, task.threads, device_id=None, **how)
    with pipeline:
        image, *label = windows(task, fn)
        outputs = [image * types.Constant(task.scales[:, None, None])]
        if label:
            keys, values = (
                list(range(len(task.label.classes))),
                list(map(float, task.label.classes)),
            )
            table = {"keys": keys, "values": values, "dtype": types.UINT8}
            outputs.append(fn.lookup_table(label[0], **table))
        pipeline.set_outputs(*outputs)
    pipeline.build()

    def read(_):
        image, *label = (np.asarray(part.as_tensor()) for part in pipeline.run())
        return image, label[0] if label else None

    yield read


RIVALS = [
    *(
        Rival(
            "DALI, external_source" + (f", {workers} workers" if workers else ""),
            partial(opened, windows=_from_source),
            ("loader",),
            ("nvidia-dali-cuda120",),
            "dali",
            workers=workers,
            note="allocates each batch anew",
        )
        for workers in (0, 2)
    ),
    Rival(
        "DALI, readers.numpy",
        partial(opened, windows=_from_files),
        ("loader", "formats"),
        ("nvidia-dali-cuda120",),
        "dali",
        convert,
        note="allocates each batch anew; a file for each patch",
    ),
]
