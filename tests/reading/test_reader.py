"""Reads against numpy, bit for bit; requests that are refused before anything is written."""

import dataclasses
import pickle
from pathlib import Path
from types import MappingProxyType

import builders
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import Band, LabelMap, RequestError, TruncatedError
from cloudio._core import kernels, runtime
from cloudio._core.plans import Gather

L1C = ("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8A")
COUNTS = {"train": 4, "val": 1, "test": 2}


class Arrays(dict):
    """Arrays by name, shown as no more than that when a test fails."""

    def __repr__(self):
        return f"<{len(self)} arrays>"


@pytest.fixture(params=["mmap", "pread"], scope="module")
def io(request):
    return request.param


@pytest.fixture(scope="module")
def small_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    return root, Arrays(builders.write_root(root, COUNTS))


@pytest.fixture(scope="module")
def small(small_root, io):
    """A root of three splits with every stored type, and its arrays in memory."""
    root, arrays = small_root
    return cloudio.open(root, layout=builders.SMALL, io=io), arrays


@pytest.fixture
def reader(small):
    return small[0].reader(L1C, "hq", size=(8, 9))


def folded(scale, mean, std):
    """Factor and summand as documented, by hand."""
    return scale / std, -mean / std


# ---- the right numbers ---------------------------------------------------------------------------


def in_order(clip):
    return None in clip or clip[0] <= clip[1]


@st.composite
def requests(draw, layout=builders.SMALL, n_patches=7, widest=48):
    """Any request a reader allows: what to read, how, which patches, where, on what."""
    names = [band.name for band in layout.bands]
    maps = [*layout.label_maps]
    rows, cols = layout.patch
    height, width = draw(st.integers(1, rows)), draw(st.integers(1, widest))
    if draw(st.booleans()):
        width = height
    n = draw(st.integers(0, 9))
    turns = st.integers(0, 7) if width == height else st.sampled_from([0, 2, 4, 6])
    limit = st.none() | st.floats(-100, 100)
    corner = st.tuples(st.integers(0, rows - height), st.integers(0, cols - width))
    number = st.floats(-1e4, 1e4).filter(lambda x: abs(x) > 1e-6)
    bands = draw(st.lists(st.sampled_from(names), min_size=1, max_size=5))
    return {
        "bands": bands,
        "labels": draw(st.lists(st.sampled_from(maps), unique=True)),
        "policy": draw(st.sampled_from(["card", "authors", None])),
        "size": (height, width),
        "scale": draw(
            st.sampled_from(["reflectance", None])
            | number
            | st.lists(number, min_size=len(bands), max_size=len(bands))
        ),
        "mean": draw(st.none() | number),
        "std": draw(st.none() | st.floats(1e-3, 1e3)),
        "label_dtype": draw(st.sampled_from(["uint8", "int64"])),
        "threads": draw(st.integers(1, 4)),
        "index": draw(st.lists(st.integers(-n_patches, n_patches - 1), min_size=n, max_size=n)),
        "origin": draw(st.none() | corner | st.lists(corner, min_size=n, max_size=n)),
        "symmetry": draw(st.none() | turns | st.lists(turns, min_size=n, max_size=n)),
        "dtype": draw(st.sampled_from(["float32", "float16", "bfloat16"])),
        "layout": draw(st.sampled_from(["NCHW", "NHWC"])),
        "clip": draw(st.none() | st.tuples(limit, limit).filter(in_order)),
        "fill": draw(st.none() | st.sampled_from([0.0, -9.5, float("nan")])),
        "valid": draw(st.booleans()),
        "out": draw(st.booleans()),
        "isa": draw(st.sampled_from(runtime.available())),
        "stream": draw(st.booleans()),
        "tile": draw(st.sampled_from([64, 1024, 65536])),
        "waiting": draw(st.sampled_from([1, 3, 32])),
    }


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@settings(max_examples=scaled(70, 250))
@given(asked=requests())
def test_any_read_equals_numpy(small, asked):
    dataset, arrays = small
    check_batch(read_as_asked(dataset, asked), arrays, asked)


# Between the rows of a window: less than 16 KiB of one byte a pixel, more of four, and of two more
# for windows up to 8 pixels wide. That is from where on rows are read one by one.
BROAD = dataclasses.replace(
    builders.SMALL,
    name="Broad",
    patch=(20, 8200),
    valid=cloudio.Window(1, 2, 18, 8190),
    bands=tuple(
        builders.SMALL.band(name)
        for name in ("L1C_B2", "S1_VV", "EXTRA_count", "EXTRA_cover", "LABEL_hq")
    ),
    label_maps={"LABEL_hq": builders.SMALL.label_maps["LABEL_hq"]},
)


@pytest.fixture(scope="module")
def broad(tmp_path_factory, io):
    """Two splits of patches so broad that reads skip what lies between the rows of a window."""
    root = tmp_path_factory.mktemp("broad")
    arrays = Arrays(builders.write_root(root, {"train": 2, "val": 1}, BROAD))
    return cloudio.open(root, layout=BROAD, io=io), arrays


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@settings(max_examples=scaled(20, 60))
@given(asked=requests(BROAD, 3, 24))
def test_any_read_of_rows_far_apart_equals_numpy(broad, asked):
    dataset, arrays = broad
    check_batch(read_as_asked(dataset, asked), arrays, asked, BROAD)


def read_as_asked(dataset, asked):
    before, isa = runtime.tune(), runtime.isa()
    runtime.use(asked["isa"])
    runtime.tune(
        thread_bytes=1, tile_bytes=asked["tile"], read_bytes=asked["tile"],
        stream_bytes=1 if asked["stream"] else 1 << 60, waiting=asked["waiting"],
    )  # fmt: skip
    try:
        return read_untuned(dataset, asked)
    finally:
        runtime.use(isa)
        runtime.tune(**before)


def read_untuned(dataset, asked):
    labels = dict.fromkeys(asked["labels"], asked["policy"]) or None
    settings_ = (
        "size", "scale", "mean", "std", "label_dtype", "threads", "dtype", "layout", "clip",
        "fill", "valid",
    )  # fmt: skip
    how = {k: asked[k] for k in settings_}
    reader = dataset.reader(asked["bands"], labels, ignore=200, **how)
    out = None
    if asked["out"]:
        out = reader.allocate(len(asked["index"]))
        out.image.fill(np.nan)
        if out.label is not None:
            out.label.fill(77)
        if asked["valid"]:
            out.valid.fill(77)
    symmetry = None if asked["symmetry"] == [] else asked["symmetry"]
    batch = reader.read(asked["index"], asked["origin"] or None, symmetry, out)
    assert out is None or batch.image is out.image
    return batch


def check_batch(batch, arrays, asked, layout=builders.SMALL):
    index = [i % len(arrays[layout.bands[0].name]) for i in asked["index"]]
    assert batch.index.tolist() == index
    height, width = asked["size"]
    real = layout.valid
    centre = (
        min(max(real.row + (real.height - height) // 2, 0), layout.patch[0] - height),
        min(max(real.col + (real.width - width) // 2, 0), layout.patch[1] - width),
    )
    origin = asked["origin"] or centre
    origins = origin if isinstance(origin, list) else [origin] * len(index)
    scale = asked["scale"]
    own = [layout.band(name).scale for name in asked["bands"]]
    scales = own if scale == "reflectance" else np.broadcast_to(scale or 1.0, len(own))
    pairs = [folded(float(s), asked["mean"] or 0.0, asked["std"] or 1.0) for s in scales]
    bands = [arrays[name] for name in asked["bands"]]
    turned = np.broadcast_to(asked["symmetry"] or 0, len(index)).tolist()
    nodata = [layout.band(name).nodata for name in asked["bands"]]
    wanted = oracle.image(
        bands, index, origins, asked["size"], *zip(*pairs, strict=True),
        clip=asked["clip"] or (None, None), nodata=nodata, fill=asked["fill"], symmetries=turned,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        wanted = wanted.astype(asked["dtype"])
    if asked["layout"] == "NHWC":
        wanted = np.ascontiguousarray(wanted.transpose(0, 2, 3, 1))
    assert oracle.same_bits(batch.image, wanted)
    if asked["valid"]:
        wanted = oracle.valid(bands, index, origins, asked["size"], layout.valid, nodata, turned)
        assert oracle.same_bits(batch.valid, wanted)
    for k, name in enumerate(asked["labels"]):
        policy = asked["policy"]
        label_map = layout.label_maps[name][policy] if policy else None
        classes = None
        if label_map:
            unlisted = 200 if label_map.unlisted is None else label_map.unlisted
            classes = dict.fromkeys(range(256), unlisted)
            classes |= {code: 200 if to is None else to for code, to in label_map.classes.items()}
        wanted = oracle.label(
            arrays[name], index, origins, asked["size"], classes,
            layout.valid, 200, asked["label_dtype"],
        )  # fmt: skip
        wanted = np.array([oracle.seen(x, t) for x, t in zip(wanted, turned, strict=True)])
        wanted = wanted.reshape(-1, height, width).astype(asked["label_dtype"])
        assert oracle.same_bits(np.ascontiguousarray(batch.label[:, k]), wanted)


# Of one byte a pixel, and as far apart as rows can be and still be read together: a window of
# 1024 x 1024 is 17 MiB, more than a transposed tile may take in.
LARGE = cloudio.Layout(
    "Large",
    (1024, 16384 + 1023),
    cloudio.Window(3, 5, 1000, 16384),
    (Band("cover", dtype="uint8", scale=0.5, nodata=7), Band("hq", kind="label", dtype="uint8")),
)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_turned_window_too_large_to_be_read_whole_equals_numpy(tmp_path, io, layout):
    shape, size = (1, *LARGE.patch), 1024
    for name, seed in {"cover": 1, "hq": 2}.items():
        rng = np.random.default_rng(seed)
        stored = np.zeros(shape, np.uint8)
        stored[..., 7 : 7 + size] = rng.integers(0, 256, (1, size, size), np.uint8)
        stored.tofile(tmp_path / f"{name}.dat")
    dataset = cloudio.open(tmp_path, layout=LARGE, io=io)
    reader = dataset.reader(
        ["cover"], {"hq": None}, size=size, layout=layout, valid=True, threads=2
    )
    turned, where = [1, 7, 2], (0, 7)
    image, label, _, valid = reader.read([0] * 3, where, turned)
    cover, codes = (dataset[name][0, :, 7 : 7 + size] for name in ("cover", "hq"))
    real = oracle.valid([dataset["cover"]], [0], [where], (size, size), LARGE.valid, [7], [0])[0]
    for k, s in enumerate(turned):
        wanted = oracle.seen(cover.astype(np.float32) * np.float32(0.5), s)
        assert np.array_equal(np.squeeze(image[k]), wanted)
        assert np.array_equal(label[k, 0], oracle.seen(codes, s))
        assert np.array_equal(valid[k], oracle.seen(real, s))


@pytest.mark.parametrize("kind", ["flat", "npy"])
def test_channels_of_stacked_files_equal_numpy(tmp_path, io, kind):
    """Of several splits, from one file each, and next to a file of its own."""
    file = "S2.dat" if kind == "flat" else "S2.npy"
    bands = [Band(f"B{k}", scale=0.5, file=file, channel=k, channels=3) for k in range(3)]
    layout = cloudio.Layout(
        "Stacked", (40, 48), cloudio.Window(0, 0, 40, 48), (*bands, Band("own", scale=1.0))
    )
    splits = {}
    for seed, (split, n) in enumerate({"train": 3, "val": 2}.items()):
        (tmp_path / split).mkdir()
        stacked = builders.pixels("S2", (n, 3, 40, 48), "int16", seed)
        if kind == "flat":
            stacked.tofile(tmp_path / split / file)
        else:
            np.save(tmp_path / split / file, stacked)
        own = builders.pixels("own", (n, 40, 48), "int16", seed)
        own.tofile(tmp_path / split / "own.dat")
        splits[split] = np.concatenate([stacked * np.float32(0.5), own[:, None]], axis=1)
    arrays = np.concatenate(list(splits.values()))
    before = runtime.tune()
    for read_bytes in (1, 1000, 1 << 19):
        runtime.tune(read_bytes=read_bytes, thread_bytes=1)
        try:
            dataset = cloudio.open(tmp_path, layout=layout, io=io)
            reader = dataset.reader(["B2", "own", "B0", "B1"], size=(30, 9), threads=3)
            index, origin = [4, 0, -2, 1, 2], [(10, 39), (0, 0), (3, 4), (1, 38), (9, 9)]
            got = reader.read(index, origin).image
        finally:
            runtime.tune(**before)
        wanted = [
            arrays[i, [2, 3, 0, 1], y : y + 30, x : x + 9]
            for i, (y, x) in zip(index, origin, strict=True)
        ]
        assert oracle.same_bits(got, np.stack(wanted))


@pytest.mark.parametrize(
    ("dtype", "bands"),
    [("int16", L1C), ("uint16", ["EXTRA_count", "EXTRA_depth"]), ("uint8", ["cover", "LABEL_hq"])],
)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_stored_numbers_come_as_they_are(small, isa, store, all_threads, dtype, bands, layout):
    dataset, arrays = small
    reader = dataset.reader(bands, size=33, dtype=dtype, layout=layout, threads=2)
    index = [6, 0, 3, 5, 1, 2, 4, 0]
    stored = np.stack([arrays[name][index, 5:38, 7:40] for name in reader.bands], axis=1)
    for turned in ([0] * 8, list(range(8)), list(range(7, -1, -1))):
        batch = reader.read(index, (5, 7), turned if any(turned) else None)
        seen = [[oracle.seen(x, s) for x in xs] for xs, s in zip(stored, turned, strict=True)]
        wanted = np.array(seen).transpose(0, 2, 3, 1) if layout == "NHWC" else np.array(seen)
        assert oracle.same_bits(batch.image, np.ascontiguousarray(wanted))


def test_a_label_array_and_a_float_array_can_be_bands(small):
    dataset, arrays = small
    batch = dataset.reader(["S1_VV", "LABEL_percent", "L1C_B2"], scale=None).read([5])
    assert np.array_equal(batch.image[0, 1], arrays["LABEL_percent"][5, 1:36, 2:43])
    assert oracle.same_bits(batch.image[0, 0], arrays["S1_VV"][5, 1:36, 2:43].copy())
    assert np.isnan(batch.image[0, 0]).any()


def test_a_mask_says_where_every_band_is_real(small):
    dataset, arrays = small
    reader = dataset.reader(["L1C_B2", "S1_VV"], "hq", size=(40, 48), fill=0, valid=True)
    image, label, _, valid = batch = reader.read([4, 1])
    assert isinstance(batch, cloudio.MaskedBatch)
    radar = arrays["S1_VV"][[4, 1]]
    data = ~np.isnan(radar) & (radar != -99)
    inside = np.zeros((40, 48), bool)
    inside[1:36, 2:43] = True
    assert 0 < valid.mean() < 1
    assert oracle.same_bits(valid, (inside & data).astype(np.uint8))
    assert (image[:, 1][~data] == 0).all()
    assert np.array_equal(image[:, 1][data], radar[data], equal_nan=True)
    sample = reader[4]
    assert (sample.valid.shape, sample.index) == ((40, 48), 4)
    assert reader.read([1], out=reader.allocate(1)).valid.shape == (1, 40, 48)
    with pytest.raises(RequestError, match="out is a tuple of 2; a MaskedBatch is needed"):
        reader.read([4, 1], out=(image, label))
    stored = dataset.reader("L1C", dtype="int16", size=8, valid=True).read([0], (0, 0))
    assert stored.valid[0].tolist() == [[0] * 8] + [[0, 0, 1, 1, 1, 1, 1, 1]] * 7


def test_a_radiometric_offset_is_added_before_the_scale(tmp_path):
    layout = dataclasses.replace(
        builders.SMALL, bands=(Band("L1C_B2", scale=1e-4, offset=-1000.0), Band("L1C_B3"))
    )
    arrays = builders.write_split(tmp_path, 2, layout, names=["L1C_B2", "L1C_B3"])
    dataset = cloudio.open(tmp_path, layout=layout)
    for mean, std in ((None, None), (0.25, 0.125)):
        batch = dataset.reader(["B2", "B3"], mean=mean, std=std).read([1])
        for b, (name, scale, offset) in enumerate([("B2", 1e-4, -1000.0), ("B3", 1.0, 0.0)]):
            factor = np.float32(scale / (std or 1.0))
            summand = np.float32((offset * scale - (mean or 0.0)) / (std or 1.0))
            stored = arrays[f"L1C_{name}"][1, 1:36, 2:43].astype(np.float32)
            assert np.array_equal(batch.image[0, b], stored * factor + summand)
    own = dataset.reader("B2", scale=1.0).read([1])
    assert np.array_equal(own.image[0, 0], arrays["L1C_B2"][1, 1:36, 2:43])


def test_bfloat16_without_its_package_still_has_bits(small, monkeypatch):
    reader = small[0].reader("L1C", dtype="bfloat16", size=8)
    wanted = reader.read([0, 3]).image
    assert wanted.dtype.name == "bfloat16"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reader = small[0].reader("L1C", dtype="bfloat16", size=8)
    for act in (lambda: reader.allocate(1), lambda: reader.read([0])):
        with pytest.raises(RequestError, match=r"pip install 'cloudio\[bfloat16\]'; without it"):
            act()
    bits = np.zeros((2, 4, 8, 8), np.uint16)
    assert reader.read([0, 3], out=bits).image is bits
    assert bits.tobytes() == wanted.tobytes()


def test_shapes_follow_what_was_asked(small):
    dataset, _ = small
    last = dataset.reader(layout="NHWC", dtype="float16")
    assert (last.image_shape, last.dtype) == ((35, 41, 4), np.float16)
    assert last.read([0, 1]).image.shape == (2, 35, 41, 4)
    assert last[0].image.shape == (35, 41, 4)
    plain = dataset.reader()
    assert (plain.image_shape, plain.label_shape) == ((4, 35, 41), None)
    assert plain.read([0, 1]).label is None
    assert dataset.reader("B8A", "hq", size=8).label_shape == (8, 8)
    assert dataset.reader(["B8A"], ["hq"], size=8).label_shape == (1, 8, 8)
    two = dataset.reader(["rgb", "S1"], {"hq": "card", "sc": None}, size=(8, 9))
    assert two.bands == ("L1C_B4", "L1C_B3", "L1C_B2", "S1_VV", "S1_VH")
    assert two.read([1, 2, 3]).image.shape == (3, 5, 8, 9)
    assert two.read([1, 2, 3]).label.shape == (3, 2, 8, 9)
    assert two.read([]).image.shape == (0, 5, 8, 9)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (range(2, 5), [2, 3, 4]),
        ((6, 6, -1), [6, 6, 6]),
        (np.array([1, 2], np.uint8), [1, 2]),
        (np.array([5, 0, 5])[::-1], [5, 0, 5]),
        (np.array([-7, 3], ">i4"), [0, 3]),
        (3, [3]),
        (np.int32(-1), [6]),
        ([], []),
    ],
)
def test_any_whole_numbers_are_an_index(reader, index, wanted):
    batch = reader.read(index)
    assert batch.index.tolist() == wanted
    assert np.array_equal(batch.image, reader.read(wanted).image)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4"])
def test_whole_numbers_of_any_width_are_taken(reader, dtype):
    wanted = reader.read([1, 2], [(3, 4), (5, 6)], [3 * 2, 4])
    index, origin = np.array([1, 2], dtype), np.array([(3, 4), (5, 6)], dtype)
    got = reader.read(index, origin, np.array([6, 4], dtype))
    assert oracle.same_bits(got.image, wanted.image)


@pytest.mark.parametrize("index", [[True, 2], (1, np.True_), [0, False]])
def test_true_and_false_among_numbers_are_no_patches(reader, index):
    with pytest.raises(RequestError, match="index holds True or False; whole numbers are needed"):
        reader.read(index)
    with pytest.raises(RequestError, match="origin holds True or False"):
        reader.read([0, 1], [(0, 0), index])


def test_rows_of_different_lengths_are_no_origin(reader):
    with pytest.raises(RequestError, match="origin is no array of whole numbers"):
        reader.read([0, 1], [(1, 2), (3,)])


def test_the_index_that_was_given_is_left_alone(reader):
    index = np.array([-1, -2])
    assert reader.read(index).index.tolist() == [6, 5]
    assert index.tolist() == [-1, -2]


def test_samples_slices_and_batches_by_subscript(reader):
    sample = reader[-1]
    assert (sample.image.shape, sample.label.shape, sample.index) == ((4, 8, 9), (8, 9), 6)
    assert np.array_equal(sample.image, reader.read([6]).image[0])
    assert reader[5:100].index.tolist() == [5, 6]
    assert reader[[3, 1]].index.tolist() == [3, 1]
    assert reader.__getitems__([3, 1]).image.shape == (2, 4, 8, 9)
    assert [sample.index for sample in reader] == list(range(7))


def test_a_subset_reads_its_own_patches_in_its_own_order(small):
    dataset, arrays = small
    reader = dataset.subset([6, 2, 2, 0]).reader("B8A", scale=None)
    batch = reader.read([0, -1, 1])
    assert batch.index.tolist() == [0, 3, 1]
    assert np.array_equal(batch.image[:, 0], arrays["L1C_B8A"][[6, 0, 2], 1:36, 2:43])
    with pytest.raises(IndexError, match=r"index\[0\] = 4; there are 4 patches"):
        reader.read([4])


def test_one_split_reads_as_its_part_of_the_root(small):
    dataset, _ = small
    for name, which in dataset.splits.items():
        part = dataset.split(name).reader(L1C, "hq").read(range(len(which)))
        whole = dataset.reader(L1C, "hq").read(which)
        assert oracle.same_bits(part.image, whole.image)
        assert oracle.same_bits(part.label, whole.label)


def test_nan_and_signed_zero_of_radar_are_kept(small):
    dataset, arrays = small
    window = arrays["S1_VH"][:, 1:36, 2:43]
    assert np.isnan(window).any()
    assert np.signbit(window[window == 0]).any()
    batch = dataset.reader("S1_VH").read(range(7))
    assert oracle.same_bits(batch.image[:, 0], np.ascontiguousarray(window))


def test_a_batch_is_aligned_to_cache_lines(reader):
    for n in range(1, 9):
        for array in reader.allocate(n)[:2]:
            assert array.ctypes.data % 64 == 0


# ---- out -----------------------------------------------------------------------------------------


def test_out_may_be_a_batch_a_pair_or_the_image_alone(small):
    dataset, _ = small
    with_label, without = dataset.reader(L1C, "hq"), dataset.reader(L1C)
    wanted = with_label.read([2, 4])
    for out in (with_label.allocate(2), with_label.allocate(2)[:2]):
        got = with_label.read([2, 4], out=out)
        assert got.image is out[0]
        assert got.label is out[1]
        assert oracle.same_bits(got.image, wanted.image)
        assert oracle.same_bits(got.label, wanted.label)
    image = without.allocate(2).image
    assert without.read([2, 4], out=image).image is image
    assert oracle.same_bits(image, wanted.image)


def test_out_must_not_be_mapped_from_a_file_that_is_read(tmp_path):
    """Another mapping of it has other addresses, and is still the same pixels."""
    arrays = builders.write_split(tmp_path, 3, names=["S1_VV", "S1_VH"])
    reader = cloudio.open(tmp_path, layout=builders.SMALL).reader("S1_VV", size=(40, 48))
    shape = (3, 1, 40, 48)
    own = np.memmap(tmp_path / "S1_VV.dat", np.float32, "r+", shape=shape)
    for out in (own, own[:2], (own, None)):
        n = len(out[0]) if isinstance(out, tuple) else len(out)
        with pytest.raises(RequestError, match=r"out is mapped from .*S1_VV\.dat, which is read"):
            reader.read(range(n), out=out)
    assert oracle.same_bits(np.array(own[:, 0]), arrays["S1_VV"])
    other = np.memmap(tmp_path / "other.dat", np.float32, "w+", shape=shape)
    assert oracle.same_bits(reader.read([2, 0, 1], out=other).image[1, 0], arrays["S1_VV"][0])


def test_an_out_whose_file_is_gone_is_nobody_elses(tmp_path, reader):
    out = np.memmap(tmp_path / "out", np.float32, "w+", shape=(2, 4, 8, 9))
    (tmp_path / "out").unlink()
    wanted = reader.read([3, 1])
    got = reader.read([3, 1], out=(out, np.empty((2, 8, 9), np.uint8)))
    assert oracle.same_bits(np.array(got.image), wanted.image)


def test_a_fill_of_any_float_type_is_taken(small):
    nan = small[0].reader("S1", fill=np.float32("nan")).read([0]).image
    assert oracle.same_bits(nan, small[0].reader("S1", fill=float("nan")).read([0]).image)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_no_data_is_known_in_a_file_of_another_type(tmp_path):
    layout = dataclasses.replace(builders.SMALL, bands=(Band("L1C_B2", nodata=-99.0),))
    np.full((2, 40, 48), -99, "<f4").tofile(tmp_path / "L1C_B2.dat")
    builders.write_metadata(tmp_path / "metadata.csv", 2)
    dataset = cloudio.open(tmp_path, layout=layout)
    batch = dataset.reader("B2", scale=None, fill=7, valid=True).read([0, 1])
    assert (batch.image == 7).all()
    assert not batch.valid.any()


def wrong_outs():
    image, label = np.full((2, 4, 8, 9), np.nan, np.float32), np.full((2, 8, 9), 77, np.uint8)
    locked = image.copy()
    locked.flags.writeable = False
    wide = np.zeros((2, 4, 8, 18), np.float32)[..., ::2]
    return {
        "image of 3 samples": ((np.zeros((3, 4, 8, 9), "f4"), label), r"\(2, 4, 8, 9\) float32 is"),
        "float64": ((image.astype("f8"), label), "image is .* float64; .* float32 is needed"),
        "big-endian": ((image.astype(">f4"), label), "float32 is needed"),
        "strided": ((wide, label), "strides .*; it must be contiguous"),
        "read-only": ((locked, label), "image is read-only"),
        "label of int64": ((image, label.astype("i8")), r"label is .* int64; .* uint8 is needed"),
        "label missing": (image, "label is NoneType"),
        "no array": (([1, 2], label), "image is list; a numpy array is needed"),
        "one too many": ((image, label, None, None), "out is a tuple of 4"),
    }


@pytest.mark.parametrize("case", wrong_outs())
def test_a_wrong_out_is_refused_and_not_written(reader, case):
    out, message = wrong_outs()[case]
    with pytest.raises(RequestError, match=message):
        reader.read([0, 1], out=out)
    for array in out if isinstance(out, tuple) else (out,):
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            assert np.isnan(array).all() or not array.any()


def test_a_label_nobody_reads_is_refused(small):
    reader = small[0].reader(L1C)
    batch = reader.allocate(1)
    with pytest.raises(RequestError, match="out has a label, but this reader reads none"):
        reader.read([0], out=(batch.image, np.zeros((1, 35, 41), np.uint8)))


def test_an_out_that_overlaps_a_mapping_is_refused(tmp_path):
    """A writable mapping of what is read, which numpy lets a user make."""
    memory = np.zeros((3, 40, 48), np.int16)
    plan = Gather([[memory]], [[None]], None, None)
    with pytest.raises(ValueError, match="an output overlaps an array that is read"):
        kernels.run([plan], [memory[:1, None]], np.array([0]), np.array([0, 0]), None, 1)
    builders.write_root(tmp_path / "d", {"train": 2})
    split = cloudio.open(tmp_path / "d", layout=builders.SMALL).split("train")
    out = split["L1C_B2"][:1, None]
    with pytest.raises(RequestError, match="image is read-only"):
        split.reader("L1C_B2", size=(40, 48), dtype="int16").read([0], out=out)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ([0, 7], IndexError, r"index\[1\] = 7; there are 7 patches"),
        ([-8], IndexError, r"index\[0\] = -8; there are 7 patches"),
        (np.array([2**64 - 1], np.uint64), IndexError, r"index\[0\] = 18446744073709551615"),
        ([2**63], IndexError, "there are 7 patches"),
        ([True, False], RequestError, "index is of bool; whole numbers are needed"),
        ([1.0], RequestError, "index is of float64"),
        (["1"], RequestError, "index is of <U1"),
        (None, RequestError, "index is of object"),
        ([2**70], RequestError, "index is of object"),
        ([[0, 1]], RequestError, r"index has shape \(1, 2\); one dimension is needed"),
        (np.zeros((0, 2), int), RequestError, "one dimension"),
    ],
)
def test_a_bad_index_writes_nothing(reader, index, error, message):
    out = reader.allocate(np.size(index))
    out.image.fill(np.nan)
    out.label.fill(77)
    with pytest.raises(error, match=message):
        reader.read(index, out=out)
    assert np.isnan(out.image).all()
    assert (out.label == 77).all()


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ((33, 0), r"origin = \(33, 0\); a window of 8 x 9 lies inside .* from \(0, 0\) to"),
        ([(0, 0), (0, 40)], r"origin\[1\] = \(0, 40\)"),
        ((-1, 0), r"origin = \(-1, 0\)"),
        ((0.0, 1.0), "origin is of float64; whole numbers are needed"),
        ((True, False), "origin is of bool"),
        ((1, 2, 3), r"origin has shape \(3,\); \(2,\) or \(2, 2\) is needed"),
        ([(0, 0)], r"origin has shape \(1, 2\)"),
        (5, r"origin has shape \(\)"),
        (np.array([2**64 - 1, 0], np.uint64), "origin ="),
    ],
)
def test_a_bad_origin_writes_nothing(reader, origin, message):
    out = reader.allocate(2)
    out.image.fill(np.nan)
    with pytest.raises(RequestError, match=message):
        reader.read([0, 1], origin, out=out)
    assert np.isnan(out.image).all()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"bands": "B5"}, "no array 'B5'; .* has L1C_B2, L1C_B3"),
        ({"bands": "B4"}, "'B4' can be L1C_B4 or L2A_B4 in .*; name one"),
        ({"bands": []}, "bands is empty"),
        ({"bands": None}, "bands=None; a preset, a name or a sequence"),
        ({"bands": [1]}, r"bands=\[1\]; a preset"),
        ({"labels": "nothing"}, "no array 'nothing'"),
        ({"labels": []}, "labels is empty"),
        ({"labels": 3}, "labels=3; a name, names, or a mapping"),
        ({"labels": ["hq", "LABEL_hq"]}, "names LABEL_hq twice"),
        ({"labels": ["hq", "hq"]}, "names LABEL_hq twice"),
        ({"labels": {"hq": "paper"}}, "LABEL_hq under 'paper'; there is 'card', 'authors'"),
        ({"labels": "L1C_B2"}, "L1C_B2 under 'card'; there is no policy: or give a LabelMap"),
        ({"labels": "S1_VV"}, "S1_VV is float32; label codes are whole numbers"),
        ({"labels": {"hq": {0: 300}}}, "LABEL_hq: class 300 does not fit uint8"),
        ({"labels": {"L1C_B2": None}}, "codes of 2 bytes, which uint8 cannot"),
        ({"size": 0}, "size=0; 1 x 1 to 40 x 48 pixels are needed"),
        ({"size": -3}, "size=-3; 1 x 1"),
        ({"size": 41}, "size=41; 1 x 1 to 40 x 48"),
        ({"size": (8, 49)}, r"size=\(8, 49\)"),
        ({"size": 8.0}, "size=8.0; a whole number or"),
        ({"size": True}, "size=True; a whole number"),
        ({"size": (1, 2, 3)}, r"size=\(1, 2, 3\); a whole number"),
        (
            {"dtype": "float64"},
            "dtype='float64'; a float, or as stored, float32, float16, bfloat16, int16, uint16, ",
        ),
        ({"dtype": "nonsense"}, "dtype='nonsense'"),
        ({"dtype": ">f4"}, "dtype='>f4'"),
        ({"dtype": "uint16"}, "L1C_B2 is stored as int16, not uint16"),
        ({"dtype": "int16", "scale": 2.0}, "scale=2.0 with dtype='int16'"),
        ({"dtype": "int16", "mean": 0.0}, "mean=0.0 with dtype='int16'"),
        ({"dtype": "int16", "clip": (0, 1)}, r"clip=\(0, 1\) with dtype='int16'"),
        ({"dtype": "int16", "fill": 0}, "fill=0 with dtype='int16'"),
        ({"layout": "NWHC"}, "layout='NWHC'; 'NCHW' or 'NHWC' is needed"),
        ({"clip": (1, 0)}, r"clip=\(1, 0\) is reversed; \(lowest, highest\) is needed"),
        ({"clip": 1}, r"clip=1; \(lowest, highest\) is needed, numbers or None"),
        ({"clip": (0, float("nan"))}, r"clip=\(0, nan\); \(lowest, highest\)"),
        ({"clip": (0, True)}, r"clip=\(0, True\); \(lowest, highest\)"),
        ({"fill": "zero"}, "fill='zero'; a number is needed"),
        ({"fill": 1e6, "dtype": "float16"}, "fill=1000000.0 overflows float16"),
        ({"fill": 3.4e38, "dtype": "bfloat16"}, r"fill=3.4e\+38 overflows bfloat16"),
        ({"fill": 10**400}, "fill=1000.*; a number is needed"),
        ({"fill": True}, "fill=True; a number is needed"),
        ({"clip": (0, 10**400)}, r"clip=\(0, 1000.*; \(lowest, highest\) is needed"),
        ({"clip": (1e39, None)}, r"clip=\(1e\+39, None\) overflows float32"),
        ({"valid": "no"}, "valid='no'; True or False is needed"),
        ({"valid": np.array([1, 2])}, "True or False is needed"),
        ({"mean": "1"}, "mean='1'; a number or one per band"),
        ({"std": True}, "std=True; a number or one per band"),
        ({"scale": 1j}, "scale=1j; a number or one per band"),
        ({"std": [1, 1, 1]}, r"std has shape \(3,\); there are 4 bands"),
        ({"std": float("nan")}, "std=nan; finite numbers"),
        ({"scale": 10**400}, "scale=1000.*; a number or one per band"),
        ({"scale": "radiance"}, "scale='radiance'; 'reflectance', None or numbers"),
        ({"scale": [1.0]}, r"scale has shape \(1,\); there are 4 bands"),
        ({"scale": float("nan")}, "scale=nan; finite numbers"),
        ({"scale": 1e39}, "overflow float32"),
        ({"mean": "x"}, "mean='x'; a number or one per band"),
        ({"std": 0.0}, "std=0.0; numbers above 0"),
        ({"std": [1, 1, -1, 1]}, "numbers above 0"),
        ({"std": float("inf")}, "finite numbers"),
        ({"label_dtype": "int32"}, "label_dtype='int32'; uint8, int64 can be had"),
        ({"labels": "hq", "ignore": -1}, "ignore=-1 is no uint8; label_dtype='int64'"),
        ({"labels": "hq", "ignore": 1.5}, "ignore=1.5 is no uint8"),
        ({"threads": 0}, "threads=0; a whole number from 1 on"),
        ({"threads": True}, "threads=True"),
        ({"threads": 2.0}, "threads=2.0"),
    ],
)
def test_settings_that_cannot_be_had_are_refused(small, settings_, message):
    with pytest.raises(RequestError, match=message):
        small[0].reader(**{"bands": "L1C", **settings_})


@pytest.mark.parametrize(
    ("symmetry", "message"),
    [
        (8, "symmetry = 8; 0..7 are needed"),
        (-1, "symmetry = -1; 0..7"),
        ([0, 9], r"symmetry\[1\] = 9; 0..7 are needed"),
        (
            [0, 5],
            r"symmetry\[1\] = 5 is a quarter turn, for which a window must be square; it is 8",
        ),
        (1.0, "symmetry is of float64; whole numbers are needed"),
        (True, "symmetry is of bool"),
        ([0, True], "symmetry holds True or False"),
        ([0], r"symmetry has shape \(1,\); one number or \(2,\) is needed"),
        ([[0, 0]], r"symmetry has shape \(1, 2\)"),
    ],
)
def test_a_bad_symmetry_writes_nothing(reader, symmetry, message):
    out = reader.allocate(2)
    out.image.fill(np.nan)
    with pytest.raises(RequestError, match=message):
        reader.read([0, 1], symmetry=symmetry, out=out)
    assert np.isnan(out.image).all()


def test_negative_ignore_needs_int64(small):
    batch = small[0].reader("B8A", "hq", label_dtype="int64", ignore=-100).read([0])
    assert set(np.unique(batch.label)) == {-100, 0, 1, 2, 3}


def test_threads_come_from_the_environment(small, monkeypatch):
    monkeypatch.setenv("CLOUDIO_THREADS", "3")
    assert small[0].reader()._threads == 3
    assert small[0].reader(threads=1)._threads == 1
    monkeypatch.setenv("CLOUDIO_THREADS", "many")
    with pytest.raises(RequestError, match="CLOUDIO_THREADS='many'; a whole number"):
        small[0].reader()
    monkeypatch.delenv("CLOUDIO_THREADS")
    assert small[0].reader()._threads >= 1


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_splits_of_two_types_are_refused_by_name(tmp_path):
    builders.write_split(tmp_path / "train", 2)
    builders.write_split(tmp_path / "val", 1, dtypes={"LABEL_hq": "int16"})
    dataset = cloudio.open(tmp_path, layout=builders.SMALL)
    with pytest.raises(RequestError, match="LABEL_hq is uint8 in train, int16 in val; read these"):
        dataset.reader(L1C, "hq")
    with pytest.warns(UserWarning, match="LABEL_hq is int16 by the sizes of its files"):
        reader = dataset.split("val").reader(L1C, "hq")
    assert reader.read([0]).label.dtype == np.uint8


# ---- files that change ---------------------------------------------------------------------------


def test_a_file_cut_after_opening_is_found_before_anything_is_written(tmp_path):
    builders.write_root(tmp_path, {"train": 2, "val": 2})
    dataset = cloudio.open(tmp_path, layout=builders.SMALL)
    reader = dataset.reader(L1C, "hq")
    out = reader.allocate(1)
    out.image.fill(np.nan)
    path = tmp_path / "val" / "L1C_B3.dat"
    with open(path, "r+b") as file:
        file.truncate(5000)
    reader.read([0, 1])  # the other split is whole
    with pytest.raises(TruncatedError, match=r"val/L1C_B3.dat holds 5,000 bytes; it held 7,680"):
        reader.read([3], out=out)
    assert np.isnan(out.image).all()
    with open(tmp_path / "train" / "LABEL_hq.dat", "r+b") as file:
        file.truncate(0)
    with pytest.raises(TruncatedError, match=r"train/LABEL_hq\.dat holds 0 bytes"):
        reader.read([0], out=out)


# ---- as a thing ----------------------------------------------------------------------------------


def test_a_reader_pickles_as_paths(small):
    dataset, _ = small
    own = LabelMap({0: 1})
    for reader in (
        dataset.reader(L1C, "hq", size=8),
        dataset.split("test").reader(["B8A", "S1"], {"hq": own, "sc": None}, mean=0.1, std=2),
    ):
        frozen = pickle.dumps(reader)
        again = pickle.loads(frozen)
        assert (again.bands, again.labels, again.size) == (reader.bands, reader.labels, reader.size)
        one, other = again.read([1, 0]), reader.read([1, 0])
        assert oracle.same_bits(one.image, other.image)
        assert oracle.same_bits(one.label, other.label)


def test_a_reader_pickles_what_it_does_not_what_became_of_its_arguments(small):
    bands, scale, classes = ["B8A", "S1_VV"], np.array([2.0, 3.0]), {0: 1}
    reader = small[0].reader(bands, {"hq": MappingProxyType(classes)}, scale=scale, clip=[0, 9])
    bands.append("B4")
    scale[:] = 7
    classes[0] = 2
    one, other = pickle.loads(pickle.dumps(reader)).read([1, 0]), reader.read([1, 0])
    assert oracle.same_bits(one.image, other.image)
    assert oracle.same_bits(one.label, other.label)


def test_a_pickled_reader_of_the_real_layout_is_small(mini):
    labels = {"manual_hq": "card", "sen2cor": "card"}
    reader = mini.reader("L1C", labels, size=224, mean=[0.1] * 13, std=[0.2] * 13)
    assert len(pickle.dumps(reader)) < 2048
    assert len(pickle.dumps(mini)) < 2048


def test_a_batch_outlives_everything_it_came_from(tmp_path):
    arrays = builders.write_root(tmp_path, {"train": 2})
    view = cloudio.open(tmp_path, layout=builders.SMALL)["L1C_B2"]
    batch = cloudio.open(tmp_path, layout=builders.SMALL).reader("L1C_B2", scale=None).read([1])
    for path in tmp_path.glob("*/*.dat"):
        path.unlink()
    assert np.array_equal(view, arrays["L1C_B2"])
    assert np.array_equal(batch.image[0, 0], arrays["L1C_B2"][1, 1:36, 2:43])


# ---- the real data -------------------------------------------------------------------------------


def real_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every file of a split, opened as people do."""
    types = {"L1C": "<i2", "S1_": "<f4", "LAB": "u1"}
    return {
        path.stem: np.memmap(path, types[path.stem[:3]], "r").reshape(-1, 512, 512)
        for path in folder.glob("*.dat")
    }


# The card's codes, written out once more: an oracle that shares nothing with the package.
CARD = {
    "manual_hq": {0: 0, 1: 1, 2: 2, 3: 3},
    "manual_sc": {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3},
    "fmask": {0: 0, 1: 0, 3: 0, 4: 1, 2: 3},
    "qa60": {0: 0},
    "s2cloudless": {code: int(code >= 40) for code in range(101)},
    "sen2cor": {2: 0, 4: 0, 5: 0, 6: 0, 11: 0, 8: 1, 9: 1, 10: 2, 3: 3},
    "cd_fcnn_rgbi": {code: int(code >= 50) for code in range(101)},
    "cd_fcnn_rgbi_swir": {code: int(code >= 50) for code in range(101)},
    "kappamask_L1C": {1: 0, 4: 1, 3: 2, 2: 3},
    "kappamask_L2A": {1: 0, 4: 1, 3: 2, 2: 3},
}
WINDOWS = {"the valid window": (509, (1, 1)), "the whole patch": (512, (0, 0))}


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize(
    ("io", "where", "window"),
    [
        *(("mmap", split, window) for split in COUNTS for window in WINDOWS),
        *((io, "root", window) for io in ("mmap", "pread") for window in (*WINDOWS, "crops")),
    ][:: scaled(-2, -1)],  # the last one first: crops of all of them
)
def test_every_real_array_equals_numpy(realdata, io, where, window):
    dataset = cloudio.open(realdata if where == "root" else realdata / where, io=io)
    parts = [real_arrays(realdata / name) for name in dataset.splits]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    bands = [name for name in arrays if not name.startswith("LABEL_")]
    rng = np.random.default_rng(7)
    if window in WINDOWS:
        requests_ = [(*WINDOWS[window], list(range(len(dataset))))]
    else:
        sizes = rng.integers(1, 300, scaled(30, 100))
        requests_ = [
            (int(s), tuple(rng.integers(0, 513 - s, 2).tolist()), [int(rng.integers(len(dataset)))])
            for s in sizes
        ]
    scales = [1.0 if name.startswith("S1_") else 1e-4 for name in bands]
    valid = cloudio.Window(1, 1, 509, 509)
    for size, origin, index in requests_:
        reader = dataset.reader(bands, [f"LABEL_{name}" for name in CARD], size=size)
        got = reader.read(index, origin)
        origins = [origin] * len(index)
        wanted = oracle.image(
            [arrays[name] for name in bands], index, origins, (size, size), scales, [0.0] * 99
        )
        assert oracle.same_bits(got.image, wanted)
        for k, (name, classes) in enumerate(CARD.items()):
            wanted = oracle.label(
                arrays[f"LABEL_{name}"], index, origins, (size, size), classes, valid, 255, "u1"
            )
            assert oracle.same_bits(np.ascontiguousarray(got.label[:, k]), wanted), name


@pytest.fixture(scope="module")
def normalised(realdata):
    """What is asked of every patch, and numpy's image in float32, mask and label."""
    mini = cloudio.open(realdata)
    parts = [real_arrays(realdata / name) for name in mini.splits]
    n, rng = len(mini), np.random.default_rng(5)
    mean, std = rng.uniform(-1, 1, 16), rng.uniform(0.1, 3, 16)
    turned = [1, 7, 4, 2, 0, 5][:n]
    bands = mini.reader(["L1C", "S1"]).bands
    arrays = [np.concatenate([part[name] for part in parts]) for name in bands]
    nodata = [None] * 13 + [-99.0] * 3
    where = range(n), [(0, 0)] * n, (512, 512)
    scale = np.array([1e-4] * 13 + [1.0] * 3)
    image = oracle.image(
        arrays, *where, scale / std, -mean / std, clip=(-40, 40), nodata=nodata, fill=0,
        symmetries=turned,
    )  # fmt: skip
    window = cloudio.Window(1, 1, 509, 509)
    mask = oracle.valid(arrays, *where, window, nodata, turned)
    stripe = (arrays[13][:, 1:510, 1:510] == -99).sum()
    assert mask.size - mask.sum() == n * (512**2 - 509**2) + stripe > n * (512**2 - 509**2)
    codes = np.concatenate([part["LABEL_manual_hq"] for part in parts])
    label = oracle.label(codes, *where, CARD["manual_hq"], window, 255, "u1")
    label = np.stack([oracle.seen(plane, s) for plane, s in zip(label, turned, strict=True)])
    return {"mean": mean, "std": std}, turned, image, mask, label


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_real_optics_and_radar_in_one_normalised_tensor(realdata, normalised, io, dtype, layout):
    """Filled, normalised, turned, rounded and interleaved, all of the stored patch."""
    how, turned, image, mask, label = normalised
    reader = cloudio.open(realdata, io=io).reader(
        ["L1C", "S1"], "manual_hq", size=512, **how, clip=(-40, 40), fill=0, dtype=dtype,
        layout=layout, valid=True,
    )  # fmt: skip
    wanted = image.astype(reader.dtype)
    if layout == "NHWC":
        wanted = np.ascontiguousarray(wanted.transpose(0, 2, 3, 1))
    batch = reader.read(range(len(reader)), symmetry=turned)
    assert oracle.same_bits(batch.image, wanted)
    assert oracle.same_bits(batch.valid, mask)
    assert np.array_equal(batch.label, label)
