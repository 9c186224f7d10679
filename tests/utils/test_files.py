"""Files appear whole or not at all, and replace nothing that was not named."""

import errno
import os
import pickle
import shutil
import stat
from pathlib import Path

import pytest

from cloudio import RequestError, WriteError
from cloudio._utils import files
from cloudio._utils.files import check_writable, new_folder, write_file


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize(
    ("content", "written"), [("höhe\n", "höhe\n".encode()), (b"\0\xff", b"\0\xff"), ("", b"")]
)
def test_text_and_bytes_are_written(tmp_path, content, written):
    write_file(tmp_path / "new", content)
    assert (tmp_path / "new").read_bytes() == written
    assert names(tmp_path) == ["new"]


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "mine"
    path.write_text("mine")
    for call in (check_writable, lambda path: write_file(path, "yours")):
        with pytest.raises(FileExistsError, match="mine exists already; force=True or --force"):
            call(path)
    assert path.read_text() == "mine"
    check_writable(path, force=True)
    write_file(path, "yours", force=True)
    assert path.read_text() == "yours"
    assert names(tmp_path) == ["mine"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch, links):
    path, check = tmp_path / "late", files.check_writable

    def late(given, **settings):
        check(given, **settings)
        if any(name.startswith(".late.partial-") for name in names(tmp_path)):
            path.write_text("mine")
            if not links:  # of a file system that has none the second look is the last
                check(given, **settings)

    def no_link(*_):
        raise OSError("no links here")

    monkeypatch.setattr(files, "check_writable", late)
    if not links:
        monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(FileExistsError, match="late exists already"):
        write_file(path, "yours")
    assert path.read_text() == "mine"
    assert names(tmp_path) == ["late"]


def test_a_file_system_without_links_renames(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "link")
    monkeypatch.setattr(
        os, "link", lambda *_: (_ for _ in ()).throw(OSError("none")), raising=False
    )
    write_file(tmp_path / "new", "yours")
    assert (tmp_path / "new").read_text() == "yours"
    assert names(tmp_path) == ["new"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_after_an_error_what_was_there_is_as_it_was(tmp_path, monkeypatch, error):
    def fail(descriptor):
        raise error

    path = tmp_path / "mine"
    path.write_text("mine")
    monkeypatch.setattr(os, "fsync", fail)
    for target, force in ((path, True), (tmp_path / "new", False)):
        with pytest.raises(type(error)):
            write_file(target, "yours", force=force)
    assert path.read_text() == "mine"
    assert names(tmp_path) == ["mine"]


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    path, synced, fsync = tmp_path / "x", [], os.fsync

    def watch(descriptor):
        status = os.fstat(descriptor)
        synced.append((stat.S_ISDIR(status.st_mode) or status.st_size, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_file(path, "12345")
    assert synced == [(5, False), (True, True)]  # and then the name, which is in the folder


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_is_no_file(tmp_path, force):
    with pytest.raises(RequestError, match="is a folder; give the path of a file"):
        write_file(tmp_path, "", force=force)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        for force in (True, False):
            with pytest.raises(RequestError, match="is not a regular file; give the path of one"):
                write_file(path, "", force=force)
    assert (tmp_path / "pipe").is_fifo()


def test_a_missing_folder_is_named_and_not_made(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"x cannot be written: there is no folder .*nowhere"
    ):
        write_file(tmp_path / "nowhere" / "x", "")
    assert not names(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_may_not_be_written_to_is_told(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="closed may not be written to"):
        check_writable(tmp_path / "closed" / "x")


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    write_file(link, "one")  # which is dangling
    with pytest.raises(FileExistsError):
        write_file(link, "two")
    write_file(link, "two", force=True)
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "two"


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind")
def test_a_file_has_the_rights_of_any_new_file_or_of_the_one_it_replaces(tmp_path):
    (tmp_path / "any").touch()
    write_file(tmp_path / "new", "")

    def rights(name):
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    assert rights("new") == rights("any")
    (tmp_path / "new").chmod(0o640)
    write_file(tmp_path / "new", "", force=True)
    assert rights("new") == 0o640


def test_a_new_folder_appears_at_the_end(tmp_path):
    with new_folder(tmp_path / "made") as folder:
        (folder / "x").write_text("x")
        assert not (tmp_path / "made").exists()
    assert names(tmp_path) == ["made"]
    assert names(tmp_path / "made") == ["x"]
    with (
        pytest.raises(FileExistsError, match="made exists already; give the path of a new folder"),
        new_folder(tmp_path / "made"),
    ):
        pass


def test_a_new_folder_vanishes_after_an_error(tmp_path):
    def half(path):
        with new_folder(path) as folder:
            (folder / "x").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half(tmp_path / "made")
    assert not names(tmp_path)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, OSError),
        (errno.EROFS, OSError),
        (errno.EACCES, PermissionError),
        (errno.EDQUOT, OSError),
    ],
)
def test_an_error_while_a_file_is_written_names_that_file(tmp_path, monkeypatch, code, kind):
    def fail(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "x.json"
    with pytest.raises(WriteError, match=f"cannot be written: {os.strerror(code)}: .*/x.json") as e:
        write_file(path, "x")
    assert isinstance(e.value, kind)
    assert (e.value.errno, e.value.filename, e.value.path) == (code, str(path), path)
    assert not names(tmp_path)


def test_errors_of_writing_are_of_the_kinds_that_python_has(tmp_path):
    (tmp_path / "there").touch()
    for path, kind in (
        (tmp_path / "there", FileExistsError),
        (tmp_path / "no/x", FileNotFoundError),
    ):
        with pytest.raises(WriteError) as error:
            write_file(path, "")
        assert isinstance(error.value, kind)
        assert error.value.path == path
        assert isinstance(pickle.loads(pickle.dumps(error.value)), kind)


def test_a_check_is_made_again_right_before_a_file_is_replaced(tmp_path):
    path, calls = tmp_path / "x", []

    def check(given):
        calls.append(given)
        if len(calls) == 2:
            raise RequestError("no")

    path.write_text("mine")
    with pytest.raises(RequestError, match="no"):
        write_file(path, "yours", force=True, check=check)
    assert path.read_text() == "mine"
    assert names(tmp_path) == ["x"]


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(WriteError, match="cannot be written"):
        write_file(tmp_path / "a", "x", force=True)
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize(("of", "name"), [(Path, "mkdir"), (shutil, "rmtree")])
def test_an_interrupt_while_the_private_folder_comes_or_goes_leaves_nothing(
    of, name, tmp_path, monkeypatch
):
    call, calls = getattr(of, name), []

    def interrupted(*given, **named):
        calls.append(given)
        if name == "rmtree" and len(calls) == 1:
            raise KeyboardInterrupt  # at its beginning
        call(*given, **named)
        if name == "mkdir":
            raise KeyboardInterrupt  # at its end

    monkeypatch.setattr(of, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "x", "text")
    assert calls
    assert [x.name for x in tmp_path.iterdir()] == (["x"] if name == "rmtree" else [])
