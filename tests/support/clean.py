"""Data sets without findings: synthetic ones, with their known defects replaced.

`cloudio.synthesize` imitates the release: qa60 is all zeros, Sentinel-1 has gaps of -99, detectors
have codes that the card does not list, manual_sc is mostly 99, and the water occurrence is -99
where there has never been water.  Each of these is a finding, so each is replaced here.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

import cloudio
from cloudio import CLOUDSEN12, Band, LabelMap, Layout, Window

# Array -> stored number -> its replacement, in the valid window.
_FILLS = {
    "LABEL_fmask": {255: 0},
    "LABEL_sen2cor": {0: 5, 1: 5, 7: 5},
    "LABEL_kappamask_L1C": {0: 1, 5: 1},
    "LABEL_kappamask_L2A": {0: 1, 5: 1},
    "LABEL_manual_sc": {99: 0},
    "S1_VV": {-99: -12.5},
    "S1_VH": {-99: -19.5},
    "EXTRA_ocurrence": {-99: 0},
}

SIDE = 64
_INNER = SIDE - 3
_MAP = LabelMap({0: 0, 1: 1, 2: 2, 3: 3})
#: A corner of the synthetic patches, padded as the release is.
TINY = Layout(
    name="Tiny",
    patch=(SIDE, SIDE),
    valid=Window(1, 1, _INNER, _INNER),
    bands=(
        Band("L1C_B2", scale=1e-4, wavelength=496.6),
        Band("L1C_B3", scale=1e-4, wavelength=560.0),
        Band("L1C_B4", scale=1e-4, wavelength=664.5),
        Band("L1C_B8", scale=1e-4, wavelength=835.1),
        Band("L1C_B10", scale=1e-4, wavelength=1373.5),
        Band("S1_VV", dtype="float32", nodata=-99.0, unit="dB"),
        Band("EXTRA_elevation", nodata=-99.0),
        Band("LABEL_manual_hq", kind="label", dtype="uint8"),
        Band("LABEL_manual_sc", kind="label", dtype="uint8"),
        Band("LABEL_s2cloudless", kind="label", dtype="uint8"),
        Band("LABEL_qa60", kind="label", dtype="uint8"),
    ),
    presets={"L1C": (("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8", "L1C_B10"),)},
    label_maps={
        "LABEL_manual_hq": {"card": _MAP},
        "LABEL_manual_sc": {"card": CLOUDSEN12.label_maps["LABEL_manual_sc"]["card"]},
        "LABEL_s2cloudless": {"card": LabelMap.threshold(40)},
        "LABEL_qa60": {"card": LabelMap({0: 0, 1024: 1, 2048: 2})},
    },
    prefixes=("L1C_", "S1_", "EXTRA_", "LABEL_"),
)
TINY_PATCHES = {"train": 3, "val": 2}


def clean_synthetic(path: Path, patches: dict[str, int]) -> None:
    """Write a synthetic set with every array but qa60, without anything to report."""
    arrays = [band.name for band in CLOUDSEN12.bands if band.name != "LABEL_qa60"]
    cloudio.synthesize(path, patches, arrays=arrays)
    inner = CLOUDSEN12.valid
    rows, cols = (slice(start, start + 509) for start in (inner.row, inner.col))
    for split, n in patches.items():
        for name, fills in _FILLS.items():
            file = path / split / f"{name}.dat"
            band = CLOUDSEN12.band(name)
            array = np.memmap(file, band.dtype, "r+", shape=(n, *CLOUDSEN12.patch))
            for old, new in fills.items():
                window = array[:, rows, cols]
                window[window == old] = new
            array.flush()


def clean_tiny(path: Path, synthetic: Path) -> None:
    """Write the corners of a clean synthetic set, by the layout `TINY`, padded with zeros."""
    for split, n in TINY_PATCHES.items():
        (path / split).mkdir(parents=True)
        for band in TINY.bands:
            if band.name == "LABEL_qa60":
                continue
            whole = np.fromfile(synthetic / split / f"{band.name}.dat", band.dtype)
            whole = whole.reshape(-1, *CLOUDSEN12.patch)[:n]
            padded = np.zeros((n, SIDE, SIDE), band.dtype)
            # The right corner: gaps of Sentinel-1 begin on the left.
            padded[:, 1:-2, 1:-2] = whole[:, 1 : _INNER + 1, 510 - _INNER : 510]
            padded.tofile(path / split / f"{band.name}.dat")
        shutil.copy(synthetic / split / "metadata.csv", path / split)


def verify_tiny(path: Path, **options: Any) -> cloudio.Report:
    """`cloudio.verify` under the layout `TINY`, unless another one is given."""
    return cloudio.verify(path, **({"layout": TINY, "progress": False} | options))


def found_checks(report: cloudio.Report) -> list[tuple[str, str, str, tuple[int, ...]]]:
    """The findings of a report: check, split, file and patches, sorted."""
    return sorted((f.check, f.split, f.file, f.patches) for f in report.findings)
