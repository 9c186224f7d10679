"""Label maps and their tables, against tables written out by hand."""

import pickle
import warnings

import builders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloudio
from cloudio import CLOUDSEN12, LabelMap, RequestError
from cloudio.layouts.labels import check_class, make_raw_lut

U8, I16, U16, I64 = (np.dtype(name) for name in ("uint8", "int16", "uint16", "int64"))


def by_hand(ignore, **ranges):
    """256 classes: ``ignore``, but for the codes that are listed."""
    classes = [ignore] * 256
    for key, to in ranges.items():
        first, _, last = key.removeprefix("c").partition("_")
        for code in range(int(first), int(last or first) + 1):
            classes[code] = to
    return classes


# What the dataset card says of each code, and what the authors' published code makes of it.
CARD = {
    "manual_hq": {"c0": 0, "c1": 1, "c2": 2, "c3": 3},
    "manual_sc": {"c0": 0, "c1_2": 1, "c3_4": 2, "c5_6": 3},
    "sen2cor": {"c2": 0, "c3": 3, "c4_6": 0, "c8_9": 1, "c10": 2, "c11": 0},
    "kappamask_L1C": {"c1": 0, "c2": 3, "c3": 2, "c4": 1},
    "kappamask_L2A": {"c1": 0, "c2": 3, "c3": 2, "c4": 1},
    "fmask": {"c0_1": 0, "c2": 3, "c3": 0, "c4": 1},
    "s2cloudless": {"c0_39": 0, "c40_100": 1},
    "cd_fcnn_rgbi": {"c0_49": 0, "c50_100": 1},
    "cd_fcnn_rgbi_swir": {"c0_49": 0, "c50_100": 1},
    "qa60": {"c0": 0},
}
AUTHORS = {
    "manual_hq": {"c0": 0, "c1": 1, "c2": 2, "c3": 3, "c4_255": 0},
    "manual_sc": {"c0": 0, "c1_2": 1, "c3_4": 2, "c5_6": 3, "c7_98": 0, "c100_255": 0},
    "sen2cor": {"c0_2": 0, "c3": 3, "c4_7": 0, "c8_9": 1, "c10": 2, "c11_255": 0},
    "kappamask_L1C": {"c0_1": 0, "c2": 3, "c3": 2, "c4": 1, "c5_255": 0},
    "kappamask_L2A": {"c0_1": 0, "c2": 3, "c3": 2, "c4": 1, "c5_255": 0},
    "fmask": {"c0_1": 0, "c2": 3, "c3": 0, "c4": 1, "c5_255": 0},
    "s2cloudless": {"c0_39": 0, "c40_100": 1},
    "cd_fcnn_rgbi": {"c0_49": 0, "c50_100": 1},
    "cd_fcnn_rgbi_swir": {"c0_49": 0, "c50_100": 1},
    "qa60": {"c0_255": 0},
}
LABELS = [band.name for band in CLOUDSEN12.bands if band.kind == "label"]


def table_of(label_map, stored=U8, dtype=U8, ignore=255):
    return label_map.table(stored, dtype, ignore, "LABEL_x")


# ---- the maps of CloudSEN12 ----------------------------------------------------------------------


def test_every_label_has_both_policies_and_a_table_here():
    assert set(LABELS) == set(CLOUDSEN12.label_maps) == {f"LABEL_{name}" for name in CARD}
    assert CARD.keys() == AUTHORS.keys()
    assert all({"card", "authors"} == set(CLOUDSEN12.label_maps[name]) for name in LABELS)


@pytest.mark.filterwarnings("ignore:LABEL_qa60 is stored in 1 byte")
@pytest.mark.parametrize(
    ("dtype", "ignore"), [(U8, 255), (U8, 99), (U8, 4), (I64, -1), (I64, -100)]
)
@pytest.mark.parametrize("name", CARD)
@pytest.mark.parametrize("policy", ["card", "authors"])
def test_every_code_of_a_byte_becomes_what_the_card_or_the_authors_say(name, policy, dtype, ignore):
    expected = by_hand(ignore, **{"card": CARD, "authors": AUTHORS}[policy][name])
    label_map = CLOUDSEN12.label_maps[f"LABEL_{name}"][policy]
    table = label_map.table(U8, dtype, ignore, f"LABEL_{name}")
    assert table.dtype == dtype
    assert table.tolist() == expected


@pytest.mark.parametrize("name", sorted(set(CARD) - {"qa60"}))
@pytest.mark.parametrize("policy", ["card", "authors"])
def test_the_same_codes_in_two_bytes_become_the_same_classes(name, policy):
    label_map = CLOUDSEN12.label_maps[f"LABEL_{name}"][policy]
    narrow, wide = table_of(label_map), table_of(label_map, I16)
    assert len(wide) == 65536
    assert np.array_equal(narrow, wide[:256])
    assert set(wide[256:].tolist()) == {narrow[255]}


def test_unlabelled_scribbles_are_ignored_whatever_the_policy():
    for policy in ("card", "authors"):
        table = table_of(CLOUDSEN12.label_maps["LABEL_manual_sc"][policy], ignore=7)
        assert table[99] == 7


def test_qa60_of_two_bytes_knows_its_bits():
    table = table_of(CLOUDSEN12.label_maps["LABEL_qa60"]["card"], I16)
    assert [table[code] for code in (0, 1024, 2048, 3072)] == [0, 1, 2, 1]
    assert np.count_nonzero(table != 255) == 4


def test_qa60_of_one_byte_warns_where_the_reader_is_made(tmp_path):
    builders.write_split(tmp_path, 2, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    ds = cloudio.open(tmp_path)
    words = (
        r"LABEL_qa60 is stored in 1 byte per pixel, which cannot hold the codes 1024, 2048, 3072"
    )
    with pytest.warns(UserWarning, match=words) as caught:
        ds.reader("B4", "qa60")
    assert [seen.filename for seen in caught] == [__file__]


def test_raw_codes_of_qa60_do_not_warn(tmp_path):
    builders.write_split(tmp_path, 2, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cloudio.open(tmp_path).reader("B4", {"qa60": None})


# ---- tables --------------------------------------------------------------------------------------


codes = st.integers(-128, 255)
classes = st.none() | st.integers(0, 255)


@given(st.dictionaries(codes, classes), st.sampled_from([U8, np.dtype("int8"), I16, U16]), classes)
def test_no_code_falls_through(given_classes, stored, unlisted):
    listed = dict({code % 256: (code, to) for code, to in given_classes.items()}.values())
    table = table_of(LabelMap(listed, unlisted=unlisted), stored, I64, -5)
    n_codes = 256**stored.itemsize
    expected = [-5 if unlisted is None else unlisted] * n_codes
    for code, to in listed.items():
        expected[code % n_codes] = -5 if to is None else to
    assert table.shape == (n_codes,)
    assert table.tolist() == expected


def test_minus_one_is_255_in_a_byte_and_65535_in_two():
    label_map = LabelMap({-1: 3})
    assert np.flatnonzero(table_of(label_map) == 3).tolist() == [255]
    assert np.flatnonzero(table_of(label_map, I16) == 3).tolist() == [65535]
    assert np.array_equal(table_of(LabelMap({-1: 3})), table_of(LabelMap({255: 3})))


@pytest.mark.parametrize("lost", [256, -129, 1024, 10**30, -(10**30)])
def test_a_code_that_the_array_cannot_hold_warns_and_is_left_out(lost):
    with pytest.warns(UserWarning, match=f"LABEL_x .* cannot hold the codes {lost}, so no pixel"):
        table = table_of(LabelMap({lost: 1, 2: 2}))
    assert np.flatnonzero(table != 255).tolist() == [2]


def test_two_codes_with_the_same_bits_must_agree():
    agreed = LabelMap({-1: None, 255: None, 0: 0})
    assert table_of(agreed)[255] == 255
    words = "LABEL_x: codes 255 and -1 are the same bits; they cannot become 0 and 1"
    with pytest.raises(RequestError, match=words):
        table_of(LabelMap({255: 0, -1: 1}))
    assert table_of(LabelMap({255: 0, -1: 1}), I16)[[255, 65535]].tolist() == [0, 1]


def test_ignored_and_the_class_of_the_same_number_agree():
    assert table_of(LabelMap({255: None, -1: 9}), ignore=9)[255] == 9


@pytest.mark.parametrize("to", [256, -1, -100])
def test_a_class_must_fit_the_type_of_the_labels(to):
    words = rf"LABEL_x: class {to} does not fit uint8 \(0..255\); int64 holds any class"
    for label_map in (LabelMap({1: to}), LabelMap({}, unlisted=to)):
        with pytest.raises(RequestError, match=words):
            table_of(label_map)
        assert to in table_of(label_map, dtype=I64)
    with pytest.raises(RequestError, match=words):
        check_class(to, U8, "LABEL_x")


@pytest.mark.parametrize("ignore", [-1, -100, 2**40])
def test_int64_labels_take_any_ignored_value(ignore):
    table = table_of(LabelMap({0: 0}), dtype=I64, ignore=ignore)
    assert table[0] == 0
    assert set(table[1:].tolist()) == {ignore}


@pytest.mark.parametrize("stored", ["uint8", "int8", "uint16", "int16"])
def test_raw_codes_are_the_stored_numbers(stored):
    table = make_raw_lut(np.dtype(stored), I64, "LABEL_x")
    limits = np.iinfo(stored)
    numbers = np.arange(limits.min, limits.max + 1).astype(stored)
    assert np.array_equal(table[numbers.view(f"u{numbers.itemsize}")], numbers)


def test_raw_codes_of_two_bytes_do_not_fit_one():
    with pytest.raises(RequestError, match="LABEL_x holds codes of 2 bytes, which uint8 cannot"):
        make_raw_lut(I16, U8, "LABEL_x")


# ---- LabelMap as a thing -------------------------------------------------------------------------


def test_maps_with_the_same_entries_are_one_value():
    one, other = LabelMap({0: 0, 5: None}, unlisted=2), LabelMap({5: None, 0: 0}, unlisted=2)
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other, LabelMap({0: 0, 5: None})}) == 2
    assert one != LabelMap({0: 0}, unlisted=2)
    assert one != LabelMap({0: 0, 5: None}, unlisted=3)
    assert one != {0: 0, 5: None}


def test_numpy_numbers_are_numbers():
    label_map = LabelMap({np.int16(4): np.uint8(1)}, unlisted=np.int64(0))
    assert label_map == LabelMap({4: 1}, unlisted=0)
    assert type(next(iter(label_map.classes))) is int


def test_a_map_pickles():
    for label_map in (LabelMap({0: 0, -1: None}, unlisted=2), LabelMap.threshold(30)):
        assert pickle.loads(pickle.dumps(label_map)) == label_map


def test_a_map_cannot_be_changed():
    given_classes = {0: 0}
    label_map = LabelMap(given_classes)
    given_classes[0] = label_map.classes[0] = 7
    assert label_map.classes == {0: 0}
    for name in ("classes", "unlisted", "extra"):
        with pytest.raises(AttributeError):
            setattr(label_map, name, 1)


def test_a_map_shows_how_to_make_it_again():
    for label_map in (LabelMap({0: 0, 9: None}), LabelMap({1: 2}, unlisted=0)):
        assert eval(repr(label_map)) == label_map


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([1, 2], r"classes=\[1, 2\]; classes must be a mapping of codes to classes"),
        ({1.0: 0}, "code=1.0; code must be a whole number"),
        ({True: 0}, "code=True; code must be a whole number"),
        ({"1": 0}, "code='1'; code must be a whole number"),
        ({1: 0.5}, "class=0.5; class must be a whole number"),
        ({1: False}, "class=False; class must be a whole number"),
    ],
)
def test_a_map_of_anything_but_whole_numbers_is_refused(entries, words):
    with pytest.raises(RequestError, match=words):
        LabelMap(entries)


def test_an_unlisted_class_is_a_whole_number():
    with pytest.raises(RequestError, match="class='ignore'; class must be a whole number"):
        LabelMap({}, unlisted="ignore")


@pytest.mark.parametrize("at", [1, 40, 100])
def test_a_threshold_splits_percent(at):
    expected = [0] * at + [1] * (101 - at) + [255] * 155
    assert table_of(LabelMap.threshold(at)).tolist() == expected


def test_a_threshold_may_have_another_top():
    assert table_of(LabelMap.threshold(128, top=255)).tolist() == [0] * 128 + [1] * 128


@pytest.mark.parametrize("at", [0, -1, 101])
def test_a_threshold_outside_its_range_is_refused(at):
    with pytest.raises(RequestError, match=rf"threshold={at}; threshold must be 1\.\.100"):
        LabelMap.threshold(at)


@pytest.mark.parametrize("at", [0.4, 40.0, "40", True, None])
def test_a_threshold_is_percent_and_no_fraction(at):
    with pytest.raises(RequestError, match=f"threshold={at!r}; threshold must be a whole number"):
        LabelMap.threshold(at)


def test_a_threshold_is_known_by_its_entries():
    assert LabelMap.threshold(40).as_threshold == (40, 100)
    assert LabelMap.threshold(128, top=255).as_threshold == (128, 255)
    by_hand = LabelMap({code: int(code >= 7) for code in reversed(range(11))})
    assert by_hand.as_threshold == (7, 10)


@pytest.mark.parametrize(
    "label_map",
    [
        LabelMap({}),
        LabelMap({0: 0, 1: 1}),  # equal to threshold(1, top=1)
        LabelMap.threshold(5, top=9),
        LabelMap(LabelMap.threshold(40).classes, unlisted=0),
        LabelMap(LabelMap.threshold(40).classes | {101: None}),
        LabelMap(LabelMap.threshold(40).classes | {30: 1}),
        LabelMap(LabelMap.threshold(40).classes | {100: 2}),
        LabelMap(dict.fromkeys(range(101), 0)),
        LabelMap(dict.fromkeys(range(101), 1)),
    ],
)
def test_other_maps_are_no_threshold(label_map):
    assert label_map.as_threshold is None
