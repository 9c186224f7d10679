"""Files that change while they are read: a short run of the stress program, for every ``io``.

What is right is said in changes.py, and asked here of made-up batches.
"""

import itertools
import json
import os
import sys
from pathlib import Path

import changes
import numpy as np
import processes
import pytest
from changes import BEGUN, DONE, WAITING, Trial
from paths import SUPPORT
from profiles import scaled

import cloudio

PROGRAM = SUPPORT / "changing.py"

needs_posix = pytest.mark.skipif(os.name == "nt", reason="files in use do not change on Windows")


def changing(io: str, trials: int, seed: int = 0) -> dict[str, dict[str, int]]:
    """The counts of a run in which nothing happened that is never allowed."""
    what = ["--io", io, "--trials", str(trials), "--seed", str(seed), "--json"]
    run = processes.run([sys.executable, PROGRAM, *what], seconds=300)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert sum(sum(outcomes.values()) for outcomes in found["counts"].values()) == trials
    # Had no change met a read, there would have been nothing to see.
    assert found["met"]
    return found["counts"]


@needs_posix
def test_pread_returns_right_bytes_or_an_error():
    counts = changing("pread", scaled(24, 60))
    assert "right" not in counts["cut to nothing"]


@needs_posix
def test_a_mapping_errs_only_where_a_file_is_cut_or_written_to():
    trials = scaled(12, 24)
    counts = changing("mmap", trials)
    assert counts["replaced"] == {"right": trials // len(changes.ACTIONS)}


@needs_posix
def test_wrong_bytes_and_deaths_are_found_where_nobody_takes_care():
    # A seed by which the last page is read to its end.
    number = list(changes.ACTIONS).index("cut in the last page")
    drawn = (Trial.drawn(seed, number) for seed in itertools.count())
    last = changes.N_PATCHES - 1
    seed = next(k for k, t in enumerate(drawn) if last in t.index and "size" not in t.options)
    counts = changing("numpy", 12, seed)
    assert counts["cut in the last page"] == {"wrong bytes": 1}
    assert counts["cut to nothing"] == {"SIGBUS": 1}


def trial_of(action: str, length: int = 0) -> Trial:
    """One whose batch is the whole of the first array, in order."""
    whole = list(range(changes.N_PATCHES))
    return Trial(action, "B1", length, changes.READER_OPTIONS[0], whole, skip=0, moment=0, pause=0)


def array_of(parts: str) -> np.ndarray:
    """Equal parts of the first array, each of the kind that its letter says."""
    kinds = [changes.pixels("B1", "zon".index(letter)).reshape(-1) for letter in parts]
    pieces = [np.array_split(kind, len(parts))[k] for k, kind in enumerate(kinds)]
    return np.concatenate(pieces).reshape(changes.pixels("B1", changes.OLD).shape)


@pytest.mark.parametrize(
    ("action", "before", "after", "parts", "fault"),
    [
        ("rewritten", WAITING, WAITING, "o", None),
        ("rewritten", WAITING, WAITING, "n", "where the file held old"),
        ("rewritten", WAITING, BEGUN, "nno", None),
        ("rewritten", BEGUN, DONE, "nno", None),
        ("rewritten", WAITING, DONE, "on", "still old at byte 0, new at"),
        ("rewritten", WAITING, DONE, "non", "still old at byte 262,"),
        ("rewritten", DONE, DONE, "n", None),
        ("rewritten", DONE, DONE, "o", "where the file held new"),
        ("rewritten", WAITING, DONE, "no" + "z" * 6, "where the file held old and new"),
        ("emptied and extended", WAITING, DONE, "z", None),
        ("emptied and extended", WAITING, DONE, "zo", "zero and old pixels at once"),
        ("cut and restored", WAITING, DONE, "oz", "where the file held old"),
        ("cut and restored", DONE, DONE, "o", None),
        ("cut anywhere", BEGUN, DONE, "o", None),
        ("cut anywhere", DONE, DONE, "o", "bytes past its end"),
        ("replaced", WAITING, DONE, "o", None),
        ("replaced", DONE, DONE, "n", "where the file held old"),
    ],
)
def test_what_the_file_never_held_is_wrong(action, before, after, parts, fault):
    trial = trial_of(action)
    found = changes.wrong_array(trial, before, after, changes.wanted(trial)[0], array_of(parts))
    assert found is None if fault is None else fault in found


def test_a_pixel_of_no_generation_and_another_array_than_the_changed_one_are_wrong():
    trial, arrays = trial_of("rewritten"), array_of("n")
    first, second = changes.wanted(trial)[:2]
    arrays[3, 4, 5] = -1
    assert "neither old" in changes.wrong_array(trial, WAITING, DONE, first, arrays)
    new = changes.pixels("B2", changes.NEW)
    assert "held old" in changes.wrong_array(trial, WAITING, DONE, second, new)


SHORT = cloudio.TruncatedError.about("/B1.dat", "is short")
CUT = cloudio.TruncatedError.about("/B1.dat", "is short", patch=3, offset=5)
CHANGED = cloudio.ReadError.about("/B1.dat", "has changed")


@pytest.mark.parametrize(
    ("action", "after", "error", "outcome"),
    [
        ("cut anywhere", BEGUN, CUT, None),
        ("cut anywhere", BEGUN, SHORT, "vague error"),
        ("cut anywhere", WAITING, CUT, "false alarm"),
        ("rewritten", DONE, CHANGED, None),
        ("rewritten", DONE, OSError("/B1.dat has changed"), "vague error"),
        ("rewritten", DONE, cloudio.ReadError("something has changed"), "vague error"),
        ("rewritten", DONE, CUT, "false alarm"),
        ("touched", DONE, CHANGED, None),
        ("deleted", DONE, CHANGED, "false alarm"),
    ],
)
def test_an_error_needs_a_reason_and_a_place(action, after, error, outcome):
    level, kind, _ = changes.refusal(trial_of(action), after, error, Path("/B1.dat"), "pread")
    expected = "TruncatedError" if error is CUT else "OSError"
    assert (level, kind) == (
        (changes.REFUSED, expected) if outcome is None else (changes.BAD, outcome)
    )
