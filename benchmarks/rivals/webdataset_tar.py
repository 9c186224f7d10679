"""WebDataset: .npy members of tar shards, read one after another, in the order they are stored.

WebDataset reads sequentially and has no access by index: it reads shards in sequence and shuffles
in a buffer (https://github.com/webdataset/webdataset).  The row reads patches in stored order,
without that buffer, in one process; every patch is read as a whole, then cropped.

Tried: its decoder "torch" (np.load of each member), and `np.frombuffer` behind the header of the
.npy, which copies less and stands here.
"""

from contextlib import contextmanager
from io import BytesIO

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import put, stored_patches


def _npy(array):
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def convert(task, folder):
    import webdataset

    # 500 MB for each shard, as its FAQ advises 100 MB to 1 GB.
    with webdataset.ShardWriter(f"{folder}/%05d.tar", maxsize=5e8, verbose=0) as shards:
        for patch, (pixels, codes) in enumerate(stored_patches(task)):
            sample = {"__key__": f"{patch:06}", "image.npy": _npy(pixels)}
            if codes is not None:
                sample["label.npy"] = _npy(codes)
            shards.write(sample)


def _array(data):
    """Return the array of a .npy file, a view of its bytes."""
    head = BytesIO(memoryview(data)[:4096])
    np.lib.format.read_magic(head)
    shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    return np.frombuffer(data, dtype, offset=head.tell()).reshape(shape)


@contextmanager
def opened(task):
    import webdataset

    urls = sorted(str(path) for path in task.converted.glob("*.tar"))
    samples = iter(webdataset.WebDataset(urls, shardshuffle=False).repeat())
    image, label = task.allocate()

    def read(k):
        for s, (_, rows, cols) in enumerate(task.windows(k)):
            sample = next(samples)
            pixels = _array(sample["image.npy"])[:, rows, cols]
            if label is None:
                put(task, image[s], None, pixels, None)
            else:
                put(task, image[s], label[s], pixels, _array(sample["label.npy"])[rows, cols])
        return image, label

    yield read


RIVALS = [
    Rival(
        "WebDataset, tar shards",
        opened,
        ("formats", "cold"),
        ("webdataset", "numpy"),
        convert=convert,
        order="stored",
        threads=1,
        note="in stored order only; reads whole patches",
    )
]
