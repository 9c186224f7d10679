"""The labels of a figure, their maps, and the reader of their codes or classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._utils.warn import suppressed
from ..layouts.labels import LabelMap
from ..reading.dataset import Dataset
from ..reading.reader import Reader
from .options import FigureOptions

#: The class of ignored pixels in what the reader returns; no label map has it.
IGNORE = int(np.iinfo(np.int64).min)


class Probability(NamedTuple):
    """An array holds probabilities 0..``top``, which its layout cuts at ``threshold``."""

    threshold: int
    top: int


@dataclass(frozen=True)
class PlottedLabel:
    """One label of a figure.

    ``label_map`` reads it, and ``rule`` says so in words.  ``probability`` is None unless it is
    shown as a probability.
    """

    name: str
    rule: str
    label_map: LabelMap | None
    probability: Probability | None = None

    @property
    def title(self) -> str:
        return f"{self.name}, {self.rule}"


def open_label_reader(
    ds: Dataset, band: str, options: FigureOptions
) -> tuple[Reader, list[PlottedLabel]]:
    """Return a reader of the classes, probabilities or codes of the labels, and the labels.

    A reader reads a band too; this one reads ``band``.
    """
    labels = _choose_labels(ds, band, options.labels)
    settings: dict[str, Any] = {"scale": None, "label_dtype": "int64", "ignore": IGNORE}
    maps = {label.name: label.label_map for label in labels}
    reader = ds.reader(band, maps, **settings)
    if options.window:
        with suppressed():  # the figure shows the padding as such
            reader = ds.reader(band, maps, size=ds.layout.patch, **settings)
    return reader, labels


def _choose_labels(ds: Dataset, band: str, given: Any) -> list[PlottedLabel]:
    by_name = not isinstance(given, Mapping)
    if not by_name:
        given = {
            name: _keep_probabilities(ds, name) if label_map is None else label_map
            for name, label_map in given.items()
        }
    with suppressed():  # the title names the policy, and probabilities by name stay such
        reader = ds.reader(band, given, scale=None, label_dtype="int64")
    labels = []
    for name, label_map in reader.label_maps.items():
        kept = _keep_probabilities(ds, name)
        if kept is not None and (by_name or label_map == kept):
            labels.append(PlottedLabel(name, "probability", kept, _find_probability(ds, name)))
        elif label_map is None:
            labels.append(PlottedLabel(name, "codes", None))
        else:
            labels.append(PlottedLabel(name, reader.policies[name] or "a map given", label_map))
    return labels


def _find_probability(ds: Dataset, name: str) -> Probability | None:
    """Return the threshold of an array whose default map is one, else None."""
    default = next(iter(ds.layout.label_maps.get(ds.find(name), {}).values()), None)
    pair = None if default is None else default.as_threshold
    return None if pair is None else Probability(*pair)


def _keep_probabilities(ds: Dataset, name: str) -> LabelMap | None:
    """Return a map that keeps probabilities and ignores other codes; None for other arrays."""
    probability = _find_probability(ds, name)
    if probability is None:
        return None
    return LabelMap({code: code for code in range(probability.top + 1)})
