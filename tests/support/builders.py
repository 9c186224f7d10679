"""Small data sets for the tests: a layout of every stored type, folders of random pixels."""

import csv
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cloudio import Band, LabelMap, Layout, Window

SMALL = Layout(
    name="Small",
    patch=(40, 48),
    valid=Window(row=1, col=2, height=35, width=41),
    bands=(
        Band("L1C_B2", scale=1e-4, wavelength=496.6),
        Band("L1C_B3", scale=1e-4, wavelength=560.0),
        Band("L1C_B4", scale=1e-4, wavelength=664.5),
        Band("L1C_B8A", scale=1e-4, wavelength=864.8),
        Band("L2A_B4", scale=1e-4, wavelength=664.5),
        Band("L2A_AOT", scale=1e-3),
        Band("S1_VV", dtype="float32", nodata=-99.0),
        Band("S1_VH", dtype="float32", nodata=-99.0),
        Band("EXTRA_count", dtype="uint16", scale=0.5),
        Band("EXTRA_depth", dtype="uint16"),
        Band("EXTRA_cover", dtype="uint8", scale=1e-2),
        Band("LABEL_hq", kind="label", dtype="uint8"),
        Band("LABEL_sc", kind="label", dtype="uint8"),
        Band("LABEL_percent", kind="label", dtype="uint8"),
    ),
    presets={
        "L1C": (("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8A"),),
        "S1": (("S1_VV", "S1_VH"),),
        "rgb": (("L1C_B4", "L1C_B3", "L1C_B2"), ("L2A_B4", "L2A_B3", "L2A_B2")),
    },
    label_maps={
        "LABEL_hq": {
            "card": LabelMap({0: 0, 1: 1, 2: 2, 3: 3}),
            "authors": LabelMap({0: 0, 1: 1, 2: 2, 3: 3}, unlisted=0),
        },
        "LABEL_sc": {
            "card": LabelMap({1: 0, 4: 1, 3: 2, 2: 3, 99: None}),
            "authors": LabelMap({1: 0, 4: 1, 3: 2, 2: 3, 99: None}, unlisted=0),
        },
        "LABEL_percent": dict.fromkeys(("card", "authors"), LabelMap.threshold(50)),
    },
    aliases={"target": "LABEL_hq"},
    prefixes=("L1C_", "L2A_", "S1_", "EXTRA_", "LABEL_"),
)

_SPLITS = ("train", "val", "test")
_SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, -1e-45, -99.0], np.float32)


def pixels(name: str, shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    """Random numbers over the whole range of ``dtype``, the same for the same name and seed.

    float32 has magnitudes 1e-30 to 1e30, and a tenth of NaN, infinities, -0.0, subnormals.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    usual = rng.normal(-10, 10, shape)
    wide = rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(-30, 30, shape)
    kind = rng.random(shape)
    some = rng.choice(_SPECIAL, shape)
    return np.where(kind < 0.1, some, np.where(kind < 0.3, wide, usual)).astype(dtype)


def write_metadata(path: Path, n_patches: int, *, seed: int = 0) -> None:
    """A metadata.csv with a row per patch: numbers, gaps, dates, and text with commas."""
    rng = np.random.default_rng([seed, 1])
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["index", "roi_id", "s2_date", "cloud_coverage", "difficulty", "geometry"])
        for number in rng.permutation(10 * n_patches)[:n_patches]:
            rows.writerow(
                [
                    number,
                    f"ROI_{number % 7:04d}",
                    f"2019-{1 + number % 12:02d}-17",
                    rng.choice(["cloud-free", "almost-clear", "cloudy"]),
                    rng.choice(["", "1", "2"]),
                    f"POINT({number}, {seed})",
                ]
            )


def write_split(
    folder: Path,
    n_patches: int,
    layout: Layout = SMALL,
    *,
    names: Iterable[str] | None = None,
    seed: int = 0,
    dtypes: Mapping[str, Any] | None = None,
    metadata: bool = True,
) -> dict[str, np.ndarray]:
    """Write one split of random pixels, and return its arrays by their names in the layout.

    ``names``: the files to write, in any spelling, without ``.dat``; None means every array of
    the layout.  ``dtypes``: for some of these, a stored type other than the layout's; int16 is
    what a file gets that the layout does not know.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored: dict[str, np.ndarray] = {}
    for stem in [band.name for band in layout.bands] if names is None else names:
        name = layout.name_of_file(stem)
        band = layout.band(name)
        dtype = (dtypes or {}).get(stem, "int16" if band is None else band.dtype)
        array = pixels(name, (n_patches, *layout.patch), dtype, seed)
        array.astype(array.dtype.newbyteorder("<")).tofile(folder / f"{stem}.dat")
        stored[name] = array
    if metadata:
        write_metadata(folder / "metadata.csv", n_patches, seed=seed)
    return stored


def write_root(
    folder: Path,
    patches: Mapping[str, int],
    layout: Layout = SMALL,
    *,
    seed: int = 0,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Write a folder of splits, and return each array over all of them, in a data set's order.

    That order is train, val, test, then by name.  ``options`` are those of `write_split`.
    """
    order = [name for name in _SPLITS if name in patches]
    order += sorted(set(patches).difference(order))
    parts = [
        write_split(folder / name, patches[name], layout, seed=seed + k, **options)
        for k, name in enumerate(order)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
