"""What a figure of patches shows: a column of pictures for each band and label, and its key.

Read through readers, coloured by pictures.py; where all this goes on a page is plot.py's.  Imported
by that alone, for it needs matplotlib's tables of colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import matplotlib
import numpy as np

from .._utils.numbers import check_bool, is_finite
from .._utils.warn import suppressed
from ..errors import RequestError
from ..layouts.labels import LabelMap
from ..reading.batch import MaskedBatch
from ..reading.dataset import Dataset
from ..reading.reader import Reader
from .colors import (
    ABOVE,
    CLASS_COLOURS,
    IGNORED,
    NO_DATA,
    REFLECTANCE,
    Colour,
    Tone,
    coded,
    composite,
    limits,
    over,
)

_IGNORE = int(np.iinfo(np.int64).min)  # no class of any map
_MOST_CODES = 20
_HEAT = "viridis"


@dataclass(frozen=True)
class Bar:
    """A bar of colours from ``low`` to ``high``; ``mark`` is a number to point out."""

    cmap: str
    low: float
    high: float
    words: str
    beyond: tuple[bool, bool] = (False, False)
    mark: float | None = None


@dataclass(frozen=True)
class Codes:
    """What codes that occur look like, in their order."""

    colours: Mapping[str, Colour]


@dataclass
class Column:
    """The pictures of one band, triple or label: one per patch, as are the keys below them.

    ``named``: what the legend of the whole figure has to tell of; None is for what stays uncovered.
    """

    title: str
    pictures: list[np.ndarray]
    keys: Sequence[Bar | Codes | None]
    named: dict[str, Colour | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What is to be shown, and how; see `cloudio.plot.patch`."""

    bands: Any
    labels: Any
    window: bool
    stretch: Any
    overlay: float | None
    classes: Sequence[str] | None

    def __post_init__(self) -> None:
        """RequestError where one of these is not of its kind."""
        check_bool("window", self.window)
        if not isinstance(self.stretch, str):
            pair = self.stretch if isinstance(self.stretch, Sequence) else ()
            fits = len(pair) == 2 and all(map(is_finite, pair)) and pair[0] < pair[1]
        else:
            fits = self.stretch in ("fixed", "patch")
        if not fits:
            raise RequestError(
                f"stretch={self.stretch!r}; 'fixed', 'patch' or (low, high) is needed"
            )
        if self.overlay is not None and not (is_finite(self.overlay) and 0 <= self.overlay <= 1):
            raise RequestError(f"overlay={self.overlay!r}; 0..1 is needed, or None")
        if isinstance(self.classes, str) or not all(
            isinstance(name, str) for name in self.classes or ()
        ):
            raise RequestError(f"classes={self.classes!r}; a sequence of names is needed")


def columns(ds: Dataset, index: np.ndarray, request: Request) -> list[Column]:
    """The columns of a figure of these patches: those of bands, then those of labels."""
    readers = [_image_reader(ds, names, request) for names in _triples(ds, request.bands)]
    labels = None if request.labels is None else _labels(ds, readers[0].bands[0], request)
    origin = (0, 0) if request.window else None
    found: list[Column] = []
    valid: list[np.ndarray] = []
    for reader in readers:
        batch = cast(MaskedBatch[np.ndarray], reader.read(index, origin))
        valid.append(batch.valid.astype(bool))
        found.append(_of_bands(ds, reader.bands, batch.image, valid[-1], request))
    if labels is not None:
        base, inside = (found[0].pictures, valid[0]), _inside(ds, request)
        codes = cast(np.ndarray, labels[0].read(index, origin).label)
        for k, label in enumerate(labels[1]):
            found.append(_of_label(label, codes[:, k], inside, base, request))
    return found


# ---- bands ---------------------------------------------------------------------------------------


def _triples(ds: Dataset, asked: Any) -> list[tuple[str, ...]]:
    """The bands of each picture: three, or one."""
    items = [asked] if isinstance(asked, str) else asked
    if not isinstance(items, Sequence) or not items:
        raise RequestError(f"bands={asked!r}; a preset, a name or a sequence of these is needed")
    presets = ds.layout.presets
    if len(items) == 3 and all(isinstance(x, str) and x not in presets for x in items):
        items = [items]
    found: list[tuple[str, ...]] = []
    for item in items:
        names = ds.reader(item, scale=None, threads=1).bands
        if not isinstance(item, str):
            if len(names) not in (1, 3):
                raise RequestError(f"bands has {item!r}; a picture is of one band or of three")
            found.append(names)
        elif len(names) == 3 and (item == "rgb" or _have_wavelengths(ds, names)):
            found.append(names)
        else:
            found += [(name,) for name in names]
    return found


def _have_wavelengths(ds: Dataset, names: Sequence[str]) -> bool:
    return all(ds.band(name).wavelength is not None for name in names)


def _has_scale(ds: Dataset, names: Sequence[str]) -> bool:
    return all(ds.band(name).scale is not None for name in names)


def _image_reader(ds: Dataset, names: Sequence[str], request: Request) -> Reader:
    return ds.reader(
        names,
        size=ds.layout.patch if request.window else None,
        scale="reflectance" if _has_scale(ds, names) else None,
        valid=True,
    )


def _of_bands(
    ds: Dataset, names: Sequence[str], image: np.ndarray, valid: np.ndarray, request: Request
) -> Column:
    tones = _tones(ds, names, image, valid, request)
    pictures = [composite(x, v, tone) for x, v, tone in zip(image, valid, tones, strict=True)]
    keys: list[Bar | Codes | None] = [None] * len(image)
    if len(names) == 1:
        shown = [band[0][mask] for band, mask in zip(image, valid, strict=True)]
        if request.stretch != "patch":
            shown = [np.concatenate(shown)]
        bars = [_bar(ds, names[0], tones[k][0], numbers) for k, numbers in enumerate(shown)]
        keys = [*bars] if request.stretch == "patch" else [*bars * len(image)]
    named: dict[str, Colour | None] = {} if valid.all() else {"no data": NO_DATA}
    return Column(_joined(ds, names), pictures, keys, named)


def _tones(
    ds: Dataset, names: Sequence[str], image: np.ndarray, valid: np.ndarray, request: Request
) -> list[list[Tone]]:
    """The tone of each band of each patch."""
    stretch = request.stretch
    if stretch == "patch":
        return [
            [_linear(*limits(band, mask)) for band in bands]
            for bands, mask in zip(image, valid, strict=True)
        ]
    if stretch != "fixed":
        tones = [_linear(*map(float, stretch))] * len(names)
    elif len(names) > 1 and _have_wavelengths(ds, names) and _has_scale(ds, names):
        tones = [REFLECTANCE] * len(names)
    else:
        tones = [_linear(*limits(image[:, b], valid)) for b in range(len(names))]
    return [tones] * len(image)


def _linear(low: float, high: float) -> Tone:
    return (low, 0.0), (high, 1.0)


def _bar(ds: Dataset, name: str, tone: Tone, shown: np.ndarray) -> Bar:
    (low, _), (high, _) = tone
    band = ds.band(name)
    words = "reflectance" if band.wavelength is not None else ""
    if band.scale is None:
        words = "as stored"
    return Bar("gray", low, high, words, (bool((shown < low).any()), bool((shown > high).any())))


def _joined(ds: Dataset, names: Sequence[str]) -> str:
    """``L1C_B4 B3 B2``: the group once."""
    for prefix in ds.layout.prefixes:
        if all(name.startswith(prefix) for name in names):
            return prefix + " ".join(name.removeprefix(prefix) for name in names)
    return " ".join(names)


# ---- labels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Label:
    """One label: by which map it is read, in words too; of probabilities (threshold, top)."""

    name: str
    rule: str
    label_map: LabelMap | None
    limits: tuple[int, int] | None

    @property
    def title(self) -> str:
        return f"{self.name}, {self.rule}"


def _labels(ds: Dataset, band: str, request: Request) -> tuple[Reader, list[_Label]]:
    """The labels, and a reader of their classes, probabilities or codes."""
    given, by_name = request.labels, not isinstance(request.labels, Mapping)
    if not by_name:
        given = {name: _percent(ds, name) if to is None else to for name, to in given.items()}
    with suppressed():  # a title says the policy, and probabilities by name stay such
        asked = ds.reader(band, given, scale=None)
    found = []
    for name, label_map in asked.label_maps.items():
        percent = _percent(ds, name)
        if percent is not None and (by_name or label_map == percent):
            found.append(_Label(name, "probability", percent, _limits(ds, name)))
        elif label_map is None:
            found.append(_Label(name, "codes", None, None))
        else:
            found.append(_Label(name, asked.policies[name] or "a map given", label_map, None))
    how: dict[str, Any] = {"scale": None, "label_dtype": "int64", "ignore": _IGNORE}
    maps = {label.name: label.label_map for label in found}
    reader = ds.reader(band, maps, **how)
    if request.window:
        with suppressed():  # the frame is shown as what it is
            reader = ds.reader(band, maps, size=ds.layout.patch, **how)
    return reader, found


def _limits(ds: Dataset, name: str) -> tuple[int, int] | None:
    """(threshold, top) of an array whose default map says that it holds probabilities."""
    known = next(iter(ds.layout.label_maps.get(ds.find(name), {}).values()), None)
    return None if known is None else known.as_threshold


def _percent(ds: Dataset, name: str) -> LabelMap | None:
    """What leaves probabilities as they are, and ignores other codes; None for other arrays."""
    limits = _limits(ds, name)
    return None if limits is None else LabelMap({code: code for code in range(limits[1] + 1)})


def _inside(ds: Dataset, request: Request) -> np.ndarray:
    """Where what is shown of a patch lies in the valid window."""
    valid = ds.valid_window
    if not request.window:
        return np.ones(valid.size, bool)
    inside = np.zeros(ds.layout.patch, bool)
    inside[valid.row : valid.row + valid.height, valid.col : valid.col + valid.width] = True
    return inside


def _of_label(
    label: _Label,
    codes: np.ndarray,
    inside: np.ndarray,
    base: tuple[list[np.ndarray], np.ndarray],
    request: Request,
) -> Column:
    named: dict[str, Colour | None] = {} if inside.all() else {"no data": NO_DATA}
    occurring = np.unique(codes[:, inside]).tolist()
    if label.limits is not None:
        return _of_probabilities(label, codes, inside, occurring, named)
    classes = [code for code in occurring if code != _IGNORE]
    if label.label_map is None or not {*classes} <= {*range(len(CLASS_COLOURS))}:
        return _of_codes(label, codes, inside, occurring, named, request)
    colours = dict(enumerate(CLASS_COLOURS))
    names = {k: _class_name(request, k) for k in colours}
    if label.label_map.as_threshold:
        colours[1] = ABOVE
        names |= {0: "below the threshold", 1: "from the threshold on"}
    colours[_IGNORE], names[_IGNORE] = IGNORED, "ignore"
    pictures = [coded(patch, colours, inside) for patch in codes]
    named.update({names[code]: colours[code] for code in occurring})
    if request.overlay is not None:
        where = (codes != 0) & inside | ~inside
        pictures = [
            over(below, valid, picture, covered, request.overlay)
            for below, valid, picture, covered in zip(*base, pictures, where, strict=True)
        ]
        if 0 in classes:
            named[names[0]] = None
    return Column(label.title, pictures, [None] * len(codes), named)


def _class_name(request: Request, k: int) -> str:
    names = request.classes or ()
    return names[k] if k < len(names) else f"class {k}"


def _of_probabilities(
    label: _Label,
    codes: np.ndarray,
    inside: np.ndarray,
    occurring: list[int],
    named: dict[str, Colour | None],
) -> Column:
    """A heat map of codes 0..top; what is beyond them is what a threshold ignores."""
    assert label.limits is not None
    at, top = label.limits
    colours = {code: _heat(code / top) for code in range(top + 1)} | {_IGNORE: IGNORED}
    if _IGNORE in occurring:
        named["ignore"] = IGNORED
    words = "probability, %" if top == 100 else f"probability, 0 to {top}"
    bar = Bar(_HEAT, 0, top, f"{words}; line: threshold {at}", mark=at)
    pictures = [coded(patch, colours, inside) for patch in codes]
    return Column(label.title, pictures, [bar] * len(codes), named)


def _heat(share: float) -> Colour:
    red, green, blue = matplotlib.colormaps[_HEAT](share, bytes=True)[:3]
    return int(red), int(green), int(blue)


def _of_codes(
    label: _Label,
    codes: np.ndarray,
    inside: np.ndarray,
    occurring: list[int],
    named: dict[str, Colour | None],
    request: Request,
) -> Column:
    """Each code in a colour of its own; where they are too many for that, a heat map."""
    plain = [code for code in occurring if code != _IGNORE]
    key: Bar | Codes
    if len(plain) <= _MOST_CODES:
        colours = _tints(plain)
        word = "code {}".format if label.label_map is None else partial(_class_name, request)
        key = Codes({word(code): colour for code, colour in colours.items()})
    else:
        low, high = plain[0], plain[-1]
        colours = {code: _heat((code - low) / (high - low)) for code in plain}
        key = Bar(_HEAT, low, high, "code" if label.label_map is None else "class")
    if len(plain) < len(occurring):
        colours[_IGNORE] = IGNORED
        named["ignore"] = IGNORED
    pictures = [coded(patch, colours, inside) for patch in codes]
    return Column(label.title, pictures, [key] * len(codes), named)


def _tints(codes: Sequence[int]) -> dict[int, Colour]:
    """The same colour for the same code wherever it occurs, as far as no two of these share one."""
    table = (np.array(matplotlib.colormaps["tab20"].colors) * 255).round().astype(int)  # type: ignore[attr-defined]
    strong_first = [*range(0, _MOST_CODES, 2), *range(1, _MOST_CODES, 2)]
    places = [code % _MOST_CODES for code in codes]
    if len({*places}) < len(places):
        places = list(range(len(codes)))
    return {
        code: (int(r), int(g), int(b))
        for code, (r, g, b) in zip(codes, table[strong_first][places], strict=True)
    }
