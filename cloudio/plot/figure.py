"""`patch`: a figure of patches and their labels.

It reads the patches, makes panels, arranges a page and draws it.  It never touches pyplot, pyplot's
current figure, or rcParams.
"""

import io
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure, SubFigure

from .._utils.numbers import check_whole
from ..errors import RequestError
from ..layouts.band import Window
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.labels import CLASSES
from ..reading.batch import MaskedBatch
from ..reading.dataset import Dataset
from ..reading.indexing import resolve_index
from .band_panels import group_bands, make_band_panels, open_image_reader
from .drawing import Heading, draw_page
from .label_panels import make_label_panels
from .legend import draw_legend, figure_legend
from .options import OVERLAY, FigureOptions
from .page import MARGIN, PLAIN, Page
from .panels import Panels
from .plotted_labels import open_label_reader

# More patches would be too small to see, and the image too large to draw.
_MOST_PATCHES = 100


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
    """Return a figure of one patch, or of several: panels of bands, and one for each label.

    ``index``: a number or numbers, as `Reader.read` takes them.  ``bands``: a name, a preset, or
    three names for red, green and blue; or a sequence of such, each a panel.  A preset is one
    panel where it is three bands of known wavelength, else one in gray for each band.  Land cover
    of CloudSEN12 has its publishers' colors.  More than five panels of a patch are a grid.
    ``labels``: as for a `Reader`, but probabilities given by name alone are a heat map; under a
    policy or a map they are classes.  None for a label means codes as stored, as there.

    ``stretch``: ``"fixed"`` gives a band the same brightness in every figure, so that figures
    compare: reflectance 0..0.3 over three quarters of the brightness, so that dark ground can be
    seen, and 0.3..1 over the rest, so that clouds do not saturate; a tenth of that around 1375 nm;
    -30..0 for dB; fixed limits for the other bands of CloudSEN12.  A band without such limits is
    stretched between percentiles 1 and 99 of up to 16 patches that are spread over ``ds``.
    ``"patch"``: each band of each patch between its own percentiles.  (low, high): linear, in
    scaled units.
    ``overlay``: how opaque classes are over the first panel, 0..1; class 0 is left uncovered.  A
    class is drawn in tones of its color, which show the details of the image; at 1 in the color
    alone.  None: classes without the image, class 0 too.  ``classes``: names of the classes 0, 1,
    ...; None means `CLASSES` for CloudSEN12, and numbers for other layouts.

    ``window=True``: the whole stored patch with the valid window outlined; else the valid window.
    ``columns``: patches side by side.  ``figure``: a Figure or SubFigure to draw into and return;
    None makes one that pyplot does not know, so that there is nothing to close.  Row 0 is at the
    top, axes count rows and columns of the stored patch, and no pixel is interpolated.

    RequestError or IndexError where an argument is wrong; nothing has been drawn then.
    """
    numbers = resolve_index(index, len(ds))
    if not 1 <= len(numbers) <= _MOST_PATCHES:
        raise RequestError(
            f"index has {len(numbers)} patches; a figure can show 1 to {_MOST_PATCHES}"
        )
    if columns is not None:
        columns = check_whole("columns", columns, 1)
    if figure is not None and not isinstance(figure, (Figure, SubFigure)):
        raise RequestError(f"figure={figure!r}; figure must be a matplotlib Figure or SubFigure")
    if classes is None and ds.layout.name == CLOUDSEN12.name:
        classes = CLASSES
    options = FigureOptions(bands, labels, window, stretch, overlay, classes)
    panels = _make_panels(ds, numbers, options)
    area = Window(0, 0, *ds.layout.patch) if window else ds.valid_window
    # Padding is a pixel or two wide, and would be lost in small panels.
    page = Page(panels, area, len(numbers), columns, n_large=4 if window else 2)
    swatches = figure_legend(panels, classes or (), outlined=window)
    size = None
    if figure is not None:
        size = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
    page.fit(size, [str(swatch.get_label()) for swatch in swatches])
    if figure is None:
        figure = _NotebookFigure(figsize=(page.width, page.height))
    draw_page(figure, page, _headings(ds, numbers), ds.valid_window if window else None)
    if swatches:
        corner = page.rectangle(MARGIN, page.height - MARGIN - page.legend_height)[:2]
        draw_legend(figure, swatches, corner, page.legend_columns, PLAIN)
    return cast(Figure, figure)


class _NotebookFigure(Figure):
    """A Figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        self.savefig(drawn, format="png")
        return drawn.getvalue()


def _make_panels(ds: Dataset, index: np.ndarray, options: FigureOptions) -> list[Panels]:
    """Read the patches; return the panels of the bands, then of the labels."""
    readers = [open_image_reader(ds, names, options) for names in group_bands(ds, options.bands)]
    labels = None
    if options.labels is not None:
        labels = open_label_reader(ds, readers[0].bands[0], options)
    origin = (0, 0) if options.window else None
    panels: list[Panels] = []
    valid: list[np.ndarray] = []
    for reader in readers:
        batch = cast(MaskedBatch[np.ndarray], reader.read(index, origin))
        valid.append(batch.valid.astype(bool))
        panels.append(make_band_panels(ds, reader.bands, batch.image, valid[-1], options))
    if labels is not None:
        label_reader, plotted = labels
        base, inside = (panels[0].images, valid[0]), _inside(ds, options)
        codes = cast(np.ndarray, label_reader.read(index, origin).label)
        for k, label in enumerate(plotted):
            panels.append(make_label_panels(label, codes[:, k], inside, base, options))
    return panels


def _inside(ds: Dataset, options: FigureOptions) -> np.ndarray:
    """Return which pixels of what is shown of a patch lie in the valid window."""
    valid = ds.valid_window
    if not options.window:
        return np.ones(valid.size, bool)
    inside = np.zeros(ds.layout.patch, bool)
    inside[valid.row : valid.row + valid.height, valid.col : valid.col + valid.width] = True
    return inside


def _headings(ds: Dataset, index: np.ndarray) -> list[Heading]:
    """Return for each patch its number, its split and its number there; and where and when."""
    known = [ds.metadata[name] for name in ("roi_id", "s2_date", "date") if name in ds.metadata]
    return [
        (
            f"[{number}] {split} {stored}",
            ", ".join(filter(None, (str(column[number]) for column in known))),
        )
        for number, (split, stored) in zip(index.tolist(), ds.locate(index), strict=True)
    ]
