"""Made-up data sets: that they look like the release, stay the same, and never come out in half."""

import csv
import errno
import hashlib
import os
import shutil
import stat
import warnings
from collections import namedtuple
from datetime import date

import numpy as np
import pytest

import cloudio
from cloudio import CLOUDSEN12, RequestError
from cloudio.synth import writer as synth
from cloudio.synth.writer import synthesize

NAMES = [band.name for band in CLOUDSEN12.bands]
LABELS = [band.name for band in CLOUDSEN12.bands if band.kind == "label"]
VALID = (slice(None), slice(1, 510), slice(1, 510))

COLUMNS = [
    "index", "annotator_name", "roi_id", "s2_id_gee", "s2_id", "s2_date", "s2_sen2cor_version",
    "s2_fmask_version", "s2_cloudless_version", "s2_reflectance_conversion_correction",
    "s2_aot_retrieval_accuracy", "s2_water_vapour_retrieval_accuracy", "s2_view_off_nadir",
    "s2_view_sun_azimuth", "s2_view_sun_elevation", "s1_id", "s1_date",
    "s1_grd_post_processing_software_name", "s1_grd_post_processing_software_version",
    "s1_slc_processing_facility_name", "s1_slc_processing_software_version", "s1_radar_coverage",
    "land_cover", "label_type", "cloud_coverage", "test", "difficulty", "proj_epsg",
    "proj_geometry", "proj_shape", "proj_centroid", "proj_transform", "test_sr",
]  # fmt: skip

# What an array may hold, and must hold somewhere in seven patches.
CODES = {
    "manual_hq": range(4),
    "manual_sc": (*range(7), 99),
    "fmask": (*range(5), 255),
    "qa60": (0,),
    "sen2cor": range(12),
    "kappamask_L1C": range(6),
    "kappamask_L2A": range(6),
    "s2cloudless": range(101),
    "cd_fcnn_rgbi": range(101),
    "cd_fcnn_rgbi_swir": range(101),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All 49 arrays of four patches and one."""
    path = tmp_path_factory.mktemp("whole") / "made"
    synthesize(path, {"train": 4, "val": 1})
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """The labels of seven patches of each of two splits: two places each."""
    path = tmp_path_factory.mktemp("labels") / "made"
    synthesize(path, {"train": 7, "test": 7}, arrays=LABELS)
    yield path
    shutil.rmtree(path)


def pixels(path, split, name):
    """An array of a split as the release's users open it."""
    dtype = CLOUDSEN12.band(name).dtype
    return np.fromfile(path / split / f"{name}.dat", dtype).reshape(-1, 512, 512)


def real(path, name, split="train"):
    return pixels(path, split, name)[VALID]


def rows(path, split):
    with open(path / split / "metadata.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(path):
    """Every file below a folder, and its bytes."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


# ---- the form ------------------------------------------------------------------------------------


def test_it_opens_without_a_warning_and_with_its_splits(whole):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = cloudio.open(whole)
    assert dict(ds.splits) == {"train": range(4), "val": range(4, 5)}
    assert list(ds.names) == NAMES
    assert ds.warnings == ()
    assert len(ds.metadata["roi_id"]) == 5


def test_each_split_has_the_49_files_of_the_release_and_their_sizes(whole):
    assert sorted(entry.name for entry in whole.iterdir()) == ["train", "val"]
    for split, n_patches in (("train", 4), ("val", 1)):
        sizes = {entry.name: entry.stat().st_size for entry in (whole / split).iterdir()}
        del sizes["metadata.csv"]
        assert len(sizes) == 49
        assert sum(sizes.values()) == n_patches * 94 * 512 * 512
        assert sizes["L1C_B8A.dat"] == sizes["L2A_TCI_R.dat"] == n_patches * 2 * 512 * 512
        assert sizes["S1_angle.dat"] == n_patches * 4 * 512 * 512
        assert sizes["LABEL_kappamask_L1C.dat"] == n_patches * 512 * 512


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_is_zero_and_nothing_else_is_cut_off(whole, name):
    patches = pixels(whole, "train", name)
    frame = np.ones((512, 512), bool)
    frame[1:510, 1:510] = False
    assert not patches[:, frame].any()
    if name.startswith(("L2A_B", "S1_", "EXTRA_lc")):
        assert (patches[:, ~frame] != 0).all()


# ---- the numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("L1C_", "L2A_B"))])
def test_reflectances_are_what_such_clouds_would_have(whole, name):
    values = real(whole, name)
    least = 0 if name == "L1C_B10" else 1
    assert least <= values.min() < values.mean() < values.max() < 14_000
    if name.removeprefix("L1C_").removeprefix("L2A_") in ("B2", "B3", "B4", "B8", "B8A"):
        assert values.max() > 10_000


def test_some_numbers_are_near_13000(whole):
    assert real(whole, "L1C_B8A").max() > 12_500


def test_zero_is_a_number_of_the_cirrus_band(whole):
    cirrus = real(whole, "L1C_B10")
    assert 0.01 < (cirrus == 0).mean() < 0.9
    classes = real(whole, "LABEL_manual_hq")
    assert cirrus[classes == 2].mean() > 20 * cirrus[classes == 0].mean()


@pytest.mark.parametrize("band", [name[4:] for name in NAMES if name.startswith("L2A_B")])
def test_the_surface_is_darker_than_what_the_satellite_sees(whole, band):
    above, below = real(whole, f"L1C_{band}"), real(whole, f"L2A_{band}")
    assert (below <= above).all()
    assert below.mean() < above.mean()


def test_surface_reflectance_goes_down_to_1(whole):
    assert real(whole, "L2A_B1").min() == 1


def test_clouds_are_bright_and_shadows_dark(whole):
    classes, infrared = real(whole, "LABEL_manual_hq"), real(whole, "L1C_B8")
    clear, thick, thin, shadow = (np.median(infrared[classes == k]) for k in range(4))
    assert shadow < clear < thin < thick


def test_other_bands_of_sentinel_2_are_plausible(whole):
    for name, low, high in (
        ("AOT", 20, 500),
        ("WVP", 10, 5000),
        *((f"TCI_{c}", 0, 255) for c in "RGB"),
    ):
        values = real(whole, f"L2A_{name}")
        assert low <= values.min() < values.max() <= high
    assert real(whole, "L2A_TCI_R").max() == 255


def test_radar_is_in_decibels_and_has_gaps(whole):
    for name, low, high in (("S1_VV", -13.5, -10.5), ("S1_VH", -21, -17)):
        values = real(whole, name)
        missing = (values == -99).mean(axis=(1, 2))
        assert list(missing > 0) == [False, True, False, False]
        assert missing.max() <= 0.5
        assert low < np.median(values[values != -99]) < high
    angle = real(whole, "S1_angle")
    assert 30 <= angle.min() < angle.max() <= 45
    assert (np.diff(angle, axis=2) > 0).all()


def test_radar_coverage_is_the_share_without_a_gap(whole):
    seen = (real(whole, "S1_VV") != -99).mean(axis=(1, 2))
    told = [float(row["s1_radar_coverage"]) for row in rows(whole, "train")]
    assert np.allclose(seen, told, atol=1e-6)


def test_other_arrays_are_plausible_and_one_has_no_data_in_it(whole):
    assert set(np.unique(real(whole, "EXTRA_lc10"))) <= {10, 30, 40, 60, 70, 80}
    assert set(np.unique(real(whole, "EXTRA_lc100"))) <= {30, 40, 60, 70, 80, 126}
    frequency = real(whole, "EXTRA_ocurrence")
    assert (frequency == -99).any()
    assert set(np.unique(frequency)) <= {-99, *range(1, 101)}
    assert np.abs(real(whole, "EXTRA_CDI").astype(int)).max() <= 20_000
    assert real(whole, "EXTRA_Shwdirection").min() > 27_000
    assert real(whole, "EXTRA_elevation").min() > -500


def test_the_dates_of_a_place_show_the_same_ground(whole):
    heights = pixels(whole, "train", "EXTRA_elevation")
    assert (heights == heights[0]).all()
    assert (pixels(whole, "val", "EXTRA_elevation") != heights[0]).any()
    clouds = pixels(whole, "train", "LABEL_manual_hq")
    assert (clouds[0] != clouds[1]).any()


# ---- the labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "codes"), CODES.items())
def test_every_code_of_a_label_occurs_and_no_other(labels, label, codes):
    assert set(np.unique(real(labels, f"LABEL_{label}"))) == set(codes)


def test_three_percent_are_scribbled_on(labels):
    assert 0.02 < (real(labels, "LABEL_manual_sc") != 99).mean() < 0.04


def test_scribbles_agree_with_the_manual_classes(labels):
    scribbles = real(labels, "LABEL_manual_sc")
    on = scribbles != 99
    classes = np.array([0, 1, 1, 2, 2, 3, 3])[scribbles[on]]
    assert (classes == real(labels, "LABEL_manual_hq")[on]).all()


@pytest.mark.parametrize("label", [name for name in CODES if name not in ("manual_hq", "qa60")])
def test_detectors_agree_with_people_mostly_but_not_always(labels, label):
    manual = real(labels, "LABEL_manual_hq")
    table = CLOUDSEN12.label_maps[f"LABEL_{label}"]["card"].table(
        np.dtype("uint8"), np.dtype("uint8"), 255, label
    )
    found = table[real(labels, f"LABEL_{label}")]
    known = found != 255
    if table.max(initial=0, where=table != 255) == 1:  # only tells cloud from none
        manual = np.isin(manual, (1, 2))
    agreement = (found == manual)[known].mean()
    assert 0.8 < agreement < (1.01 if label == "manual_sc" else 0.99)


# ---- always the same -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    asked = {"patches": {"train": 2, "val": 1}, "arrays": ["L1C_B10", "S1_VV", "LABEL_manual_sc"]}
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        synthesize(tmp_path / name, **asked, seed=seed)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[file] != other[file] for file in one)


@pytest.mark.parametrize("name", NAMES)
def test_a_patch_does_not_depend_on_what_else_is_written(whole, tmp_path, name):
    synthesize(tmp_path / "alone", {"val": 1, "train": 2}, arrays=[name])
    for split, n_patches in (("train", 2), ("val", 1)):
        alone = pixels(tmp_path / "alone", split, name)
        assert np.array_equal(alone, pixels(whole, split, name)[:n_patches])
    shutil.rmtree(tmp_path / "alone")


def test_splits_show_different_scenes(whole):
    for name in ("L1C_B4", "S1_VV", "LABEL_manual_hq"):
        assert (pixels(whole, "train", name)[0] != pixels(whole, "val", name)[0]).any()


# Made by this code.  They change only with what a patch shows, never with platform or numpy.
GOLDEN = {
    "L1C_B4": "e4bf6309588def84b0b873449a4ce166f836fa68696a5632e21ce01c913ac2db",
    "S1_VV": "74aa0179a17019a49e444b67fc0281d63764f6fe5f83e2285058ee66d4ee3f93",
    "LABEL_manual_hq": "105c41f852ac0136d5ba8438562a71de63f9783db0f93cb6835f87302587f7e5",
}


def test_the_bytes_are_those_of_every_platform(tmp_path):
    synthesize(tmp_path / "made", {"train": 1}, arrays=list(GOLDEN))
    sums = {
        name: hashlib.sha256((tmp_path / "made" / "train" / f"{name}.dat").read_bytes()).hexdigest()
        for name in GOLDEN
    }
    assert sums == GOLDEN


def test_arrays_says_which_files_are_written(tmp_path):
    synthesize(tmp_path / "made", {"few": 1}, arrays=["LABEL_fmask", "L1C_B1"])
    assert sorted(contents(tmp_path / "made")) == [
        "few/L1C_B1.dat",
        "few/LABEL_fmask.dat",
        "few/metadata.csv",
    ]


# ---- metadata.csv --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """metadata.csv of splits of several places each."""
    path = tmp_path_factory.mktemp("tables") / "made"
    synthesize(path, {"train": 23, "val": 6, "test": 11}, arrays=["LABEL_qa60"])
    return {split: rows(path, split) for split in ("train", "val", "test")}


def test_it_has_the_columns_of_the_release_in_their_order(tables):
    assert len(COLUMNS) == 33
    assert all(list(table[0]) == COLUMNS for table in tables.values())


def test_index_is_unique_and_not_the_row(tables):
    index = [int(row["index"]) for table in tables.values() for row in table]
    assert len(set(index)) == len(index) == 40
    for table in tables.values():
        numbers = [int(row["index"]) for row in table]
        assert all(k != number for k, number in enumerate(numbers))
        assert numbers != sorted(numbers)


def test_a_place_is_seen_on_five_dates_and_a_scene_in_two_places(tables):
    table = tables["train"]
    places = [row["roi_id"] for row in table]
    assert [places.count(place) for place in dict.fromkeys(places)] == [5, 5, 5, 5, 3]
    for place in places:
        dates = [row["s2_date"] for row in table if row["roi_id"] == place]
        assert len(set(dates)) == len(dates)
    shared = {row["s2_id"]: set() for row in table}
    for row in table:
        shared[row["s2_id"]].add(row["roi_id"])
    assert sorted(map(len, shared.values())) == [1] * 19 + [2] * 2


@pytest.mark.parametrize("column", ["roi_id", "s2_id", "s2_id_gee", "s1_id"])
def test_no_place_and_no_scene_is_in_two_splits(tables, column):
    seen = {split: {row[column] for row in table} for split, table in tables.items()}
    assert len(set.union(*seen.values())) == sum(map(len, seen.values()))


def test_what_a_scene_says_is_the_same_in_both_places(tables):
    first, second = tables["train"][0], tables["train"][5]
    assert first["roi_id"] != second["roi_id"]
    assert first["proj_geometry"] != second["proj_geometry"]
    for column in COLUMNS[3:15]:
        assert first[column] == second[column]


def test_fields_with_commas_are_quoted(whole):
    text = (whole / "train" / "metadata.csv").read_text(encoding="utf-8")
    assert text.count('"POLYGON ((') == text.count('"[10, 0, ') == 4
    assert "\r" not in text


def test_difficulty_is_sometimes_empty(tables):
    given = {row["difficulty"] for row in tables["train"]}
    assert "" in given
    assert given - {""} <= set("12345")


def test_dates_and_numbers_are_plausible(tables):
    for split, table in tables.items():
        for row in table:
            assert 2018 <= date.fromisoformat(row["s2_date"]).year <= 2020
            assert 2018 <= date.fromisoformat(row["s1_date"]).year <= 2020
            assert row["s2_id"][11:19] == row["s2_date"].replace("-", "")
            assert 32601 <= int(row["proj_epsg"]) <= 32760
            assert 20 < float(row["s2_view_sun_elevation"]) < 75
            assert row["proj_shape"] == "509"
            assert int(row["test"]) == (split == "test")
    skies = [row["cloud_coverage"] for row in tables["train"][:5]]
    assert len(set(skies)) == 5


def test_cloud_coverage_is_what_the_labels_show(labels):
    clouds = np.isin(real(labels, "LABEL_manual_hq"), (1, 2)).mean(axis=(1, 2))
    told = [row["cloud_coverage"] for row in rows(labels, "train")]
    assert max(clouds[k] for k in range(7) if told[k] == "cloud-free") == 0
    assert clouds[told.index("cloudy")] == clouds.max()


# ---- all or nothing ------------------------------------------------------------------------------


def made(path, **asked):
    return synthesize(path, **{"patches": {"train": 2}, "arrays": ["LABEL_qa60"], **asked})


@pytest.mark.parametrize("what", ["file", "folder", "empty", "dangling"])
def test_what_is_there_is_refused_and_left_as_it_is(tmp_path, what):
    path = tmp_path / "taken"
    if what == "file":
        path.write_text("mine")
    elif what == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
    if what == "folder":
        (path / "file").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="taken is there already"):
        made(path)
    assert contents(tmp_path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
    assert path.is_symlink() == (what == "dangling")


def test_what_appears_meanwhile_is_left_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "made"
    monkeypatch.setattr(synth, "_write_split", lambda *_: path.mkdir())
    with pytest.raises(FileExistsError, match="made is there already"):
        made(path)
    assert [*tmp_path.iterdir()] == [path]
    assert not [*path.iterdir()]


def test_a_missing_parent_is_named_and_not_made(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere to make made in"):
        made(tmp_path / "nowhere" / "made")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError, "bytes are needed; the disk"),
        (OSError(errno.EIO, "Input/output error"), OSError, "Input/output error"),
        (KeyboardInterrupt("stopped"), KeyboardInterrupt, "stopped"),
    ],
)
def test_an_error_midway_leaves_nothing_behind(tmp_path, monkeypatch, error, raised, message):
    draw, left = synth.draw, [3]

    def fail_at_last(*arguments):
        left[0] -= 1
        if left[0] == 0:
            (partial,) = tmp_path.iterdir()
            assert partial.name.startswith(".made.partial-")
            raise error
        draw(*arguments)

    monkeypatch.setattr(synth, "draw", fail_at_last)
    with pytest.raises(raised, match=message) as caught:
        made(tmp_path / "made", arrays=["LABEL_fmask", "LABEL_qa60"])
    assert left == [0]
    assert not [*tmp_path.iterdir()]
    if raised is OSError:
        assert caught.value.errno == error.errno


def test_too_little_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 54_321, 54_321)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(synth, "new_folder", None)
    with pytest.raises(
        OSError, match=r"526,336 bytes are needed; 54,321 are free: .*made"
    ) as caught:
        made(tmp_path / "made")
    assert caught.value.errno == errno.ENOSPC
    assert not [*tmp_path.iterdir()]


def test_rows_of_metadata_fit_in_the_room_asked_for(whole):
    lines = (whole / "train" / "metadata.csv").read_bytes().splitlines()
    assert max(map(len, lines)) < synth._ROW_BYTES


def test_folders_have_the_rights_of_any_new_folder(tmp_path):
    made(tmp_path / "made")
    (tmp_path / "any").mkdir()
    rights = stat.S_IMODE((tmp_path / "any").stat().st_mode)
    for folder in (tmp_path / "made", tmp_path / "made" / "train"):
        assert stat.S_IMODE(folder.stat().st_mode) == rights
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["any", "made"]


def test_a_path_may_be_text_and_end_with_a_slash(tmp_path):
    made(f"{tmp_path}{os.sep}made{os.sep}")
    assert len(cloudio.open(tmp_path / "made")) == 2


def test_progress_is_shown_only_where_asked_for(tmp_path, capsys):
    made(tmp_path / "silent")
    assert capsys.readouterr() == ("", "")
    made(tmp_path / "shown", progress=True)
    assert "524k/524k" in capsys.readouterr().err


# ---- what is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"patches": {}}, r"patches=\{\}; a number for each split is needed"),
        ({"patches": [("train", 1)]}, "a number for each split"),
        ({"patches": {"train": 0}}, r"patches\['train'\]=0; a whole number from 1 on is needed"),
        ({"patches": {"train": -3}}, "=-3; a whole number from 1"),
        ({"patches": {"train": True}}, "=True; a whole number from 1"),
        ({"patches": {"train": 2.0}}, "=2.0; a whole number from 1"),
        ({"patches": {"../x": 1}}, "no split can be called '../x'; the name of a folder is needed"),
        ({"patches": {"": 1}}, "no split can be called ''"),
        ({"patches": {5: 1}}, "no split can be called 5"),
        ({"patches": {".x": 1}}, "no split can be called '.x'"),
        (
            {"patches": {"train": 1, "high_train": 1}},
            "'high_train' and 'train' name the same split",
        ),
        ({"seed": -1}, "seed=-1; a whole number from 0 on is needed"),
        ({"seed": True}, "seed=True"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": None}, "seed=None"),
        ({"arrays": ["L1C_B1", "B04"]}, "no array 'B04'; CloudSEN12 has L1C_B1, L1C_B2"),
        ({"arrays": "L1C_B4"}, "arrays='L1C_B4'; a sequence of names is needed"),
        ({"arrays": []}, r"arrays=\[\]; a sequence of names is needed"),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_written(tmp_path, asked, message):
    with pytest.raises(RequestError, match=message):
        made(tmp_path / "made", **asked)
    assert not [*tmp_path.iterdir()]


def test_numpy_numbers_are_whole_numbers_too(tmp_path):
    made(tmp_path / "numpy", patches={"a": np.int16(1)}, seed=np.uint64(9))
    made(tmp_path / "python", patches={"a": 1}, seed=9)
    assert contents(tmp_path / "numpy") == contents(tmp_path / "python")


def test_the_default_cannot_be_changed():
    with pytest.raises(TypeError):
        synthesize.__defaults__[0]["train"] = 1
    assert dict(synthesize.__defaults__[0]) == {"train": 8, "val": 2, "test": 2}
