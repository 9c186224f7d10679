"""For any metadata: groups stay whole, shares are met, and the order of rows changes nothing."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_sets import components, metadata_only, split_per_patch, splits_without_warnings
from profiles import scaled

names = st.sampled_from(["", " ", "a", "b ", "b", "c", "d", "e", "f", "g", "h"])


@st.composite
def columns_of_metadata(draw, most=30):
    n = draw(st.integers(1, most))
    column = st.lists(names, min_size=n, max_size=n)
    return {name: draw(column) for name in ("roi_id", "s2_id", "kind")}


shares = st.lists(st.integers(1, 100), min_size=1, max_size=6).map(
    lambda parts: {f"s{k}": part / sum(parts) for k, part in enumerate(parts)}
)

groupings = st.sampled_from([("roi_id", "s2_id"), "roi_id", ["s2_id"], None])

stratified = st.sampled_from([None, "kind"])

seeds = st.integers(0, 2**64 - 1)


@given(columns_of_metadata(), shares, groupings, stratified, seeds)
def test_groups_stay_whole_and_shares_are_off_by_less_than_the_largest_group(
    columns, asked, group, stratify, seed
):
    ds = metadata_only(**columns)
    splits = splits_without_warnings(ds, asked, seed=seed, group=group, stratify=stratify)
    assert list(splits) == list(asked)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(ds)))
    placed = split_per_patch(splits)
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


@given(
    columns_of_metadata(), shares, groupings, stratified, seeds, st.randoms(use_true_random=False)
)
def test_the_same_rows_in_another_order_go_to_the_same_splits(
    columns, asked, group, stratify, seed, random
):
    order = list(range(len(columns["kind"])))
    random.shuffle(order)
    places = []
    for rows in ({name: [fields[k] for k in order] for name, fields in columns.items()}, columns):
        splits = splits_without_warnings(
            metadata_only(**rows), asked, seed=seed, group=group, stratify=stratify
        )
        content = zip(*([x.strip() for x in fields] for fields in rows.values()), strict=True)
        places.append(Counter(zip(content, split_per_patch(splits), strict=True)))
    assert places[0] == places[1]


@settings(max_examples=scaled(10, 30))
@given(columns_of_metadata(), shares, st.data())
def test_an_array_to_stratify_by_may_be_permuted_with_the_rows(columns, asked, data):
    n = len(columns["kind"])
    given_values = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    order = data.draw(st.permutations(range(n)))
    places = []
    for rows in (range(n), order):
        ds = metadata_only(**{name: [fields[k] for k in rows] for name, fields in columns.items()})
        values = [given_values[k] for k in rows]
        splits = splits_without_warnings(ds, asked, group=None, stratify=np.array(values))
        content = zip(
            *([columns[name][k].strip() for k in rows] for name in columns), values, strict=True
        )
        places.append(Counter(zip(content, split_per_patch(splits), strict=True)))
    assert places[0] == places[1]
