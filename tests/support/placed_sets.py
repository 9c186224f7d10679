"""Data sets whose patches lie on the ground: patches, and tiles of scenes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from builders import pixels

from cloudio import Layout
from cloudio.layouts.toml_writer import to_toml

Row = Mapping[str, Any]


def write_set(
    root: Path, layout: Layout, rows: Mapping[str, Sequence[Row]], *, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Write a data set of .npy files with cloudio.toml; return split -> name -> array.

    ``rows`` has the fields of metadata.csv of each patch; without any there is no file.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "cloudio.toml").write_text(to_toml(layout), encoding="utf-8")
    stored: dict[str, dict[str, np.ndarray]] = {}
    for k, (split, fields) in enumerate(rows.items()):
        (root / split).mkdir()
        stored[split] = {
            band.name: pixels(band.name, (len(fields), *layout.patch), band.dtype, seed + k)
            for band in layout.bands
        }
        for name, array in stored[split].items():
            np.save(root / split / f"{name}.npy", array)
        if fields[0]:
            with open(root / split / "metadata.csv", "w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, list(fields[0]), restval="")
                table.writeheader()
                table.writerows(fields)
    return stored


def gdal_text(transform: Sequence[float]) -> str:
    """Return a transform as metadata.csv has it."""
    return " ".join(repr(float(x)) for x in transform)


def moved(transform: Sequence[float], row: int, col: int) -> tuple[float, ...]:
    """Return the transform, in GDAL's order, of a window that begins at (row, col)."""
    x0, dx, rx, y0, ry, dy = transform
    return x0 + col * dx + row * rx, dx, rx, y0 + col * ry + row * dy, ry, dy
