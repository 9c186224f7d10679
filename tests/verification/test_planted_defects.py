"""Each planted defect is reported, and nothing else."""

import os
import shutil
import warnings

import numpy as np
import pytest
from clean import TINY, found_checks, verify_tiny
from defects import PLANTED

import cloudio
from cloudio import LayoutError
from cloudio.verification.check_table import CHECKS

# Checks of what `cloudio.open` refuses.
REFUSED = {
    "unreadable",
    "format",
    "cut",
    "too-long",
    "shape",
    "doubled",
    "folder",
    "metadata",
    "rows",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_the_planted_defect_is_found_and_nothing_else(tiny, planted):
    plant, expected, options = PLANTED[planted]
    plant(tiny)
    report = verify_tiny(tiny, **options)
    assert found_checks(report) == expected
    for finding in report.findings:
        assert finding.severity == CHECKS[finding.check].severity
        assert finding.message
        assert finding.advice
        assert str(tiny) not in finding.message or finding.check == "folder"
        assert f"[{finding.check}]" in str(report)
    assert report.ok == (not expected)


def test_every_check_of_files_and_pixels_has_a_defect_planted():
    tested = {check for _, expected, _ in PLANTED.values() for check, *_ in expected}
    # "layout": the layout of these sets is given. "channels": they have no stacked files, and
    # "phases": no repeats.
    elsewhere = {
        "channels",
        "phases",
        "read",
        "holes",
        "layout",
        *(check for check in CHECKS if check.startswith("manifest")),
    }
    assert tested | elsewhere == set(CHECKS)
    assert len(tested) >= 25


@pytest.mark.parametrize("planted", PLANTED)
def test_verify_reports_a_problem_exactly_if_open_refuses_the_files(tiny, planted):
    PLANTED[planted][0](tiny)
    reported = REFUSED & {f.check for f in verify_tiny(tiny, full=False).findings}
    if reported:
        with pytest.raises((LayoutError, OSError)):
            open_quietly(tiny)
    else:
        open_quietly(tiny)


def spoil(path, rng):
    """Something that happens to files."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = files[rng.integers(len(files))]
    size = file.stat().st_size
    new = file.with_name(str(rng.choice(["a.dat", "l1c_b02.DAT", "x.npy", "metadata.csv"])))
    match rng.integers(7):
        case 0:
            os.truncate(file, int(rng.integers(2 * size + 1)))
        case 1:
            file.unlink()
        case 2:
            file.rename(new)
        case 3:
            shutil.copy(file, path / file.name if rng.integers(2) else new.parent / "copied.dat")
        case 4:
            file.write_bytes(rng.bytes(size))
        case 5:
            file.with_suffix(".npy").write_bytes(b"\x93NUMPY" + rng.bytes(200))
        case 6:
            (file.parent / f"L1C_B{rng.integers(5, 9_999)}.dat").symlink_to("nowhere")


@pytest.mark.parametrize("seed", range(24))
def test_whatever_happens_to_files_verify_reports_what_open_refuses(tiny, seed):
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(1, 4)):
        spoil(tiny, rng)
    refusal, _ = error_and_result(open_quietly, tiny)
    for full in (True, False):
        error, report = error_and_result(verify_tiny, tiny, full=full)
        assert error in (None, refusal)
        reported = REFUSED & {f.check for f in report.findings} if report else error
        assert bool(reported) == (refusal is not None)


def open_quietly(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cloudio.CloudioWarning)  # of what is no refusal
        return cloudio.open(path, layout=TINY)


def error_and_result(call, *given, **options):
    """What a call says where it refuses, and what it returns where it does not."""
    try:
        return None, call(*given, **options)
    except (LayoutError, OSError) as error:
        return str(error), None


def test_findings_come_with_the_most_severe_first(tiny):
    PLANTED["radar_has_nan"][0](tiny)
    PLANTED["a_file_is_cut"][0](tiny)
    PLANTED["pixels_are_not_labeled"][0](tiny)
    assert [f.check for f in verify_tiny(tiny).findings] == ["cut", "nan", "unlabelled"]
