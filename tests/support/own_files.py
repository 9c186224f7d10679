"""Layouts of files of one's own: .npy files, stacked ones, and those found by a pattern."""

import gc
import os
import re
import sys

import pytest

from cloudio import Band, Layout, Window

H, W = 40, 48
NAMES = ("B2", "B3", "B4")


def layout_of(*bands, **entries):
    return Layout("Own", (H, W), Window(0, 0, H, W), bands, **entries)


def stack(dtype="int16", file="S2.dat", channels=3, names=NAMES, **entries):
    """The channels of one file."""
    return [
        Band(name, dtype=dtype, file=file, channel=k, channels=channels, **entries)
        for k, name in enumerate(names)
    ]


def refusal(error, *words):
    """Expect an error whose message has these words, in that order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(word)) for word in words))


def whole(reader_of, bands, **settings):
    """All patches of bands as they are stored."""
    reader = reader_of.reader(bands, size=(H, W), scale=None, **settings)
    return reader.read(range(len(reader_of))).image


PER_VIEWED_FILE = 1 if sys.version_info >= (3, 13) else 2  # descriptors


def descriptors():
    gc.collect()
    return len(os.listdir("/dev/fd"))
