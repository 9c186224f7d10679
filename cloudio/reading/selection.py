"""Which arrays a request names: the bands to read, and the labels with their maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._utils.text import listed, suggest
from ..errors import RequestError
from ..layouts.labels import LabelMap
from .collection import Collection

#: What users name: bands, and labels with or without rules.
Bands = str | Sequence[str]
Rule = str | LabelMap | Mapping[int, int | None] | None
Labels = str | Sequence[str] | Mapping[str, Rule]

# The rule of a label that is given by its name only: the first policy that its layout has for it.
_DEFAULT: Any = object()

# ---- bands ---------------------------------------------------------------------------------------


def select_bands(dataset: Collection, bands: Any) -> tuple[str, ...]:
    """Return the arrays that ``bands`` names: a preset, a name, or a sequence of these.

    None is the first preset of the layout of which any band exists, else all bands.
    """
    if bands is None:
        bands = _default_bands(dataset)
    names = [bands] if isinstance(bands, str) else bands
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise RequestError(
            f"bands={bands!r}; bands must be a preset, a name, or a sequence of names"
        )
    if not names:
        raise RequestError("bands is empty; give at least one band")
    selected: list[str] = []
    for name in names:
        choices = dataset.layout.presets.get(name)
        selected += [_band(dataset, name)] if choices is None else _preset(dataset, name, choices)
    return tuple(selected)


def _band(dataset: Collection, name: str) -> str:
    try:
        return dataset.find(name)
    except RequestError as error:
        layout = dataset.layout
        known = [*dataset.names, *(band.name for band in layout.bands)]
        is_unknown = str(error).startswith("there is no array")
        if not layout.presets or layout.matches(name, known) or not is_unknown:
            raise
        raise RequestError(
            f"there is no band or preset {name!r}; presets are {listed(layout.presets)}; "
            f"{str(error).partition('; ')[2]}"
        ) from None


def _default_bands(dataset: Collection) -> Sequence[str]:
    present = set(dataset.names)
    for name, choices in dataset.layout.presets.items():
        # Not the next preset where one band is missing: that would be other data, unasked for.
        if any(band in present for choice in choices for band in choice):
            try:
                return _preset(dataset, name, choices)
            except RequestError as error:
                complete = complete_preset(dataset)
                other = f"the preset {complete!r}, which is complete, or " if complete else ""
                raise RequestError(
                    f"no bands are given, and {error}; give {other}names of bands"
                ) from None
    return all_bands(dataset)


def all_bands(dataset: Collection) -> list[str]:
    """Return the bands of a data set, without its labels; RequestError if it has none."""
    bands = [name for name in dataset.names if dataset.band(name).kind == "band"]
    if not bands:
        found = f"it has only labels: {listed(dataset.names)}"
        if not dataset.names:
            splits = listed(dataset.splits)
            found = f"its splits ({splits}) have no array in common; ds.split(name) has its own"
        raise RequestError(f"{dataset.path} has no bands; {found}")
    return bands


def complete_preset(dataset: Collection) -> str | None:
    """Return the first preset of the layout whose bands all exist, if any."""
    present = set(dataset.names)
    for name, choices in dataset.layout.presets.items():
        if any(present.issuperset(choice) for choice in choices):
            return name
    return None


def _preset(dataset: Collection, name: str, choices: Sequence[Sequence[str]]) -> Sequence[str]:
    present = set(dataset.names)
    for choice in choices:
        if present.issuperset(choice):
            return choice
    missing = [band for band in choices[0] if band not in present]
    raise RequestError(
        f"preset {name!r} needs {listed(missing)}; {dataset.path} has {listed(dataset.names)}"
    )


# ---- labels --------------------------------------------------------------------------------------


def default_label(dataset: Collection) -> str:
    """Return the first label with a map; RequestError if there is none."""
    for name in dataset.layout.label_maps:
        if name in dataset.names:
            return name
    labels = [name for name in dataset.names if dataset.band(name).kind == "label"]
    found = f"it has the labels {listed(labels)}" if labels else "it has no labels"
    raise RequestError(
        f"no label of {dataset.path} has a map, and none was named; {found}: name one, or give a "
        "map, such as {'mask': None} for codes as stored"
    )


@dataclass(frozen=True, slots=True)
class LabelSelection:
    """The labels of a request, by array.

    ``rules``: a policy's name, a `LabelMap`, or None for codes as stored.  ``label_maps``: the maps
    of these rules.  ``by_name``: the caller gave names without rules.
    """

    rules: Mapping[str, str | LabelMap | None]
    label_maps: Mapping[str, LabelMap | None]
    by_name: bool

    @property
    def policies(self) -> dict[str, str | None]:
        """The policy of each label; None if it follows none."""
        return {name: rule if isinstance(rule, str) else None for name, rule in self.rules.items()}


def select_labels(dataset: Collection, labels: Any) -> LabelSelection:
    """Return the labels that ``labels`` names: a name, names, or a mapping of names to rules."""
    if labels is None:
        return LabelSelection({}, {}, by_name=False)
    rules = _parse_labels(dataset, labels)
    label_maps = {name: _label_map(dataset, name, rule) for name, rule in rules.items()}
    return LabelSelection(rules, label_maps, by_name=not isinstance(labels, Mapping))


def _parse_labels(dataset: Collection, labels: Any) -> dict[str, Any]:
    """Return the rule of each array; one that is no LabelMap or None should name a policy."""
    if isinstance(labels, str):
        named = [(labels, _DEFAULT)]
    elif isinstance(labels, Mapping):
        named = list(labels.items())
    elif isinstance(labels, Sequence) and all(isinstance(name, str) for name in labels):
        named = [(name, _DEFAULT) for name in labels]
    else:
        raise RequestError(
            f"labels={labels!r}; labels must be a name, a sequence of names, or a mapping of names"
        )
    if not named:
        raise RequestError("labels is empty; give at least one label, or None for no labels")
    rules: dict[str, Any] = {}
    for name, rule in named:
        if name in dataset.layout.presets:
            raise RequestError(f"labels={labels!r}; {name} is a preset of bands, not a label")
        array = dataset.find(name)
        if array in rules:
            raise RequestError(f"labels={labels!r} names {array} twice")
        if rule is _DEFAULT:
            rule = next(iter(dataset.layout.label_maps.get(array, {})), _DEFAULT)
        rules[array] = LabelMap(rule) if isinstance(rule, Mapping) else rule
    return rules


def _label_map(dataset: Collection, array: str, rule: Any) -> LabelMap | None:
    if dataset.dtype(array).kind == "f":
        raise RequestError(
            f"{array} is stored as {dataset.dtype(array)}; a label must hold whole numbers"
        )
    if rule is None or isinstance(rule, LabelMap):
        return rule
    policies = dataset.layout.label_maps.get(array, {})
    if not policies:
        raise RequestError(_no_label_map(dataset, array, rule))
    if not isinstance(rule, str) or rule not in policies:
        raise RequestError(
            f"{array} has no policy {rule!r}; its policies: {listed(map(repr, policies))}. Give "
            "one of them, a LabelMap, a mapping of codes to classes, or None for codes as stored"
            f"{suggest(rule, policies)}"
        )
    return policies[rule]


def _no_label_map(dataset: Collection, array: str, rule: Any) -> str:
    """Return what to do with a label that the layout has no map for."""
    layout = dataset.layout
    where = layout.name if layout.file is None else layout.file.path
    text = f"{array} has no label map in {where}"
    if rule is not _DEFAULT:
        text = f"{array} has no policy {rule!r}: it has no label map in {where}"
    if dataset.band(array).kind == "band":
        text += ', where it is a band, not a label: write kind = "label" for it, if it is one'
    return (
        f"{text}. Give {{{array!r}: None}} for codes as stored, or {{{array!r}: {{0: 0, 1: 1}}}} "
        f"for classes; or write [label_maps.{array}.NAME] with classes = {{ 0 = 0, 1 = 1 }} into a "
        "layout file"
    )
