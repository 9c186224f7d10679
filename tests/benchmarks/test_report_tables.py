"""Markdown tables of a result: escaped, plain about who lost, and between their markers."""

import re

import pytest
from made_up_result import HOSTILE, WHY, case, result

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

from benchmarks.reporting import markdown, numbers


def cells(table):
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]


@pytest.mark.parametrize("name", markdown.BLOCKS)
def test_every_line_of_a_table_has_as_many_cells(name):
    for table in markdown.BLOCKS[name](result()).split("\n\n"):
        if table.startswith("|"):
            assert len({len(row) for row in cells(table)}) == 1
            assert table.splitlines()[1].startswith("|---|")


@pytest.mark.parametrize("name", markdown.BLOCKS)
def test_a_result_without_suites_has_no_tables(name):
    if name in ("headline", "summary"):
        return  # README quotes full runs only
    text = markdown.BLOCKS[name](result(suites=[], growth=[], rivals=[]))
    assert "|" not in text


def test_text_of_a_result_is_no_markdown():
    table = markdown.BLOCKS["warm"](result())
    assert HOSTILE not in table
    assert r"&lt;script&gt;alert('x')&lt;/script&gt; &amp; \| \*\* \$x_1\$ \`" in table
    assert markdown.cell("a\n b\t[c](d)") == r"a b \[c\](d)"
    assert markdown.cell("x86_64 __getitem__ copy_") == r"x86_64 \_\_getitem\_\_ copy\_"


def test_speed_ups_and_what_was_lost():
    rows = {
        row[0].strip(): [one.strip() for one in row[1:]]
        for row in cells(markdown.BLOCKS["warm"](result()))
    }
    assert rows["row"] == [
        "224 x 224: speed-up",
        "224 x 224: CPU",
        "509 x 509: speed-up",
        "509 x 509: CPU",
    ]
    assert rows["numba, parallel"] == ["0.91 (lost)", "0.90 (lost)"] * 2
    assert rows["numpy, the idiom"] == ["44", "20"] * 2
    assert rows["**cloudio, 1 thread**"] == ["**1.7**", "**0.95**"] * 2
    assert rows["pattern limit"] == ["0.95", "0.90"] * 2


def test_a_row_that_is_not_in_every_case_has_dashes():
    found = result(lost=False)
    found["suites"][0]["cases"].append(case("64 x 64", 64, {"alone": (0.5, 2.0, [])}, 100.0))
    rows = {row[0].strip(): row[1:] for row in cells(markdown.BLOCKS["warm"](found))}
    assert [one.strip() for one in rows["alone"]] == ["-", "-", "-", "-", "2.0", "2.0"]


def test_the_table_of_the_readme_has_the_best_of_each_kind():
    found = result()
    other = case("224 x 224, first epoch", 224, {}, 100.0)
    found["suites"][0]["cases"].append(other)  # of a size that is there
    about, table = markdown.summary(found).split("\n\n")
    assert table.startswith("| speed-up over | 224 x 224 | 509 x 509 |\n|---|---:|---:|\n")
    assert " ".join(about.split()) == (
        "Batches of 32 random crops, 2 threads, all data in memory; Some &lt;CPU&gt;, 2 cores, "
        "2026-11-30. [Benchmarks](docs/benchmarks.md) has all 7 rivals; "
        "`python -m benchmarks run` measures your machine."
    )
    rows = {row[0].strip(): row[1].strip() for row in cells(table)}
    assert rows == {
        "speed-up over": "224 x 224",
        "---": "---:",
        "the usual numpy code: numpy, the idiom": "44",
        "the fastest numpy code: numpy, threads": "2.7",
        r"the fastest PyTorch code: torch from_file, mul(out=)": "7.1",
        "the fastest other rival: numba, parallel": "0.91 (lost)",
        "**fraction of the pattern limit**": "**0.95**",
        "**fraction of the copy limit**": "**0.67**",
    }


def test_the_sentence_of_the_readme_says_when_a_rival_is_faster():
    lost = " ".join(markdown.headline(result()).split())
    assert "**0.91** over the fastest of 7 rivals, numba, parallel (which is faster)" in lost
    ahead = " ".join(markdown.headline(result(lost=False)).split())
    assert "the speed-up is **44** over the usual numpy code and **2.0** over the fastest" in ahead
    assert "which is faster" not in ahead


def test_what_did_not_run_and_what_was_converted():
    assert f"| DALI | {WHY} |" in markdown.not_run(result())
    assert "| zarr 3 | 12.5 s | 500 MB | 0.50 |" in markdown.converting(result())
    assert markdown.not_run(result(rivals=[])) == "Every rival ran."


def test_text_between_markers_is_replaced_and_nothing_else():
    page = "a\n<!-- benchmarks: not-run -->\nold\n<!-- end -->\nafter <!-- end -->\n"
    found = result(rivals=[])
    new = markdown.filled(page, found)
    assert new == (
        "a\n<!-- benchmarks: not-run -->\n\nEvery rival ran.\n\n<!-- end -->\nafter <!-- end -->\n"
    )
    assert markdown.filled(new, found) == new
    tight = markdown.filled("<!-- benchmarks: headline -->\n<!-- end -->", result())
    assert tight.startswith("<!-- benchmarks: headline -->\nFor random crops")
    assert tight.endswith("(#performance).\n<!-- end -->")
    with pytest.raises(
        ValueError, match="benchmarks: warn -->; the name must be one of headline, "
    ):
        markdown.filled(page.replace("not-run", "warn"), found)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0123, "0.012"),
        (1.234, "1.23"),
        (45.67, "45.7"),
        (1234.5, "1,230"),
        (98765, "98,800"),
        (0, "0"),
    ],
)
def test_numbers_have_three_digits(x, text):
    assert numbers.count(x) == text


def test_ratios_have_two_digits_and_those_near_one_three():
    given = (0.912, 1.04, 3.333, 44.4, 1234)
    assert [*map(numbers.times, given)] == ["0.91", "1.04", "3.3", "44", "1,234"]
    assert numbers.times(None) == numbers.times(float("nan")) == "-"
    assert [*map(numbers.size, (0, 999, 1500, 2.5e6, 3e9, None))] == [
        "0",
        "999 B",
        "1.50 kB",
        "2.50 MB",
        "3.00 GB",
        "-",
    ]
