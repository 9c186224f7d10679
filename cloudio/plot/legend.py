"""Legends: a swatch and a text for each color."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from .._utils.text import escape_controls
from .colors import Color
from .panels import Legend, Panels

#: The color of the outline of the valid window, and its text.
OUTLINE_COLOR = "#00ff00"
_OUTLINE_TEXT = "valid window"
# Entries that are no class come last, in this order.
_LAST = ("ignore", "no data")
#: How all text is drawn: as it is, and never as mathematics or TeX.
TEXT_STYLE = {"parse_math": False, "usetex": False}


def figure_legend(panels: Sequence[Panels], *, outlined: bool) -> list[Patch]:
    """Return the swatches of the classes that occur, in their order, then of everything else.

    A text that has another color in an earlier panel is followed by the panel's title.
    """
    colors: Legend = {}
    classes: dict[str, None] = {}
    for p in panels:
        texts = {
            text: text if colors.get(text, color) == color else f"{text}, {p.title}"
            for text, color in p.legend.items()
        }
        colors |= {texts[text]: color for text, color in p.legend.items()}
        classes |= dict.fromkeys(texts[text] for text in p.classes if text in texts)
    order = [*classes, *sorted(colors.keys() - {*classes, *_LAST}), *_LAST]
    swatches = [
        make_swatch(escape_controls(text), colors[text]) for text in order if text in colors
    ]
    if outlined:
        swatches.append(Patch(facecolor="none", edgecolor=OUTLINE_COLOR, label=_OUTLINE_TEXT))
    return swatches


def make_swatch(text: str, color: Color | None) -> Patch:
    """Return a legend's entry for a color; None is for a class that is left uncovered."""
    if color is None:
        return Patch(facecolor="none", edgecolor="0.5", label=f"{text} (uncovered)")
    red, green, blue = (channel / 255 for channel in color)
    return Patch(facecolor=(red, green, blue), edgecolor="0.5", linewidth=0.5, label=text)


def draw_legend(
    figure: Figure | SubFigure,
    swatches: Sequence[Patch],
    corner: tuple[float, float],
    n_columns: int,
    font_size: float,
) -> None:
    """Draw a legend whose top left corner is there, in shares of the page."""
    style: dict[str, Any] = {"frameon": False, "borderpad": 0, "borderaxespad": 0}
    legend = figure.legend(
        handles=swatches,
        labels=["?"] * len(swatches),  # a text of its own could begin with _, which hides it
        ncols=n_columns,
        loc="upper left",
        bbox_to_anchor=corner,
        fontsize=font_size,
        columnspacing=1,
        handlelength=1.5,
        **style,
    )
    for text, swatch in zip(legend.get_texts(), swatches, strict=True):
        text.update({"text": swatch.get_label(), **TEXT_STYLE})
