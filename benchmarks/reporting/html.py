"""Pieces of a page: escaped text, tables that scroll within themselves, images of two widths."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .drawing import Plot

#: Heads of columns that hold words.
WORDS = (
    "of the limits",
    "fastest rival",
    "cloudio is",
    "where",
    "why",
    "packages",
    "environment",
    "what to know",
)


def text(value: Any) -> str:
    return escape(str(value))


def table(
    heads: Sequence[str], rows: Iterable[str], caption: str = "", css: str = "", label: str = ""
) -> str:
    """Return a table that scrolls within itself; all given is HTML but ``label``."""
    head = "".join(f'<th scope="col"{" class=text" * (one in WORDS)}>{one}</th>' for one in heads)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label or "table")}">'
        f'<table class="{css}">{f"<caption>{caption}</caption>" if caption else ""}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"
    )


def row(first: str, cells: Iterable[str], css: str = "") -> str:
    others = "".join(one if one.startswith("<td") else f"<td>{one}</td>" for one in cells)
    return f'<tr class="{css}"><th scope="row">{first}</th>{others}</tr>'


def words(value: Any) -> str:
    """Return a cell of words."""
    return f'<td class="text">{text(value)}</td>'


def figure(plot: Plot, caption: str) -> str:
    """Return an image of two widths, both light and dark."""
    wide, narrow = (
        "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
        for svg in (plot.svg(wide=True), plot.svg(wide=False))
    )
    return (
        f"<figure><figcaption>{caption}</figcaption><picture>"
        f'<source media="(max-width: 48rem)" srcset="{narrow}">'
        f'<img src="{wide}" alt="{text(plot.alt)}"></picture></figure>'
    )
