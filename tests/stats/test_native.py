"""Statistics of bands of lower resolution are those of the same patches with every pixel."""

from dataclasses import replace

import pytest
from native import FULL, native_layout, write_roots

import cloudio
from cloudio import Window, stats
from cloudio.reading import scan


@pytest.fixture(scope="module", params=[None, "last"])
def both(request, tmp_path_factory):
    roots = write_roots(
        tmp_path_factory.mktemp("both"), {"train": 5, "val": 2}, stacked=request.param
    )
    layout = replace(native_layout(stacked=request.param), name=FULL.name)
    with (
        cloudio.open(roots.native, layout=layout) as native,
        cloudio.open(roots.full, layout=FULL) as full,
    ):
        yield native, full


# The valid window; some of it; some of it and what is beside it; nothing but what is beside it.
WINDOWS = [None, Window(4, 5, 17, 20), Window(0, 0, 40, 30), Window(36, 0, 4, 48)]


@pytest.mark.parametrize("window", WINDOWS)
def test_numbers_of_bands(both, window):
    names = [band.name for band in FULL.bands if band.kind == "band"]
    parts = [(ds, ds.subset([6, 0, 3, 3])) for ds in both]
    for native, full in zip(*parts, strict=True):
        found, expected = (stats.bands(ds, names, window=window) for ds in (native, full))
        assert found == expected
        for name in names:
            assert scan.bytes_to_read(native, name, window=window) <= scan.bytes_to_read(
                full, name, window=window
            )


def test_classes_and_agreement(both):
    labels = ["LABEL_hq", "LABEL_sc", "LABEL_percent"]
    found, expected = (stats.classes(ds, labels) for ds in both)
    assert found == expected
    found, expected = (stats.classes(ds, {"hq": None, "sc": None}) for ds in both)
    assert found == expected
    found, expected = (stats.agreement(ds, ["hq", "percent"], "sc", per_patch=True) for ds in both)
    assert found == expected


def test_progress_counts_the_bytes_that_are_stored(both):
    native, _ = both
    for name in ("L1C_B3", "L2A_AOT", "S1_VV", "LABEL_hq", "L1C_B2"):
        for window in WINDOWS:
            done = []
            scan.count_array(native, name, window=window, advance=done.append)
            assert sum(done) == scan.bytes_to_read(native, name, window=window)
        done = []
        scan.count_array(native, name, whole=True, advance=done.append)
        assert sum(done) == scan.bytes_to_read(native, name, whole=True)
        rows, cols = native.layout.stored_size(native.layout.band(name))
        assert sum(done) == len(native) * rows * cols * native.dtype(name).itemsize
