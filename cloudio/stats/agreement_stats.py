"""`Agreement`: the confusion matrix of a label and a reference, and the rates that follow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .._utils.arrays import frozen, ratio
from ..errors import RequestError
from ..layouts.labels import CLASSES, LabelMap
from .provenance import Provenance
from .result import Result, Table, format_rate
from .serialize import ints_from_plain, label_map_from_plain

#: CloudSEN12's paper tabulates these classes of each detector, against all others.
_PAPER_CLASSES = {"cloud": (1, 2), "cloud shadow": (3,)}


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """How the classes of one label agree with those of a reference, pixel by pixel.

    ``matrix`` counts pixels: rows are the reference's classes, columns the source's.
    ``per_patch`` is (patch, reference, source), or None where it was not asked for.  Pixels that
    either map ignores are in neither.  They are counted in ``ignored``, ``ignored_by_reference``
    and ``ignored_by_source``.  ``predictable``: for each class, whether the source's map can give
    it.  A rate with nothing to divide by is NaN.
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

    @property
    def says(self) -> tuple[bool, ...]:
        """The name that `predictable` had at first."""
        return self.predictable

    @property
    def producers_accuracy(self) -> np.ndarray:
        """(class,): of the reference's pixels, the share that the source has too; recall."""
        return ratio(self.matrix.diagonal(), self.matrix.sum(axis=1))

    @property
    def users_accuracy(self) -> np.ndarray:
        """(class,): of the source's pixels, the share that the reference has too; precision."""
        return ratio(self.matrix.diagonal(), self.matrix.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        return ratio(2 * self.matrix.diagonal(), self.matrix.sum(axis=0) + self.matrix.sum(axis=1))

    @property
    def iou(self) -> np.ndarray:
        """(class,): intersection over union, the Jaccard index."""
        both = self.matrix.diagonal()
        return ratio(both, self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - both)

    @property
    def overall_accuracy(self) -> float:
        return float(ratio(self.matrix.trace(), self.matrix.sum()))

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the producer's accuracies of the classes that the reference has."""
        return float(_balanced_accuracy(self.matrix[None])[0])

    @property
    def balanced_per_patch(self) -> np.ndarray:
        """(patch,): `balanced_accuracy` of each patch; NaN where all pixels are ignored."""
        if self.per_patch is None:
            raise RequestError("patches were not counted one by one; per_patch=True does")
        return _balanced_accuracy(self.per_patch)

    @property
    def kappa(self) -> float:
        """Cohen's kappa: the agreement beyond what the shares of the classes alone would give."""
        total = self.matrix.sum()
        rows, columns = ratio(self.matrix.sum(axis=1), total), ratio(self.matrix.sum(axis=0), total)
        chance = float(rows @ columns)
        return (self.overall_accuracy - chance) / (1 - chance) if chance != 1 else math.nan

    def merged(self, groups: Mapping[str, Sequence[int]]) -> "Agreement":
        """Return the agreement of merged classes: new name -> the numbers that become one class.

        Each class must be in one group.
        """
        members = [int(number) for numbers in groups.values() for number in numbers]
        if sorted(members) != list(range(len(self.names))):
            raise RequestError(
                f"groups have classes {members}; each of 0..{len(self.names) - 1} is needed once"
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
        """Return the agreement of two classes: 1 is ``positive``, together, and 0 all others.

        ``binary((1, 2))`` is cloud against the rest, ``binary((3,))`` cloud shadow.
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
        return [
            f"{self.source} (columns) against {self.reference} (rows) of {self.of}",
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
            text = f"{self.source} has no {', '.join(missing)}"
            lines.append(f"{text}: merge classes until both have all")
        return lines

    @classmethod
    def side_by_side(cls, results: Sequence[Any]) -> list[Table | str]:
        """A row for each detector; no number where its map cannot give the classes."""
        groups = _PAPER_CLASSES if all(one.names == CLASSES for one in results) else {}
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
        head = f"against {first.reference} of {first.of}"
        return [head, (rows, range(1, len(rows[0]))), legend]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "Agreement":
        n, per_patch = len(entries["names"]), entries["per_patch"]
        fields = dict(entries) | {
            "source_map": label_map_from_plain(entries["source_map"]),
            "reference_map": label_map_from_plain(entries["reference_map"]),
            "names": tuple(entries["names"]),
            "predictable": tuple(entries["says"]),
            "matrix": ints_from_plain(entries["matrix"], (n, n)),
            "per_patch": None
            if per_patch is None
            else ints_from_plain(per_patch, (len(per_patch), n, n)),
            "of": Provenance.from_plain(entries["of"]),
        }
        del fields["kind"], fields["says"]
        return cls(**fields)


def _balanced_accuracy(matrices: np.ndarray) -> np.ndarray:
    """(matrix,): the mean of the producer's accuracies that are not NaN."""
    rates = ratio(matrices.diagonal(axis1=1, axis2=2), matrices.sum(axis=2))
    known = ~np.isnan(rates)
    return ratio(np.where(known, rates, 0).sum(axis=1), known.sum(axis=1))
