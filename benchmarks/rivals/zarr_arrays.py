"""zarr 3 without compression, with its own codec pipeline and with that of zarrs (Rust).

All bands of a patch are one chunk: one file for each patch
(https://zarr.readthedocs.io/en/stable/user-guide/performance/).  Samples are read on several
threads.  zarrs is switched on as its page says (https://github.com/zarrs/zarrs-python).

Tried: chunks of one band (13 files for each patch; half as fast), chunks of 128 rows, and whole
blocks that numpy crops (`get_block_selection`).
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import by_sample, stored_patches


def _create(path, shape, dtype):
    import zarr

    raw = {"compressors": None, "filters": None}
    return zarr.create_array(path, shape=shape, dtype=dtype, chunks=(1, *shape[1:]), **raw)


def convert(task, folder):
    n, height, width = task.bands[0].shape
    dtype = np.result_type(*(band.dtype for band in task.bands))
    image = _create(folder / "image", (n, len(task.bands), height, width), dtype)
    if task.label is not None:
        label = _create(folder / "label", (n, height, width), np.dtype(task.label.dtype))
    for patch, (pixels, codes) in enumerate(stored_patches(task)):
        image[patch] = pixels
        if codes is not None:
            label[patch] = codes


@contextmanager
def opened(task, pipeline=None):
    import zarr

    config = {"threading.max_workers": task.threads}
    if pipeline is not None:
        config["codec_pipeline.path"] = pipeline
    with zarr.config.set(config):
        image = zarr.open_array(task.converted / "image", mode="r")
        label = None
        if task.label is not None:
            label = zarr.open_array(task.converted / "label", mode="r")

        def crop(patch, rows, cols):
            return image[patch, :, rows, cols], None if label is None else label[patch, rows, cols]

        with by_sample(task, crop) as read:
            yield read


def opened_zarrs(task):
    import zarrs  # noqa: F401  (a missing package is an error, not zarr's own pipeline)

    return opened(task, "zarrs.ZarrsCodecPipeline")


SUITES = "formats", "cold"
RIVALS = [
    Rival("zarr 3, not compressed", opened, SUITES, ("zarr", "numpy"), convert=convert),
    Rival(
        "zarr 3 with zarrs, not compressed",
        opened_zarrs,
        SUITES,
        ("zarrs", "zarr", "numpy"),
        convert=convert,
    ),
]
