"""`cloudio bench` checks every answer, its figures follow from its times, it leaves nothing."""

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
import processes
import pytest
from builders import write_split
from residents import soon

import cloudio
from cloudio import CLOUDSEN12, Band, Layout, Reader, Window
from cloudio.bench import candidates as contenders
from cloudio.bench import warm as bench
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml

L1C, L2A = CLOUDSEN12.presets["L1C"][0], CLOUDSEN12.presets["L2A"][0]
N = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A split of two patches: fewer than the samples of a batch."""
    path = tmp_path_factory.mktemp("bench") / "train"
    write_split(path, N - 1, CLOUDSEN12, names=[*L1C, "LABEL_manual_hq"])
    return path


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(bench, "N_SAMPLES", N)


@pytest.fixture(scope="module")
def report(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "N_SAMPLES", N)
        return bench.run(folder, threads=2, rounds=3)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that temporary folders are made in."""
    monkeypatch.setattr(bench.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def work_of(folder, size=(64, 64), label="LABEL_manual_hq", n=N):
    return contenders.Work(cloudio.open(folder), L1C, label, size, n)


def test_report_has_both_windows_and_every_contender(report):
    assert [case.size for case in report.cases] == [(509, 509), (224, 224)]
    assert report.bands == L1C
    assert report.label == "LABEL_manual_hq"
    for case in report.cases:
        assert [row.name for row in case.rows[:-1]] == [
            "the idiom *",
            "best numpy, 1 thread",
            "best numpy, 2 threads",
            "cloudio, 1 thread",
            "cloudio, 2 threads",
        ]
        assert case.rows[-1].name == case.roof
        assert [row.answer for row in case.rows] == ["within 1 ulp", *["exact"] * 4, "copy"]
        assert (case.n_samples, case.n_patches) == (N, N - 1)


def test_figures_follow_from_the_times(report):
    for case in report.cases:
        height, width = case.size
        assert case.bytes_read == N * height * width * (13 * 2 + 1)
        assert case.bytes_written == N * height * width * (13 * 4 + 1)
        numpy, roof = case.rows[1], case.rows[-1]
        for row in case.rows:
            assert len(row.seconds) == len(row.cpu_seconds) == 3
            seconds = median(row.seconds)
            assert row.samples_per_second == pytest.approx(N / seconds)
            moved = case.bytes_read + case.bytes_written
            assert row.gb_per_second == pytest.approx(moved / 1e9 / seconds)
            assert row.times_best_numpy == pytest.approx(median(numpy.seconds) / seconds)
            assert row.fraction_of_roof == pytest.approx(median(roof.seconds) / seconds)
            cpu = median(row.cpu_seconds) / (case.bytes_written / 1e9)
            assert row.cpu_seconds_per_output_gb == pytest.approx(cpu)


def test_json_holds_all_of_it(report):
    read = json.loads(report.json())
    assert read["machine"]["cloudio"] == cloudio.__version__
    assert read["summary"] == report.summary
    assert (read["threads"], read["rounds"], read["label"]) == (2, 3, "LABEL_manual_hq")
    for case, found in zip(read["cases"], report.cases, strict=True):
        assert case["rows"] == [vars(row) for row in found.rows]
        assert case["best_numpy"] == found.best_numpy


def test_text_has_the_machine_the_tables_and_a_sentence(report):
    text = str(report)
    assert f"cloudio          {cloudio.__version__}" in text
    assert "509 x 509: 3 samples of 2 patches, " in text
    assert "the roof: " in text
    tables = [part.splitlines() for part in text.split("\n\n") if "samples/s" in part]
    for table in tables:
        assert len({len(line) for line in table[1:-1]}) == 1
    assert text.endswith(report.summary)
    assert "In 2 threads here, cloudio reads 224 x 224 crops " in report.summary


def test_one_thread_is_timed_once(folder):
    names = [row.name for row in bench.run(folder, threads=1, rounds=1).cases[0].rows[:-1]]
    assert names == ["the idiom *", "best numpy, 1 thread", "cloudio, 1 thread"]


# ---- judges --------------------------------------------------------------------------------------


def spoiled(read, what):
    """A read whose last sample has one wrong pixel."""

    def wrong(self, *arguments, **settings):
        batch = read(self, *arguments, **settings)
        array = getattr(batch, what)
        array[(-1,) * array.ndim] = 7
        return batch

    return wrong


@pytest.mark.parametrize("what", ["image", "label"])
def test_a_wrong_answer_of_cloudio_is_an_error(folder, monkeypatch, capsys, what):
    monkeypatch.setattr(Reader, "read", spoiled(Reader.read, what))
    assert main(["bench", str(folder), "--rounds", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"cloudio, 1 thread: the {what} of sample 2 is not the one numpy computes" in printed.err


def test_a_wrong_answer_of_numpy_is_an_error(folder, monkeypatch):
    def twice(window, scale, out):
        np.multiply(window, scale + scale, out=out, casting="unsafe")

    monkeypatch.setattr(contenders, "SCALINGS", {"twice": twice})
    with pytest.raises(cloudio.CloudioError, match="best numpy, 1 thread: the image of sample 0"):
        bench.run(folder, threads=2, rounds=1)


def test_an_answer_of_the_wrong_form_is_an_error(folder):
    work = work_of(folder)
    out, expected = work.allocate(), work.expected()

    def judge(run):
        contenders.check(contenders.Contender("it", 1, run), out, expected)

    with pytest.raises(cloudio.CloudioError, match=r"it: its image is \(2, 13, 64, 64\) float32"):
        judge(lambda out: out._replace(image=expected.image[:2]))
    with pytest.raises(cloudio.CloudioError, match="it: no label where numpy has one"):
        judge(lambda out: expected._replace(label=None))
    with pytest.raises(cloudio.CloudioError, match="it: the image of sample 0"):
        judge(lambda out: out)
    judge(lambda out: expected)


def test_only_the_idiom_may_miss_the_last_bit(folder):
    work = work_of(folder)
    out, expected = work.allocate(), work.expected()
    near = expected._replace(image=np.nextafter(expected.image, np.float32(np.inf)))
    far = expected._replace(image=np.nextafter(near.image, np.float32(np.inf)))
    contenders.check(contenders.Contender("it", 1, lambda out: near, ulps=1), out, expected)
    for answer, ulps in ((near, 0), (far, 1)):
        way = contenders.Contender("it", 1, lambda out, answer=answer: answer, ulps=ulps)
        with pytest.raises(cloudio.CloudioError):
            contenders.check(way, out, expected)


@pytest.mark.parametrize("label", ["LABEL_manual_hq", None])
def test_every_recipe_of_numpy_gives_the_answer(folder, label):
    work = work_of(folder, label=label)
    out, expected = work.allocate(), work.expected()
    with ThreadPoolExecutor(5) as pool:
        for recipe in contenders.recipes(work):
            contenders.check(contenders.by_numpy(work, recipe), out, expected)
            contenders.check(contenders.by_numpy(work, recipe, pool, 5), out, expected)


@pytest.mark.parametrize("n_bands", [1, 13])
@pytest.mark.parametrize("label", ["LABEL_manual_hq", None])
def test_the_roof_copies_as_many_bytes_from_as_many_patches(folder, label, n_bands):
    work = contenders.Work(cloudio.open(folder), L1C[:n_bands], label, (96, 80), N)
    spare, out = work.expected(), work.allocate()
    n_bytes = (work.bytes_read + work.bytes_written) // 2 // N
    source = spare.image.reshape(-1).view(np.uint8)
    with ThreadPoolExecutor(2) as pool:
        for way in contenders.roof(work, pool, 2, spare):
            contenders.spoil(out)
            way.run(out)
            copied = out.image.reshape(-1).view(np.uint8)
            per = n_bytes // 2048 * 2048
            parts = [copied[k * per : (k + 1) * per] for k in range(N)]
            for k, part in zip(work.index, parts, strict=True):
                assert np.array_equal(part, source[k * per : (k + 1) * per]), way.name


def test_all_take_turns_and_none_is_always_first():
    turns = []
    ways = [
        contenders.Contender(name, 1, lambda _, name=name: turns.append(name)) for name in "abc"
    ]
    ticks = []
    timings = contenders.race(ways, None, 4, lambda: ticks.append(1))
    assert [turns[k : k + 3] for k in range(0, 12, 3)] == [
        ["a", "b", "c"],
        ["a", "c", "b"],
        ["c", "a", "b"],
        ["c", "b", "a"],
    ]
    assert len(ticks) == 4
    assert all(len(timing.seconds) == len(timing.cpu_seconds) == 4 for timing in timings.values())


def test_same_seed_same_batch_inside_the_valid_window(folder):
    one, other = work_of(folder, (224, 224), n=20), work_of(folder, (224, 224), n=20)
    assert np.array_equal(one.index, other.index)
    assert np.array_equal(one.origin, other.origin)
    assert one.origin.min() >= 1
    assert one.origin.max() + 224 <= 510
    assert np.array_equal(np.unique(one.index), [0, 1])


# ---- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "bands", "label"),
    [
        (["L1C_B2", "L2A_AOT", "S1_VV"], ("L1C_B2", "L2A_AOT"), None),
        (["LABEL_fmask", *L2A], L2A, "LABEL_fmask"),
    ],
)
def test_what_is_there_is_used_and_said(tmp_path, names, bands, label):
    write_split(tmp_path / "val", 2, CLOUDSEN12, names=names)
    report = bench.run(tmp_path, threads=2, rounds=1)
    assert (report.bands, report.label) == (bands, label)
    assert "split val, 2 patches" in str(report)
    assert ", instead of the 13 of L1C; " in str(report)
    assert (f"; label {label}" if label else "; no label, for there is none") in str(report)


def test_no_band_to_read_is_an_error(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["S1_VV", "LABEL_fmask"])
    with pytest.raises(cloudio.RequestError, match=r"no int16 band of known scale in .*S1_VV"):
        bench.run(tmp_path, rounds=1)


@pytest.mark.parametrize("rounds", [0, -1, True, 2.0])
def test_bad_rounds_are_refused(folder, rounds):
    with pytest.raises(cloudio.RequestError, match=r"rounds=.*; a whole number from 1 on"):
        bench.run(folder, rounds=rounds)


def test_bad_threads_are_refused(temporary, capsys):
    assert main(["bench", "--threads", "0"]) == 2
    assert "threads=0; a whole number from 1 on is needed" in capsys.readouterr().err
    assert not list(temporary.iterdir())


def test_few_samples_where_memory_is_short(monkeypatch):
    monkeypatch.setattr(bench, "N_SAMPLES", 32)
    monkeypatch.setattr(bench, "free_bytes", lambda: 1 << 40)
    assert bench.n_samples((509, 509), 13) == 32
    monkeypatch.setattr(bench, "free_bytes", lambda: 2_000_000_000)
    assert bench.n_samples((509, 509), 13) == 9
    monkeypatch.setattr(bench, "free_bytes", lambda: 1000)
    assert bench.n_samples((509, 509), 13) == 1


def test_data_made_up_are_removed_afterwards(temporary, capsys):
    assert main(["bench", "--rounds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "3 patches made up for this run"
    assert not list(temporary.iterdir())


def test_data_made_up_are_removed_after_an_error(temporary, monkeypatch):
    def fail(*_):
        assert list(temporary.glob("cloudio-bench-*/data/train/L1C_B1.dat"))
        raise cloudio.CloudioError("so it goes")

    monkeypatch.setattr(bench, "check", fail)
    with pytest.raises(cloudio.CloudioError, match="so it goes"):
        bench.run(None, rounds=1)
    assert not list(temporary.iterdir())


def test_data_made_up_are_removed_after_an_interrupt(tmp_path):
    # A shell's background jobs ignore interrupts, and their children too.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from cloudio.bench import warm; from cloudio.cli import main; warm.N_SAMPLES = 2\n"
        "raise SystemExit(main(['bench', '--rounds', '100000']))"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with processes.started([sys.executable, "-c", code], env=environment) as process:
        assert soon(lambda: list(tmp_path.glob("cloudio-bench-*/data")), 60)
        time.sleep(0.3)  # or somewhat later: whenever it comes, nothing is to be left
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("offset", [0.0, -1000.0])
def test_bands_of_any_scale_and_offset_are_timed(tmp_path, offset):
    bands = (
        Band("B2", "band", "int16", scale=2.75e-5, offset=offset),
        Band("B3", "band", "int16", scale=1e-4),
    )
    layout = Layout("Landsat", (40, 48), Window(0, 0, 40, 48), bands)
    write_split(tmp_path, 3, layout)
    (tmp_path / "cloudio.toml").write_text(to_toml(layout))
    report = bench.run(tmp_path, threads=1, rounds=1)
    assert {row.answer for row in report.cases[0].rows} == {"exact", "within 1 ulp", "copy"}
