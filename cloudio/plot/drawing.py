"""Draws the panels of a page, their headings, and the keys below them."""

from collections.abc import Sequence

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from ..layouts.band import Window
from .legend import OUTLINE_COLOR, draw_legend, make_swatch
from .page import BOLD, LINE, PLAIN, Page, columns_that_fit
from .panels import CodeKey, ColorBar, Key, Panels

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
        figure.text(x, y, text, fontsize=size, fontweight=weight, va="baseline")


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
    axes.set_title(panels.title, loc="left", fontsize=PLAIN, pad=3)
    axes.set_axis_off()
    if outline is not None:
        edges = (outline.col - 0.5, outline.row - 0.5), outline.width, outline.height
        axes.add_patch(Rectangle(*edges, fill=False, edgecolor=OUTLINE_COLOR, linewidth=1))


def _draw_key(
    figure: Figure | SubFigure, page: Page, key: Key, corner: tuple[float, float]
) -> None:
    left, top = corner
    if isinstance(key, ColorBar):
        _draw_bar(figure, key, page.rectangle(left, top + 0.07, page.panel_width, 0.1))
    elif isinstance(key, CodeKey):
        swatches = [make_swatch(text, color) for text, color in key.colors.items()]
        n_columns = columns_that_fit(key.colors, page.panel_width)
        draw_legend(figure, swatches, page.rectangle(left, top + 0.05)[:2], n_columns, PLAIN - 1)


def _draw_bar(
    figure: Figure | SubFigure, key: ColorBar, rectangle: tuple[float, float, float, float]
) -> None:
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    bar = figure.colorbar(
        ScalarMappable(Normalize(key.low, key.high), key.cmap),
        cax=figure.add_axes(rectangle),
        orientation="horizontal",
        extend=extend.get(key.extends, "neither"),
    )
    bar.ax.tick_params(labelsize=PLAIN - 1, pad=1, length=2)
    bar.ax.locator_params(nbins=5)
    bar.set_label(key.label, fontsize=PLAIN - 1, labelpad=1)
    if key.mark is not None:
        bar.ax.axvline(key.mark, color="red", linewidth=1.5)
