"""Statistics of real patches equal numpy's and scikit-learn's."""

import numpy as np
import pytest
from counted_set import near, valid_pixels

import cloudio
from cloudio import stats


def test_bands_equal_numpy(mini):
    names = ("L1C_B4", "L1C_B10", "S1_VV", "S1_angle")
    found = stats.bands(mini, names)
    for k, name in enumerate(names):
        numbers = valid_pixels(mini, name).ravel()
        band = mini.band(name)
        scaled = numbers[numbers != -99].astype(np.float64) * band.scale
        assert found.count[k] == scaled.size
        assert (found.min[k], found.max[k]) == (scaled.min(), scaled.max())
        assert np.array_equal(found.percentiles[k], np.percentile(scaled, stats.PERCENTILES))
        assert near(found.mean[k], scaled.mean())
        assert near(found.std[k], scaled.std())
    # The stripe of one patch: columns 1..60 of 509 rows.
    assert found.n_nodata.tolist() == [0, 0, 60 * 509, 0]


def test_agreement_equals_scikit_learn(mini):
    metrics = pytest.importorskip("sklearn.metrics")
    sources = {"LABEL_sen2cor": "card", "LABEL_fmask": "card", "LABEL_s2cloudless": "card"}
    table = stats.agreement(mini, sources)
    for name, found in table.items():
        labels = {"manual_hq": "card", name: "card"}
        label = mini.reader("L1C_B4", labels).read(range(6)).label
        y, z = label[:, 0].ravel(), label[:, 1].ravel()
        kept = z != 255
        expected = metrics.confusion_matrix(y[kept], z[kept], labels=range(4))
        assert np.array_equal(found.matrix, expected)
    assert table["LABEL_s2cloudless"].names == cloudio.CLASSES
    printed = str(table)
    assert "cloud shadow BOA" in printed
    cloud = table["LABEL_s2cloudless"].binary((1, 2))
    row = next(line for line in printed.splitlines() if line.startswith("LABEL_s2cloudless"))
    assert row.split()[1:4] == [
        f"{cloud.producers_accuracy[1]:.3f}",
        f"{cloud.users_accuracy[1]:.3f}",
        f"{cloud.balanced_accuracy:.3f}",
    ]
    assert row.split()[4:7] == ["-", "-", "-"]


def test_labels_named_alone_give_the_warnings_of_a_reader(mini):
    with pytest.warns(
        cloudio.CloudioWarning,
        match="LABEL_sen2cor is named without a policy and follows",
    ):
        stats.classes(mini, "sen2cor")
    with pytest.warns(
        cloudio.CloudioWarning, match="LABEL_kappamask_L1C is named without a policy"
    ):
        stats.agreement(mini, "kappamask_L1C")


def test_classes_have_names_under_the_maps_of_cloudsen12(mini):
    found = stats.classes(mini)
    assert found.names == cloudio.CLASSES
    assert np.array_equal(found.counts, np.bincount(valid_pixels(mini, "LABEL_manual_hq").ravel()))
    assert stats.classes(mini, {"s2cloudless": "card"})["LABEL_s2cloudless"].names == (
        "clear",
        "cloud",
    )
    assert stats.classes(mini, {"manual_hq": {0: 0, 1: 1, 2: 1, 3: 0}})[
        "LABEL_manual_hq"
    ].names == (
        "0",
        "1",
    )
