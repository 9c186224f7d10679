"""Bands stored coarser than the patch: every read equals numpy, as of the same pixels stored all.

`native.expand` repeats pixels by `np.repeat`; the folder `full` beside each native one holds the
result.
"""

import pickle

import native
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import FULL, KEYS
from oracle import orient, same_bits
from profiles import scaled
from reads import COUNTS, Arrays, check_batch, read_as_asked, requests

import cloudio
from cloudio._core import runtime
from cloudio.reading import scan

pytestmark = pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")

NAMES = [band.name for band in FULL.bands]
REPEATED = [*KEYS]
ROWS, COLS = FULL.patch


@pytest.fixture(scope="module", params=[None, "first", "last"], ids=["flat", "first", "last"])
def stacked(request):
    """Where the channels of stacked files lie; None: every array has a file of its own."""
    return request.param


@pytest.fixture(scope="module")
def roots(tmp_path_factory, stacked):
    folder = tmp_path_factory.mktemp("native")
    return native.write_roots(folder, COUNTS, stacked=stacked, metadata=False)


@pytest.fixture(scope="module")
def arrays(roots):
    """Every pixel, by name."""
    return Arrays(roots.arrays)


@pytest.fixture(scope="module")
def ds(roots, stacked, io):
    return cloudio.open(roots.native, layout=native.native_layout(stacked=stacked), io=io)


@pytest.fixture(scope="module")
def full(roots, io):
    return cloudio.open(roots.full, layout=FULL, io=io)


# ---- what is compared with -----------------------------------------------------------------------


@pytest.mark.parametrize("repeat", [1, 2, 3, 6, (1, 2), (3, 2)])
def test_numpy_repeats_pixels_as_documented(repeat):
    rng, window = np.random.default_rng(5), FULL.valid
    ry, rx = native.pair(repeat)
    phases = native.random_phases(rng, 4, repeat, 1)
    whole = rng.integers(0, 99, (1, ROWS, COLS)).astype("i2")
    stored = rng.integers(0, 99, (4, *native.stored_size(window.size, repeat))).astype("i2")
    got = native.expand(stored, repeat, phases, FULL.patch, window, whole)
    for k, (py, px) in enumerate(phases.tolist()):
        wanted = np.zeros(FULL.patch, "i2")
        for y in range(window.height):
            for x in range(window.width):
                wanted[window.row + y, window.col + x] = stored[k, (y + py) // ry, (x + px) // rx]
        assert np.array_equal(got[k], whole[px] if py == -1 else wanted)
    again = native.shrink(got, repeat, phases, window)
    assert same_bits(native.expand(again, repeat, phases, FULL.patch, window, whole), got)


# ---- reads ---------------------------------------------------------------------------------------


@settings(max_examples=scaled(20, 40))
@given(asked=requests(FULL))
def test_any_read_equals_numpy(ds, arrays, asked):
    check_batch(read_as_asked(ds, asked), arrays, asked, FULL)


@pytest.mark.parametrize("size", [(1, 1), (1, 48), (40, 1), (5, 7), (16, 16)])
def test_windows_at_every_edge_are_read_to_the_last_pixel(ds, arrays, size):
    """In the padding, over its border, and from inside a stored pixel to inside another."""
    reader = ds.reader(NAMES, "LABEL_hq", size=size, scale=None, valid=True)
    label_map = FULL.label_maps["LABEL_hq"]["card"]
    rows = sorted({0, 1, 2, 20, 36 - size[0], 35, ROWS - size[0]})
    for row in (r for r in rows if 0 <= r <= ROWS - size[0]):
        for col in {0, min(3, COLS - size[1]), COLS - size[1]}:
            got = reader.read([6, 0, 3], origin=(row, col))
            part = np.s_[[6, 0, 3], row : row + size[0], col : col + size[1]]
            wanted = np.stack([arrays[name][part] for name in NAMES], 1)
            assert same_bits(got.image, wanted.astype("f4"))
            outside = np.ones(FULL.patch, bool)
            outside[1:36, 2:43] = False
            classes = np.full(256, 255, np.uint8)
            classes[[*label_map.classes]] = [*label_map.classes.values()]
            wanted = np.where(outside, 255, classes[arrays["LABEL_hq"]])[part]
            assert same_bits(got.label, wanted)


def test_numbers_as_stored_are_read_in_every_symmetry(ds, arrays, isa):
    index, symmetry = [0, 6, 4, 1, 2, 3, 5, 0], np.arange(8)
    for dtype, layout in (("int16", "NCHW"), ("uint16", "NHWC"), ("uint8", "NHWC")):
        names = [b.name for b in FULL.bands if b.dtype == dtype and b.kind == "band"]
        names.append(names[0])
        for size in (17, 40):
            reader = ds.reader(names, dtype=dtype, size=size, layout=layout, threads=2)
            got = reader.read(index, (0, 4), symmetry).image
            got = got if layout == "NCHW" else np.moveaxis(got, -1, 1)
            for k, (i, s) in enumerate(zip(index, symmetry, strict=True)):
                for b, name in enumerate(names):
                    wanted = orient(arrays[name][i, :size, 4 : 4 + size], s)
                    assert same_bits(np.ascontiguousarray(got[k, b]), np.ascontiguousarray(wanted))


def test_pages_read_ahead_and_evicted_change_nothing(ds, arrays):
    wanted = np.stack([arrays[name] for name in NAMES], 1).astype("f4")
    for evict in (False, True):
        for layout in ("NCHW", "NHWC"):
            reader = ds.reader(NAMES, size=(ROWS, COLS), scale=None, evict=evict, layout=layout)
            for _ in range(2):
                reader.prefetch(range(7))
                got = reader.read(range(7)).image
                got = got if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(got, -1, 1))
                assert same_bits(got, wanted)
            part = reader.dataset.reader(NAMES, size=(3, 5), scale=None, evict=evict)
            part.prefetch([5, 5, 1], origin=[(0, 0), (34, 41), (20, 20)])
            got = part.read([5, 5, 1], origin=[(0, 0), (34, 41), (20, 20)]).image
            for k, (i, (row, col)) in enumerate([(5, (0, 0)), (5, (34, 41)), (1, (20, 20))]):
                assert same_bits(got[k], wanted[i, :, row : row + 3, col : col + 5].copy())


@settings(max_examples=scaled(3, 5))
@given(size=st.integers(1, 40), seed=st.integers(0, 9), threads=st.integers(1, 3))
def test_batches_of_a_loader_are_those_of_the_full_form(ds, full, size, seed, threads):
    batches = []
    for opened in (ds, full):
        reader = opened.reader(NAMES, ["LABEL_hq", "LABEL_percent"], size=size, threads=threads)
        loader = cloudio.Loader(reader, 3, shuffle=True, crop="random", symmetry="d4", seed=seed)
        batches.append([(b.index, b.image.copy(), b.label.copy()) for b in loader])
    assert len(batches[0]) == 3
    for one, other in zip(*batches, strict=True):
        assert all(map(same_bits, one, other))


def test_subsets_and_splits_are_read_with_their_own_phases(ds, arrays):
    def read(part, index):
        return part.reader(REPEATED, size=(ROWS, COLS), scale=None).read(index).image

    wanted = np.stack([arrays[name] for name in REPEATED], 1).astype("f4")
    assert same_bits(read(ds.split("test"), [1, 0, -1]), wanted[[6, 5, 6]])
    assert same_bits(read(ds.subset([6, 2, 4, 2]), [0, 1, 2, 3]), wanted[[6, 2, 4, 2]])
    assert same_bits(read(ds.split("train").subset([3, 1]), [1, 0]), wanted[[1, 3]])
    assert same_bits(read(ds, range(7)), wanted)


def test_a_reader_is_pickled(ds, arrays):
    reader = ds.reader(REPEATED, "LABEL_hq", size=(31, 9))
    again = pickle.loads(pickle.dumps(reader))
    for one, other in zip(again.read([1, 4]), reader.read([1, 4]), strict=True):
        assert same_bits(one, other)


def test_a_layout_file_is_read_as_the_layout(tmp_path, stacked, io):
    made = native.write_roots(tmp_path, {"train": 2, "val": 1}, stacked=stacked, toml=True)
    ds = cloudio.open(made.native, io=io)
    got = ds.reader(NAMES, size=(ROWS, COLS), scale=None).read(range(3)).image
    assert same_bits(got, np.stack([made.arrays[name] for name in NAMES], 1).astype("f4"))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "float32"])
def test_every_type_is_repeated_into_every_output(tmp_path, isa, dtype):
    repeats, side = [2, 3, 6, (1, 2), (5, 1)], (75, 81)
    window, index, turns = cloudio.Window(2, 0, 71, 80), [2, 0, 1], [1, 4, 2]
    for folder in ("phases", "exceptions"):
        (tmp_path / folder).mkdir()
    bands, planes = [], []
    for seed, repeat in enumerate(repeats):
        keys = {"repeat": repeat, "phase": native.PHASES, "exceptions": native.EXCEPTIONS}
        band = cloudio.Band(f"x{seed}", dtype=dtype, scale=0.5, nodata=3, **keys)
        made = native.random_patches(band.name, 3, dtype, keys, side, window, seed)
        made.pixels.tofile(tmp_path / f"{band.name}.dat")
        np.save(tmp_path / native.PHASES.format(name=band.name), made.phase)
        np.save(tmp_path / native.EXCEPTIONS.format(name=band.name), made.exceptions)
        planes.append(made.expanded(side, window))
        bands.append(band)
    ds = cloudio.open(tmp_path, layout=cloudio.Layout("x", side, window, tuple(bands)))
    names, n = [band.name for band in bands], len(bands)
    wanted = oracle.image(
        planes, index, [(0, 5)] * 3, (75, 75), [0.5] * n, [0.0] * n, nodata=[3] * n, fill=-1.5,
        symmetries=turns,
    )  # fmt: skip
    before = runtime.tune()
    try:
        for to in ("float32", "float16", "bfloat16"):
            for layout, stream in (("NCHW", 1), ("NCHW", 1 << 60), ("NHWC", 1)):
                runtime.tune(stream_bytes=stream)
                reader = ds.reader(names, size=75, dtype=to, fill=-1.5, layout=layout)
                got = reader.read(index, (0, 5), turns).image
                got = got if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(got, -1, 1))
                with np.errstate(all="ignore"):
                    assert same_bits(got, wanted.astype(got.dtype)), (to, layout, stream)
    finally:
        runtime.tune(**before)


def test_an_output_that_is_given_is_filled_from_all_resolutions(ds, arrays):
    names = ["L1C_B2", "L1C_B3", "L2A_B4", "L1C_B8A"]
    out = np.full((2, 35, 41, 4), np.nan, np.float32)
    batch = ds.reader(names, layout="NHWC", scale=None).read([3, 4], out=(out, None))
    assert batch.image is out
    wanted = np.stack([arrays[name][[3, 4], 1:36, 2:43] for name in names], -1)
    assert same_bits(out, wanted.astype("f4"))


def test_a_cut_file_is_told(tmp_path, io):
    made = native.write_roots(tmp_path, {"train": 4})
    ds = cloudio.open(made.native, layout=native.native_layout(), io=io)
    reader = ds.reader("L1C_B4", size=(ROWS, COLS))
    for name, patch in (("exceptions/L1C_B4.npy", None), ("L1C_B4.dat", 2)):
        path = made.native / "train" / name
        pixels = path.read_bytes()
        patch_bytes = made.stored["train", "L1C_B4"].pixels[0].nbytes
        end = len(pixels) - 2 if patch is None else 3 * patch_bytes - 2
        with open(path, "r+b") as file:
            file.truncate(end)
        with pytest.raises(cloudio.TruncatedError, match=rf"{name} holds {end:,} bytes") as told:
            reader.read(range(4))
        assert told.value.patch == patch
        with open(path, "r+b") as file:
            file.write(pixels)
        if io == "mmap":
            reader.read(range(4))  # the file is whole again


# ---- statistics and checks -----------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_counts_and_checksums_are_those_of_the_full_form(ds, full, whole):
    for name in ("L1C_B4", "L1C_B8A", "S1_VH", "EXTRA_count", "EXTRA_slope", "LABEL_hq"):
        lut = None
        if FULL.band(name).kind == "label":
            lut = np.arange(256, dtype=np.uint8) % 5
        one, other = (
            scan.count_array(opened, name, whole=whole, checksum=True, class_lut=lut)
            for opened in (full, ds)
        )
        assert one.patches.tobytes() == other.patches.tobytes(), name
        assert np.array_equal(one.histogram, other.histogram)
        assert lut is None or np.array_equal(one.class_counts, other.class_counts)
    pairs = [scan.count_pairs(opened, "LABEL_hq", "LABEL_sc") for opened in (full, ds)]
    assert np.array_equal(*pairs)
    tops = np.arange(49000, 49900, 90)
    halves = [scan.count_lower_halves(opened, "S1_VH", tops) for opened in (full, ds)]
    assert np.array_equal(*halves)


def test_counts_of_any_window_are_those_of_the_full_form(ds, full):
    for window in ((0, 0, 1, 1), (1, 2, 1, 1), (4, 5, 9, 7), (30, 40, 10, 8), (0, 0, 1, 48)):
        for name in ("L1C_B4", "S1_VH", "LABEL_percent"):
            one, other = (
                scan.count_array(opened, name, window=cloudio.Window(*window), checksum=True)
                for opened in (full, ds)
            )
            assert one.patches.tobytes() == other.patches.tobytes(), (name, window)
            assert np.array_equal(one.histogram, other.histogram)


def test_statistics_and_agreement_are_those_of_the_full_form(ds, full):
    bands = ["L1C_B4", "S1_VV", "EXTRA_count", "L1C_B8A", "EXTRA_slope"]
    one, other = (cloudio.stats.bands(opened, bands=bands) for opened in (full, ds))
    for number in ("mean", "std", "min", "max"):
        assert same_bits(getattr(one, number), getattr(other, number))
    counts = [cloudio.stats.classes(opened, "LABEL_hq").counts for opened in (full, ds)]
    assert np.array_equal(*counts)
    tables = [
        cloudio.stats.agreement(opened, "LABEL_sc", "LABEL_hq").matrix for opened in (full, ds)
    ]
    assert np.array_equal(*tables)


# ---- real patches --------------------------------------------------------------------------------


def test_real_bands_of_60_m_are_read_as_they_were(mini, tmp_path):
    """Patches 1 and 2 of train hold repeated pixels."""
    (tmp_path / "phases").mkdir()
    window, bands = mini.valid_window, []
    for name, repeat in {"L1C_B1": 6, "L1C_B5": 2}.items():
        pixels = np.ascontiguousarray(mini.split("train")[name][1:3])
        phases = np.array([phase_found(patch, repeat, window) for patch in pixels])
        stored = native.shrink(pixels, repeat, phases, window)
        stored.tofile(tmp_path / f"{name}.dat")
        np.save(tmp_path / native.PHASES.format(name=name), phases)
        bands.append(cloudio.Band(name, scale=1e-4, repeat=repeat, phase=native.PHASES))
    layout = cloudio.Layout("Real", (512, 512), window, tuple(bands))
    ds = cloudio.open(tmp_path, layout=layout)
    for origin in ((1, 1), (100, 207), (286, 286)):
        names = [band.name for band in bands]
        one, other = (
            opened.reader(names, size=224).read(index, origin=origin, symmetry=3).image
            for opened, index in ((mini.split("train"), [1, 2]), (ds, [0, 1]))
        )
        assert same_bits(one, other)


def phase_found(patch, repeat, window):
    """The only phase in which every stored pixel is one number."""
    inside = patch[window.row : window.row + window.height, window.col : window.col + window.width]
    found = []
    for axis in (0, 1):
        changes = np.diff(inside.astype(np.int64), axis=axis).any(axis=1 - axis)
        found.append({(-1 - k) % repeat for k in np.flatnonzero(changes)})
    (py,), (px,) = found
    return py, px
