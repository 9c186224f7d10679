"""`patch`: a figure of patches and their labels.

It reads the patches, makes panels, arranges a page and draws it.  It never touches pyplot, pyplot's
current figure, or rcParams.
"""

import io
from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from matplotlib.figure import Figure, SubFigure

from .._utils.keywords import explain_unknown
from .._utils.numbers import check_whole
from .._utils.types import Index
from ..errors import RequestError
from ..layouts.band import Window
from ..reading.arguments.indexing import resolve_index
from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from ..reading.selection import Labels
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


@explain_unknown()
def patch(
    ds: Dataset,
    index: Index,
    *,
    bands: str | Sequence[str | Sequence[str]] | None = None,
    labels: Labels | None = None,
    window: bool = False,
    stretch: Literal["fixed", "patch"] | tuple[float, float] = "fixed",
    overlay: float | None = OVERLAY,
    classes: Sequence[str] | None = None,
    columns: int | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Return a figure of one or more patches: panels of bands, and one panel for each label.

    Parameters
    ----------
    ds : Dataset
        The patches to choose from.
    index : int or sequence of int
        1 to 100 patches, as in `Reader.read`.
    bands : str or sequence, optional
        A preset, a name, three names for red, green and blue, or a sequence of these, each a panel.
        A preset of three bands of known wavelength is one panel in color; of other presets each
        band is a gray panel.  By default the preset ``"rgb"``, else three bands of the layout's
        first preset, or of all bands: those of red, green and blue light by their wavelengths or
        names.  If neither tells, the first three bands are a gray panel each.
    labels : str, sequence of str, or mapping, optional
        As ``labels`` of `Reader`, with one difference: a label of probabilities that is named
        without a policy is shown as a heat map, not as classes.
    window : bool
        True shows the whole stored patch with the valid window outlined; False the valid window.
    stretch : "fixed", "patch" or (low, high)
        Which numbers are black and white; see Notes.  (low, high) is linear, in scaled units.
    overlay : float, optional
        The opacity of classes over the first panel, 0 to 1; class 0 is not covered.  A class is
        drawn in tones of its color that show the details of the image; at 1 in the color
        alone.  None shows classes without the image, class 0 too.
    classes : sequence of str, optional
        The names of the classes 0, 1, ... of all labels.  By default those of each label's map,
        else numbers.  Colors are the map's own; the first four classes of other maps have colors
        that color-blind people can tell apart.
    columns : int, optional
        The number of patches side by side.
    figure : Figure or SubFigure, optional
        A matplotlib figure to draw into.  By default a new one that pyplot does not know, so that
        it need not be closed.

    Returns
    -------
    Figure
        ``figure``, or the new figure; a notebook shows it.

    Raises
    ------
    RequestError
        If an argument is wrong; nothing has been drawn then.
    IndexError
        If a patch does not exist.

    Notes
    -----
    ``stretch="fixed"`` gives a band the same brightness in every figure, so that figures can be
    compared.  For reflectance, 0 to 0.3 takes three quarters of the brightness, so that dark ground
    is visible, and 0.3 to 1 the rest, so that clouds do not saturate; around 1375 nm the limits are
    a tenth of that.  For dB the limits are -30 and 0, and other bands of CloudSEN12 have fixed
    limits too.  A band without limits is stretched between the percentiles 1 and 99 of up to 16
    patches that are spread over ``ds``.  ``"patch"`` stretches each band of each patch between its
    own percentiles 1 and 99.

    Land cover of CloudSEN12 has the colors of its publishers.  More than five panels of a patch are
    a grid.  Row 0 is at the top, axes count rows and columns of the stored patch, and pixels are
    not interpolated.
    """
    check_dataset(ds)
    numbers = resolve_index(index, len(ds))
    if not 1 <= len(numbers) <= _MOST_PATCHES:
        raise RequestError(
            f"index has {len(numbers)} patches; a figure can show 1 to {_MOST_PATCHES}"
        )
    if columns is not None:
        columns = check_whole("columns", columns, 1)
    if figure is not None and not isinstance(figure, (Figure, SubFigure)):
        raise RequestError(f"figure={figure!r}; figure must be a matplotlib Figure or SubFigure")
    options = FigureOptions(bands, labels, window, stretch, overlay, classes)
    panels = _make_panels(ds, numbers, options)
    area = Window(0, 0, *ds.layout.patch) if window else ds.valid_window
    # Padding is a pixel or two wide, and would be lost in small panels.
    page = Page(panels, area, len(numbers), columns, n_large=4 if window else 2)
    swatches = figure_legend(panels, outlined=window)
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
        batch = reader.read(index, origin)
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
    """Return which pixels of the shown part of a patch lie in the valid window."""
    valid = ds.valid_window
    if not options.window:
        return np.ones(valid.size, bool)
    inside = np.zeros(ds.layout.patch, bool)
    inside[valid.row : valid.row + valid.height, valid.col : valid.col + valid.width] = True
    return inside


def _headings(ds: Dataset, index: np.ndarray) -> list[Heading]:
    """Return the heading of each patch: its number, split and number there; place and date."""
    names = [name for name in ("roi_id", "s2_date", "date") if name in ds.metadata_names]
    known = ds.metadata_columns(names).values()
    return [
        (
            f"[{number}] {split} {stored}",
            ", ".join(filter(None, (str(column[number]) for column in known))),
        )
        for number, (split, stored) in zip(index.tolist(), ds.locate(index), strict=True)
    ]
