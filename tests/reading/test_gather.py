"""gather and remap on arrays of any kind, against numpy, bit for bit."""

import types

import builders
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import LabelMap, RequestError
from cloudio._core import runtime

TYPES = ("uint8", "int8", "int16", "uint16", "float32")
RNG = np.random.default_rng(11)
INT16 = np.arange(-(2**15), 2**15).astype(np.int16).reshape(1, 256, 256)
# Halfway cases, limits, subnormals and what rounds across them, for both halves.
EDGES = [0.0, 5e-324, 2**-149, 2**-133, 2**-126, 2**-24, 2**-25, 2**-14, 1.0, 65504.0, 65520.0]
EDGES += [
    65519.996,
    3.3895314e38,
    3.4028235e38,
    float("inf"),
    float("nan"),
    1 + 2**-8,
    1 + 3 * 2**-9,
]


def edges() -> np.ndarray:
    """Around every number that float16 and bfloat16 have: it, its halves to both neighbours, and
    one unit of float32 to either side of these."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    brains = (np.arange(65536, dtype=np.uint32) << 16).view(np.float32)
    values = [np.array(EDGES + [-x for x in EDGES], np.float32)]
    for exact, gap in ((halves, 12), (brains, 15)):
        bits = exact.view(np.uint32)
        values += [(bits + np.uint32(d)).view(np.float32) for d in (0, 1, 2**32 - 1)]
        values += [(bits + np.uint32((1 << gap) + d)).view(np.float32) for d in (-1, 0, 1)]
    found = np.concatenate(values)
    # A signalling NaN is made quiet by any arithmetic; numpy's cast alone would not.
    return np.where(np.isnan(found), np.float32(np.nan), found).reshape(1, 1, -1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("isa", runtime.available())
def test_every_int16_and_every_edge_rounds_as_numpy_does(isa, store, dtype):
    before = runtime.isa()
    runtime.use(isa)
    try:
        for scale, offset in ((1e-4, 0.0), (1.0, 0.0), (3.1e-8, 0.0), (1e-4, -0.1), (2.5, 7.0)):
            got = cloudio.gather([INT16], [0], scale=scale, offset=offset, dtype=dtype)
            wanted = oracle.image([INT16], [0], [(0, 0)], (256, 256), [scale], [offset])
            with np.errstate(over="ignore"):
                assert oracle.same_bits(got, wanted.astype(got.dtype))
        values = edges()
        got = cloudio.gather([values], [0], dtype=dtype)
        with np.errstate(over="ignore"):
            assert oracle.same_bits(got[0], values.astype(got.dtype))
    finally:
        runtime.use(before)


VIEWS = [
    *("whole", "rows reversed", "part of wider rows", "stacked", "columns apart", "channels last"),
]


@st.composite
def calls(draw):
    """Any gather: arrays of any types and shape, views of them, and all that can be asked."""
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    size = draw(st.integers(1, height)), draw(st.integers(1, width))
    if draw(st.booleans()):
        size = (min(size), min(size))
    n = draw(st.integers(0, 5))
    turns = st.integers(0, 7) if size[0] == size[1] else st.sampled_from([0, 2, 4, 6])
    return {
        "shape": (draw(st.integers(1, 4)), height, width),
        "types": draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=18)),
        "view": draw(st.sampled_from(VIEWS)),
        "size": size,
        "n": n,
        "symmetry": draw(st.none() | turns | st.lists(turns, min_size=n, max_size=n)),
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


def arrays_of(call, rng):
    n, height, width = call["shape"]
    types = call["types"]
    if call["dtype"] == "stored" or call["view"] == "stacked":
        types = types[:1] * len(types)
    found = []
    for dtype in types:
        wide = rng.integers(-100, 100, (n, height, 2 * width + 3)).astype(dtype)
        part = np.ascontiguousarray(wide[:, :, :width])
        if call["view"] == "part of wider rows":
            part = wide[:, :, 2 : 2 + width]
        elif call["view"] == "rows reversed":
            part = part[:, ::-1]
        elif call["view"] == "columns apart":
            part = wide[:, :, :: -2 if call["seed"] % 2 else 2][:, :, :width]
        elif call["view"] == "channels last":
            n_channels = 2 + call["seed"] % 6
            pixels = rng.integers(-100, 100, (n, height, width, n_channels)).astype(dtype)
            part = pixels[..., len(found) % n_channels]
        found.append(part)
    return found


def stored(arrays, index, origins, size, turned):
    """(sample, band, row, column) of the arrays' own type."""
    out = np.empty((len(index), len(arrays), *size), arrays[0].dtype)
    for k, (i, (row, col), s) in enumerate(zip(index, origins, turned, strict=True)):
        for b, array in enumerate(arrays):
            out[k, b] = oracle.orient(array[i, row : row + size[0], col : col + size[1]], s)
    return out


@settings(max_examples=scaled(100, 400))
@given(call=calls())
def test_any_gather_equals_numpy(call):
    rng = np.random.default_rng(call["seed"])
    arrays, n, size = arrays_of(call, rng), call["n"], call["size"]
    dtype = call["dtype"]
    if dtype == "stored":
        dtype = arrays[0].dtype.name if arrays[0].dtype.name not in ("int8", "float32") else "int16"
        arrays = [array.astype(dtype) for array in arrays]
        call = {**call, "scale": None, "offset": None}
    room = np.subtract(call["shape"][1:], size) + 1
    index, origin = rng.integers(0, call["shape"][0], n), rng.integers(0, room, (n, 2))
    before, isa = runtime.tune(), runtime.isa()
    runtime.use(call["isa"])
    runtime.tune(
        thread_bytes=1, tile_bytes=call["tile"], stream_bytes=1 if call["stream"] else 1 << 60
    )
    try:
        given_ = np.stack(arrays, axis=1) if call["view"] == "stacked" else arrays
        options = {k: call[k] for k in ("size", "scale", "offset", "layout", "threads")}
        symmetry = None if call["symmetry"] == [] else call["symmetry"]
        got = cloudio.gather(
            given_, index, origin=origin, symmetry=symmetry, dtype=dtype, **options
        )
    finally:
        runtime.use(isa)
        runtime.tune(**before)
    scales = [1.0 if call["scale"] is None else call["scale"]] * len(arrays)
    offsets = [call["offset"] or 0.0] * len(arrays)
    turned = np.broadcast_to(call["symmetry"] or 0, n).tolist()
    origins = [tuple(x) for x in origin.tolist()]
    if call["dtype"] == "stored":
        wanted = stored(arrays, index, origins, size, turned)
    else:
        wanted = oracle.image(arrays, index, origins, size, scales, offsets, symmetries=turned)
        with np.errstate(over="ignore"):
            wanted = wanted.astype(got.dtype)
    if call["layout"] == "NHWC":
        wanted = np.ascontiguousarray(wanted.transpose(0, 2, 3, 1))
    assert oracle.same_bits(got, wanted)


@pytest.mark.parametrize("codes", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("classes", ["uint8", "int64"])
def test_remap_equals_numpy_in_every_symmetry(isa, store, all_threads, codes, classes):
    n_codes = 256 ** np.dtype(codes).itemsize
    table = RNG.integers(0, 256, n_codes)
    array = RNG.integers(0, n_codes, (3, 60, 50)).astype(f"u{np.dtype(codes).itemsize}")
    index, origin = [2, 0, 1, 2, 2, 0, 1, 1], RNG.integers(0, 10, (8, 2))
    symmetry = np.arange(8)
    got = cloudio.remap(
        array.view(codes), index, table, size=40, origin=origin, symmetry=symmetry, dtype=classes
    )
    for k, (i, (row, col)) in enumerate(zip(index, origin.tolist(), strict=True)):
        wanted = oracle.orient(table[array[i, row : row + 40, col : col + 40]], k).astype(classes)
        assert oracle.same_bits(got[k], np.ascontiguousarray(wanted))
    whole = cloudio.remap(array.view(codes), [1], table, dtype=classes)
    assert np.array_equal(whole[0], table[array[1]])


@pytest.mark.parametrize("stored", ["u1", "i1", "<i2"])
@pytest.mark.parametrize("classes", ["uint8", "int64"])
def test_remap_takes_a_label_map_and_a_mapping(stored, classes):
    codes = RNG.integers(0, 6, (2, 8, 8)).astype(stored)
    entries = {0: 3, 1: None, 4: 1, np.int16(5): 2}
    lut = np.array([3, 9, 9, 9, 1, 2])
    for table in (entries, LabelMap(entries), types.MappingProxyType(entries)):
        got = cloudio.remap(codes, [1, 0], table, dtype=classes, ignore=9)
        assert got.dtype == classes
        assert np.array_equal(got, lut[codes[[1, 0]]])
    assert cloudio.remap(codes, [0], {}, dtype=classes).min() == 255  # the default, as of a reader
    got = cloudio.remap(codes, [0], LabelMap(entries, unlisted=7), dtype=classes, ignore=9)
    assert np.array_equal(got[0], np.array([3, 9, 7, 7, 1, 2])[codes[0]])


def test_remap_is_the_label_of_a_reader(tmp_path):
    """The same map gives the same classes, ignored ones included."""
    builders.write_root(tmp_path, {"train": 3}, builders.SMALL)
    ds = cloudio.open(tmp_path, layout=builders.SMALL)
    label_map = LabelMap({0: 1, 2: 0})
    patch = builders.SMALL.patch
    wanted = ds.reader(
        "L1C_B2", {"LABEL_hq": label_map}, size=patch, label_dtype="int64", ignore=-1
    )
    window = ds.valid_window
    inside = np.s_[
        :, window.row : window.row + window.height, window.col : window.col + window.width
    ]
    got = cloudio.remap(ds["LABEL_hq"], [2, 0], label_map, dtype="int64", ignore=-1)
    assert np.array_equal(got[inside], wanted.read([2, 0]).label[:, 0][inside])


def test_remap_warns_of_codes_that_the_array_cannot_hold():
    with pytest.warns(cloudio.CloudioWarning, match="array is stored in 1 byte per pixel, which"):
        cloudio.remap(np.zeros((1, 2, 2), "u1"), [0], {0: 0, 1024: 1})


def test_a_label_map_makes_a_table_that_remap_takes():
    array = np.array([[[1024, 2048, 3072, -1, 0]]], np.int16)
    label_map = LabelMap({0: 0, 1024: 1, 2048: 2, 3072: 1})
    table = label_map.table(array.dtype, np.dtype("uint8"), 255, "qa60")
    assert cloudio.remap(array, [0], table).tolist() == [[[1, 2, 1, 255, 0]]]


def test_an_output_that_is_given_is_returned():
    array = RNG.integers(0, 99, (3, 9, 9)).astype(np.int16)
    out = np.full((2, 1, 4, 4), np.nan, np.float32)
    assert cloudio.gather([array], [2, 0], size=4, out=out) is out
    assert np.array_equal(out[:, 0], array[[2, 0], 2:6, 2:6])  # the centre
    bits = np.zeros((2, 1, 4, 4), np.uint16)
    assert cloudio.gather([array], [2, 0], size=4, dtype="bfloat16", out=bits) is bits
    brains = cloudio.gather([array], [2, 0], size=4, dtype="bfloat16")
    assert brains.tobytes() == bits.tobytes()
    label = np.zeros((1, 9, 9), np.uint8)
    codes = array.astype(np.uint8)
    assert cloudio.remap(codes, [1], np.arange(256), out=label) is label
    assert np.array_equal(label[0], codes[1])


def test_a_file_that_is_read_is_not_written(tmp_path):
    np.arange(128, dtype=np.float32).tofile(tmp_path / "a")
    source = np.memmap(tmp_path / "a", np.float32, "r", shape=(2, 8, 8))
    out = np.memmap(tmp_path / "a", np.float32, "r+", shape=(1, 1, 8, 8))
    with pytest.raises(RequestError, match=r"out is mapped from .*a, which this call reads"):
        cloudio.gather([source[:, ::-1]], [1], out=out, scale=10.0)
    np.zeros(128, np.uint8).tofile(tmp_path / "b")
    codes = np.memmap(tmp_path / "b", np.uint8, "r", shape=(2, 8, 8))
    label = np.memmap(tmp_path / "b", np.uint8, "r+", shape=(1, 8, 8))
    with pytest.raises(RequestError, match=r"out is mapped from .*b, which this call reads"):
        cloudio.remap(codes, [1], [1] * 256, out=label)
    assert source[0, 0, 1] == 1
    assert not codes.any()
    other = np.memmap(tmp_path / "c", np.float32, "w+", shape=(1, 1, 8, 8))
    assert cloudio.gather([source], [1], out=other)[0, 0, 0, 1] == 65


def test_no_samples_is_an_empty_batch():
    array = np.zeros((3, 9, 9), np.int16)
    assert cloudio.gather([array], []).shape == (0, 1, 9, 9)
    assert cloudio.gather(np.zeros((0, 2, 9, 8), np.uint8), [], layout="NHWC").shape == (0, 9, 8, 2)


I16 = np.zeros((3, 8, 9), np.int16)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ([], {}, r"arrays=\[\]; arrays must be a sequence of arrays"),
        (5, {}, "arrays=5; arrays must be a sequence of arrays"),
        (
            I16,
            {},
            r"arrays has shape \(3, 8, 9\); it must be one array \(patch, band, row, column\), or",
        ),
        ([I16, 3], {}, r"arrays\[1\] is int; it must be an array \(patch, row, column\)"),
        ([I16[0]], {}, r"arrays\[0\] is of shape \(8, 9\)"),
        ([I16[:, :0]], {}, r"arrays\[0\] is of shape \(3, 0, 9\)"),
        (
            [I16.astype(">i2")],
            {},
            r"arrays\[0\] is >i2, of another byte order .* array.astype\('<i2'\)",
        ),
        (
            [I16.astype("f8")],
            {},
            r"arrays\[0\] has dtype float64; it must be one of uint8, int8, uint16, int16, float32",
        ),
        ([I16, I16[:, :4]], {}, "patches of 4 x 9; it must have 8 x 9, as"),
        ([I16, I16[:2]], {}, r"arrays\[1\] has 2 patches; it must have 3, as arrays\[0\]"),
        ([I16], {"size": 10}, "size=10; the stored patch is 8 x 9, so size must be from"),
        ([I16], {"origin": (1, 0), "size": (8, 9)}, r"origin = \(1, 0\)"),
        (
            [I16],
            {"scale": [1, 2]},
            r"scale has shape \(2,\), but there is 1 band; give one number, or",
        ),
        ([I16], {"scale": float("inf")}, "scale=inf; scale must be finite"),
        ([I16], {"scale": 1e39}, r"scale=1e\+39 or offset=None overflows float32"),
        ([I16], {"offset": [1e39]}, r"offset=\[1e\+39\] overflows float32"),
        ([I16], {"scale": "2"}, "scale='2'; scale must be a number, or one number per band"),
        ([I16], {"offset": "x"}, "offset='x'; offset must be a number, or one number per band"),
        (
            [I16],
            {"symmetry": 1, "size": (8, 9)},
            "a quarter turn, which needs a square window; this one is 8 x 9",
        ),
        (
            [I16],
            {"dtype": "int32"},
            "dtype='int32'; dtype must be one of float32, float16, bfloat16, int16, uint16",
        ),
        ([I16], {"dtype": "uint16"}, r"arrays\[0\] has dtype int16, not uint16; dtype='float32'"),
        ([I16], {"dtype": "int16", "scale": 2.0}, "scale=2.0 with dtype='int16'"),
        ([I16], {"dtype": "int16", "offset": 2.0}, "offset=2.0 with dtype='int16'"),
        (
            [I16, I16.view("u2")],
            {"dtype": "int16"},
            r"arrays\[1\] has dtype uint16, not int16; dtype='float32'",
        ),
        ([I16], {"layout": "CHW"}, "layout='CHW'; layout must be 'NCHW' or 'NHWC'"),
        ([I16], {"out": np.zeros((1, 8, 9), "f4")}, r"out: image is \(1, 8, 9\) float32"),
        ([I16], {"out": I16[:1, None]}, r"image is \(1, 1, 8, 9\) int16; it must be .* float32"),
        ([I16], {"out": I16[:1, None], "dtype": "int16"}, "overlaps an array that is read"),
        ([I16], {"threads": 0}, "threads=0"),
    ],
)
def test_an_impossible_gather_is_refused(arrays, options, message):
    with pytest.raises(RequestError, match=message):
        cloudio.gather(arrays, [0], **options)


@pytest.mark.parametrize(
    ("array", "table", "options", "message"),
    [
        (
            I16.astype("u1"),
            np.zeros(255),
            {},
            "table has 255 entries of float64; it must be a mapping such as {0: 0, 1: 1}, a Lab",
        ),
        (I16.astype("u1"), [0] * 255, {}, "255 entries of int64; .*the class of every code"),
        (I16, [0] * 256, {}, "or 65,536 whole numbers"),
        (
            I16.astype("u1"),
            {0: 300},
            {},
            r"array: class 300 does not fit uint8 .* dtype='int64' for remap",
        ),
        (I16.astype("u1"), {"a": 1}, {}, "code='a'; code must be a whole number"),
        (I16.astype("u1"), {255: 0, -1: 2}, {}, "codes 255 and -1 are the same bits"),
        (I16.astype("u1"), {0: 1}, {"ignore": 256}, r"ignore=256; .* from 0 to 255; dtype='int64'"),
        (I16.astype("u1"), [0] * 256, {"ignore": 0.5}, "ignore=0.5; labels are uint8"),
        (I16.astype("u1"), [300] * 256, {}, "table has classes 300..300; uint8 holds 0..255"),
        (I16.astype("u1"), [-1] * 256, {}, "table has classes -1..-1"),
        (
            I16.astype("u1"),
            [[1], [2, 3]],
            {},
            "table must be an array of classes: setting an array",
        ),
        (
            I16.astype("f4"),
            [0] * 256,
            {},
            "array has dtype float32; it must be one of uint8, int8, uint16, int16$",
        ),
        (
            I16.astype("u1"),
            [0] * 256,
            {"dtype": "int32"},
            "^dtype='int32'; dtype must be one of uint8, int64",
        ),
        (I16.astype("u1")[0], [0] * 256, {}, r"^array is of shape \(8, 9\)"),
        (I16.astype("u1"), [0] * 256, {"out": I16[:1]}, "label is .* int16; it must be .* uint8"),
    ],
)
def test_an_impossible_remap_is_refused(array, table, options, message):
    with pytest.raises(RequestError, match=message):
        cloudio.remap(array, [0], table, **options)


def test_an_index_past_the_end_is_an_index_error():
    for call in (
        lambda: cloudio.gather([I16], [0, 3]),
        lambda: cloudio.remap(I16.astype("u1"), [0, 3], [0] * 256),
    ):
        with pytest.raises(IndexError, match=r"index\[1\] = 3; there are 3 patches"):
            call()
