"""The limits of benchmarks/suite move the bytes that they say; statistics have numpy's answers."""

import ctypes
import importlib
import math
import mmap
import re
import shutil
import sys
import time
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
from benchmarks.suite.memory_limits import aligned, compile_limits, copied, mover, pieces
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


OUTPUTS = {
    "float32": {},
    "float16": {"dtype": "float16"},
    "channels_last": {"channels_last": True},
}
SIZES = [(224, 224), (509, 509), (64, 64), (7, 1), (1, 15), (3, 16), (5, 33), (33, 61), (2, 65)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("label", [LABEL, None])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("n_bands", [1, 3, 13])
def test_the_bare_loop_moves_the_rows_of_the_windows(
    dataset, compiled, size, label, output, n_bands
):
    bands = (BANDS * 5)[:n_bands]
    task = make_task(dataset, bands, label, size, 4, 2, threads=2, **OUTPUTS[output])
    check_bare_loop(task, compiled)


def check_bare_loop(task, compiled):
    if task.label is not None:  # those of the data are mostly what is stored
        classes = tuple((7 * code + 3) % 256 for code in range(256))
        task = replace(task, label=replace(task.label, classes=classes))
    image, label = expected(task, 1)
    looks_up = ctypes.c_int.in_dll(ctypes.CDLL(str(compiled / "limits.so")), "looks_up").value
    if label is not None and not looks_up:
        stored = task.label.mapped()
        label = np.array([stored[window] for window in task.windows(1)])
    for limit in LIMITS["pattern"]:
        threads = limit.threads or 2
        with limit.opened(replace(task, threads=threads, converted=compiled)) as read:
            read(0)
            assert difference(read(1), (image, label)) is None


@pytest.mark.parametrize("size", SIZES)
def test_the_bare_loop_moves_labels_alone(tmp_path, dataset, compiled, size):
    task = make_task(dataset, (), LABEL, size, 4, 2, threads=2)
    assert task.allocate()[0] is None
    # Every code there is.
    codes = np.random.default_rng(0).integers(0, 256, task.label.shape, np.uint8)
    codes.tofile(tmp_path / "label.dat")
    more = {"path": tmp_path / "label.dat", "start": 0, "strides": codes.strides}
    task = replace(task, label=replace(task.label, **more))
    check_bare_loop(task, compiled)


def test_threads_that_have_slept_move_all_planes(dataset, compiled):
    task = make_task(dataset, BANDS, LABEL, (33, 61), 4, 2, threads=3)
    right = [expected(task, k)[0] for k in range(2)]
    (limit,) = (one for one in LIMITS["pattern"] if one.threads is None)
    with limit.opened(replace(task, converted=compiled)) as read:
        for k in (0, 1) * 20:
            if k:
                time.sleep(0.003)  # longer than threads look for a batch
            assert np.array_equal(read(k)[0], right[k])


def test_what_the_bare_loop_cannot_move_is_said(dataset, compiled):
    task = make_task(dataset, BANDS, None, (8, 8), 2, 1, threads=1, channels_last=True)
    both = replace(task, dtype="float16", converted=compiled)
    opened = LIMITS["pattern"][0].opened
    with pytest.raises(RuntimeError, match="it mixes float32 of at most 64 bands"), opened(both):
        pass


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
        library = ctypes.CDLL(str(compiled / "limits.so"))
        with mover(library, 2, [planes]) as move:
            move(0)
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


# ---- rivals of other outputs --------------------------------------------------------------------

MODULES = "cloudio_reader", "numpy_best", "numpy_threads", "numba_parallel", "torch_mapped"


@pytest.mark.parametrize("module", MODULES)
def test_outputs_of_rivals_are_those_of_numpy(dataset, module):
    rivals = importlib.import_module(f"benchmarks.rivals.{module}").RIVALS
    for package in rivals[0].packages:
        pytest.importorskip(package, reason=f"{module} needs {package}")
    some = [one for one in rivals if "outputs" in one.suites]
    assert some
    tasks = [
        make_task(dataset, bands, label, (70, 37), 3, 2, threads=2, **output)
        for bands, label in ((BANDS, None), (BANDS[:1], LABEL), ((), LABEL))
        for output in OUTPUTS.values()
        if bands or not output
    ]
    # No suite has a label in pixels, nor has numba a loop for it.
    for task in (one for one in tasks if not (one.channels_last and one.label)):
        for rival in some:
            with rival.opened(replace(task, threads=rival.threads or 2)) as read:
                read(0)
                assert difference(read(1), expected(task, 1)) is None


def test_the_stand_in_of_ffcv_reads_what_it_has_converted(dataset, tmp_path):
    rival = importlib.import_module("benchmarks.rivals.ffcv_beton").RIVALS[1]
    for package in rival.packages:
        pytest.importorskip(package, reason=f"{rival.name} needs {package}")
    task = make_task(dataset, BANDS, LABEL, (70, 37), 3, 2, threads=2)
    rival.convert(task, tmp_path)
    with rival.opened(replace(task, converted=tmp_path)) as read:
        assert difference(read(1), expected(task, 1)) is None


def test_products_of_float16_are_rounded_once(dataset):
    task = make_task(dataset, BANDS, None, (64, 64), 2, 1, threads=1, dtype="float16")
    image, _ = expected(task, 0)
    assert image.dtype == np.float16
    ((patch, rows, cols), *_) = task.windows(0)
    stored = task.bands[0].mapped()[patch, rows, cols]
    exact = stored * np.float64(task.scales[0])
    assert np.array_equal(image[0, 0], exact.astype(np.float32).astype(np.float16))
    twice = stored.astype(np.float16) * np.float16(task.scales[0])
    assert not np.array_equal(image[0, 0], twice)


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
