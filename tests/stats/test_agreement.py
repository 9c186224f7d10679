"""`stats.agreement`: confusion matrices and rates equal scikit-learn's; classes merge."""

import numpy as np
import pytest
from counted_set import inside, read_label

from cloudio import RequestError, stats


@pytest.mark.parametrize("source", ["found", "half"])
def test_agreement_equals_scikit_learn(data, source):
    metrics = pytest.importorskip("sklearn.metrics")
    ds, _ = data
    found = stats.agreement(ds, source, "hq", per_patch=True)
    alone = stats.agreement(ds, source, "hq")
    assert alone.per_patch is None
    assert np.array_equal(alone.matrix, found.matrix)
    assert alone.ignored == found.ignored
    truth, guess = read_label(ds, "hq"), read_label(ds, source)
    kept = (truth != 255) & (guess != 255)
    y, z = truth[kept], guess[kept]
    options = {"labels": range(4), "average": None, "zero_division": np.nan}
    assert np.array_equal(found.matrix, metrics.confusion_matrix(y, z, labels=range(4)))
    assert np.array_equal(
        found.producers_accuracy, metrics.recall_score(y, z, **options), equal_nan=True
    )
    assert np.array_equal(
        found.users_accuracy, metrics.precision_score(y, z, **options), equal_nan=True
    )
    assert np.allclose(found.f1, metrics.f1_score(y, z, **options), rtol=1e-14)
    assert np.allclose(found.iou, metrics.jaccard_score(y, z, labels=range(4), average=None))
    assert found.overall_accuracy == metrics.accuracy_score(y, z)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, z), 1e-14)
    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(y, z), 1e-10)
    assert found.ignored == (~kept).sum()
    assert found.ignored_by_reference == (truth == 255).sum()
    assert found.ignored_by_source == (guess == 255).sum()
    for k in range(len(ds)):
        y, z = truth[k][kept[k]], guess[k][kept[k]]
        assert np.array_equal(found.per_patch[k], metrics.confusion_matrix(y, z, labels=range(4)))
        balanced = metrics.balanced_accuracy_score(y, z)
        assert found.balanced_per_patch[k] == pytest.approx(balanced, 1e-14)


def test_merged_classes_equal_maps_that_merge_them(data):
    ds, _ = data
    merged = stats.agreement(ds, "found", "hq", per_patch=True).binary((1, 2), "cloud")
    cloud = {"hq": {0: 0, 1: 1, 2: 1, 3: 0}}
    source = {"found": {4: 0, 5: 0, 8: 1, 9: 1, 10: 1, 3: 0}}
    direct = stats.agreement(ds, source, cloud, per_patch=True)["found"]
    assert np.array_equal(merged.matrix, direct.matrix)
    assert np.array_equal(merged.matrix, merged.per_patch.sum(axis=0))
    assert np.array_equal(merged.per_patch, direct.per_patch)
    assert merged.ignored == direct.ignored
    assert merged.names == ("other", "cloud")
    swapped = stats.agreement(ds, "found", "hq").merged({"b": (3, 1), "a": [0, 2]})
    assert swapped.matrix.sum() == merged.matrix.sum()
    assert swapped.names == ("b", "a")
    assert stats.agreement(ds, "found", "hq").binary([3]).names == ("other", "3")


def test_predictable_are_the_classes_of_the_source(data):
    ds, _ = data
    found = stats.agreement(ds, "half", "hq")
    assert found.says == (True, True, False, False)
    assert found.binary((1, 2)).says == (True, True)
    assert found.binary((3,)).says == (True, False)
    assert found.binary(3) == found.binary((3,))
    assert "half has no 2, 3: merge classes until both have all" in str(found)
    assert "merge classes" not in str(found.binary((1, 2)))


def test_the_larger_map_gives_the_number_of_classes(data):
    ds, _ = data
    small = stats.agreement(ds, "hq", "half")
    assert small.matrix.shape == (4, 4)
    assert small.matrix[2:].sum() == 0
    assert np.array_equal(small.matrix, stats.agreement(ds, "half", "hq").matrix.T)
    assert small.ignored_by_reference == stats.classes(ds, "half").ignored
    assert np.isnan(small.producers_accuracy[2:]).all()
    assert small.balanced_accuracy == small.producers_accuracy[:2].mean()
    assert stats.agreement(ds, "hq", "half", n_classes=6).matrix.shape == (6, 6)


def test_agreement_of_labels_of_two_bytes(data):
    ds, stored = data
    found = stats.agreement(ds, {"wide": {-1: None, 5: 0, 1024: 1, 2048: 2}}, "hq")["wide"]
    wide, hq = inside(stored["wide"]), inside(stored["hq"])
    assert found.matrix[3, 1] == ((hq == 3) & (wide == 1024)).sum() > 0
    assert found.ignored_by_source == (wide == -1).sum()
    turned = stats.agreement(ds, "hq", {"wide": {-1: None, 5: 0, 1024: 1, 2048: 2}})
    assert np.array_equal(turned.matrix, found.matrix.T)


@pytest.mark.parametrize(
    ("source", "reference", "message"),
    [
        ("hq", "hq", "hq is both source and reference"),
        (
            {"found": None},
            "hq",
            r"found has no map \(None\); give it a policy or a map to the classes of the other",
        ),
        ("found", {"hq": None}, r"hq has no map \(None\); give it a policy"),
        ("found", ["hq", "half"], r"reference=\['hq', 'half'\]; reference must be one label"),
        ("found", "manual_hq", "no array 'manual_hq'"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(data, source, reference, message):
    with pytest.raises(RequestError, match=message):
        stats.agreement(data[0], source, reference)


def test_rates_per_patch_need_per_patch(data):
    with pytest.raises(
        RequestError, match=r"no counts per patch; agreement\(..., per_patch=True\) has"
    ):
        _ = stats.agreement(data[0], "half", "hq").balanced_per_patch


def test_groups_need_each_class_once(data):
    found = stats.agreement(data[0], "found", "hq")
    with pytest.raises(
        RequestError, match=r"the groups have classes \[0, 1\]; each of 0..3 must be in exactly one"
    ):
        found.merged({"a": (0, 1)})
    with pytest.raises(RequestError, match=r"groups have classes \[0, 1, 2, 3, 4\]"):
        found.binary((4,))


@pytest.mark.parametrize("n_classes", [14, 15, 16, 200])
def test_any_number_of_classes_gives_the_same_matrices(data, n_classes):
    """Up to 16 classes, one of which is ignored, both codes are counted as one number."""
    ds, stored = data
    maps = {name: {code: code % n_classes for code in range(200)} for name in ("half", "hq")}
    (found,) = stats.agreement(
        ds, {"half": maps["half"]}, {"hq": maps["hq"]}, n_classes=n_classes, per_patch=True
    ).values()
    alone = stats.agreement(ds, {"half": maps["half"]}, {"hq": maps["hq"]}, n_classes=n_classes)
    window = ds.valid_window
    rows = slice(window.row, window.row + window.height)
    cols = slice(window.col, window.col + window.width)
    half, hq = (stored[name][:, rows, cols].astype(int) % n_classes for name in ("half", "hq"))
    expected = np.zeros((len(ds), n_classes, n_classes), int)
    for k in range(len(ds)):
        np.add.at(expected[k], (hq[k], half[k]), 1)
    assert np.array_equal(found.per_patch, expected)
    assert np.array_equal(found.matrix, expected.sum(axis=0))
    assert np.array_equal(alone["half"].matrix, found.matrix)
