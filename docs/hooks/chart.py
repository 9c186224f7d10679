"""Bars in place of `<!-- chart: warm -->`: the rates of the newest run in benchmarks/results/.

The bars show how many times as fast each row is as the usual numpy code.  On GitHub, where this
does not run, the pages have no bars.
"""

import html
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.reporting import markdown as tables
from benchmarks.reporting import numbers

MARK = "<!-- chart: warm -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put bars where a page asks for them."""
    return markdown.replace(MARK, _chart()) if MARK in markdown else markdown


def _chart() -> str:
    rates = tables.chart(tables.quoted())
    longest = max(rates.values())
    bars = "".join(
        f'<div class="bar{" bar-ours" if name.startswith("cloudio") else ""}">'
        f"<span>{html.escape(name)}</span>"
        f'<span><i style="width: {100 * rate / longest:.1f}%"></i></span>'
        f"<span>{numbers.times(rate)} x</span></div>"
        for name, rate in rates.items()
    )
    return f'<div class="bars" role="img" aria-label="speeds as bars">{bars}</div>'
