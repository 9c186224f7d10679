"""Bars in place of `<!-- chart: COLUMN -->`: the speeds of a column of docs/benchmarks.md.

The table there has how many times as fast cloudio is.  The bars show how many times as fast each
is as the baseline.  On GitHub, where this does not run, the pages have no bars.
"""

import html
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

BENCHMARKS = Path(__file__).parent.parent / "benchmarks.md"
#: What a bar is called, and the beginning of its row in the table.
ROWS = {
    "np.stack(...) / 10000": "the baseline",
    "best PyTorch, two threads": "the best torch in two threads",
    "best numpy, one thread": "`out[...] = window; out *= scale`",
    "best numpy, two threads": "the best numpy in two threads",
}
COPY_LIMIT = "**fraction of the copy limit**"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put bars where a page asks for them."""
    return re.sub(r"<!-- chart: (.+?) -->", lambda match: _chart(match[1]), markdown)


def _chart(column: str) -> str:
    table = _table(BENCHMARKS.read_text(encoding="utf-8"))
    over = {name: _cell(table, row, column) for name, row in ROWS.items()}
    cloudio = over["np.stack(...) / 10000"]
    speeds = {name: cloudio / speed_up for name, speed_up in over.items()}
    speeds["cloudio, two threads"] = cloudio
    speeds["a plain copy of as many bytes"] = cloudio / _cell(table, COPY_LIMIT, column)
    longest = max(speeds.values())
    bars = "".join(
        f'<div class="bar{" bar-ours" if name.startswith("cloudio") else ""}">'
        f"<span>{html.escape(name)}</span>"
        f'<span><i style="width: {100 * speed / longest:.1f}%"></i></span>'
        f"<span>{speed:.{0 if speed > 9.95 else 1}f} x</span></div>"
        for name, speed in speeds.items()
    )
    return f'<div class="bars" role="img" aria-label="speeds as bars">{bars}</div>'


def _table(text: str) -> dict[str, list[str]]:
    """Return the cells of the table in memory by the first of each row."""
    rows = re.search(r"(^\|.*\|\n)+", text.partition("\n## In memory\n")[2], re.MULTILINE)
    assert rows is not None, f"{BENCHMARKS} has no table"
    cells = [re.split(r" *\| *", line.strip("| ")) for line in rows[0].splitlines()]
    return {first: others for first, *others in cells}


def _cell(table: dict[str, list[str]], row: str, column: str) -> float:
    head = next(iter(table.values()))
    found = [cells for first, cells in table.items() if first.startswith(row)]
    assert len(found) == 1, f"{BENCHMARKS} has {len(found)} rows that begin with {row!r}"
    return float(found[0][head.index(column)].strip("*"))
