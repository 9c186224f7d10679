"""Where everything lies on the page of a figure, in inches.

matplotlib's own layouts move panels when a legend grows; this one measures before it draws.
"""

import math
from collections.abc import Collection, Sequence

from ..errors import RequestError
from ..layouts.band import Window
from .panels import CodeKey, ColorBar, Panels

#: Lengths in inches: around everything, between panels, and a line of text.
MARGIN, GAP, LINE = 0.12, 0.12, 0.17
#: Font sizes in points.
BOLD, PLAIN = 9.0, 8.0

# Inches: the longer side of a panel that has the page to itself, or not; a color bar with its
# text; on average a letter of a legend, and a swatch.
_LARGE, _SMALL, _BAR = 5.12, 2.56, 0.5
_LETTER, _SWATCH = 0.075, 0.45


class Page:
    """A page of patches, each with its panels side by side, a heading above and keys below.

    Attributes in inches: ``width``, ``height``, ``panel_width``, ``panel_height``.
    """

    def __init__(
        self,
        panels: Sequence[Panels],
        window: Window,
        n_patches: int,
        patches_per_row: int | None,
        n_large: int,
    ) -> None:
        """Arrange the patches; panels are large where at most ``n_large`` are side by side."""
        self.panels, self.window = panels, window
        if patches_per_row is None:  # four panels side by side, in rows of about the same length
            n_rows = math.ceil(n_patches / max(1, 4 // len(panels)))
            patches_per_row = math.ceil(n_patches / n_rows)
        self.patches_per_row = min(patches_per_row, n_patches)
        self.n_rows = math.ceil(n_patches / self.patches_per_row)
        self.n_across = self.patches_per_row * len(panels)
        self._longest = _LARGE if self.n_across <= n_large else _SMALL
        # Keys stand below every row where they differ, else below the last.
        self.keys_vary = any(len({*map(id, p.keys)}) > 1 for p in panels)

    def fit(self, size: tuple[float, float] | None, entries: Sequence[str]) -> None:
        """Compute all lengths, for a page of (width, height), or of the size that is needed.

        ``entries``: the texts of the figure's legend.
        """
        height, width = self.window.size
        pixel = self._longest / max(height, width)
        if size is not None:
            between = 2 * MARGIN + (self.n_across - 1) * GAP
            pixel = (size[0] - between) / (self.n_across * width)
        for _ in range(2):  # the second time for a page that is too low for its width
            fixed = self._measure(pixel, size, entries)
            if size is None or fixed + self.n_rows * self.panel_height <= size[1]:
                break
            pixel = (size[1] - fixed) / (self.n_rows * height)
        if pixel <= 0:
            raise RequestError(
                f"the figure is {self.width:.1f} x {self.height:.1f} inches; "
                f"{self.n_rows} x {self.n_across} panels need more"
            )

    def _measure(
        self, pixel: float, size: tuple[float, float] | None, entries: Sequence[str]
    ) -> float:
        """Compute all lengths for pixels of that size; return the height of all but the panels."""
        height, width = self.window.size
        self.panel_width, self.panel_height = pixel * width, pixel * height
        between = 2 * MARGIN + (self.n_across - 1) * GAP
        self.width = between + self.n_across * self.panel_width if size is None else size[0]
        self.legend_columns = columns_that_fit(entries, self.width)
        self.legend_height = math.ceil(len(entries) / self.legend_columns) * LINE * 1.2
        self.key_height = max(_key_height(p, self.panel_width) for p in self.panels)
        fixed = 2 * MARGIN + self.legend_height + self.n_rows * (3 * LINE + GAP)
        fixed += self.key_height * (self.n_rows if self.keys_vary else 1)
        self.height = fixed + self.n_rows * self.panel_height if size is None else size[1]
        return fixed

    def corner(self, k: int, j: int) -> tuple[float, float]:
        """Return the top left corner of panel ``j`` of patch ``k``: from the left, from the top."""
        row, patch = divmod(k, self.patches_per_row)
        column = patch * len(self.panels) + j
        row_height = 3 * LINE + self.panel_height + GAP + (self.key_height if self.keys_vary else 0)
        return MARGIN + column * (self.panel_width + GAP), MARGIN + 3 * LINE + row * row_height

    def rectangle(
        self, left: float, top: float, width: float = 0, height: float = 0
    ) -> tuple[float, float, float, float]:
        """Return a rectangle as matplotlib takes it: from the bottom, in shares of the page."""
        bottom = self.height - top - height
        return left / self.width, bottom / self.height, width / self.width, height / self.height


def columns_that_fit(texts: Collection[str], width: float) -> int:
    """Return the columns of a legend of that width, such that its lines are about equally long."""
    longest = max(map(len, texts), default=0)
    most = max(1, int(width / (longest * _LETTER + _SWATCH)))
    n_lines = max(1, math.ceil(len(texts) / most))
    return max(1, math.ceil(len(texts) / n_lines))


def _key_height(panels: Panels, width: float) -> float:
    """Return the height of the highest key below panels of that width."""
    height = 0.0
    for key in panels.keys:
        if isinstance(key, ColorBar):
            height = max(height, _BAR)
        elif isinstance(key, CodeKey):
            n_lines = math.ceil(len(key.colors) / columns_that_fit(key.colors, width))
            height = max(height, LINE * (n_lines + 0.5))
    return height
