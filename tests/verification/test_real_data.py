"""Findings of the real patches."""

import numpy as np
from clean import found_checks

import cloudio
from cloudio import CLOUDSEN12
from cloudio._utils.text import percent


def test_findings_are_exactly_the_known_defects(realdata):
    patches = {"train": (0, 1, 2), "val": (0,), "test": (0, 1)}
    expected = [
        ("shared-roi", "train", "metadata.csv", (1,)),
        ("shared-roi", "val", "metadata.csv", (0,)),
        ("shared-scene", "train", "metadata.csv", (1, 2)),
        ("shared-scene", "val", "metadata.csv", (0,)),
        ("shared-scene", "test", "metadata.csv", (0,)),
        ("nodata", "val", "S1_VV.dat", (0,)),
        ("nodata", "val", "S1_VH.dat", (0,)),
    ]
    for split, numbers in patches.items():
        expected += [
            ("label-zeros", split, "LABEL_qa60.dat", numbers),
            ("codes", split, "LABEL_fmask.dat", numbers),  # the fill, -1
            ("codes", split, "LABEL_kappamask_L1C.dat", numbers),  # 5, missing
            ("codes", split, "LABEL_sen2cor.dat", numbers),  # 7, which the card does not list
            ("unlabelled", split, "LABEL_manual_sc.dat", numbers),  # 99
        ]
    report = cloudio.verify(realdata)
    assert found_checks(report) == sorted(expected)
    assert {f.severity for f in report.findings if f.check != "unlabelled"} == {"warning"}
    quick = cloudio.verify(realdata, full=False)
    assert found_checks(quick) == sorted(e for e in expected if e[0].startswith("shared"))


def test_counts_in_messages_equal_numpy(mini):
    report = cloudio.verify(mini.path)
    reported = {(f.check, f.split, f.file): f.message for f in report.findings}
    window = (slice(None), slice(1, 510), slice(1, 510))
    for split in mini.splits:
        part = mini.split(split)
        for name, code, words in (
            ("LABEL_fmask", 255, "255 (-1)"),
            ("LABEL_kappamask_L1C", 5, "5"),
            ("LABEL_sen2cor", 7, "7"),
            ("LABEL_manual_sc", 99, "99"),
        ):
            pixels = part[name][window]
            check = "unlabelled" if code == 99 else "codes"
            n = int((pixels == code).sum())
            said = f"{words}: {n:,} pixels ({percent(n / pixels.size)})"
            assert reported[check, split, f"{name}.dat"] == said
    stripe = mini.split("val")["S1_VV"][0] == -99
    assert np.flatnonzero(stripe.any(axis=0)).tolist() == list(range(1, 61))
    assert reported["nodata", "val", "S1_VV.dat"] == f"-99: {60 / 509:.2%} of a patch"
    assert CLOUDSEN12.band("S1_VV").nodata == -99
