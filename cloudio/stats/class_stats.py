"""`ClassStats`: pixels of each class of a label, and weights for a loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._utils.arrays import ratio
from .._utils.numbers import is_number
from .._utils.text import percent
from ..errors import RequestError
from ..layouts.labels import LabelMap
from .provenance import Provenance
from .result import Result, Table, format_number
from .serialize import ints_from_plain, label_map_from_plain

#: The formulas of `ClassStats.weights`.
WEIGHTS = ("balanced", "inverse", "median", "effective")


@dataclass(frozen=True, eq=False, repr=False)
class ClassStats(Result):
    """Pixels of each class of a label: ``per_patch`` is (patch, class), ``counts`` their sum.

    ``classes`` are 0, 1, ... under a map.  Without one (``label_map`` None) they are the codes that
    occur.  ``ignored_per_patch`` is (patch,): the pixels that the map ignores.
    """

    label: str
    label_map: LabelMap | None
    classes: np.ndarray
    names: tuple[str, ...]
    per_patch: np.ndarray
    ignored_per_patch: np.ndarray
    of: Provenance

    @property
    def counts(self) -> np.ndarray:
        """(class,): pixels."""
        return np.asarray(self.per_patch.sum(axis=0))

    @property
    def ignored(self) -> int:
        return int(self.ignored_per_patch.sum())

    @property
    def share(self) -> np.ndarray:
        """(class,): of the pixels that are not ignored; NaN where all are."""
        return ratio(self.counts, self.counts.sum())

    @property
    def share_per_patch(self) -> np.ndarray:
        """(patch, class): `share` of each patch."""
        return ratio(self.per_patch, self.per_patch.sum(axis=1, keepdims=True))

    @property
    def images(self) -> np.ndarray:
        """(class,): patches that have at least one pixel of it."""
        return np.asarray(np.count_nonzero(self.per_patch, axis=0))

    @property
    def dominant(self) -> np.ndarray:
        """(patch,): the class with most pixels, the first of equals; -1 where all are ignored.

        Splits can be stratified by it.
        """
        if not len(self.classes):
            return np.full(len(self.per_patch), -1)
        most = self.classes[self.per_patch.argmax(axis=1)]
        return np.where(self.per_patch.any(axis=1), most, -1)

    def weights(self, how: str = "balanced", *, beta: float | None = None) -> np.ndarray:
        """(class,): a weight for each class of a loss, by one of the usual formulas.

        With n pixels in all, c of a class and k classes that occur:

        - ``"balanced"``: n / (k c), scikit-learn's ``class_weight``;
        - ``"inverse"``: n / c, inverse frequency;
        - ``"median"``: median frequency balancing (Eigen and Fergus 2015), m / f, where f is c
          over the pixels of the patches that have the class, and m the median of all f;
        - ``"effective"``: effective number of samples (Cui et al. 2019), (1 - beta) / (1 - beta^c),
          scaled so that the sum is k.  ``beta`` must be given: neighboring pixels are much alike,
          and below 1 - 1 / c all classes weigh the same.

        A class that does not occur weighs 0, and is not among the k.  It has no pixel to weigh in
        these patches.  Where it has one in others, an infinite weight would make the loss infinite.
        """
        if how not in WEIGHTS:
            raise RequestError(f"weights {how!r}; {', '.join(map(repr, WEIGHTS))} are known")
        if (how == "effective") != (beta is not None):
            raise RequestError(f"beta={beta!r} with weights {how!r}; 'effective' alone needs it")
        occurs = self.counts > 0
        counts = self.counts[occurs].astype(np.float64)
        if how == "effective":
            of_occurring = _effective_weights(counts, beta)
        elif how == "median":
            totals = self.per_patch.sum(axis=1)
            frequency = counts / ((self.per_patch[:, occurs] > 0) * totals[:, None]).sum(axis=0)
            of_occurring = (np.median(frequency) if len(frequency) else np.nan) / frequency
        else:
            of_occurring = counts.sum() / (counts * (len(counts) if how == "balanced" else 1))
        weights = np.zeros(len(occurs))
        weights[occurs] = of_occurring
        return weights

    def tables(self) -> list[Table | str]:
        balanced, median, share = self.weights("balanced"), self.weights("median"), self.share
        rows = [("class", "", "pixels", "share", "patches", "balanced", "median")]
        for k, name in enumerate(self.names):
            number, pixels, patches = self.classes[k], self.counts[k], self.images[k]
            rows.append(
                (
                    f"{number}",
                    "" if name == f"{number}" else name,
                    f"{pixels:,}",
                    percent(share[k]),
                    f"{patches:,}",
                    format_number(balanced[k]),
                    format_number(median[k]),
                )
            )
        patches = np.count_nonzero(self.ignored_per_patch)
        rows.append(("ignored", "", f"{self.ignored:,}", "", f"{patches:,}", "", ""))
        return [f"{self.label} of {self.of}", (rows, range(2, 7))]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "ClassStats":
        ignored = ints_from_plain(entries["ignored_per_patch"])
        return cls(
            entries["label"],
            label_map_from_plain(entries["label_map"]),
            ints_from_plain(entries["classes"]),
            tuple(entries["names"]),
            ints_from_plain(entries["per_patch"], (len(ignored), len(entries["classes"]))),
            ignored,
            Provenance.from_plain(entries["of"]),
        )


def _effective_weights(counts: np.ndarray, beta: Any) -> np.ndarray:
    if not is_number(beta) or not 0 <= beta < 1:
        raise RequestError(f"beta={beta!r}; a number from 0 on and below 1 is needed")
    # 1 - beta^c, without the digits that 1 takes away; 0^c is 0.
    inverse = -np.expm1(counts * math.log(beta)) if beta else np.ones(len(counts))
    weights: np.ndarray = (1 - beta) / inverse
    return weights * (len(weights) / weights.sum()) if len(weights) else weights
