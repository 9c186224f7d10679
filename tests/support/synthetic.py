"""Synthetic data sets, read as the users of the release read it."""

import csv

import numpy as np

from cloudio import CLOUDSEN12

NAMES = [band.name for band in CLOUDSEN12.bands]
LABELS = [band.name for band in CLOUDSEN12.bands if band.kind == "label"]
VALID = (slice(None), slice(1, 510), slice(1, 510))


def stored_pixels(path, split, name):
    """An array of a split, padding and all."""
    dtype = CLOUDSEN12.band(name).dtype
    return np.fromfile(path / split / f"{name}.dat", dtype).reshape(-1, 512, 512)


def valid_pixels(path, name, split="train"):
    """The valid window of an array."""
    return stored_pixels(path, split, name)[VALID]


def metadata_rows(path, split):
    """The rows of metadata.csv."""
    with open(path / split / "metadata.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(path):
    """Every file below a folder, and its bytes."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
