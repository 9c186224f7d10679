"""`ClassStats.weights` follow their formulas."""

import dataclasses
import math

import numpy as np
import pytest
from counted_set import (
    read_label,
)

from cloudio import CloudioWarning, LabelMap, RequestError, stats


def class_stats(per_patch, ignored=None):
    per_patch = np.array(per_patch)
    n_patches, n_classes = per_patch.shape
    return stats.ClassStats(
        label="hq",
        label_map=LabelMap({}),
        classes=np.arange(n_classes),
        names=tuple("abcdefgh"[:n_classes]),
        per_patch=per_patch,
        ignored_per_patch=np.zeros(n_patches, int) if ignored is None else np.array(ignored),
        of=None,
    )


def test_weights_follow_their_formulas_and_a_class_without_pixels_weighs_0():
    found = class_stats([[6, 2, 0, 0], [1, 0, 3, 0]])
    n, c = 12, np.array([7, 2, 3])
    assert np.allclose(found.weights(), [*(n / (3 * c)), 0], rtol=2**-23)
    assert np.allclose(found.weights("inverse"), [*(n / c), 0], rtol=2**-23)
    f = np.array([7 / 12, 2 / 8, 3 / 4])
    assert np.allclose(found.weights("median"), [*(f[0] / f), 0], rtol=2**-23)
    raw = (1 - 0.9) / (1 - 0.9**c)
    assert np.allclose(
        found.weights("effective", beta=0.9), [*(raw * 3 / raw.sum()), 0], rtol=2**-23
    )
    assert np.allclose(found.weights("effective", beta=0), [1, 1, 1, 0])
    huge = class_stats([[10**9, 10**3]]).weights("effective", beta=1 - 1e-9)
    assert huge[1] / huge[0] == pytest.approx((1 - math.exp(-1)) * 1e6, rel=1e-4)


def test_balanced_weights_equal_scikit_learn(data):
    class_weight = pytest.importorskip("sklearn.utils.class_weight")
    ds, _ = data
    label = read_label(ds, "found")
    label = label[label != 255]
    expected = class_weight.compute_class_weight("balanced", classes=np.unique(label), y=label)
    assert np.allclose(stats.classes(ds, "found").weights(), expected, rtol=2**-23)


def test_weights_are_what_a_loss_takes():
    torch = pytest.importorskip("torch")
    found = class_stats([[6, 2, 0, 0], [1, 0, 3, 0]])
    for how, beta in (("balanced", None), ("inverse", None), ("median", None), ("effective", 0.9)):
        weights = found.weights(how, beta=beta)
        assert weights.dtype == np.float32
        weight = torch.as_tensor(weights)
        loss = torch.nn.CrossEntropyLoss(weight=weight, ignore_index=255)
        torch.manual_seed(0)
        scores = torch.randn(2, 4, 3, 5, requires_grad=True)
        classes = torch.randint(0, 4, (2, 3, 5))
        classes[0, 0, 0] = 255
        found_loss = loss(scores, classes)
        found_loss.backward()
        assert torch.isfinite(found_loss)
        assert torch.isfinite(scores.grad).all()
        w = weight[classes.where(classes != 255, 0)] * (classes != 255)
        each = torch.nn.functional.cross_entropy(
            scores, classes.where(classes != 255, 0), reduction="none"
        )
        assert torch.allclose(found_loss, (each * w).sum() / w.sum())


def test_there_is_a_weight_for_each_class_that_the_map_gives(data):
    ds, _ = data
    label_map = LabelMap({0: 0, 1: 5, 255: None})
    found = stats.classes(ds, {"found": label_map})["found"]
    assert found.weights().shape == (6,)
    assert np.isfinite(found.weights()).all()
    assert not found.weights()[1:5].any()
    assert stats.classes(ds, {"found": label_map}, n_classes=9)["found"].weights().shape == (9,)


def test_weights_of_codes_as_stored_are_no_weights_of_classes():
    found = dataclasses.replace(
        class_stats([[6, 2], [1, 0]]), label_map=None, classes=np.array([0, 7])
    )
    with pytest.warns(CloudioWarning, match=r"hq was counted as stored: .* \(0, 7\), not to class"):
        assert np.allclose(found.weights("inverse"), [9 / 7, 9 / 2])
    plain = dataclasses.replace(class_stats([[6, 2], [1, 0]]), label_map=None)
    assert np.allclose(plain.weights("inverse"), [9 / 7, 9 / 2])  # without a warning


def test_weights_without_pixels_are_0():
    found = class_stats([[0, 0]], [9])
    for how, beta in (("balanced", None), ("inverse", None), ("median", None), ("effective", 0.9)):
        assert found.weights(how, beta=beta).tolist() == [0, 0]
    assert found.dominant.tolist() == [-1]
    assert np.isnan(found.share).all()


@pytest.mark.parametrize(
    ("how", "beta", "message"),
    [
        (
            "other",
            None,
            "how='other'; how must be one of 'balanced', 'inverse', 'median', 'effective'",
        ),
        (
            "effective",
            None,
            "beta=None with how='effective'; 'effective' needs beta, the others take none",
        ),
        ("balanced", 0.9, r"beta=0\.9 with how='balanced'; 'effective' needs beta, the"),
        ("effective", 1, r"beta=1; beta must be a number from 0 to below 1"),
        ("effective", "x", r"beta='x'; beta must be a number"),
    ],
)
def test_wrong_weights_are_refused(how, beta, message):
    with pytest.raises(RequestError, match=message):
        class_stats([[1, 2]]).weights(how, beta=beta)
