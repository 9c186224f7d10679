"""Calls that no module of ours makes: the compiled modules rely on nobody above them.

Programs of their own, because what is wrong here ends the process.
"""

import ctypes
import gc
import os
import sys
from queue import SimpleQueue

import fuzzed_kernels
import numpy as np
import processes
import pytest
from paths import SUPPORT
from processes import in_subprocess
from profiles import scaled

from cloudio._core import files, kernels, plans, pool

I16 = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
INDEX, ORIGIN = np.array([0, 2]), np.zeros(2, np.int64)


def gather(*arrays):
    return plans.Gather([[a] for a in arrays], [[None]] * len(arrays), *[[1.0] * len(arrays)] * 2)


def out_of(n_arrays=1):
    return np.zeros((2, n_arrays, 4, 5), np.float32)


@pytest.mark.parametrize("seed", range(scaled(2, 6)))
def test_random_calls_are_right_or_refused(seed):
    """More of them: python tests/support/fuzzed_kernels.py --calls 1000000."""
    program = [sys.executable, SUPPORT / "fuzzed_kernels.py", "--seed", seed]
    said = processes.printed([*program, "--calls", scaled(3000, 30_000)])
    assert said.endswith("0 findings\n")


def test_the_random_calls_notice_a_write_outside(tmp_path):
    fuzzer = fuzzed_kernels.Fuzzer(0, tmp_path)
    memory, out = fuzzer.output((2, 1, 3, 4), np.float32)
    out[:] = 1
    assert (memory[:256] == fuzzed_kernels.CANARY).all()
    assert (memory[-256:] == fuzzed_kernels.CANARY).all()
    scale = {"scale": [1.0], "to": "float32", "interleaved": False}
    with pytest.raises(fuzzed_kernels.FindingError, match="gather of array 0, sample 0"):
        fuzzer.compare("gather", [I16], scale, out, INDEX, ORIGIN, np.zeros(2, int))


# ---- plans ---------------------------------------------------------------------------------------


def test_what_plans_share_is_no_plan():
    with pytest.raises(TypeError, match="a BasePlan does nothing; make a Gather, Mask"):
        plans.BasePlan([[I16]], [[None]])

    class Own(plans.BasePlan):
        pass

    for call in (
        lambda plan: kernels.run([plan], [out_of()], INDEX, ORIGIN, None, 1),
        lambda plan: kernels.prefetch([plan], INDEX, ORIGIN, 4, 5),
    ):
        with pytest.raises(ValueError, match="a Own cannot be run; give a Gather, Mask"):
            call(Own([[I16]], [[None]]))
        with pytest.raises(ValueError, match="a plan is None"):
            call(None)


@pytest.mark.parametrize("name", ["Gather", "Mask", "Remap", "Histogram"])
def test_plans_have_no_subclasses(name):
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Own", (getattr(plans, name),), {})


def test_a_plan_that_is_still_being_made_cannot_be_run():
    met = []

    class Numbers(list):
        def __iter__(self):
            for plan in gc.get_objects():
                if type(plan) is plans.Gather and plan.n_arrays == 7:
                    with pytest.raises(ValueError, match="cannot be run"):
                        kernels.run([plan], [out_of(7)], INDEX, ORIGIN, None, 1)
                    met.append(plan)
            return super().__iter__()

    plans.Gather([[I16]] * 7, [[None]] * 7, Numbers([1.0] * 7), [0.0] * 7)
    assert met


def test_nothing_that_a_plan_keeps_can_be_changed(tmp_path):
    path = tmp_path / "a.dat"
    I16.tofile(path)
    with path.open("rb") as opened:
        file = files.File(os.dup(opened.fileno()), path, I16.nbytes, True)
    spec = ("h", 0, I16.shape, I16.strides)
    plan = plans.Gather([[spec], [I16]], [[file], [None]], [1.0] * 2, [0.0] * 2)
    assert plan.files == (file, None)
    kept = [held for held in gc.get_referents(plan) if not isinstance(held, type)]
    assert kept
    assert all(isinstance(held, tuple) for held in kept)
    del file, kept
    gc.collect()
    out = out_of(2)
    assert kernels.run([plan], [out], INDEX, ORIGIN, None, 1) is None
    assert np.array_equal(out[:, 0], I16[[0, 2]])
    assert np.array_equal(out[:, 1], I16[[0, 2]])


class Twice(list):
    """A sequence with other elements for those who ask again."""

    def __init__(self, first, later):
        super().__init__(first)
        self.later, self.asked = later, False

    def __iter__(self):
        asked, self.asked = self.asked, True
        return iter(self.later) if asked else super().__iter__()

    def __getitem__(self, k):
        return self.later[k]


def test_sequences_are_read_once():
    numbers, more = Twice([2.0, 2.0], [9.0, 9.0, 9.0]), Twice([0.0, 0.0], [1.0])
    rows = Twice([[I16], Twice([I16], [I16[:1]] * 5)], [[I16]] * 9)
    plan = plans.Gather(rows, Twice([[None], [None]], []), numbers, more)
    outs = Twice([out := out_of(2)], [out_of()] * 3)
    wanted = np.stack([I16[[0, 2]] * 2.0] * 2, 1)
    assert kernels.run(Twice([plan], [gather(I16)]), outs, INDEX, ORIGIN, None, 1) is None
    assert np.array_equal(out, wanted)
    table = np.arange(256, dtype=np.uint8)
    plan = plans.Remap(
        [[I16.astype("u1")]], [[None]], Twice([table], [table[:1]]),
        Twice([Twice((0, 0, 4, 5), (0, 0, 2**40, 2**40))], [(9, 9, 9, 9)]), 0,
    )  # fmt: skip
    label = np.zeros((2, 4, 5), np.uint8)
    assert kernels.run([plan], [label], INDEX, ORIGIN, None, 1) is None
    assert np.array_equal(label, I16[[0, 2]])


# ---- buffers -------------------------------------------------------------------------------------


def test_buffers_without_strides_are_contiguous():
    """Those of ctypes."""
    array = ((ctypes.c_int16 * 5) * 4 * 3).from_buffer_copy(I16.tobytes())
    out = ((ctypes.c_float * 5) * 4 * 1 * 2)()
    index, origin = (ctypes.c_int64 * 2)(-1, 1), (ctypes.c_int64 * 2)()
    kernels.resolve(index, 3)
    assert list(index) == [2, 1]
    fault = kernels.run([gather(array)], [out], index, origin, ctypes.c_int64(0), 1)
    assert fault is None
    wanted = I16[[2, 1], None].astype(np.float32) + np.float32(1)
    assert np.array_equal(np.ctypeslib.as_array(out), wanted)
    for wrong in (
        (ctypes.c_int16 * 5)(),
        ((ctypes.c_double * 5) * 4 * 3)(),
        (ctypes.c_int16 * 0)(),
    ):
        with pytest.raises(ValueError, match=r"must be \(patch, row, column\)|it must be uint8"):
            gather(wrong)


def test_strides_that_leave_the_address_space_are_refused():
    far = np.lib.stride_tricks.as_strided(I16, (3, 4, 5), (2**62, 2**62, 2))
    with pytest.raises(ValueError, match="strides without bounds"):
        gather(far)
    one = np.lib.stride_tricks.as_strided(I16, (1, 1, 5), (-(2**62), 2**62, 2))
    out = np.zeros((1, 1, 1, 5), np.float32)
    assert kernels.run([gather(one)], [out], INDEX[:1], ORIGIN, np.array(2), 1) is None
    assert np.array_equal(out.ravel(), I16[0, 0, ::-1] + 1)


# ---- files ---------------------------------------------------------------------------------------

CLAIMED = """
    import os, tempfile
    import numpy as np
    from cloudio._core import files, kernels, plans

    class Boast(files.File):
        n_bytes = 2**62

    path = tempfile.mkstemp()[1]
    np.arange(2 * 64 * 64, dtype=np.int16).tofile(path)
    size = os.path.getsize(path)
    def opened(n_bytes, mapped=False, kind=files.File):
        return kind(os.open(path, os.O_RDONLY), path, n_bytes, mapped)
    def refused(make):
        try:
            make()
        except (ValueError, OSError, OverflowError):
            return
        raise SystemExit("not refused")
    most = 2**63 - 1
    index, origin, out = np.arange(2), np.zeros(2, np.int64), np.zeros((2, 1, 1, 1), np.float32)
    for shape, steps in (
        ((most // 2, 1, 1), (2, 2, 2)), ((1, 1, most // 2), (most - 1, most - 1, 2)),
        ((1, 2**31, 2**31), (most // 2 * 2, 2**32, 2)), ((most, most, most), (most, most, most)),
        ((3, 1, 1), (most - 1, 2, 2)), ((2, 1, 1), (-2, 2, 2)), ((-1, 1, 1), (2, 2, 2))):
        for start in (0, most, -most - 1):
            for n_bytes in (most, 2**62, size):
                spec = ("h", start, shape, steps)
                file = opened(n_bytes)
                try:
                    plan = plans.Gather([[spec]], [[file]], [1.0], [0.0])
                except ValueError:
                    continue
                n = min(plan.n_patches, 2)
                fault = kernels.run([plan], [out[:n]], index[:n], origin, None, 1)
                assert fault is None or fault[3] == kernels.TRUNCATED, fault
                kernels.prefetch([plan], index[:n], origin, 1, 1)
    spec = ("h", 0, (most // 2, 1, 1), (2, 2, 2))
    refused(lambda: plans.Gather([[spec] * 3], [[opened(most)] * 3], [1.0], [0.0]))
    many = ("h", 0, (10**6, 64, 64), (8192, 128, 2))
    refused(lambda: plans.Gather([[many]], [[opened(size, True, Boast)]], [1.0], [0.0]))
    refused(lambda: opened(size, True, Boast).resident(0, 2**40))
    refused(lambda: opened(most, True))
    file = opened(most)
    assert file.resident(0, 0) == file.resident(4096, 0) == 0
    for offset in (0, 1, 4095, most - 1, most):
        for n in {0, min(1, most - offset), most - offset}:
            file.resident(offset, n), file.evict(offset, n)
    print("held")
"""


def test_sizes_that_are_only_claimed_overflow_nothing():
    assert in_subprocess(CLAIMED) == "held"


MIXED = """
    import os, tempfile, time
    import numpy as np
    from cloudio._core import files, kernels, plans

    path = tempfile.mkstemp()[1]
    np.arange(4 * 64 * 64, dtype=np.int16).tofile(path)
    file = files.File(os.open(path, os.O_RDONLY), path, os.path.getsize(path), True)
    spec, array = ("h", 0, (4, 64, 64), (8192, 128, 2)), np.zeros((4, 64, 64), np.int16)
    none = np.zeros((0, 64, 64), np.int16)
    rows = [
        ([[spec, array]], [[file, None]]),
        ([[array, spec]], [[None, file]]),
        ([[array, array]], [[None, None]]),
        ([[spec, array, none], [array, spec, none], [spec, spec, none]],
         [[file, None, None], [None, file, None], [file, file, None]]),
    ]
    made = [plans.Gather(a, f, [1.0] * len(a), [0.0] * len(a)) for a, f in rows]
    outs = [np.zeros((8, len(a), 64, 64), np.float32) for a, _ in rows]
    index, origin = np.arange(8), np.zeros(2, np.int64)
    for plan, out in zip(made, outs):
        for _ in range(40):  # until nothing has been absent for long
            kernels.run([plan], [out], index, origin, None, 1)
    for plan in made:
        for size in (64, 1):
            for _ in range(50):
                kernels.prefetch([plan], index, origin, size, size)
                kernels.prefetch([plan], index[:0], origin, size, size)
    print("done")
    time.sleep(0.3)  # while the background thread reads ahead
"""


def test_arrays_in_memory_and_in_files_are_read_ahead_together():
    """The division by the number of arrays in files is by none, or by too few."""
    assert in_subprocess(MIXED) == "done"


# ---- pools ---------------------------------------------------------------------------------------


def test_leases_of_odd_sizes_release_what_they_hold():
    made = pool.Pool((8,), 2, bytearray, SimpleQueue())
    for kind, error in ((1, IndexError), (-2, IndexError), (2**62, IndexError), ("x", TypeError)):
        memory = bytearray(8)
        with pytest.raises(error):
            pool.Lease(made, kind, memory)
        memory.append(1)  # which a buffer that is held refuses
    with pytest.raises(ValueError, match="invalid literal"):
        pool.Pool(("x",), 2, bytearray, SimpleQueue())
    made.begun = 2**64 - 1
    leases = made.lend()
    del leases
    assert made.n_free in (0, 1)
