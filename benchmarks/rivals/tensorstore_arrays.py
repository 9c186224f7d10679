"""tensorstore: zarr 3 without compression in mapped files; or the stored files, as np.memmap.

All windows of a batch are written into the output as one `tensorstore.Batch`, cast to float32 on
the way (https://google.github.io/tensorstore/python/api/tensorstore.Batch.html); numpy scales.
Files are mapped (`file_io_mode`), metadata is not checked again, and nothing is cached twice.

Tried: zarr 2, zarr 3 and N5; chunks of one band, of all bands, and of 64 rows (all bands win);
files read instead of mapped (2 to 3 times as slow); `read()` (allocates) instead of writing into
the output, and int16 with the cast by numpy (both slower).
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import stored_patches


def _context(ts, threads):
    return ts.Context(
        {
            "file_io_mode": {"mode": "memmap"},
            "file_io_concurrency": {"limit": threads},
            "data_copy_concurrency": {"limit": threads},
        }
    )


def _spec(path):
    store = {"driver": "file", "path": str(path)}
    return {"driver": "zarr3", "kvstore": store, "recheck_cached_metadata": False}


def _written(ts, path, shape, dtype):
    chunk = {"name": "regular", "configuration": {"chunk_shape": [1, *shape[1:]]}}
    raw = {"name": "bytes", "configuration": {"endian": "little"}}
    metadata = {"shape": shape, "data_type": dtype, "chunk_grid": chunk, "codecs": [raw]}
    return ts.open({**_spec(path), "metadata": metadata}, create=True).result()


def convert(task, folder):
    import tensorstore as ts

    n, height, width = task.bands[0].shape
    shape = [n, len(task.bands), height, width]
    dtype = np.result_type(*(band.dtype for band in task.bands))
    image = _written(ts, folder / "image", shape, dtype.name)
    if task.label is not None:
        dtype = np.dtype(task.label.dtype)
        label = _written(ts, folder / "label", [n, height, width], dtype.name)
    for patch, (pixels, codes) in enumerate(stored_patches(task)):
        image[patch].write(pixels).result()
        if codes is not None:
            label[patch].write(codes).result()


def _stores(ts, task):
    context = _context(ts, task.threads)
    image = ts.open(_spec(task.converted / "image"), context=context).result()
    if task.label is None:
        return image, None
    return image, ts.open(_spec(task.converted / "label"), context=context).result()


def _arrays(ts, task):
    context = _context(ts, task.threads)
    bands = [ts.array(band.mapped(), context=context, copy=False) for band in task.bands]
    image = ts.stack(bands, axis=1)
    if task.label is None:
        return image, None
    return image, ts.array(task.label.mapped(), context=context, copy=False)


@contextmanager
def _opened(task, source):
    import tensorstore as ts

    stored, stored_codes = source(ts, task)
    pixels = ts.cast(stored, ts.float32)
    image, label = task.allocate()
    scales = task.scales[:, None, None]
    outputs = [ts.array(sample, copy=False) for sample in image]
    if label is not None:
        codes = np.ones(label.shape, task.label.dtype)
        code_outputs = [ts.array(sample, copy=False) for sample in codes]

    def read(k):
        futures = []
        with ts.Batch() as batch:
            for s, (patch, rows, cols) in enumerate(task.windows(k)):
                window = pixels[patch, :, rows, cols].translate_to[0]
                futures.append([outputs[s].write(window, batch=batch)])
                if label is not None:
                    window = stored_codes[patch, rows, cols].translate_to[0]
                    futures[s].append(code_outputs[s].write(window, batch=batch))
        for s, parts in enumerate(futures):
            for part in parts:
                part.result()
            image[s] *= scales
            if label is not None:
                np.take(task.label.table, codes[s], out=label[s], mode="clip")
        return image, label

    yield read


RIVALS = [
    Rival(
        "tensorstore, zarr 3, mapped",
        lambda task: _opened(task, _stores),
        ("formats", "cold"),
        ("tensorstore", "numpy"),
        convert=convert,
    ),
    Rival(
        "tensorstore, arrays of np.memmap",
        lambda task: _opened(task, _arrays),
        ("warm", "cold", "formats"),
        ("tensorstore", "numpy"),
        note="reads the stored files; nothing is converted",
    ),
]
