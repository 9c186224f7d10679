"""Worker processes of the suite: they end with all they started; what they cost is counted."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import processes as programs
import pytest
from paths import ROOT
from planted_rivals import planted
from residents import soon

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

from benchmarks.suite import processes, worker
from benchmarks.suite.job import Job, Plan
from benchmarks.suite.task import ArrayFile, Task

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
pytestmark = linux


@pytest.fixture
def task(tmp_path):
    """Four batches of two crops from three patches of one band."""
    pixels = np.arange(3 * 16 * 16, dtype=np.int16).reshape(3, 16, 16)
    path = tmp_path / "band.dat"
    path.write_bytes(pixels.tobytes())
    band = ArrayFile("band", path, "<i2", pixels.shape, 0, pixels.strides, 1e-4)
    index = np.array([[0, 1], [2, 0], [1, 1], [2, 2]])
    return Task(tmp_path, "train", (band,), None, (8, 8), index, index[..., None] + (0, 1), 1)


def work(file, verb, task, seconds=120.0, **more):
    job = Job(verb, file, file.stem, (task,), **more)
    return processes.work(Path(sys.executable), job, seconds)


STARTS = """
apart = subprocess.Popen(["sleep", "1000"], start_new_session=True)
open({path!r}, "a").write(f"{{apart.pid}} ")
"""


def is_gone(pid):
    """Whether a process has ended, and at most waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("then", "words"),
    [("os._exit(3)", "its process ended with status 3 and no answer"), ("1 / 0", "ZeroDivision")],
)
def test_what_a_rival_has_started_ends_with_it(tmp_path, task, then, words):
    pids = tmp_path / "pids"
    file = planted(tmp_path, "starts", STARTS.format(path=str(pids)) + then)
    with pytest.raises(processes.RivalError, match=words):
        work(file, "check", task)
    (pid,) = pids.read_text().split()
    assert soon(lambda: is_gone(pid), 10)


def test_what_a_rival_has_started_ends_where_all_is_well(tmp_path, task):
    pids = tmp_path / "pids"
    work(planted(tmp_path, "starts", STARTS.format(path=str(pids))), "check", task)
    started = pids.read_text().split()
    assert len(started) == 4
    assert soon(lambda: all(map(is_gone, started)), 10)


def test_what_a_rival_has_started_without_its_environment_ends_with_it(tmp_path, task):
    pids = tmp_path / "pids"
    starts = STARTS.format(path=str(pids)).replace("True)", "True, env={})")
    work(planted(tmp_path, "starts", starts), "check", task)
    assert soon(lambda: all(map(is_gone, pids.read_text().split())), 10)


def test_a_rival_that_hangs_has_a_limit(tmp_path, task):
    file = planted(tmp_path, "hangs", "time.sleep(1000)")
    with pytest.raises(processes.RivalError, match="no answer in 2 s"):
        work(file, "check", task, 2.0)


def test_what_a_rival_prints_is_shown_where_it_fails(tmp_path, task):
    file = planted(tmp_path, "prints", "print('half way')\nsys.stdout.flush()\n1 / 0")
    with pytest.raises(processes.RivalError) as caught:
        work(file, "check", task)
    assert "half way" in caught.value.printed
    assert "ZeroDivisionError" in caught.value.printed


def test_the_last_answer_of_a_round_is_checked(tmp_path, task):
    plan = Plan(settle=1, timed=2, watched=1)
    right = planted(tmp_path, "right")
    (timing,) = work(right, "time", task, plans=(plan,))["timings"]
    assert timing["samples"] == 4
    wrong = planted(tmp_path, "wrong", "if k == 2: image[1, 0, 0, 0] = 7")
    with pytest.raises(processes.WrongAnswerError, match="wrong, batch 2: the image of sample 1"):
        work(wrong, "time", task, plans=(plan,))


LAZY = """
class Lazy:
    def __array__(self, dtype=None, copy=None):
        time.sleep(0.05)
        return image
return Lazy(), label
"""


def test_what_is_computed_when_somebody_looks_is_timed(tmp_path, task):
    plan = Plan(settle=1, timed=2, watched=1)
    (timing,) = work(planted(tmp_path, "lazy", LAZY), "time", task, plans=(plan,))["timings"]
    assert timing["seconds"] >= 0.1


def test_a_slow_rival_is_timed_for_fewer_batches(tmp_path, task):
    file = planted(tmp_path, "slow", "time.sleep(0.02)")
    plan = Plan(settle=2, timed=2, most_seconds=0.01)
    (timing,) = work(file, "time", task, plans=(plan,))["timings"]
    assert timing["samples"] == 2


def test_what_was_read_ahead_is_used_up_before_a_consumer_waits(tmp_path, task):
    seen = tmp_path / "seen"
    file = planted(tmp_path, "ahead", f"open({str(seen)!r}, 'a').write(str(k))")
    plan = Plan(settle=0, timed=1, consumed=1, watched=1)
    assert plan.n_batches == len(task.index)
    (timing,) = work(file, "time", task, plans=(plan,))["timings"]
    assert 0 <= timing["waited"] <= 1
    assert seen.read_text() == "0123"


def test_a_worker_waits_until_files_are_evicted(tmp_path, task):
    seen = tmp_path / "seen"
    file = planted(tmp_path, "cold", f"open({str(seen)!r}, 'a').write('r')")
    job = Job("time", file, "cold", (task,), (Plan(0, 2, evict=True),))

    def evict():
        assert not seen.exists()
        seen.write_text("e")

    processes.work(Path(sys.executable), job, 120, evict)
    assert seen.read_text() == "err"


# ---- answers -------------------------------------------------------------------------------------

WRONG = {
    "last_bit": ("image[0, 0, 0, 0] = np.nextafter(image[0, 0, 0, 0], 2)", "image of sample 0"),
    "a_class": ("label[1, 3, 3] ^= 1", "label of sample 1"),
    "stale": ("if k == 2: image, label = expected(task, 1)", "batch 2: the image of sample 0"),
    "dtype": ("image = image.astype(np.float64)", r"its image is \(2, 1, 8, 8\) float64"),
    "no_label": ("label = None", "batch 0: no label"),
    "no_pair": ("return image", "its answer is ndarray, and no pair"),
    "three": ("return image, label, k", "its answer is tuple, and no pair"),
    "gaps": (
        "image = np.repeat(image, 2, axis=3)[..., ::2]",
        r"strides \(512, 512, 64, 8\); numpy's has \(256, 256, 32, 4\)",
    ),
    "too_few": ("image = image[:1]", r"its image is \(1, 1, 8, 8\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_are_found(tmp_path, task, name):
    code, words = WRONG[name]
    path = tmp_path / "label.dat"
    path.write_bytes(bytes(range(256)) * 3)
    classes = tuple(k % 5 for k in range(256))
    label = ArrayFile("label", path, "|u1", (3, 16, 16), 0, (256, 16, 1), classes=classes)
    task = replace(task, label=label)
    (right,) = worker.rivals_of(planted(tmp_path, "right")).values()
    assert worker.check(right, Job("check", tmp_path, "right", (task,)))["packages"]["numpy"]
    (rival,) = worker.rivals_of(planted(tmp_path, name, code)).values()
    with pytest.raises(worker.WrongAnswerError, match=words):
        worker.check(rival, Job("check", tmp_path, name, (task,)))


TRUNCATED = """
product = np.stack([task.bands[0].mapped()[w] for w in task.windows(k)]).astype(np.float32)[:, None]
product *= task.scales[0]
image = (product.view(np.uint32) & 0xFFFFE000).view(np.float32).astype(np.float16)
"""
WRONG_OUTPUTS = {
    "one_ulp": ({"dtype": "float16"}, "image.view(np.uint16)[1, 0, 2, 3] += 1", "of sample 1"),
    "truncated": ({"dtype": "float16"}, TRUNCATED, "the image of sample 0 differs"),
    "not_rounded": (
        {"dtype": "float16"},
        "image = image.astype(np.float32)",
        r"its image is \(2, 1, 8, 8\) float32; numpy's is \(2, 1, 8, 8\) float16",
    ),
    "planes": (
        {"channels_last": True},
        "image = image.transpose(0, 3, 1, 2)",
        r"its image is \(2, 1, 8, 8\) float32; numpy's is \(2, 8, 8, 1\) float32",
    ),
    "transposed": (
        {"channels_last": True},
        "image = image.transpose(0, 2, 1, 3).copy()",
        "of sample 0",
    ),
    "a_view": (
        {"channels_last": True},
        "image = np.repeat(image, 2, axis=3)[..., :1]",
        r"its image has strides \(512, 64, 8, 4\)",
    ),
    "zeros": (
        {"bands": ()},
        "image = np.zeros((2, 0, 8, 8), np.float32)",
        "batch 0: numpy has no image, and it has one",
    ),
    "code": (
        {"bands": ()},
        "label[0] = task.label.mapped()[task.windows(k)[0]]",
        "label of sample 0",
    ),
}


@pytest.mark.parametrize("name", WRONG_OUTPUTS)
def test_wrong_answers_of_other_outputs_are_found(tmp_path, task, name):
    output, code, words = WRONG_OUTPUTS[name]
    path = tmp_path / "label.dat"
    path.write_bytes(bytes(range(256)) * 3)
    classes = tuple(k % 5 for k in range(256))
    label = ArrayFile("label", path, "|u1", (3, 16, 16), 0, (256, 16, 1), classes=classes)
    task = replace(task, **output, label=None if output.get("bands") is None else label)
    (right,) = worker.rivals_of(planted(tmp_path, "right")).values()
    assert worker.check(right, Job("check", tmp_path, "right", (task,)))["packages"]["numpy"]
    (rival,) = worker.rivals_of(planted(tmp_path, name, code)).values()
    with pytest.raises(worker.WrongAnswerError, match=words):
        worker.check(rival, Job("check", tmp_path, name, (task,)))


# ---- what a run costs ----------------------------------------------------------------------------

COSTS = """
import mmap, os, subprocess, sys, time
from benchmarks.suite.measures import Memory, usage
before = usage()
burn = "import time\\nwhile time.process_time() < 0.2: pass"
alive = subprocess.Popen([sys.executable, "-c", burn + "\\nprint(1, flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
dead = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]).wait()"
subprocess.Popen([sys.executable, "-c", dead, burn]).wait()
alive.stdout.readline()
used = usage().since(before)
alive.communicate(b"\\n")
with Memory().watched() as memory:
    shared = mmap.mmap(-1, 30_000_000)
    shared.write(bytes(len(shared)))
print(used.cpu_seconds, used.minor_faults, memory.shm, memory.pss)
"""


def test_children_count_dead_or_alive():
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    said = programs.printed(programs.python(COSTS), env={**os.environ, "PYTHONPATH": path})
    cpu_seconds, faults, shm, pss = map(float, said.split())
    assert cpu_seconds >= 0.35
    assert faults > 300
    assert 30e6 <= shm <= pss
