"""Files of lower resolution: found, sized, checked, opened, and read by plain reads."""

import dataclasses
import pickle
import shutil

import numpy as np
import pytest
from native import FULL, KEYS, expand, layout_text, native_layout, write_array, write_roots

import cloudio
from cloudio import Band, Layout, LayoutError, RequestError, TruncatedError, Window

PATCHES = {"train": 4, "val": 3}
VALID = FULL.valid


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_roots(tmp_path_factory.mktemp("native"), PATCHES)


def opened(roots, stacked=None, **options):
    return cloudio.open(roots.native, layout=native_layout(stacked=stacked), **options)


def windows():
    """Windows of the patch grid: the whole, its edges, one pixel inside and outside, any others."""
    (height, width), rng = FULL.patch, np.random.default_rng(3)
    yield from (Window(0, 0, height, width), VALID, Window(0, 0, 1, width), Window(0, 0, 1, 1))
    yield Window(VALID.row + VALID.height - 1, VALID.col + VALID.width - 1, 1, 1)
    for _ in range(5):
        row, col = int(rng.integers(height)), int(rng.integers(width))
        yield Window(
            row, col, int(rng.integers(height - row)) + 1, int(rng.integers(width - col)) + 1
        )


@pytest.mark.parametrize("stacked", [None, "first", "last"])
def test_plain_reads_repeat_pixels_of_any_window(tmp_path, stacked):
    roots = write_roots(tmp_path, PATCHES, stacked=stacked)
    ds = opened(roots, stacked)
    splits = {split.name: split for split in ds.stored_splits}
    start = 0
    for split, n in PATCHES.items():
        for name in KEYS:
            array = splits[split].arrays[name]
            assert array.native is not None
            for k in range(n):
                for w in windows():
                    expected = roots.arrays[name][start + k]
                    expected = expected[w.row : w.row + w.height, w.col : w.col + w.width]
                    found = array.read_window(k, w)
                    assert found.dtype == expected.dtype
                    assert np.array_equal(found, expected, equal_nan=True), (name, k, w)
        start += n


@pytest.mark.parametrize("stacked", [None, "first", "last"])
def test_a_view_is_of_the_pixels_that_are_stored(tmp_path, stacked):
    roots = write_roots(tmp_path, PATCHES, stacked=stacked)
    split = opened(roots, stacked).split("train")
    for name in FULL.bands:
        stored = roots.stored["train", name.name].pixels
        assert np.array_equal(split[name.name], stored, equal_nan=True)


def test_sizes_of_files(plain):
    for split in opened(plain).stored_splits:
        for name, array in split.arrays.items():
            size = native_layout().stored_size(native_layout().band(name))
            assert array.size == size
            assert array.end == array.path.stat().st_size
            phase, exceptions = (
                KEYS.get(name, {}).get("phase"),
                KEYS.get(name, {}).get("exceptions"),
            )
            n_files = 1 + isinstance(phase, str) + (exceptions is not None)
            assert len(array.paths) == n_files


def test_the_number_of_patches_follows_from_sizes_alone(tmp_path):
    bands = (
        Band("a", repeat=2),
        Band("b", "label", "uint8", repeat=(1, 3)),
        Band("c", "band", "int16"),
    )
    layout = Layout("X", (20, 24), Window(1, 2, 17, 21), bands)
    for n in (1, 3):
        for band in bands:
            shape = (n, *layout.stored_size(band))
            np.zeros(shape, band.dtype).tofile(tmp_path / f"{band.name}.dat")
        ds = cloudio.open(tmp_path, layout=layout)
        assert len(ds) == n
        assert ds.names == ("a", "b", "c")
    # Labels of two bytes are found by their size, as ever.
    np.zeros((3, 17, 8), "i2").tofile(tmp_path / "b.dat")
    with pytest.warns(cloudio.CloudioWarning, match="b is int16|int16 by its size"):
        ds = cloudio.open(tmp_path, layout=layout)
    assert ds.dtype("b") == np.int16
    assert ds.split(tmp_path.name)["b"].shape == (3, 17, 8)


@pytest.mark.parametrize("stacked", [False, True])
def test_pixels_that_only_other_phases_need_may_be_left_out(tmp_path, stacked):
    """Of a .npy file, whose shape says it: a patch of 120 may have 60 pixels of 20 m, not 61."""
    rng = np.random.default_rng(0)
    phases = {"a": (0, 0), "b": (1, 0), "c": (1, 1)}
    keys = {"file": "{name}.npy"} | ({"channel": 1, "channels": 2} if stacked else {})
    bands = [Band(name, repeat=2, phase=phase, **keys) for name, phase in phases.items()]
    layout = Layout("X", (24, 20), Window(0, 0, 24, 20), bands)
    stored = {}
    for name, (py, px) in phases.items():
        stored[name] = rng.integers(0, 999, (3, 12 + py, 10 + px), "i2")
        saved = np.stack([stored[name][::-1], stored[name]], 1) if stacked else stored[name]
        np.save(tmp_path / f"{name}.npy", saved)
    ds = cloudio.open(tmp_path, layout=layout)
    image = ds.reader(scale=None).read([2, 0, 1]).image
    for k, (name, phase) in enumerate(phases.items()):
        assert np.array_equal(image[:, k], expand(stored[name], 2, phase, (24, 20))[[2, 0, 1]])
        assert ds.split(tmp_path.name)[name].shape == stored[name].shape
    for shape in ((3, 11, 10), (3, 12, 11), (3, 14, 12)):
        np.save(tmp_path / "a.npy", np.zeros((3, 2, *shape[1:]) if stacked else shape, "i2"))
        with pytest.raises(LayoutError, match=r"X needs \(patches, (2, )?12, 10\)"):
            cloudio.open(tmp_path, layout=layout)


@pytest.mark.parametrize("shape", [(3, 9, 11), (3, 1, 9, 11), (3, 9, 11, 1)])
@pytest.mark.parametrize("channel", [{}, {"channel": 0, "channels": 1}])
def test_a_stack_of_one_channel_is_the_array(tmp_path, shape, channel):
    band = Band("a", repeat=2, phase=(1, 0), **channel)
    layout = Layout("X", (20, 24), Window(1, 2, 17, 21), (band,))
    stored = np.arange(3 * 9 * 11, dtype="i2").reshape(3, 9, 11)
    np.save(tmp_path / "a.npy", stored.reshape(shape))
    ds = cloudio.open(tmp_path, layout=layout)
    assert np.array_equal(ds["a"], stored)
    image = ds.reader("a", dtype="int16", scale=None, size=(20, 24)).read([2, 0, 1]).image
    expected = expand(stored, 2, (1, 0), (20, 24), layout.valid)[[2, 0, 1]]
    assert np.array_equal(image[:, 0], expected)


def test_channels_of_one_file_need_the_pixels_of_all_their_phases(tmp_path):
    layout = Layout(
        "X",
        (24, 20),
        Window(0, 0, 24, 20),
        tuple(
            Band(name, repeat=2, phase=phase, file="s.npy", channel=k, channels=2)
            for k, (name, phase) in enumerate({"a": 0, "b": 1}.items())
        ),
    )
    np.save(tmp_path / "s.npy", np.zeros((3, 2, 12, 10), "i2"))  # enough for a alone
    with pytest.raises(LayoutError, match=r"X needs \(patches, 2, 13, 11\)"):
        cloudio.open(tmp_path, layout=layout)
    np.save(tmp_path / "s.npy", np.ones((3, 2, 13, 11), "i2"))
    assert (cloudio.open(tmp_path, layout=layout).reader().read([2]).image == 1).all()


def test_tables_are_no_arrays(tmp_path, plain):
    folder = tmp_path / "train"
    shutil.copytree(plain.native / "train", folder)
    for name in ("L1C_B4", "L2A_B4"):  # beside the arrays, and of the size of patches
        (folder / "phases" / f"{name}.npy").rename(folder / f"{name}_phase.npy")
        (folder / "exceptions" / f"{name}.npy").rename(folder / f"{name}_whole.npy")
    bands = [
        dataclasses.replace(band, phase="{name}_phase.npy", exceptions="{name}_whole.npy")
        if band.name in ("L1C_B4", "L2A_B4")
        else band
        for band in native_layout().bands
    ]
    ds = cloudio.open(folder, layout=dataclasses.replace(native_layout(), bands=tuple(bands)))
    assert set(ds.names) == {band.name for band in FULL.bands}
    assert not ds.warnings
    # With no array beside them, the folders of tables are no splits.
    for path in folder.iterdir():
        if path.is_file() and path.name != "metadata.csv" and "_" in path.name:
            path.unlink()
    with pytest.raises(LayoutError, match=r"there are no \.dat or \.npy files|matches nothing"):
        cloudio.open(folder, layout=native_layout())


def test_a_data_set_says_how_much_is_stored(tmp_path):
    layout = Layout("X", (512, 512), Window(1, 1, 509, 509), (Band("a"), Band("b", repeat=6)))
    np.zeros((8, 512, 512), "i2").tofile(tmp_path / "a.dat")
    np.zeros((8, 86, 86), "i2").tofile(tmp_path / "b.dat")
    (tmp_path / "metadata.csv").write_text("k\n" + "1\n" * 8)
    ds = cloudio.open(tmp_path, layout=layout)
    assert f"{(8 * 2 * (512 * 512 + 86 * 86)) / 1e9:.3f}" == "0.004"
    assert " 0.004 " in repr(ds)


# ---- what is refused -----------------------------------------------------------------------------


def one_band(folder, phases=None, whole=None, **keys):
    """A split of four patches of one band of repeat 2, with these tables."""
    folder.mkdir(exist_ok=True)
    band = Band("B11", repeat=2, phase="B11_phases.npy", exceptions="B11_whole.npy")
    layout = Layout("X", (20, 24), Window(1, 2, 17, 21), (dataclasses.replace(band, **keys),))
    rows, cols = layout.stored_size(layout.bands[0])
    np.arange(4 * rows * cols, dtype="i2").tofile(folder / "B11.dat")
    if phases is not None:
        np.save(folder / "B11_phases.npy", phases)
    if whole is not None:
        np.save(folder / "B11_whole.npy", whole)
    return layout


GOOD = np.array([[0, 0], [1, 0], [-1, 1], [1, 1]], "i4")
WHOLE = np.arange(2 * 20 * 24, dtype="i2").reshape(2, 20, 24)


@pytest.mark.parametrize("dtype", ["i1", "i2", ">i4", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_phases_of_any_integers_in_any_order(tmp_path, dtype, order):
    layout = one_band(tmp_path, np.array(GOOD, dtype, order=order), WHOLE)
    (split,) = cloudio.open(tmp_path, layout=layout).stored_splits
    places = [0, 2, -2, 3]
    native = split.arrays["B11"].native
    assert native.places().tolist() == [native.place(k) for k in range(4)] == places
    assert native.places().dtype == np.int32
    whole = Window(0, 0, 20, 24)
    assert (split.arrays["B11"].read_window(2, whole) == WHOLE[1]).all()
    stored = np.arange(4 * 9 * 11, dtype="i2").reshape(4, 9, 11)
    expected = expand(stored, 2, GOOD, (20, 24), layout.valid, WHOLE)
    assert (split.arrays["B11"].read_window(3, whole) == expected[3]).all()


@pytest.mark.parametrize(
    ("phases", "exceptions", "words"),
    [
        (None, WHOLE, "phase = 'B11_phases.npy' of B11 matches nothing in"),
        (GOOD[:3], WHOLE, "B11_phases.npy has 3 rows; data has 4 patches"),
        (GOOD[0], WHOLE, "B11_phases.npy has shape (2,); phases must be (patch, 2)"),
        (GOOD.reshape(2, 4), WHOLE, "B11_phases.npy has shape (2, 4); phases must be (patch, 2)"),
        (GOOD.astype("f4"), WHOLE, "B11_phases.npy is float32; phases must be whole numbers"),
        (
            GOOD,
            WHOLE[:, 1:],
            "B11_whole.npy has shape (2, 19, 24); exceptions must be (exception, 20",
        ),
        (
            GOOD,
            WHOLE[0],
            "B11_whole.npy has shape (20, 24); exceptions must be (exception, 20, 24)",
        ),
        (GOOD, WHOLE.astype("f4"), "B11_whole.npy is float32; it must be int16, as B11.dat is"),
        (GOOD, WHOLE.astype("f8"), "B11_whole.npy is float64; cloudio reads"),
    ],
)
def test_wrong_tables_are_refused_when_the_data_set_is_opened(tmp_path, phases, exceptions, words):
    layout = one_band(tmp_path / "data", phases, exceptions)
    with pytest.raises(LayoutError) as caught:
        cloudio.open(tmp_path / "data", layout=layout)
    assert words in str(caught.value)
    assert caught.value.path.parent == tmp_path / "data"


@pytest.mark.parametrize(
    ("row", "exceptions", "keys", "words"),
    [
        (
            (0, 2),
            WHOLE,
            {},
            "has the phase (0, 2) for patch 3; the phase of rows must be 0..1 and th",
        ),
        ((2, 0), WHOLE, {}, "has the phase (2, 0) for patch 3; the phase of rows must be 0..1"),
        ((0, -1), WHOLE, {}, "has the phase (0, -1) for patch 3; "),
        ((-2, 0), WHOLE, {}, "has the phase (-2, 0) for patch 3; "),
        (
            (-1, 2),
            WHOLE,
            {},
            "says with (-1, 2) that patch 3 is exception 2; there are exceptions 0..",
        ),
        ((-1, -1), WHOLE, {}, "says with (-1, -1) that patch 3 is exception -1; there are except"),
        ((-1, 0), None, {}, "that patch 3 is an exception, but no file in "),
        ((-1, 0), WHOLE[:0], {}, "that patch 3 is an exception, but "),
        (
            (-1, 0),
            None,
            {"exceptions": None},
            "that patch 3 is an exception, but the layout has no exceptions for B11",
        ),
    ],
)
def test_wrong_phases_are_refused_when_they_are_needed(tmp_path, row, exceptions, keys, words):
    phases = np.where(GOOD == -1, 0, GOOD)
    phases[3] = row
    layout = one_band(tmp_path, phases, exceptions, **keys)
    ds = cloudio.open(tmp_path, layout=layout)
    (split,) = ds.stored_splits
    assert split.arrays["B11"].read_window(2, Window(0, 0, 20, 24)).shape == (20, 24)
    for read in (
        lambda: split.arrays["B11"].read_window(3, Window(0, 0, 1, 1)),
        lambda: ds.reader("B11", size=(4, 4)),
        lambda: ds.split("x")["B11"] if "x" in ds.splits else ds["B11"],
    ):
        with pytest.raises(LayoutError) as caught:
            read()
        assert words in str(caught.value)
        assert caught.value.path == tmp_path / "B11_phases.npy"
        assert caught.value.patch == 3


def test_two_files_for_a_table_are_refused(tmp_path):
    layout = one_band(tmp_path, GOOD, WHOLE, phase="*_phases.npy")
    np.save(tmp_path / "other_phases.npy", GOOD)
    with pytest.raises(
        LayoutError,
        match=r"phase = '\*_phases\.npy' of B11 matches B11_phases\.npy and other_phases\.npy in",
    ):
        cloudio.open(tmp_path, layout=layout)


def test_whole_patches_where_the_layout_has_a_repeat(tmp_path):
    layout = one_band(tmp_path, GOOD, WHOLE)
    (tmp_path / "metadata.csv").write_text("a\n1\n2\n3\n4\n")
    whole = np.zeros((4, 20, 24), "i2")
    whole.tofile(tmp_path / "B11.dat")
    words = "These are whole patches of 20 x 24, but the layout says repeat = 2: leave repeat out "
    with pytest.raises(LayoutError, match="4 patches of 9 x 11 are 792 bytes") as caught:
        cloudio.open(tmp_path, layout=layout)
    assert words in str(caught.value)
    (tmp_path / "B11.dat").unlink()
    np.save(tmp_path / "B11.npy", whole)
    with pytest.raises(
        LayoutError, match=r"has shape \(4, 20, 24\); X needs \(patches, 9, 11\)"
    ) as caught:
        cloudio.open(tmp_path, layout=layout)
    assert words in str(caught.value)


def test_fewer_pixels_where_the_layout_has_no_repeat(tmp_path):
    layout = Layout("X", (20, 24), Window(1, 2, 17, 21), (Band("B11"),))
    np.save(tmp_path / "B11.npy", np.zeros((4, 9, 11), "i2"))
    words = "If each pixel covers 2 x 2 of a patch, write repeat = 2"
    with pytest.raises(LayoutError, match=words):
        cloudio.open(tmp_path, layout=layout)


@pytest.mark.parametrize(
    ("suffix", "keys", "size", "words"),
    [
        (".dat", {}, (10, 12), "If each pixel covers 2 x 2 of a patch, write repeat = 2"),
        (".npy", {"repeat": 6}, (10, 12), "covers 2 x 2 of a patch, write repeat = 2"),
        (".dat", {"repeat": 6}, (11, 13), "covers 2 x 2 of a patch, write repeat = 2"),
        (".dat", {"repeat": 2}, (10, 12), "10 x 12 is the size for phase = 0 in a .npy file"),
        (
            ".npy",
            {"repeat": 2, "phase": "p.npy"},
            (10, 12),
            "for each patch, has 11 x 13 for repeat = 2",
        ),
        (".npy", {"repeat": (1, 2)}, (20, 24), "but the layout says repeat = [1, 2]: leave repeat"),
        (".dat", {"repeat": 2}, (9, 7), "4 patches of 11 x 13 are 1,144 bytes (int16) or 2,288 (f"),
    ],
)
def test_the_size_of_a_file_says_which_repeat_it_may_have(tmp_path, suffix, keys, size, words):
    layout = Layout("X", (20, 24), Window(0, 0, 20, 24), (Band("B2"), Band("B11", **keys)))
    np.save(tmp_path / "B2.npy", np.zeros((4, 20, 24), "i2"))
    write_array(tmp_path / f"B11{suffix}", np.zeros((4, *size), "i2"))
    with pytest.raises(LayoutError) as caught:
        cloudio.open(tmp_path, layout=layout)
    assert words in str(caught.value)
    assert ("repeat" in str(caught.value)) == (size != (9, 7))


def test_files_that_end_early(tmp_path):
    layout = one_band(tmp_path, GOOD, WHOLE)
    ds = cloudio.open(tmp_path, layout=layout)
    (split,) = ds.stored_splits
    array = split.arrays["B11"]
    for name, k in (("B11_whole.npy", 1), ("B11.dat", 3)):
        with open(tmp_path / name, "r+b") as file:
            file.truncate((tmp_path / name).stat().st_size - 40)
        with pytest.raises(TruncatedError) as caught:
            array.read_window(2 if name == "B11_whole.npy" else 3, Window(0, 0, 20, 24))
        assert (caught.value.path, caught.value.patch) == (tmp_path / name, k)
    one_band(tmp_path, GOOD, WHOLE)
    with open(tmp_path / "B11_phases.npy", "r+b") as file:
        file.truncate(130)
    for read in (lambda: array.read_window(0, VALID), lambda: ds.reader("B11", size=4)):
        with pytest.raises(TruncatedError, match=r"phases\.npy holds 130 bytes; it held 160 when"):
            read()
    np.save(tmp_path / "B11_phases.npy", np.vstack([GOOD, GOOD]))
    for read in (lambda: array.read_window(0, VALID), lambda: ds.reader("B11", size=4)):
        with pytest.raises(
            LayoutError, match=r"phases\.npy now holds 192 bytes; it held 160 before"
        ):
            read()


# ---- what is opened ------------------------------------------------------------------------------


def test_files_are_opened_once_and_closed_together(tmp_path):
    layout = one_band(tmp_path, GOOD, WHOLE)
    ds = cloudio.open(tmp_path, layout=layout)
    (one,), (other,) = ds.open_arrays("B11"), ds.open_arrays("B11")
    assert one is other
    assert one.exceptions.file.path.name == "B11_whole.npy"
    (third,) = ds.open_arrays("B11", "pread")
    assert third.file is not one.file
    assert third.exceptions.file is not one.exceptions.file
    assert third.places is one.places  # read once
    ds.close()
    with pytest.raises(RequestError, match="closed"):
        ds.open_arrays("B11")
    for array in (one, one.exceptions, third, third.exceptions):
        with pytest.raises(ValueError, match="closed"):
            array.file.duplicate()


def test_native_data_sets_pickle_by_their_path(tmp_path):
    roots = write_roots(tmp_path, {"train": 2}, toml=False)
    (roots.native / "cloudio.toml").write_text(layout_text(native_layout({}), KEYS))
    ds = cloudio.open(roots.native)
    again = pickle.loads(pickle.dumps(ds))
    assert again.layout == ds.layout
    for one, two in zip(ds.stored_splits, again.stored_splits, strict=True):
        assert one.arrays == two.arrays
