"""`python -m benchmarks run`: whole runs, their results, and what ends them."""

import json
import os
import sys

import processes
import pytest
from paths import ROOT
from planted_rivals import planted

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

from benchmarks.suite import results

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process costs: /proc")

ROW = {
    "name", "kind", "status", "rounds", "pss_bytes", "shm_bytes", "answer", "threads", "workers",
    "note",
}  # fmt: skip
ROUND = {
    "seconds", "cpu_seconds", "samples", "minor_faults", "major_faults", "read_bytes", "waited",
}  # fmt: skip
CASE = {
    "title", "size", "n_bands", "label", "batch_size", "n_batches", "threads", "workers", "cold",
    "consumer_seconds", "bytes_read", "bytes_written", "limits", "rows",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small data set of one split, with a label."""
    import cloudio

    path = tmp_path_factory.mktemp("suite") / "data"
    names = ["L1C_B4", "L1C_B3", "LABEL_manual_hq"]
    cloudio.synthesize(path, {"train": 4}, arrays=names, progress=False)
    return path


def run(tmp_path, data, *arguments, path=()):
    command = [sys.executable, "-m", "benchmarks", "run", "--smoke", "--no-install"]
    places = [*map(str, path), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return processes.run(
        [*command, "--data", data, "--output", tmp_path / "results.json", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
        cwd=tmp_path,
    )


# ---- results -------------------------------------------------------------------------------------


def test_an_interrupt_keeps_the_suites_that_were_done(tmp_path, data):
    stops = planted(tmp_path, "stops", "os.kill(os.getppid(), signal.SIGINT)")
    text = stops.read_text(encoding="utf-8").replace('("warm", "cold")', '("cold",)')
    stops.write_text(text, encoding="utf-8")
    done = run(
        tmp_path, data, "--suite", "warm", "--suite", "cold", "--also", stops,
        "--rivals", "numpy_threads", "stops",
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "interrupted; the suites that were done are in " in done.stderr
    assert [one["suite"] for one in results.load(tmp_path / "results.json")["suites"]] == ["warm"]


def test_a_run_writes_results_and_every_failure_is_a_row(tmp_path, data):
    (tmp_path / "broken.py").write_text("import no_such_module\n", encoding="utf-8")
    also = [
        planted(tmp_path, "crashes", "os.kill(os.getpid(), signal.SIGKILL)"),
        planted(tmp_path, "raises", "raise ValueError('out of luck')"),
        planted(tmp_path, "needs", packages=("numpy", "no-such-package")),
        planted(tmp_path, "apart", environment="no-such-environment", convert="pass"),
        planted(tmp_path, "unconverted", convert="raise OSError('disk full')"),
        planted(tmp_path, "converted", convert="(folder / 'x').write_bytes(bytes(10))"),
        tmp_path / "broken.py",
    ]
    names = [path.stem for path in also]
    done = run(
        tmp_path, data, "--suite", "warm", "--also", *also,
        "--rivals", "numpy_threads", "cloudio_reader", *names,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "results are in" in done.stdout
    found = results.load(tmp_path / "results.json")
    (suite,) = found["suites"]
    assert suite["suite"] == "warm"
    assert {case["title"] for case in suite["cases"]} == {
        "64 x 64, 2 bands",
        "64 x 64, 2 bands, label",
        "64 x 64, 2 bands, first epoch of a process",
    }
    for case in suite["cases"]:
        check_case(case)
    check_statuses(found)


def check_case(case):
    assert set(case) == CASE
    rows = {row["name"]: row for row in case["rows"]}
    assert len(rows) == 3 + 6
    for row in (*case["rows"], *case["limits"]):
        assert ROW <= set(row) <= ROW | {"limit"}
        ran = row["status"] == results.RAN
        assert len(row["rounds"]) == ran
        assert all(set(one) == ROUND and one["seconds"] > 0 for one in row["rounds"])
        assert (results.figures(case, row) is not None) == ran
    assert rows["cloudio, all threads"]["kind"] == "cloudio"
    assert rows["cloudio, all threads"]["pss_bytes"] > 1 << 20
    assert rows["cloudio, 1 thread"]["threads"] == 1
    assert rows["numpy, in threads"]["kind"] == "rival"
    assert {row["limit"] for row in case["limits"]} == {"pattern", "copy"}
    n_pixels = case["n_batches"] * case["batch_size"] * 64 * 64
    assert case["bytes_read"] == n_pixels * (2 * 2 + case["label"])
    assert case["bytes_written"] == n_pixels * (2 * 4 + case["label"])


def check_statuses(found):
    rivals = {rival["name"]: rival for rival in found["rivals"]}
    statuses = {name: rival["status"] for name, rival in rivals.items()}
    assert statuses == {
        "cloudio, all threads": "ran",
        "cloudio, 1 thread": "ran",
        "numpy, in threads": "ran",
        "converted": "ran",
        "crashes": "failed: its process was ended by SIGKILL",
        "raises": "failed: ValueError: out of luck",
        "needs": "not installed: no no-such-package; run without --no-install",
        "apart": "not installed: there is no benchmarks/environments/no-such-environment.txt",
        "unconverted": "failed: OSError: disk full",
        "broken": "failed: broken.py cannot be imported: ModuleNotFoundError: No module named "
        "'no_such_module'",
    }
    for case in found["suites"][0]["cases"]:
        rows = {row["name"]: row["status"] for row in case["rows"]}
        assert rows == {name: status for name, status in statuses.items() if name != "broken"}
    assert rivals["converted"]["convert"]["bytes"] == 10
    assert rivals["converted"]["convert"]["source_bytes"] > 1 << 20
    assert set(rivals["numpy, in threads"]["packages"]) == {"numpy"}
    assert rivals["numpy, in threads"]["packages"]["numpy"]


def test_a_rival_that_fails_in_one_case_is_shown_in_the_others(tmp_path, data):
    also = [
        planted(tmp_path, "labels", "if label is not None: raise ValueError('no labels')"),
        planted(tmp_path, "late", "if k >= 3 and label is not None: os._exit(3)"),
    ]
    done = run(tmp_path, data, "--suite", "warm", "--also", *also, "--rivals", "labels", "late")
    assert done.returncode == 0, done.stderr
    found = results.load(tmp_path / "results.json")
    words = {"labels": "failed: ValueError: no labels", "late": "failed: its process ended with "}
    for case in found["suites"][0]["cases"]:
        for row in case["rows"]:
            if case["label"]:
                assert row["status"].startswith(words[row["name"]])
            else:
                assert row["status"] == results.RAN
            assert len(row["rounds"]) == (not case["label"])
    assert [one["status"].partition(" (")[2] for one in found["rivals"]] == [
        "in 1 of 3 cases of warm)"
    ] * 2
    assert done.stderr.count("no labels") < 4  # told once, with what was printed


def test_a_short_run_has_one_case_of_other_outputs(tmp_path, data):
    done = run(tmp_path, data, "--suite", "outputs", "--rivals", "numpy_best", "cloudio_reader")
    assert done.returncode == 0, done.stderr
    found = results.load(tmp_path / "results.json")
    ((suite, case),) = results.cases(found)
    assert (suite, case["title"]) == ("outputs", "64 x 64, 2 bands, float16")
    assert case["bytes_written"] == case["n_batches"] * case["batch_size"] * 64 * 64 * 2 * 2
    assert {row["status"] for row in (*case["rows"], *case["limits"])} == {results.RAN}
    assert {row["limit"] for row in case["limits"]} == {"pattern", "copy"}


# ---- wrong answers -------------------------------------------------------------------------------


def test_a_wrong_answer_ends_the_run(tmp_path, data):
    also = planted(tmp_path, "one_pixel", "if k == 2: image[1, 0, 5, 7] += 1")
    done = run(tmp_path, data, "--suite", "warm", "--also", also, "--rivals", "one_pixel")
    assert done.returncode == 1
    words = "wrong answer: one_pixel, batch 2: the image of sample 1 differs from numpy's"
    assert f"benchmarks: {words}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results.json").exists()


def test_a_wrong_answer_of_cloudio_ends_the_run(tmp_path, data):
    (tmp_path / "sitecustomize.py").write_text(
        "from cloudio.reading.reader import Reader\n"
        "right = Reader.read\n"
        "def read(self, *given, out=None, **more):\n"
        "    found = right(self, *given, out=out, **more)\n"
        "    found.image[-1, -1, -1, -1] += 1\n"
        "    return found\n"
        "Reader.read = read\n",
        encoding="utf-8",
    )
    rivals = ("--rivals", "numpy_threads", "cloudio_reader")
    done = run(tmp_path, data, "--suite", "warm", *rivals, path=[tmp_path])
    assert done.returncode == 1
    assert "wrong answer: cloudio, all threads, batch 0: the image of sample 1" in done.stderr


def test_unknown_rivals_are_refused(tmp_path, data):
    done = run(tmp_path, data, "--rivals", "numpy_thread")
    assert done.returncode == 1
    assert "--rivals numpy_thread: no rival and no file of that name" in done.stderr
    assert "did you mean numpy_threads?" in done.stderr


def test_suites_without_a_chosen_rival_are_left_out(tmp_path, data):
    done = run(tmp_path, data, "--suite", "stats", "--rivals", "numpy_threads", "numpy_idiom")
    assert done.returncode == 1
    words = "--rivals numpy_threads, numpy_idiom: none of them takes part in stats"
    assert f"benchmarks: {words}" in done.stderr
    given = ["--suite", "stats", "--suite", "warm", "--rivals", "numpy_threads"]
    done = run(tmp_path, data, *given)
    assert done.returncode == 0, done.stderr
    assert "left out, since no rival of --rivals takes part: stats" in done.stderr
    found = results.load(tmp_path / "results.json")["suites"]
    assert [one["suite"] for one in found] == ["warm"]


def test_results_of_another_schema_are_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"schema": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"results.json: schema 2; this version reads schema 1"):
        results.load(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"results.json: not JSON"):
        results.load(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rounds", "0"], "--rounds 0; rounds must be 1 or more"),
        (["--also", "none.py"], "--also none.py: there is no such file"),
        (["--output", "none/x.json"], "--output none/x.json: there is no folder none"),
        (["--output", "."], "--output .: it is a folder; give the name of a file"),
        (["--timeout", "0"], "--timeout 0; seconds must be more than 0"),
        (["--timeout", "nan"], "--timeout nan; seconds must be more than 0"),
    ],
)
def test_what_would_fail_at_the_end_of_a_run_is_refused_at_once(tmp_path, data, arguments, words):
    done = run(tmp_path, data, *arguments)
    assert done.returncode == 1
    assert done.stderr.strip() == f"benchmarks: {words}"
