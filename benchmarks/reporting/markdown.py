"""Markdown tables of a result, and the pages that quote them between markers.

<!-- benchmarks: warm -->
... made by `python -m benchmarks report RESULT.json --write` ...
<!-- end -->
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..suite.results import Results
from . import numbers
from .shown import AXES, SUITES, Line, Shown, curves, growth, missing, suites

ROOT = Path(__file__).parents[2]
#: The pages that have tables of results.
PAGES = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
#: Where full runs are kept; the newest one is quoted.
RESULTS = ROOT / "benchmarks" / "results"
_MARKED = re.compile(r"(<!-- benchmarks: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WIDTH = 120


def newest() -> Path | None:
    """Return the newest result that is kept; names begin with the date."""
    return max(RESULTS.glob("*.json"), default=None, key=lambda path: path.name)


def filled(page: str, found: Results) -> str:
    """Return a page with the text of ``found`` between each pair of markers."""

    def put(match: re.Match[str]) -> str:
        name = match[2]
        if name not in BLOCKS:
            raise ValueError(
                f"<!-- benchmarks: {name} -->; the name must be one of {', '.join(BLOCKS)}"
            )
        return f"{match[1]}\n{BLOCKS[name](found).strip()}\n\n{match[3]}"

    return _MARKED.sub(put, page)


# ---- text ----------------------------------------------------------------------------------------


def cell(value: Any) -> str:
    """Return text that no Markdown or HTML is read from, on one line."""
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*_|\[\]$~])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a row whose first cell is bold is bold."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for first, *others in rows:
        cells = [f"**{one}**" if one else "" for one in others] if first[:2] == "**" else others
        lines.append("| " + " | ".join([first, *cells]) + " |")
    return "\n".join(lines)


def paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


# ---- blocks --------------------------------------------------------------------------------------


def headline(found: Results) -> str:
    """One sentence: the speed-up over the usual code and over the fastest rival of all."""
    shown = _cases(found, "warm")[0]
    usual, best = _usual(found, shown), shown.rivals[0]
    words = f"For {_of(shown)}, the speed-up is **{numbers.times(usual.speed_up)}** over the usual "
    words += f"numpy code and **{numbers.times(best.speed_up)}** over the fastest of "
    words += f"{len(shown.rivals)} rivals ({cell(best.name)})"
    if best.beats:
        words += ", which is faster"
    return paragraph(f"{words}: see [Performance](#performance).")


def summary(found: Results) -> str:
    """The short table of README.md."""
    shown = _cases(found, "warm")
    first = shown[0]
    picked: list[tuple[str, str]] = [("the usual numpy code", _usual(found, first).name)]
    groups: dict[str, Callable[[set[str]], bool]] = {
        "the fastest numpy code": lambda packages: packages <= {"numpy"},
        "the fastest PyTorch code": lambda packages: "torch" in packages,
        "the fastest other rival": lambda packages: (
            not packages <= {"numpy"} and "torch" not in packages
        ),
    }
    for words, belongs in groups.items():
        names = (line.name for line in first.rivals if belongs(_packages(found, line.name)))
        if (name := next(names, None)) and name != picked[0][1]:
            picked.append((words, name))
    rows = [
        (f"{words}: {cell(name)}", *(_speed_up(_named(case, name)) for case in shown))
        for words, name in picked
    ]
    for kind in ("pattern", "copy"):
        cells = [case.ours.figures.of_limits.get(kind) if case.ours else None for case in shown]
        if any(cells):
            rows.append((f"**fraction of the {kind} limit**", *map(numbers.fraction, cells)))
    return table(["speed-up over", *_titles(shown)], rows)


def machine(found: Results) -> str:
    """When, where and on what, in a paragraph."""
    told = "; ".join(f"{cell(k)}: {cell(v)}" for k, v in found["machine"].items())
    words = f"Measured on {str(found['date'])[:10]} with cloudio {cell(found['cloudio'])}. {told}. "
    words += f"Data: {cell(found['data']['description'])}."
    if found.get("quick"):
        words += " This was a quick run of few batches: its figures only show what a run measures."
    return paragraph(words)


def suite(name: str) -> Callable[[Results], str]:
    """Return what makes the table of a suite: a row for each name, columns for each case."""

    def text(found: Results) -> str:
        shown = _cases(found, name)
        if not shown:
            return f"This run did not measure the suite `{name}`."
        names: dict[str, str] = {}
        for case in shown:
            for line in (*case.limits, *case.lines):
                kind = f"{line.row['limit']} limit: " if line.kind == "limit" else ""
                names.setdefault(line.name, f"{kind}{cell(line.name)}")
        ours = {line.name for case in shown for line in case.lines if line.is_ours}
        rows = [
            (f"**{words}**" if one in ours else words, *_pairs([_named(c, one) for c in shown]))
            for one, words in names.items()
        ]
        heads = [f"{title}: {what}" for title in _titles(shown) for what in ("speed-up", "CPU")]
        return table(["row", *heads], rows)

    return text


def growth_tables(found: Results) -> str:
    """A table for each axis, in GB/s as a fraction of the fastest row of cloudio."""
    parts = []
    for axis, cases in growth(found).items():
        values = [float(shown.case["value"]) for shown in cases]
        rows = []
        for name, points in curves(cases).items():
            cells = {value: _speed_up(line) for value, line in points}
            bold = "**" if points[0][1].is_ours else ""
            rows.append((bold + cell(name) + bold, *(cells.get(value, "-") for value in values)))
        parts.append(table([f"speed-up by {AXES[axis]}", *(f"{v:g}" for v in values)], rows))
    return "\n\n".join(parts) or "This run did not measure the suite `small`."


def converting(found: Results) -> str:
    rows = [
        (
            cell(one["name"]),
            numbers.seconds(done["seconds"]),
            numbers.size(done["bytes"]),
            numbers.times(done["bytes"] / done["source_bytes"]),
        )
        for one in found["rivals"]
        if (done := one.get("convert"))
    ]
    if not rows:
        return "No rival that ran converts the data."
    return table(["rival", "time", "disk", "of the source"], rows)


def not_run(found: Results) -> str:
    rows = [(cell(name), cell(why)) for name, why in missing(found)]
    lines = ["| rival | why |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return "\n".join(lines) if rows else "Every rival ran."


BLOCKS: dict[str, Callable[[Results], str]] = {
    "headline": headline,
    "summary": summary,
    "machine": machine,
    **{name: suite(name) for name in SUITES},
    "growth": growth_tables,
    "converting": converting,
    "not-run": not_run,
}


# ---- rows ----------------------------------------------------------------------------------------


def _cases(found: Results, name: str) -> list[Shown]:
    return next((shown for suite, _, shown in suites(found) if suite == name), [])


def _titles(shown: list[Shown]) -> list[str]:
    """Return the titles of some cases without the parts that all of them have."""
    parts = [case.title.split(", ") for case in shown]
    common = set.intersection(*map(set, parts)) if len(parts) > 1 else set()
    return [cell(", ".join(one for one in title if one not in common)) for title in parts]


def _of(shown: Shown) -> str:
    case = shown.case
    return f"random crops of {case['size'][0]} x {case['size'][1]} with {case['n_bands']} bands"


def _packages(found: Results, name: str) -> set[str]:
    return next((set(one["packages"]) for one in found["rivals"] if one["name"] == name), set())


def _usual(found: Results, shown: Shown) -> Line:
    """The slowest code of numpy alone: what people write first."""
    lines = [one for one in shown.rivals if _packages(found, one.name) <= {"numpy"}]
    return (lines or shown.rivals)[-1]


def _named(shown: Shown, name: str) -> Line | None:
    lines = (line for line in (*shown.limits, *shown.lines) if line.name == name)
    return next(lines, None)


def _speed_up(line: Line | None) -> str:
    if line is None:
        return "-"
    return numbers.times(line.speed_up) + (" (lost)" if line.beats else "")


def _pairs(lines: Iterable[Line | None]) -> list[str]:
    cells = []
    for line in lines:
        lost = " (lost)" if line and "CPU seconds" in line.lost else ""
        cells += [_speed_up(line), f"{numbers.times(line.cpu_times)}{lost}" if line else "-"]
    return cells
