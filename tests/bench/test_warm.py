"""`cloudio bench` checks every answer, its figures follow from its times, it leaves nothing."""

import json
import tempfile
from statistics import median

import numpy as np
import pytest
from benching import L1C, N
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12, Band, Layout, Reader, Window
from cloudio.bench import candidates, warm, workload
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml

BASELINE = "baseline (np.stack, float64) *"

pytestmark = pytest.mark.usefixtures("small_batches")


@pytest.fixture(scope="module")
def report(warm_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workload, "N_SAMPLES", N)
        return warm.run(warm_folder, threads=2, rounds=3)


# ---- the report ----------------------------------------------------------------------------------


def test_report_has_both_windows_and_every_candidate(report):
    assert [case["size"] for case in report.cases] == [(509, 509), (224, 224)]
    assert report["bands"] == L1C
    assert report["label"] == "LABEL_manual_hq"
    for case in report.cases:
        assert [row.name for row in case.rows] == [
            BASELINE,
            "best numpy, 1 thread",
            "best numpy, 2 threads",
            "cloudio, 1 thread",
            "cloudio, 2 threads",
        ]
        assert [row.name for row in case.limits] == [
            "np.copyto, 2 threads",
            "streamed copy, 2 threads",
        ]
        assert [row["answer"] for row in case.rows] == ["within 1 ulp", *["exact"] * 4]
        assert {row["answer"] for row in case.limits} == {"copy"}
        assert (case["n_samples"], case["n_patches"]) == (N, N - 1)


def test_figures_follow_from_the_times(report):
    for case in report.cases:
        height, width = case["size"]
        assert case["bytes_read"] == N * height * width * (13 * 2 + 1)
        assert case["bytes_written"] == N * height * width * (13 * 4 + 1)
        moved = case["bytes_read"] + case["bytes_written"]
        numpy = median(case.rows[1]["seconds"])
        limit = min(median(row["seconds"]) for row in case.limits)
        assert case.limit["fraction_of_limit"] == 1
        for row in (*case.rows, *case.limits):
            assert len(row["seconds"]) == len(row["cpu_seconds"]) == 3
            seconds = median(row["seconds"])
            assert row["samples_per_second"] == pytest.approx(N / seconds)
            assert row["gb_per_second"] == pytest.approx(moved / 1e9 / seconds)
            assert row["times_best_numpy"] == pytest.approx(numpy / seconds)
            assert row["fraction_of_limit"] == pytest.approx(limit / seconds)
            cpu = median(row["cpu_seconds"]) / (case["bytes_written"] / 1e9)
            assert row["cpu_seconds_per_output_gb"] == pytest.approx(cpu)


def test_json_holds_all_of_it(report):
    read = json.loads(report.json())
    assert read["machine"]["cloudio"] == cloudio.__version__
    assert read["summary"] == report.summary
    assert (read["threads"], read["rounds"], read["label"]) == (2, 3, "LABEL_manual_hq")
    for case, found in zip(read["cases"], report.cases, strict=True):
        assert case["rows"] == [row.as_dict() for row in found.rows]
        assert case["limits"] == [row.as_dict() for row in found.limits]
        assert case["limit"] == found.limit.name
        assert case["best_numpy"] == found["best_numpy"]


def test_text_has_the_machine_the_tables_and_a_sentence(report):
    text = str(report)
    assert f"cloudio          {cloudio.__version__}" in text
    assert "509 x 509: 3 samples of 2 patches, " in text
    assert f"\ncopy limit: {report.cases[0].limit.name} " in text
    tables = [part.splitlines() for part in text.split("\n\n") if "samples/s" in part]
    assert len(tables) == 2
    for table in tables:
        assert len({len(line) for line in table[1:-1]}) == 1
        assert table[-1].startswith("best numpy: ")
    assert text.endswith(report.summary)
    assert "In 2 threads on this machine, cloudio reads 224 x 224 crops " in report.summary
    assert "of the copy limit." in report.summary


def test_one_thread_is_timed_once(warm_folder):
    case = warm.run(warm_folder, threads=1, rounds=1).cases[0]
    assert [row.name for row in case.rows] == [
        BASELINE,
        "best numpy, 1 thread",
        "cloudio, 1 thread",
    ]


# ---- wrong answers -------------------------------------------------------------------------------


def with_a_wrong_pixel(read, what):
    """A read whose last sample has one wrong pixel."""

    def wrong(self, *arguments, **settings):
        batch = read(self, *arguments, **settings)
        array = getattr(batch, what)
        array[(-1,) * array.ndim] = 7
        return batch

    return wrong


@pytest.mark.parametrize("what", ["image", "label"])
def test_a_wrong_answer_of_cloudio_is_an_error(warm_folder, monkeypatch, capsys, what):
    monkeypatch.setattr(Reader, "read", with_a_wrong_pixel(Reader.read, what))
    assert main(["bench", str(warm_folder), "--rounds", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"cloudio, 1 thread: the {what} of sample 2 differs from numpy's" in printed.err


def test_a_wrong_answer_of_numpy_is_an_error(warm_folder, monkeypatch):
    def twice(window, scale, out):
        np.multiply(window, scale + scale, out=out, casting="unsafe")

    monkeypatch.setattr(candidates, "SCALINGS", {"twice": twice})
    with pytest.raises(cloudio.CloudioError, match="best numpy, 1 thread: the image of sample 0"):
        warm.run(warm_folder, threads=2, rounds=1)


# ---- arguments and data --------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [0, -1, True, 2.0])
def test_bad_rounds_are_refused(warm_folder, rounds):
    with pytest.raises(
        cloudio.RequestError, match=r"rounds=.*; rounds must be a whole number, 1 or more"
    ):
        warm.run(warm_folder, rounds=rounds)


def test_bad_threads_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main(["bench", "--threads", "0"]) == 2
    assert "--threads 0; --threads must be a whole number, 1 or more" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_a_path_synthetic_data_are_timed_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main(["bench", "--rounds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "3 synthetic patches, made for this run"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["LABEL_fmask", None])
def test_the_bands_are_said(tmp_path, label):
    names = ["L1C_B2", "L2A_AOT", "S1_VV", *([label] if label else [])]
    write_split(tmp_path / "val", 2, CLOUDSEN12, names=names)
    report = warm.run(tmp_path, threads=2, rounds=1)
    assert (report["bands"], report["label"]) == (("L1C_B2", "L2A_AOT", "S1_VV"), label)
    text = str(report)
    assert "split val, 2 patches" in text
    assert "3 bands (L1C_B2, L2A_AOT, S1_VV); " in text
    assert (f"; label {label}\n" if label else "; no label with a map\n") in text


@pytest.mark.parametrize("offset", [0.0, -1000.0])
def test_bands_of_any_scale_and_offset_are_timed(tmp_path, offset):
    bands = (
        Band("B2", "band", "int16", scale=2.75e-5, offset=offset),
        Band("B3", "band", "int16", scale=1e-4),
    )
    layout = Layout("Landsat", (40, 48), Window(0, 0, 40, 48), bands)
    write_split(tmp_path, 3, layout)
    (tmp_path / "cloudio.toml").write_text(to_toml(layout))
    report = warm.run(tmp_path, threads=1, rounds=1)
    assert {row["answer"] for row in report.cases[0].rows} == {"exact", "within 1 ulp"}
