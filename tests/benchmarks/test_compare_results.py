"""Two results side by side: ratios, which are beyond the spread, and what else differs."""

import pytest
from made_up_result import result, written

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

from benchmarks.__main__ import main
from benchmarks.reporting import compare


def line(text, name):
    """The first row of a name."""
    return next(row for row in text.splitlines() if row.startswith(name))


def run(*paths):
    return main(["compare", *map(str, paths)])


def test_ratios_and_what_is_beyond_the_spread():
    text = compare.text(result(), result(1.2))
    assert "1.20 (1.14 to 1.26)  faster" in line(text, "cloudio, 2 threads")
    text = compare.text(result(), result(0.8))
    assert "slower" in line(text, "cloudio, 2 threads")
    text = compare.text(result(), result(1.03))
    assert "1.03 (0.98 to 1.08)" in text
    assert "faster" not in text
    assert text.endswith("0 of 87 rates differ by more than the spread of the rounds.")


def test_cpu_seconds_and_fractions_of_limits():
    after = result()
    for one in after["suites"][0]["cases"][0]["rows"]:
        for measured in one["rounds"]:
            measured["cpu_seconds"] *= 2
            measured["seconds"] /= 1.05
    row = line(compare.text(result(), after), "cloudio, 2 threads")
    assert "2.00 (2.00 to 2.00)  dearer" in row
    assert row.split()[-2:] == ["0.95", "1.00"]


def test_a_row_that_read_fewer_samples_is_compared_by_the_sample():
    after = result()
    for one in after["suites"][0]["cases"][0]["rows"]:
        for measured in one["rounds"]:
            for name in ("seconds", "cpu_seconds", "samples"):
                measured[name] /= 2
    row = line(compare.text(result(), after), "cloudio, 2 threads")
    assert row.split("  ")[1:] == line(compare.text(result(), result()), row[:18]).split("  ")[1:]


def test_differences_of_machine_and_versions_are_listed():
    after = result(cloudio="0.2", quick=True)
    after["machine"] = after["machine"] | {"CPU": "Another"}
    after["rivals"][0]["packages"]["numpy"] = "9.9"
    words = [row.split() for row in compare.text(result(), after).splitlines()[:6]]
    assert ["cloudio", "0.1", "0.2"] in words
    assert ["CPU", "Some", "<CPU>,", "2", "cores", "Another"] in words
    assert ["quick", "run", "False", "True"] in words
    assert "compare fractions of limits" in compare.text(result(), after)
    assert "Machine, data and versions agree." in compare.text(result(), result())


def test_rows_of_one_file_are_listed():
    text = compare.text(result(), result(lost=False))
    assert "Only in A:\n  warm: 224 x 224, 13 bands, label: numba, parallel" in text
    assert "Only in B" not in text


def test_the_status_is_0_unless_the_files_do_not_fit(tmp_path, capsys):
    a = written(tmp_path / "a.json", result())
    b = written(tmp_path / "b.json", result(0.5))
    assert run(a, b) == 0
    assert "slower" in capsys.readouterr().out
    other = written(tmp_path / "c.json", result(suites=[], growth=[]))
    assert run(a, other) == 2
    assert "no case has a row that ran in both files" in capsys.readouterr().err
    assert run(a, written(tmp_path / "d.json", result(schema=2))) == 2
    assert "schema 2" in capsys.readouterr().err
    assert run(a, tmp_path / "none.json") == 2
    assert run(a, written(tmp_path / "e.json", {"schema": 1})) == 2
    assert "no 'suites' in one of the results" in capsys.readouterr().err
