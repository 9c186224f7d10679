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

from ..suite import results
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


def newest() -> Path:
    """Return the result that the pages quote: the newest that is kept; names begin with dates."""
    return max(RESULTS.glob("*.json"), key=lambda path: path.name)


def quoted() -> Results:
    return results.load(newest())


def filled(page: str, found: Results) -> str:
    """Return a page with the text of ``found`` between each pair of markers."""

    def put(match: re.Match[str]) -> str:
        name = match[2]
        if name not in BLOCKS:
            raise ValueError(
                f"<!-- benchmarks: {name} -->; the name must be one of {', '.join(BLOCKS)}"
            )
        # A page of the site needs blank lines around; README.md does not, and is short.
        blank = "" if name in README_BLOCKS else "\n"
        return f"{match[1]}{blank}{BLOCKS[name](found).strip()}\n{blank}{match[3]}"

    return _MARKED.sub(put, page)


# ---- text ----------------------------------------------------------------------------------------


def cell(value: Any) -> str:
    """Return text that no Markdown or HTML is read from, on one line."""
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*|\[\]$~]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9]))", r"\\\1", text)
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


def picked(found: Results) -> list[tuple[str, Line]]:
    """Return the rivals that short tables name, from the first case in memory.

    The usual numpy code is the slowest that needs numpy alone: what people write first.
    """
    shown = _cases(found, "warm")[0]
    numpy = [one for one in shown.rivals if _packages(found, one.name) <= {"numpy"}]
    torch = [one for one in shown.rivals if "torch" in _packages(found, one.name)]
    others = [one for one in shown.rivals if one not in numpy and one not in torch]
    lines = {
        "the usual numpy code": numpy[-1:],
        "the fastest numpy code": numpy[:1] if len(numpy) > 1 else [],
        "the fastest PyTorch code": torch[:1],
        "the fastest other rival": others[:1],
    }
    return [(words, one) for words, some in lines.items() for one in some]


def chart(found: Results) -> dict[str, float]:
    """Return rates of the first case in memory by that of the usual numpy code, slowest first."""
    shown = _cases(found, "warm")[0]
    rows = dict(picked(found))
    lines = {f"{words.removeprefix('the ')}": line for words, line in rows.items()}
    lines["cloudio"] = next(line for line in shown.lines if line.is_ours)
    lines |= {f"the {line.label}": line for line in shown.limits}
    usual = rows["the usual numpy code"].figures.rate
    rates = {name: line.figures.rate / usual for name, line in lines.items()}
    return dict(sorted(rates.items(), key=lambda entry: entry[1]))


def headline(found: Results) -> str:
    """One sentence: the speed-up over the usual code, and over the fastest rival of all."""
    shown = _cases(found, "warm")[0]
    usual, best = picked(found)[0][1], shown.rivals[0]
    height, width = shown.case["size"]
    words = f"For random crops of {height} x {width} with {shown.case['n_bands']} bands, the "
    words += f"speed-up is **{numbers.times(usual.speed_up)}** over the usual numpy code and "
    words += f"**{numbers.times(best.speed_up)}** over the fastest of {len(shown.rivals)} rivals, "
    words += f"{cell(best.name)}{' (which is faster)' if best.beats else ''}: see "
    return paragraph(f"{words}[Performance](#performance).")


def summary(found: Results) -> str:
    """The short table of README.md, and what it is of: the first case of each size."""
    every = _cases(found, "warm")
    sizes = [one.case["size"] for one in every]
    shown = [one for k, one in enumerate(every) if one.case["size"] not in sizes[:k]]
    case = shown[0].case
    about = f"Batches of {case['batch_size']} random crops, {case['threads']} threads, all data in "
    about += f"memory; {_cpu(found)}, {str(found['date'])[:10]}. [Benchmarks](docs/benchmarks.md) "
    about += (
        f"has all {len(shown[0].rivals)} rivals; `python -m benchmarks run` measures your machine."
    )
    rows = [
        (f"{words}: {cell(line.name)}", *(_speed_up(_named(one, line.name)) for one in shown))
        for words, line in picked(found)
    ]
    for kind in ("pattern", "copy"):
        cells = [one.ours.figures.of_limits.get(kind) if one.ours else None for one in shown]
        if any(cells):
            rows.append((f"**fraction of the {kind} limit**", *map(numbers.fraction, cells)))
    return f"{paragraph(about)}\n\n{table(['speed-up over', *_titles(shown)], rows)}"


def machine(found: Results) -> str:
    """When, where and on what, in a paragraph."""
    names = ("CPU", "CPUs", "instruction set", "system", "Python", "numpy")
    told = [f"{name}: {cell(value)}" for name in names if (value := found["machine"].get(name))]
    words = f"Measured on {str(found['date'])[:10]} with cloudio {cell(found['cloudio'])}. "
    words += f"{'; '.join(told)}. Data: {cell(found['data']['description'])}."
    if found.get("quick"):
        words += " This was a quick run of few batches: its figures only show what a run measures."
    return paragraph(words)


def suite(name: str) -> Callable[[Results], str]:
    """Return what makes the table of a suite: a row for each name, columns for each case."""

    def text(found: Results) -> str:
        shown = _cases(found, name)
        if not shown:
            return f"This run did not measure the suite `{name}`."
        every = [(*case.limits, *case.lines) for case in shown]
        lines = {line.label: line for case in every for line in case}
        rows = []
        for label, line in lines.items():
            bold = "**" if line.is_ours else ""
            rows.append((f"{bold}{cell(label)}{bold}", *_pairs([_named(c, label) for c in shown])))
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


README_BLOCKS = "headline", "summary"
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


def _cpu(found: Results) -> str:
    facts = {str(name).lower(): value for name, value in found["machine"].items()}
    return cell(facts.get("cpu", "a CPU that was not recorded"))


def _packages(found: Results, name: str) -> set[str]:
    return next((set(one["packages"]) for one in found["rivals"] if one["name"] == name), set())


def _named(shown: Shown, label: str) -> Line | None:
    lines = (line for line in (*shown.limits, *shown.lines) if line.label == label)
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
