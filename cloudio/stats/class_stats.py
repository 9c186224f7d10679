"""`ClassStats`: pixels of each class of a label, and weights for a loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from .._utils.json_files import refuse
from .._utils.numbers import in_default_floats, is_number
from .._utils.tensors import ratio
from .._utils.text import escape_controls, listed, percent, suggest
from .._utils.warn import warn_once
from ..errors import RequestError
from ..layouts.labels import LabelMap
from .provenance import Provenance
from .result import Result, Table, format_number
from .serialize import (
    int_or_none_from_plain,
    ints_from_plain,
    label_map_from_plain,
    text_from_plain,
    texts_from_plain,
)

Formula = Literal["balanced", "inverse", "median", "effective"]
#: The formulas of `ClassStats.weights`.
WEIGHTS: tuple[str, ...] = get_args(Formula)


@dataclass(frozen=True, eq=False, repr=False)
class ClassStats(Result):
    """The pixels of each class of a label, per patch and in all.

    `cloudio.stats.classes` returns it.  ``print`` shows it as a table.  All arrays are read-only.

    Attributes
    ----------
    label : str
        The array that was counted.
    label_map : LabelMap or None
        The map from codes to classes; None if codes were counted as stored.
    classes : ndarray of int64, (class,)
        With a map 0, 1, ...; without one the codes that occur, ascending.
    names : tuple of str
        The name of each class in ``label_map``, else its number.
    per_patch : ndarray of int64, (patch, class)
        The pixels of each class in the valid window of each patch.
    ignored_per_patch : ndarray of int64, (patch,)
        The pixels that the map ignores.
    of : Provenance
        The patches, array and window that were counted.
    ignore : int or None
        The class that means "ignored" in the map, which `cloudio.stats.merge` compares.  None
        without a map, and if the result was saved by a version that did not write it.
    """

    label: str
    label_map: LabelMap | None
    classes: np.ndarray
    names: tuple[str, ...]
    per_patch: np.ndarray
    ignored_per_patch: np.ndarray
    of: Provenance
    ignore: int | None = field(default=None, compare=False)

    @property
    def counts(self) -> np.ndarray:
        """The pixels of each class in all patches, (class,) int64."""
        return np.asarray(self.per_patch.sum(axis=0))

    @property
    def ignored(self) -> int:
        """The pixels that the map ignores, in all patches."""
        return int(self.ignored_per_patch.sum())

    @property
    def share(self) -> np.ndarray:
        """The share of each class among the pixels that are not ignored, (class,) float64.

        It is NaN if all pixels are ignored.
        """
        return ratio(self.counts, self.counts.sum())

    @property
    def share_per_patch(self) -> np.ndarray:
        """The `share` of each class in each patch, (patch, class) float64."""
        return ratio(self.per_patch, self.per_patch.sum(axis=1, keepdims=True))

    @property
    def images(self) -> np.ndarray:
        """The number of patches with at least one pixel of each class, (class,) int64."""
        return np.asarray(np.count_nonzero(self.per_patch, axis=0))

    @property
    def dominant(self) -> np.ndarray:
        """The class with the most pixels of each patch, (patch,) int64.

        Of equal counts the first class is taken.  It is -1 if all pixels of a patch are ignored.
        `cloudio.make_splits` takes the array as ``stratify``.
        """
        if not len(self.classes):
            return np.full(len(self.per_patch), -1)
        most = self.classes[self.per_patch.argmax(axis=1)]
        return np.where(self.per_patch.any(axis=1), most, -1)

    @in_default_floats
    def weights(self, how: Formula = "balanced", *, beta: float | None = None) -> np.ndarray:
        """Return a weight for each class, for the loss of a training.

        Parameters
        ----------
        how : {"balanced", "inverse", "median", "effective"}
            The formula; see Notes.
        beta : float, optional
            The parameter of ``"effective"``, from 0 to below 1: required there, refused elsewhere.

        Returns
        -------
        ndarray of float32, (class,)
            A new array, for ``torch.nn.CrossEntropyLoss(weight=torch.as_tensor(weights),
            ignore_index=255)``; 255 is the default ``ignore`` of a reader.  It has a weight for
            each class 0, 1, ... that the map gives; that of a class that does not occur is 0.

        Raises
        ------
        RequestError
            If ``how`` is unknown, or ``beta`` is missing, out of range or not used by the formula.

        Notes
        -----
        With n pixels in all, c pixels of a class and k classes that occur, the weight is

        - ``"balanced"``: n / (k c), as scikit-learn's ``class_weight``;
        - ``"inverse"``: n / c, the inverse frequency;
        - ``"median"``: m / f, median frequency balancing (Eigen and Fergus 2015).  f is c divided
          by the pixels of the patches that have the class, and m is the median of all f;
        - ``"effective"``: (1 - beta) / (1 - beta^c), the effective number of samples (Cui et al.
          2019), scaled so that the weights sum to k.  ``beta`` has no default: neighboring pixels
          are alike, and with beta below 1 - 1 / c all classes get about the same weight.

        A class that does not occur is not counted in k.  Its weight is 0 and not infinite, because
        an infinite weight makes the loss infinite where other patches have a pixel of the class.

        A warning says if codes were counted as stored and are not 0, 1, ...: the weights are then
        those of ``classes``, which a loss does not know.
        """
        if self.label_map is None and self.classes.tolist() != [*range(len(self.classes))]:
            warn_once(
                ("weights", self.label, *self.classes.tolist()),
                f"{self.label} was counted as stored: weights[k] belongs to the code classes[k] "
                f"({listed(self.classes.tolist())}), not to class k of a loss; count it with a map",
            )
        return self._weights(how, beta).astype(np.float32)

    def _weights(self, how: str, beta: float | None = None) -> np.ndarray:
        """Return the weights in float64."""
        if not isinstance(how, str) or how not in WEIGHTS:
            raise RequestError(
                f"how={how!r}; how must be one of {listed(map(repr, WEIGHTS))}"
                f"{suggest(how, WEIGHTS)}"
            )
        if (how == "effective") != (beta is not None):
            raise RequestError(
                f"beta={beta!r} with how={how!r}; 'effective' needs beta, the others take none"
            )
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
        balanced, median, share = self._weights("balanced"), self._weights("median"), self.share
        counts, images = self.counts, self.images
        rows = [("class", "", "pixels", "share", "patches", "balanced", "median")]
        for k, name in enumerate(self.names):
            number, pixels, patches = self.classes[k], counts[k], images[k]
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
        return [f"{escape_controls(self.label)} of {self.of}", (rows, range(2, 7))]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "ClassStats":
        ignored = ints_from_plain(entries["ignored_per_patch"], (-1,))
        names = texts_from_plain(entries["names"])
        classes = ints_from_plain(entries["classes"], (len(names),))
        refuse(bool((classes[1:] <= classes[:-1]).any()), "classes in no order")
        of = Provenance.from_plain(entries["of"])
        refuse(len(ignored) != sum(of.splits.values()), "counts of another number of patches")
        return cls(
            text_from_plain(entries["label"]),
            label_map_from_plain(entries["label_map"]),
            classes,
            names,
            ints_from_plain(entries["per_patch"], (len(ignored), len(names))),
            ignored,
            of,
            int_or_none_from_plain(entries.get("ignore")),
        )


def _effective_weights(counts: np.ndarray, beta: Any) -> np.ndarray:
    """Return the weights of the classes that occur; they sum to the number of these classes."""
    if not is_number(beta) or not 0 <= beta < 1:
        raise RequestError(f"beta={beta!r}; beta must be a number from 0 to below 1")
    # 1 - beta^c, without the rounding of beta^c near 1; 0^c is 0.
    inverse = -np.expm1(counts * math.log(beta)) if beta else np.ones(len(counts))
    weights: np.ndarray = (1 - beta) / inverse
    return weights * (len(weights) / weights.sum()) if len(weights) else weights
