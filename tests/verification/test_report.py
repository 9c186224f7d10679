"""The report: text, HTML, JSON."""

import dataclasses
import json
import re
import shutil

import pytest
from clean import verify_tiny
from defects import PLANTED
from paths import ROOT

from cloudio._utils.text import format_ranges
from cloudio.verification.check_table import CHECKS
from cloudio.verification.report import make_finding


@pytest.mark.parametrize(
    ("patches", "words"),
    [
        ((), ""),
        ((3,), "3"),
        ((3, 4), "3..4"),
        ((3, *range(7, 13)), "3, 7..12"),
        ((3, *range(7, 13), 20, 30, *range(40, 88)), "3, 7..12, 20, 30 and 48 more"),
    ],
)
def test_numbers_of_patches_are_shortened(patches, words):
    assert format_ranges(patches) == words


def test_a_report_is_json(tiny):
    PLANTED["a_label_holds_7"][0](tiny)
    report = verify_tiny(tiny)
    held = json.loads(report.json())
    assert held["ok"] is False
    assert held["path"] == str(tiny)
    assert held["findings"] == [
        json.loads(json.dumps(dataclasses.asdict(f))) for f in report.findings
    ]
    assert held["findings"][0]["patches"] == [0, 2]
    assert {"layout", "full", "splits", "n_arrays", "n_files", "n_bytes", "seconds"} < held.keys()


def test_a_report_for_people_has_counts_rows_and_advice(tiny):
    PLANTED["a_file_is_cut"][0](tiny)
    PLANTED["radar_has_a_stripe_of_no_data"][0](tiny)
    lines = str(verify_tiny(tiny)).splitlines()
    assert lines[0].startswith(
        f"{tiny}: Tiny, train 3, val 2 patches, 10 arrays in 19 files; every"
    )
    assert lines[1] == "1 error, 1 warning"
    assert repr(verify_tiny(tiny)) == f"<cloudio.Report of {tiny}: 1 error, 1 warning>"
    assert "error: files that end before their last patch [cut]" in lines
    assert "  train  S1_VV.dat  0, 2  -99: 13.11% of a patch" in lines
    assert lines[-1] == f"  -> {CHECKS['nodata'].advice}"


def test_a_notebook_shows_the_findings_escaped(tiny):
    shutil.copy(tiny / "train" / "EXTRA_elevation.dat", tiny / "train" / "<b>.dat")
    html = verify_tiny(tiny, full=False)._repr_html_()
    assert "&lt;b&gt;.dat" in html
    assert "<b>.dat" not in html
    assert html.count("<tr>") == 1 + len(verify_tiny(tiny, full=False).findings)


def test_many_findings_of_a_check_are_cut_short_for_people_only(tiny):
    found = [make_finding("nan", "train", f"{k}.dat", (k,), "NaN") for k in range(20)]
    report = dataclasses.replace(verify_tiny(tiny), findings=tuple(found))
    assert "  and 8 more; --json has them all" in str(report).splitlines()
    assert len(json.loads(report.json())["findings"]) == 20
    html = report._repr_html_()
    assert html.count("<tr>") == 1 + 12 + 1
    assert "and 8 more; json() has them all" in html


def test_the_docs_list_every_check():
    text = ROOT / "docs" / "checks.md"
    if not text.exists():
        pytest.skip("the tests run without the docs")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \|", text.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {check: known.severity for check, known in CHECKS.items()}
