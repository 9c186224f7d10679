"""The page of a result: whole by itself, escaped, and plain about who lost and what did not run."""

import base64
import re
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree

import pytest
from color_vision import VISIONS, contrast, distance
from made_up_result import HOSTILE, WHY, case, result, written

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")
pytest.importorskip("matplotlib", reason="plots need the extra cloudio[plot]")

from benchmarks.__main__ import main
from benchmarks.reporting import drawing, markdown, page, plots, report, scatter
from benchmarks.reporting.shown import Shown, growth
from benchmarks.suite import results
from cloudio.plot.colors import color_from_hex

VOID = {"meta", "link", "img", "source", "br", "input", "hr"}


class Reader(HTMLParser):
    """Elements as (tag, attributes, text inside); every element must end where it should."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        entry = [tag, dict(attributes), ""]
        self.found.append(entry)
        if tag not in VOID:
            self.open.append(entry)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        for entry in self.open:
            entry[2] += text

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.found if name == tag]


def one_case(**changes):
    """A result of one case: each picture takes a while to draw."""
    found = result(**changes)
    found["suites"] = found["suites"][:1]
    found["suites"][0]["cases"] = found["suites"][0]["cases"][:1]
    return found


@pytest.fixture(scope="module")
def html():
    found = result()
    return page.page(found | {"suites": [*one_case()["suites"], found["suites"][1]]})


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def svgs(read):
    images = [attributes["src"] for attributes, _ in read.all("img")]
    images += [attributes["srcset"] for attributes, _ in read.all("source")]
    return [base64.b64decode(image.partition("base64,")[2]).decode() for image in images]


def test_the_page_is_whole_by_itself(html, read):
    assert html.startswith("<!doctype html>\n<html lang=")
    links = [
        entry[1][key]
        for entry in read.found
        for key in ("src", "href", "srcset")
        if key in entry[1]
    ]
    ids = {f"#{entry[1]['id']}" for entry in read.found if "id" in entry[1]}
    assert links
    for link in links:
        assert link.startswith(("data:image/svg+xml;base64,", "data:,")) or link in ids
    assert not read.all("script")
    assert "url(" not in page.STYLE.read_text(encoding="utf-8")
    assert "@import" not in page.STYLE.read_text(encoding="utf-8")


def test_every_image_has_words_and_every_table_scrolls_within_itself(read):
    assert [attributes for attributes, _ in read.all("img") if len(attributes["alt"]) < 50] == []
    scrolling = [a for a, _ in read.all("div") if a.get("class") == "scroll"]
    assert len(scrolling) == len(read.all("table"))
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolling)
    assert {a["scope"] for a, _ in read.all("th")} == {"col", "row"}


def test_images_follow_the_scheme_and_need_nothing_else(read):
    found = svgs(read)
    assert len(found) == 2 * len(read.all("img")) == 6
    for svg in found:
        root = ElementTree.fromstring(svg)
        assert "prefers-color-scheme:dark" in svg
        assert "var(--ours)" in svg
        assert not any(color in svg for color in drawing.PLACEHOLDERS.values())
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_text_of_a_result_is_escaped(html, read):
    assert HOSTILE not in html
    assert "<CPU>" not in html
    names = [text for a, text in read.all("span") if a.get("class") == "name"]
    assert sum(HOSTILE in name for name in names) == 2
    for svg in svgs(read):
        assert "<script" not in svg


def test_a_row_where_cloudio_lost_is_marked(read):
    marked = [text for a, text in read.all("tr") if a.get("class") == "lost"]
    assert [text.startswith("1numba, parallel") for text in marked] == [True, False] * 2
    for text in marked[::2]:
        assert text.count("lost") == 2  # rate and CPU seconds
    assert sum(a.get("class") == "badge lost" for a, _ in read.all("span")) == 2 * 2 + 2 * 2


def test_no_row_is_marked_where_cloudio_is_ahead_and_near_ones_say_so():
    found = one_case(lost=False, growth=[])
    found["suites"][0]["cases"] = [case("x", 224, {"near": (0.99, 1.2, [])}, 100.0)]
    html = page.page(found)
    read = Reader(html)
    assert not [a for a, _ in read.all("tr") if a.get("class") == "lost"]
    assert not [a for a, _ in read.all("span") if a.get("class") == "badge lost"]
    assert "ahead of one rival in rate and CPU seconds" in html
    assert "near" in next(text for a, text in read.all("tr") if "within the spread" in text)


def test_rows_that_did_not_run_say_why(read):
    (section,) = [text for a, text in read.all("section") if a.get("id") == "missing"]
    assert WHY in section
    assert [text for _, text in read.all("li") if text == f"DALI: {WHY}"] != []


def test_machine_date_versions_and_converting_are_shown(read, html):
    shown = dict(zip([t for _, t in read.all("dt")], [t for _, t in read.all("dd")], strict=True))
    assert shown["CPU"] == "Some <CPU>, 2 cores"
    assert shown["date"] == "2026-11-30 14:00"
    (converting,) = [text for a, text in read.all("section") if a.get("id") == "converting"]
    assert "zarr 312.5 s500 MB0.50" in converting
    assert "numba 1.2, numpy 1.2" in html


def test_a_quick_run_and_one_without_rows_are_pages_too():
    empty = page.page(result(suites=[], growth=[], rivals=[], quick=True))
    assert "Do not quote" in empty
    assert "No row of cloudio ran" in empty
    found = one_case(growth=[])
    (only,) = found["suites"][0]["cases"]
    only["rows"] = [row | {"status": "failed: x", "rounds": []} for row in only["rows"]]
    only["limits"] = []
    assert "failed: x" in page.page(found)


def test_figures_of_the_page_are_those_of_the_result(read):
    one = result()["suites"][0]["cases"][0]
    ours = results.figures(one, results.fastest(one, "cloudio"))
    assert ours.of_limits == pytest.approx({"pattern": 1 / 1.05, "copy": 1 / 1.5})
    row = next(text for a, text in read.all("tr") if text.startswith("2cloudio, 2 threads"))
    assert row == "2cloudio, 2 threads5,0001.001.001.00"


def test_the_scatter_and_growth_plots_have_all_rows():
    found = result()
    shown = Shown("warm", found["suites"][0]["cases"][0])
    for plot in (scatter.scatter(shown), plots.bars(shown)):
        assert all(line.name in plot.alt for line in shown.lines)
    assert "faster than cloudio" in plots.bars(shown).svg()
    labels = re.findall(r">(\d)[ <]", scatter.scatter(shown).svg())
    assert set(labels) >= set("123456789")
    alt = plots.growth(growth(found)).alt
    assert "by pixels of a side of the crop: cloudio, 2 threads 64: " in alt
    assert "pattern limit 64: " in alt


@pytest.mark.parametrize("theme", [drawing.LIGHT, drawing.DARK], ids=["light", "dark"])
def test_colors_are_told_apart_by_all_and_legible(theme):
    rgb = {role: color_from_hex(color) for role, color in theme.items()}
    for vision in VISIONS:
        for one, other in combinations(("ours", "rival", "beat"), 2):
            assert distance(rgb[one], rgb[other], vision) > 25, (vision, one, other)
    for role in ("ink", "soft", "ours"):  # text
        assert contrast(rgb[role], rgb["sheet"]) > 4.5, role
    for role in ("rival", "beat", "c1", "c2", "c3", "c4", "c5"):  # bars and lines
        assert contrast(rgb[role], rgb["sheet"]) > 3, role


def test_the_command_writes_a_page_and_plots(tmp_path, capsys):
    found = result(growth=[])
    found["suites"] = found["suites"][1:]
    path = written(tmp_path / "run.json", found)
    assert main(["report", str(path), "--plots"]) == 0
    said = capsys.readouterr().out.split()
    assert said[0] == str(tmp_path / "run.html")
    names = ("bars-dark", "bars-light", "cpu-dark", "cpu-light")
    stem = "cold-224-x-224-from-the-disk"
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        f"{stem}-{n}.png" for n in names
    ]
    assert (tmp_path / "run" / f"{stem}-cpu-dark.png").read_bytes().startswith(b"\x89PNG")
    path.write_text("[]", encoding="utf-8")
    assert main(["report", str(path)]) == 2
    assert "schema None" in capsys.readouterr().err
    written(path, {"schema": 1})
    assert main(["report", str(path)]) == 2
    assert "run.json: no 'suites' where a result has one" in capsys.readouterr().err
    written(path, result())
    assert main(["report", str(path), "--write"]) == 2
    assert "--write quotes the newest result in benchmarks/results" in capsys.readouterr().err


def test_write_puts_tables_between_markers(tmp_path, monkeypatch):
    target = tmp_path / "README.md"
    target.write_text("a\n<!-- benchmarks: summary -->\nold\n<!-- end -->\nb\n", encoding="utf-8")
    monkeypatch.setattr(markdown, "PAGES", (target,))
    assert report.write_tables(result()) == [target]
    assert "old" not in target.read_text(encoding="utf-8")
    assert report.write_tables(result()) == []
