"""Reports are saved and loaded, with all that merging needs of them."""

import dataclasses
import json
import re

import numpy as np
import pytest
from clean import TINY, verify_tiny
from defects import PLANTED

import cloudio
from cloudio import RequestError
from cloudio.verification.report import make_finding

N = 5
DEFECTS = [
    "a_patch_is_there_twice",
    "a_band_is_one_number",
    "radar_is_infinite",
    "a_patch_is_not_labeled_at_all",
    "two_rows_have_one_index",
]


@pytest.fixture
def spoilt(tiny):
    for name in DEFECTS:
        PLANTED[name][0](tiny)
    return tiny


def through_file(report, path):
    report.save(path)
    json.loads(path.read_text(), parse_constant=pytest.fail)
    return cloudio.Report.load(path)


def assert_same(found, expected):
    assert found == expected
    assert (found.json(), str(found), repr(found)) == (expected.json(), str(expected), repr(found))
    assert found.missing == expected.missing
    # Numbers have the same types, too.
    one, other = (
        dataclasses.astuple(dataclasses.replace(r, counts=None)) for r in (found, expected)
    )
    assert repr(one) == repr(other)


def test_a_loaded_report_equals_the_saved_one(spoilt, tmp_path):
    file = tmp_path / "report.json"
    for report in (
        verify_tiny(spoilt),
        verify_tiny(spoilt, full=False),
        verify_tiny(spoilt, native=True),
        verify_tiny(spoilt, index=[3, 1]),
        verify_tiny(spoilt, index=[]),
    ):
        assert_same(through_file(report, file), report)
    numbers = np.arange(30_000)
    for patches in (numbers[::2], np.delete(numbers, 777), [4, 2, 3], []):
        finding = make_finding("duplicate", "train", "é\udc80.dat", patches, "two\nlines")
        many = dataclasses.replace(report, findings=(finding,), path=tmp_path / "é\udc80")
        assert_same(through_file(many, file), many)


def test_loaded_reports_of_parts_merge_to_the_report_of_one_pass(spoilt, tmp_path, monkeypatch):
    timeless = {"seconds": 0.0}
    expected = dataclasses.replace(verify_tiny(spoilt), **timeless)
    assert len(expected.findings) >= len(DEFECTS)
    (tmp_path / "tiny.toml").write_text(cloudio.layouts.toml_writer.to_toml(TINY))
    for layout in (TINY, "tiny.toml"):
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)  # where paths begin
            name = spoilt.relative_to(tmp_path)
            parts = [
                cloudio.verify(name, layout=layout, index=[k], progress=False) for k in range(N)
            ]
        loaded = [through_file(part, tmp_path / f"{k}.json") for k, part in enumerate(parts)]
        half = through_file(cloudio.merge_reports([loaded[4], parts[1]]), tmp_path / "half.json")
        assert half.missing == {"train": (0, 2), "val": (0,)}
        found = cloudio.merge_reports([half, loaded[3], parts[0], loaded[2]])
        assert dataclasses.replace(found, path=spoilt, **timeless) == expected
        with pytest.raises(RequestError, match=r"^the reports have patches twice: val 1; merge"):
            cloudio.merge_reports([half, loaded[4]])
        for one, other in zip(loaded, parts, strict=True):
            for key, array in other.counts.arrays.items():
                same = one.counts.arrays[key]
                assert same.counts.dtype == array.counts.dtype
                assert same.counts.patches.dtype == array.counts.patches.dtype
                assert same.counts.patches.tobytes() == array.counts.patches.tobytes()
                assert same.counts.size == array.counts.size
                for part in ("numbers", "times"):
                    found, given = (getattr(each.counts, part) for each in (same, array))
                    assert (found.dtype, found.tolist()) == (given.dtype, given.tolist())
                assert {k: v.tolist() for k, v in same.columns.items()} == {
                    k: v.tolist() for k, v in array.columns.items()
                }


def test_an_array_that_could_not_be_read_is_saved(spoilt, tmp_path):
    part = verify_tiny(spoilt, index=[0])
    key = next(iter(part.counts.arrays))
    for error in (None, ("a reason", None), ("a reason", 3)):
        broken = dataclasses.replace(part.counts.arrays[key], counts=None, columns={}, error=error)
        counts = dataclasses.replace(part.counts, arrays={**part.counts.arrays, key: broken})
        report = dataclasses.replace(part, counts=counts)
        found = through_file(report, tmp_path / "report.json").counts.arrays[key]
        assert found == broken


def test_only_files_with_reports_are_replaced(tiny, tmp_path):
    report = verify_tiny(tiny, full=False)
    path = tmp_path / "L1C_B4.dat"
    for content in (b"\0" * 100, b"", report.json().encode()):
        path.write_bytes(content)
        with pytest.raises(RequestError, match=r"L1C_B4.dat exists and holds no report; give an"):
            report.save(path)
        assert path.read_bytes() == content
    with pytest.raises(FileNotFoundError, match="no folder"):
        report.save(tmp_path / "no" / "x.json")
    with pytest.raises(FileNotFoundError, match=r"^there is no report .*none\.json"):
        cloudio.Report.load(tmp_path / "none.json")


# What a file can claim, and the part of the counts that it is about.
FORGED = {
    "another kind": lambda report: report.update(kind="Car"),
    "a field is missing": lambda report: report.pop("n_files"),
    "a field too many": lambda report: report["counts"].pop("rows"),
    "an unknown check": lambda report: report["findings"][0].update(check="colour"),
    "a severity": lambda report: report["findings"][0].update(severity="bad"),
    "text for a number": lambda report: report.update(n_bytes="3"),
    "patches beyond": lambda report: report["counts"]["rows"].update(train=[[2, 2]]),
    "patches before": lambda report: report["counts"]["rows"].update(train=[[-1, 1]]),
    "patches twice": lambda report: report["counts"]["rows"].update(train=[[0, 1], [0, 1]]),
    "a negative split": lambda report: report["counts"]["stored"].update(val=-1),
    "a huge split": lambda report: report["counts"]["stored"].update(val=1 << 62),
    "a split less": lambda report: report["counts"]["stored"].pop("val"),
    "a split more": lambda report: report["counts"]["stored"].update(more=1),
    "the last number": lambda report: report["counts"]["rows"].update(train=[[2**63 - 1, 2]]),
    "another number": lambda report: report["splits"].update(train=3),
    "too many": lambda report: report["counts"]["rows"].update(train=[[0, 1 << 60]]),
    "other records": lambda report: report["counts"]["arrays"][0].update(patches="eJwDAAAAAAE="),
    "no base64": lambda report: report["counts"]["arrays"][0].update(patches="?"),
    "no bytes": lambda report: report["counts"]["arrays"][0].update(patches="AAAA"),
    "a type": lambda report: report["counts"]["arrays"][0].update(dtype="O"),
    "a histogram": lambda report: report["counts"]["arrays"][0]["histogram"].update(size=1 << 40),
    "numbers twice": lambda report: report["counts"]["arrays"][0]["histogram"].update(
        numbers="eAFjZGBkAAAACgAD", counts="eAFjZIAARigNAAAoAAM="
    ),
    "a layout": lambda report: report["counts"].update(layout={"toml": "name = 3"}),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_is_no_report_is_refused(spoilt, tmp_path, what):
    path = tmp_path / "report.json"
    verify_tiny(spoilt, index=[0, 1]).save(path)
    entries = json.loads(path.read_text())
    FORGED[what](entries)
    path.write_text(json.dumps(entries))
    with pytest.raises(RequestError, match=f"^{re.escape(str(path))} does not hold a report; save"):
        cloudio.Report.load(path)
