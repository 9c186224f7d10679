"""The numbers of a read, bit for bit: types, scales, offsets, fills and masks."""

import dataclasses

import builders
import numpy as np
import oracle
import pytest
from reads import L1C

import cloudio
from cloudio import Band, RequestError
from cloudio._core import runtime

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
        wanted = oracle.orient(cover.astype(np.float32) * np.float32(0.5), s)
        assert np.array_equal(np.squeeze(image[k]), wanted)
        assert np.array_equal(label[k, 0], oracle.orient(codes, s))
        assert np.array_equal(valid[k], oracle.orient(real, s))


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
        seen = [[oracle.orient(x, s) for x in xs] for xs, s in zip(stored, turned, strict=True)]
        wanted = np.array(seen).transpose(0, 2, 3, 1) if layout == "NHWC" else np.array(seen)
        assert oracle.same_bits(batch.image, np.ascontiguousarray(wanted))


def test_a_label_array_and_a_float_array_can_be_bands(small):
    dataset, arrays = small
    batch = dataset.reader(["S1_VV", "LABEL_percent", "L1C_B2"], scale=None).read([5])
    assert np.array_equal(batch.image[0, 1], arrays["LABEL_percent"][5, 1:36, 2:43])
    assert oracle.same_bits(batch.image[0, 0], arrays["S1_VV"][5, 1:36, 2:43].copy())
    assert np.isnan(batch.image[0, 0]).any()


def test_a_mask_says_where_every_band_is_valid(small):
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
    with pytest.raises(RequestError, match="out is a tuple of 2; it must be a MaskedBatch"):
        reader.read([4, 1], out=(image, label))
    stored = dataset.reader("L1C", dtype="int16", size=8, valid=True).read([0], (0, 0))
    assert stored.valid[0].tolist() == [[0] * 8] + [[0, 0, 1, 1, 1, 1, 1, 1]] * 7


def test_a_radiometric_offset_is_added_before_the_scale(tmp_path):
    layout = dataclasses.replace(
        builders.SMALL, bands=(Band("L1C_B2", scale=1e-4, offset=-1000.0), Band("L1C_B3"))
    )
    arrays = builders.write_split(tmp_path, 2, layout, names=["L1C_B2", "L1C_B3"])
    dataset = cloudio.open(tmp_path, layout=layout)
    for mean, std in ((None, None), (0.25, 0.5)):
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


def test_nan_and_signed_zero_of_radar_are_kept(small):
    dataset, arrays = small
    window = arrays["S1_VH"][:, 1:36, 2:43]
    assert np.isnan(window).any()
    assert np.signbit(window[window == 0]).any()
    batch = dataset.reader("S1_VH").read(range(7))
    assert oracle.same_bits(batch.image[:, 0], np.ascontiguousarray(window))


def test_a_fill_of_any_float_type_is_taken(small):
    nan = small[0].reader("S1", fill=np.float32("nan")).read([0]).image
    assert oracle.same_bits(nan, small[0].reader("S1", fill=float("nan")).read([0]).image)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_nodata_is_known_in_a_file_of_another_type(tmp_path):
    layout = dataclasses.replace(builders.SMALL, bands=(Band("L1C_B2", nodata=-99.0),))
    np.full((2, 40, 48), -99, "<f4").tofile(tmp_path / "L1C_B2.dat")
    builders.write_metadata(tmp_path / "metadata.csv", 2)
    dataset = cloudio.open(tmp_path, layout=layout)
    batch = dataset.reader("B2", scale=None, fill=7, valid=True).read([0, 1])
    assert (batch.image == 7).all()
    assert not batch.valid.any()
