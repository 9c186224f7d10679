"""The slow medium itself: the folder's bytes, requests side by side, faults, and a clean end."""

import contextlib
import errno
import io
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import processes
import pytest
import slow_fs
from paths import SUPPORT
from residents import soon

WINDOW = 128 << 10  # what the kernel reads ahead at most
CONTENT = np.random.default_rng(1).bytes(32 * WINDOW + 123)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large file, an empty one, and so many that their names do not fit one answer."""
    root = tmp_path_factory.mktemp("folder")
    (root / "large.dat").write_bytes(CONTENT)
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "empty.dat").touch()
    for k in range(150):
        (root / "a" / "b" / f"{k:0250d}").touch()
    return root


@pytest.fixture(params=["cached", "direct"])
def direct(request: pytest.FixtureRequest) -> bool:
    return request.param == "direct"


def is_mounted(path: Path) -> bool:
    return f" {os.path.realpath(path)} " in Path("/proc/mounts").read_text()


def is_running(process: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    return False


def is_right(file: io.FileIO, offset: int) -> bool:
    return os.pread(file.fileno(), 5000, offset) == CONTENT[offset : offset + 5000]


def test_every_byte_is_the_folders(folder, direct):
    with slow_fs.mounted(folder, direct=direct) as medium:
        path = medium.path / "large.dat"
        assert path.read_bytes() == CONTENT
        with open(path, "rb", 0) as file:
            assert all(is_right(file, at) for at in (0, 1, 4095, 5 * WINDOW + 7, len(CONTENT) - 9))
        if direct:
            with pytest.raises(OSError, match="No such device"):
                np.memmap(path, np.uint8, "r")
        else:
            assert np.memmap(path, np.uint8, "r").tobytes() == CONTENT


def test_the_folder_looks_as_it_is_and_cannot_be_written(folder):
    def seen(root: Path) -> list:
        stats = [(root / name).stat() for name in ("", "large.dat", "a", "a/b", "a/empty.dat")]
        return [
            [sorted(os.listdir(root / name)) for name in ("", "a", "a/b")],
            [(stat.st_size, stat.st_mode, stat.st_mtime_ns) for stat in stats],
        ]

    with slow_fs.mounted(folder) as medium:
        assert seen(medium.path) == seen(folder)
        with pytest.raises(FileNotFoundError):
            (medium.path / "a" / "missing").stat()
        with pytest.raises(OSError, match="Read-only"):
            (medium.path / "a" / "new").touch()


def test_requests_of_many_threads_are_under_way_at_once(folder, direct):
    with (
        slow_fs.mounted(folder, direct=direct) as medium,
        open(medium.path / "large.dat", "rb", 0) as file,
        ThreadPoolExecutor(16) as threads,
    ):
        with medium.holding(8):
            assert all(threads.map(is_right, [file] * 16, range(0, 32 * WINDOW, 2 * WINDOW)))
        reads = medium.log()
        assert slow_fs.at_once(reads) >= 8
        assert {read.path for read in reads} == {"large.dat"}
        assert sum(read.size for read in reads) >= 16 * 5000


def test_a_request_takes_as_long_as_it_was_told(folder, direct):
    with (
        slow_fs.mounted(folder, latency=0.05, direct=direct) as medium,
        open(medium.path / "large.dat", "rb", 0) as file,
    ):
        assert is_right(file, 0)
        reads = medium.log()
        assert reads
        assert min(read.end - read.begin for read in reads) >= 0.05


def test_what_is_asked_for_ahead_is_under_way_at_once(folder):
    # One hint brings one window, however many bytes it is given.
    with slow_fs.mounted(folder) as medium:
        with open(medium.path / "large.dat", "rb", 0) as file, medium.holding(8):
            for offset in range(0, 16 * WINDOW, WINDOW):
                os.posix_fadvise(file.fileno(), offset, WINDOW, os.POSIX_FADV_WILLNEED)
            assert file.read(16 * WINDOW) == CONTENT[: 16 * WINDOW]
        assert slow_fs.at_once(medium.log()) >= 8


def test_the_cache_is_asked_first_unless_reads_are_direct(folder, direct):
    with (
        slow_fs.mounted(folder, direct=direct) as medium,
        open(medium.path / "large.dat", "rb", 0) as file,
    ):
        assert is_right(file, 2 * WINDOW)
        before = len(medium.log())
        assert is_right(file, 2 * WINDOW)
        assert (len(medium.log()) > before) == direct


def test_a_fault_stays_with_its_bytes_until_it_is_healed(folder, direct):
    with (
        slow_fs.mounted(folder, direct=direct) as medium,
        open(medium.path / "large.dat", "rb", 0) as file,
    ):
        bad = 8 * WINDOW
        medium.fail("large.dat", bad, 1, errno.EIO)
        with pytest.raises(OSError, match="Input/output error") as raised:
            is_right(file, bad)
        assert raised.value.errno == errno.EIO
        assert is_right(file, bad - 5000)
        assert is_right(file, bad + WINDOW)
        if not direct:  # what came before the fault is no error yet
            assert os.pread(file.fileno(), 5000, bad - 100) == CONTENT[bad - 100 : bad]
        medium.fail("large.dat", bad, 1, None)
        assert is_right(file, bad)


def test_nothing_is_left_of_a_test_that_fails(folder):
    with contextlib.ExitStack() as later:
        with contextlib.suppress(ZeroDivisionError), slow_fs.mounted(folder) as medium:
            assert is_mounted(medium.path)
            file = later.enter_context(open(medium.path / "large.dat", "rb", 0))
            raise ZeroDivisionError
        assert not is_mounted(medium.path)
        assert not medium.path.exists()
        with pytest.raises(OSError, match="not connected"):
            is_right(file, 2 * WINDOW)
        assert not is_running(medium.server)


@pytest.mark.parametrize("end", ["life", "death"])
def test_what_is_never_answered_is_aborted(folder, end, capfd):
    with (
        slow_fs.mounted(folder, latency=600, life=2 if end == "life" else 60) as medium,
        ThreadPoolExecutor(1) as thread,
    ):
        reading = thread.submit((medium.path / "large.dat").read_bytes)
        while end == "death" and not medium.log():
            time.sleep(0.001)
        if end == "death":
            os.kill(medium.server, signal.SIGKILL)
        with pytest.raises(OSError, match=r"abort|not connected"):
            reading.result()
    assert not is_mounted(medium.path)
    assert ("was not given back in 2 s" in capfd.readouterr().err) == (end == "life")


def test_a_keeper_that_is_killed_leaves_no_mount_and_no_server(folder):
    with slow_fs.mounted(folder) as medium:
        keeper = Path(f"/proc/{medium.server}/stat").read_text().split()[3]
        os.kill(int(keeper), signal.SIGKILL)
        assert (medium.path / "large.dat").read_bytes() == CONTENT
    assert not is_mounted(medium.path)
    assert soon(lambda: not is_running(medium.server))


def test_a_test_run_that_is_killed_leaves_no_mount(folder):
    script = (
        "import os, signal, sys, slow_fs\n"
        "with slow_fs.mounted(sys.argv[1]) as medium:\n"
        "    print(medium.path, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with slow_fs.mounted(folder):  # or this test is skipped
        run = [sys.executable, "-c", script, str(folder)]
        where = SUPPORT
        killed = processes.run(run, cwd=where)
    path = Path(killed.stdout.strip())
    assert soon(lambda: not is_mounted(path))
    path.rmdir()
