"""A run of `compact` that is killed at any moment is resumed to the files of an undisturbed run."""

import os
import signal
import sys

import processes
import pytest
from killed_compacts import contents, small_tasks, write_data
from profiles import scaled

import cloudio

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux, and SIGKILL")


def run(source, dest, moment):
    code = (
        f"import killed_compacts; killed_compacts.main({str(source)!r}, {str(dest)!r}, {moment!r})"
    )
    done = processes.run(processes.python(code), env=processes.environment())
    assert done.returncode == (0 if moment == "none" else -signal.SIGKILL), done.stderr


@pytest.fixture(autouse=True)
def small(monkeypatch):
    small_tasks(monkeypatch.setattr)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "data"
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    dest = tmp_path_factory.mktemp("whole") / "set"
    cloudio.compact(source, dest)
    found = cloudio.Layout.from_toml(dest / "cloudio.toml")
    assert [band.repeat for band in found.bands] == [1, 2, 1, 2]  # both rounds were needed
    return contents(dest)


# The journal takes fsync 0 and 1 for the begin, 2 to 33 for the tasks of the first round, 34 for
# the second choice, 35 to 50 for its tasks, and 51 for the end.
MOMENTS = [
    "posix_fallocate:2",  # before the first task
    "preadv:150",  # in the first round
    "remove:0",  # as the second one begins
    "fsync:42",  # in the second one
    "rename:0",  # the last step
    *scaled([], ["fsync:0", "fsync:11", "fsync:34", "fsync:51", "remove:1"]),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_is_resumed_to_the_same_files(source, undisturbed, tmp_path, moment):
    dest = tmp_path / "set"
    run(source, dest, moment)
    if moment != "rename:0":
        assert not dest.exists()
        cloudio.compact(source, dest, resume=True)
    assert contents(dest) == undisturbed
    assert moment == "rename:0" or os.listdir(tmp_path) == ["set"]


def test_what_is_done_is_not_read_again(source, tmp_path, monkeypatch):
    dest = tmp_path / "set"
    run(source, dest, "fsync:48")
    read, reads = os.preadv, []
    monkeypatch.setattr(os, "preadv", lambda *args: reads.append(args) or read(*args))
    cloudio.compact(source, dest, resume=True)
    # A few tasks of the second round, of 17 patches each, and two exceptions.
    assert 0 < len(reads) < 60


def test_a_run_needs_resume_and_the_same_source_and_options(source, tmp_path):
    data, dest = tmp_path / "data", tmp_path / "set"
    write_data(data)
    run(data, dest, "preadv:150")
    with pytest.raises(cloudio.RequestError, match="is an unfinished run; resume=True"):
        cloudio.compact(data, dest)
    with pytest.raises(cloudio.RequestError, match="unfinished run with other arrays, types, siz"):
        cloudio.compact(data, dest, resume=True, exceptions=0.5)
    os.utime(data / "train" / "B9.dat", ns=(1, 1))
    with pytest.raises(cloudio.RequestError, match="unfinished run with other samples: files"):
        cloudio.compact(data, dest, resume=True)


@pytest.mark.parametrize("name", ["notes.txt", "data/notes.txt", "data", ""])
def test_a_folder_that_is_no_unfinished_run_is_left_alone(source, tmp_path, name):
    path = tmp_path / "set.packing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    for options in ({}, {"resume": True}):
        with pytest.raises(cloudio.RequestError, match=r"set\.packing exists and is no unfinished"):
            cloudio.compact(source, tmp_path / "set", **options)
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["set.packing"]


def test_the_empty_folder_of_a_run_that_was_killed_at_its_begin_is_no_hindrance(source, tmp_path):
    (tmp_path / "set.packing" / "data").mkdir(parents=True)
    cloudio.compact(source, tmp_path / "set")
    assert os.listdir(tmp_path) == ["set"]


def test_a_file_of_the_run_that_was_changed_is_refused(source, tmp_path):
    dest = tmp_path / "set"
    run(source, dest, "preadv:150")
    os.truncate(tmp_path / "set.packing/data/train/B11.dat", 1000)
    with pytest.raises(cloudio.RequestError, match=r"B11\.dat has 1,000 bytes, but by the journal"):
        cloudio.compact(source, dest, resume=True)


def test_a_source_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    from cloudio.packing.compacting import run as module

    data, dest = tmp_path / "data", tmp_path / "set"
    write_data(data)
    finish = module.finish

    def change(*args):
        os.utime(data / "train" / "B9.dat", ns=(1, 1))
        finish(*args)

    monkeypatch.setattr(module, "finish", change)
    with pytest.raises(cloudio.RequestError, match="were changed while it was compacted"):
        cloudio.compact(data, dest)
    assert not dest.exists()


def test_an_error_at_the_start_leaves_nothing(source, tmp_path, monkeypatch):
    from cloudio.packing.running import disk

    monkeypatch.setattr(disk, "free_bytes", lambda folder: 100_000)
    with pytest.raises(cloudio.WriteError, match=r"the disk is too full: 0\.\d* GB are needed"):
        cloudio.compact(source, tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_becomes_full_is_told_and_the_run_goes_on_later(
    source, undisturbed, tmp_path, monkeypatch
):
    dest = tmp_path / "set"
    write, left = os.pwrite, [100]

    def full(*args):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(cloudio.WriteError, match="No space left on device"):
            cloudio.compact(source, dest)
    assert (tmp_path / "set.packing" / "journal").exists()
    cloudio.compact(source, dest, resume=True)
    assert contents(dest) == undisturbed


def test_an_interrupt_keeps_what_is_done(source, undisturbed, tmp_path, monkeypatch):
    from cloudio.packing.compacting.worker import Worker

    dest = tmp_path / "set"
    do = Worker.do

    def interrupted(self, unit, number, task):
        if unit.number == 2:
            raise KeyboardInterrupt
        return do(self, unit, number, task)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "do", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cloudio.compact(source, dest)
    assert not dest.exists()
    cloudio.compact(source, dest, resume=True)
    assert contents(dest) == undisturbed
