"""Synthetic labels: every code of the release, and errors as detectors make them."""

import numpy as np
import pytest
from synthetic import valid_pixels

from cloudio import CLOUDSEN12

# What an array may hold, and must hold somewhere in seven patches.
CODES = {
    "manual_hq": range(4),
    "manual_sc": (*range(7), 99),
    "fmask": (*range(5), 255),
    "qa60": (0,),
    "sen2cor": range(12),
    "kappamask_L1C": range(6),
    "kappamask_L2A": range(6),
    "s2cloudless": range(101),
    "cd_fcnn_rgbi": range(101),
    "cd_fcnn_rgbi_swir": range(101),
}


@pytest.mark.parametrize(("label", "codes"), CODES.items())
def test_every_code_of_a_label_occurs_and_no_other(labels, label, codes):
    assert set(np.unique(valid_pixels(labels, f"LABEL_{label}"))) == set(codes)


def test_three_percent_are_scribbled_on(labels):
    assert 0.02 < (valid_pixels(labels, "LABEL_manual_sc") != 99).mean() < 0.04


def test_scribbles_agree_with_the_manual_classes(labels):
    scribbles = valid_pixels(labels, "LABEL_manual_sc")
    on = scribbles != 99
    classes = np.array([0, 1, 1, 2, 2, 3, 3])[scribbles[on]]
    assert (classes == valid_pixels(labels, "LABEL_manual_hq")[on]).all()


@pytest.mark.parametrize("label", [name for name in CODES if name not in ("manual_hq", "qa60")])
def test_detectors_agree_with_people_mostly_but_not_always(labels, label):
    manual = valid_pixels(labels, "LABEL_manual_hq")
    table = CLOUDSEN12.label_maps[f"LABEL_{label}"]["card"].table(
        np.dtype("uint8"), np.dtype("uint8"), 255, label
    )
    found = table[valid_pixels(labels, f"LABEL_{label}")]
    known = found != 255
    if table.max(initial=0, where=table != 255) == 1:  # only tells cloud from none
        manual = np.isin(manual, (1, 2))
    agreement = (found == manual)[known].mean()
    assert 0.8 < agreement < (1.01 if label == "manual_sc" else 0.99)
