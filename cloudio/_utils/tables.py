"""Rows of words as tables: aligned lines for a terminal, plain HTML for a notebook."""

from collections.abc import Collection, Sequence
from html import escape

from .text import escape_controls


def text(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return rows as lines with aligned columns; the columns ``numbers`` are flush right.

    Each row is one line: what is not printed, such as a line break in a name, becomes an escape.
    """
    rows = [[escape_controls(word) for word in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            word.rjust(width) if k in numbers else word.ljust(width)
            for k, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def html(
    rows: Sequence[Sequence[str]],
    numbers: Collection[int] = (),
    caption: str = "",
    *,
    header: bool = True,
) -> str:
    """Return the same rows as an HTML table, every word of them and of ``caption`` escaped.

    The first row is its head, unless ``header`` is False.
    """
    lines = ["<table>"]
    if caption:
        lines.append(
            f'<caption style="text-align: left">{escape(escape_controls(caption))}</caption>'
        )
    for k, row in enumerate(rows):
        head = header and k == 0
        cells = "".join(
            _cell("th" if head else "td", word, j in numbers) for j, word in enumerate(row)
        )
        line = f"<tr>{cells}</tr>"
        lines.append(f"<thead>{line}</thead>" if head else line)
    return "\n".join([*lines, "</table>"])


def _cell(tag: str, word: str, right: bool) -> str:
    # The alignment is set in every cell, because Jupyter aligns text to the right.
    side = "right" if right else "left"
    return f'<{tag} style="text-align: {side}">{escape(escape_controls(word))}</{tag}>'
