"""Files (patch, row, column, channel): every read equals numpy, as of the same arrays packed."""

import dataclasses
import pickle
from pathlib import Path

import builders
import numpy as np
import pytest
from builders import SMALL
from hypothesis import given, settings
from oracle import orient, same_bits
from profiles import scaled
from reads import COUNTS, Arrays, check_batch, read_as_asked, requests

import cloudio
from cloudio import Band, Layout, Window
from cloudio.reading import scan

# Of each file: its channels, and which array each of them is. Some are no array, and some arrays
# have files of their own.
FILES = {
    "visible.npy": (3, {"L1C_B4": 2, "L1C_B2": 0, "L1C_B3": 1}),
    "other.dat": (7, {"L1C_B8A": 6, "L2A_B4": 0, "L2A_AOT": 3}),
    "radar.dat": (2, {"S1_VH": 1, "S1_VV": 0}),
    "extra.npy": (4, {"EXTRA_count": 3, "EXTRA_depth": 0}),
    "labels.npy": (3, {"LABEL_hq": 0, "LABEL_percent": 2, "LABEL_sc": 1}),
}
CHANNELS = {
    name: {"file": file, "channel": k, "channels": n, "channel_axis": "last"}
    for file, (n, names) in FILES.items()
    for name, k in names.items()
}
LAST = dataclasses.replace(
    SMALL,
    name="Last",
    bands=tuple(dataclasses.replace(b, **CHANNELS.get(b.name, {})) for b in SMALL.bands),
)


def write_last(root: Path, packed: Path) -> None:
    """Write the arrays of a root of flat files again, those of `FILES` with their channels last."""
    for folder in packed.iterdir():
        (root / folder.name).mkdir(parents=True)
        for name in (band.name for band in SMALL.bands):
            if name not in CHANNELS:
                path = folder / f"{name}.dat"
                (root / folder.name / path.name).write_bytes(path.read_bytes())
        for file, (n, names) in FILES.items():
            arrays = {
                k: np.fromfile(folder / f"{name}.dat", SMALL.band(name).dtype)
                for name, k in names.items()
            }
            some = next(iter(arrays.values()))
            pixels = np.stack([arrays.get(k, some[::-1]) for k in range(n)], -1)
            pixels = pixels.reshape(-1, *SMALL.patch, n)
            path = root / folder.name / file
            np.save(path, pixels) if path.suffix == ".npy" else pixels.tofile(path)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    packed, last = tmp_path_factory.mktemp("packed"), tmp_path_factory.mktemp("last")
    arrays = Arrays(builders.write_root(packed, COUNTS, metadata=False))
    write_last(last, packed)
    return packed, last, arrays


@pytest.fixture(scope="module")
def dataset(roots, io):
    return cloudio.open(roots[1], layout=LAST, io=io)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@settings(max_examples=scaled(100, 250))
@given(asked=requests())
def test_any_read_equals_numpy(dataset, roots, asked):
    check_batch(read_as_asked(dataset, asked), roots[2], asked)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("size", [(1, 1), (1, 48), (40, 1), (3, 17), (16, 16)])
def test_windows_at_every_corner_are_read_to_the_last_pixel(dataset, roots, size):
    names = [*CHANNELS]
    for row in (0, 40 - size[0]):
        for col in (0, 48 - size[1]):
            reader = dataset.reader(names, size=size, scale=None)
            image = reader.read([6, 0, 3], origin=(row, col)).image
            for k, name in enumerate(names):
                wanted = roots[2][name][[6, 0, 3], row : row + size[0], col : col + size[1]]
                assert same_bits(image[:, k], wanted.astype("f4"))


def test_numbers_as_stored_are_read(dataset, roots):
    names = ["L1C_B2", "L1C_B3", "L1C_B4"]
    for layout, axis in (("NCHW", 1), ("NHWC", -1)):
        image = dataset.reader(names, dtype="int16", size=(40, 48), layout=layout).read([5]).image
        wanted = np.stack([roots[2][name][[5]] for name in names], axis)
        assert same_bits(image, wanted)


# Which channels are read: all, in and against their order, few of many, and some twice.
CHOICES = [
    lambda n: range(n),
    lambda n: range(n)[::-1],
    lambda n: [n - 1, 0],
    lambda n: [*range(n // 2, n), *range(n // 2)],
    lambda n: [0, 0, n - 1, n - 1, 0],
]


@pytest.mark.parametrize("n_channels", [3, 4, 8, 13, 33])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_channels_of_one_file_are_read_together(tmp_path, isa, all_threads, dtype, n_channels):
    side, rng = 19, np.random.default_rng(n_channels)
    pixels = rng.integers(-100, 100, (3, side, side, n_channels)).astype(dtype)
    np.save(tmp_path / "x.npy", pixels)
    bands = [
        Band(f"x{k}", "band", dtype, file="x.npy", channel=k, channels=n_channels)
        for k in range(n_channels)
    ]
    bands = tuple(dataclasses.replace(band, channel_axis="last") for band in bands)
    layout = Layout("x", (side, side), Window(0, 0, side, side), bands)
    stored = dtype if dtype in ("uint8", "uint16", "int16") else "float32"
    for io in ("mmap", "pread"):
        ds = cloudio.open(tmp_path, layout=layout, io=io)
        for k, choose in enumerate(CHOICES):
            channels = [*choose(n_channels)]
            for order, to in (("NCHW", "float32"), ("NHWC", "float32"), ("NHWC", stored)):
                reader = ds.reader(
                    [f"x{c}" for c in channels], size=17, layout=order, dtype=to, evict=k == 1
                )
                symmetry = [k, (k + 3) % 8, (2 * k) % 8]
                image = reader.read([2, 0, 1], (2, 1), symmetry).image
                wanted = np.moveaxis(pixels[[2, 0, 1], 2:, 1:18][..., channels], -1, 1)
                wanted = np.stack(
                    [
                        np.stack([orient(band, s) for band in sample])
                        for sample, s in zip(wanted, symmetry, strict=True)
                    ]
                )
                wanted = wanted if order == "NCHW" else np.moveaxis(wanted, 1, -1)
                assert same_bits(image, np.ascontiguousarray(wanted, to))


def test_channels_of_one_array_in_memory_are_gathered_together(isa):
    pixels = np.random.default_rng(0).integers(0, 9999, (3, 20, 21, 13)).astype("u2")
    bands = [pixels[..., k] for k in range(13)]
    image = cloudio.gather(bands, [2, 0], size=(19, 17), origin=(1, 4), layout="NHWC")
    assert same_bits(image, pixels[[2, 0], 1:, 4:].astype("f4"))
    mixed = [*bands[3:11], np.ascontiguousarray(bands[0]), bands[11]]
    scale = np.arange(1, 11)
    image = cloudio.gather(mixed, [1, 1], scale=scale)
    wanted = np.stack([band[[1, 1]].astype("f4") * s for band, s in zip(mixed, scale, strict=True)])
    assert same_bits(image, np.ascontiguousarray(np.moveaxis(wanted.astype("f4"), 0, 1)))


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_channel_is_a_view_of_its_file(roots):
    ds = cloudio.open(roots[1], layout=LAST).split("test")
    for name, entries in CHANNELS.items():
        item = ds[name].itemsize
        assert np.array_equal(ds[name], roots[2][name][5:], equal_nan=True)
        assert ds[name].strides[2] == entries["channels"] * item
        assert not ds[name].flags.writeable
    start = {ds[name].__array_interface__["data"][0] for name in ("L1C_B2", "L1C_B3", "L1C_B4")}
    assert max(start) - min(start) == 4


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_reader_of_channels_last_is_pickled(dataset, roots):
    reader = dataset.reader(["S1_VH", "L2A_AOT"], size=(7, 9))
    again = pickle.loads(pickle.dumps(reader))
    assert same_bits(again.read([1, 4]).image, reader.read([1, 4]).image)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_pages_read_ahead_and_evicted_are_those_of_the_channels(roots, io):
    ds = cloudio.open(roots[1], layout=LAST, io=io)
    names = [*CHANNELS]
    plain = ds.reader(names, size=(40, 48), scale=None).read(range(7)).image
    reader = ds.reader(names, size=(40, 48), scale=None, evict=True)
    for _ in range(3):
        reader.prefetch(range(7))
        assert same_bits(reader.read(range(7)).image, plain)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("whole", [True, False])
def test_counts_and_checksums_are_those_of_packed_arrays(dataset, roots, whole):
    packed = cloudio.open(roots[0], layout=SMALL)
    for name in ("L1C_B4", "S1_VH", "EXTRA_count", "LABEL_sc"):
        lut = None
        if SMALL.band(name).kind == "label":
            lut = np.arange(256, dtype=np.uint8) % 5
        one, other = (
            scan.count_array(ds, name, whole=whole, checksum=True, class_lut=lut)
            for ds in (packed, dataset)
        )
        assert one.patches.tobytes() == other.patches.tobytes()
        assert np.array_equal(one.histogram, other.histogram)
        assert lut is None or np.array_equal(one.class_counts, other.class_counts)
    pairs = [scan.count_pairs(ds, "LABEL_hq", "LABEL_sc") for ds in (packed, dataset)]
    assert np.array_equal(*pairs)
    tops = np.arange(40000, 50000, 7)
    halves = [scan.count_lower_halves(ds, "S1_VH", tops) for ds in (packed, dataset)]
    assert np.array_equal(*halves)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_statistics_and_agreement_are_those_of_packed_arrays(dataset, roots):
    packed = cloudio.open(roots[0], layout=SMALL)
    bands = ["L1C_B4", "S1_VV", "EXTRA_count"]
    one, other = (cloudio.stats.bands(ds, bands=bands) for ds in (packed, dataset))
    for number in ("mean", "std", "min", "max"):
        assert same_bits(getattr(one, number), getattr(other, number))
    tables = [
        cloudio.stats.agreement(ds, "LABEL_sc", "LABEL_hq").matrix for ds in (packed, dataset)
    ]
    assert np.array_equal(*tables)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_cut_file_is_told_with_the_patch(tmp_path, roots, io):
    write_last(tmp_path / "data", roots[0])
    ds = cloudio.open(tmp_path / "data", layout=LAST, io=io)
    reader = ds.reader(["L1C_B4"], size=(40, 48))
    path = tmp_path / "data" / "train" / "visible.npy"
    patch_bytes = 40 * 48 * 3 * 2
    with open(path, "r+b") as file:
        file.truncate(128 + 3 * patch_bytes - 2)
    with pytest.raises(
        cloudio.TruncatedError, match=r"visible\.npy holds .* patch 2, from"
    ) as told:
        reader.read([2])
    assert told.value.patch == 2
