"""`python -m benchmarks report RESULT.json`: a page, plots, and the tables of README and docs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..suite import results
from ..suite.results import Results
from . import markdown, page, plots
from .attempt import attempt
from .drawing import Plot
from .scatter import scatter
from .shown import growth, suites


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", type=Path, help="a JSON file of `python -m benchmarks run`")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the page and the plots go (default: beside the JSON file)",
    )
    parser.add_argument(
        "--plots", action="store_true", help="write the plots as PNG files too, light and dark"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the tables into README.md and docs/benchmarks.md, between their markers",
    )


def main(arguments: argparse.Namespace) -> int:
    """Write what the options ask for, print what was written, and return the exit status."""
    path = arguments.result
    made = attempt(
        "report",
        lambda: _make_page(path, quoted=arguments.write),
        lambda key: f"{path}: no {key} where a result has one",
    )
    if made is None:
        return 2
    found, html = made
    folder = arguments.output or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{path.stem}.html"
    whole.write_text(html, encoding="utf-8")
    print(whole)
    if arguments.plots:
        for written in write_plots(found, folder / path.stem):
            print(written)
    if arguments.write:
        for written in write_tables(found):
            print(written)
    return 0


def _make_page(path: Path, *, quoted: bool) -> tuple[Results, str]:
    """Return a result and its page; ``quoted``: README and docs are to quote it."""
    found = results.load(path)
    if quoted and path.resolve() != markdown.newest().resolve():
        raise ValueError(
            f"{path}: --write quotes the newest result in benchmarks/results, "
            f"{markdown.newest().name}; move yours there, with its date as its name"
        )
    return found, page.page(found)


def write_plots(found: Results, folder: Path) -> list[Path]:
    """Write every plot as PNG files, light and dark, and return their paths."""
    made: dict[str, Plot] = {}
    for suite, _, cases in suites(found):
        for shown in cases:
            name = re.sub(r"[^a-z0-9]+", "-", f"{suite}-{shown.title}".lower()).strip("-")[:60]
            if shown.lines:
                made[f"{name}-bars"] = plots.bars(shown)
                made[f"{name}-cpu"] = scatter(shown)
    if axes := growth(found):
        made["growth"] = plots.growth(axes)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, plot in made.items():
        for dark in (False, True):
            paths.append(folder / f"{name}-{'dark' if dark else 'light'}.png")
            plot.png(paths[-1], dark=dark)
    return paths


def write_tables(found: Results) -> list[Path]:
    """Put the tables into the pages that quote them, and return the pages that changed."""
    changed = []
    for path in markdown.PAGES:
        old = path.read_text(encoding="utf-8")
        new = markdown.filled(old, found)
        if new != old:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed
