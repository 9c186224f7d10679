"""What the names of a request mean in a data set: which bands, which scales, which label maps."""

from collections.abc import Mapping, Sequence
from typing import Any

from .._utils.numbers import per_band
from ..errors import RequestError
from ..layouts.labels import LabelMap
from .collection import Collection
from .label_warnings import LabelRequest

# A label named alone follows the first policy that its layout has for it.
_DEFAULT: Any = object()


def select_bands(dataset: Collection, asked: Any) -> tuple[str, ...]:
    """The arrays that ``asked`` means: a preset, a name, or a sequence of these."""
    given = [asked] if isinstance(asked, str) else asked
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise RequestError(f"bands={asked!r}; a preset, a name or a sequence of names is needed")
    if not given:
        raise RequestError("bands is empty; name at least one")
    bands: list[str] = []
    for name in given:
        choices = dataset.layout.presets.get(name)
        bands += [dataset.find(name)] if choices is None else _preset(dataset, name, choices)
    return tuple(bands)


def _preset(dataset: Collection, name: str, choices: Sequence[Sequence[str]]) -> Sequence[str]:
    for choice in choices:
        if all(band in dataset.names for band in choice):
            return choice
    missing = [band for band in choices[0] if band not in dataset.names]
    raise RequestError(
        f"preset {name!r} needs {', '.join(missing)}; {dataset.path} has {', '.join(dataset.names)}"
    )


def resolve_scales(
    dataset: Collection, bands: Sequence[str], scale: Any
) -> tuple[list[float], list[float]]:
    """Of each band a and b: ``x * a + b`` is the stored number x in the units of ``scale``."""
    if isinstance(scale, str):
        if scale != "reflectance":
            raise RequestError(f"scale={scale!r}; 'reflectance', None or numbers are needed")
        scales = [_own_scale(dataset, name) for name in bands]
        offsets = [dataset.band(name).offset * a for name, a in zip(bands, scales, strict=True)]
    else:
        scales = per_band("scale", 1.0 if scale is None else scale, len(bands))
        offsets = [0.0] * len(bands)
    return scales, offsets


def _own_scale(dataset: Collection, name: str) -> float:
    band = dataset.band(name)
    if band.scale is None:
        raise RequestError(
            f"the scale of {name} is not known: it is {band.dtype}, and {dataset.layout.name} "
            "has no such array; pass scale="
        )
    return band.scale


def parse_labels(dataset: Collection, labels: Any) -> dict[str, Any]:
    """For each label asked for, a LabelMap, None for raw codes, or what should be a policy."""
    if isinstance(labels, str):
        asked = [(labels, _DEFAULT)]
    elif isinstance(labels, Mapping):
        asked = list(labels.items())
    elif isinstance(labels, Sequence) and all(isinstance(name, str) for name in labels):
        asked = [(name, _DEFAULT) for name in labels]
    else:
        raise RequestError(f"labels={labels!r}; a name, names, or a mapping of names is needed")
    if not asked:
        raise RequestError("labels is empty; name at least one, or None for no labels")
    meanings: dict[str, Any] = {}
    for name, meaning in asked:
        array = dataset.find(name)
        if array in meanings:
            raise RequestError(f"labels={labels!r} names {array} twice")
        if meaning is _DEFAULT:
            meaning = next(iter(dataset.layout.label_maps.get(array, {})), "card")
        meanings[array] = LabelMap(meaning) if isinstance(meaning, Mapping) else meaning
    return meanings


def resolve_label_map(dataset: Collection, array: str, meaning: Any) -> LabelMap | None:
    """The map that a meaning of `parse_labels` is, None for raw codes; else RequestError."""
    if dataset.dtype(array).kind == "f":
        raise RequestError(f"{array} is {dataset.dtype(array)}; label codes are whole numbers")
    if meaning is None or isinstance(meaning, LabelMap):
        return meaning
    policies = dataset.layout.label_maps.get(array, {})
    if not isinstance(meaning, str) or meaning not in policies:
        there = ", ".join(map(repr, policies)) or "no policy"
        raise RequestError(
            f"{array} under {meaning!r}; there is {there}: or give a LabelMap, a mapping of codes "
            "to classes, or None for codes as stored"
        )
    return policies[meaning]


def label_request(
    dataset: Collection, name: str, label_map: LabelMap | None, by_name: bool, io: str
) -> LabelRequest:
    """A label, as warnings want to know of it."""
    files = dict(zip(dataset.splits, dataset.sources(name, io), strict=True))
    return LabelRequest(name, label_map, by_name, files)
