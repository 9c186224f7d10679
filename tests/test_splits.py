"""Splits: groups stay whole, shares are met, and the answer is the same on every machine."""

import hashlib
import json
import pickle
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders import SMALL, write_root
from hypothesis import given, settings
from hypothesis import strategies as st

import cloudio
from cloudio import CLOUDSEN12, RequestError, Splits, make_splits
from cloudio.reading.dataset import Dataset
from cloudio.splits import shared
from cloudio.storage.discovery import Split

CARD = {"train": 0.849, "val": 0.0535, "test": 0.0975}
HALVES = {"a": 0.5, "b": 0.5}


def table(*parts, **columns):
    """A data set of nothing but metadata: one split of these columns, or a split for each part."""
    splits = [
        Split(name, Path(name), len(next(iter(fields.values()))), {}, fields)
        for name, fields in parts or [("train", columns)]
    ]
    return Dataset(Path("somewhere"), SMALL, splits, sources=None)


def rows_of(n, *, seed=0):
    """Columns as the release has them: places of five dates, scenes that two places share."""
    pick = np.random.default_rng(seed).integers
    return {
        "index": [str(7 * k % 1009) for k in range(n)],
        "roi_id": [f"ROI_{k // 5:04d}" for k in range(n)],
        "s2_id": [f"S2_{k % 5}_{k // 10}" if k % 3 else f"S2_{k}" for k in range(n)],
        "s2_date": [f"2019-{1 + k % 12:02d}-17" for k in range(n)],
        "land_cover": [str(10 * (1 + x)) for x in pick(0, 4, n)],
    }


def quietly(*args, **options):
    """The splits, whether or not one is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_splits(*args, **options)


def split_of(splits):
    """The name of each patch's split, in patch order."""
    names = {int(k): name for name, which in splits.items() for k in which}
    return [names[k] for k in range(len(names))]


def components(n, columns):
    """Sets of patches that a value connects, joined value by value."""
    groups = [{k} for k in range(n)]
    for fields in columns:
        for value in {field.strip() for field in fields} - {""}:
            which = {k for k in range(n) if fields[k].strip() == value}
            joined = [group for group in groups if group & which]
            groups = [group for group in groups if not group & which] + [set().union(*joined)]
    return groups


# ---- properties ----------------------------------------------------------------------------------

names = st.sampled_from(["", " ", "a", "b ", "b", "c", "d", "e", "f", "g", "h"])


@st.composite
def metadata(draw, most=30):
    n = draw(st.integers(1, most))
    column = st.lists(names, min_size=n, max_size=n)
    return {name: draw(column) for name in ("roi_id", "s2_id", "kind")}


shares = st.lists(st.integers(1, 100), min_size=1, max_size=6).map(
    lambda parts: {f"s{k}": part / sum(parts) for k, part in enumerate(parts)}
)
groupings = st.sampled_from([("roi_id", "s2_id"), "roi_id", ["s2_id"], None])
stratified = st.sampled_from([None, "kind"])
seeds = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(metadata(), shares, groupings, stratified, seeds)
def test_groups_stay_whole_and_shares_are_off_by_less_than_the_largest(
    columns, asked, group, stratify, seed
):
    ds = table(**columns)
    splits = quietly(ds, asked, seed=seed, group=group, stratify=stratify)
    assert list(splits) == list(asked)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(ds)))
    placed = split_of(splits)
    within = [] if group is None else [group] if isinstance(group, str) else group
    groups = components(len(ds), [columns[name] for name in within])
    assert all(len({placed[k] for k in one}) == 1 for one in groups)
    assert splits.n_groups == len(groups)
    assert splits.largest == max(map(len, groups))
    for name, which in splits.items():
        assert which.dtype == np.int64
        assert (np.diff(which) > 0).all()
        assert abs(len(which) - asked[name] * len(ds)) < splits.largest
        share = splits.shares[name]
        assert share.n_patches == len(which)
        assert share.asked == asked[name]
        assert share.got == len(which) / len(ds)
        assert share.n_groups == len([one for one in groups if one <= set(which.tolist())])


@settings(deadline=None)
@given(metadata(), shares, groupings, stratified, seeds, st.randoms(use_true_random=False))
def test_the_same_rows_in_another_order_go_to_the_same_splits(
    columns, asked, group, stratify, seed, random
):
    order = list(range(len(columns["kind"])))
    random.shuffle(order)
    places = []
    for rows in ({name: [fields[k] for k in order] for name, fields in columns.items()}, columns):
        splits = quietly(table(**rows), asked, seed=seed, group=group, stratify=stratify)
        content = zip(*([x.strip() for x in fields] for fields in rows.values()), strict=True)
        places.append(Counter(zip(content, split_of(splits), strict=True)))
    assert places[0] == places[1]


@settings(deadline=None, max_examples=30)
@given(metadata(), shares, st.data())
def test_an_array_to_stratify_by_may_be_permuted_with_the_rows(columns, asked, data):
    n = len(columns["kind"])
    given_values = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    order = data.draw(st.permutations(range(n)))
    places = []
    for rows in (range(n), order):
        ds = table(**{name: [fields[k] for k in rows] for name, fields in columns.items()})
        values = [given_values[k] for k in rows]
        splits = quietly(ds, asked, group=None, stratify=np.array(values))
        content = zip(
            *([columns[name][k].strip() for k in rows] for name in columns), values, strict=True
        )
        places.append(Counter(zip(content, split_of(splits), strict=True)))
    assert places[0] == places[1]


# ---- the same everywhere -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        ({}, "1d20cc983581e6e4"),
        ({"seed": 1}, "ebab7fd25df018e1"),
        ({"group": None}, "dfa82a060c6d684b"),
        ({"group": "roi_id", "stratify": "land_cover"}, "54c498eb50a23cfb"),
    ],
    ids=["default", "another seed", "by patch", "stratified"],
)
def test_no_platform_or_version_changes_the_answer(options, digest):
    splits = make_splits(table(**rows_of(400)), CARD, **options)
    found = json.dumps({name: which.tolist() for name, which in splits.items()})
    assert hashlib.sha256(found.encode()).hexdigest()[:16] == digest


def test_the_order_of_columns_of_shares_and_of_groups_does_not_matter():
    columns = rows_of(100)
    first = make_splits(table(**columns), CARD)
    backwards = dict(reversed(columns.items()))
    again = make_splits(table(**backwards), dict(reversed(CARD.items())), group=("s2_id", "roi_id"))
    assert again == first
    assert list(again) == list(first)[::-1]
    by_patch = make_splits(table(**columns), CARD, group=None)
    assert make_splits(table(**backwards), CARD, group=None) == by_patch


def test_whole_numbers_are_the_same_among_others():
    """A subset or a single split can have a column as int64 that the whole has as float64."""
    whole = {"roi_id": [str(k // 2) for k in range(30)]}
    other = {"roi_id": [f"{k // 2}.0" for k in range(30)]}
    assert table(**whole).metadata["roi_id"].dtype != table(**other).metadata["roi_id"].dtype
    for group in ("roi_id", None):
        first = make_splits(table(**whole), HALVES, group=group)
        assert make_splits(table(**other), HALVES, group=group) == first


def test_every_seed_gives_other_splits_and_no_patch_is_favoured():
    ds = table(roi_id=["big"] * 4 + [str(k) for k in range(16)])
    asked = {"train": 0.5, "val": 0.2, "test": 0.3}
    counts = Counter()
    answers = set()
    for seed in range(400):
        placed = split_of(make_splits(ds, asked, seed=seed, group="roi_id"))
        answers.add(tuple(placed))
        counts.update((k, name) for k, name in enumerate(placed))
    assert len(answers) > 390
    for k in (0, *range(4, 20)):
        for name, share in asked.items():
            assert abs(counts[k, name] / 400 - share) < 0.12, (k, name)


def test_equal_rows_are_not_split_in_their_order():
    splits = make_splits(table(same=["x"] * 40), HALVES, group=None)
    assert split_of(splits) != sorted(split_of(splits))
    assert [len(which) for which in splits.values()] == [20, 20]


# ---- groups --------------------------------------------------------------------------------------


def test_patches_connected_through_others_stay_together():
    ds = table(roi_id=["a", "b", "b", "c", "d", "e"], s2_id=["1", "1", "2", "2", "3", "4"])
    for seed in range(20):
        splits = make_splits(ds, {"a": 4 / 6, "b": 2 / 6}, seed=seed)
        assert split_of(splits) == ["a"] * 4 + ["b"] * 2
        assert (splits.n_groups, splits.largest) == (3, 4)


def test_a_long_chain_is_one_group():
    n = 20_000
    link = [str(k // 2) for k in range(n)], [str((k + 1) // 2) for k in range(n)]
    order = np.random.default_rng(0).permutation(n)
    ds = table(**{name: [x[k] for k in order] for name, x in zip(("a", "b"), link, strict=True)})
    with pytest.warns(
        cloudio.CloudioWarning, match=r"^b gets no patch; it was to have 0.4 of 20000, and the"
    ):
        splits = make_splits(ds, {"a": 0.6, "b": 0.4}, group=("a", "b"))
    assert (splits.n_groups, splits.largest) == (1, n)
    assert len(splits["a"]) == n


@pytest.mark.parametrize(
    "value", ["1", "1.5", "2019-06-01", "x"], ids=["int", "nan", "nat", "text"]
)
def test_empty_fields_connect_nothing(value):
    ds = table(roi_id=[*[""] * 9, value, value])
    assert make_splits(ds, {"a": 0.7, "b": 0.3}, group="roi_id").n_groups == 10


def test_spaces_around_a_name_do_not_make_another_place():
    assert make_splits(table(roi_id=["a", "a ", "b"]), HALVES, group="roi_id").n_groups == 2


def test_a_patch_that_occurs_twice_is_in_one_split():
    whole = table(**rows_of(20))
    ds = whole.subset([3, 3, *range(20), 4, 3])
    for seed in range(20):
        splits = make_splits(ds, HALVES, seed=seed, group=None)
        placed = split_of(splits)
        assert len({placed[k] for k in (0, 1, 5, 23)}) == 1
        assert placed[6] == placed[22]
        assert splits.n_groups == 20
    bare = table(("train", {"x": ["1"] * 5}), ("val", {"y": ["1"] * 5})).subset([*range(10), 2])
    assert bare.metadata == {}
    assert make_splits(bare, HALVES, group=None).n_groups == 10


def test_positions_are_those_of_the_data_set_that_was_split(tmp_path):
    write_root(tmp_path, {"train": 12, "val": 9, "test": 9}, names=["B2"])
    ds = cloudio.open(tmp_path, layout=SMALL)
    splits = make_splits(ds, {"train": 0.7, "test": 0.3}, group="roi_id")
    parts = {name: ds.subset(which) for name, which in splits.items()}
    places = {name: set(part.metadata["roi_id"]) for name, part in parts.items()}
    assert not places["train"] & places["test"]
    assert np.array_equal(
        parts["test"].reader("B2", scale=None, dtype="int16").read(range(len(parts["test"]))).image,
        ds.reader("B2", scale=None, dtype="int16").read(splits["test"]).image,
    )


# ---- shares --------------------------------------------------------------------------------------


def test_single_patches_have_the_shares_of_the_card():
    ds = table(x=[str(k) for k in range(10_000)])
    splits = make_splits(ds, CARD, group=None)
    assert [len(which) for which in splits.values()] == [8490, 535, 975]


def test_shares_are_rounded_to_the_nearest_patches():
    splits = make_splits(table(x=list("abcdefg")), {"a": 0.5, "b": 0.3, "c": 0.2}, group=None)
    assert [len(which) for which in splits.values()] == [4, 2, 1]  # of 3.5, 2.1, 1.4


def test_what_groups_allow_exactly_is_met_exactly():
    ds = table(roi_id=list("aaabbbccddee"))
    for seed in range(30):
        splits = make_splits(ds, HALVES, seed=seed, group="roi_id")
        assert [len(which) for which in splits.values()] == [6, 6]


def test_a_split_that_gets_nothing_is_empty_and_said():
    words = r"^val gets no patch; it was to have 0.0535 of 3, and these are 3 groups of up to 1$"
    with pytest.warns(cloudio.CloudioWarning, match=words) as caught:
        splits = make_splits(
            table(x=list("abc")), {"train": 0.6, "val": 0.0535, "test": 0.3465}, group=None
        )
    assert [len(which) for which in splits.values()] == [2, 0, 1]
    assert splits["val"].dtype == np.int64
    assert [one.filename for one in caught] == [__file__]


def test_one_split_has_everything():
    assert make_splits(table(x=list("abc")), {"all": 1}, group=None)["all"].tolist() == [0, 1, 2]


# ---- strata --------------------------------------------------------------------------------------


def test_single_patches_have_the_same_values_in_every_split():
    values = ["forest"] * 50 + ["city"] * 30 + ["sea"] * 20
    ds = table(x=[str(k) for k in range(100)], cover=values)
    asked = {"train": 0.6, "val": 0.2, "test": 0.2}
    for stratify in ("cover", values, np.array(values), np.array(values, object)):
        for seed in range(3):
            splits = make_splits(ds, asked, seed=seed, group=None, stratify=stratify)
            assert splits.strata == {
                "city": {"train": 18, "val": 6, "test": 6},
                "forest": {"train": 30, "val": 10, "test": 10},
                "sea": {"train": 12, "val": 4, "test": 4},
            }
    assert make_splits(ds, asked, group=None).strata == {}


def test_classes_as_numbers_are_strata_too():
    classes = np.repeat(np.array([0, 3, 1], np.uint8), 20)
    splits = make_splits(table(x=[str(k) for k in range(60)]), HALVES, group=None, stratify=classes)
    assert splits.strata == {value: {"a": 10, "b": 10} for value in "013"}


def test_groups_are_spread_by_their_values_as_far_as_they_can():
    ds = table(**rows_of(1000))
    cover = ds.metadata["land_cover"]

    def furthest(splits):
        return max(
            abs(np.mean(cover[which] == value) - np.mean(cover == value))
            for which in splits.values()
            for value in np.unique(cover)
        )

    with_strata = [make_splits(ds, CARD, seed=s, stratify="land_cover") for s in range(5)]
    without = [make_splits(ds, CARD, seed=s) for s in range(5)]
    assert max(map(furthest, with_strata)) < 0.04
    assert max(map(furthest, with_strata)) < min(map(furthest, without))
    for splits in with_strata:
        assert f"off by {furthest(splits):.4f} at most" in str(splits)
        assert not any(
            set(ds.metadata["roi_id"][splits["train"]]) & set(ds.metadata["roi_id"][splits[name]])
            for name in ("val", "test")
        )


def test_values_that_occur_once_leave_the_shares_as_they_are():
    ds = table(x=[str(k) for k in range(1000)])
    splits = make_splits(ds, CARD, group=None, stratify=np.random.default_rng(0).random(1000))
    assert [len(which) for which in splits.values()] == [849, 53, 98]


def test_empty_values_are_a_value():
    ds = table(x=[str(k) for k in range(20)], cover=["", "1"] * 10)
    splits = make_splits(ds, HALVES, group=None, stratify="cover")
    assert splits.strata == {"": {"a": 5, "b": 5}, "1": {"a": 5, "b": 5}}


# ---- the result ----------------------------------------------------------------------------------


def test_printed_it_is_a_table():
    ds = table(roi_id=["a"] * 700 + ["b"] * 200 + [str(k) for k in range(2100)])
    splits = make_splits(ds, CARD, group="roi_id")
    lines = str(splits).splitlines()
    assert repr(splits) == str(splits)
    assert lines[0] == "split    asked      got  patches   groups"
    assert re.fullmatch(r"train   0\.8490   0\.8490    2,547    1,848", lines[1])
    assert lines[2].startswith("val     0.0535   0.053")
    assert lines[4:] == ["3,000 patches in 2,102 groups, the largest of 700"]


def test_nothing_of_it_changes_and_it_pickles():
    splits = make_splits(table(**rows_of(50)), HALVES, stratify="land_cover")
    for one in (splits, pickle.loads(pickle.dumps(splits))):
        assert one == splits
        assert str(one) == str(splits)
        with pytest.raises(ValueError, match="read-only"):
            one["a"][0] = 1
        with pytest.raises(TypeError):
            one["a"] = np.arange(3)
    assert splits != make_splits(table(**rows_of(50)), HALVES, seed=1)
    assert splits == dict(splits)
    assert splits != {"a": splits["a"]}
    assert splits != "a, b"


def test_it_is_saved_as_arrays(tmp_path):
    splits = make_splits(table(**rows_of(50)), HALVES)
    np.savez(tmp_path / "splits.npz", **splits)
    with np.load(tmp_path / "splits.npz") as saved:
        assert splits == dict(saved)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shares": {}}, "shares={}; a share for each split is needed: {'train': 0.8}"),
        ({"shares": [0.8, 0.2]}, "shares=[0.8, 0.2]; a share for each split"),
        ({"shares": {"a": 0.8, "b": 0.1}}, "the shares sum to 0.9; 1 is needed"),
        ({"shares": {"a": 80, "b": 20}}, "the shares sum to 100; 1 is needed"),
        ({"shares": {"a": 0.5, "b": 0.500002}}, "the shares sum to 1.000002; 1 is needed"),
        ({"shares": {"a": 1.0, "b": 0}}, "shares['b'] = 0; a number above 0 is needed"),
        ({"shares": {"a": 1.5, "b": -0.5}}, "shares['b'] = -0.5; a number above 0"),
        ({"shares": {"a": float("nan")}}, "shares['a'] = nan; a number above 0"),
        ({"shares": {"a": float("inf")}}, "shares['a'] = inf; a number above 0"),
        ({"shares": {"a": 10**400}}, "; a number above 0"),
        ({"shares": {"a": True}}, "shares['a'] = True; a number above 0"),
        ({"shares": {"a": "1"}}, "shares['a'] = '1'; a number above 0"),
        ({"shares": {1: 1.0}}, "no split can be called 1; a name is needed"),
        ({"shares": {"": 1.0}}, "no split can be called ''; a name is needed"),
        ({"seed": -1}, "seed=-1; a whole number from 0 to 2**64 - 1 is needed"),
        ({"seed": 2**64}, "seed=18446744073709551616; a whole number"),
        ({"seed": True}, "seed=True; a whole number"),
        ({"seed": 1.0}, "seed=1.0; a whole number"),
        ({"seed": None}, "seed=None; a whole number"),
        (
            {"group": "roi"},
            "no column 'roi'; the metadata of somewhere has index, roi_id, s2_id, s2",
        ),
        ({"group": ("roi_id", "tile")}, "no column 'tile'; the metadata of somewhere has index"),
        ({"group": 5}, "5 names no columns; a name is needed, names, or None"),
        ({"group": [5]}, "no column 5; the metadata of somewhere has index"),
        ({"group": [["roi_id"]]}, "no column ['roi_id']; the metadata of"),
        ({"stratify": "class"}, "no column 'class'; the metadata of somewhere has"),
        (
            {"stratify": [1, 2]},
            "stratify is (2,) int64; a column is needed, or an array with a num",
        ),
        ({"stratify": np.ones((10, 1))}, "stratify is (10, 1) float64; a column is needed"),
        ({"stratify": [None] * 10}, "stratify is (10,) object; a column is needed"),
        ({"stratify": 3}, "stratify is () int64; a column is needed"),
        ({"stratify": [[1], [1, 2]]}, "stratify is no array of values: "),
    ],
)
def test_what_cannot_be_split_so_is_refused(options, words):
    with pytest.raises(RequestError, match=re.escape(words)):
        make_splits(table(**rows_of(10)), **{"shares": HALVES} | options)


def test_numbers_of_numpy_will_do():
    ds = table(**rows_of(50))
    asked = {name: np.float32(share) for name, share in HALVES.items()}
    assert make_splits(ds, asked, seed=np.int64(3)) == make_splits(ds, HALVES, seed=3)


def test_there_must_be_patches_and_metadata_to_group_by():
    with pytest.raises(RequestError, match=r"^there are no patches to split$"):
        make_splits(table(**rows_of(5)).subset([]), HALVES)
    with pytest.raises(RequestError, match=r"^'data' is no data set; cloudio.open\(path\) makes"):
        make_splits("data", HALVES)
    bare = table(("train", {"x": ["1"]}), ("val", {"y": ["1"]}))
    with pytest.raises(RequestError, match=r"^no column 'roi_id'; somewhere has no metadata.csv"):
        make_splits(bare, HALVES)
    assert len(make_splits(bare, HALVES, group=None)) == 2


# ---- what splits share ---------------------------------------------------------------------------


def plain(found):
    """As lists, for comparison."""
    return [
        (one.column, one.value, {name: which.tolist() for name, which in one.patches.items()})
        for one in found
    ]


def test_values_in_several_splits_are_found_with_their_patches():
    ds = table(
        ("train", {"roi_id": ["a", "b", "c", "b"], "s2_id": ["1", "2", "", "4"]}),
        ("val", {"roi_id": ["d", "b ", ""], "s2_id": ["4", "", "6"]}),
        ("test", {"roi_id": ["c", "b", ""], "s2_id": ["7", "8", "9"]}),
    )
    expected = [
        ("roi_id", "b", {"train": [1, 3], "val": [1], "test": [1]}),
        ("roi_id", "c", {"train": [2], "test": [0]}),
        ("s2_id", "4", {"train": [3], "val": [0]}),
    ]
    assert plain(shared(ds)) == expected
    assert plain(shared(ds, "s2_id")) == expected[2:]
    assert shared(ds.split("train")) == []
    for column, value, patches in shared(ds, "roi_id"):
        for name, which in patches.items():
            there = ds.split(name).metadata[column][which].tolist()
            assert {field.strip() for field in there} == {value}
    # Of a subset they are counted as its splits count them.
    part = ds.subset([7, 3, 6, 0, 2, 5])
    assert plain(shared(part)) == [
        ("roi_id", "b", {"train": [0], "val": [1]}),
        ("roi_id", "c", {"train": [2], "test": [0]}),
    ]
    assert part.split("train").metadata["roi_id"].tolist() == ["b", "a", "c"]
    with pytest.raises(
        RequestError, match=r"^no column 'tile'; the metadata of somewhere has roi_"
    ):
        shared(ds, ["tile"])


def test_the_release_in_small_shares_scenes_between_its_splits(mini):
    found = plain(shared(mini))
    assert ("roi_id", "ROI_0202", {"train": [1], "val": [0]}) in found
    assert {one[0] for one in found} == {"roi_id", "s2_id"}
    assert all(len(one[2]) > 1 for one in found)
    splits = quietly(mini, {"train": 0.5, "test": 0.5})
    for column in ("roi_id", "s2_id"):
        values = [set(mini.metadata[column][which]) for which in splits.values()]
        assert not values[0] & values[1]


def test_a_made_up_data_set_shares_nothing(tmp_path):
    cloudio.synthesize(tmp_path / "data", {"train": 7, "val": 6, "test": 6}, arrays=["LABEL_qa60"])
    ds = cloudio.open(tmp_path / "data")
    assert ds.layout is CLOUDSEN12
    assert shared(ds) == []
    assert isinstance(make_splits(ds, {"train": 0.7, "test": 0.3}), Splits)
