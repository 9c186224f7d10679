"""Rows, gathers and remaps against numpy, bit for bit, on every instruction set."""

import ctypes
import os
import platform
import shutil
import sys

import numpy as np
import oracle
import processes
import pytest
from paths import ROOT
from processes import in_subprocess
from profiles import THOROUGH

from cloudio import Window
from cloudio._core import kernels, runtime
from cloudio._core.plans import Gather, Remap

# Around the vectors of 4, 8, 16, 32 and 64 elements, and a row of each kind of head and tail.
WIDTHS = sorted({1, 2, 3, *(v + d for v in (4, 8, 16, 32, 64, 128) for d in (-1, 0, 1)), 200})
TYPES = ("uint8", "int8", "int16", "uint16", "float32")
SCALES = (1e-4, 1.0, 1 / 3, -2.5, 6.1e-5, 3e38)


def every_value(dtype: str) -> np.ndarray:
    """Every value of a small type; of a wider one 65,536 and more, from all of its range.

    Of float32 all exponents and signs, and the special numbers.
    """
    if dtype == "float32":
        bits = np.arange(0, 2**32, 2**32 // 65536 + 1, dtype=np.uint32)
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, -99.0, 1e-45, 3.4028235e38]
        nan = np.array([0x7FC01234, 0xFFC05678], np.uint32).view(np.float32)
        return np.concatenate([bits.view(np.float32), np.array(special, np.float32), nan])
    limits = np.iinfo(dtype)
    if limits.bits > 16:
        return np.linspace(limits.min, limits.max, 2**16 + 1).astype(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype)


def gather(arrays, index, origin, size, scale, offset=None, threads=1, out=None):
    offset = [0.0] * len(arrays) if offset is None else offset
    plan = Gather([[a] for a in arrays], [[None]] * len(arrays), scale, offset)
    if out is None:
        dtype = arrays[0].dtype if scale is None else np.float32
        out = np.zeros((len(index), len(arrays), *size), dtype)
    numbers, corner = np.array(index, np.int64), np.array(origin, np.int64)
    assert kernels.run([plan], [out], numbers, corner, None, threads) is None
    return out


def remap(array, index, origin, size, table, window=None, fill=255, threads=1):
    window = window or (0, 0, *array.shape[1:])
    plan = Remap([[array]], [[None]], [table], [window], fill)
    out = np.full((len(index), *size), 77, table.dtype)
    numbers, corner = np.array(index, np.int64), np.array(origin, np.int64)
    assert kernels.run([plan], [out], numbers, corner, None, threads) is None
    return out


# ---- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("offset", [0.0, -0.0, 0.1, -1000.0])
def test_every_value_scales_as_in_numpy(isa, store, dtype, offset):
    values = every_value(dtype).reshape(1, 1, -1)
    for scale in SCALES:
        got = gather([values], [0], (0, 0), values.shape[1:], [scale], [offset])
        wanted = oracle.image([values], [0], [(0, 0)], values.shape[1:], [scale], [offset])
        assert oracle.same_bits(got, wanted), scale


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scaled", [True, False])
def test_every_width_and_alignment_writes_its_pixels_and_no_others(isa, store, dtype, scaled):
    array = np.random.default_rng(1).permutation(every_value(dtype))[:252].reshape(1, 1, -1)
    array = np.resize(array, (1, 1, 252))
    out_type = np.dtype(np.float32 if scaled else dtype)
    for width in WIDTHS:
        for shift in (0, 1, 2, 3, 5, 8, 13, 16, 31):
            around = np.full(width + 128, 7, out_type)
            out = around[shift + 16 : shift + 16 + width].reshape(1, 1, 1, width)
            scale = [0.3] if scaled else None
            gather([array], [0], (0, shift), (1, width), scale, out=out)
            source = array[0, 0, shift : shift + width]
            wanted = source.astype(np.float32) * np.float32(0.3) if scaled else source
            assert oracle.same_bits(out[0, 0, 0], wanted), (width, shift)
            around[shift + 16 : shift + 16 + width] = 7
            assert (around == 7).all()


@pytest.mark.parametrize("codes", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("classes", ["uint8", "int64"])
def test_every_code_is_looked_up_at_every_width(isa, store, codes, classes):
    rng = np.random.default_rng(2)
    n_codes = 256 ** np.dtype(codes).itemsize
    table = rng.integers(0, 256, n_codes).astype(classes) - (100 if classes == "int64" else 0)
    array = rng.permutation(n_codes).astype(f"u{np.dtype(codes).itemsize}")
    whole = array.reshape(1, 1, -1)
    got = remap(whole.view(codes), [0], (0, 0), whole.shape[1:], table)
    assert oracle.same_bits(got[0, 0], table[array])
    for width in (w for w in WIDTHS if w <= 200):
        for shift in (0, 1, 7, 16, 33):
            got = remap(whole.view(codes), [0], (0, shift), (1, width), table)
            assert oracle.same_bits(got[0, 0], table[array[shift : shift + width]])


def test_adding_nothing_keeps_the_sign_of_zero(isa, store):
    zeros = np.full((1, 1, 40), -0.0, np.float32)
    assert np.signbit(gather([zeros], [0], (0, 0), (1, 40), [1.0], [0.0])).all()
    assert np.signbit(gather([zeros], [0], (0, 0), (1, 40), [1.0], [-0.0])).all()


@pytest.mark.skipif(sys.platform != "linux", reason="sets the x86 control register through glibc")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_caller_that_rounds_upwards_gets_the_same_bits(isa, all_threads, threads):
    """Some libraries leave a thread in another rounding mode, or flushing subnormals."""
    libm = ctypes.CDLL("libm.so.6")
    upward = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())
    if upward is None:
        pytest.skip("rounding modes of this machine are not known here")
    array = np.arange(4096, dtype=np.int16).reshape(1, 8, 512)
    plan, got = one(array, [1e-4]), np.zeros((1, 1, 8, 512), np.float32)
    wanted = gather([array], [0], (0, 0), (8, 512), [1e-4])
    assert libm.fesetround(upward) == 0
    try:
        kernels.run([plan], [got], ZERO[:1], ZERO, None, threads)
        kept = libm.fegetround()
    finally:
        libm.fesetround(0)
    assert oracle.same_bits(got, wanted)
    assert kept == upward


# ---- gather and remap ----------------------------------------------------------------------------


def test_samples_come_in_the_order_of_the_index_with_their_own_origins(isa, store, all_threads):
    rng = np.random.default_rng(3)
    arrays = [rng.integers(-(2**15), 2**15, (5, 37, 41)).astype(np.int16) for _ in range(3)]
    index = [4, 0, 0, 3, 1, 2, 4]
    origins = [(int(r), int(c)) for r, c in rng.integers(0, (37 - 17 + 1, 41 - 23 + 1), (7, 2))]
    scale, offset = [1e-4, 0.5, 3.0], [0.0, 1.0, -7.5]
    wanted = oracle.image(arrays, index, origins, (17, 23), scale, offset)
    for threads in (1, 2, 3, 8):
        got = gather(arrays, index, origins, (17, 23), scale, offset, threads)
        assert oracle.same_bits(got, wanted)


def test_bands_of_several_types_mix_in_one_image(isa):
    arrays = [np.resize(every_value(t), (2, 9, 33)) for t in TYPES]
    got = gather(arrays, [1, 0], (2, 3), (7, 30), [0.1] * 5)
    assert oracle.same_bits(
        got, oracle.image(arrays, [1, 0], [(2, 3)] * 2, (7, 30), [0.1] * 5, [0.0] * 5)
    )


def test_splits_follow_each_other():
    rng = np.random.default_rng(4)
    parts = [rng.integers(0, 999, (n, 6, 7)).astype(np.int16) for n in (3, 1, 4)]
    plan = Gather([parts], [[None] * 3], None, None)
    assert (plan.n_patches, plan.n_splits, plan.n_arrays) == (8, 3, 1)
    order = np.array([7, 2, 3, 0, 4, 3, 6], np.int64)
    out = np.zeros((7, 1, 6, 7), np.int16)
    kernels.run([plan], [out], order, np.zeros(2, np.int64), None, 2)
    assert np.array_equal(out[:, 0], np.concatenate(parts)[order])


@pytest.mark.parametrize(
    "view",
    [
        *("rows", "patches", "columns of a wider array", "bands", "channels last"),
        *("columns apart", "columns reversed", "a column again and again", "one column of many"),
    ],
)
def test_arrays_may_have_any_strides(view):
    whole = np.arange(4 * 3 * 10 * 12, dtype=np.int16).reshape(4, 3, 10, 12)
    array = {
        "rows": whole[:, 0, ::-1],
        "patches": whole[::-2, 1],
        "columns of a wider array": whole[:, 2, :, 3:9],
        "bands": whole[:, 1],
        "channels last": whole.reshape(4, 10, 12, 3)[..., 2],
        "columns apart": whole[:, 0, :, 1::5],
        "columns reversed": whole[:, 0, :, ::-2],
        "a column again and again": np.broadcast_to(whole[:, 0, :, :1], (4, 10, 12)),
        "one column of many": whole[:, 0, :, 3::11],
    }[view]
    n, height, width = array.shape
    got = gather([array], range(n), (0, 0), (height, width), None)
    assert np.array_equal(got[:, 0], array)


@pytest.mark.parametrize("window", [(1, 2, 5, 6), (0, 0, 8, 9), (3, 3, 0, 0), (0, 8, 8, 1)])
@pytest.mark.parametrize("classes", ["uint8", "int64"])
def test_pixels_outside_the_window_are_filled(isa, store, all_threads, window, classes):
    array = np.random.default_rng(5).integers(0, 256, (3, 8, 9)).astype(np.uint8)
    table = np.arange(256)[::-1].astype(classes)
    mapping = {code: 255 - code for code in range(256)}
    for size, origin in (((8, 9), (0, 0)), ((3, 4), (0, 0)), ((2, 2), (6, 7)), ((1, 9), (4, 0))):
        got = remap(array, [2, 0, 1], origin, size, table, window, fill=9, threads=2)
        args = ([2, 0, 1], [origin] * 3, size, mapping, Window(*window), 9, classes)
        assert oracle.same_bits(got, oracle.label(array, *args))


def test_image_and_label_are_written_in_one_run(all_threads):
    rng = np.random.default_rng(6)
    bands = [rng.integers(0, 9999, (3, 8, 9)).astype(np.int16) for _ in range(2)]
    codes = [rng.integers(0, 256, (3, 8, 9)).astype(np.uint8) for _ in range(2)]
    table = rng.permutation(256).astype(np.uint8)
    none = [[None]] * 2
    image, label = np.zeros((2, 2, 4, 5), np.float32), np.zeros((2, 2, 4, 5), np.uint8)
    plans = [
        Gather([[b] for b in bands], none, [1.0, 2.0], [0.0, 0.0]),
        Remap([[c] for c in codes], none, [table, table], [(0, 0, 8, 9)] * 2, 0),
    ]
    origins = np.array([[1, 2], [4, 4]])
    kernels.run(plans, [image, label], np.array([2, 0]), origins, None, 3)
    for k, (i, r, c) in enumerate([(2, 1, 2), (0, 4, 4)]):
        for b in range(2):
            assert np.array_equal(image[k, b], bands[b][i, r : r + 4, c : c + 5] * (b + 1.0))
            assert np.array_equal(label[k, b], table[codes[b][i, r : r + 4, c : c + 5]])


# ---- refusals ------------------------------------------------------------------------------------

I16 = np.zeros((2, 8, 9), np.int16)
U8 = np.zeros((2, 8, 9), np.uint8)
ZERO = np.zeros(2, np.int64)
TABLE = np.zeros(256, np.uint8)


def one(array, scale=(1.0,), offset=(0.0,)):
    return Gather([[array]], [[None]], scale, offset)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 8, 9)), "format d"),
        (np.zeros((2, 8, 9), np.complex64), "format Zf"),
        (np.zeros((2, 8, 9), bool), r"format \?"),
        (np.zeros((2, 8, 9), ">i2"), "format >h"),
        (np.zeros((8, 9), np.int16), r"\(8, 9\) of format h; it must be \(patch, row, column\)"),
        (np.zeros((2, 8, 0), np.int16), r"it must be \(patch, row, column\)"),
        (
            np.frombuffer(bytes(289), np.uint8)[1:].view(np.int16).reshape(2, 8, 9),
            "not aligned to its type",
        ),
    ],
)
def test_arrays_that_no_row_function_reads_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        one(array)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gather([], [], [], []), "no arrays"),
        (lambda: Gather([[]], [[]], [1], [0]), "no arrays"),
        (lambda: one(I16, [1.0, 2.0]), "2 scales and 1 offsets for 1 arrays"),
        (
            lambda: Gather([[I16], [I16, I16]], [[None], [None, None]], [1, 1], [0, 0]),
            "array 1 is in 2 splits, not 1",
        ),
        (
            lambda: Gather([[I16], [I16[:1]]], [[None]] * 2, [1, 1], [0, 0]),
            "has 1 patches; it must have 2",
        ),
        (
            lambda: Gather([[I16], [I16[:, :7]]], [[None]] * 2, [1, 1], [0, 0]),
            "patches of 7 x 9; it must have 8 x 9",
        ),
        (
            lambda: Gather([[I16, I16.view("u2")]], [[None] * 2], [1], [0]),
            "array 0 changes its type in split 1",
        ),
        (lambda: Gather([[I16], [U8]], [[None]] * 2, None, None), "no common stored type"),
        (lambda: Remap([[U8]], [[None]], [], [], 0), "0 tables and 0 windows"),
        (
            lambda: Remap([[U8]], [[None]], [TABLE[:255]], [(0, 0, 8, 9)], 0),
            "it must be 256 contiguous entries",
        ),
        (
            lambda: Remap([[I16]], [[None]], [TABLE], [(0, 0, 8, 9)], 0),
            "it must be 65536 contiguous entries",
        ),
        (
            lambda: Remap([[U8]], [[None]], [TABLE.astype("i4")], [(0, 0, 8, 9)], 0),
            "it must be uint8 or int64",
        ),
        (
            lambda: Remap(
                [[U8]] * 2, [[None]] * 2, [TABLE, TABLE.astype("i8")], [(0, 0, 8, 9)] * 2, 0
            ),
            "tables of two types",
        ),
        (
            lambda: Remap([[U8]], [[None]], [TABLE], [(1, 0, 8, 9)], 0),
            "leaves the patch",
        ),
        (lambda: Remap([[U8]], [[None]], [TABLE], [(0, 0, 8, 9)], 256), "fill 256"),
        (
            lambda: Remap([[I16.astype("f4")]], [[None]], [TABLE], [(0, 0, 8, 9)], 0),
            "array 0 must hold codes: whole numbers of 1 or 2 bytes",
        ),
    ],
)
def test_plans_that_do_not_fit_together_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


OUT = np.zeros((1, 1, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("index", "origin", "out", "error", "message"),
    [
        ([2], ZERO, OUT, IndexError, r"index\[0\] = 2; there are 2 patches"),
        ([-3], ZERO, OUT, IndexError, r"index\[0\] = -3; there are 2 patches"),
        ([0, 1], ZERO, OUT, ValueError, "the output has 1 samples"),
        (
            [[0]],
            ZERO,
            OUT,
            ValueError,
            r"index is \(1, 1\) of format l; it must have one dimension",
        ),
        (
            [0],
            [5, 0],
            OUT,
            ValueError,
            r"origin = \(5, 0\); a window of 4 x 4 in a patch of 8 x 9 must begin",
        ),
        ([0], [0, 6], OUT, ValueError, r"origin = \(0, 6\)"),
        ([0], [[0, -1]], OUT, ValueError, r"origin\[0\] = \(0, -1\)"),
        ([0], [2**63 - 1, 0], OUT, ValueError, "origin ="),
        ([0], [[0, 0], [0, 0]], OUT, ValueError, r"it must be \(2,\) or \(1, 2\)"),
        ([0], [0], OUT, ValueError, r"it must be \(2,\) or \(1, 2\)"),
        ([0], ZERO, OUT.astype("f8"), ValueError, "it must be float32"),
        ([0], ZERO, OUT[..., ::2], ValueError, "not contiguous"),
        ([0], ZERO, OUT[0], ValueError, None),
        ([0], ZERO, OUT[0, 0], ValueError, r"it must be \(n, arrays, h, w\)"),
        ([0], ZERO, np.zeros((1, 2, 4, 4), "f4"), ValueError, r"it must be \(1, 1, 4, 4\)"),
        ([0], ZERO, np.zeros((1, 1, 9, 4), "f4"), ValueError, "does not fit a patch of 8 x 9"),
        ([0], ZERO, np.zeros((1, 1, 0, 4), "f4"), ValueError, "does not fit a patch"),
    ],
)
def test_bad_requests_write_nothing(index, origin, out, error, message):
    plan = one(np.ones((2, 8, 9), np.int16))
    if message is None:  # (n, h, w) will do where there is one array
        assert kernels.run([plan], [out.copy()], np.array(index), origin, None, 1) is None
        return
    out = out.copy() if out.flags.c_contiguous else out
    with pytest.raises(error, match=message):
        kernels.run([plan], [out], np.array(index, np.int64), np.array(origin), None, 1)
    assert not out.any()


def test_index_and_origin_must_be_int64():
    for wrong in (np.zeros(1, np.int32), np.zeros(1), np.zeros(4, np.int64)[::2]):
        with pytest.raises(ValueError, match="it must be contiguous int64"):
            kernels.run([one(I16)], [OUT], wrong, ZERO, None, 1)
        with pytest.raises(ValueError, match="it must be contiguous int64"):
            kernels.run([one(I16)], [OUT], ZERO[:1], wrong, None, 1)


def test_a_read_only_output_is_refused():
    out = OUT.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernels.run([one(I16)], [out], ZERO[:1], ZERO, None, 1)


@pytest.mark.parametrize("threads", [0, -3])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(ValueError, match="threads; there must be 1 or more"):
        kernels.run([one(I16)], [OUT], ZERO[:1], ZERO, None, threads)


def test_an_output_that_overlaps_what_is_read_is_refused():
    memory = np.zeros(400, np.int16)
    array, out = memory[:144].reshape(2, 8, 9), memory[140:156].reshape(1, 1, 4, 4)
    for source in (array, array[:, ::-1], array[::-1]):
        plan = Gather([[source]], [[None]], None, None)
        with pytest.raises(ValueError, match="overlaps an array that is read"):
            kernels.run([plan], [out], ZERO[:1], ZERO, None, 1)
    free = memory[144:160].reshape(1, 1, 4, 4)
    plan = Gather([[array[:, ::-1]]], [[None]], None, None)
    assert kernels.run([plan], [free], ZERO[:1], ZERO, None, 1) is None


def test_image_and_label_must_not_overlap():
    memory = np.zeros(64, np.uint8)
    image = memory.view(np.float32).reshape(1, 1, 4, 4)
    label = memory[48:64].reshape(1, 4, 4)
    plan = Remap([[U8]], [[None]], [TABLE], [(0, 0, 8, 9)], 0)
    with pytest.raises(ValueError, match="two outputs overlap"):
        kernels.run([one(I16), plan], [image, label], ZERO[:1], ZERO, None, 1)


@pytest.mark.parametrize("items", ["V0", "f8"])
def test_an_output_of_any_odd_type_is_refused(items):
    with pytest.raises(ValueError, match=r"not aligned to its type|it must be float32"):
        kernels.run([one(I16)], [np.zeros((1, 1, 4, 4), items)], ZERO[:1], ZERO, None, 1)
    with pytest.raises(ValueError, match=r"256 contiguous entries|it must be uint8 or int64"):
        Remap([[U8]], [[None]], [np.zeros(256, items)], [(0, 0, 8, 9)], 0)


def test_as_many_outputs_as_plans_are_needed():
    plans = [one(I16)]
    with pytest.raises(ValueError, match="a plan is None"):
        kernels.run([*plans, None], [OUT, OUT], ZERO[:1], ZERO, None, 1)
    with pytest.raises(TypeError, match="BasePlan"):
        kernels.run([3], [OUT], ZERO[:1], ZERO, None, 1)
    for outs in ([], [OUT, OUT]):
        with pytest.raises(
            ValueError, match=rf"1 plans and {len(outs)} outputs; the numbers must be equal, 1\.\.3"
        ):
            kernels.run(plans, outs, ZERO[:1], ZERO, None, 1)
    with pytest.raises(
        ValueError, match=r"4 plans and 4 outputs; the numbers must be equal, 1\.\.3"
    ):
        kernels.run(plans * 4, [OUT] * 4, ZERO[:1], ZERO, None, 1)


def test_bands_and_labels_over_other_patches_are_refused():
    plan = Remap([[U8[:1]]], [[None]], [TABLE], [(0, 0, 8, 9)], 0)
    with pytest.raises(ValueError, match="not over the same patches"):
        kernels.run([one(I16), plan], [OUT, np.zeros((1, 4, 4), "u1")], ZERO[:1], ZERO, None, 1)


def test_an_empty_batch_is_checked_too():
    plan = one(I16)
    nothing = np.zeros(0, np.int64)
    empty = np.zeros((0, 1, 4, 4), np.float32)
    assert kernels.run([plan], [empty], nothing, ZERO, None, 1) is None
    with pytest.raises(ValueError, match="origin ="):
        kernels.run([plan], [empty], nothing, ZERO + 9, None, 1)


def test_resolve_counts_negative_numbers_from_the_end():
    numbers = np.array([0, -1, 4, -5])
    kernels.resolve(numbers, 5)
    assert numbers.tolist() == [0, 4, 4, 0]
    for bad in (5, -6, 2**63 - 1, -(2**63)):
        with pytest.raises(IndexError, match=rf"index\[1\] = {bad}; there are 5 patches"):
            kernels.resolve(np.array([0, bad]), 5)


# ---- instruction sets ----------------------------------------------------------------------------


@pytest.mark.parametrize("cap", runtime.ISAS)
def test_cloudio_isa_caps_the_instruction_set(cap):
    """As a process would: the variable is read once, at import."""
    code = "from cloudio._core import runtime; print(runtime.isa())"
    run = processes.run([sys.executable, "-c", code], env={**os.environ, "CLOUDIO_ISA": cap})
    order = runtime.ISAS
    best = max(
        (name for name in runtime.available() if order.index(name) <= order.index(cap)),
        key=order.index,
    )
    assert run.stdout.strip() == best


def test_an_unknown_cap_is_ignored_with_a_warning():
    lines = (
        "import cloudio, numpy",
        "from cloudio._core import runtime",
        "print(runtime.isa())",
        "for _ in range(2):",
        "    cloudio.gather([numpy.zeros((1, 4, 4), numpy.int16)], [0])",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    run = processes.run(command, env={**os.environ, "CLOUDIO_ISA": "sse9"})
    assert run.stdout.strip() == runtime.available()[-1]
    text = "CLOUDIO_ISA is ignored: there is no instruction set 'sse9'; give one of base"
    assert run.stderr.startswith(f"<string>:5: CloudioWarning: {text}")
    assert run.stderr.count(text) == 1


def test_a_command_tells_of_an_unknown_cap_in_one_line():
    command = [sys.executable, "-m", "cloudio", "info"]
    run = processes.run(command, env={**os.environ, "CLOUDIO_ISA": "sse9"})
    assert run.stderr.startswith("cloudio: warning: CLOUDIO_ISA is ignored: there is no ")
    assert run.stderr.count("\n") == 1


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(
        ValueError, match="there is no instruction set 'sse9'; give one of base, neon, avx2"
    ):
        runtime.use("sse9")


def test_tuning_refuses_what_it_does_not_know():
    for wrong in ({"rows": 3}, {"rows_ahead": 0}):
        with pytest.raises(ValueError, match=r"rows_ahead, tile_bytes, .* must be positive"):
            runtime.tune(**wrong)


# ---- other machines ------------------------------------------------------------------------------


@pytest.mark.skipif(
    not THOROUGH, reason="takes long to compile; CLOUDIO_TEST_PROFILE=thorough does"
)
@pytest.mark.parametrize("machine", ["this one", "aarch64"])
def test_every_table_equals_plain_c(tmp_path, machine):
    """Outside Python, so that an emulator can run it too."""
    here = machine == "this one"
    compiler = shutil.which("cc" if here else "aarch64-linux-gnu-gcc")
    run = [] if here else [shutil.which("qemu-aarch64") or ""]
    if compiler is None or "" in run:
        pytest.skip(f"no C compiler or no emulator for {machine}")
    root = ROOT
    if not (root / "csrc").is_dir():
        pytest.skip("the tests run without the source")
    sources = [
        root / "tests/core/rows_equal.c",
        root / "csrc/dispatch.c",
        root / "csrc/stores.c",
        *root.glob("csrc/rows_*.c"),
    ]
    flags = ["-std=gnu11", "-O2", "-ffp-contract=off", f"-I{root / 'csrc'}"]
    program = tmp_path / "rows_equal"
    processes.printed([compiler, *flags, *([] if here else ["-static"]), *sources, "-o", program])
    processes.printed([*run, program])


# ---- what is touched -----------------------------------------------------------------------------

GUARDED = """
    import ctypes, itertools, mmap, sys
    import numpy as np
    from cloudio._core import kernels, runtime
    from cloudio._core.plans import Gather, Mask, Remap, Repeated

    PAGE = mmap.PAGESIZE
    libc = ctypes.CDLL(None, use_errno=True)

    def guarded(n_bytes, last):
        # Memory that ends at a page nobody may touch, or begins after one.
        n_pages = -(-n_bytes // PAGE)
        memory = mmap.mmap(-1, (n_pages + 2) * PAGE)
        whole = np.frombuffer(memory, np.uint8)
        for page in (0, n_pages + 1):
            at = ctypes.c_void_p(whole.ctypes.data + page * PAGE)
            assert libc.mprotect(at, PAGE, 0) == 0
        inside = whole[PAGE:-PAGE]
        return inside[len(inside) - n_bytes :] if last else inside[:n_bytes]

    rng = np.random.default_rng(0)
    sizes = [(1, 1), (1, 37), (3, 16), (9, 33), (40, 40), (17, 17), (66, 66), (5, 130)]
    for (h, w), last, dtype in itertools.product(sizes, (0, 1), ("u1", "i2", "f4")):
        n, C, item = 2, 3, np.dtype(dtype).itemsize
        arrays = []
        for _ in range(C):
            memory = guarded(n * h * w * item, last)
            memory[:] = rng.integers(0, 60, memory.size)
            arrays.append(memory.view(dtype).reshape(n, h, w))
        none = [[None]] * C
        a = [[x] for x in arrays]
        plans = [(Gather(a, none, None, None), dtype)]
        coarse = []
        for repeat, phase in ((2, 1), (3, 0), (6, 5)):  # no pixel is stored that is not needed
            rows, cols = (-(-(side + phase) // repeat) for side in (h, w))
            memory = guarded(n * rows * cols * item, last)
            memory[:] = rng.integers(0, 60, memory.size)
            x = memory.view(dtype).reshape(n, rows, cols)
            coarse.append([Repeated(
                x, repeat=(repeat, repeat), patch=(h, w), window=(0, 0, h, w),
                places=phase * repeat + phase)])
        for inter in (False, True):
            plan = Gather(coarse, none, [1.0] * C, [0.0] * C, interleaved=inter)
            plans.append((plan, "f4"))
        for to, out in (("float32", "f4"), ("float16", "f2"), ("bfloat16", "u2")):
            for apart, inter in ((0, False), (0, True), (1, True)):
                scale = [1.0 + k * apart for k in range(C)]
                plan = Gather(
                    a, none, scale, [0.0] * C, to=to, interleaved=inter, nodata=[1] * C, fill=0.5)
                plans.append((plan, out))
        if dtype == "u1":
            table = np.arange(256, dtype=np.uint8)
            plans.append((Remap(a, none, [table] * C, [(0, 0, h, w)] * C, 0), "u1"))
        plans.append((Mask(a, none, [1] * C, (0, 0, h, w)), "u1"))
        index, origin = np.array([1, 0, 1]), np.zeros(2, np.int64)
        for isa, stream in itertools.product(runtime.available(), (1, 1 << 60)):
            runtime.use(isa)
            runtime.tune(stream_bytes=stream)
            for plan, kind in plans:
                shape = (3, h, w) if isinstance(plan, Mask) else (3, C, h, w)
                if getattr(plan, "interleaved", False):
                    shape = (3, h, w, C)
                out = guarded(int(np.prod(shape)) * np.dtype(kind).itemsize, last)
                out = out.view(kind).reshape(shape)
                for s in range(8) if h == w else (0, 2, 4, 6):
                    kernels.run([plan], [out], index, origin, np.array(s), 1)
    print("untouched")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="guards pages with mprotect")
def test_nothing_outside_arrays_and_outputs_is_touched():
    """Not even read: the page after the last row of a mapped file may not be there."""
    assert in_subprocess(GUARDED) == "untouched"


PLANNED = """
    import ctypes, sys, tempfile
    import numpy as np
    import cloudio

    folder = tempfile.mkdtemp()
    np.arange(2 * 16 * 16, dtype=np.int16).tofile(f"{folder}/a.dat")
    bands = [cloudio.Band("a", dtype="int16", scale=1e-4, offset=7)]
    layout = cloudio.Layout("Rounded", (16, 16), cloudio.Window(0, 0, 16, 16), bands)
    data, array = cloudio.open(folder, layout=layout), np.arange(512, dtype=np.int16)
    libm = ctypes.CDLL("libm.so.6")

    def numbers():
        reader = data.reader(mean=0.1, std=0.3, clip=(-0.1, 0.7), fill=0.1)
        read = [reader.read([0, 1]).image, data.reader().read([0, 1]).image]
        return [x.tobytes() for x in (*read, cloudio.gather(
            [array.reshape(2, 16, 16)], [0, 1], scale=1 / 3, offset=-0.1))]

    nearest = numbers()
    for mode in map(int, sys.argv[1:]):
        assert libm.fesetround(mode) == 0
        other = numbers()
        assert libm.fegetround() == mode
        libm.fesetround(0)
        assert other == nearest, mode
    print("same")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets the x86 control register through glibc")
def test_plans_that_are_made_while_a_caller_rounds_otherwise_have_the_same_numbers():
    modes = {"x86_64": (0x400, 0x800, 0xC00), "aarch64": (0x400000, 0x800000, 0xC00000)}
    if (machine := platform.machine()) not in modes:
        pytest.skip("rounding modes of this machine are not known here")
    assert in_subprocess(PLANNED, *modes[machine]) == "same"
