"""Small data sets of tests that open folders, and what these tests expect."""

import re

import pytest
from builders import SMALL

import cloudio

BANDS = ("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8A")
# Bytes of one patch, a byte a pixel.
PATCH = 40 * 48


def open_small(path, **options):
    return cloudio.open(path, layout=SMALL, **options)


def write_zeros(folder, **sizes):
    """Files of so many bytes, and no metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, size in sizes.items():
        (folder / f"{stem}.dat").write_bytes(bytes(size))


def raises(error, *words):
    """Expect an error whose message has these words, in that order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(word)) for word in words))
