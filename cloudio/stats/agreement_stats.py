"""`Agreement`: the confusion matrix of a label and a reference, and the rates that follow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from .._utils.json_files import refuse
from .._utils.numbers import in_default_floats
from .._utils.tensors import frozen, ratio
from .._utils.text import escape_controls, listed
from ..errors import RequestError
from ..layouts.cloudsen12 import CLASSES, COMPARED
from ..layouts.labels import LabelMap
from .provenance import Provenance
from .result import Result, Table, format_rate
from .serialize import (
    int_from_plain,
    int_or_none_from_plain,
    ints_from_plain,
    label_map_from_plain,
    text_from_plain,
    texts_from_plain,
)

# Its numbers of pixels that are not in the matrix.
_IGNORED = ("ignored", "ignored_by_reference", "ignored_by_source")


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """The confusion matrix of one label and a reference label, and the rates computed from it.

    `cloudio.stats.agreement` returns it.  ``print`` shows the matrix and the rates as tables.

    Attributes
    ----------
    source : str
        The array of the label that is compared.
    reference : str
        The array of the label that it is compared with.
    source_map, reference_map : LabelMap
        The map from stored codes to classes of each label.
    names : tuple of str
        The name of each class.
    predictable : tuple of bool
        For each class, whether the source's map can produce it.
    matrix : ndarray of int64, (reference class, source class)
        Pixels of the valid window: rows are the reference's classes, columns the source's.
        Read-only.
    per_patch : ndarray of int64, (patch, reference class, source class), or None
        The matrix of each patch; None unless ``per_patch=True`` was given.  Read-only.
    ignored : int
        Pixels that either map ignores.  They are not in ``matrix``.
    ignored_by_reference, ignored_by_source : int
        Pixels that each map ignores.
    of : Provenance
        The patches, arrays and window that were counted.
    ignore : int or None
        The class that means "ignored" in the maps, which `cloudio.stats.merge` compares.  None if
        the result was saved by a version that did not write it.

    Notes
    -----
    A rate whose denominator is 0 is NaN.
    """

    file_keys: ClassVar[Mapping[str, str]] = {"predictable": "says"}

    source: str
    reference: str
    source_map: LabelMap
    reference_map: LabelMap
    names: tuple[str, ...]
    predictable: tuple[bool, ...]
    matrix: np.ndarray
    per_patch: np.ndarray | None
    ignored: int
    ignored_by_reference: int
    ignored_by_source: int
    of: Provenance
    ignore: int | None = field(default=None, compare=False)

    @property
    def says(self) -> tuple[bool, ...]:
        """The first name of `predictable`, kept for old code."""
        return self.predictable

    @property
    def producers_accuracy(self) -> np.ndarray:
        """The producer's accuracy (recall) of each class, (class,) float64.

        It is the share of the reference's pixels of a class that have this class in the source.
        """
        return ratio(self.matrix.diagonal(), self.matrix.sum(axis=1))

    @property
    def users_accuracy(self) -> np.ndarray:
        """The user's accuracy (precision) of each class, (class,) float64.

        It is the share of the source's pixels of a class that have this class in the reference.
        """
        return ratio(self.matrix.diagonal(), self.matrix.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """The F1 score of each class, (class,) float64."""
        return ratio(2 * self.matrix.diagonal(), self.matrix.sum(axis=0) + self.matrix.sum(axis=1))

    @property
    def iou(self) -> np.ndarray:
        """The intersection over union (Jaccard index) of each class, (class,) float64."""
        both = self.matrix.diagonal()
        return ratio(both, self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - both)

    @property
    def overall_accuracy(self) -> float:
        """The share of the pixels of ``matrix`` that have the same class in both labels."""
        return float(ratio(self.matrix.trace(), self.matrix.sum()))

    @property
    def balanced_accuracy(self) -> float:
        """The mean producer's accuracy of the classes that occur in the reference."""
        return float(_balanced_accuracy(self.matrix[None])[0])

    @property
    def balanced_per_patch(self) -> np.ndarray:
        """The balanced accuracy of each patch, (patch,) float64.

        It is NaN if all pixels of a patch are ignored.  Without ``per_patch=True`` it raises
        RequestError.
        """
        if self.per_patch is None:
            raise RequestError(
                "this agreement has no counts per patch; agreement(..., per_patch=True) has"
            )
        return _balanced_accuracy(self.per_patch)

    @property
    @in_default_floats
    def kappa(self) -> float:
        """Cohen's kappa: the agreement beyond what the shares of the classes give by chance.

        It is NaN if both labels have one and the same class in all pixels.
        """
        total = self.matrix.sum()
        rows, columns = ratio(self.matrix.sum(axis=1), total), ratio(self.matrix.sum(axis=0), total)
        chance = float(rows @ columns)
        return (self.overall_accuracy - chance) / (1 - chance) if chance != 1 else math.nan

    def merged(self, groups: Mapping[str, Sequence[int]]) -> "Agreement":
        """Return the agreement after classes are merged into groups.

        Parameters
        ----------
        groups : mapping of str to sequence of int
            The name of each new class, and the numbers of the classes that become it.  Every class
            must be in exactly one group.

        Returns
        -------
        Agreement
            With the new classes in ``names``, ``predictable``, ``matrix`` and ``per_patch``.

        Raises
        ------
        RequestError
            If a class is in no group or in several.
        """
        members = [int(number) for numbers in groups.values() for number in numbers]
        if sorted(members) != list(range(len(self.names))):
            raise RequestError(
                f"the groups have classes {members}; each of 0..{len(self.names) - 1} must be in "
                "exactly one group"
            )
        merge = np.zeros((len(groups), len(self.names)), np.int64)
        for k, numbers in enumerate(groups.values()):
            merge[k, list(numbers)] = 1
        per_patch = self.per_patch
        return replace(
            self,
            names=tuple(groups),
            predictable=tuple(bool(n) for n in merge @ np.array(self.predictable, np.int64)),
            matrix=frozen(merge @ self.matrix @ merge.T),
            per_patch=None if per_patch is None else frozen(merge @ per_patch @ merge.T),
        )

    def binary(self, positive: int | Sequence[int], name: str | None = None) -> "Agreement":
        """Return the agreement of two classes: some classes together (1) against all others (0).

        Parameters
        ----------
        positive : int or sequence of int
            The classes that become class 1.
        name : str, optional
            The name of class 1.  By default the names of ``positive``, joined with " + ".

        Returns
        -------
        Agreement
            Class 0 is named "other".

        Raises
        ------
        RequestError
            If ``positive`` holds a number that is no class, or holds one twice.

        Notes
        -----
        With the four classes of CloudSEN12, ``binary((1, 2))`` compares cloud, thick or thin, with
        everything else, and ``binary((3,))`` cloud shadow.
        """
        if isinstance(positive, int):
            positive = (positive,)
        rest = [k for k in range(len(self.names)) if k not in positive]
        if name is None:
            name = " + ".join(self.names[k] for k in positive if 0 <= k < len(self.names))
        return self.merged({"other": rest, name: positive})

    def tables(self) -> list[Table | str]:
        matrix = [("", *self.names, "pixels")]
        for name, row in zip(self.names, self.matrix, strict=True):
            matrix.append((name, *(f"{n:,}" for n in row), f"{row.sum():,}"))
        columns = self.producers_accuracy, self.users_accuracy, self.f1, self.iou
        rates: list[Sequence[str]] = [("class", "producer's", "user's", "F1", "IoU")]
        for k, name in enumerate(self.names):
            rates.append((name, *(format_rate(column[k]) for column in columns)))
        source, reference = map(escape_controls, (self.source, self.reference))
        return [
            f"{source} (columns) against {reference} (rows) of {self.of}",
            (matrix, range(1, len(matrix[0]))),
            (rates, range(1, 5)),
            "\n".join(self._summary()),
        ]

    def _summary(self) -> list[str]:
        overall, balanced, kappa = map(
            format_rate, (self.overall_accuracy, self.balanced_accuracy, self.kappa)
        )
        lines = [
            f"overall {overall}, balanced {balanced}, "
            f"kappa {kappa}; {self.ignored:,} pixels are ignored "
            f"({self.ignored_by_reference:,} by the reference, {self.ignored_by_source:,} by the "
            "source)"
        ]
        pairs = zip(self.names, self.predictable, strict=True)
        if missing := [name for name, predictable in pairs if not predictable]:
            text = f"{escape_controls(self.source)} has no {listed(missing)}"
            lines.append(f"{text}: merge classes until both have all")
        return lines

    @classmethod
    def side_by_side(cls, results: Sequence[Any]) -> list[Table | str]:
        """Return the parts of ``str()`` for several agreements: one table, a row for each source.

        Parameters
        ----------
        results : sequence of Agreement
            Agreements with the same reference.

        Returns
        -------
        list of Table or str
            A heading, the table and its legend.  A cell is "-" if the source's map cannot produce
            the classes.
        """
        groups = COMPARED if all(one.names == CLASSES for one in results) else {}
        rows = [("source", *(f"{name} {rate}" for name in groups for rate in ("PA", "UA", "BOA")))]
        rows[0] += ("all BOA", "kappa", "ignored")
        for one in results:
            cells = [one.source]
            for name, positive in groups.items():
                two = one.binary(positive, name)
                rates = two.producers_accuracy[1], two.users_accuracy[1], two.balanced_accuracy
                cells += [format_rate(rate) if all(two.predictable) else "-" for rate in rates]
            for rate in (one.balanced_accuracy, one.kappa):
                cells.append(format_rate(rate) if all(one.predictable) else "-")
            rows.append((*cells, f"{one.ignored:,}"))
        first = results[0]
        legend = (
            "PA producer's, UA user's accuracy; BOA the mean of the producer's accuracies\n"
            "-: the source's map has no such class, or there is no pixel to divide by"
        )
        head = f"against {escape_controls(first.reference)} of {first.of}"
        return [head, (rows, range(1, len(rows[0]))), legend]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "Agreement":
        names, per_patch = texts_from_plain(entries["names"]), entries["per_patch"]
        n = len(names)
        maps = (label_map_from_plain(entries[key]) for key in ("source_map", "reference_map"))
        source_map, reference_map = maps
        if source_map is None or reference_map is None:
            raise ValueError("it has no map")
        of = Provenance.from_plain(entries["of"])
        matrix = ints_from_plain(entries["matrix"], (n, n))
        each = None if per_patch is None else ints_from_plain(per_patch, (len(per_patch), n, n))
        if each is not None:
            refuse(len(each) != sum(of.splits.values()), "counts of another number of patches")
            refuse(not np.array_equal(each.sum(axis=0), matrix), "another matrix than its patches")
        return cls(
            text_from_plain(entries["source"]),
            text_from_plain(entries["reference"]),
            source_map,
            reference_map,
            names,
            tuple(bool(one) for _, one in zip(names, entries["says"], strict=True)),
            matrix,
            each,
            of=of,
            ignore=int_or_none_from_plain(entries.get("ignore")),
            **{key: int_from_plain(entries[key]) for key in _IGNORED},
        )


@in_default_floats
def _balanced_accuracy(matrices: np.ndarray) -> np.ndarray:
    """Return (matrix,): the mean of the producer's accuracies that are not NaN."""
    rates = ratio(matrices.diagonal(axis1=1, axis2=2), matrices.sum(axis=2))
    known = ~np.isnan(rates)
    return ratio(np.where(known, rates, 0).sum(axis=1), known.sum(axis=1))
