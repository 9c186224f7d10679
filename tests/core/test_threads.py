"""The thread pool: every pixel once, whoever reads, in parents and in forked children.

What may hang or die runs in a process of its own.
"""

import os
import shutil
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import builders
import numpy as np
import pytest
from paths import ROOT
from processes import forks_under_load, in_subprocess, run
from profiles import scaled

import cloudio

COMPILER = shutil.which("cc") or shutil.which("gcc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Patches large enough for a read to be worth the pool."""
    folder = tmp_path_factory.mktemp("pool")
    layout = cloudio.CLOUDSEN12
    names = ["L1C_B2", "L1C_B3", "L1C_B4", "LABEL_manual_hq"]
    builders.write_root(folder, {"train": 3, "val": 1}, layout, names=names)
    return folder


@pytest.mark.skipif(not (ROOT / "csrc").is_dir(), reason="the tests run without the source")
@pytest.mark.skipif(COMPILER is None or os.name == "nt", reason="no C compiler for POSIX threads")
def test_all_is_done_and_closed_once_under_load_and_in_forked_children(tmp_path):
    """As `.ci/run sanitize` runs it under sanitizers."""
    program = tmp_path / "pool_stress"
    ours = (ROOT / "csrc" / f"{name}.c" for name in ("thread_pool", "background", "file"))
    sources = [ROOT / "tests" / "core" / "pool_stress.c", *ours]
    command = [COMPILER, "-std=gnu11", "-O1", "-g", f"-I{ROOT / 'csrc'}", *sources]
    built = run([*command, "-o", program, "-pthread", "-lm"])
    assert built.returncode == 0, built.stderr
    done = run([program, scaled(20, 100)], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_threads_that_share_a_reader_each_get_their_own_batch(folder):
    reader = cloudio.open(folder).reader("rgb", "manual_hq", threads=2)
    wanted = [reader.read([i]) for i in range(4)]

    def check(k):
        got = reader.read([k % 4])
        return np.array_equal(got.image, wanted[k % 4].image) and np.array_equal(
            got.label, wanted[k % 4].label
        )

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(check, range(120)))


FORKS = """
    import sys, threading
    import cloudio, forks, numpy as np
    reader = cloudio.open(sys.argv[1]).reader("rgb", "manual_hq", threads=4)
    wanted = reader.read([3, 0, 1])
    stop = threading.Event()

    def right():
        got = reader.read([3, 0, 1])
        return np.array_equal(got.image, wanted.image) and np.array_equal(got.label, wanted.label)

    def keep_reading():
        while not stop.is_set():
            assert right()

    others = [threading.Thread(target=keep_reading) for _ in range(2)]
    for other in others:
        other.start()
    failed = []
    for k in range(int(sys.argv[2])):
        if forks.forked(lambda: all(right() for _ in range(3))) != 0:
            failed.append(k)
            break
    stop.set()
    for other in others:
        other.join()
    assert right()
    print("failed:", failed)
"""


@forks_under_load
def test_many_forked_children_read_while_other_threads_of_the_parent_do(folder):
    assert in_subprocess(FORKS, folder, scaled(25, 100)) == "failed: []"


def test_small_work_stays_on_the_callers_thread(folder):
    code = """
        import sys, cloudio
        from cloudio._core import executor
        ds = cloudio.open(sys.argv[1])
        ds.reader("rgb", size=64, threads=8).read([0])
        small = executor.n_workers()
        ds.reader("rgb", threads=1).read([0, 1, 2, 3])
        alone = executor.n_workers()
        ds.reader("rgb", threads=3).read([0, 1, 2, 3])
        print(small, alone, executor.n_workers())
    """
    assert in_subprocess(code, folder) == "0 0 2"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_leave_signals_to_the_program(folder):
    code = """
        import os, signal, sys, cloudio
        before = set(os.listdir("/proc/self/task"))
        cloudio.open(sys.argv[1]).reader("rgb", threads=3).read([0, 1, 2, 3])
        workers = set(os.listdir("/proc/self/task")) - before
        blocked = []
        for worker in workers:
            with open(f"/proc/self/task/{worker}/status") as file:
                mask = next(line.split()[1] for line in file if line.startswith("SigBlk"))
            blocked.append(bool(int(mask, 16) >> (signal.SIGINT - 1) & 1))
        print(blocked)
    """
    assert in_subprocess(code, folder) == "[True, True]"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_importing_starts_no_thread_and_opens_no_file():
    code = """
        import os, numpy, ctypes
        def now():
            return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
        before = now()
        import cloudio
        print(now() == before)
    """
    assert in_subprocess(code) == "True"


def test_a_thread_that_dies_with_the_interpreter_is_no_crash(folder):
    code = """
        import sys, threading, cloudio
        reader = cloudio.open(sys.argv[1]).reader("rgb", threads=2)
        begun = threading.Semaphore(0)

        def forever():
            while True:
                reader.read([0, 1, 2])
                begun.release()

        threading.Thread(target=forever, daemon=True).start()
        for _ in range(20):
            begun.acquire()
        print("bye")
    """
    for _ in range(scaled(2, 5)):
        assert in_subprocess(code, folder) == "bye"


NO_THREADS = """
    import logging, os, resource, sys, cloudio
    import numpy as np
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stdout)
    reader = cloudio.open(sys.argv[1]).reader("rgb", "manual_hq", threads=4)
    alone = cloudio.open(sys.argv[1]).reader("rgb", "manual_hq", threads=1)
    ahead, at_once = (cloudio.Loader(alone, 2, prefetch=n, seed=1) for n in (1, 0))

    def allow_no_thread():
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)  # whom the limit holds for
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit as Linux has it")
def test_reads_go_on_where_no_thread_can_be_started_and_the_log_says_so_once(folder):
    code = """
        wanted = alone.read([3, 0, 1, 2] * 3)
        allow_no_thread()
        for _ in range(3):
            got = reader.read([3, 0, 1, 2] * 3)
            assert np.array_equal(got.image, wanted.image)
            assert np.array_equal(got.label, wanted.label)
        reader.prefetch([0, 1])
    """
    said = in_subprocess(textwrap.dedent(NO_THREADS) + textwrap.dedent(code), folder)
    assert said == (
        "WARNING: the system starts no more threads (ulimit -u, or the limit of a container), so "
        "reads use fewer than they may; raise the limit, or ask for fewer: threads=1, prefetch=0"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="a limit as Linux has it")
def test_prefetch_works_where_no_thread_can_be_started(folder):
    code = """
        allow_no_thread()
        alone.prefetch([0, 1])
        alone.prefetch([0, 1])
        print(alone.read([0]).index)
    """
    said = in_subprocess(textwrap.dedent(NO_THREADS) + textwrap.dedent(code), folder).splitlines()
    assert len(said) == 2
    assert "starts no more threads" in said[0]
    assert "so prefetch() waits for its pages; raise" in said[0]
    assert said[1] == "[0]"


@pytest.mark.skipif(sys.platform != "linux", reason="a limit as Linux has it")
def test_a_loader_whose_thread_cannot_be_started_names_prefetch_0(folder):
    code = """
        wanted = [batch.index.tolist() for batch in ahead]
        allow_no_thread()
        for _ in range(2):
            try:
                iter(ahead)
            except cloudio.RequestError as error:
                print(error)
        print([batch.index.tolist() for batch in at_once] == wanted)
    """
    said = in_subprocess(textwrap.dedent(NO_THREADS) + textwrap.dedent(code), folder).splitlines()
    assert said == [
        "the loader's thread cannot be started (can't start new thread); pass prefetch=0, which "
        "needs no thread, or raise the limit of processes (ulimit -u, or that of a container)"
    ] * 2 + ["True"]
