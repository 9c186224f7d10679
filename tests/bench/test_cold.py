"""`cloudio bench --cold`: pages are gone before the clock starts, figures follow from counts."""

import json
import mmap
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12, Band, Layout, Window
from cloudio.bench import cold
from cloudio.bench import cold_candidates as cold_ways
from cloudio.bench import cold_workload as cold_work
from cloudio.bench import page_cache as pages
from cloudio.cli import main

BANDS = CLOUDSEN12.presets["L1C"][0][:2]
N = 3
WAYS = [
    "the idiom *",
    "numpy after MADV_WILLNEED",
    "os.preadv and numpy, 16 threads",
    "cloudio mmap + prefetch, 2 threads",
    "cloudio mmap, 2 threads",
    "cloudio pread, 2 threads",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A split on a file system whose pages can be evicted, and proved to be gone."""
    path = tmp_path_factory.mktemp("cold") / "train"
    write_split(path, N, CLOUDSEN12, names=BANDS)
    try:
        with pages.Files(path.glob("*.dat")) as files:
            for file in files.paths:
                with open(file, "rb") as one:
                    os.posix_fadvise(one.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            left = files.resident()
    except cloudio.CloudioError as error:
        pytest.skip(f"no eviction here: {error}")
    if left:
        pytest.skip(f"pages of {', '.join(map(str, left))} stay in memory here")
    return path


@pytest.fixture
def no_torch(monkeypatch):
    """Without the seconds that its workers need to start."""
    monkeypatch.setattr(cold_ways, "_has_torch", lambda work: False)


@pytest.fixture(scope="module")
def report(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_ways, "_has_torch", lambda work: False)
        patch.setattr(cold_work, "DEPTHS", (1, 4))
        return cold.run(folder, threads=2, rounds=3)


def work_of(folder, size=(64, 64), seed=1):
    return cold_work.ColdWork(cloudio.open(folder), BANDS, size, N, seed=seed)


def race_of(folder, files, size=(64, 64)):
    return cold.Race(cloudio.open(folder), BANDS, size, N, files)


# ---- the report ----------------------------------------------------------------------------------


def test_report_has_both_windows_and_every_contender(report):
    assert [case.size for case in report.cases] == [(509, 509), (224, 224)]
    assert (report.bands, report.threads, report.rounds) == (BANDS, 2, 3)
    for case in report.cases:
        assert [row.name for row in case.rows] == WAYS
        assert case.n_samples == N
        cached = ["page cache, 1 at once", "page cache, 4 at once"]
        assert [row.name for row in case.disk][:2] == cached
        assert case.roof in [row.name for row in case.disk]


def test_figures_follow_from_times_and_counts(report):
    for case in report.cases:
        height, width = case.size
        assert case.bytes_read == N * height * width * 2 * len(BANDS)
        top = min(median(row.seconds) for row in case.disk)
        for row in (*case.rows, *case.disk):
            counts = row.seconds, row.cpu_seconds, row.read_bytes, row.major_faults
            assert [len(column) for column in counts] == [3] * 4
            seconds = median(row.seconds)
            assert row.mb_per_second == pytest.approx(case.bytes_read / 1e6 / seconds)
            assert row.fraction_of_roof == pytest.approx(top / seconds)
            assert row.median_cpu_seconds == median(row.cpu_seconds)
            assert row.median_major_faults == median(row.major_faults)
    whole = report.cases[0]
    assert whole.page_bytes == N * 512 * 512 * 2 * len(BANDS)
    for row in whole.rows:
        assert row.pages_read == pytest.approx(median(row.read_bytes) / whole.page_bytes)


def test_every_page_came_from_the_disk(report):
    for case in report.cases:
        for row in (*case.rows, *case.disk):
            assert min(row.read_bytes) >= case.page_bytes * 0.9, row.name
            assert row.pages_read < 1.1 or "cache" not in row.name, row.name


def test_memory_that_is_gone_again_was_seen():
    pss = pages.Pss()
    with pss.watched():
        taken = mmap.mmap(-1, 1 << 26)
        taken.write(bytes(1 << 26))
        time.sleep(0.1)
        taken.close()
    assert pss.peak - pss.before >= 0.9 * (1 << 26)


def test_shared_memory_on_its_way_counts_once():
    """As a batch that a worker has handed over, before and after it is looked at."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm")
    n_bytes = 1 << 26
    pss = pages.Pss()
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.write(bytes(n_bytes))
        file.flush()
        with pss.watched():
            pass
        assert 0.9 * n_bytes <= pss.own_peak - pss.own_before <= 1.3 * n_bytes
        with mmap.mmap(file.fileno(), n_bytes) as mapped, pss.watched():
            assert np.frombuffer(mapped, np.uint8).max() == 0
        assert 0.9 * n_bytes <= pss.own_peak - pss.own_before <= 1.3 * n_bytes
        assert pss.peak - pss.before <= 1.3 * n_bytes


def test_json_holds_all_of_it(report):
    read = json.loads(report.json())
    assert read["machine"]["cloudio"] == cloudio.__version__
    assert read["summary"] == report.summary
    assert read["disk"].startswith("file system ")
    assert read["disk"].endswith("1.0 times the pages of a batch: no more can be read in vain")
    for case, found in zip(read["cases"], report.cases, strict=True):
        assert case["rows"] == [vars(row) for row in found.rows]
        assert case["disk"] == [vars(row) for row in found.disk]
        assert case["roof"] == found.roof


def test_text_has_the_machine_the_tables_and_a_sentence(report):
    text = str(report)
    assert f"cloudio          {cloudio.__version__}" in text
    assert f"509 x 509: {N} samples, 3 MB of pixels in 3 MB of pages" in text
    assert f"the roof: {report.cases[0].roof}" in text
    assert "page cache, at once  1: " in text
    assert "MB/s of pages; rounds of the roof from " in text
    assert text.endswith(report.summary)
    assert "With every page on the disk, cloudio here (" in report.summary


def test_the_summary_names_torch_where_it_ran(report):
    crop = report.cases[-1]
    torch = replace(crop.rows[0], name="torch DataLoader, 2 workers", mb_per_second=1.0)
    ours = crop.row("cloudio")
    both = replace(report, cases=[report.cases[0], replace(crop, rows=[*crop.rows, torch])])
    assert (
        f"{ours.mb_per_second:.1f} times as fast as torch DataLoader, 2 workers, " in both.summary
    )


# ---- pages ---------------------------------------------------------------------------------------


def test_pages_are_gone_after_eviction(folder):
    path = folder / f"{BANDS[0]}.dat"
    with pages.Files([path, path]) as files:
        size = len(path.read_bytes())
        assert files.resident() == {path: size}
        files.evict()
        assert files.resident() == {}
        before = pages.usage()
        path.read_bytes()
        assert pages.usage().since(before).read_bytes == size


def test_pages_that_are_mapped_stay_and_the_file_is_named(folder, monkeypatch):
    monkeypatch.setattr(pages, "_TRIES", 2)
    path = folder / f"{BANDS[0]}.dat"
    with pages.Files(folder.glob("*.dat")) as files, open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert mapping[0] is not None
        with pytest.raises(cloudio.CloudioError, match=rf"{path}: [0-9,]+ bytes stay in memory"):
            files.evict()
        mapping.madvise(mmap.MADV_DONTNEED)
        files.evict()


def test_a_fault_that_waits_for_the_disk_is_counted(folder):
    path = folder / f"{BANDS[0]}.dat"
    with pages.Files([path]) as files, open(path, "rb") as file:
        files.evict()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
            before = pages.usage()
            assert mapping[0] is not None
            used = pages.usage().since(before)
        assert used.major_faults == 1
        assert used.read_bytes >= mmap.PAGESIZE
        assert 0 < used.cpu_seconds < 1


def test_memory_is_never_cold():
    shm = Path("/dev/shm")
    if not shm.is_dir() or pages.file_system(shm) != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    path = shm / f"cloudio-test-{os.getpid()}.dat"
    path.write_bytes(bytes(4096))
    try:
        with pytest.raises(cloudio.CloudioError, match="lies on tmpfs, which is memory"):
            pages.Files([path])
    finally:
        path.unlink()


def test_elsewhere_than_on_linux_it_says_so(folder, monkeypatch, capsys):
    monkeypatch.setattr(pages.sys, "platform", "darwin")
    assert main(["bench", "--cold", str(folder)]) == 2
    assert "cold reads need Linux" in capsys.readouterr().err


def test_without_a_path_it_says_how_to_make_one(capsys):
    assert main(["bench", "--cold"]) == 2
    assert "cloudio synth PATH" in capsys.readouterr().err


@pytest.mark.parametrize("rounds", [0, -1, True, 2.0])
def test_bad_rounds_are_refused(folder, rounds):
    with pytest.raises(cloudio.RequestError, match=r"rounds=.*; a whole number from 1 on"):
        cold.run(folder, rounds=rounds)


# ---- the ways ------------------------------------------------------------------------------------


def test_a_wrong_contender_is_caught(folder, no_torch):
    @contextmanager
    def opened(work):
        yield lambda out: out

    with (
        cold.files_of(cloudio.open(folder), BANDS) as files,
        pytest.raises(cloudio.CloudioError, match="it: the image of sample 0"),
    ):
        race_of(folder, files).check([cold_work.Way("it", opened)])


def test_a_way_lets_go_of_its_pages(folder, no_torch):
    work = work_of(folder)
    with cold.files_of(work.dataset, BANDS) as files, cold_ways.ways(work, 2) as found:
        for way in found:
            with way.opened(work) as read:
                read(work.allocate())
            files.evict()
            assert callable(read), way.name


def test_files_are_as_they_were(folder, no_torch, monkeypatch):
    monkeypatch.setattr(cold_work, "DEPTHS", (1,))
    paths = sorted(folder.iterdir())
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths]
    cold.run(folder, rounds=1)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths] == before


def test_torch_gives_the_answer_and_its_workers_let_go(folder):
    pytest.importorskip("torch")
    dataset = cloudio.open(folder)
    with (
        cold.files_of(dataset, BANDS) as files,
        cold_ways.ways(work_of(folder), 2) as found,
    ):
        way = next(way for way in found if way.name.startswith("torch"))
        race = race_of(folder, files)
        for _ in range(2):
            race.check([way])
            seconds, used = race.timed(way, race.work(1), race.work(1).allocate())
            assert seconds > 0
            assert used.read_bytes >= race.work(1).page_bytes


def test_rounds_have_other_patches_and_no_patch_twice(tmp_path):
    write_split(tmp_path, 9, CLOUDSEN12, names=BANDS)
    race = cold.Race(cloudio.open(tmp_path), BANDS, (64, 64), 4, None)
    batches = [tuple(race.work(k).index) for k in range(4)]
    assert len(set(batches)) == 4
    assert all(len(set(batch)) == 4 for batch in batches)


def test_no_more_samples_than_patches_or_memory(folder, monkeypatch):
    dataset = cloudio.open(folder)
    assert cold.n_samples(dataset, BANDS) == N
    assert cold.n_samples(dataset, BANDS, 2) == 2
    monkeypatch.setattr(cold.bench, "free_bytes", lambda: 1000)
    assert cold.n_samples(dataset, BANDS) == 1


# ---- where windows are ---------------------------------------------------------------------------


def stacked(folder, start):
    """Patches of 3 channels with rows of 3,000 bytes, after a header of ``start`` bytes."""
    layout = Layout(
        name="Stacked",
        patch=(40, 1500),
        valid=Window(row=1, col=2, height=35, width=1400),
        bands=tuple(
            Band(name, scale=1e-4, file="all.*", channel=k, channels=3)
            for k, name in enumerate("abc")
        ),
    )
    array = np.arange(4 * 3 * 40 * 1500).astype(np.int16).reshape(4, 3, 40, 1500)
    if start:
        np.save(folder / "all.npy", array)
    else:
        array.tofile(folder / "all.dat")
    return cloudio.open(folder, layout=layout), array


@pytest.mark.parametrize("start", [0, 128])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (35, 1400)])
def test_requests_are_the_pages_of_the_windows_and_no_others(tmp_path, start, size):
    dataset, array = stacked(tmp_path, start)
    work = cold_work.ColdWork(dataset, ["a", "c"], size, 3, seed=5)
    offsets = start + 2 * np.arange(array.size).reshape(array.shape)
    needed = set()
    for patch, rows, cols in work.windows:
        for channel in (0, 2):
            firsts = offsets[patch, channel, rows, cols].ravel()
            needed |= {*(firsts // 4096).tolist(), *((firsts + 1) // 4096).tolist()}
    asked = [
        page
        for _, offset, n_bytes in work.requests
        for page in range(offset // 4096, (offset + n_bytes) // 4096)
    ]
    assert sorted(asked) == sorted(needed)
    assert work.page_bytes == 4096 * len(needed)


@pytest.mark.parametrize("start", [0, 128])
def test_stored_arrays_are_found_again_in_their_files(tmp_path, start):
    dataset, array = stacked(tmp_path, start)
    for k, name in enumerate("abc"):
        stored = cold_work.stored(dataset, name)
        _, again = stored.mapped()
        assert np.array_equal(again, array[:, k])
        window = 2, slice(3, 9), slice(5, 700)
        offset, n_bytes = stored.span(window)
        data = stored.path.read_bytes()[offset : offset + n_bytes]
        crop = np.ndarray((6, 695), np.int16, data, strides=stored.strides[1:])
        assert np.array_equal(crop, array[2, k, 3:9, 5:700])
