"""What is counted, as numbers to use: of bands, of classes, of two labels beside each other.

How they print and are kept is results.py's; how pixels are counted is stats.py's and scan.py's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from .._utils.numbers import is_number
from .._utils.text import percent
from ..errors import RequestError
from ..layouts.labels import CLASSES, LabelMap
from .serialize import Provenance, Result, Table, frozen, label_map, population, ratio, real, whole


class Histogram(NamedTuple):
    """How often (``counts``) each stored number (``values``, ascending) occurs among the data."""

    values: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class BandStats(Result):
    """Statistics of bands, each array (band,) in their order, in the units of ``scale``.

    Data are pixels that are neither NaN nor the band's no-data number; ``count`` says how many,
    ``n_nodata`` and ``n_nan`` how many others.  ``std`` divides by ``count``.  ``percentiles`` is
    (band, percent).  Without data all of them are NaN.  Of the stored number x they are of
    ``x * scale + offset``; ``histograms`` are of x, None for bands of floats.
    """

    names: tuple[str, ...]
    count: np.ndarray
    n_nodata: np.ndarray
    n_nan: np.ndarray
    min: np.ndarray
    max: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    percents: tuple[float, ...]
    percentiles: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    histograms: tuple[Histogram | None, ...]
    of: Provenance

    @property
    def nodata(self) -> np.ndarray:
        """The share of pixels that are no data, NaN among them; NaN where there are no pixels."""
        none = self.n_nodata + self.n_nan
        return ratio(none, none + self.count)

    def select(self, names: str | Sequence[str]) -> "BandStats":
        """The same of some bands, in that order: what a reader of just these needs."""
        names = (names,) if isinstance(names, str) else names
        if missing := [name for name in names if name not in self.names]:
            raise RequestError(f"no {', '.join(missing)}; there is {', '.join(self.names)}")
        which = [self.names.index(name) for name in names]
        taken: dict[str, Any] = {
            entry.name: frozen(getattr(self, entry.name)[which])
            for entry in fields(self)
            if isinstance(getattr(self, entry.name), np.ndarray)
        }
        arrays = {name: self.of.arrays[name] for name in names}
        return replace(
            self,
            names=tuple(names),
            histograms=tuple(self.histograms[k] for k in which),
            of=replace(self.of, arrays=arrays),
            **taken,
        )

    def tables(self) -> list[Table | str]:
        columns = self.min, self.max, self.mean, self.std
        rows: list[Sequence[str]] = [("band", "data", "no data", "min", "max", "mean", "std")]
        for k, name in enumerate(self.names):
            data, share = f"{self.count[k]:,}", percent(self.nodata[k])
            rows.append((name, data, share, *(_number(column[k]) for column in columns)))
        parts: list[Table | str] = [f"bands of {self.of}", (rows, range(1, 7))]
        if self.percents:
            head = ("band", *(f"{percent:g} %" for percent in self.percents))
            more = [
                (name, *map(_number, row))
                for name, row in zip(self.names, self.percentiles, strict=True)
            ]
            parts.append(([head, *more], range(1, len(head))))
        return parts

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "BandStats":
        n_bands, n_percents = len(given["names"]), len(given["percents"])
        columns = {name: whole(given[name]) for name in ("count", "n_nodata", "n_nan")}
        for name in ("min", "max", "mean", "std", "scale", "offset"):
            columns[name] = real(given[name])
        return cls(
            names=tuple(given["names"]),
            percents=tuple(given["percents"]),
            percentiles=real(given["percentiles"], (n_bands, n_percents)),
            histograms=tuple(
                None if counted is None else Histogram(*map(whole, counted))
                for counted in given["histograms"]
            ),
            of=population(given["of"]),
            **columns,
        )


#: The forms of `ClassStats.weights`.
WEIGHTS = ("balanced", "inverse", "median", "effective")


@dataclass(frozen=True, eq=False, repr=False)
class ClassStats(Result):
    """Pixels of each class of a label: ``per_patch`` is (patch, class), and in all ``counts``.

    ``classes`` are 0, 1, ... under a map; without one (``label_map`` None) the codes that occur.
    ``ignored_per_patch`` (patch,) are the pixels that the map ignores.
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
        """(patch, class): the same of each patch."""
        return ratio(self.per_patch, self.per_patch.sum(axis=1, keepdims=True))

    @property
    def images(self) -> np.ndarray:
        """(class,): patches that have any of it."""
        return np.asarray(np.count_nonzero(self.per_patch, axis=0))

    @property
    def dominant(self) -> np.ndarray:
        """(patch,): the class with most pixels, of equals the first; -1 where all are ignored.

        What splits can be stratified by.
        """
        if not len(self.classes):
            return np.full(len(self.per_patch), -1)
        most = self.classes[self.per_patch.argmax(axis=1)]
        return np.where(self.per_patch.any(axis=1), most, -1)

    def weights(self, how: str = "balanced", *, beta: float | None = None) -> np.ndarray:
        """(class,): a weight for each class of a loss, in one of the usual forms.

        With n pixels in all, c of a class and k classes that occur:

        - ``"balanced"``: n / (k c), scikit-learn's ``class_weight``;
        - ``"inverse"``: n / c, inverse frequency;
        - ``"median"``: median frequency balancing (Eigen and Fergus 2015), m / f, where f is c
          over the pixels of the patches that have the class, and m the median of all f;
        - ``"effective"``: effective number of samples (Cui et al. 2019), (1 - beta) / (1 - beta^c),
          times what makes the sum k.  ``beta`` must be given: neighbouring pixels are much alike,
          and below 1 - 1 / c all classes weigh the same.

        A class that does not occur weighs 0, and is not among the k: it has no pixel to weigh in
        these patches, and where it has one in others, infinity would make the loss infinite.
        """
        if how not in WEIGHTS:
            raise RequestError(f"weights {how!r}; {', '.join(map(repr, WEIGHTS))} are known")
        if (how == "effective") != (beta is not None):
            raise RequestError(f"beta={beta!r} with weights {how!r}; 'effective' alone needs it")
        there = self.counts > 0
        counts = self.counts[there].astype(np.float64)
        if how == "effective":
            found = _effective(counts, beta)
        elif how == "median":
            totals = self.per_patch.sum(axis=1)
            frequency = counts / ((self.per_patch[:, there] > 0) * totals[:, None]).sum(axis=0)
            found = (np.median(frequency) if len(frequency) else np.nan) / frequency
        else:
            found = counts.sum() / (counts * (len(counts) if how == "balanced" else 1))
        weights = np.zeros(len(there))
        weights[there] = found
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
                    _number(balanced[k]),
                    _number(median[k]),
                )
            )
        patches = np.count_nonzero(self.ignored_per_patch)
        rows.append(("ignored", "", f"{self.ignored:,}", "", f"{patches:,}", "", ""))
        return [f"{self.label} of {self.of}", (rows, range(2, 7))]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "ClassStats":
        ignored = whole(given["ignored_per_patch"])
        return cls(
            given["label"],
            label_map(given["label_map"]),
            whole(given["classes"]),
            tuple(given["names"]),
            whole(given["per_patch"], (len(ignored), len(given["classes"]))),
            ignored,
            population(given["of"]),
        )


def _effective(counts: np.ndarray, beta: Any) -> np.ndarray:
    if not is_number(beta) or not 0 <= beta < 1:
        raise RequestError(f"beta={beta!r}; a number from 0 on and below 1 is needed")
    # 1 - beta^c, without the digits that 1 takes away; 0^c is 0.
    found = (1 - beta) / (-np.expm1(counts * math.log(beta)) if beta else np.ones(len(counts)))
    weights: np.ndarray = found * (len(found) / found.sum()) if len(found) else found
    return weights


#: What CloudSEN12's paper tabulates of each detector: these classes against all others.
_VIEWS = {"cloud": (1, 2), "cloud shadow": (3,)}


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """How the classes of one label agree with those of a reference, pixel by pixel.

    ``matrix`` counts pixels, rows by the reference's class, columns by the source's; ``per_patch``
    is (patch, reference, source), or None where that was not asked for.  Pixels that either map
    ignores are in neither, and counted in ``ignored``, ``ignored_by_reference`` and
    ``ignored_by_source``.  ``says`` is which classes the source's map can give.  A rate with
    nothing to divide by is NaN.
    """

    source: str
    reference: str
    source_map: LabelMap
    reference_map: LabelMap
    names: tuple[str, ...]
    says: tuple[bool, ...]
    matrix: np.ndarray
    per_patch: np.ndarray | None
    ignored: int
    ignored_by_reference: int
    ignored_by_source: int
    of: Provenance

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
        return float(_balanced(self.matrix[None])[0])

    @property
    def balanced_per_patch(self) -> np.ndarray:
        """(patch,): the same of each patch; NaN where no pixel is left."""
        if self.per_patch is None:
            raise RequestError("patches were not counted one by one; per_patch=True does")
        return _balanced(self.per_patch)

    @property
    def kappa(self) -> float:
        """Cohen's: the agreement beyond what the shares of the classes alone would give."""
        total = self.matrix.sum()
        rows, columns = ratio(self.matrix.sum(axis=1), total), ratio(self.matrix.sum(axis=0), total)
        chance = float(rows @ columns)
        return (self.overall_accuracy - chance) / (1 - chance) if chance != 1 else math.nan

    def merged(self, groups: Mapping[str, Sequence[int]]) -> "Agreement":
        """The same with classes put together: of each name, the numbers that become one class.

        Each class must be in one group.
        """
        members = [int(number) for numbers in groups.values() for number in numbers]
        if sorted(members) != list(range(len(self.names))):
            raise RequestError(
                f"groups have classes {members}; each of 0..{len(self.names) - 1} is needed once"
            )
        fold = np.zeros((len(groups), len(self.names)), np.int64)
        for k, numbers in enumerate(groups.values()):
            fold[k, list(numbers)] = 1
        return replace(
            self,
            names=tuple(groups),
            says=tuple(bool(said) for said in fold @ np.array(self.says, np.int64)),
            matrix=frozen(fold @ self.matrix @ fold.T),
            per_patch=None if self.per_patch is None else frozen(fold @ self.per_patch @ fold.T),
        )

    def binary(self, positive: int | Sequence[int], name: str | None = None) -> "Agreement":
        """Two classes: 1 is ``positive``, together, and 0 all others.

        ``binary((1, 2))`` is cloud against the rest, ``binary((3,))`` cloud shadow.
        """
        if isinstance(positive, int):
            positive = (positive,)
        rest = [k for k in range(len(self.names)) if k not in positive]
        if name is None:
            name = " + ".join(self.names[k] for k in positive if 0 <= k < len(self.names))
        return self.merged({"other": rest, name: positive})

    def tables(self) -> list[Table | str]:
        rows = [("", *self.names, "pixels")]
        for name, row in zip(self.names, self.matrix, strict=True):
            rows.append((name, *(f"{n:,}" for n in row), f"{row.sum():,}"))
        rates = self.producers_accuracy, self.users_accuracy, self.f1, self.iou
        each: list[Sequence[str]] = [("class", "producer's", "user's", "F1", "IoU")]
        for k, name in enumerate(self.names):
            each.append((name, *(_rate(rate[k]) for rate in rates)))
        unsaid = [name for name, says in zip(self.names, self.says, strict=True) if not says]
        lines = [
            f"overall {_rate(self.overall_accuracy)}, balanced {_rate(self.balanced_accuracy)}, "
            f"kappa {_rate(self.kappa)}; {self.ignored:,} pixels are ignored "
            f"({self.ignored_by_reference:,} by the reference, {self.ignored_by_source:,} by the "
            "source)"
        ]
        if unsaid:
            lines.append(f"{self.source} has no {', '.join(unsaid)}: compare what both can say")
        return [
            f"{self.source} (columns) against {self.reference} (rows) of {self.of}",
            (rows, range(1, len(rows[0]))),
            (each, range(1, 5)),
            "\n".join(lines),
        ]

    @classmethod
    def side_by_side(cls, several: Sequence[Any]) -> list[Table | str]:
        """A row for each detector; no number where its map cannot give the classes."""
        views = _VIEWS if all(one.names == CLASSES for one in several) else {}
        rows = [("source", *(f"{view} {rate}" for view in views for rate in ("PA", "UA", "BOA")))]
        rows[0] += ("all BOA", "kappa", "ignored")
        for one in several:
            words = [one.source]
            for view, positive in views.items():
                two = one.binary(positive, view)
                rates = two.producers_accuracy[1], two.users_accuracy[1], two.balanced_accuracy
                words += [_rate(rate) if all(two.says) else "-" for rate in rates]
            for rate in (one.balanced_accuracy, one.kappa):
                words.append(_rate(rate) if all(one.says) else "-")
            rows.append((*words, f"{one.ignored:,}"))
        first = several[0]
        lines = (
            "PA producer's, UA user's accuracy; BOA the mean of the producer's accuracies\n"
            "-: the source's map has no such class, or there is no pixel to divide by"
        )
        head = f"against {first.reference} of {first.of}"
        return [head, (rows, range(1, len(rows[0]))), lines]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Agreement":
        n = len(given["names"])
        settings = dict(given) | {
            "source_map": label_map(given["source_map"]),
            "reference_map": label_map(given["reference_map"]),
            "names": tuple(given["names"]),
            "says": tuple(given["says"]),
            "matrix": whole(given["matrix"], (n, n)),
            "per_patch": None
            if given["per_patch"] is None
            else whole(given["per_patch"], (len(given["per_patch"]), n, n)),
            "of": population(given["of"]),
        }
        del settings["kind"]
        return cls(**settings)


def _balanced(matrices: np.ndarray) -> np.ndarray:
    """Of each matrix, the mean of the producer's accuracies there are."""
    rates = ratio(matrices.diagonal(axis1=1, axis2=2), matrices.sum(axis=2))
    there = ~np.isnan(rates)
    return ratio(np.where(there, rates, 0).sum(axis=1), there.sum(axis=1))


def _number(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.5g}"


def _rate(rate: float) -> str:
    return "-" if math.isnan(rate) else f"{rate:.3f}"
