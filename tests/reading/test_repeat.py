"""`repeat=` and `phase=` of gather and remap: arrays of several resolutions against `np.repeat`."""

import native
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import RequestError
from cloudio._core import runtime

TYPES = ("uint8", "int8", "int16", "uint16", "float32")
REPEATS = (1, 2, 3, 6, (1, 2), (3, 2), (1, 5))
N = 3


@st.composite
def entries(draw):
    """One array: its repeat, its phases, and how much larger than needed it is stored."""
    repeat = draw(st.sampled_from(REPEATS))
    ry, rx = native.pair(repeat)
    one = st.tuples(st.integers(0, ry - 1), st.integers(0, rx - 1))
    phase = draw(
        one | st.integers(0, min(ry, rx) - 1) | st.lists(one, min_size=N, max_size=N).map(np.array)
    )
    return {
        "repeat": repeat,
        "phase": phase,
        "more": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "view": draw(st.sampled_from(["whole", "rows reversed", "columns apart", "channels last"])),
        "dtype": draw(st.sampled_from(TYPES)),
    }


@st.composite
def calls(draw):
    """Any gather of arrays of which some or all are coarser than the patch."""
    height, width = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    n = draw(st.integers(0, 5))
    return {
        "patch": (height, width),
        "arrays": draw(st.lists(entries(), min_size=1, max_size=7)),
        "fine": draw(st.booleans()),
        "n": n,
        "square": draw(st.booleans()),
        "symmetries": draw(st.lists(st.integers(0, 7), min_size=n, max_size=n)),
        "scale": draw(st.none() | st.floats(-50, 50).filter(bool)),
        "offset": draw(st.none() | st.floats(-50, 50)),
        "dtype": draw(st.sampled_from(["float32", "float16", "bfloat16", "stored"])),
        "layout": draw(st.sampled_from(["NCHW", "NHWC"])),
        "threads": draw(st.integers(1, 3)),
        "isa": draw(st.sampled_from(runtime.available())),
        "stream": draw(st.booleans()),
        "tile": draw(st.sampled_from([64, 1024, 65536])),
        "seed": draw(st.integers(0, 1000)),
    }


def largest(phase):
    """The largest phase of rows and of columns."""
    return native.phase_rows(phase, N).max(0).tolist()


def array_of(entry, patch, rng):
    """Random pixels that cover a patch, in any kind of view."""
    ry, rx = native.pair(entry["repeat"])
    sides = [
        min(-(-(side + p) // r) + more, (side + 2 * (r - 1)) // r)
        for side, p, r, more in zip(
            patch, largest(entry["phase"]), (ry, rx), entry["more"], strict=True
        )
    ]
    rows, cols = sides if (ry, rx) != (1, 1) else patch
    dtype = entry["dtype"]
    if entry["view"] == "channels last":
        return rng.integers(-100, 100, (N, rows, cols, 3)).astype(dtype)[..., 1]
    wide = rng.integers(-100, 100, (N, rows, 2 * cols)).astype(dtype)
    if entry["view"] == "columns apart":
        return wide[:, :, ::-2]
    part = np.ascontiguousarray(wide[:, :, :cols])
    return part[:, ::-1] if entry["view"] == "rows reversed" else part


@settings(max_examples=scaled(70, 150))
@given(call=calls())
def test_any_gather_of_several_resolutions_equals_numpy(call):
    rng, given_ = np.random.default_rng(call["seed"]), call["arrays"]
    if call["fine"]:
        plain = {"repeat": 1, "phase": 0, "more": (0, 0), "view": "whole", "dtype": "int16"}
        given_ = [*given_, plain]
    scale, offset, dtype = call["scale"], call["offset"], call["dtype"]
    if dtype == "stored":
        dtype, scale, offset = "int16", None, None
        given_ = [{**entry, "dtype": dtype} for entry in given_]
    arrays = [array_of(entry, call["patch"], rng) for entry in given_]
    patch = call["patch"]
    if not any(native.pair(entry["repeat"]) == (1, 1) for entry in given_):
        covered = [
            np.multiply(array.shape[1:], native.pair(entry["repeat"])) - largest(entry["phase"])
            for array, entry in zip(arrays, given_, strict=True)
        ]
        patch = tuple(np.min(covered, 0).tolist())
    size = tuple(rng.integers(1, side, endpoint=True) for side in patch)
    size = (min(size), min(size)) if call["square"] else size
    turned = [s if size[0] == size[1] else s & ~1 for s in call["symmetries"]]
    n = call["n"]
    index, origin = rng.integers(0, N, n), rng.integers(0, np.subtract(patch, size) + 1, (n, 2))
    before, isa = runtime.tune(), runtime.isa()
    runtime.use(call["isa"])
    runtime.tune(
        thread_bytes=1, tile_bytes=call["tile"], stream_bytes=1 if call["stream"] else 1 << 60
    )
    try:
        got = cloudio.gather(
            arrays, index, size=size, origin=origin, symmetry=turned or None, scale=scale,
            offset=offset, dtype=dtype, layout=call["layout"], threads=call["threads"],
            repeat=[entry["repeat"] for entry in given_],
            phase=[entry["phase"] for entry in given_],
        )  # fmt: skip
    finally:
        runtime.use(isa)
        runtime.tune(**before)
    full = [
        native.expand(array, entry["repeat"], entry["phase"], patch)
        for array, entry in zip(arrays, given_, strict=True)
    ]
    origins = [tuple(corner) for corner in origin.tolist()]
    wanted = oracle.image(
        full, index, origins, size, [1.0 if scale is None else scale] * len(full),
        [offset or 0.0] * len(full), symmetries=turned,
    )  # fmt: skip
    with np.errstate(over="ignore"):
        wanted = wanted.astype(got.dtype)
    if call["layout"] == "NHWC":
        wanted = np.ascontiguousarray(wanted.transpose(0, 2, 3, 1))
    assert oracle.same_bits(got, wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_channels_of_one_array_are_repeated_together(isa, all_threads, dtype):
    """They are read together where nothing is repeated, and beside such channels."""
    rng, n_channels = np.random.default_rng(9), 9
    pixels = rng.integers(0, 200, (3, 21, 20, n_channels)).astype(dtype)
    fine = rng.integers(0, 200, (3, 40, 38, n_channels)).astype(dtype)
    bands = [pixels[..., k] for k in range(n_channels)]
    phases = [1, 0, *[rng.integers(0, 2, (3, 2)) for _ in range(n_channels - 3)], (1, 0)]
    given_ = [*bands, *(fine[..., k] for k in (2, 1, 2))]
    repeat, phase = [2] * n_channels + [1] * 3, [*phases, 0, 0, 0]
    full = [
        native.expand(array, r, p, (40, 38))
        for array, r, p in zip(given_, repeat, phase, strict=True)
    ]
    for order in (np.arange(len(given_)), rng.permutation(len(given_))):
        for symmetry in (0, 2, 5):
            for layout, to in (("NCHW", "float32"), ("NHWC", "float32"), ("NHWC", dtype)):
                got = cloudio.gather(
                    [given_[k] for k in order], [2, 0], size=17, origin=(3, 21), layout=layout,
                    symmetry=symmetry, dtype=to, threads=2,
                    repeat=[repeat[k] for k in order], phase=[phase[k] for k in order],
                )  # fmt: skip
                got = got if layout == "NCHW" else np.moveaxis(got, -1, 1)
                for b, k in enumerate(order):
                    for sample, i in enumerate((2, 0)):
                        wanted = oracle.orient(full[k][i, 3:20, 21:38], symmetry).astype(to)
                        assert np.array_equal(got[sample, b], wanted)


@pytest.mark.parametrize("codes", ["uint8", "int16"])
@pytest.mark.parametrize("classes", ["uint8", "int64"])
@pytest.mark.parametrize("repeat", [1, 2, (3, 2), 6])
def test_remap_repeats_codes(isa, all_threads, codes, classes, repeat):
    rng = np.random.default_rng(4)
    ry, rx = native.pair(repeat)
    table = rng.integers(0, 256, 256 ** np.dtype(codes).itemsize)
    array = rng.integers(0, 120, (3, 25, 30)).astype(codes)
    phases = np.column_stack([rng.integers(0, ry, 3), rng.integers(0, rx, 3)])
    for phase in (None, (ry - 1, rx - 1), phases):
        top, left = (0, 0) if phase is None else np.max(np.atleast_2d(phase), 0).tolist()
        patch = 25 * ry - top, 30 * rx - left
        full = table[native.expand(array, repeat, 0 if phase is None else phase, patch)]
        got = cloudio.remap(array, [2, 0], table, dtype=classes, repeat=repeat, phase=phase)
        assert oracle.same_bits(got, full[[2, 0]].astype(classes))
        symmetry = np.arange(8)
        got = cloudio.remap(
            array, [1] * 8, table, size=23, origin=(1, 2), symmetry=symmetry, dtype=classes,
            repeat=repeat, phase=phase,
        )  # fmt: skip
        wanted = [oracle.orient(full[1, 1:24, 2:25], s) for s in symmetry]
        assert oracle.same_bits(got, np.stack(wanted).astype(classes))


def test_one_number_is_the_repeat_and_the_phase_of_every_array():
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 99, (3, 4, 9, 10)).astype("u2")
    wanted = np.repeat(np.repeat(stack, 2, 2), 2, 3)[:, :, 1:, 1:].astype("f4")
    assert oracle.same_bits(cloudio.gather(stack, [2, 1], repeat=2, phase=1), wanted[[2, 1]])
    bands = [stack[:, k] for k in range(4)]
    for repeat, phase in (([2] * 4, [1] * 4), ([(2, 2)] * 4, [(1, 1)] * 4), (np.full(4, 2), 1)):
        got = cloudio.gather(bands, [2, 1], repeat=repeat, phase=phase)
        assert oracle.same_bits(got, wanted[[2, 1]])


def test_a_repeat_of_1_is_none():
    array = np.arange(3 * 8 * 9).reshape(3, 8, 9).astype("u1")
    wanted = cloudio.gather([array, array], [1, 2], size=5)
    for repeat, phase in ((1, None), ([1, 1], 0), ([(1, 1), 1], [0, (0, 0)])):
        got = cloudio.gather([array, array], [1, 2], size=5, repeat=repeat, phase=phase)
        assert oracle.same_bits(got, wanted)
    classes = cloudio.remap(array, [1], np.arange(256)[::-1], repeat=1)
    assert np.array_equal(classes[0], 255 - array[1])


U1 = np.zeros((3, 8, 9), "u1")
HALF = np.zeros((3, 4, 5), "u1")
BAD = np.array([[0, 1], [1, 1], [0, 2]])


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ([U1], {"phase": 1}, r"^phase=1 without repeat; pass repeat= too"),
        ([U1], {"repeat": 0}, r"^repeat=0; repeat must be a whole number from 1 to 32,768, or two"),
        ([U1], {"repeat": True}, "^repeat=True; repeat must be a whole number"),
        ([U1], {"repeat": 1.5}, "^repeat=1.5; repeat must be"),
        ([U1], {"repeat": "2"}, "^repeat='2'; repeat must be"),
        ([U1], {"repeat": 2**63}, "^repeat=9223372036854775808; repeat must be"),
        ([U1], {"repeat": [(2, 2, 2)]}, r"^repeat\[0\]=\(2, 2, 2\); repeat\[0\] must be a whole"),
        ([U1], {"repeat": [(2, -1)]}, r"^repeat\[0\]=\(2, -1\); repeat\[0\] must be a whole"),
        ([U1], {"repeat": (1, 2)}, "^repeat has 2 entries for 1 array; give one number, or one e"),
        ([U1], {"repeat": []}, "^repeat has 0 entries for 1 array; give one number"),
        ([U1], {"repeat": {2: 1}}, "^repeat={2: 1}; repeat must be"),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": BAD[:, :1].repeat(2, 1)},
            r"^phase has 3 entries for 2 arrays; give one number, or one entry for each array; "
            r"\[phase\] \* 2 is the same one for every array",
        ),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": 1},
            r"^phase=1; arrays\[0\] has repeat \(1, 1\), so its phase must be from \(0, 0\) to "
            r"\(0, 0\)",
        ),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": [0, (1, 2)]},
            r"^phase\[1\]=\(1, 2\); arrays\[1\] has repeat \(2, 2\), so its phase must be from "
            r"\(0, 0\) to \(1, 1\)",
        ),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": [0, -1]},
            r"^phase\[1\]=-1; arrays\[1\] has repeat \(2, 2\)",
        ),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": [0, BAD]},
            r"^phase\[1\] is \(0, 2\) for patch 2; arrays\[1\] has repeat \(2, 2\)",
        ),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": [0, BAD[:2]]},
            r"^phase\[1\] has shape \(2, 2\); give one number, \(row, column\), or an array "
            r"\(3, 2\) with one for each patch of arrays\[1\]",
        ),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": [0, 0.5]},
            r"^phase\[1\] has dtype float64; it must hold whole numbers",
        ),
        ([U1], {"repeat": 2, "phase": True}, "^phase has dtype bool; it must hold whole numbers"),
        ([U1], {"repeat": 2, "phase": "x"}, "^phase='x'; phase must be whole numbers"),
        (
            [U1, HALF],
            {"repeat": [1, 2], "phase": [0, (1, 0)]},
            r"^arrays\[1\] has patches of 4 x 5; with repeat \(2, 2\) and its phases it covers "
            r"7 x 10 pixels, and it must cover 8 x 9, the shape of arrays\[0\]$",
        ),
        (
            [HALF[:, :1, :1]],
            {"repeat": [(1, 6)], "phase": [(0, 5)], "size": 2},
            "size=2; the stored patch is 1 x 1, so size must be",
        ),
        (
            [HALF, U1],
            {"repeat": [1, 2]},
            r"^arrays\[1\] has patches of 8 x 9; with repeat \(2, 2\) the patch of 4 x 5, the "
            r"shape of arrays\[0\], needs 3 x 3 of them at most; check the order of repeat, or cut",
        ),
        (
            [U1, HALF],
            {"repeat": [2, 3]},
            r"^arrays\[0\] has patches of 8 x 9; with repeat \(2, 2\) the patch of 12 x 15, which "
            r"is what all arrays cover, needs 7 x 8 of them at most",
        ),
        ([U1, HALF, HALF], {"repeat": [1, 2, 1]}, r"arrays\[2\] has patches of 4 x 5"),
        ([U1, HALF[:2]], {"repeat": [1, 2]}, r"arrays\[1\] has 2 patches; it must have 3"),
        ([U1, HALF], {"repeat": [1, 2], "size": (9, 9)}, r"the stored patch is 8 x 9"),
        ([U1, HALF], {"repeat": [1, 2], "size": 3, "origin": (6, 0)}, "origin"),
    ],
)
def test_an_impossible_gather_is_refused(arrays, options, message):
    out = np.full((1, len(arrays), 8, 9), np.nan, np.float32)
    with pytest.raises(RequestError, match=message):
        cloudio.gather(arrays, [0], **options, **({} if "size" in options else {"out": out}))
    assert np.isnan(out).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phase": 0}, "^phase=0 without repeat"),
        ({"repeat": [2, 2, 2]}, r"^repeat=\[2, 2, 2\]; repeat must be a whole number from 1"),
        ({"repeat": [2]}, r"^repeat=\[2\]; repeat must be a whole number"),
        ({"repeat": 2, "phase": 2}, r"^phase=2; array has repeat \(2, 2\), so its phase"),
        ({"repeat": (1, 2), "phase": (1, 0)}, r"^phase=\(1, 0\); array has repeat \(1, 2\)"),
        ({"repeat": 2, "phase": BAD}, r"^phase is \(0, 2\) for patch 2; array has repeat"),
        ({"repeat": 2, "phase": [[0, 0]]}, r"^phase has shape \(1, 2\); give .* patch of array"),
        ({"repeat": 2, "size": 20}, "the stored patch is 8 x 10, so size must be"),
    ],
)
def test_an_impossible_remap_is_refused(options, message):
    with pytest.raises(RequestError, match=message):
        cloudio.remap(HALF, [0], {0: 1}, **options)


def test_an_output_over_a_repeated_array_is_refused():
    memory = np.zeros(3 * 8 * 8, np.int16)
    array, out = memory[:48].reshape(3, 4, 4), memory[32:96].reshape(1, 1, 8, 8)
    with pytest.raises(RequestError, match="overlaps an array that is read"):
        cloudio.gather([array], [0], repeat=2, out=out, dtype="int16")
