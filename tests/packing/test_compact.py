"""`compact`: what is read of the new data set equals what is read of the old one, bit for bit."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import builders
import native
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from native import FULL
from profiles import scaled
from repeated_patches import REPEATS, patches, same_bits

import cloudio
from cloudio import Band, Window
from cloudio.layouts.toml_writer import to_toml
from cloudio.packing.compacting.worker import shrink_exactly
from cloudio.verification.repetition.phases import find_phases

PATCHES = {"train": 7, "val": 2}
VALID = np.s_[..., 1:36, 2:43]


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def pixels_of(folder, split, layout):
    """Every array of a split as numpy reads it: native ones are expanded by the tests' oracle."""
    found = {}
    for band in layout.bands:
        path = folder / split / f"{band.name}.dat"
        if not path.exists():
            continue
        size = layout.stored_size(band)
        stored = np.fromfile(path, f"<{np.dtype(band.dtype).str[1:]}").reshape(-1, *size)
        if band.repeat == 1:
            found[band.name] = stored
            continue
        phase, exceptions = band.phase, None
        if isinstance(phase, str):
            phase = np.load(folder / split / phase.replace("{name}", band.name))
            assert phase.dtype == np.int32
            at = folder / split / "exceptions" / f"{band.name}.npy"
            exceptions = np.load(at) if at.exists() else None
            assert (exceptions is not None) == (phase == -1).any()
        found[band.name] = native.expand(
            stored, band.repeat, phase, layout.patch, layout.valid, exceptions
        )
    return found


def by_name(result):
    return {array.name: array for array in result.arrays}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compact")
    return native.write_roots(folder, PATCHES, toml=True)


@pytest.fixture(scope="module")
def done(roots, tmp_path_factory):
    dest = tmp_path_factory.mktemp("done") / "set"
    return cloudio.compact(roots.full, dest, exceptions=0.45, labels=True, workers=3)


def test_every_pixel_of_the_valid_window_is_as_before(roots, done):
    layout = cloudio.Layout.from_toml(done.path / "cloudio.toml")
    for split, rows in (("train", slice(0, 7)), ("val", slice(7, 9))):
        found = pixels_of(done.path, split, layout)
        assert list(found) == [band.name for band in FULL.bands]
        for name, pixels in found.items():
            wanted = roots.arrays[name][rows]
            if layout.band(name).repeat != 1:
                assert wanted[VALID].tobytes() == pixels[VALID].tobytes(), name
                pixels[VALID] = 0
                assert not pixels.any()
            else:
                assert wanted.tobytes() == pixels.tobytes(), name


def test_repeats_and_exceptions_are_those_that_the_data_were_made_with(roots, done):
    for name, array in by_name(done).items():
        keys = native.KEYS.get(name, {"repeat": 1})
        repeat = keys["repeat"]
        # 3 x 2 and 1 x 2 are not tried.
        assert array.repeat == (repeat if isinstance(repeat, int) else 1), name
        if array.repeat == 1:
            continue
        for split in PATCHES:
            phase = native.phase_rows(roots.stored[split, name].phase, PATCHES[split])
            missing = np.flatnonzero(phase[:, 0] == -1)
            assert array.exceptions.get(split, ()) == tuple(missing)
        assert array.n_bytes < array.bytes_before
    layout = cloudio.Layout.from_toml(done.path / "cloudio.toml")
    assert layout.band("L1C_B8A").phase == (1, 2)
    assert layout.band("EXTRA_count").phase == 1
    assert not (done.path / "train/phases/L2A_AOT.npy").exists()


def test_what_else_the_layout_says_is_as_before(roots, done):
    layout = cloudio.Layout.from_toml(done.path / "cloudio.toml")
    plain = [dataclasses.replace(band, repeat=1, phase=0, exceptions=None) for band in layout.bands]
    before = cloudio.open(roots.full).layout
    assert dataclasses.replace(layout, bands=tuple(plain)) == before
    for split in PATCHES:
        csv = f"{split}/metadata.csv"
        assert (done.path / csv).read_bytes() == (roots.full / csv).read_bytes()


def test_the_bytes_that_are_told_are_those_on_the_disk(done):
    pixels = [n for n in contents(done.path) if n.endswith(".dat") or "exceptions/" in n]
    headers = 128 * sum("exceptions/" in name for name in pixels)
    assert sum(len(contents(done.path)[n]) for n in pixels) == done.n_bytes + headers
    entries = json.loads(done.json())
    assert entries["bytes"] == sum(each["bytes"] for each in entries["arrays"]) == done.n_bytes
    assert entries["bytes_before"] == done.bytes_before


def test_labels_stay_as_they_are_unless_asked_for(roots, tmp_path):
    result = cloudio.compact(roots.full, tmp_path / "set", exceptions=0.45)
    array = by_name(result)["LABEL_hq"]
    assert (array.repeat, array.why) == (1, "labels stay as they are")
    was = (roots.full / "train/LABEL_hq.dat").read_bytes()
    assert (tmp_path / "set/train/LABEL_hq.dat").read_bytes() == was


def test_threads_and_processes_of_any_number_write_the_same(roots, done, tmp_path):
    cloudio.compact(roots.full, tmp_path / "set", exceptions=0.45, labels=True, workers=1)
    assert contents(tmp_path / "set") == contents(done.path)


# Two rows that no strip shows: by the strips the patch is a repetition of 3 x 3 too.
BETWEEN_STRIPS = np.zeros((120, 40), np.int16)
BETWEEN_STRIPS[20:22] = 1


@given(patches(), st.sampled_from(range(len(REPEATS))))
@settings(max_examples=scaled(60, 200))
@example(BETWEEN_STRIPS, REPEATS.index((2, 2)))
def test_what_is_stored_can_be_read_back_and_nothing_else_is_stored(pixels, chosen):
    stored, phases = shrink_exactly(pixels, REPEATS, chosen)
    wanted = find_phases(pixels, REPEATS)
    assert [phase is not None for phase in phases] == [phase is not None for phase in wanted]
    assert phases[chosen] == wanted[chosen]
    assert (stored is None) == (wanted[chosen] is None)
    if stored is not None:
        read = native.expand(stored[None], REPEATS[chosen], phases[chosen], pixels.shape)[0]
        assert same_bits(read, pixels)


@pytest.mark.parametrize("refuses", [False, True])
def test_systems_that_can_less_write_the_same(roots, done, tmp_path, monkeypatch, refuses):
    if refuses and hasattr(os, "copy_file_range"):  # as between two file systems

        def refuse(*args):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "copy_file_range", refuse)
    names = ["preadv", "posix_fadvise", "posix_fallocate", "fdatasync"]
    for name in names if refuses else [*names, "copy_file_range", "pread", "pwrite"]:
        monkeypatch.delattr(os, name, raising=False)
    cloudio.compact(roots.full, tmp_path / "set", exceptions=0.45, labels=True, workers=3)
    assert contents(tmp_path / "set") == contents(done.path)


def test_a_bar_shows_progress_only_where_asked_for(roots, tmp_path, capsys):
    cloudio.compact(roots.full, tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    cloudio.compact(roots.full, tmp_path / "shown", progress=True)
    assert "compact: " in capsys.readouterr().err


# ---- one patch that is none, and bands with too many ---------------------------------------------


def write_band(folder, n=25, *, exceptions=(), repeat=2, dtype="int16", splits=("train",)):
    layout = cloudio.Layout("One", (40, 48), Window(1, 2, 35, 41), (Band("B11", dtype=dtype),))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cloudio.toml").write_text(to_toml(layout))
    for split in splits:
        stored = builders.pixels(split, (n, *native.stored_size((35, 41), repeat)), dtype)
        full = native.expand(stored, repeat, (1, 0), layout.patch, layout.valid)
        for k in exceptions:
            full[k, 17, 20] += 1
        (folder / split).mkdir()
        full.tofile(folder / split / "B11.dat")
        builders.write_metadata(folder / split / "metadata.csv", n)
    return layout


def test_one_patch_that_is_no_repetition_is_named_and_kept_whole(tmp_path):
    write_band(tmp_path / "data", exceptions=[13])
    result = cloudio.compact(tmp_path / "data", tmp_path / "set")
    (array,) = result.arrays
    assert (array.repeat, array.exceptions, array.phase) == (2, {"train": (13,)}, None)
    assert "no repetition, kept whole: train 13 of B11" in str(result)
    whole = np.load(tmp_path / "set/train/exceptions/B11.npy")
    was = np.fromfile(tmp_path / "data/train/B11.dat", "<i2").reshape(25, 40, 48)
    assert whole.shape == (1, 40, 48)
    assert (whole[0][VALID] == was[13][VALID]).all()
    phases = np.load(tmp_path / "set/train/phases/B11.npy")
    assert phases[13].tolist() == [-1, 0]
    assert set(map(tuple, np.delete(phases, 13, 0).tolist())) == {(1, 0)}


def test_more_than_a_twentieth_of_exceptions_leave_a_band_as_it_is(tmp_path):
    write_band(tmp_path / "data", exceptions=[3, 13])
    result = cloudio.compact(tmp_path / "data", tmp_path / "set")
    (array,) = result.arrays
    assert array.repeat == 1
    assert array.why == ("8.00% of its patches are no repetition; exceptions=0.05 allows fewer")
    was = (tmp_path / "data/train/B11.dat").read_bytes()
    assert contents(tmp_path / "set")["train/B11.dat"] == was
    again = cloudio.compact(tmp_path / "data", tmp_path / "more", exceptions=0.08)
    assert by_name(again)["B11"].exceptions == {"train": (3, 13)}


@pytest.mark.parametrize("hidden", [range(1, 100, 2), range(1, 120, 8)])
def test_patches_that_the_sample_did_not_show_decide_in_the_end(tmp_path, hidden):
    """127 patches: every second one is in the sample, and no odd one."""
    write_band(tmp_path / "data", 127, repeat=6, exceptions=[k for k in hidden if k % 2])
    result = cloudio.compact(tmp_path / "data", tmp_path / "set")
    (array,) = result.arrays
    assert array.repeat == 1
    assert "of its patches are no repetition" in array.why
    data = contents(tmp_path / "set")
    assert data["train/B11.dat"] == (tmp_path / "data/train/B11.dat").read_bytes()
    assert sorted(data) == ["cloudio.toml", "train/B11.dat", "train/metadata.csv"]


def test_a_smaller_repeat_is_taken_where_the_larger_one_has_too_many_exceptions(tmp_path):
    layout = write_band(tmp_path / "data", 127, repeat=6)
    path = tmp_path / "data/train/B11.dat"
    pixels = np.fromfile(path, "<i2").reshape(-1, 40, 48)
    finer = native.expand(
        builders.pixels("finer", (127, *native.stored_size((35, 41), 2)), "int16"),
        2, (1, 0), layout.patch, layout.valid,
    )  # fmt: skip
    pixels[1::2] = finer[1::2]
    pixels.tofile(path)
    (array,) = cloudio.compact(tmp_path / "data", tmp_path / "set").arrays
    assert (array.repeat, array.exceptions, array.phase) == (2, {}, (1, 0))
    found = pixels_of(
        tmp_path / "set", "train", cloudio.Layout.from_toml(tmp_path / "set/cloudio.toml")
    )
    assert (found["B11"][VALID] == pixels[VALID]).all()


def test_a_sample_with_a_few_too_many_exceptions_does_not_decide(tmp_path):
    """Five of 127 patches are few enough, but all of them are in the sample of 64."""
    write_band(tmp_path / "data", 127, exceptions=[0, 20, 40, 60, 80])
    (array,) = cloudio.compact(tmp_path / "data", tmp_path / "set").arrays
    assert (array.repeat, array.exceptions) == (2, {"train": (0, 20, 40, 60, 80)})


def test_a_band_that_would_become_larger_stays_as_it_is(tmp_path):
    write_band(tmp_path / "data", 10, exceptions=range(9))
    (array,) = cloudio.compact(tmp_path / "data", tmp_path / "set", exceptions=1).arrays
    assert (array.repeat, array.why) == (1, "nothing would be saved")


def test_a_share_of_all_patches_of_all_splits_counts(tmp_path):
    write_band(tmp_path / "data", 10, exceptions=[4], splits=("train", "val"))
    (array,) = cloudio.compact(tmp_path / "data", tmp_path / "set", exceptions=0.1).arrays
    assert array.exceptions == {"train": (4,), "val": (4,)}


# ---- sources of every form -----------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["first", "last"])
@pytest.mark.parametrize("suffix", [".npy", ".dat"])
def test_channels_of_one_file_get_files_of_their_own(tmp_path, axis, suffix):
    valid, n = Window(1, 2, 35, 41), 5
    names = ["B2", "B11", "B9"]
    bands = [
        Band(name, file=f"bands{suffix}", channel=k, channels=3, channel_axis=axis)
        for k, name in enumerate(names)
    ]
    layout = cloudio.Layout("Stack", (40, 48), valid, (*bands, Band("own", file="o*n.npy")))
    arrays = [builders.pixels("B2", (n, 40, 48), "int16")]
    for repeat in (2, 6):
        stored = builders.pixels("x", (n, *native.stored_size(valid.size, repeat)), "int16")
        arrays.append(native.expand(stored, repeat, 1, (40, 48), valid))
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    native.write_array(folder / f"bands{suffix}", np.stack(arrays, 1 if axis == "first" else -1))
    np.save(folder / "own.npy", arrays[0])
    (tmp_path / "data/cloudio.toml").write_text(to_toml(layout))
    result = cloudio.compact(tmp_path / "data", tmp_path / "set")
    assert {a.name: a.repeat for a in result.arrays} == {"B2": 1, "B11": 2, "B9": 6, "own": 1}
    found = pixels_of(
        tmp_path / "set", "train", cloudio.Layout.from_toml(tmp_path / "set/cloudio.toml")
    )
    assert found["B2"].tobytes() == arrays[0].tobytes()
    for name, pixels in zip(names[1:], arrays[1:], strict=True):
        assert (found[name][VALID] == pixels[VALID]).all()
    assert (tmp_path / "set/train/own.npy").read_bytes() == (folder / "own.npy").read_bytes()
    assert cloudio.open(tmp_path / "set").names == ("B2", "B11", "B9", "own")


def test_splits_of_one_folder_get_folders(tmp_path):
    (tmp_path / "data").mkdir()
    layout = dataclasses.replace(FULL, bands=FULL.bands[:2], label_maps={}, presets={}, aliases={})
    (tmp_path / "data/cloudio.toml").write_text(to_toml(layout))
    pixels = {}
    for split, n in PATCHES.items():
        for band in layout.bands:
            pixels[split, band.name] = builders.pixels(split, (n, 40, 48), "int16")
            pixels[split, band.name].tofile(tmp_path / "data" / f"{split}_{band.name}.dat")
        builders.write_metadata(tmp_path / "data" / f"{split}_metadata.csv", n)
    cloudio.compact(tmp_path / "data", tmp_path / "set")
    ds = cloudio.open(tmp_path / "set")
    assert dict(ds.splits) == {"train": range(7), "val": range(7, 9)}
    for (split, name), some in pixels.items():
        assert (ds.split(split)[name] == some).all()


def test_a_data_set_that_is_native_already_is_copied_with_its_tables(roots, tmp_path):
    result = cloudio.compact(roots.native, tmp_path / "set")
    assert {array.why for array in result.arrays if array.name in native.KEYS} == {
        "it is stored so already"
    }
    assert contents(tmp_path / "set").keys() == contents(roots.native).keys()
    ours, theirs = contents(tmp_path / "set"), contents(roots.native)
    del ours["cloudio.toml"], theirs["cloudio.toml"]
    assert ours == theirs


# ---- options and errors --------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_tells_what_would_be_saved(roots, tmp_path):
    result = cloudio.compact(roots.full, tmp_path / "set", dry_run=True, exceptions=0.45)
    assert by_name(result)["L2A_AOT"].repeat == 6
    assert str(result).endswith("the run looks at all of them")
    assert not list(tmp_path.iterdir())
    run = cloudio.compact(roots.full, tmp_path / "set", exceptions=0.45)
    assert any(array.exceptions for array in run.arrays)
    for found, array in zip(result.arrays, run.arrays, strict=True):  # the sample is all patches
        assert found == dataclasses.replace(array, phase=None)
    assert result.n_bytes == run.n_bytes < run.bytes_before


def test_exceptions_of_all_patches_are_told_by_those_that_a_dry_run_sees(tmp_path):
    layout = dataclasses.replace(FULL, bands=FULL.bands[:1], label_maps={}, presets={}, aliases={})
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "data/cloudio.toml").write_text(to_toml(layout))
    stored = builders.pixels("x", (640, *native.stored_size(layout.valid.size, 2)), "int16")
    pixels = native.expand(stored, 2, 1, layout.patch, layout.valid)
    pixels[::7] = builders.pixels("y", layout.patch, "int16")
    name = layout.bands[0].name
    pixels.tofile(tmp_path / f"data/train/{name}.dat")
    result = cloudio.compact(tmp_path / "data", tmp_path / "set", exceptions=0.5, dry_run=True)
    (array,) = result.arrays
    seen = np.unique(np.linspace(0, 639, 64).astype(int))
    assert array.exceptions == {"train": tuple(seen[seen % 7 == 0].tolist())}
    n_whole = round(array.n_exceptions / 64 * 640)
    assert array.n_bytes == stored.nbytes + n_whole * pixels[0].nbytes


def test_repeats_can_be_given_for_all_bands_or_for_some(roots, tmp_path):
    both = cloudio.compact(roots.full, tmp_path / "two", repeat=[(1, 2), 2], exceptions=0.45)
    found = {name: array.repeat for name, array in by_name(both).items() if array.repeat != 1}
    assert found == {
        "L1C_B3": 2, "L1C_B4": 2, "L2A_B4": 2, "L2A_AOT": 2, "S1_VV": (1, 2), "S1_VH": (1, 2),
        "EXTRA_count": 2, "EXTRA_cover": 2,
    }  # fmt: skip
    some = {"VV": (1, 2), "VH": [(3, 2)], "AOT": 1, "B3": 5}
    named = cloudio.compact(roots.full, tmp_path / "some", repeat=some, exceptions=0.45)
    found = {name: array.repeat for name, array in by_name(named).items()}
    assert (found["S1_VV"], found["S1_VH"], found["L2A_B4"]) == ((1, 2), (3, 2), 6)
    assert by_name(named)["L2A_AOT"].why == "no repeat is tried"
    assert by_name(named)["L1C_B3"].why == "its pixels are not repeated"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeat": 0}, "repeat=0; it must be a number such as 2, a list to try such as"),
        ({"repeat": (1, 2, 3)}, r"repeat=\(1, 2, 3\); it must be"),
        ({"repeat": "6"}, "repeat='6'; it must be"),
        ({"repeat": {"B4": 2}}, "'B4' is ambiguous"),
        ({"repeat": {"nothing": 2}}, "there is no array 'nothing'"),
        ({"repeat": {"hq": 2}}, "LABEL_hq cannot have a repeat: labels stay as they are"),
        ({"repeat": list(range(2, 19))}, "repeat has 17 numbers; 16 are the most"),
        ({"exceptions": 5}, "exceptions=5; it must be a share of the patches, from 0 to 1"),
        ({"exceptions": float("nan")}, "exceptions=nan; it must be"),
        ({"workers": 0}, "workers=0; workers must be a whole number, 1 or more"),
        ({"labels": "yes"}, "labels='yes'; labels must be True or False"),
        ({"progress": 3}, "progress=3; it must be True, False or None"),
    ],
)
def test_a_wrong_argument_is_refused(roots, tmp_path, options, message):
    with pytest.raises(cloudio.RequestError, match=message):
        cloudio.compact(roots.full, tmp_path / "set", **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_or_within_the_source_is_refused(roots, tmp_path):
    with pytest.raises(FileExistsError, match="exists already"):
        cloudio.compact(roots.full, tmp_path)
    with pytest.raises(cloudio.RequestError, match="give a folder beside it"):
        cloudio.compact(roots.full, roots.full / "set")
    with pytest.raises(TypeError, match="'force'; remove the folder first: compact replaces"):
        cloudio.compact(roots.full, tmp_path / "set", force=True)


def test_a_file_that_becomes_shorter_is_named_and_nothing_appears(tmp_path):
    write_band(tmp_path / "data", 300)
    path = tmp_path / "data/train/B11.dat"
    source, dest = tmp_path / "data", tmp_path / "set"
    from cloudio.packing.compacting import compact as module

    survey = module.survey_source

    def cut(*args, **options):
        found = survey(*args, **options)
        os.truncate(path, 40 * 48 * 2 * 200 + 5)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "survey_source", cut)
        with pytest.raises(cloudio.TruncatedError, match=r"B11\.dat ends within patch 204"):
            cloudio.compact(source, dest)
    assert not dest.exists()


def test_a_dataset_or_a_split_of_one_is_a_source_but_no_subset(roots, done, tmp_path):
    ds = cloudio.open(roots.full)
    cloudio.compact(ds, tmp_path / "set", exceptions=0.45, labels=True)
    assert contents(tmp_path / "set") == contents(done.path)
    part = cloudio.compact(ds.split("val"), tmp_path / "val", exceptions=0.45)
    assert part.patches == {"val": 2}
    assert ds.reader("L1C_B3").read(0).image.any()  # it is still open
    with pytest.raises(cloudio.RequestError, match="source is a subset, and files"):
        cloudio.compact(ds.subset([0, 1]), tmp_path / "some")
    with pytest.raises(cloudio.RequestError, match="layout= is for a path"):
        cloudio.compact(ds, tmp_path / "some", layout=ds.layout)


@pytest.mark.filterwarnings("ignore:.*warning about its files")
def test_files_of_another_type_than_the_layout_says_keep_theirs(tmp_path):
    layout = write_band(tmp_path / "data", 6, dtype="float32")
    layout = dataclasses.replace(layout, bands=(Band("B11", scale=1e-4),))
    (tmp_path / "data/cloudio.toml").write_text(to_toml(layout))
    cloudio.compact(tmp_path / "data", tmp_path / "set")
    before, after = cloudio.open(tmp_path / "data"), cloudio.open(tmp_path / "set")
    assert (after.band("B11").repeat, after.layout.band("B11").dtype) == (2, "float32")
    assert (after.band("B11").dtype, after.band("B11").scale) == ("float32", None)
    images = [ds.reader("B11", scale=None).read(range(6)).image for ds in (before, after)]
    assert images[0].tobytes() == images[1].tobytes()


def test_an_array_that_the_layout_does_not_know_can_be_compacted(tmp_path):
    write_band(tmp_path / "data", 6, repeat=6)
    data = (tmp_path / "data/train/B11.dat").read_bytes()
    (tmp_path / "data/train/other.dat").write_bytes(data)
    result = cloudio.compact(tmp_path / "data", tmp_path / "set")
    assert {array.name: array.repeat for array in result.arrays} == {"B11": 6, "other": 6}
    before, after = cloudio.open(tmp_path / "data"), cloudio.open(tmp_path / "set")
    assert dataclasses.replace(after.band("other"), repeat=1, phase=0) == before.band("other")
    images = [
        ds.reader(["B11", "other"], scale=None).read(range(6)).image for ds in (before, after)
    ]
    assert (images[0] == images[1]).all()


@pytest.mark.parametrize("n", [1, 2])
def test_a_patch_that_would_be_read_back_otherwise_stops_the_run(tmp_path, monkeypatch, n):
    """A bit of what is stored is flipped, once or each time, as faulty memory would do it."""
    from cloudio.packing.compacting import worker

    write_band(tmp_path / "data", 40)
    right, left = worker.shrink, [n]

    def wrong(*args):
        stored = right(*args)
        if left[0]:
            left[0] -= 1
            stored[3, 4] ^= 1
        return stored

    monkeypatch.setattr(worker, "shrink", wrong)
    if n == 1:  # it is looked at again
        result = cloudio.compact(tmp_path / "data", tmp_path / "set", workers=1)
        assert (result.arrays[0].repeat, result.arrays[0].exceptions) == (2, {})
        return
    with pytest.raises(cloudio.WriteError, match="patch 0 would not be read back as it is in"):
        cloudio.compact(tmp_path / "data", tmp_path / "set", workers=1)
    assert not list(tmp_path.glob("set*"))


# ---- real patches --------------------------------------------------------------------------------


@pytest.mark.skipif("CLOUDIO_REALDATA" not in os.environ, reason="needs CLOUDIO_REALDATA")
def test_real_patches_are_compacted_without_losing_a_bit(tmp_path):
    source = Path(os.environ["CLOUDIO_REALDATA"]) / "cloudsen12-mini"
    plain = cloudio.compact(source, tmp_path / "plain")
    assert {array.repeat for array in plain.arrays} == {1}
    result = cloudio.compact(source, tmp_path / "set", exceptions=0.5)
    repeats = {array.name: array.repeat for array in result.arrays if array.repeat != 1}
    assert repeats == {
        **{f"L1C_B{k}": 6 for k in ("1", "9", "10")},
        **{f"L1C_B{k}": 2 for k in ("5", "6", "7", "8A", "11", "12")},
    }
    for array in result.arrays:
        if array.repeat != 1:
            assert array.exceptions == {"train": (0,), "test": (1,)}
    layout = cloudio.Layout.from_toml(tmp_path / "set" / "cloudio.toml")
    before = cloudio.open(source)
    for split in before.splits:
        ds = before.split(split)
        for name, pixels in pixels_of(tmp_path / "set", split, layout).items():
            window = np.s_[:, 1:510, 1:510] if layout.band(name).repeat != 1 else np.s_[:]
            assert pixels[window].tobytes() == ds[name][window].tobytes(), name
