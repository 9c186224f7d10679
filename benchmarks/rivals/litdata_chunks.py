"""LitData: chunks of 64 MB on the local disk, patches by index from a StreamingDataset.

Written by `optimize` (https://github.com/Lightning-AI/litData); a sample holds numpy arrays, which
LitData's own serializer stores without compression, and which it copies when it reads them.  On a
local disk LitData maps its chunks.  It reads on one thread in a process.

Whole patches, `stored[patch]`, are faster at 509; `read_window`, which reads a range of the first
axis (so that rows come first, then bands), is faster at 224.  Each is a row.
"""

from contextlib import contextmanager
from functools import partial

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import put


def _sample(rows_first, task, patch):
    image = np.stack([band.mapped()[patch] for band in task.bands])
    sample = {"image": np.ascontiguousarray(image.swapaxes(0, 1)) if rows_first else image}
    if task.label is not None:
        sample["label"] = np.array(task.label.mapped()[patch])
    return sample


def _convert(task, folder, rows_first):
    import litdata

    patches = list(range(task.n_patches))
    how = {"chunk_bytes": "64MB", "num_workers": 1, "keep_data_ordered": True, "verbose": False}
    litdata.optimize(partial(_sample, rows_first, task), patches, str(folder), **how)


def convert(task, folder):
    _convert(task, folder, rows_first=False)


def convert_rows(task, folder):
    _convert(task, folder, rows_first=True)


@contextmanager
def _opened(task, sample_of):
    import litdata

    stored = litdata.StreamingDataset(str(task.converted))
    image, label = task.allocate()

    def read(k):
        for s, (patch, rows, cols) in enumerate(task.windows(k)):
            pixels, codes = sample_of(stored, patch, rows)
            codes = None if label is None else codes[:, cols]
            put(task, image[s], None if label is None else label[s], pixels[..., cols], codes)
        return image, label

    yield read


def _patch(stored, patch, rows):
    sample = stored[patch]
    codes = sample["label"][rows] if "label" in sample else None
    return sample["image"][:, rows], codes


def _rows(stored, patch, rows):
    sample = stored.read_window(patch, rows.start, rows.stop - rows.start)
    return sample["image"].swapaxes(0, 1), sample.get("label")


def opened(task):
    return _opened(task, _patch)


def opened_rows(task):
    return _opened(task, _rows)


WHERE = {"environment": "streaming", "threads": 1}
SUITES = "formats", "cold"
PACKAGES = "litdata", "torch", "numpy"
RIVALS = [
    Rival(
        "LitData", opened, SUITES, PACKAGES, convert=convert, note="reads whole patches", **WHERE
    ),
    Rival(
        "LitData, read_window",
        opened_rows,
        SUITES,
        PACKAGES,
        convert=convert_rows,
        note="reads whole rows",
        **WHERE,
    ),
]
