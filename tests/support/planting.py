"""How defects are planted in a clean data set, and what is to be reported of each."""

import csv
import shutil

import numpy as np
from clean import SIDE, TINY, TINY_PATCHES

PLANE = SIDE * SIDE

INNER = slice(1, SIDE - 2)


def edit(path, name="L1C_B4", split="train", dtype=None):
    """An array of the set, as a mapping that can be written to."""
    band = TINY.band(name)
    n = TINY_PATCHES[split]
    return np.memmap(path / split / f"{name}.dat", dtype or band.dtype, "r+", shape=(n, SIDE, SIDE))


def write_array(path, array, name="L1C_B4", split="train"):
    np.ascontiguousarray(array).tofile(path / split / f"{name}.dat")


def read_rows(path, split="train"):
    with open(path / split / "metadata.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path, rows, split="train"):
    with open(path / split / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


PLANTED = {}


def plants(*expected, **options):
    """Mark a function that plants a defect, with exactly what is to be reported of it.

    ``expected`` are check, split, file and patches; ``options`` are those of `cloudio.verify`.
    """

    def mark(plant):
        PLANTED[plant.__name__] = plant, sorted(expected), options
        return plant

    return mark


QUICK = {"full": False}

ALL, BOTH = (0, 1, 2), (0, 1)


def only_bands(path):
    """Leave the bands of one split, with an even number of patches that no other file tells."""
    shutil.rmtree(path / "train")
    for file in (path / "val").iterdir():
        if not file.name.startswith("L1C_"):
            file.unlink()


def copy_patch(path, source, target):
    """Overwrite a patch with another one, in every array."""
    for band in TINY.bands[:-1]:
        (split, k), (other, j) = source, target
        edit(path, band.name, other)[j] = edit(path, band.name, split)[k]


def flip_bit(path, byte):
    with open(path, "r+b") as file:
        file.seek(byte)
        old = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([old ^ 1]))
