"""`synthesize`: always the same bytes, all or nothing, and wrong arguments refused."""

import errno
import hashlib
import inspect
import os
import shutil
import stat
from collections import namedtuple

import numpy as np
import pytest
from synthetic import NAMES, contents, stored_pixels

import cloudio
from cloudio import RequestError, synthesize
from cloudio.synth import writer
from cloudio.synth.metadata import ROW_BYTES

# ---- always the same -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    options = {"patches": {"train": 2, "val": 1}, "arrays": ["L1C_B10", "S1_VV", "LABEL_manual_sc"]}
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        synthesize(tmp_path / name, **options, seed=seed)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[file] != other[file] for file in one)


@pytest.mark.parametrize("name", NAMES)
def test_a_patch_does_not_depend_on_what_else_is_written(whole, tmp_path, name):
    synthesize(tmp_path / "alone", {"val": 1, "train": 2}, arrays=[name])
    for split, n_patches in (("train", 2), ("val", 1)):
        alone = stored_pixels(tmp_path / "alone", split, name)
        assert np.array_equal(alone, stored_pixels(whole, split, name)[:n_patches])
    shutil.rmtree(tmp_path / "alone")


def test_splits_show_different_scenes(whole):
    for name in ("L1C_B4", "S1_VV", "LABEL_manual_hq"):
        assert (
            stored_pixels(whole, "train", name)[0] != stored_pixels(whole, "val", name)[0]
        ).any()


# Made by this code.  They change only with what a patch shows, never with platform or numpy.
GOLDEN = {
    "L1C_B4": "e4bf6309588def84b0b873449a4ce166f836fa68696a5632e21ce01c913ac2db",
    "S1_VV": "74aa0179a17019a49e444b67fc0281d63764f6fe5f83e2285058ee66d4ee3f93",
    "LABEL_manual_hq": "105c41f852ac0136d5ba8438562a71de63f9783db0f93cb6835f87302587f7e5",
}


def test_the_bytes_are_those_of_every_platform(tmp_path):
    synthesize(tmp_path / "made", {"train": 1}, arrays=list(GOLDEN))
    sums = {
        name: hashlib.sha256((tmp_path / "made" / "train" / f"{name}.dat").read_bytes()).hexdigest()
        for name in GOLDEN
    }
    assert sums == GOLDEN


def test_arrays_says_which_files_are_written(tmp_path):
    synthesize(tmp_path / "made", {"few": 1}, arrays=["LABEL_fmask", "L1C_B1"])
    assert sorted(contents(tmp_path / "made")) == [
        "few/L1C_B1.dat",
        "few/LABEL_fmask.dat",
        "few/metadata.csv",
    ]


# ---- all or nothing ------------------------------------------------------------------------------


def write_tiny(path, **options):
    return synthesize(path, **{"patches": {"train": 2}, "arrays": ["LABEL_qa60"], **options})


@pytest.mark.parametrize("what", ["file", "folder", "empty", "dangling"])
def test_what_is_there_is_refused_and_left_as_it_is(tmp_path, what):
    path = tmp_path / "taken"
    if what == "file":
        path.write_text("mine")
    elif what == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
    if what == "folder":
        (path / "file").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="taken exists already"):
        write_tiny(path)
    assert contents(tmp_path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
    assert path.is_symlink() == (what == "dangling")


def test_what_appears_meanwhile_is_left_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "made"
    monkeypatch.setattr(writer, "_write_split", lambda *_: path.mkdir())
    with pytest.raises(FileExistsError, match="made exists already"):
        write_tiny(path)
    assert [*tmp_path.iterdir()] == [path]
    assert not [*path.iterdir()]


def test_a_missing_parent_is_named_and_not_made(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"made cannot be made: there is no folder .*nowhere"
    ):
        write_tiny(tmp_path / "nowhere" / "made")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            OSError,
            "bytes are needed; nothing is kept",
        ),
        (OSError(errno.EIO, "Input/output error"), OSError, "Input/output error"),
        (KeyboardInterrupt("stopped"), KeyboardInterrupt, "stopped"),
    ],
)
def test_an_error_midway_leaves_nothing_behind(tmp_path, monkeypatch, error, raised, message):
    draw, left = writer.render_array, [3]

    def fail_at_last(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            (partial,) = tmp_path.iterdir()
            assert partial.name.startswith(".made.partial-")
            raise error
        draw(*arguments, **options)

    monkeypatch.setattr(writer, "render_array", fail_at_last)
    with pytest.raises(raised, match=message) as caught:
        write_tiny(tmp_path / "made", arrays=["LABEL_fmask", "LABEL_qa60"])
    assert left == [0]
    assert not [*tmp_path.iterdir()]
    if raised is OSError:
        assert caught.value.errno == error.errno


def test_too_little_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 54_321, 54_321)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(writer, "new_folder", None)
    with pytest.raises(
        OSError, match=r"the disk is too full: 526,336 bytes are needed, 54,321 are free: .*made"
    ) as caught:
        write_tiny(tmp_path / "made")
    assert caught.value.errno == errno.ENOSPC
    assert not [*tmp_path.iterdir()]


def test_rows_of_metadata_fit_in_the_room_that_is_needed(whole):
    lines = (whole / "train" / "metadata.csv").read_bytes().splitlines()
    assert max(map(len, lines)) < ROW_BYTES


def test_folders_have_the_rights_of_any_new_folder(tmp_path):
    write_tiny(tmp_path / "made")
    (tmp_path / "any").mkdir()
    rights = stat.S_IMODE((tmp_path / "any").stat().st_mode)
    for folder in (tmp_path / "made", tmp_path / "made" / "train"):
        assert stat.S_IMODE(folder.stat().st_mode) == rights
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["any", "made"]


def test_a_path_may_be_text_and_end_with_a_slash(tmp_path):
    write_tiny(f"{tmp_path}{os.sep}made{os.sep}")
    assert len(cloudio.open(tmp_path / "made")) == 2


def test_progress_is_shown_only_where_asked_for(tmp_path, capsys):
    write_tiny(tmp_path / "silent")
    assert capsys.readouterr() == ("", "")
    write_tiny(tmp_path / "shown", progress=True)
    assert "524k/524k" in capsys.readouterr().err


# ---- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patches": {}}, r"patches=\{\}; patches must map each split to a number"),
        ({"patches": [("train", 1)]}, "a number, such as {'train': 8}"),
        (
            {"patches": {"train": 0}},
            r"patches\['train'\]=0; patches\['train'\] must be a whole number, 1 or more",
        ),
        ({"patches": {"train": -3}}, "=-3; patches\\['train'\\] must be a whole number, 1 or"),
        ({"patches": {"train": True}}, "=True; patches\\['train'\\] must be a whole number, 1 or"),
        ({"patches": {"train": 2.0}}, r"=2.0; patches\['train'\] must be a whole number, 1 or"),
        ({"patches": {"../x": 1}}, "'../x' cannot name a split; it must be the name of a folder"),
        ({"patches": {"": 1}}, "'' cannot name a split"),
        ({"patches": {5: 1}}, "5 cannot name a split"),
        ({"patches": {".x": 1}}, "'.x' cannot name a split"),
        (
            {"patches": {"train": 1, "high_train": 1}},
            "'high_train' and 'train' are names of the same split; give one",
        ),
        ({"seed": -1}, "seed=-1; seed must be a whole number, 0 or more"),
        ({"seed": True}, "seed=True"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": None}, "seed=None"),
        ({"arrays": ["L1C_B1", "B04"]}, "no array 'B04'; CloudSEN12 has L1C_B1, L1C_B2"),
        ({"arrays": "L1C_B4"}, "arrays='L1C_B4'; arrays must be a sequence of names"),
        ({"arrays": []}, r"arrays=\[\]; arrays must be a sequence of names"),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(RequestError, match=message):
        write_tiny(tmp_path / "made", **options)
    assert not [*tmp_path.iterdir()]


def test_numpy_numbers_are_whole_numbers_too(tmp_path):
    write_tiny(tmp_path / "numpy", patches={"a": np.int16(1)}, seed=np.uint64(9))
    write_tiny(tmp_path / "python", patches={"a": 1}, seed=9)
    assert contents(tmp_path / "numpy") == contents(tmp_path / "python")


def test_the_default_cannot_be_changed():
    with pytest.raises(TypeError):
        inspect.unwrap(synthesize).__defaults__[0]["train"] = 1
    assert dict(inspect.unwrap(synthesize).__defaults__[0]) == {"train": 8, "val": 2, "test": 2}
