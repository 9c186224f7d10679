"""The places of everything on the page of a figure, in inches.

matplotlib's own layouts move panels when a legend grows; this one measures before it draws.
"""

import math
import textwrap
from collections.abc import Collection, Sequence

from .._utils.text import escape_controls
from ..errors import RequestError
from ..layouts.band import Window
from .panels import CodeKey, ColorBar, Panels

#: Lengths in inches: around everything, between panels, and a line of text.
MARGIN, GAP, LINE = 0.12, 0.12, 0.17
#: Font sizes in points.
BOLD, PLAIN = 9.0, 8.0

# Inches: the longer side of a panel that has the page to itself, that has neighbors, or that is
# one of many; a color bar with its text; on average a letter of a legend, and a swatch.
_LARGE, _SMALL, _TINY, _BAR = 5.12, 2.56, 1.92, 0.5
_LETTER, _SWATCH = 0.075, 0.45
# Inches: a letter of a title; points: the smallest font.
_TITLE_LETTER, _SMALLEST = 0.068, 4.0
# Panels of a patch side by side; of more a grid is made.
_MOST_IN_A_ROW = 5


class Page:
    """A page of patches, each with its panels in rows, a heading above and keys below.

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
        # The rows of panels of a patch, about equally long.
        self.n_panel_rows = math.ceil(len(panels) / _MOST_IN_A_ROW)
        self.panels_per_row = math.ceil(len(panels) / self.n_panel_rows)
        self.n_across = self.patches_per_row * self.panels_per_row
        self._longest = _LARGE if self.n_across <= n_large else _SMALL
        if self.n_panel_rows > 1:
            self._longest = _TINY
        # Keys stand below every panel of a grid and where they differ, else below the last patch.
        self.keys_vary = self.n_panel_rows > 1 or any(len({*map(id, p.keys)}) > 1 for p in panels)

    def fit(self, size: tuple[float, float] | None, entries: Sequence[str]) -> None:
        """Compute all lengths, for a page of (width, height), or of the size that is needed.

        ``entries``: the texts of the figure's legend.
        """
        height, width = self.window.size
        n_down = self.n_rows * self.n_panel_rows
        pixel = self._longest / max(height, width)
        if size is not None:
            between = 2 * MARGIN + (self.n_across - 1) * GAP
            pixel = (size[0] - between) / (self.n_across * width)
        for _ in range(2):  # the second time for a page that is too low for its width
            fixed = self._measure(pixel, size, entries)
            if size is None or fixed + n_down * self.panel_height <= size[1]:
                break
            pixel = (size[1] - fixed) / (n_down * height)
        if pixel <= 0:
            raise RequestError(
                f"the figure is {self.width:.1f} x {self.height:.1f} inches; "
                f"{n_down} x {self.n_across} panels need a larger one"
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
        self._key_heights = [
            max(
                _key_height(p, self.panel_width) for p in self.panels[start:][: self.panels_per_row]
            )
            for start in range(0, len(self.panels), self.panels_per_row)
        ]
        keys_height = sum(self._key_heights) * (self.n_rows if self.keys_vary else 1)
        headings = self.n_rows * (2 + self.n_panel_rows) * LINE
        gaps = self.n_rows * self.n_panel_rows * GAP
        fixed = 2 * MARGIN + self.legend_height + headings + gaps + keys_height
        n_down = self.n_rows * self.n_panel_rows
        self.height = fixed + n_down * self.panel_height if size is None else size[1]
        return fixed

    def corner(self, k: int, j: int) -> tuple[float, float]:
        """Return the top left corner of panel ``j`` of patch ``k``: from the left, from the top."""
        row, patch = divmod(k, self.patches_per_row)
        panel_row, panel = divmod(j, self.panels_per_row)
        column = patch * self.panels_per_row + panel
        keys = self._key_heights if self.keys_vary else [0.0] * self.n_panel_rows
        rows = [LINE + self.panel_height + GAP + key for key in keys]
        top = MARGIN + row * (2 * LINE + sum(rows)) + 3 * LINE + sum(rows[:panel_row])
        return MARGIN + column * (self.panel_width + GAP), top

    def rectangle(
        self, left: float, top: float, width: float = 0, height: float = 0
    ) -> tuple[float, float, float, float]:
        """Return a rectangle as matplotlib takes it: from the bottom, in shares of the page."""
        bottom = self.height - top - height
        return left / self.width, bottom / self.height, width / self.width, height / self.height


def title_size(text: str, width: float) -> float:
    """Return the font size of a title above a panel of that width: smaller for a long one."""
    return max(_SMALLEST, PLAIN * min(1.0, width / (len(text) * _TITLE_LETTER + 0.01)))


def columns_that_fit(texts: Collection[str], width: float) -> int:
    """Return the columns of a legend of that width, such that its lines are about equally long."""
    longest = max(map(len, texts), default=0)
    most = max(1, int(width / (longest * _LETTER + _SWATCH)))
    n_lines = max(1, math.ceil(len(texts) / most))
    return max(1, math.ceil(len(texts) / n_lines))


def arrange_key(key: CodeKey, width: float) -> tuple[int, list[str]]:
    """Return the columns of a key of that width and its texts, which fit on their lines."""
    texts = [escape_controls(text) for text in key.colors]
    n_columns = columns_that_fit(texts, width)
    if n_columns == 1:
        n_letters = max(8, int((width - _SWATCH) / _LETTER))
        texts = ["\n".join(textwrap.wrap(text, n_letters)) for text in texts]
    return n_columns, texts


def _key_height(panels: Panels, width: float) -> float:
    """Return the height of the highest key below panels of that width."""
    height = 0.0
    for key in panels.keys:
        if isinstance(key, ColorBar):
            height = max(height, _BAR)
        elif isinstance(key, CodeKey):
            n_columns, texts = arrange_key(key, width)
            n_lines = sum(text.count("\n") + 1 for text in texts)
            n_lines = n_lines if n_columns == 1 else math.ceil(len(texts) / n_columns)
            height = max(height, LINE * (n_lines + 0.5))
    return height
