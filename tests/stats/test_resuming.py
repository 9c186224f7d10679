"""`cloudio stats --resume`: a pass that is stopped goes on, and gives the result of one pass."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from counted_set import LAYOUT, write_split
from processes import in_subprocess

import cloudio
from cloudio import stats
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml
from cloudio.stats.merging import resume

KEPT = Path("kept.json")
ASKED = ["--bands", "i16,f32,sinking", "--labels", "hq,wide", "--agreement", "found,half"]


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The words of a command on a data set of its own, whose chunks are single patches."""
    monkeypatch.setattr(resume, "_CHUNK_BYTES", 1)
    root = tmp_path / "data"
    for split, n in (("train", 4), ("val", 2)):
        write_split(root / split, n)
    (tmp_path / "layout.toml").write_text(to_toml(LAYOUT))
    monkeypatch.chdir(tmp_path)
    return ["stats", str(root), "--layout", "layout.toml", *ASKED]


class Stopped:
    """Counts as the function does, and is interrupted at one of the calls."""

    def __init__(self, function, at):
        self.function, self.at, self.calls = function, at, 0

    def __call__(self, ds, **options):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return self.function(ds, **options)


def written(words, name):
    assert main([*words, "-o", name]) == 0
    return Path(name).read_text()


@pytest.mark.parametrize("saves", ["always", "in the end"])
def test_a_pass_that_is_stopped_goes_on_and_gives_the_result_of_one(
    command, monkeypatch, capsys, saves
):
    monkeypatch.setattr(resume, "_SAVE_SECONDS", 0 if saves == "always" else 1e9)
    monkeypatch.setattr(resume, "_SAVE_SHARE", 1e9)
    expected = written(command, "one.json")
    capsys.readouterr()
    words = [*command, "--resume", "kept.json"]
    for kind, at in (("bands", 4), ("bands", 2), ("classes", 1), ("agreement", 3)):
        stopped = Stopped(getattr(stats, kind), at)
        with monkeypatch.context() as patch:
            patch.setitem(resume._COUNTS, kind, stopped)
            assert main([*words, "-o", "never.json"]) == 130
        assert "stopped; kept.json has what is counted. The same command" in capsys.readouterr().out
        parts = json.loads(KEPT.read_text())["parts"]
        assert kind in parts or at == 1
    with monkeypatch.context() as patch:  # bands are not counted again
        patch.setitem(resume._COUNTS, "bands", Stopped(stats.bands, 1))
        counting = Stopped(stats.agreement, 99)
        patch.setitem(resume._COUNTS, "agreement", counting)
        assert written(words, "two.json") == expected
    assert counting.calls == 4
    assert not KEPT.exists()
    assert not Path("never.json").exists()


def test_a_process_that_ends_at_once_leaves_what_it_has_saved(command):
    words = [*command, "--resume", "kept.json"]
    code = f"""
import os
from cloudio import stats
from cloudio.cli import main
from cloudio.stats.merging import resume
resume._CHUNK_BYTES, resume._SAVE_SECONDS, resume._SAVE_SHARE = 1, 0, 1e9
n = 0
def bands(ds, **options):
    global n
    n += 1
    if n == 4:
        os._exit(0)
    return stats.bands(ds, **options)
resume._COUNTS["bands"] = bands
main({words!r})
os._exit(1)
"""
    in_subprocess(code)
    assert json.loads(KEPT.read_text())["parts"]["bands"]["of"]["splits"] == {"train": 3, "val": 0}
    assert written(words, "two.json") == written(command, "one.json")


def test_the_second_round_goes_on_too(command, monkeypatch):
    words = [*command, "--split", "train", "--resume", "kept.json"]
    monkeypatch.setattr(resume, "lower_halves", Stopped(stats.lower_halves, 3))
    assert main(words) == 130
    assert json.loads(KEPT.read_text())["parts"]["percentiles"]["of"]["splits"] == {"train": 2}
    counting = Stopped(stats.lower_halves, 99)
    monkeypatch.setattr(resume, "lower_halves", counting)
    found = written(words, "two.json")
    assert counting.calls == 2
    assert found == written([*command, "--split", "train"], "one.json")


def test_a_file_of_something_else_is_refused_and_kept(command, monkeypatch, capsys):
    words = [*command, "--resume", "kept.json"]
    with monkeypatch.context() as patch:
        patch.setitem(resume._COUNTS, "classes", Stopped(stats.classes, 2))
        assert main(words) == 130
    before = KEPT.read_text()
    os.utime("data/val/i16.dat", (1, 1))
    refused = [
        (
            [*words, "--percentiles", "50"],
            "of another request, which differs in: bands, files; give",
        ),
        ([*words, "--split", "val"], "of another request, which differs in: patches, files; give"),
        (words, "of another request, which differs in: files; give the same options, or remove"),
        ([*words, "-o", "./kept.json"], "--resume and -o name one file; --resume removes its file"),
        ([*command, "--resume", "no/kept.json"], "no folder"),
        ([*command, "--resume", "layout.toml"], "layout.toml does not hold unfinished statistics"),
    ]
    for others, text in refused:
        capsys.readouterr()
        assert main([*others, "--force"]) == 2
        assert text in capsys.readouterr().err
    assert KEPT.read_text() == before
    changed = json.loads(before)
    changed["parts"]["bands"]["of"]["covers"]["runs"] = [[1, 4]]
    KEPT.write_text(json.dumps(changed))
    os.utime(
        "data/val/i16.dat",
        ns=(1, changed["request"]["files"][os.path.realpath("data/val/i16.dat")][1]),
    )
    capsys.readouterr()
    assert main(words) == 2
    assert "kept.json does not hold unfinished statistics" in capsys.readouterr().err


def test_chunks_are_merged_when_they_are_saved_and_in_the_end(command, monkeypatch):
    """A merge takes time for all patches that are counted so far, so not after each chunk."""
    merged = []

    def merging(results):
        merged.append(len(results))
        return stats.merge(results)

    monkeypatch.setattr(resume, "merge", merging)
    expected = written(command, "one.json")
    words = [*command, "--resume", "kept.json"]
    assert written(words, "two.json") == expected
    assert merged == [6, 6, 6, 6]  # bands, their percentiles, classes, agreement
    with monkeypatch.context() as patch:
        patch.setitem(resume._COUNTS, "classes", Stopped(stats.classes, 4))
        assert main(words) == 130
    assert merged[4:] == [6, 6, 3]
    assert written(words, "three.json") == expected
    assert merged[7:] == [4, 6]


def test_other_presets_are_another_request(command, monkeypatch, capsys):
    words = [*command[:4], "--bands", "some", "--labels", "hq", "--resume", "kept.json"]
    with monkeypatch.context() as patch:
        patch.setitem(resume._COUNTS, "classes", Stopped(stats.classes, 1))
        assert main(words) == 130
    other = dataclasses.replace(LAYOUT, presets={"some": (("i16",),)})
    Path("layout.toml").write_text(to_toml(other))
    capsys.readouterr()
    assert main(words) == 2
    assert "of another request, which differs in: layout; give" in capsys.readouterr().err


def test_a_split_without_patches_is_counted(command):
    empty = cloudio.open("data", layout=LAYOUT).subset([])
    requests = {"bands": {"bands": ["i16"], "percentiles": (), "scale": None}}
    found = resume.count_in_chunks("kept.json", empty, requests, None, progress=False)
    assert found["bands"] == stats.bands(empty, ["i16"], percentiles=(), scale=None)
