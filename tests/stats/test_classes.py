"""`stats.classes` counts what a reader reads."""

import numpy as np
import pytest
from counted_set import inside, read_label

from cloudio import CloudioWarning, LabelMap, RequestError, stats


def test_counts_are_those_of_a_reader(data):
    ds, _ = data
    for name, n in (("hq", 4), ("found", 4), ("half", 2)):
        found, label = stats.classes(ds, name), read_label(ds, name)
        expected = np.stack([(label == c).sum((1, 2)) for c in range(n)], axis=1)
        assert found.label == name
        assert found.classes.tolist() == list(range(n))
        assert np.array_equal(found.per_patch, expected)
        assert np.array_equal(found.ignored_per_patch, (label == 255).sum((1, 2)))
        assert np.array_equal(found.counts, expected.sum(axis=0))
        assert found.ignored == (label == 255).sum() > 0
        assert np.array_equal(found.share, found.counts / found.counts.sum())
        assert np.array_equal(found.images, (expected > 0).sum(axis=0))
        assert np.array_equal(found.dominant, expected.argmax(axis=1))
        totals = expected.sum(axis=1, keepdims=True)
        assert np.array_equal(found.share_per_patch, expected / totals)


def test_each_label_is_counted_under_its_map(data):
    ds, stored = data
    both = stats.classes(ds, ["hq", "half"])
    assert list(both) == ["hq", "half"]
    assert both["half"] == stats.classes(ds, "half")
    own = stats.classes(ds, {"half": LabelMap.threshold(90), "hq": {0: 0, 3: 1, 1: 5}})
    assert list(own) == ["half", "hq"]
    assert (
        own["half"].counts[1]
        == ((inside(stored["half"]) >= 90) & (inside(stored["half"]) <= 100)).sum()
    )
    assert own["hq"].counts.tolist()[2:5] == [0, 0, 0]
    assert own["hq"].counts[5] == (inside(stored["hq"]) == 1).sum()


def test_each_code_as_stored_is_a_class(data):
    ds, stored = data
    for name in ("found", "wide"):
        found = stats.classes(ds, {name: None})[name]
        codes, counts = np.unique(inside(stored[name]), return_counts=True)
        assert np.array_equal(found.classes, codes)
        assert np.array_equal(found.counts, counts)
        assert found.ignored == 0
        assert found.label_map is None
    assert found.classes[0] == -1


def test_n_classes_and_ignore_are_applied(data):
    ds, stored = data
    assert stats.classes(ds, "half", n_classes=4).counts.tolist()[2:] == [0, 0]
    found = stats.classes(ds, "hq", ignore=0)
    assert found.counts[0] == 0
    with pytest.warns(CloudioWarning, match="ignore=0 is also class 0"):
        label = read_label(ds, "hq", ignore=0)
    assert found.ignored == (label == 0).sum()
    assert np.array_equal(found.counts[1:], np.bincount(label.ravel())[1:])
    minus = stats.classes(ds, {"hq": {0: 0, 1: 1, 2: -1}}, ignore=-1)["hq"]
    assert minus.ignored == np.isin(inside(stored["hq"]), (2, 3, 7)).sum()


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ("nothing", {}, "no array 'nothing'"),
        ("f32", {}, "f32 is stored as float32; a label must hold whole numbers"),
        ({"hq": "other"}, {}, "hq has no policy 'other'; its policies: 'card'"),
        (
            "hq",
            {"n_classes": 3},
            r"n_classes=3; hq has classes 0\.\.3, so n_classes must be at least 4",
        ),
        ("hq", {"n_classes": 0}, r"n_classes=0; n_classes must be a whole number from 1 to 255"),
        ("hq", {"n_classes": 256}, "n_classes=256; n_classes must be a whole number from 1 to 255"),
        ("hq", {"ignore": 0.5}, r"ignore=0\.5; ignore must be a whole number"),
        (
            {"hq": {0: -1}},
            {},
            r"the map of hq gives class -1; classes must be 0\.\.254, or ignore=255",
        ),
        ({"hq": {0: 300}}, {}, r"the map of hq gives class 300; classes must be"),
        (
            {"u16": None},
            {},
            "u16 holds 869 codes; at most 255 can be counted as stored: give it a map",
        ),
        ("hq", {"threads": 0}, r"threads=0"),
    ],
)
def test_wrong_arguments_are_refused(data, labels, settings, message):
    with pytest.raises(RequestError, match=message):
        stats.classes(data[0], labels, **settings)
