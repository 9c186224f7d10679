"""What is read, counted and drawn of a compacted data set equals that of its source, to the bit."""

import dataclasses
import os
from pathlib import Path

import native
import pytest

import cloudio
from cloudio import stats

PATCHES = {"train": 7, "val": 2}
INDEX = [8, 0, 3, 3, 5, 1, 7, 2, 4, 6]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The small data set of every type as its source has it, and compacted."""
    folder = tmp_path_factory.mktemp("reads")
    roots = native.write_roots(folder, PATCHES, toml=True)
    cloudio.compact(
        roots.full, folder / "set", exceptions=0.45, labels=True, repeat=[6, 3, 2, (3, 2), (1, 2)]
    )
    with cloudio.open(roots.full) as before, cloudio.open(folder / "set") as after:
        assert {band.repeat for band in after.layout.bands} == {1, 2, 3, 6, (1, 2), (3, 2)}
        yield before, after


def same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        assert mine.tobytes() == theirs.tobytes()


ALL = [band.name for band in native.FULL.bands if band.kind == "band"]


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": (20, 33), "layout": "NHWC", "dtype": "float16", "clip": (0, 1)},
        {"size": 16, "valid": True, "fill": 0.0, "scale": None},
        {"size": 9, "mean": 0.5, "std": 2.0, "threads": 3, "evict": True},
    ],
    ids=str,
)
def test_every_read_is_the_same(both, settings, io):
    labels = ["LABEL_hq", "LABEL_sc", "LABEL_percent"]
    opened = [cloudio.open(ds.path, io=io) for ds in both]
    readers = [ds.reader(ALL, labels, **settings) for ds in opened]
    same(*(reader.read(INDEX) for reader in readers))
    is_square = isinstance(settings.get("size"), int)
    origins = [(1 + k % 3, 2 + k % 5) for k in INDEX] if "size" in settings else None
    for symmetry in range(0, 8, 1 if is_square else 2):
        same(*(reader.read(INDEX, origins, symmetry=symmetry) for reader in readers))


def test_labels_and_their_policies_are_the_same(both):
    for policy in ("card", "authors"):
        labels = {"hq": policy, "sc": policy, "percent": policy}
        same(*(ds.reader(["L1C_B3", "L1C_B2"], labels, size=30).read(INDEX) for ds in both))


def test_statistics_and_findings_are_the_same(both):
    before, after = both
    bands = [name for name in ALL if not name.startswith("S1")]
    assert stats.bands(before, bands) == stats.bands(after, bands)
    for label in ("LABEL_hq", "LABEL_sc", "LABEL_percent"):
        assert stats.classes(before, label) == stats.classes(after, label)
    assert stats.agreement(before, "hq", "sc") == stats.agreement(after, "hq", "sc")
    whole = [cloudio.verify(ds.path, progress=False) for ds in both]
    found = [{(f.check, f.split, f.file) for f in report.findings} for report in whole]
    assert found[1] <= found[0]


def test_batches_of_a_loader_are_the_same(both):
    loaders = [
        cloudio.Loader(
            ds.reader(ALL, "hq", size=17), batch_size=4, seed=3, crop="random", symmetry="d4"
        )
        for ds in both
    ]
    for one, other in zip(*loaders, strict=True):
        same(one, other)


def test_a_compacted_data_set_that_is_compacted_again_is_the_same(both, tmp_path):
    _, after = both
    result = cloudio.compact(after.path, tmp_path / "again")
    assert all(array.why for array in result.arrays)
    files = [p.relative_to(after.path) for p in after.path.rglob("*") if p.is_file()]
    for file in files:
        assert (after.path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.skipif("CLOUDIO_REALDATA" not in os.environ, reason="needs CLOUDIO_REALDATA")
def test_real_patches_read_count_and_look_the_same(tmp_path):
    source = Path(os.environ["CLOUDIO_REALDATA"]) / "cloudsen12-mini"
    cloudio.compact(source, tmp_path / "set", exceptions=0.5)
    with cloudio.open(source) as before, cloudio.open(tmp_path / "set") as after:
        assert after.warnings == before.warnings
        assert after.layout.label_maps == before.layout.label_maps
        for settings in ({}, {"size": 224, "dtype": "float16"}):
            for origin in (None, [(5 + k, 271 - k) for k in range(6)]):
                origin = None if not settings else origin
                readers = (
                    ds.reader("L1C", ["manual_hq", "fmask"], **settings) for ds in (before, after)
                )
                same(*(reader.read(range(6), origin) for reader in readers))
        assert stats.bands(before) == stats.bands(after)
        assert stats.classes(before, "manual_hq") == stats.classes(after, "manual_hq")
        assert dataclasses.replace(after.layout, bands=()) == dataclasses.replace(
            before.layout, bands=()
        )
        pytest.importorskip("matplotlib", reason="matplotlib is an extra")
        pictures = [tmp_path / name for name in ("before.png", "after.png")]
        for ds, path in zip((before, after), pictures, strict=True):
            cloudio.plot.save(cloudio.plot.patch(ds, 1, bands=["rgb", "B10"]), path)
        assert pictures[0].read_bytes() == pictures[1].read_bytes()
