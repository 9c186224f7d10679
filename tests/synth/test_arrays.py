"""Synthetic arrays: files and numbers that look like the release."""

import warnings

import numpy as np
import pytest
from synthetic import NAMES, metadata_rows, stored_pixels, valid_pixels

import cloudio

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
def test_the_padding_is_zero_and_nothing_else_is_cut_off(whole, name):
    patches = stored_pixels(whole, "train", name)
    padding = np.ones((512, 512), bool)
    padding[1:510, 1:510] = False
    assert not patches[:, padding].any()
    if name.startswith(("L2A_B", "S1_", "EXTRA_lc")):
        assert (patches[:, ~padding] != 0).all()


# ---- the numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("L1C_", "L2A_B"))])
def test_reflectances_are_what_such_clouds_would_have(whole, name):
    values = valid_pixels(whole, name)
    least = 0 if name == "L1C_B10" else 1
    assert least <= values.min() < values.mean() < values.max() < 14_000
    if name.removeprefix("L1C_").removeprefix("L2A_") in ("B2", "B3", "B4", "B8", "B8A"):
        assert values.max() > 10_000


def test_some_numbers_are_near_13000(whole):
    assert valid_pixels(whole, "L1C_B8A").max() > 12_500


def test_zero_is_a_number_of_the_cirrus_band(whole):
    cirrus = valid_pixels(whole, "L1C_B10")
    assert 0.01 < (cirrus == 0).mean() < 0.9
    classes = valid_pixels(whole, "LABEL_manual_hq")
    assert cirrus[classes == 2].mean() > 20 * cirrus[classes == 0].mean()


@pytest.mark.parametrize("band", [name[4:] for name in NAMES if name.startswith("L2A_B")])
def test_the_surface_is_darker_than_what_the_satellite_sees(whole, band):
    above, below = valid_pixels(whole, f"L1C_{band}"), valid_pixels(whole, f"L2A_{band}")
    assert (below <= above).all()
    assert below.mean() < above.mean()


def test_surface_reflectance_goes_down_to_1(whole):
    assert valid_pixels(whole, "L2A_B1").min() == 1


def test_clouds_are_bright_and_shadows_dark(whole):
    classes, infrared = valid_pixels(whole, "LABEL_manual_hq"), valid_pixels(whole, "L1C_B8")
    clear, thick, thin, shadow = (np.median(infrared[classes == k]) for k in range(4))
    assert shadow < clear < thin < thick


def test_other_bands_of_sentinel_2_are_plausible(whole):
    for name, low, high in (
        ("AOT", 20, 500),
        ("WVP", 10, 5000),
        *((f"TCI_{c}", 0, 255) for c in "RGB"),
    ):
        values = valid_pixels(whole, f"L2A_{name}")
        assert low <= values.min() < values.max() <= high
    assert valid_pixels(whole, "L2A_TCI_R").max() == 255


def test_radar_is_in_decibels_and_has_gaps(whole):
    for name, low, high in (("S1_VV", -13.5, -10.5), ("S1_VH", -21, -17)):
        values = valid_pixels(whole, name)
        missing = (values == -99).mean(axis=(1, 2))
        assert list(missing > 0) == [False, True, False, False]
        assert missing.max() <= 0.5
        assert low < np.median(values[values != -99]) < high
    angle = valid_pixels(whole, "S1_angle")
    assert 30 <= angle.min() < angle.max() <= 45
    assert (np.diff(angle, axis=2) > 0).all()


def test_radar_coverage_is_the_share_without_a_gap(whole):
    seen = (valid_pixels(whole, "S1_VV") != -99).mean(axis=(1, 2))
    recorded = [float(row["s1_radar_coverage"]) for row in metadata_rows(whole, "train")]
    assert np.allclose(seen, recorded, atol=1e-6)


def test_other_arrays_are_plausible_and_one_has_no_data_in_it(whole):
    assert set(np.unique(valid_pixels(whole, "EXTRA_lc10"))) <= {10, 30, 40, 60, 70, 80}
    assert set(np.unique(valid_pixels(whole, "EXTRA_lc100"))) <= {30, 40, 60, 70, 80, 126}
    frequency = valid_pixels(whole, "EXTRA_ocurrence")
    assert (frequency == -99).any()
    assert set(np.unique(frequency)) <= {-99, *range(1, 101)}
    assert np.abs(valid_pixels(whole, "EXTRA_CDI").astype(int)).max() <= 20_000
    assert valid_pixels(whole, "EXTRA_Shwdirection").min() > 27_000
    assert valid_pixels(whole, "EXTRA_elevation").min() > -500


def test_the_dates_of_a_place_show_the_same_ground(whole):
    heights = stored_pixels(whole, "train", "EXTRA_elevation")
    assert (heights == heights[0]).all()
    assert (stored_pixels(whole, "val", "EXTRA_elevation") != heights[0]).any()
    clouds = stored_pixels(whole, "train", "LABEL_manual_hq")
    assert (clouds[0] != clouds[1]).any()


def test_bands_of_20_m_and_60_m_can_be_repeated_in_a_phase_of_each_patch(tmp_path, whole):
    names = ["L1C_B1", "L1C_B2", "L1C_B11", "L2A_B5", "LABEL_fmask"]
    cloudio.synthesize(tmp_path / "set", {"train": 3}, arrays=names, repeats=True)
    report = cloudio.verify(tmp_path / "set", full=False, native=True, progress=False)
    found = {each.array: each for each in report.native}
    repeats = {name: each.repeat for name, each in found.items()}
    assert repeats == {"L1C_B1": 6, "L1C_B2": 1, "L1C_B11": 2, "L2A_B5": 2, "LABEL_fmask": 1}
    assert found["L1C_B1"].n_exact == found["L1C_B11"].n_exact == 3
    assert found["L1C_B1"].n_phases > 1
    plain, repeated = cloudio.open(whole).split("train"), cloudio.open(tmp_path / "set")
    for name in ("L1C_B2", "LABEL_fmask"):
        assert (plain[name][:3] == repeated[name]).all()
    inside = repeated["L1C_B1"][:, 1:510, 1:510]
    assert np.isin(inside, plain["L1C_B1"][:3, 1:510, 1:510]).all()
    assert not repeated["L1C_B1"][:, 0].any()
    assert not repeated["L1C_B1"][:, :, 510:].any()
