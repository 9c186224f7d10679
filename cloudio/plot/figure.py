"""matplotlib's door: patches and their labels as a figure that a person can judge.

What is shown is panels.py's to say; here it is put on a page.  Nothing touches pyplot, its current
figure, or rcParams.
"""

import io
import math
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch, Rectangle

from .._utils.files import write_file
from .._utils.numbers import check_whole
from ..errors import RequestError
from ..layouts.band import Window
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.labels import CLASSES
from ..reading.dataset import Dataset
from ..reading.indexing import resolve_index
from . import panels
from .colors import Colour
from .panels import Bar, Codes, Column

#: Formats a figure is saved in, by the suffix of the file.
FORMATS = ("png", "jpg", "jpeg", "pdf", "svg")
#: How much of a picture classes cover.
OVERLAY = 0.5
# More cannot be looked at, and a picture of them would be too large to draw.
_MOST = 100
_OUTLINE = "#00ff00"
_OUTLINED = "valid window"
# The order in which a legend has what is no class.
_LAST = ("ignore", "no data")


def patch(
    ds: Dataset,
    index: Any,
    *,
    bands: str | Sequence[Any] = "rgb",
    labels: Any = None,
    window: bool = False,
    stretch: str | tuple[float, float] = "fixed",
    overlay: float | None = OVERLAY,
    classes: Sequence[str] | None = None,
    columns: int | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """A figure of one patch, or a sheet of several: pictures of bands, and one for each label.

    ``index``: a number or numbers, as `Reader.read` takes them.  ``bands``: a name, a preset, or
    three names for red, green and blue; or a sequence of such, each a picture.  A preset is one
    picture where it is three bands of known wavelength, else one in grey for each band.
    ``labels``: as for a `Reader`, but probabilities asked for by name alone are a heat map; under
    a policy or a map they are classes.  None for a label means codes as stored, as there.

    ``stretch``: ``"fixed"`` shows colours always alike, so that patches compare: reflectance 0..0.3
    in three quarters of all brightness, for dark ground to be seen, and 0.3..1 in the rest, for
    clouds not to be blown out; what has a colour bar, and arrays without wavelengths, between
    percentiles 1 and 99 of all patches shown.  ``"patch"``: each band of each patch between its
    own.  (low, high): linear, in scaled units.
    ``overlay``: how much of the first picture classes cover, 0..1, while class 0 is left
    uncovered; None: classes alone, class 0 too.  ``classes``: names of the classes 0, 1, ...; None
    means `CLASSES` for CloudSEN12, and numbers for other layouts.

    ``window=True``: the whole stored patch, the valid window outlined; else what is inside.
    ``columns``: patches side by side.  ``figure``: a Figure or SubFigure to draw into and return;
    None makes one that pyplot does not know, so that there is nothing to close.  Row 0 is at the
    top, axes count rows and columns of the stored patch, and no pixel is interpolated.

    RequestError or IndexError where any of this cannot be had; nothing has been drawn then.
    """
    numbers = resolve_index(index, len(ds))
    if not 1 <= len(numbers) <= _MOST:
        raise RequestError(f"index has {len(numbers)} patches; a sheet is of 1 to {_MOST}")
    if columns is not None:
        columns = check_whole("columns", columns, 1)
    if figure is not None and not isinstance(figure, (Figure, SubFigure)):
        raise RequestError(f"figure={figure!r}; a matplotlib Figure or SubFigure is needed")
    if classes is None and ds.layout.name == CLOUDSEN12.name:
        classes = CLASSES
    request = panels.Request(bands, labels, window, stretch, overlay, classes)
    shown = panels.columns(ds, numbers, request)
    handles = _legend(shown, classes or (), window)
    area = Window(0, 0, *ds.layout.patch) if window else ds.valid_window
    # A frame is a pixel or two wide, and would be lost in small pictures.
    sheet = _Sheet(shown, area, len(numbers), columns, large=4 if window else 2)
    size = None
    if figure is not None:
        size = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
    sheet.place(size, [str(handle.get_label()) for handle in handles])
    if figure is None:
        figure = _Figure(figsize=(sheet.width, sheet.height))
    _draw(figure, sheet, _headings(ds, numbers), ds.valid_window if window else None)
    if handles:
        at = sheet.rectangle(_MARGIN, sheet.height - _MARGIN - sheet.legend, 0, 0)[:2]
        figure.legend(handles=handles, ncols=sheet.per_line, **_legend_at(*at, _PLAIN))
    return cast(Figure, figure)


def save(figure: Figure, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a figure in the format that the file's suffix says, one of `FORMATS`.

    RequestError where it says none; FileExistsError where the file is there, without ``force``.
    The file is written whole, once all is drawn, or not at all.
    """
    kind = format_of(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind)
    write_file(path, drawn.getbuffer(), force=force)


def format_of(path: str | os.PathLike[str]) -> str:
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise RequestError(f"{os.fspath(path)!r} ends in no format; .{', .'.join(FORMATS)} are had")
    return kind


class _Figure(Figure):
    """A Figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        self.savefig(drawn, format="png")
        return drawn.getvalue()


def _headings(ds: Dataset, index: np.ndarray) -> list[tuple[str, str]]:
    """For each patch its number here, split and number there; and where and when it is."""
    known = [ds.metadata[name] for name in ("roi_id", "s2_date", "date") if name in ds.metadata]
    return [
        (
            f"[{number}] {split} {stored}",
            ", ".join(filter(None, (str(column[number]) for column in known))),
        )
        for number, (split, stored) in zip(index.tolist(), ds.locate(index), strict=True)
    ]


# ---- the page ------------------------------------------------------------------------------------

# Inches: a picture's longer side where it has the page to itself, and in sheets; then what lies
# between and below pictures.  Letters of the two sizes, in points, are so wide on average.
_LARGE, _SMALL = 5.12, 2.56
_MARGIN, _GAP, _LINE, _BAR = 0.12, 0.12, 0.17, 0.5
_LETTER, _HANDLE = 0.075, 0.45
_BOLD, _PLAIN = 9.0, 8.0


class _Sheet:
    """A page of strips, each the columns of one patch side by side, and what explains them."""

    def __init__(
        self, columns: list[Column], window: Window, n_patches: int, strips: int | None, large: int
    ) -> None:
        self.columns, self.window = columns, window
        if strips is None:  # four pictures side by side, in rows of about the same length
            strips = math.ceil(n_patches / math.ceil(n_patches / max(1, 4 // len(columns))))
        self.strips = min(strips, n_patches)
        self.rows = math.ceil(n_patches / self.strips)
        self.across = self.strips * len(columns)
        self.longest = _LARGE if self.across <= large else _SMALL
        # Keys stand below every row where they differ, else below the last.
        self.keys_vary = any(len({*map(id, column.keys)}) > 1 for column in columns)

    def place(self, size: tuple[float, float] | None, entries: Sequence[str]) -> None:
        """Settle lengths, for a page of (width, height) or for one that is as large as it needs."""
        height, width = self.window.size
        between = 2 * _MARGIN + (self.across - 1) * _GAP
        pixel = self.longest / max(height, width)
        if size is not None:
            pixel = (size[0] - between) / (self.across * width)
        for _ in range(2):  # the second time for a page that is too low for its width
            self.panel = pixel * width, pixel * height
            self.width = between + self.across * self.panel[0] if size is None else size[0]
            self.per_line = _per_line(entries, self.width)
            self.legend = math.ceil(len(entries) / self.per_line) * _LINE * 1.2
            self.key = max(map(self._key_height, self.columns))
            fixed = 2 * _MARGIN + self.legend + self.rows * (3 * _LINE + _GAP)
            fixed += self.key * (self.rows if self.keys_vary else 1)
            self.height = fixed + self.rows * self.panel[1] if size is None else size[1]
            if size is None or fixed + self.rows * self.panel[1] <= size[1]:
                break
            pixel = (size[1] - fixed) / (self.rows * height)
        if pixel <= 0:
            raise RequestError(
                f"the figure is {self.width:.1f} x {self.height:.1f} inches; "
                f"{self.rows} x {self.across} pictures need more"
            )

    def _key_height(self, column: Column) -> float:
        most = 0.0
        for key in column.keys:
            if isinstance(key, Bar):
                most = max(most, _BAR)
            elif isinstance(key, Codes):
                lines = math.ceil(len(key.colours) / _per_line(key.colours, self.panel[0]))
                most = max(most, _LINE * (lines + 0.5))
        return most

    def corner(self, k: int, column: int) -> tuple[float, float]:
        """Where the picture of patch ``k`` begins, from the left and from the top of the page."""
        row, strip = divmod(k, self.strips)
        right = strip * len(self.columns) + column
        down = 3 * _LINE + self.panel[1] + _GAP + (self.key if self.keys_vary else 0)
        return _MARGIN + right * (self.panel[0] + _GAP), _MARGIN + 3 * _LINE + row * down

    def rectangle(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """As matplotlib wants it: from the bottom, in shares of the page."""
        bottom = self.height - top - height
        return left / self.width, bottom / self.height, width / self.width, height / self.height


def _per_line(words: Collection[str], width: float) -> int:
    """Entries of a legend in a line, such that no line is much shorter."""
    longest = max(map(len, words), default=0)
    most = max(1, int(width / (longest * _LETTER + _HANDLE)))
    lines = max(1, math.ceil(len(words) / most))
    return max(1, math.ceil(len(words) / lines))


def _draw(
    figure: Figure | SubFigure,
    sheet: _Sheet,
    headings: Sequence[tuple[str, str]],
    outline: Window | None,
) -> None:
    n = len(headings)
    for k, (which, where) in enumerate(headings):
        left, top = sheet.corner(k, 0)
        for words, up, size, weight in ((which, 3, _BOLD, "bold"), (where, 2, _PLAIN, "normal")):
            x, y, *_ = sheet.rectangle(left, top - (up - 0.75) * _LINE, 0, 0)
            figure.text(x, y, words, fontsize=size, fontweight=weight, va="baseline")
        for j, column in enumerate(sheet.columns):
            left, top = sheet.corner(k, j)
            _draw_picture(figure, sheet, column, k, (left, top), outline)
            key = column.keys[k]
            if key is not None and (sheet.keys_vary or k + sheet.strips >= n):
                _draw_key(figure, sheet, key, (left, top + sheet.panel[1]))


def _draw_picture(
    figure: Figure | SubFigure,
    sheet: _Sheet,
    column: Column,
    k: int,
    corner: tuple[float, float],
    outline: Window | None,
) -> None:
    axes = figure.add_axes(sheet.rectangle(*corner, *sheet.panel))
    row, col, (height, width) = sheet.window.row, sheet.window.col, sheet.window.size
    axes.imshow(
        column.pictures[k],
        origin="upper",
        interpolation="nearest",
        extent=(col - 0.5, col + width - 0.5, row + height - 0.5, row - 0.5),
    )
    axes.set_title(column.title, loc="left", fontsize=_PLAIN, pad=3)
    axes.set_axis_off()
    if outline is not None:
        edges = (outline.col - 0.5, outline.row - 0.5), outline.width, outline.height
        axes.add_patch(Rectangle(*edges, fill=False, edgecolor=_OUTLINE, linewidth=1))


def _draw_key(
    figure: Figure | SubFigure, sheet: _Sheet, key: Bar | Codes, corner: tuple[float, float]
) -> None:
    left, top = corner
    width = sheet.panel[0]
    if isinstance(key, Bar):
        axes = figure.add_axes(sheet.rectangle(left, top + 0.07, width, 0.1))
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
        colours = ScalarMappable(Normalize(key.low, key.high), key.cmap)
        bar = figure.colorbar(
            colours, cax=axes, orientation="horizontal", extend=extend.get(key.beyond, "neither")
        )
        bar.ax.tick_params(labelsize=_PLAIN - 1, pad=1, length=2)
        bar.ax.locator_params(nbins=5)
        bar.set_label(key.words, fontsize=_PLAIN - 1, labelpad=1)
        if key.mark is not None:
            bar.ax.axvline(key.mark, color="red", linewidth=1.5)
        return
    x, y, *_ = sheet.rectangle(left, top + 0.05, 0, 0)
    figure.legend(
        handles=[_swatch(name, colour) for name, colour in key.colours.items()],
        ncols=_per_line(key.colours, width),
        **_legend_at(x, y, _PLAIN - 1),
    )


def _legend_at(x: float, y: float, size: float) -> dict[str, Any]:
    return {
        "loc": "upper left",
        "bbox_to_anchor": (x, y),
        "fontsize": size,
        "frameon": False,
        "borderpad": 0,
        "borderaxespad": 0,
        "columnspacing": 1,
        "handlelength": 1.5,
    }


def _swatch(name: str, colour: Colour | None) -> Patch:
    """What stands for a colour in a legend; None is for what is left uncovered."""
    if colour is None:
        return Patch(facecolor="none", edgecolor="0.5", label=f"{name} (uncovered)")
    red, green, blue = (part / 255 for part in colour)
    return Patch(facecolor=(red, green, blue), edgecolor="0.5", linewidth=0.5, label=name)


def _legend(columns: Sequence[Column], classes: Sequence[str], outlined: bool) -> list[Patch]:
    """What the figure has of classes, in their order, then of all that is none."""
    named = {name: colour for column in columns for name, colour in column.named.items()}
    order = [*classes, *sorted(named.keys() - {*classes, *_LAST}), *_LAST]
    handles = [_swatch(name, named[name]) for name in order if name in named]
    if outlined:
        handles.append(Patch(facecolor="none", edgecolor=_OUTLINE, label=_OUTLINED))
    return handles
