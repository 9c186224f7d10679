"""Hugging Face datasets: an Arrow file that is mapped, with an Array3D for each patch, by index.

With the format "numpy" (https://huggingface.co/docs/datasets/use_with_numpy) each patch becomes a
Python-built copy, which is int64 unless a dtype is named, as here.  The second row takes Arrow's
own memory instead (format "arrow"), without a copy, which few users write.

Tried: the format "torch"; a flat `Sequence` (as fast, and 20 times as slow to write); bytes and
`np.frombuffer`, which costs 1.3 to 1.8 times as much as Arrow's memory.
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import by_sample, stored_patches


def convert(task, folder):
    import datasets

    size = task.bands[0].shape[1:]
    dtype = np.result_type(*(band.dtype for band in task.bands)).name
    kinds = {"image": datasets.Array3D((len(task.bands), *size), dtype)}
    if task.label is not None:
        kinds["label"] = datasets.Array2D(size, np.dtype(task.label.dtype).name)

    file = str(folder / "patches.arrow")
    with datasets.arrow_writer.ArrowWriter(
        features=datasets.Features(kinds), path=file, writer_batch_size=16
    ) as writer:
        for parts in stored_patches(task):
            writer.write(dict(zip(kinds, parts)))  # noqa: B905  (codes may be None)
        writer.finalize()


@contextmanager
def opened_numpy(task):
    import datasets

    file = datasets.Dataset.from_file(str(task.converted / "patches.arrow"))
    image = file.select_columns("image").with_format("numpy", dtype=task.bands[0].dtype)
    label = None
    if task.label is not None:
        label = file.select_columns("label").with_format("numpy", dtype=task.label.dtype)

    def crop(patch, rows, cols):
        pixels = image[patch]["image"][:, rows, cols]
        return pixels, None if label is None else label[patch]["label"][rows, cols]

    with by_sample(task, crop) as read:
        yield read


def _memory(table, name, shape):
    """Return what Arrow holds of the one patch of a table, as an array of its memory."""
    values = table[name].chunk(0).storage
    for _ in shape:
        values = values.flatten()
    return values.to_numpy(zero_copy_only=True).reshape(shape)


@contextmanager
def opened_arrow(task):
    import datasets

    columns = ["image"] if task.label is None else ["image", "label"]
    file = datasets.Dataset.from_file(str(task.converted / "patches.arrow"))
    file = file.select_columns(columns).with_format("arrow")
    size = task.bands[0].shape[1:]

    def crop(patch, rows, cols):
        table = file[patch]
        pixels = _memory(table, "image", (len(task.bands), *size))[:, rows, cols]
        return pixels, None if task.label is None else _memory(table, "label", size)[rows, cols]

    with by_sample(task, crop) as read:
        yield read


PACKAGES = "datasets", "pyarrow", "numpy"
# Not in the suite "cold": an Arrow file that is open stays in memory in part.
RIVALS = [
    Rival("HF datasets, numpy", opened_numpy, ("formats",), PACKAGES, convert=convert),
    Rival("HF datasets, Arrow memory", opened_arrow, ("formats",), PACKAGES, convert=convert),
]
