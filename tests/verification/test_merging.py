"""Reports of parts merge into the report of one pass, in any order."""

import dataclasses
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from clean import TINY, verify_tiny
from defects import PLANTED
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled
from trees import merge_by, trees

import cloudio
from cloudio import RequestError
from cloudio.layouts.toml_writer import to_toml

N = 5
# Defects of which each leaves the others to be found.
DEFECTS = [
    "a_patch_is_there_twice",
    "the_padding_of_one_label_patch_is_255",
    "a_band_is_one_number",
    "radar_is_infinite",
    "an_elevation_has_no_data",
    "a_patch_is_not_labeled_at_all",
    "a_probability_is_a_mask",
    "two_rows_have_one_index",
    "files_are_unknown",
]


class Spoilt:
    """A data set, and the report of each of its patches."""

    def __init__(self, path, reports):
        self.path, self.reports = path, reports

    def __iter__(self):
        return iter((self.path, self.reports))

    def __repr__(self):  # hypothesis writes the reports otherwise
        return "spoilt"


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory, corners):
    """A data set with many defects."""
    path = shutil.copytree(corners, tmp_path_factory.mktemp("merging") / "tiny")
    for name in DEFECTS:
        PLANTED[name][0](path)
    reports = [verify_tiny(path, index=[k]) for k in range(N)]
    return Spoilt(path, pickle.loads(pickle.dumps(reports)))


def timeless(report):
    return dataclasses.replace(report, seconds=0.0)


@settings(max_examples=scaled(4, 10))
@given(trees(range(N)))
def test_any_tree_of_parts_gives_the_report_of_one_pass(spoilt, tree):
    path, reports = spoilt
    found = timeless(merge_by(tree, reports, cloudio.merge_reports))
    expected = timeless(verify_tiny(path))
    assert found == expected
    assert found.json() == expected.json()
    assert str(found) == str(expected)
    assert not found.missing
    assert len({finding.check for finding in expected.findings}) == 9


@settings(max_examples=scaled(3, 8))
@given(st.sampled_from(sorted(PLANTED)), st.permutations(range(N)), st.integers(1, N - 1))
def test_every_planted_defect_is_found_in_parts(corners, tmp_path_factory, name, order, at):
    plant, _, options = PLANTED[name]
    if options.get("full") is False:
        return
    path = shutil.copytree(corners, tmp_path_factory.mktemp("planted") / "tiny")
    plant(path)
    expected = verify_tiny(path, **options)
    order = [k for k in order if k < sum(expected.splits.values())]
    order += range(N, sum(expected.splits.values()))
    parts = [verify_tiny(path, index=some, **options) for some in (order[:at], order[at:])]
    found = cloudio.merge_reports(parts)
    assert timeless(found) == timeless(expected)
    shutil.rmtree(path)


def test_the_report_of_a_part_is_about_its_patches(spoilt):
    path, _ = spoilt
    whole = verify_tiny(path)
    report = verify_tiny(path, index=[3, 0, 2])
    assert report.splits == {"train": 2, "val": 1}
    assert report.missing == {"train": (1,), "val": (1,)}
    assert json.loads(report.json())["n_missing"] == {"train": 1, "val": 1}
    assert "train 2 of 3, val 1 of 2 patches" in str(report)
    checked = {"train": {0, 2}, "val": {0}}
    for finding in report.findings:
        assert {*finding.patches} <= checked.get(finding.split, set()) or finding.check == "index"
    of_whole = {
        (f.check, f.split, f.file): {*f.patches} & checked[f.split]
        for f in whole.findings
        if f.check in ("empty", "constant", "infinite", "nodata", "label-empty")
    }
    of_part = {(f.check, f.split, f.file): {*f.patches} for f in report.findings}
    for key, patches in of_whole.items():
        assert of_part.get(key, set()) == patches
    assert len(pickle.dumps(report)) < 1_000_000
    assert "counts" not in json.loads(whole.json())
    assert whole.counts is None


def test_checks_of_a_part_look_at_its_patches(corners, tmp_path):
    """Of few patches each: the first one of the split is as it should be."""
    path = shutil.copytree(corners, tmp_path / "tiny")
    side = TINY.patch[0]

    def stored(name, dtype="i2"):
        return np.memmap(path / "train" / f"{name}.dat", dtype, "r+", shape=(3, side, side))

    swapped, written = stored("L1C_B2"), stored("L1C_B4")
    swapped[1:] = swapped[1:].byteswap()
    written[1:, 1:, 1:] = 500 + np.arange(side - 1)
    holes = stored("L1C_B8").copy()
    with open(path / "train" / "L1C_B8.dat", "wb") as file:
        file.write(holes[0])
        file.seek(holes[1].nbytes, os.SEEK_CUR)
        file.write(holes[2])
    report = verify_tiny(path, index=[1, 2])
    found = {(f.check, f.file): f for f in report.findings}
    assert found["byte-order", "L1C_B2.dat"].patches == (1, 2)
    frame = found["frame", "L1C_B4.dat"]
    assert frame.patches == (1, 2)
    assert frame.message.startswith("valid pixels seem to lie at rows 1..63, columns 1..63")
    last = verify_tiny(path, index=[2])
    assert [f.message for f in last.findings if f.check == "frame"] == [frame.message]
    assert ("constant", "L1C_B8.dat") not in found
    first = verify_tiny(path, index=[0])
    assert {f.check for f in first.findings} <= {"holes"}


def test_parts_of_an_open_data_set_are_verified(spoilt):
    path, _ = spoilt
    ds = cloudio.open(path, layout=TINY)
    parts = [ds.split("val"), ds.subset([2]), ds.split("train").subset([1, 0])]
    reports = [cloudio.verify(part, progress=False) for part in parts]
    assert [each.missing for each in reports] == [
        {"train": (0, 1, 2)},
        {"train": (0, 1), "val": (0, 1)},
        {"train": (2,), "val": (0, 1)},
    ]
    found = cloudio.merge_reports(reports)
    assert timeless(found) == timeless(cloudio.verify(path, layout=TINY, progress=False))
    assert timeless(cloudio.verify(ds, progress=False)) == timeless(found)


def test_an_array_that_cannot_be_read_in_one_part_is_a_finding(spoilt):
    _, reports = spoilt
    broken = []
    for k, report in enumerate(reports):
        arrays = dict(report.counts.arrays)
        key = next(key for key in arrays if key[1] == "L1C_B3")
        if key[0] == "train" and k:
            part = dataclasses.replace(arrays[key], counts=None, error=(f"reason {k}", k))
            arrays[key] = part
        counts = dataclasses.replace(report.counts, arrays=arrays)
        broken.append(dataclasses.replace(report, counts=counts))
    for order in (broken, broken[::-1]):
        found = [f for f in cloudio.merge_reports(order).findings if f.check == "read"]
        assert [(f.split, f.file, f.patches, f.message) for f in found] == [
            ("train", "L1C_B3.dat", (1,), "reason 1")
        ]


def test_reports_that_do_not_fit_together_are_refused(spoilt, tmp_path):
    path, reports = spoilt
    whole = verify_tiny(path)
    other = shutil.copytree(path, tmp_path / "other")
    refused = [
        ([], "there is no report to merge; give the reports of parts"),
        ([3], "a report is of type int; merge_reports takes what cloudio.verify returns$"),
        (3, "a report is of type int; merge_reports takes what cloudio.verify returns$"),
        (["report.json"], "a report is of type str; .*; cloudio.Report.load reads one from a file"),
        ("report.json", "a report is of type str; .*; cloudio.Report.load reads one from a file"),
        ([reports[0], whole], "a report is of a whole data set, or of files only; merge_reports"),
        ([reports[0], *reports[:2]], "the reports have patches twice: train 0; merge_reports"),
        ([reports[0], verify_tiny(other, index=[1])], r"are of .*tiny \(train 3, val 2 patches, l"),
    ]
    for given_reports, words in refused:
        with pytest.raises(RequestError, match=words):
            cloudio.merge_reports(given_reports)
    part = verify_tiny(other, index=[0])
    for file in (other / "val").glob("*.dat"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (other / "val" / "metadata.csv").unlink()
    with pytest.raises(RequestError, match="other has other patches than when it was verified"):
        cloudio.merge_reports([part])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"index": [0], "full": False}, "full=False with some patches only; it needs the whole"),
        ({"index": [0], "native": True}, "native= with some patches only; it needs the whole data"),
        ({"index": [0], "manifest": "m.json"}, "manifest= with some patches only; it needs"),
        ({"index": [1, 0, 1]}, "index has patches twice: 1; verify reads each patch once"),
        ({"index": [True, False]}, r"the mask has shape \(2,\); it must be \(5,\)"),
    ],
)
def test_a_part_that_cannot_be_verified_is_refused(spoilt, options, words):
    path, _ = spoilt
    with pytest.raises(RequestError, match=words):
        verify_tiny(path, **options)
    ds = cloudio.open(path, layout=TINY, io="pread")
    with pytest.raises(RequestError, match="index= with a data set; give verify"):
        cloudio.verify(ds, index=[0], progress=False)


def test_parts_that_were_counted_by_other_layouts_are_refused(corners, tmp_path):
    path = shutil.copytree(corners, tmp_path / "tiny")
    file = path / "cloudio.toml"
    file.write_text(to_toml(TINY))
    bands = [
        dataclasses.replace(band, nodata=7.0) if band.name == "L1C_B3" else band
        for band in TINY.bands
    ]
    other = dataclasses.replace(TINY, bands=tuple(bands))
    first = cloudio.verify(path, index=[0, 1], progress=False)
    first.save(tmp_path / "first.json")
    rest = [
        cloudio.verify(cloudio.open(path).subset([2, 4]), progress=False),
        cloudio.verify(path, index=[3], layout=file, progress=False),
    ]
    one_pass = timeless(cloudio.verify(path, progress=False))
    loaded = cloudio.Report.load(tmp_path / "first.json")
    for order in ([loaded, *rest], [*rest, first], [cloudio.merge_reports(rest), first]):
        assert timeless(cloudio.merge_reports(order)) == one_pass
    file.write_text(to_toml(other))
    changed = cloudio.verify(path, index=[4], progress=False)
    for order in ([loaded, changed], [changed, rest[1], first]):
        with pytest.raises(RequestError, match="tiny with different layouts; verify its parts ag"):
            cloudio.merge_reports(order)
    for reports in ([first], [loaded, rest[1]]):
        with pytest.raises(RequestError, match="tiny has another layout than when it was verified"):
            cloudio.merge_reports(reports)
    file.unlink()
    assert cloudio.merge_reports([first, rest[0]]).missing == {"val": (0,)}


def test_reports_of_earlier_versions_have_no_digest_of_their_layout(corners, tmp_path):
    parts = []
    for k in range(N):
        report = verify_tiny(corners, index=[k])
        report.save(tmp_path / "part.json")
        entries = json.loads((tmp_path / "part.json").read_text())
        if k % 2:
            del entries["counts"]["digest"]
        (tmp_path / "part.json").write_text(json.dumps(entries))
        parts.append(cloudio.Report.load(tmp_path / "part.json"))
    for order in (parts, parts[::-1]):
        assert timeless(cloudio.merge_reports(order)) == timeless(verify_tiny(corners))
    given = dataclasses.replace(parts[1].counts, layout="other.toml")
    with pytest.raises(RequestError, match=r"layout Tiny\), and of .*layout other\.toml\); mer"):
        cloudio.merge_reports([parts[0], dataclasses.replace(parts[1], counts=given)])


def test_an_array_of_another_type_than_it_was_is_a_finding(corners, tmp_path):
    path = shutil.copytree(corners, tmp_path / "tiny")
    report = verify_tiny(path, index=[0, 1])
    key = "train", "L1C_B3"
    array = report.counts.arrays[key]
    wider = dataclasses.replace(array.counts, dtype=np.dtype("u2"))
    arrays = report.counts.arrays | {key: dataclasses.replace(array, counts=wider)}
    counts = dataclasses.replace(report.counts, arrays=arrays)
    found = cloudio.merge_reports([dataclasses.replace(report, counts=counts)]).findings
    assert [(f.check, f.file) for f in found] == [("read", "L1C_B3.dat")]
    assert "is of type int16 now, and was of type uint16 when it was verified; ver" in str(found)


def test_files_that_have_changed_since_are_a_finding(corners, tmp_path):
    path = shutil.copytree(corners, tmp_path / "tiny")
    parts = [verify_tiny(path, index=some) for some in ([0, 2, 3], [1, 4])]
    assert timeless(cloudio.merge_reports(parts)) == timeless(verify_tiny(path))
    stored = np.memmap(path / "train" / "L1C_B3.dat", "i2", "r+").reshape(3, *TINY.patch)
    stored[1, 5, 5] += 1
    for reports in (parts, parts[::-1]):
        found = cloudio.merge_reports(reports).findings
        assert [(f.check, f.split, f.file, f.patches) for f in found] == [
            ("read", "train", "L1C_B3.dat", (1,))
        ]
        assert found[0].message.endswith(
            "has other bytes in patch 1 than when it was verified; verify it again"
        )
    assert not cloudio.merge_reports(parts[:1]).findings


def test_a_report_holds_the_numbers_that_occur_and_no_others(spoilt):
    """Of many parts, each with 65,536 counts of each array, memory would not hold the reports."""
    _, reports = spoilt
    merged = cloudio.merge_reports(reports)
    for key, whole in merged.counts.arrays.items():
        known = [r.counts.arrays[key].counts for r in reports if key in r.counts.arrays]
        occur = np.unique(np.concatenate([each.numbers for each in known]))
        assert whole.counts.numbers.tolist() == occur.tolist()
        assert 0 < min(map(len, (each.numbers for each in known))) <= len(occur) < 20_000
        for part in (*known, whole.counts):
            assert (part.times > 0).all()
        assert whole.counts.times.sum() == sum(part.times.sum() for part in known)


def test_a_part_may_be_a_mask_or_empty(spoilt):
    path, reports = spoilt
    mask = np.array([False, True, True, True, True])
    parts = [reports[0], verify_tiny(path, index=mask), verify_tiny(path, index=[])]
    assert timeless(cloudio.merge_reports(parts)) == timeless(verify_tiny(path))
