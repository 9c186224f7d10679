"""Errors carry what they are about as fields, also when they come from another process."""

import copy
import errno
import os
import pickle
from pathlib import Path

import builders
import numpy as np
import pytest
from processes import in_subprocess

import cloudio
from cloudio import (
    CloudioError,
    LayoutError,
    ReadError,
    RequestError,
    TruncatedError,
    errors,
)
from cloudio.layouts.band import EntryError
from cloudio.storage import errors as storage_errors
from cloudio.storage import files
from cloudio.storage.headers.npy import HeaderSizeError, read_header

COPIES = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
PATH = Path("folder", "file.dat")


def every_class(base=CloudioError):
    return [base, *(found for each in base.__subclasses__() for found in every_class(each))]


def fields(error):
    return error.path, error.patch, error.offset, error.reason


# ---- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_every_error_has_fields_and_is_copied_whole(kind, copied):
    error = kind.about(PATH, "holds 3 bytes", patch=7, offset=4096)
    error.add_note("a note")
    for each in (error, COPIES[copied](error)):
        assert type(each) is kind
        assert fields(each) == (PATH, 7, 4096, "holds 3 bytes")
        assert str(each) == f"{PATH} holds 3 bytes"
        assert each.args == (f"{PATH} holds 3 bytes",)
        assert each.__notes__ == ["a note"]


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_what_is_not_known_is_none(kind):
    for error in (kind("said"), COPIES["pickle"](kind("said"))):
        assert fields(error) == (None, None, None, None)
        assert str(error) == "said"
        assert error.args == ("said",)


def test_a_line_stands_between_path_and_reason():
    error = LayoutError.about("a.csv", "4 fields", line=3)
    assert str(error) == "a.csv, line 3: 4 fields"
    assert error.reason == "line 3: 4 fields"


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(
    ("code", "kind", "builtin"),
    [
        (errno.EIO, ReadError, OSError),
        (errno.EBUSY, ReadError, OSError),
        (errno.ENOENT, errors.MissingFileError, FileNotFoundError),
        (errno.EACCES, errors.FilePermissionError, PermissionError),
        (errno.ETIMEDOUT, errors.ReadTimeoutError, TimeoutError),
    ],
)
def test_an_error_of_the_system_is_what_it_was_and_has_fields(code, kind, builtin, copied):
    error = errors.read_error(code, "the disk is on fire", PATH, patch=2, offset=512)
    for each in (error, COPIES[copied](error)):
        assert type(each) is kind
        assert isinstance(each, (builtin, CloudioError))
        assert (each.errno, each.strerror) == (code, "the disk is on fire")
        assert each.filename == str(PATH)
        assert each.args == (code, "the disk is on fire")
        assert str(each) == f"[Errno {code}] the disk is on fire: {str(PATH)!r}"
        assert fields(each) == (PATH, 2, 512, "the disk is on fire")


def test_truncated_is_an_error_of_reading_and_of_the_system():
    assert issubclass(TruncatedError, (ReadError, OSError))
    assert issubclass(ReadError, OSError)
    assert issubclass(ReadError, CloudioError)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LayoutError.about(PATH, "is empty"), "is empty"),
        (LayoutError("no such thing"), "no such thing"),
        (OSError(errno.EIO, "Input/output error", "x"), "Input/output error"),
        (OSError("only this"), "only this"),
        (ValueError("odd"), "odd"),
    ],
)
def test_the_reason_of_any_error_is_its_message_without_the_path(error, reason):
    assert errors.error_reason(error) == reason


def test_errors_with_more_fields_keep_them():
    entry = COPIES["pickle"](EntryError("is wrong", "scale", "B4"))
    assert (str(entry), entry.key, entry.array) == ("is wrong", "scale", "B4")


# ---- where they come from ------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    builders.write_root(tmp_path, {"train": 3, "val": 2})
    return tmp_path


def read_all(ds):
    ds.reader(["B2", "B3"]).read(range(len(ds)))


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("copied", COPIES)
def test_a_file_that_was_cut_has_path_patch_and_byte(folder, io, copied):
    ds = cloudio.open(folder, layout=builders.SMALL, io=io)
    reader = ds.reader(["B2", "B3"])
    path = folder / "val" / "L1C_B3.dat"
    height, width = builders.SMALL.patch
    end = height * width * 2 + 10
    os.truncate(path, end)
    with pytest.raises(TruncatedError) as caught:
        reader.read(range(len(ds)))
    error = COPIES[copied](caught.value)
    # Patch 1 of val is the fifth of all.
    assert (error.path, error.patch, error.offset) == (path, 1, end)
    assert f"patch 1, from byte {end:,} on" in error.reason
    assert str(error) == f"{path} {error.reason}"
    assert (error.errno, error.filename, error.strerror) == (None, None, None)


WORKER = """
    import os, pickle, sys
    import builders
    import cloudio

    ds = cloudio.open(sys.argv[1], layout=builders.SMALL)
    reader = ds.reader(["B2"])
    os.truncate(sys.argv[2], 10)
    try:
        reader.read([0])
    except OSError as error:
        print(pickle.dumps(error).hex())
"""


def test_another_process_hands_the_fields_over(folder):
    path = folder / "train" / "L1C_B2.dat"
    error = pickle.loads(bytes.fromhex(in_subprocess(WORKER, folder, path)))
    assert type(error) is TruncatedError
    assert (error.path, error.patch, error.offset) == (path, 0, 10)


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_a_file_that_is_gone_or_closed_is_named(folder, io):
    ds = cloudio.open(folder, layout=builders.SMALL, io=io)
    path = folder / "train" / "L1C_B2.dat"
    path.rename(folder / "away.dat")
    with pytest.raises(FileNotFoundError) as gone:
        read_all(ds)
    assert isinstance(gone.value, ReadError)
    assert (gone.value.path, gone.value.filename) == (path, str(path))
    assert (gone.value.patch, gone.value.offset) == (None, None)
    (folder / "away.dat").rename(path)
    reader = ds.reader(["B2"])
    ds.close()
    for use in (lambda: reader.read([0]), lambda: reader.prefetch([0]), lambda: read_all(ds)):
        with pytest.raises(RequestError, match="is closed; open the data set again") as closed:
            use()
        assert closed.value.path == path


def test_a_file_of_another_size_is_named(folder):
    path = folder / "train" / "L1C_B2.dat"
    n_bytes = path.stat().st_size
    with pytest.raises(TruncatedError) as short:
        files.open_file(path, n_bytes + 1, "mmap")
    with pytest.raises(LayoutError) as long:
        files.open_file(path, n_bytes - 1, "mmap")
    assert short.value.path == long.value.path == path
    assert short.value.patch is None
    assert short.value.reason.startswith(f"holds {n_bytes:,} bytes; it held {n_bytes + 1:,}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read")
def test_a_file_that_may_not_be_read_is_named(folder):
    path = folder / "train" / "L1C_B2.dat"
    path.chmod(0)
    with pytest.raises(PermissionError) as caught:
        read_all(cloudio.open(folder, layout=builders.SMALL))
    assert isinstance(caught.value, ReadError)
    assert caught.value.path == path


def test_what_the_system_refuses_has_a_way_out_and_the_path():
    error = storage_errors.refused_error(OSError(errno.EMFILE, "Too many open files"), PATH)
    assert error.errno == errno.EMFILE
    assert "this process cannot open more files" in error.reason
    assert error.path == PATH


def test_a_header_of_another_size_is_an_error_that_pickles(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((2, 3, 4), np.int16))
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(HeaderSizeError) as caught:
        read_header(path)
    again = COPIES["pickle"](caught.value)
    assert again.header.shape == (2, 3, 4)
    assert again.path == path


def test_a_file_that_does_not_fit_is_named(folder):
    path = folder / "val" / "L1C_B3.dat"
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(LayoutError) as caught:
        cloudio.open(folder, layout=builders.SMALL)
    assert caught.value.path == path
    assert caught.value.reason.startswith("holds ")
