"""Codes of labels."""

import dataclasses

import numpy as np
from clean import TINY, verify_tiny
from planting import edit, write_array

import cloudio


def test_codes_of_two_bytes_are_reported_one_by_one(tiny):
    array = edit(tiny, "LABEL_manual_hq").astype("<i2")
    array[0, 5, 5:8] = -1, 200, 30_000
    array[2, 5, 5] = 1024
    write_array(tiny, array, "LABEL_manual_hq")
    codes = next(f for f in verify_tiny(tiny).findings if f.check == "codes")
    assert codes.patches == (0, 2)
    reported = [part.partition(" pixel ")[0] for part in codes.message.split("; ")]
    assert reported == ["200: 1", "1024: 1", "30000: 1", "-1: 1"]


def test_the_advice_says_what_each_policy_does_with_a_code(tiny):
    own = cloudio.LabelMap({0: 0, 1: 1, 2: 2, 3: 3, -1: 5}, unlisted=0)
    policies = {**TINY.label_maps["LABEL_manual_hq"], "own": own}
    layout = dataclasses.replace(TINY, label_maps={"LABEL_manual_hq": policies})
    edit(tiny, "LABEL_manual_hq")[1, 5, 5:7] = 255, 9
    (finding,) = verify_tiny(tiny, layout=layout).findings
    assert finding.check == "codes"
    assert finding.advice == (
        "the policy 'card' ignores them, 'own' makes them class 0 or makes them class 5; "
        "or give a LabelMap that lists them"
    )


def test_of_many_codes_some_are_listed_and_the_rest_counted(tiny):
    edit(tiny, "LABEL_manual_hq")[0, 5, 5:30] = np.arange(100, 125)
    (finding,) = verify_tiny(tiny).findings
    assert finding.message.endswith("; and 19 more codes")
    assert finding.patches == (0,)
