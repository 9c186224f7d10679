"""A small data set to draw, and what a figure of it shows and says.  Needs no matplotlib."""

import struct
from pathlib import Path

import builders
import numpy as np
from builders import SMALL

import cloudio

VALID = np.s_[1:36, 2:43]  # of SMALL
INSIDE = np.zeros(SMALL.patch, bool)
INSIDE[VALID] = True


def write_small(root: Path) -> tuple[dict[str, np.ndarray], cloudio.Dataset]:
    """Write three patches of train and two of val, with few label codes.

    Return the arrays by name, and the data set.
    """
    arrays = builders.write_root(root, {"train": 3, "val": 2})
    rng = np.random.default_rng(1)
    codes = {
        "LABEL_hq": rng.choice([0, 1, 2, 3, 77], (5, *SMALL.patch)),
        "LABEL_sc": rng.choice([1, 2, 3, 4, 99], (5, *SMALL.patch)),
        "LABEL_percent": rng.integers(0, 101, (5, *SMALL.patch)),
    }
    for name, array in codes.items():
        arrays[name] = array.astype(np.uint8)
        for split, part in (("train", np.s_[:3]), ("val", np.s_[3:])):
            arrays[name][part].tofile(root / split / f"{name}.dat")
    return arrays, cloudio.open(root, layout=SMALL)


def panel_pixels(figure, k=0):
    """The pixels of the k-th panel of a figure."""
    return np.asarray([axes for axes in figure.axes if axes.images][k].images[0].get_array())


def legend_texts(figure):
    """What the legends of a figure say."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def texts(figure):
    """Headings, titles of panels and labels of color bars."""
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    bars = [axes.get_xlabel() for axes in figure.axes]
    return [*(text.get_text() for text in figure.texts), *filter(None, titles + bars)]


def reflectance(array):
    """Brightness by the fixed stretch, as numpy has it."""
    x = array.astype(np.float32) * np.float32(1e-4)
    return np.rint(np.interp(x.astype(np.float64), [0, 0.3, 1], [0, 0.75, 1]) * 255)


def linear(array, low, high):
    """Brightness by a linear stretch."""
    share = np.clip((array.astype(np.float64) - low) / (high - low), 0, 1)
    return np.rint(share * 255)


def true_color(arrays, k, where=VALID):
    """The pixels of patch ``k`` in true color."""
    names = "L1C_B4", "L1C_B3", "L1C_B2"
    return np.stack([reflectance(arrays[name][k][where]) for name in names], axis=-1)


def png_size(data):
    """Width and height of a PNG file, from its bytes."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])
