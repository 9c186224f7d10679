"""README.md and docs/benchmarks.md quote the newest result that is kept, figure for figure."""

import re

import pytest

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

from benchmarks.reporting import markdown, shown


@pytest.fixture(scope="module")
def found():
    return markdown.quoted()


@pytest.mark.parametrize("path", markdown.PAGES, ids=lambda path: path.name)
def test_tables_are_those_of_the_newest_result(path, found):
    page = path.read_text(encoding="utf-8")
    assert page == markdown.filled(page, found), (
        f"run `python -m benchmarks report benchmarks/results/NEWEST.json --write` for {path.name}"
    )


def test_every_suite_has_its_table():
    readme, page = (path.read_text(encoding="utf-8") for path in markdown.PAGES)
    names = re.findall(r"<!-- benchmarks: ([\w-]+) -->", readme + page)
    assert sorted(names) == sorted(markdown.BLOCKS)
    assert {"headline", "summary"} <= set(re.findall(r"<!-- benchmarks: (\w+) -->", readme))


def test_each_result_has_its_report_beside_it(found):
    kept = sorted(markdown.RESULTS.glob("*.json"))
    assert kept
    for path in kept:
        assert re.match(r"\d{4}-\d\d-\d\d", path.name)
        html = path.with_suffix(".html").read_text(encoding="utf-8")
        assert re.search(r'<time datetime="([^"]+)"', html)[1] in path.read_text(encoding="utf-8")


def test_the_chart_of_the_home_page_begins_at_the_usual_code(found):
    rates = markdown.chart(found)
    assert next(iter(rates)) == "usual numpy code"
    assert rates["usual numpy code"] == 1
    assert list(rates.values()) == sorted(rates.values())
    assert "cloudio" in rates
    assert next(shown.suites(found))[0] == "warm"
