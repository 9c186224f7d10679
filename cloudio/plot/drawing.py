"""Draws the panels of a page, their headings, and the keys below them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import FuncNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from .._utils.text import escape_controls
from ..layouts.band import Window
from .colors import Stretch
from .legend import OUTLINE_COLOR, TEXT_STYLE, draw_legend, make_swatch
from .page import BOLD, LINE, PLAIN, Page, arrange_key, title_size
from .panels import CodeKey, ColorBar, Key, Panels

# Inches by which a color bar is shorter at each end than its panel, for half a number below it.
_INSET = 0.1

#: The heading of a patch: which one it is, and where and when it was taken.
Heading = tuple[str, str]


def draw_page(
    figure: Figure | SubFigure, page: Page, headings: Sequence[Heading], outline: Window | None
) -> None:
    """Draw all patches, one for each heading; ``outline`` is drawn in each panel."""
    for k, heading in enumerate(headings):
        _draw_heading(figure, page, heading, page.corner(k, 0))
        for j, panels in enumerate(page.panels):
            left, top = page.corner(k, j)
            _draw_panel(figure, page, panels, k, (left, top), outline)
            key = panels.keys[k]
            is_last = k + page.patches_per_row >= len(headings)  # of its column
            if key is not None and (page.keys_vary or is_last):
                _draw_key(figure, page, key, (left, top + page.panel_height))


def _draw_heading(
    figure: Figure | SubFigure, page: Page, heading: Heading, corner: tuple[float, float]
) -> None:
    left, top = corner
    lines = (3, BOLD, "bold"), (2, PLAIN, "normal")
    for text, (n_above, size, weight) in zip(heading, lines, strict=True):
        x, y, *_ = page.rectangle(left, top - (n_above - 0.75) * LINE)
        style: dict[str, Any] = {"fontsize": size, "fontweight": weight, **TEXT_STYLE}
        figure.text(x, y, escape_controls(text), va="baseline", **style)


def _draw_panel(
    figure: Figure | SubFigure,
    page: Page,
    panels: Panels,
    k: int,
    corner: tuple[float, float],
    outline: Window | None,
) -> None:
    axes = figure.add_axes(page.rectangle(*corner, page.panel_width, page.panel_height))
    row, col, (height, width) = page.window.row, page.window.col, page.window.size
    axes.imshow(
        panels.images[k],
        origin="upper",
        interpolation="nearest",
        extent=(col - 0.5, col + width - 0.5, row + height - 0.5, row - 0.5),
    )
    title = escape_controls(panels.title)
    size = title_size(title, page.panel_width)
    style: dict[str, Any] = {"fontsize": size, "pad": 3, **TEXT_STYLE}
    axes.set_title(title, loc="left", **style)
    axes.set_axis_off()
    if outline is not None:
        edges = (outline.col - 0.5, outline.row - 0.5), outline.width, outline.height
        axes.add_patch(Rectangle(*edges, fill=False, edgecolor=OUTLINE_COLOR, linewidth=1))


def _draw_key(
    figure: Figure | SubFigure, page: Page, key: Key, corner: tuple[float, float]
) -> None:
    left, top = corner
    if isinstance(key, ColorBar):
        width = page.panel_width - 2 * _INSET
        _draw_bar(figure, key, page.rectangle(left + _INSET, top + 0.07, width, 0.1))
    elif isinstance(key, CodeKey):
        n_columns, texts = arrange_key(key, page.panel_width)
        swatches = [make_swatch(*entry) for entry in zip(texts, key.colors.values(), strict=True)]
        draw_legend(figure, swatches, page.rectangle(left, top + 0.05)[:2], n_columns, PLAIN - 1)


def _draw_bar(
    figure: Figure | SubFigure, key: ColorBar, rectangle: tuple[float, float, float, float]
) -> None:
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    bar = figure.colorbar(
        ScalarMappable(_make_norm(key.stretch), key.cmap),
        cax=figure.add_axes(rectangle),
        orientation="horizontal",
        extend=extend.get(key.extends, "neither"),
    )
    bar.ax.tick_params(labelsize=PLAIN - 1, pad=1, length=2)
    if len(key.stretch) == 2:
        bar.ax.locator_params(nbins=5)
    else:
        bar.set_ticks(_choose_ticks(key.stretch), labels=None, minor=False)
        bar.ax.xaxis.set_major_formatter("{x:g}")
    label: dict[str, Any] = {"fontsize": PLAIN - 1, "labelpad": 1, **TEXT_STYLE}
    bar.set_label(escape_controls(key.label), **label)
    if key.mark is not None:
        bar.ax.axvline(key.mark, color="red", linewidth=1.5)


def _make_norm(stretch: Stretch) -> Normalize:
    """Return the norm that gives a bar the stretch's brightness at each number."""
    numbers, brightness = zip(*stretch, strict=True)
    if len(stretch) == 2:
        return Normalize(numbers[0], numbers[-1])

    def forward(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(x, numbers, brightness))

    def inverse(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(x, brightness, numbers))

    return FuncNorm((forward, inverse), numbers[0], numbers[-1])


def _choose_ticks(stretch: Stretch) -> list[float]:
    """Return the ends of a stretch, where it bends, and the middle of its longest part."""
    numbers, brightness = (np.array(x) for x in zip(*stretch, strict=True))
    k = int(np.argmax(np.diff(brightness)))
    return sorted([*numbers.tolist(), float(numbers[k : k + 2].mean())])
