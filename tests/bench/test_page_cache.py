"""Pages are gone after an eviction or there is an error; CPU, reads and memory are counted."""

import mmap
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from benching import COLD_BANDS

import cloudio
from cloudio.bench import page_cache
from cloudio.bench.page_cache import EvictableFiles, Pss, usage
from cloudio.cli import main

MIB_64 = 1 << 26


@pytest.fixture
def path(cold_folder):
    return cold_folder / f"{COLD_BANDS[0]}.dat"


# ---- eviction ------------------------------------------------------------------------------------


def test_pages_are_gone_after_eviction(path):
    with EvictableFiles([path, path]) as files:
        size = len(path.read_bytes())
        assert files.resident() == {path: size}
        files.evict()
        assert files.resident() == {}
        before = usage()
        path.read_bytes()
        assert usage().since(before).read_bytes >= size


def test_pages_that_are_mapped_stay_and_the_file_is_named(cold_folder, path, monkeypatch):
    monkeypatch.setattr(page_cache, "_TRIES", 2)
    with EvictableFiles(cold_folder.glob("*.dat")) as files, open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert mapping[0] is not None
        with pytest.raises(cloudio.CloudioError, match=rf"{path}: [0-9,]+ bytes stay in memory"):
            files.evict()
        mapping.madvise(mmap.MADV_DONTNEED)
        files.evict()


def test_memory_is_never_cold():
    shm = Path("/dev/shm")
    if not shm.is_dir() or page_cache.file_system(shm) != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    path = shm / f"cloudio-test-{os.getpid()}.dat"
    path.write_bytes(bytes(4096))
    try:
        with pytest.raises(cloudio.CloudioError, match="lies on tmpfs, which is memory"):
            EvictableFiles([path])
    finally:
        path.unlink()


def test_elsewhere_than_on_linux_it_says_so(cold_folder, monkeypatch, capsys):
    monkeypatch.setattr(page_cache.sys, "platform", "darwin")
    assert main(["bench", "--cold", str(cold_folder)]) == 2
    assert "cold reads need Linux" in capsys.readouterr().err


# ---- what a run costs ----------------------------------------------------------------------------


def test_a_fault_that_waits_for_the_disk_is_counted(path):
    with EvictableFiles([path]) as files, open(path, "rb") as file:
        files.evict()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
            before = usage()
            assert mapping[0] is not None
            used = usage().since(before)
        # On a machine short of memory, pages of this program may come from the disk too.
        assert used.major_faults >= 1
        assert used.read_bytes >= mmap.PAGESIZE
        assert used.cpu_seconds > 0


def test_memory_that_is_gone_again_was_seen(monkeypatch):
    """The thread that watches has looked while the memory was there."""
    looked = page_cache.threading.Semaphore(0)
    look = Pss._look

    def told(self):
        look(self)
        looked.release()

    monkeypatch.setattr(Pss, "_look", told)
    pss = Pss()
    with pss.watched():
        taken = mmap.mmap(-1, MIB_64)
        taken.write(bytes(MIB_64))
        for _ in range(2):  # one that has begun before, and one after
            looked.acquire()
        taken.close()
    assert pss.peak - pss.before >= 0.9 * MIB_64


def test_shared_memory_between_processes_counts_once(monkeypatch):
    """As a batch that a worker has handed over, before and after its pages are touched."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm")
    with tempfile.TemporaryFile(dir="/dev/shm") as file:

        def shared_bytes():
            """Not all that lies there: other processes use it, too."""
            return os.fstat(file.fileno()).st_blocks * 512

        monkeypatch.setattr(page_cache, "_shared_bytes", shared_bytes)
        pss = Pss()
        file.write(bytes(MIB_64))
        file.flush()
        with pss.watched():
            pass
        assert 0.9 * MIB_64 <= pss.own_peak - pss.own_before <= 1.3 * MIB_64
        with mmap.mmap(file.fileno(), MIB_64) as mapped, pss.watched():
            assert np.frombuffer(mapped, np.uint8).max() == 0
        assert 0.9 * MIB_64 <= pss.own_peak - pss.own_before <= 1.3 * MIB_64
