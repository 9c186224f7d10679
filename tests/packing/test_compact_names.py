"""The files that `compact` writes: no two arrays get one name, whatever they are called."""

import builders
import native
import numpy as np
import pytest

import cloudio
from cloudio import Band, Window
from cloudio.layouts.toml_writer import to_toml

VALID = Window(0, 0, 36, 36)
PHASES = {"one": [[0, 1], [1, 0], [1, 1]], "two": [[1, 1], [0, 0], [0, 1]]}


def repeated(name, split):
    """Patches that are repetitions of 2, each with a phase of its own."""
    stored = builders.pixels(f"{name} {split}", (3, *native.stored_size(VALID.size, 2)), "int16")
    return stored, native.expand(stored, 2, np.array(PHASES[split]), (36, 36), VALID)


def write_set(folder, bands, arrays):
    """Write a data set; ``arrays``: what a function returns of each split, by file."""
    for split in PHASES:
        for name, array in arrays(split).items():
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            native.write_array(path, array)
    layout = cloudio.Layout("Names", (36, 36), VALID, tuple(bands))
    (folder / "cloudio.toml").write_text(to_toml(layout), encoding="utf-8")


def assert_equal_after(folder, dest, **options):
    result = cloudio.compact(folder, dest, **options)
    with cloudio.open(folder) as old, cloudio.open(dest) as new:
        assert new.names == old.names
        for name in old.names:
            one, two = (ds.reader([name], scale=None).read(range(6)).image for ds in (old, new))
            assert np.array_equal(one, two), name
    return {array.name: array.repeat for array in result.arrays}


@pytest.mark.parametrize("table", ["phases/new.npy", "exceptions/new.npy"])
def test_tables_of_the_source_are_not_overwritten_by_those_of_other_arrays(tmp_path, table):
    bands = [Band("old", repeat=2, phase=table), Band("new")]
    write_set(
        tmp_path / "data",
        bands,
        lambda split: {
            "old.npy": repeated("old", split)[0],
            table: np.array(PHASES[split][::-1]),
            "new.npy": np.concatenate([repeated("new", split)[1][:2], noise(split)]),
        },
    )
    found = assert_equal_after(tmp_path / "data", tmp_path / "set", exceptions=0.5)
    assert found == {"old": 1, "new": 2}


def noise(split):
    return builders.pixels(f"noise {split}", (1, 36, 36), "int16")


def test_a_pattern_of_tables_matches_no_table_that_is_written(tmp_path):
    bands = [
        Band("old", repeat=2, phase="phases/*.npy", exceptions="exceptions/*.npy"),
        Band("new"),
    ]
    write_set(
        tmp_path / "data",
        bands,
        lambda split: {
            "old.npy": repeated("old", split)[0],
            "phases/[20 m].npy": np.array([*PHASES[split][:2], [-1, 0]]),
            "exceptions/[20 m].npy": noise(split),
            "new.npy": np.concatenate([repeated("new", split)[1][:2], noise("new")]),
        },
    )
    found = assert_equal_after(tmp_path / "data", tmp_path / "set", exceptions=0.5)
    assert found == {"old": 1, "new": 2}


def test_copied_files_and_those_that_are_written_have_names_of_their_own(tmp_path):
    bands = [
        Band("a", file="b.npy"),
        Band("b", file="*_b.npy"),
        Band("c", file="phases/d.npy"),
        Band("d"),
    ]
    write_set(
        tmp_path / "data",
        bands,
        lambda split: {
            "b.npy": noise(split).repeat(3, 0),
            f"{split}_b.npy": noise(f"b {split}").repeat(3, 0),
            "phases/d.npy": noise(f"c {split}").repeat(3, 0),
            "d.npy": repeated("d", split)[1],
        },
    )
    found = assert_equal_after(tmp_path / "data", tmp_path / "set")
    assert found == {"a": 1, "b": 1, "c": 1, "d": 2}


def test_channels_whose_names_cannot_be_those_of_files_get_different_files(tmp_path):
    names = ["x/1", "x/2", "B1", "b1"]
    bands = [
        Band(name, file="all.npy", channel=k, channels=len(names)) for k, name in enumerate(names)
    ]
    write_set(
        tmp_path / "data",
        bands,
        lambda split: {"all.npy": np.stack([repeated(name, split)[1] for name in names], 1)},
    )
    found = assert_equal_after(tmp_path / "data", tmp_path / "set")
    assert found == dict.fromkeys(names, 2)
    written = [path.name.casefold() for path in (tmp_path / "set/one").iterdir()]
    assert len(set(written)) == len(written)
