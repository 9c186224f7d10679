"""Panels of labels: classes with or without the image below, codes as stored, or probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np

from .colors import (
    ABOVE_THRESHOLD,
    CLASS_COLORS,
    IGNORED,
    NO_DATA,
    Color,
    color_codes,
    color_from_hex,
    linear_stretch,
    tint,
)
from .land_cover import is_land_cover, land_cover_colors
from .options import FigureOptions
from .panels import CodeKey, ColorBar, Key, Legend, Panels
from .plotted_labels import IGNORE, PlottedLabel, Probability

_MOST_CODES = 20
_HEAT = "viridis"


@dataclass
class _Coloring:
    """The colors of all codes of a label, and their key or legend."""

    colors: dict[int, Color]
    key: Key | None = None
    legend: Legend = field(default_factory=dict)


def make_label_panels(
    label: PlottedLabel,
    codes: np.ndarray,
    inside: np.ndarray,
    base: tuple[list[np.ndarray], np.ndarray],
    options: FigureOptions,
) -> Panels:
    """Return the panels of ``codes`` (patch, row, column), which count where ``inside``.

    ``base``: the images that classes cover, and where these are valid.
    """
    occurring = np.unique(codes[:, inside]).tolist()
    classes = [code for code in occurring if code != IGNORE]
    are_classes = label.label_map is not None and {*classes} <= _class_colors(label).keys()
    if label.probability is not None:
        coloring = _color_probabilities(label.probability)
    elif is_land_cover(label.name) and label.label_map is None:
        coloring = _color_land_cover(label.name, classes)
    elif are_classes:
        coloring = _color_classes(label, occurring, options)
    else:
        coloring = _color_each_code(label, classes, options)
    if IGNORE in occurring:
        coloring.colors[IGNORE] = coloring.legend["ignore"] = IGNORED
    if not inside.all():
        coloring.legend["no data"] = NO_DATA
    images = [color_codes(patch, coloring.colors, inside) for patch in codes]
    if are_classes and label.probability is None and options.overlay is not None:
        mask = (codes != 0) & inside | ~inside
        images = [
            tint(below, valid, cover, covered, options.overlay)
            for below, valid, cover, covered in zip(*base, images, mask, strict=True)
        ]
        if 0 in classes:
            coloring.legend[_class_name(label, options, 0)] = None
    order = [_class_name(label, options, k) for k in range(max([-1, *classes]) + 1)]
    keys = [coloring.key] * len(codes)
    return Panels(label.title, images, keys, coloring.legend, order if are_classes else ())


def _class_name(label: PlottedLabel, options: FigureOptions, k: int) -> str:
    """Return the name of a class: the figure's, else the map's, else its number."""
    own = () if label.label_map is None else label.label_map.names
    for names in (options.classes or (), own):
        if 0 <= k < len(names):
            return names[k]
    if label.label_map is not None and label.label_map.as_threshold:
        return "from the threshold on" if k else "below the threshold"
    return f"class {k}"


def _class_colors(label: PlottedLabel) -> dict[int, Color]:
    """Return the colors of the classes: the map's own, else ours."""
    if label.label_map is not None and label.label_map.colors:
        return dict(enumerate(map(color_from_hex, label.label_map.colors)))
    colors = dict(enumerate(CLASS_COLORS))
    if label.label_map is not None and label.label_map.as_threshold:
        colors[1] = ABOVE_THRESHOLD
    return colors


def _color_classes(
    label: PlottedLabel, occurring: Sequence[int], options: FigureOptions
) -> _Coloring:
    colors = _class_colors(label)
    legend: Legend = {
        _class_name(label, options, code): colors[code] for code in occurring if code != IGNORE
    }
    return _Coloring(colors, legend=legend)


def _color_land_cover(name: str, codes: Sequence[int]) -> _Coloring:
    colors, texts = land_cover_colors(name, codes)
    return _Coloring(colors, CodeKey(texts))


def _color_probabilities(probability: Probability) -> _Coloring:
    """Return a heat map of 0..top; other codes are those that a threshold ignores."""
    threshold, top = probability
    unit = "probability, %" if top == 100 else f"probability, 0 to {top}"
    bar = ColorBar(
        _HEAT, linear_stretch(0, top), f"{unit}; line: threshold {threshold}", mark=threshold
    )
    return _Coloring({code: _heat(code / top) for code in range(top + 1)}, bar)


def _color_each_code(
    label: PlottedLabel, codes: Sequence[int], options: FigureOptions
) -> _Coloring:
    """Return a different color for each code, or a heat map if there are too many."""
    if len(codes) > _MOST_CODES:
        low, high = codes[0], codes[-1]
        text = "code" if label.label_map is None else "class"
        bar = ColorBar(_HEAT, linear_stretch(low, high), text)
        return _Coloring({code: _heat((code - low) / (high - low)) for code in codes}, bar)
    colors = _distinct_colors(codes)

    def name(code: int) -> str:
        return f"code {code}" if label.label_map is None else _class_name(label, options, code)

    return _Coloring(colors, CodeKey({name(code): color for code, color in colors.items()}))


def _distinct_colors(codes: Sequence[int]) -> dict[int, Color]:
    """Return the same color for the same code in every figure, unless two codes would share it."""
    table = (np.array(matplotlib.colormaps["tab20"].colors) * 255).round().astype(int)  # type: ignore[attr-defined]
    strong_first = [*range(0, _MOST_CODES, 2), *range(1, _MOST_CODES, 2)]
    rows = [code % _MOST_CODES for code in codes]
    if len({*rows}) < len(rows):
        rows = list(range(len(codes)))
    return {
        code: (int(r), int(g), int(b))
        for code, (r, g, b) in zip(codes, table[strong_first][rows], strict=True)
    }


def _heat(share: float) -> Color:
    red, green, blue = matplotlib.colormaps[_HEAT](share, bytes=True)[:3]
    return int(red), int(green), int(blue)
