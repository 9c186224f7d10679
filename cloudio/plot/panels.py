"""The contents of a figure before they have a place on the page: images, and keys below them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .colors import Color, Stretch


@dataclass(frozen=True)
class ColorBar:
    """A bar of the colors from the first to the last number of ``stretch``.

    ``extends``: whether smaller and whether larger numbers occur.  ``mark``: a number to mark.
    """

    cmap: str
    stretch: Stretch
    label: str
    extends: tuple[bool, bool] = (False, False)
    mark: float | None = None


@dataclass(frozen=True)
class CodeKey:
    """The color of each code that occurs, by its text, in the order of the codes."""

    colors: Mapping[str, Color]


Key = ColorBar | CodeKey

#: Colors by their text in the figure's legend; None for a class that is left uncovered.
Legend = dict[str, Color | None]


@dataclass
class Panels:
    """The panels of one band, three bands or one label: an image and a key for each patch.

    ``legend`` is their part of the legend of the whole figure, and ``classes`` the order of the
    classes in it.
    """

    title: str
    images: list[np.ndarray]
    keys: Sequence[Key | None]
    legend: Legend = field(default_factory=dict)
    classes: Sequence[str] = ()
