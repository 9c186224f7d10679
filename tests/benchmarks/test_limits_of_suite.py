"""The limits of benchmarks/suite move the bytes that they say; statistics have numpy's answers."""

import ctypes
import importlib
import math
import mmap
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

import cloudio

if sys.platform != "linux":
    pytest.skip("reads /proc", allow_module_level=True)

from benchmarks.suite import counting
from benchmarks.suite.cases import SOURCE, make_counting, make_task, questions_of
from benchmarks.suite.disk_limit import requests
from benchmarks.suite.limits import LIMITS
from benchmarks.suite.memory_limits import aligned, compile_limits, copied, pieces
from benchmarks.suite.task import difference, expected

BANDS = "L1C_B4", "L1C_B10", "L1C_B2"
LABEL = "LABEL_manual_hq"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("limits") / "data"
    arrays = [*BANDS, LABEL, SOURCE]
    cloudio.synthesize(path, {"train": 3}, arrays=arrays, progress=False)
    return cloudio.open(path).split("train")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("compiled")
    compile_limits(None, folder)
    return folder


@pytest.mark.parametrize("size", [(224, 224), (509, 509), (7, 1), (1, 15), (3, 16), (33, 61)])
@pytest.mark.parametrize("label", [LABEL, None])
def test_the_bare_loop_moves_the_rows_of_the_windows(dataset, compiled, size, label):
    task = replace(make_task(dataset, BANDS, label, size, 4, 2, threads=2), converted=compiled)
    image, _ = expected(task, 1)
    for limit in LIMITS["pattern"]:
        with limit.opened(replace(task, threads=limit.threads or 2)) as read:
            read(0)
            moved, codes = read(1)
            assert difference((moved, None), (image, None)) is None
            if label is not None:
                stored = task.label.mapped()
                assert np.array_equal(codes, [stored[window] for window in task.windows(1)])


def test_the_copies_move_as_many_bytes_as_a_batch(dataset, compiled):
    task = make_task(dataset, BANDS, LABEL, (33, 61), 4, 2, threads=2)
    maps = [array.mapped() for array in task.arrays]
    # np.copyto and limits.c put the pieces to the same places.
    with copied(task) as read:
        moved, _ = read(1)
        planes = pieces(task, 1, maps, moved.ctypes.data)
        wanted = moved.copy()
    assert planes["row_bytes"].sum() == 4 * 33 * 61 * (3 * (2 + 4) + 1 + 1) // 2
    assert len({int(to) // 64 for to in planes["to"].flat}) == planes.size
    for array, mapped, column in zip(task.arrays, maps, planes.T, strict=True):
        flat = mapped.reshape(-1).view(np.uint8)
        for patch, one in zip(task.index[1], column, strict=True):
            at, n = int(one["to"]) - moved.ctypes.data, int(one["row_bytes"])
            first = int(one["from"]) - mapped.ctypes.data
            assert first == min(patch * array.strides[0], flat.size - n)
            assert np.array_equal(wanted[at : at + n], flat[first : first + n])
    with aligned(len(wanted)) as out:
        planes = pieces(task, 1, maps, out.ctypes.data)
        move = ctypes.CDLL(str(compiled / "limits.so")).move
        move(
            ctypes.c_void_p(planes.ctypes.data),
            ctypes.c_int64(planes.size),
            ctypes.c_int64(2),
        )
        assert np.array_equal(out, wanted)


def test_the_disk_limit_reads_each_page_of_the_windows_once(dataset):
    task = make_task(dataset, BANDS, LABEL, (37, 61), 4, 2, threads=2)
    found = [
        (path, page)
        for path, at, n in requests(task, 1)
        for page in range(at // mmap.PAGESIZE, -(-(at + n) // mmap.PAGESIZE))
    ]
    wanted = set()
    for array in task.arrays:
        places = np.arange(math.prod(array.shape)).reshape(array.shape)
        places = places * array.mapped().itemsize + array.start
        for window in task.windows(1):
            wanted |= {(array.path, int(at)) for at in places[window].ravel() // mmap.PAGESIZE}
    assert len(found) == len(set(found))
    assert set(found) == wanted


# ---- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["cloudio_stats", "numpy_stats", "torch_stats", "numba_stats"])
def test_statistics_of_rivals_are_those_of_numpy(dataset, module):
    rivals = importlib.import_module(f"benchmarks.rivals.{module}").RIVALS
    for package in rivals[0].packages:
        pytest.importorskip(package, reason=f"{module} needs {package}")
    assert questions_of(dataset) == list(counting.QUESTIONS)
    for question in counting.QUESTIONS:
        task = make_counting(dataset, question, BANDS, 2, 1, threads=2)
        right = counting.expected(task)
        for rival in rivals:
            with rival.opened(replace(task, threads=rival.threads or 2)) as read:
                answer = np.asarray(read(0))
                assert counting.difference(answer, right) is None
                wrong = answer.copy()
                wrong.flat[-1] += 1 if question != "bands" else 1e-11
                assert f"numpy's is {right.flat[-1]}" in counting.difference(wrong, right)
                assert "its answer is" in counting.difference(answer[:1], right)


def test_limits_of_statistics_run(dataset, compiled):
    for question in counting.QUESTIONS:
        task = make_counting(dataset, question, BANDS, 2, 1, threads=2)
        for limit in (*LIMITS["pattern"], *LIMITS["copy"]):
            with limit.opened(replace(task, converted=compiled)) as read:
                read(0)


def test_limits_write_to_huge_pages_as_those_do_that_they_limit():
    if not Path("/sys/kernel/mm/transparent_hugepage").is_dir():
        pytest.skip("a kernel without huge pages")
    with aligned(5 << 20) as out:
        address = out.ctypes.data
        assert address % mmap.PAGESIZE == 0
        # /proc/self/smaps: a line "from-to ..." begins each mapping, "VmFlags:" ends it.
        found = False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                found = int(bounds[1], 16) <= address < int(bounds[2], 16)
            elif found and line.startswith("VmFlags:"):
                flags = line.split()
                break
        assert "hg" in flags
        assert "sh" not in flags
