"""Results of parts merge into the result of one pass, bit for bit, in any order."""

import collections
import dataclasses
import json
import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from counted_set import INTS, LAYOUT, PERCENTS, every_result, write_split
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled
from trees import merge_by, trees

import cloudio
from cloudio import Band, LabelMap, Layout, RequestError, Window, stats
from cloudio.stats.counts.histogram import Histogram, add_histograms

N = 7


def count(ds):
    """Every kind of result that merges; the bands are of whole numbers."""
    return stats.ResultSet(
        {
            "bands": stats.bands(ds, [*INTS, "i16"], percentiles=PERCENTS),
            "classes": stats.classes(ds, {"hq": "card", "wide": None, "found": None}),
            "agreement": stats.agreement(ds, ["found", "half"], "hq"),
            "each": stats.agreement(ds, "found", "hq", per_patch=True).binary((1, 2)),
        }
    )


@pytest.fixture(scope="module")
def counted(data):
    """The result of each patch alone, as one process sends it to another."""
    return [pickle.loads(pickle.dumps(count(data[0].subset([k])))) for k in range(N)]


@settings(max_examples=scaled(6, 15))
@given(st.sets(st.integers(0, N - 1), min_size=1), st.data())
def test_any_tree_of_parts_gives_the_result_of_one_pass(data, counted, chosen, drawn):
    ds, _ = data
    found = merge_by(drawn.draw(trees(sorted(chosen))), counted, stats.merge)
    found = stats.merge([found])
    expected = count(ds if len(chosen) == N else ds.subset(sorted(chosen)))
    assert found.json() == expected.json()
    assert found == expected
    assert found["bands"].of.missing == expected["bands"].of.missing


def test_results_that_do_not_fit_together_are_refused(data, tmp_path):
    ds, _ = data
    one, two = (ds.subset(range(*ends)) for ends in ((0, 5), (4, 7)))
    a = stats.bands(one, "i16")
    refused = [
        ([], "there is no result to merge; give the results of parts"),
        (a, "merge takes a list of results"),
        (3, "results=3; merge takes a list of results"),
        ([tmp_path], "are of type PosixPath; .*; cloudio.stats.load reads one from a file"),
        ([a, 3], "the results are of type BandStats and int; merge takes results of cloudio.stats"),
        ([a, stats.classes(two, "hq")], "are of type BandStats and ClassStats"),
        ([a, stats.bands(two, "i16")], r"count patches twice: val 0; merge takes"),
        ([a, a], r"count patches twice: train 0..3; val 0;"),
        ([stats.bands(ds.subset([1, 1]), "i16")], r"count patches twice: train 1;"),
        ([a, stats.bands(ds.split("val"), "i16")], r"count patches twice: val 0; merge takes"),
    ]
    last = ds.subset([6])
    window = Window(3, 3, 2, 2)
    refused += [
        ([a, stats.bands(last, "u16")], r"have arrays \{'i16': 'int16'\} and \{'u16'"),
        ([a, stats.bands(last, "i16", window=window)], "have window Window"),
        ([a, stats.bands(last, "i16", scale=None)], "have scale array.* and array"),
        ([a, stats.bands(last, "i16", percentiles=(50,))], "have percents "),
    ]
    hq = stats.classes(one, "hq")
    sets = [stats.classes(part, names) for part, names in ((one, ["hq"]), (last, ["hq", "half"]))]
    fmask = stats.agreement(one, "found", "hq")
    refused += [
        ([hq, stats.classes(last, {"hq": {0: 1}})["hq"]], "have label_map LabelMap"),
        ([hq, stats.classes(last, "hq", n_classes=9)], "have classes array"),
        (sets, "have parts hq and hq, half; merge takes results of the same arguments"),
        ([fmask, stats.agreement(last, "found", {"hq": {0: 1}})], "have reference_map LabelMap"),
        ([fmask, stats.agreement(last, "found", "hq", per_patch=True)], "matrices per patch and"),
    ]
    for results, words in refused:
        with pytest.raises(RequestError, match=words):
            stats.merge(results)
    write_split(tmp_path / "train", 3)
    other = cloudio.open(tmp_path, layout=LAYOUT)
    with pytest.raises(RequestError, match="are of train 4, val 3, and of train 3; merge takes"):
        stats.merge([a, stats.bands(other.subset([2]), "i16")])


def test_parts_with_other_numbers_for_no_data_are_refused(data, tmp_path):
    ds, _ = data
    known = {"i16": 0.0, "u16": None, "f32": math.nan}
    bands = [
        dataclasses.replace(band, nodata=known[band.name]) if band.name in known else band
        for band in LAYOUT.bands
    ]
    other = cloudio.open(ds.path, layout=dataclasses.replace(LAYOUT, bands=tuple(bands)))
    for name, numbers in (
        ("i16", "None and 0.0"),
        ("u16", "0.0 and None"),
        ("f32", "-99.0 and nan"),
    ):
        one, two = stats.bands(ds.subset([0]), name), stats.bands(other.subset([1, 2]), name)
        one.save(tmp_path / f"{name}.json")
        for first in (one, stats.load(tmp_path / f"{name}.json")):
            with pytest.raises(RequestError, match=f"have nodata {numbers} of {name}; they must"):
                stats.merge([first, two])
    parts = [stats.bands(other.subset([k]), ["f32", "i8"]) for k in (0, 1)]
    merged = stats.merge([parts[0].select("f32"), stats.bands(other.subset([1]), "f32")])
    with pytest.raises(RequestError, match=r"have nodata nan and -99\.0 of f32; they must"):
        merged.finish(stats.lower_halves(ds.subset([0, 1]), merged.second_round()))


def test_parts_with_other_channels_of_a_file_are_refused(tmp_path):
    def opened(**channels):
        bands = [Band(name, file="s.dat", channel=k, channels=3) for name, k in channels.items()]
        layout = Layout("Stacked", (8, 8), Window(0, 0, 8, 8), tuple(bands))
        return cloudio.open(tmp_path, layout=layout)

    rng = np.random.default_rng(0)
    array = rng.integers(0, 99, (4, 3, 8, 8)).astype("i2")
    array.tofile(tmp_path / "s.dat")
    ds, other = opened(r=0, g=1, b=2), opened(r=1, g=0, b=2)
    first = stats.bands(ds.subset([0, 1]), ["r", "b"])
    first.save(tmp_path / "first.json")
    for result in (first, stats.load(tmp_path / "first.json")):
        assert result.of.channels == {"r": 0, "b": 2}
        with pytest.raises(RequestError, match="the results have channel 0 and 1 of r; they must"):
            stats.merge([result, stats.bands(other.subset([2, 3]), ["r", "b"])])
    same = stats.bands(other.subset([2, 3]), "b")
    assert stats.merge([first.select("b"), same]) == stats.bands(ds, "b")
    folder = tmp_path / "alone" / tmp_path.name  # of one name, because it is the split's
    folder.mkdir(parents=True)
    array[:, 0].tofile(folder / "r.dat")
    layout = Layout("Stacked", (8, 8), Window(0, 0, 8, 8), (Band("r"),))
    alone = stats.bands(cloudio.open(folder, layout=layout).subset([2, 3]), "r")
    first, last = first.select("r"), stats.bands(other.subset([3]), "r")
    assert stats.merge([alone, first]) == stats.bands(ds, "r")
    alone = stats.bands(cloudio.open(folder, layout=layout).subset([2]), "r")
    for some in ([alone, first], [first, alone]):
        merged = stats.merge(some)
        assert merged.of.channels == {"r": 0}
        with pytest.raises(RequestError, match="the results have channel 0 and 1 of r; they must"):
            stats.merge([merged, last])


def test_parts_that_ignore_another_class_are_refused(data, tmp_path):
    """Pixels of class 0 are counted in one part, and are ignored in the other."""
    ds, _ = data
    one, two = ds.subset([0, 1]), ds.subset([2])
    hq = {"hq": {0: 0, 1: 1, 2: 2, 3: 3}}
    for count, words in (
        (lambda part, ignore: stats.classes(part, hq, ignore=ignore), "255 and 0"),
        (lambda part, ignore: stats.agreement(part, {"found": {8: 1}}, hq, ignore=ignore), "0 and"),
    ):
        first = 255 if words == "255 and 0" else 0
        parts = [count(one, first), count(two, 255 - first)]
        parts[0].save(tmp_path / "one.json")
        for results in (parts, [stats.load(tmp_path / "one.json"), parts[1]]):
            with pytest.raises(RequestError, match=f"the results have ignore {words}"):
                stats.merge(results)
        again = stats.merge([stats.load(tmp_path / "one.json"), count(two, first)])
        with pytest.raises(RequestError, match=f"have ignore {words}.*; merge takes results of"):
            stats.merge([again, count(ds.subset([3]), 255 - first)])
        (tmp_path / "one.json").unlink()
    raw = [stats.classes(one, {"hq": None}), stats.classes(two, {"hq": None}, ignore=3)]
    assert stats.merge(raw) == stats.classes(ds.subset([0, 1, 2]), {"hq": None})


def test_maps_of_the_same_codes_in_any_order_are_one_map(data):
    ds, _ = data
    one, two = ds.subset([0, 1]), ds.subset([2])
    maps = [LabelMap(dict(codes)) for codes in (((0, 0), (1, 1)), ((1, 1), (0, 0)))]
    parts = [stats.classes(part, {"hq": to}) for part, to in zip((one, two), maps, strict=True)]
    for results in (parts, parts[::-1]):
        assert stats.merge(results) == stats.classes(ds.subset([0, 1, 2]), {"hq": maps[0]})


@pytest.mark.parametrize("ends", [(-(2**15), 2**15 - 1), (0, 2**16 - 1), (-3, 2**32), (5, 5)])
def test_histograms_add(ends):
    rng = np.random.default_rng(3)
    wholes = [rng.integers(ends[0], ends[1] + 1, n).tolist() for n in (50, 0, 1, 70)]
    wholes[3] += [*ends, *wholes[0][:20]]
    counters = [sorted(collections.Counter(whole).items()) for whole in wholes]
    parts = [
        Histogram(*np.array(counter, np.int64).reshape(-1, 2).T.copy()) for counter in counters
    ]
    for some in (parts, parts[::-1], parts[1:2]):
        expected = collections.Counter()
        for part in some:
            expected.update(dict(zip(part.values.tolist(), part.counts.tolist(), strict=True)))
        found = add_histograms(some)
        assert found.values.dtype == found.counts.dtype == np.int64
        pairs = zip(found.values.tolist(), found.counts.tolist(), strict=True)
        assert [*pairs] == sorted(expected.items())


def test_gaps_are_named(data):
    ds, _ = data
    merged = stats.merge([stats.classes(ds.subset([k]), "hq") for k in (6, 1, 0, 4)])
    assert merged.of.missing == {"train": (2, 3), "val": (1,)}
    assert "4 of 7 patches (train 2 of 4, val 2 of 3)" in str(merged)
    assert merged.fits(ds.subset([0, 1, 4, 6]))
    rest = stats.classes(ds.subset([5, 3, 2]), "hq")
    whole = stats.merge([rest, merged])
    assert whole.of.missing == {}
    assert whole.fits(ds)
    assert "7 patches (train 4, val 3)" in str(whole)


def test_a_part_may_be_empty_and_splits_need_not_be_cut(data):
    ds, _ = data
    parts = [ds.subset(ds.splits[name]) for name in ("val", "train")] + [ds.subset([])]
    assert stats.merge([count(part) for part in parts]) == count(ds)
    assert stats.merge([count(parts[2])] * 2) == count(parts[2])


def test_parts_may_be_of_single_splits(tmp_path):
    for k, name in enumerate(("train", "val", "aside", "test")):  # as if in no order
        write_split(tmp_path / name, k + 2, seed=k)
    ds = cloudio.open(tmp_path, layout=LAYOUT)
    splits = [ds.split(name) for name in ("aside", "test", "train")]
    names = {name: len(which) for name, which in ds.splits.items()}
    assert names == {"train": 2, "val": 3, "test": 5, "aside": 4}
    parts = [splits[0].subset([2, 0, 1]), splits[1].subset([2, 0]), ds.subset([13, 3]), splits[2]]
    results = [count(part) for part in parts]
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 2, 0)):
        merged = stats.merge([results[k] for k in order])
        assert merged == count(ds.subset([0, 1, 3, 5, 7, 10, 11, 12, 13]))
        assert merged["bands"].of.missing == {"val": (0, 2), "test": (1, 3, 4)}
    merged = stats.merge([count(ds.split(name)) for name in ("test", "val", "aside", "train")])
    assert merged.json() == count(ds).json()
    with pytest.raises(RequestError, match="count patches twice: test 1; merge takes"):
        stats.merge([stats.bands(ds.subset([6]), "i16"), stats.bands(splits[1], "i16")])


def test_merged_results_are_saved_and_merge_again(data, tmp_path):
    ds, _ = data
    stats.merge([count(ds.subset([k])) for k in (5, 0, 6)]).save(tmp_path / "some.json")
    rest = count(ds.subset([1, 2, 3, 4]))
    whole = stats.merge([stats.load(tmp_path / "some.json"), rest])
    assert whole.json() == count(ds).json()


def test_results_of_earlier_versions_load_equal_and_are_not_merged(data, tmp_path):
    ds, _ = data
    for result in every_result(ds):
        if isinstance(result, stats.ResultSet):
            continue
        text = json.loads(result.json())
        del text["of"]["covers"]
        text.pop("floats", None)
        text.pop("ignore", None)
        (tmp_path / "old.json").write_text(json.dumps(text))
        old = stats.load(tmp_path / "old.json")
        assert old == result
        assert json.loads(old.json()) == text
        with pytest.raises(RequestError, match="an earlier version of cloudio saved it; count"):
            stats.merge([old])
        with pytest.raises(RequestError, match="saved by an earlier version of cloudio"):
            old.of.missing  # noqa: B018


def test_codes_as_stored_are_those_of_all_parts(tmp_path):
    layout = Layout("Codes", (16, 16), Window(0, 0, 16, 16), (Band("x", "label", dtype="uint16"),))
    codes = np.arange(300, dtype="u2").repeat(2)[:512].reshape(2, 16, 16)
    codes.tofile(tmp_path / "x.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    parts = [stats.classes(ds.subset([k]), {"x": None})["x"] for k in (1, 0)]
    assert len(parts[0].classes) == 128
    with pytest.raises(RequestError, match="x holds 256 codes; at most 255 can be counted as"):
        stats.merge(parts)
    with pytest.raises(RequestError, match="x holds 256 codes; at most 255 can be counted as"):
        stats.classes(ds, {"x": None})
    codes[0, 0] = codes[0, 1]
    codes.tofile(tmp_path / "x.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    parts = [stats.classes(ds.subset([k]), {"x": None})["x"] for k in (1, 0)]
    assert stats.merge(parts).json() == stats.classes(ds, {"x": None})["x"].json()


# ---- floats --------------------------------------------------------------------------------------

NAN, INF = np.nan, np.inf
# One kind of patch each, and what can go wrong with it.
KINDS = [
    [0.0],
    [NAN],
    [-99.0],
    [INF, 1.0],
    [-INF, 3e38, -3e38],
    [1e-45, -1e-45, 1e-39],
    [0.1, 0.2, 0.30000001, NAN, -99.0, 16777216.0, 16777215.0],
    [-0.0],
]
FLOATING = Layout(
    "Floating",
    (4, 6),
    Window(0, 1, 4, 5),
    (
        Band("plain", dtype="float32"),
        Band("nodata", dtype="float32", nodata=-99.0, scale=0.1),
        Band("falling", dtype="float32", nodata=NAN, scale=-7.0, offset=0.3),
    ),
)
REQUEST = ["plain", "nodata", "falling", "plain"]
SCALES = [1.0, 0.1, -7.0, -1.0]


@pytest.fixture(scope="module")
def floating(tmp_path_factory):
    folder = tmp_path_factory.mktemp("floats")
    rng = np.random.default_rng(5)
    for band in FLOATING.bands:
        patches = [rng.choice(np.array(kind, "f4"), FLOATING.patch) for kind in KINDS]
        patches += [rng.normal(-12, 6, FLOATING.patch).astype("f4") for _ in range(2)]
        np.stack(patches).tofile(folder / f"{band.name}.dat")
    return cloudio.open(folder, layout=FLOATING)


def count_floats(ds, percentiles=PERCENTS):
    return stats.bands(ds, REQUEST, scale=SCALES, percentiles=percentiles)


@settings(max_examples=scaled(15, 30))
@given(st.sets(st.integers(0, len(KINDS) + 1), min_size=1), st.data())
def test_floats_in_two_rounds_equal_one_pass(floating, chosen, drawn):
    numbers = drawn.draw(st.permutations(sorted(chosen)))
    cuts = drawn.draw(st.sets(st.integers(1, len(numbers)), max_size=3))
    parts = [floating.subset(numbers[a:b]) for a, b in pairwise(sorted({0, *cuts, len(numbers)}))]
    percents = drawn.draw(st.sampled_from([PERCENTS, (50,), ()]))
    tree = drawn.draw(trees(list(range(len(parts)))))
    merged = stats.merge(
        [merge_by(tree, [count_floats(part, percents) for part in parts], stats.merge)]
    )
    expected = count_floats(floating.subset(sorted(numbers)), percents)
    complete = merged
    if merged.pending:
        wanted = pickle.loads(pickle.dumps(merged.second_round()))
        rounds = [stats.lower_halves(part, wanted) for part in reversed(parts)]
        complete = merged.finish(stats.merge([merge_by(tree, rounds, stats.merge)]))
    assert complete.json() == expected.json()
    for name in ("count", "n_nodata", "n_nan", "min", "max", "mean", "std"):
        assert getattr(merged, name).tobytes() == getattr(expected, name).tobytes()


@pytest.mark.parametrize("numbers", [(0, 7), (7, 0), (0,), (7,)])
def test_zeros_keep_their_sign_in_any_order(floating, numbers):
    parts = [stats.bands(floating.subset([k]), "plain") for k in numbers]
    merged = stats.merge(parts)
    assert np.signbit(merged.min[0]) == (7 in numbers)
    assert np.signbit(merged.max[0]) == (0 not in numbers)
    found = stats.bands(floating.subset(numbers), "plain")
    assert found.min.tobytes() == merged.min.tobytes()
    assert found.max.tobytes() == merged.max.tobytes()


def test_percentiles_of_the_only_part_with_data_are_not_pending(floating):
    parts = [count_floats(floating.subset(numbers)) for numbers in ([8, 9], [2], [])]
    merged = stats.merge(parts)
    assert merged.pending == ("plain", "falling")
    assert merged.select("nodata") == count_floats(floating.subset([2, 8, 9])).select("nodata")


def test_percentiles_that_are_pending_are_named(floating, tmp_path):
    parts = [floating.subset(numbers) for numbers in ((7, 8), (9,))]
    merged = stats.merge([count_floats(part) for part in parts])
    assert merged.pending == ("plain", "nodata", "falling")
    assert np.isnan(merged.percentiles).all()
    assert "percentiles of plain, nodata, falling need a second round over the files" in str(merged)
    assert merged != count_floats(floating.subset([7, 8, 9]))
    merged.save(tmp_path / "merged.json")
    loaded = stats.load(tmp_path / "merged.json")
    wanted = loaded.second_round()
    assert len(pickle.dumps(wanted)) < 2000
    rounds = [stats.lower_halves(part, wanted) for part in parts]
    stats.merge(rounds).save(tmp_path / "lower.json")
    lower = stats.load(tmp_path / "lower.json")
    assert lower == stats.merge(rounds)
    assert str(lower).startswith("numbers near percentiles of Floating, 3 of 10 patches")
    found = loaded.finish(lower)
    assert found.json() == count_floats(floating.subset([7, 8, 9])).json()
    in_other_order = stats.lower_halves(floating.subset([9, 7, 8]), wanted)
    assert merged.finish(in_other_order).json() == found.json()
    some = merged.select(["falling"])
    assert some.pending == ("falling",)
    found = some.finish(stats.lower_halves(floating.subset([7, 8, 9]), some.second_round()))
    assert found.json() == count_floats(floating.subset([7, 8, 9])).select("falling").json()


def test_a_second_round_of_something_else_is_refused(floating, tmp_path):
    parts = [floating.subset(numbers) for numbers in ((6, 7, 8), (9,))]
    merged = stats.merge([count_floats(part) for part in parts])
    wanted = merged.second_round()
    whole = floating.subset([6, 7, 8, 9])
    with pytest.raises(RequestError, match="no percentile is pending; these statistics are comp"):
        count_floats(whole).second_round()
    with pytest.raises(RequestError, match="wanted is of type BandStats; it must be what second_"):
        stats.lower_halves(whole, merged)
    with pytest.raises(RequestError, match="lower is of type BandStats; finish takes what"):
        merged.finish(merged)
    with pytest.raises(RequestError, match=r"counted Floating, 3 of 10 patches .* the same patch"):
        merged.finish(stats.lower_halves(parts[0], wanted))
    with pytest.raises(RequestError, match=r"the same patches: only one of both has floats0 2, 9$"):
        merged.finish(stats.lower_halves(floating.subset([8, 2, 7, 6]), wanted))
    with pytest.raises(RequestError, match=r"count patches twice: \w+ 8; merge takes"):
        merged.finish(stats.lower_halves(floating.subset([6, 7, 8, 8, 9]), wanted))
    few = stats.lower_halves(whole, stats.SecondRound(("plain",), wanted.upper[:1], wanted.window))
    with pytest.raises(RequestError, match="nodata was counted for another second round, that of"):
        merged.finish(few)
    folder = tmp_path / floating.path.name
    folder.mkdir()
    for band in FLOATING.bands:
        np.full((10, 4, 6), 1000, "f4").tofile(folder / f"{band.name}.dat")
    changed = cloudio.open(folder, layout=FLOATING).subset([6, 7, 8, 9])
    with pytest.raises(RequestError, match="found other numbers in plain than the first; its fil"):
        merged.finish(stats.lower_halves(changed, wanted))
