"""`cloudio bench --cold`: pages are gone before the clock starts, figures follow from counts."""

import json
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

import pytest
from benching import COLD_BANDS, N, cold_workload
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12
from cloudio.bench import cold, cold_candidates, limits, workload
from cloudio.bench.cold_workload import ColdCandidate
from cloudio.bench.report import Row
from cloudio.cli import main

BASELINE = "baseline (fancy index, float64) *"
CANDIDATES = [
    BASELINE,
    "numpy after MADV_WILLNEED",
    "os.preadv and numpy, 16 threads",
    "cloudio mmap + prefetch, 2 threads",
    "cloudio mmap, 2 threads",
    "cloudio pread, 2 threads",
]


@pytest.fixture(scope="module")
def report(cold_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_candidates, "_can_use_torch", lambda workload: False)
        patch.setattr(limits, "DEPTHS", (1, 4))
        return cold.run(cold_folder, threads=2, rounds=3)


def rounds_of(folder, files, size=(64, 64)):
    return cold.ColdRounds(cloudio.open(folder), COLD_BANDS, size, N, files)


# ---- the report ----------------------------------------------------------------------------------


def test_report_has_both_windows_and_every_candidate(report):
    assert [case["size"] for case in report.cases] == [(509, 509), (224, 224)]
    assert [report[key] for key in ("bands", "threads", "rounds")] == [COLD_BANDS, 2, 3]
    for case in report.cases:
        assert [row.name for row in case.rows] == CANDIDATES
        assert case["n_samples"] == N
        cached = ["page cache, 1 at once", "page cache, 4 at once"]
        assert [row.name for row in case.limits][:2] == cached
        assert case.limit in case.limits


def test_figures_follow_from_times_and_counts(report):
    for case in report.cases:
        height, width = case["size"]
        assert case["bytes_read"] == N * height * width * 2 * len(COLD_BANDS)
        limit = min(median(row["seconds"]) for row in case.limits)
        for row in (*case.rows, *case.limits):
            columns = ("seconds", "cpu_seconds", "read_bytes", "major_faults")
            assert [len(row[column]) for column in columns] == [3] * 4
            seconds = median(row["seconds"])
            assert row["mb_per_second"] == pytest.approx(case["bytes_read"] / 1e6 / seconds)
            assert row["fraction_of_limit"] == pytest.approx(limit / seconds)
            assert row["median_cpu_seconds"] == median(row["cpu_seconds"])
            assert row["median_major_faults"] == median(row["major_faults"])
    whole = report.cases[0]
    assert whole["page_bytes"] == N * 512 * 512 * 2 * len(COLD_BANDS)
    for row in whole.rows:
        pages = median(row["read_bytes"]) / whole["page_bytes"]
        assert row["pages_read"] == pytest.approx(pages)


def test_every_page_came_from_the_disk(report):
    for case in report.cases:
        for row in (*case.rows, *case.limits):
            assert min(row["read_bytes"]) >= case["page_bytes"] * 0.9, row.name
            assert row["pages_read"] < 1.1 or "cache" not in row.name, row.name


def test_json_holds_all_of_it(report):
    read = json.loads(report.json())
    assert read["machine"]["cloudio"] == cloudio.__version__
    assert read["summary"] == report.summary
    assert read["disk"].startswith("file system ")
    assert read["disk"].endswith("1.0 times the pages of a batch: no more can be read in vain")
    for case, found in zip(read["cases"], report.cases, strict=True):
        assert case["rows"] == [row.as_dict() for row in found.rows]
        assert case["limits"] == [row.as_dict() for row in found.limits]
        assert case["limit"] == found.limit.name


def test_text_has_the_machine_the_tables_and_a_sentence(report):
    text = str(report)
    assert f"cloudio          {cloudio.__version__}" in text
    assert f"509 x 509: {N} samples, 3 MB of pixels in 3 MB of pages" in text
    assert f"\ndisk limit: {report.cases[0].limit.name} " in text
    assert "page cache, at once  1: " in text
    assert "MB/s of pages; rounds of the limit from " in text
    assert text.endswith(report.summary)
    assert "With every page on the disk, cloudio (" in report.summary
    assert " over the baseline, at " in report.summary
    assert " of the disk limit (" in report.summary


def test_the_summary_names_torch_where_it_ran(report):
    whole, crop = report.cases
    torch = Row("torch DataLoader, 2 workers", {**crop.rows[0].figures, "mb_per_second": 1.0})
    fastest = max(row["mb_per_second"] for row in crop.named("cloudio"))
    summary = cold._summary([whole, replace(crop, rows=[*crop.rows, torch])])
    assert f" and of {fastest:.1f} over torch DataLoader, 2 workers, at " in summary


# ---- arguments -----------------------------------------------------------------------------------


def test_without_a_path_it_says_how_to_make_one(capsys):
    assert main(["bench", "--cold"]) == 2
    assert "cloudio synth PATH" in capsys.readouterr().err


@pytest.mark.parametrize("rounds", [0, -1, True, 2.0])
def test_bad_rounds_are_refused(cold_folder, rounds):
    with pytest.raises(
        cloudio.RequestError, match=r"rounds=.*; rounds must be a whole number, 1 or more"
    ):
        cold.run(cold_folder, rounds=rounds)


def test_no_more_samples_than_patches_or_memory(cold_folder, monkeypatch):
    dataset = cloudio.open(cold_folder)
    assert cold.n_samples(dataset, COLD_BANDS) == N
    assert cold.n_samples(dataset, COLD_BANDS, 2) == 2
    monkeypatch.setattr(workload, "free_bytes", lambda: 1000)
    assert cold.n_samples(dataset, COLD_BANDS) == 1


# ---- rounds and candidates -----------------------------------------------------------------------


def test_rounds_have_other_patches_and_no_patch_twice(tmp_path):
    write_split(tmp_path, 9, CLOUDSEN12, names=COLD_BANDS)
    rounds = cold.ColdRounds(cloudio.open(tmp_path), COLD_BANDS, (64, 64), 4, None)
    batches = [tuple(rounds.workload(k).index) for k in range(4)]
    assert len(set(batches)) == 4
    assert all(len(set(batch)) == 4 for batch in batches)


def test_a_wrong_candidate_is_an_error(cold_folder):
    @contextmanager
    def opened(workload):
        yield lambda out: out

    with (
        cold.evictable_files(cloudio.open(cold_folder), COLD_BANDS) as files,
        pytest.raises(cloudio.CloudioError, match="it: the image of sample 0"),
    ):
        rounds_of(cold_folder, files).check([ColdCandidate("it", opened)])


def test_every_candidate_releases_its_pages(cold_folder, no_torch):
    workload = cold_workload(cold_folder)
    with (
        cold.evictable_files(workload.dataset, COLD_BANDS) as files,
        cold_candidates.cold_candidates(workload, 2) as candidates,
    ):
        for candidate in candidates:
            with candidate.opened(workload) as read:
                read(workload.allocate())
            files.evict()
            assert callable(read), candidate.name


def test_torch_gives_the_answer_and_its_workers_release_their_pages(cold_folder):
    pytest.importorskip("torch")
    workload = cold_workload(cold_folder)
    with (
        cold.evictable_files(workload.dataset, COLD_BANDS) as files,
        cold_candidates.cold_candidates(workload, 2) as candidates,
    ):
        torch = next(one for one in candidates if one.name.startswith("torch"))
        rounds = rounds_of(cold_folder, files)
        for _ in range(2):
            rounds.check([torch])
            batch = rounds.workload(1)
            _, used = rounds.timed(torch, batch, batch.allocate())
            assert used.read_bytes >= batch.page_bytes


def test_files_are_as_they_were(cold_folder, no_torch, one_depth):
    paths = sorted(cold_folder.iterdir())
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths]
    cold.run(cold_folder, rounds=1)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths] == before
