"""The tables of CloudSEN12, and how names in a layout are found."""

import dataclasses
import json
import pickle

import builders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudio import CLOUDSEN12, Band, Layout, LayoutError, RequestError, Window

SPECTRAL = "B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B10 B11 B12".split()
# Sentinel-2A and 2B, from ESA's spectral responses.
WAVELENGTHS = {
    "B1": (443.9, 442.3),
    "B2": (496.6, 492.1),
    "B3": (560, 559),
    "B4": (664.5, 665),
    "B5": (703.9, 703.8),
    "B6": (740.2, 739.1),
    "B7": (782.5, 779.7),
    "B8": (835.1, 833),
    "B8A": (864.8, 864),
    "B9": (945, 943.2),
    "B10": (1373.5, 1376.9),
    "B11": (1613.7, 1610.4),
    "B12": (2202.4, 2185.7),
}
FILES = {
    **{f"L1C_{name}": ("int16", 1e-4) for name in SPECTRAL},
    **{f"L2A_{name}": ("int16", 1e-4) for name in SPECTRAL if name != "B10"},
    **{f"L2A_{name}": ("int16", 1e-3) for name in ("AOT", "WVP")},
    **{f"L2A_TCI_{name}": ("int16", 1) for name in "RGB"},
    **{f"S1_{name}": ("float32", 1) for name in ("VV", "VH", "angle")},
    "EXTRA_CDI": ("int16", 1e-4),
    "EXTRA_Shwdirection": ("int16", 1e-2),
    "EXTRA_elevation": ("int16", 1),
    "EXTRA_ocurrence": ("int16", 1),
    "EXTRA_lc100": ("int16", 1),
    "EXTRA_lc10": ("int16", 1),
    **{
        f"LABEL_{name}": ("uint8", 1)
        for name in "manual_hq manual_sc fmask qa60 s2cloudless sen2cor cd_fcnn_rgbi "
        "cd_fcnn_rgbi_swir kappamask_L1C kappamask_L2A".split()
    },
}
# What only one array can be meant by without its group.
UNIQUE = [
    name.partition("_")[2]
    for name in FILES
    if [other.partition("_")[2] for other in FILES].count(name.partition("_")[2]) == 1
]
PADDED = {"B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9"}


# ---- CloudSEN12 ----------------------------------------------------------------------------------


def test_every_file_of_the_release_is_in_the_table():
    assert {band.name: (band.dtype, band.scale) for band in CLOUDSEN12.bands} == FILES
    assert len(FILES) == 49


def test_labels_are_labels_and_bands_are_bands():
    kinds = {band.name: band.kind for band in CLOUDSEN12.bands}
    assert kinds == {name: "label" if name.startswith("LABEL_") else "band" for name in FILES}


def test_units_are_those_of_the_card():
    units = {band.name: band.unit for band in CLOUDSEN12.bands if band.unit is not None}
    stated = {"S1_VV": "dB", "S1_VH": "dB", "S1_angle": "degrees", "EXTRA_elevation": "m"}
    assert units == stated | {band.name: "" for band in CLOUDSEN12.bands if band.wavelength}


def test_wavelengths_are_those_of_sentinel_2a():
    given_nm = {band.name: band.wavelength for band in CLOUDSEN12.bands if band.wavelength}
    assert given_nm == {
        name: WAVELENGTHS[name.partition("_")[2]][0]
        for name in FILES
        if name.partition("_")[2] in WAVELENGTHS
    }
    for name, nm in given_nm.items():
        assert nm == pytest.approx(WAVELENGTHS[name.partition("_")[2]][1], abs=18)


def test_no_data_is_99_below_zero_where_the_producer_wrote_it():
    groups = {name: name.partition("_")[0] for name in FILES}
    for band in CLOUDSEN12.bands:
        assert band.nodata == (-99 if groups[band.name] in ("S1", "EXTRA") else None)


def test_a_patch_holds_509_real_pixels_a_side_from_1_on():
    assert CLOUDSEN12.patch == (512, 512)
    assert Window(row=1, col=1, height=509, width=509) == CLOUDSEN12.valid
    assert CLOUDSEN12.valid.size == (509, 509)


def test_presets_are_in_the_order_of_the_sensor():
    presets = CLOUDSEN12.presets
    assert presets["L1C"] == (tuple(f"L1C_{name}" for name in SPECTRAL),)
    assert presets["L2A"] == (tuple(f"L2A_{name}" for name in SPECTRAL if name != "B10"),)
    assert presets["S1"] == (("S1_VV", "S1_VH", "S1_angle"),)
    assert presets["EXTRA"] == (tuple(name for name in FILES if name.startswith("EXTRA_")),)
    assert presets["rgb"] == tuple(
        tuple(f"{group}_{name}" for name in ("B4", "B3", "B2")) for group in ("L1C", "L2A")
    )


def test_what_the_tables_point_at_is_in_them():
    layout = CLOUDSEN12
    names = [band.name for band in layout.bands]
    assert {n for choices in layout.presets.values() for c in choices for n in c} <= {*names}
    assert {*layout.label_maps} <= {band.name for band in layout.bands if band.kind == "label"}
    assert {*layout.aliases.values()} <= {*names}
    assert not {*layout.aliases, *layout.presets} & {*names}
    assert all(name.startswith(layout.prefixes) for name in names)


def test_a_layout_pickles():
    for layout in (CLOUDSEN12, builders.SMALL):
        assert pickle.loads(pickle.dumps(layout)) == layout


# ---- names ---------------------------------------------------------------------------------------


@st.composite
def spelled(draw, names):
    """A name, and another way to write it: other case, zeros before the number of a band."""
    name = draw(st.sampled_from(sorted(names)))
    head, _, tail = name.rpartition("_")
    if tail in PADDED:
        tail = f"{tail[0]}{'0' * draw(st.integers(0, 2))}{tail[1:]}"
    text = f"{head}_{tail}" if head else tail
    flips = draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return name, "".join(c.swapcase() if flip else c for c, flip in zip(text, flips, strict=True))


@given(spelled(FILES))
def test_any_spelling_finds_its_array_and_names_its_file(pair):
    name, spelling = pair
    assert CLOUDSEN12.find(spelling, FILES, "here") == name
    assert CLOUDSEN12.name_of_file(spelling) == name


@given(spelled(UNIQUE))
def test_a_group_can_be_left_out_where_one_array_has_the_name(pair):
    short, spelling = pair
    found = CLOUDSEN12.find(spelling, FILES, "here")
    assert found.partition("_")[2] == short
    assert CLOUDSEN12.name_of_file(spelling) == found


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("L1C_B04", "L1C_B4"),
        ("L2A_B8A", "L2A_B8A"),
        ("L1C_B10", "L1C_B10"),
        ("l1c_b08a", "L1C_B8A"),
        ("manual_hq", "LABEL_manual_hq"),
        ("target", "LABEL_manual_hq"),
        ("QA60", "LABEL_qa60"),
        ("LC10", "EXTRA_lc10"),
        ("LC100", "EXTRA_lc100"),
        ("occurrence", "EXTRA_ocurrence"),
        ("EXTRA_occurrence", "EXTRA_ocurrence"),
        ("vv", "S1_VV"),
        ("TCI_r", "L2A_TCI_R"),
        ("B010", "L1C_B10"),
    ],
)
def test_names_of_the_card_and_of_older_copies_are_known(card, name):
    assert CLOUDSEN12.name_of_file(card) == name
    assert CLOUDSEN12.find(card, FILES, "here") == name


def test_a_file_without_its_group_is_of_the_first_group_that_has_it():
    assert CLOUDSEN12.name_of_file("B04") == "L1C_B4"


@pytest.mark.parametrize("stem", ["B13", "L1C_B1_old", "B40", "L1CB4", "B", "", "L1C_", "L1C_B1 "])
def test_a_file_that_the_layout_does_not_know_keeps_its_name(stem):
    assert CLOUDSEN12.name_of_file(stem) == stem


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"valid": (0, 0, 16, 20)},
            r"valid = \(0, 0, 16, 20\); valid must be a Window of whole numbers",
        ),
        (
            {"valid": Window(0.5, 0, 9, 9)},
            r"valid = Window\(row=0\.5, col=0, height=9, width=9\); valid must be a Window of",
        ),
        ({"patch": 16}, r"patch = 16; patch must be \(height, width\)"),
        ({"bands": ("a",)}, "bands holds 'a'; it must hold Bands"),
        ({"prefixes": "S2_"}, "prefixes = 'S2_'; prefixes must be a tuple of strings"),
        (
            {"presets": {"p": ("L1C_B2",)}},
            r"presets\['p'\] = \('L1C_B2',\); it must be a tuple of tuples of names",
        ),
        (
            {"presets": {"p": "L1C_B2"}},
            r"presets\['p'\] = 'L1C_B2'; it must be a tuple of tuples of names",
        ),
        (
            {"label_maps": {"LABEL_hq": {0: 1}}},
            r"label_maps\['LABEL_hq'\] = \{0: 1\}; it must map each policy to a LabelMap",
        ),
        ({"bands": Band("x")}, "bands = Band.*; bands must be a tuple of Bands"),
        ({"bands": None}, "bands = None; bands must be a tuple of Bands"),
        ({"bands": (Band("x", nodata=70000),)}, "x has nodata 70000, which int16 cannot hold"),
        ({"bands": (Band("x", nodata=0.5),)}, "x has nodata 0.5, which int16 cannot hold"),
        (
            {"bands": (Band("x", dtype="float32", nodata=1e39),)},
            r"1e\+39, which float32 cannot hold",
        ),
        (
            {"bands": (Band("x", nodata=10**400),)},
            "x has nodata 1000.*; nodata must be a number or None",
        ),
        (
            {"bands": (Band("x", scale=10**400),)},
            "x has scale 1000.*; scale must be a finite number",
        ),
        (
            {"bands": (Band("../y", file="{name}.npy"),)},
            "has file '{name}.npy'; file must be a name or pattern inside the",
        ),
    ],
)
def test_entries_of_a_wrong_form_are_refused(changes, message):
    with pytest.raises(LayoutError, match=message):
        dataclasses.replace(builders.SMALL, **changes)


def test_nan_means_no_data_in_any_type():
    for dtype in ("int16", "float32"):
        assert (
            Band("x", dtype=dtype, nodata=float("nan"))
            in dataclasses.replace(
                builders.SMALL, bands=(Band("x", dtype=dtype, nodata=float("nan")),)
            ).bands
        )


def test_a_name_as_written_wins_over_any_other_reading():
    layout = dataclasses.replace(builders.SMALL, bands=(Band("B04"), Band("B4"), Band("L1C_B4")))
    names = [band.name for band in layout.bands]
    assert [layout.find(name, names, "here") for name in names] == names
    assert [layout.name_of_file(name) for name in names] == names


def test_a_name_that_can_be_two_arrays_lists_them():
    with pytest.raises(
        RequestError, match="'b04' is ambiguous; in here it can be L1C_B4 or L2A_B4: give one"
    ):
        CLOUDSEN12.find("b04", FILES, "here")
    assert CLOUDSEN12.find("b04", ["L2A_B4", "L1C_B3"], "here") == "L2A_B4"


def test_a_name_that_nothing_has_lists_what_there_is():
    with pytest.raises(RequestError, match="no array 'B13'; here has L1C_B4, S1_VV"):
        CLOUDSEN12.find("B13", ["L1C_B4", "S1_VV"], "here")


# ---- layouts of one's own ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("valid", "words"),
    [
        (Window(0, 0, 41, 48), r"rows 0\.\.40, but the patch has rows 0\.\.39"),
        (Window(6, 0, 35, 48), r"rows 6\.\.40, but the patch has rows 0\.\.39"),
        (Window(0, 0, 40, 49), r"columns 0\.\.48, but the patch has columns 0\.\.47"),
        (Window(0, -1, 40, 48), r"columns -1\.\.46, but the patch has columns 0\.\.47"),
        (Window(0, 0, 0, 48), r"0 rows; it must have 1 or more"),
    ],
)
def test_a_valid_window_outside_the_patch_is_refused(valid, words):
    with pytest.raises(LayoutError, match=f"the valid window has {words}"):
        dataclasses.replace(builders.SMALL, valid=valid)


def test_numbers_of_numpy_become_numbers_of_python():
    i8, f4 = np.int64, np.float32
    bands = (
        Band("a", file="s.dat", channel=i8(0), channels=i8(2), nodata=np.int8(5), scale=f4(0.5)),
        Band("b", file="s.dat", channel=i8(1), channels=i8(2), offset=f4(3), wavelength=i8(665)),
        Band(
            "c", dtype="float32", nodata=f4("inf"), scale_factor=f4(0.1), add_offset=np.float64(2)
        ),
    )
    layout = Layout("Own", (i8(9), i8(8)), Window(i8(1), i8(2), i8(3), i8(4)), bands)
    assert all(type(n) is int for n in (*layout.patch, layout.valid.row, *layout.valid.size))
    for band, before in zip(layout.bands, bands, strict=True):
        assert band == before
        entries = [getattr(band, field.name) for field in dataclasses.fields(band)]
        assert {*map(type, entries)} <= {int, float, str, type(None)}
    assert layout.band("a") is layout.bands[0]
    assert layout.bands[2].nodata == float("inf")
    assert layout.bands[2].factors == (float(f4(0.1)), 2.0)
    assert layout == Layout("Own", (9, 8), Window(1, 2, 3, 4), bands)
    json.dumps([layout.patch, *map(dataclasses.astuple, (layout.valid, *layout.bands))])


def test_the_whole_patch_may_be_valid():
    layout = dataclasses.replace(builders.SMALL, valid=Window(0, 0, 40, 48))
    assert layout.valid.size == layout.patch


def test_an_array_named_twice_is_refused():
    with pytest.raises(LayoutError, match="a, b is in the layout twice"):
        Layout("X", (4, 4), Window(0, 0, 4, 4), tuple(map(Band, "bacabb")))


@pytest.mark.parametrize("dtype", ["int32", "float64", "<i2", "bool", "", None, int])
def test_a_type_that_cannot_be_read_is_refused(dtype):
    with pytest.raises(
        LayoutError,
        match=r"^x has dtype .*; dtype must be one of uint8, int8, uint16, int16, float32$",
    ):
        Layout("X", (4, 4), Window(0, 0, 4, 4), (Band("x", dtype=dtype),))


def test_tables_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLOUDSEN12.patch = (1, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLOUDSEN12.bands[0].scale = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLOUDSEN12.valid.row = 0


@pytest.mark.parametrize("patch", [(0, 4), (4,), (4, 4, 4), (4, -1), (4.0, 4), (True, 4)])
def test_a_patch_is_a_height_and_a_width(patch):
    with pytest.raises(LayoutError, match=r"patch = \(.*\); patch must be \(height, width\)"):
        Layout("X", patch, Window(0, 0, 1, 1), (Band("x"),))


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"kind": "mask"}, "has kind 'mask'; kind must be 'band' or 'label'"),
        ({"scale": 0}, "has scale 0; scale must be a finite number other than 0, or None"),
        ({"scale": NAN}, "has scale nan; scale must be a finite number other"),
        ({"scale": INF}, "has scale inf; scale must be a finite number other"),
        ({"scale": "1"}, "has scale '1'; scale must be a finite number other"),
        ({"scale": True}, "has scale True; scale must be a finite number other"),
        ({"offset": NAN}, "has offset nan; offset must be a finite number"),
        ({"offset": -INF}, "has offset -inf; offset must be a finite number"),
        ({"offset": None}, "has offset None; offset must be a finite number"),
        (
            {"scale": None, "offset": -1000},
            "has offset -1000 but an unknown scale \\(None\\); give both",
        ),
        (
            {"scale": 1e-4, "offset": -0.1},
            "has offset -0.1, which is no whole number, but is added to stored int16 before the "
            "scale: .* STAC, xarray and GDAL, write scale_factor = 0.0001 and add_offset = -0.1 "
            "\\(offset = -1000\\); else add_offset = -1e-05",
        ),
        (
            {"dtype": "uint16", "scale": 2.75e-5, "offset": -0.2},
            "has offset -0.2, .* write scale_factor = 2.75e-05 and add_offset = -0.2; "
            "else add_offset = -5.5e-06",
        ),
        (
            {"scale": 0.01, "offset": -273.15},
            "has offset -273.15, .* scale_factor = 0.01 and add_offset = -273.15",
        ),
        ({"scale_factor": 0}, "has scale_factor 0; scale_factor must be a finite number other"),
        ({"scale_factor": "1e-4"}, "has scale_factor '1e-4'; scale_factor must be a finite"),
        ({"add_offset": NAN}, "has add_offset nan; add_offset must be a finite number"),
        ({"nodata": "none"}, "has nodata 'none'; nodata must be a number or None"),
        ({"wavelength": 0}, "has wavelength 0; wavelength must be in nm, above 0, or None"),
        ({"wavelength": INF}, "has wavelength inf; wavelength must be in nm, above 0, or"),
        ({"unit": 3}, "has unit 3; unit must be a string, or None"),
        ({"file": ""}, "has file ''; file must be a name or pattern inside the split's folder"),
        (
            {"file": "/data/x.dat"},
            "has file '/data/x.dat'; file must be a name or pattern inside the split's folder",
        ),
        (
            {"file": "../x.dat"},
            "has file '../x.dat'; file must be a name or pattern inside the split's folder",
        ),
        ({"file": 3}, "has file 3; file must be a name or pattern inside the split's folder"),
        ({"channel": 0}, "has a channel but no channels; a stacked file needs both"),
        ({"channels": 3}, "has a channels but no channel; a stacked file needs both"),
        (
            {"channel_axis": "last"},
            "has channel_axis 'last' but no channel and channels; only a st",
        ),
        (
            {"channel": 0, "channels": 2, "channel_axis": -1},
            "has channel_axis -1; channel_axis must be 'first' or 'last'",
        ),
        ({"channel": 3, "channels": 3}, r"has channel 3; channel must be 0\.\.2"),
        ({"channel": -1, "channels": 3}, r"has channel -1; channel must be 0\.\.2"),
        ({"channel": 1.0, "channels": 3}, r"has channel 1\.0; channel must be 0\.\.2"),
        (
            {"channel": 0, "channels": 0},
            "has channels 0; channels must be a whole number, 1 or more",
        ),
        (
            {"channel": 0, "channels": True},
            "has channels True; channels must be a whole number, 1 or more",
        ),
    ],
)
def test_an_entry_of_an_array_that_cannot_be_is_refused(entries, words):
    with pytest.raises(LayoutError, match=f"^x {words}"):
        Layout("X", (4, 4), Window(0, 0, 4, 4), (Band("x", **entries),))


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        ({}, {}, "; each needs a channel and channels"),
        ({"channel": 0, "channels": 2}, {}, "; each needs a channel and channels"),
        (
            {"channel": 0, "channels": 2},
            {"channel": 0, "channels": 2},
            " as channel 0; channels must differ",
        ),
        (
            {"channel": 0, "channels": 2},
            {"channel": 1, "channels": 3},
            ", but their channels is 2 and 3",
        ),
        (
            {"channel": 0, "channels": 2},
            {"channel": 1, "channels": 2, "channel_axis": "last"},
            ", but their channel_axis is first and last",
        ),
        (
            {"channel": 0, "channels": 2},
            {"channel": 1, "channels": 2, "dtype": "uint16"},
            ", but their dtype is int16 and uint16",
        ),
    ],
)
def test_two_arrays_in_one_file_are_channels_of_it(one, two, words):
    with pytest.raises(LayoutError, match=rf"^a and b are both in s\.npy{words}$"):
        Layout(
            "X",
            (4, 4),
            Window(0, 0, 4, 4),
            (Band("a", file="s.npy", **one), Band("b", file="s.npy", **two)),
        )


def test_two_arrays_of_one_pattern_with_their_names_in_it_are_two_files():
    bands = Band("a", file="{name}.npy"), Band("b", file="{name}.npy")
    assert [band.pattern for band in Layout("X", (4, 4), Window(0, 0, 4, 4), bands).bands] == [
        "a.npy",
        "b.npy",
    ]


def test_a_name_in_a_pattern_is_no_pattern():
    assert Band("a[1]*", file="*_{name}?").pattern == "*_a[[]1][*]?"
    assert Band("a").pattern is None


def test_arrays_without_numbers_are_equal_even_pickled():
    one = Band("x", dtype="float32", nodata=float("nan"))
    other = pickle.loads(pickle.dumps(Band("x", dtype="float32", nodata=-float("nan"))))
    assert one == other
    assert hash(one) == hash(other)
    assert one != dataclasses.replace(one, nodata=None)
