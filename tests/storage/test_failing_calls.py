"""Each call of the system that a data set needs fails once: right bytes or an error, no leak."""

import os
import shutil
import sys

import pytest
from paths import SUPPORT
from processes import environment, printed, python
from profiles import scaled
from residents import is_sanitized

COMPILER = shutil.which(os.environ.get("CC", "cc"))

PROGRAM = """
    import ctypes, errno, gc, os, sys, tempfile
    import numpy as np
    import cloudio

    CALLS = "fstat mmap pread preadv2 madvise posix_fadvise mincore pthread_create".split()
    ERRORS = (errno.EIO, errno.EINTR, errno.ENOMEM, errno.EMFILE, errno.ENOSYS, errno.ESTALE)
    ERRORS = ERRORS[: int(sys.argv[1])]
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    folder = tempfile.mkdtemp()
    stored = np.arange(4 * 64 * 64, dtype=np.int16).reshape(4, 64, 64)
    for name in "ab":
        stored.tofile(f"{folder}/{name}.dat")
    bands = [cloudio.Band(name, dtype="int16", scale=1.0) for name in "ab"]
    layout = cloudio.Layout("Failing", (64, 64), cloudio.Window(0, 0, 64, 64), bands)
    index = [3, 0, -1, 2]

    def read(io, evict):
        with cloudio.open(folder, layout=layout, io=io) as data:
            reader = data.reader(["a", "b"], threads=2, evict=evict)
            reader.prefetch(index)
            got = reader.read(index, symmetry=[0, 1, 2, 7]).image
            assert np.array_equal(got[0, 1], stored[3]), "wrong pixels"
            assert np.array_equal(reader.read(index).image[:, 0], stored[index]), "wrong pixels"
            assert np.array_equal(data["a"][2], stored[2]), "wrong pixels"

    def held():
        gc.collect()
        with open("/proc/self/maps") as maps:
            return sorted(os.listdir("/proc/self/fd")), sum(folder in line for line in maps)

    n_right = n_errors = 0
    for io, evict in (("mmap", False), ("pread", False), ("pread", True)):
        read(io, evict)
        before = held()
        for call, name in enumerate(CALLS):
            for error in (*ERRORS, *([0] if name == "pread" else [])):
                for nth in range(1, 200):
                    shim.fail(call, error, nth)
                    try:
                        read(io, evict)
                    except (cloudio.CloudioError, OSError, MemoryError, RuntimeError) as failure:
                        # What the program is not told, it must not need to know.
                        if name in ("posix_fadvise", "mincore", "pthread_create"):
                            raise
                        n_errors += 1
                    else:
                        n_right += 1
                    reached = shim.failed()
                    shim.fail(call, 0, 0)
                    for _ in range(200):  # the background thread may still have one open
                        if held() == before:
                            break
                    assert held() == before, (io, name, error, nth, held(), before)
                    if not reached:
                        break
    assert n_right and n_errors
    print("held", n_right, n_errors)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="preloads a library")
@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.skipif(is_sanitized(), reason="the sanitizer is preloaded")
def test_a_call_that_fails_leaves_right_bytes_or_an_error_and_nothing_open(tmp_path):
    shim = tmp_path / "failing_calls.so"
    source = SUPPORT / "failing_calls.c"
    printed([COMPILER, "-std=gnu11", "-O1", "-shared", "-fPIC", source, "-o", shim, "-ldl"])
    said = printed(python(PROGRAM, scaled(2, 6)), env=environment(LD_PRELOAD=str(shim)))
    assert said.startswith("held")
