"""A report's tables show the figures in their units, the limit comes last, JSON has everything."""

import json

from cloudio.bench.report import Case, Column, Report, Row

COLUMNS = (
    Column("ms", "seconds_per_batch", ",.1f", 1e-3),
    Column("waits", "computing.waited", ".0%"),
)


def row(name, seconds, waited=0.25):
    figures = {
        "seconds_per_batch": seconds,
        "computing": {"waited": waited},
        "seconds": [seconds, 2 * seconds, 3 * seconds],
    }
    return Row(name, figures)


def case_of(**more):
    return Case({"size": (3, 4), "n": 2}, COLUMNS, [row("one", 1.5), row("two", 0.02)], **more)


def report_of(*cases):
    return Report({"CPU": "fast"}, {"rounds": 3}, "what was read", cases, ["a note"], "So it is.")


def test_a_key_with_a_dot_leads_into_a_figure():
    assert row("one", 1.0, 0.5)["computing.waited"] == 0.5
    assert row("one", 1.0)["seconds"] == [1, 2, 3]


def test_columns_show_figures_in_their_format_and_unit():
    assert str(case_of()).splitlines() == [
        "          ms  waits",
        "one  1,500.0    25%",
        "two     20.0    25%",
    ]


def test_the_fastest_limit_is_the_last_line():
    case = case_of(
        limits=[row("slow", 9.0), row("fast", 0.01)],
        limit_kind="copy limit",
        title="3 x 4: 2 samples",
        footer="best: two",
    )
    assert case.limit.name == "fast"
    title, *table, footer = str(case).splitlines()
    assert (title, footer) == ("3 x 4: 2 samples", "best: two")
    assert table[-1].split() == ["copy", "limit:", "fast", "10.0", "25%"]
    assert len({len(line) for line in table}) == 1


def test_rows_are_found_by_how_their_names_begin():
    case = Case({}, COLUMNS, [row("cloudio, 1 thread", 2.0), row("cloudio, 2 threads", 1.0)])
    assert [found.name for found in case.named("cloudio")] == [
        "cloudio, 1 thread",
        "cloudio, 2 threads",
    ]
    assert case.named("torch") == []


def test_text_is_machine_description_cases_notes_and_summary():
    parts = str(report_of(case_of(title="3 x 4"))).split("\n\n")
    assert parts[:2] == ["CPU  fast", "what was read"]
    assert parts[2].startswith("3 x 4\n")
    assert parts[3:] == ["a note", "So it is."]


def test_json_has_facts_cases_rows_and_limits():
    case = case_of(limits=[row("slow", 9.0), row("fast", 0.01)], limit_kind="x", title="3 x 4")
    read = json.loads(report_of(case, case).json())
    assert list(read) == ["machine", "rounds", "cases", "summary"]
    assert (read["machine"], read["rounds"], read["summary"]) == ({"CPU": "fast"}, 3, "So it is.")
    first = read["cases"][0]
    assert (first["size"], first["n"], first["limit"]) == ([3, 4], 2, "fast")
    assert first["rows"] == [found.as_dict() for found in case.rows]
    assert [found["name"] for found in first["limits"]] == ["slow", "fast"]
    assert first["rows"][0]["seconds"] == [1.5, 3.0, 4.5]


def test_the_rows_of_an_untitled_case_stand_beside_the_facts():
    read = json.loads(report_of(case_of()).json())
    assert list(read) == ["machine", "rounds", "size", "n", "rows", "summary"]
