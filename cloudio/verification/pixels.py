"""What the counts of a pass over an array say of its pixels: bands, labels, patches that repeat."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from .._utils.text import counted, percent
from ..layouts.band import Band
from ..layouts.labels import LabelMap
from ..layouts.layout import Layout
from ..reading.scan import ArrayCounts
from .padding import Frames
from .report import Finding, finding, shortened

# A few pixels at the top of a type are glints and hot spots; a hundredth of a patch is not.
_SATURATED = 0.01
_SHOWN = 6  # codes of a label that a person is shown
_OTHERS = 254  # the class of all codes of two bytes that have none of their own


@dataclass(frozen=True)
class Subject:
    """An array of a split that is judged.  ``holes``: patches that were never written."""

    layout: Layout
    band: Band
    split: str
    file: str
    holes: frozenset[int] = frozenset()

    @property
    def n_pixels(self) -> int:
        height, width = self.layout.valid.size
        return height * width

    def found(
        self, check: str, patches: Iterable[int], message: str, advice: str = ""
    ) -> Iterator[Finding]:
        """One finding, where there are such patches."""
        numbers = tuple(patches)
        if numbers:
            yield finding(check, self.split, self.file, numbers, message, advice)


# ---- bands ---------------------------------------------------------------------------------------


def of_band(subject: Subject, counts: ArrayCounts) -> Iterator[Finding]:
    """No data, NaN, and numbers that reflectance does not have."""
    band, records, n_pixels = subject.band, counts.patches, subject.n_pixels
    some = records["data"] > 0
    none = _number(band.nodata)
    blank = ~some
    kinds = ("NaN" if records["nan"][blank].any() else "", none if records["nodata"].any() else "")
    only = " or ".join(filter(None, kinds))
    yield from subject.found("empty", np.flatnonzero(blank), f"every pixel is {only}")
    nodata = np.where(some, records["nodata"], 0)
    if not _is_among_data(counts, band.nodata):
        yield from _shares(subject, "nodata", nodata, none)
    nan = "nodata" if band.nodata is not None and band.nodata != band.nodata else "nan"
    yield from _shares(subject, nan, np.where(some, records["nan"], 0), "NaN")
    yield from _shares(subject, "infinite", records["infinite"], "infinite")
    yield from _constant(subject, records)
    if band.wavelength is not None:
        top = np.where(records["saturated"] >= _SATURATED * n_pixels, records["saturated"], 0)
        most = "" if counts.dtype.kind == "f" else str(np.iinfo(counts.dtype).max)
        yield from _shares(subject, "saturated", top, most)
        below = np.where(some & (records["minimum"] < 0), records["negative"], 0)
        least = records["minimum"][below > 0].min(initial=0)
        yield from _shares(subject, "negative", below, "below zero", f", down to {least:g}")


def _shares(
    subject: Subject, check: str, pixels: np.ndarray, what: str, more: str = ""
) -> Iterator[Finding]:
    patches = np.flatnonzero(pixels)
    if not len(patches):
        return
    shares = pixels[patches] / subject.n_pixels
    least, most = percent(shares.min()), percent(shares.max())
    between = most if least == most else f"{least} to {most}"
    yield from subject.found(check, patches, f"{what}: {between} of a patch{more}")


def _number(number: float | None) -> str:
    return "" if number is None else "NaN" if number != number else f"{number:g}"


def _is_among_data(counts: ArrayCounts, nodata: float | None) -> bool:
    """Whether whole numbers that equal the one for no data are no rarer than those next to it.

    As of an elevation of -99 m, among others of -98 and -100.
    """
    if counts.dtype.kind == "f" or nodata is None or nodata != nodata:
        return False
    n_codes = len(counts.histogram)
    near = [(int(nodata) + step) % n_codes for step in (-3, -2, -1, 1, 2, 3)]
    return bool(counts.patches["nodata"].sum() <= 4 * counts.histogram[near].mean())


def _constant(subject: Subject, records: np.ndarray) -> Iterator[Finding]:
    """Patches of one value, where that is odd: not of land cover, say, but of what is measured."""
    same = (records["minimum"] == records["maximum"]) & (2 * records["data"] >= subject.n_pixels)
    same[sorted(subject.holes)] = False
    patches = np.flatnonzero(same)
    measured = subject.band.wavelength is not None or subject.band.dtype == "float32"
    if not measured and (len(patches) < max(2, len(records)) or len(_values(records, same)) > 1):
        return
    values = _values(records, same)
    if len(values) == 1:
        message = f"every pixel is {values[0]:g}"
    else:
        message = f"constant, of {len(values):,} values such as {_first(values)}"
    yield from subject.found("constant", patches, message)


def _first(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values[:3])


def _values(records: np.ndarray, which: np.ndarray) -> np.ndarray:
    return np.unique(records["minimum"][which])


# ---- labels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Codes:
    """What the map of a label says, by the bits of its codes read as unsigned.

    The map is that of the first of the ``policies``, which readers follow by default.  ``classes``
    are the codes that it gives a class, ``unlabelled`` those that it lists without one; ``lost``
    those that the stored type cannot hold.  ``fold`` is the ``class_lut`` of
    `scan.count_array`, and ``bins`` the class in it of a code.
    """

    policies: Mapping[str, LabelMap]
    classes: frozenset[int]
    unlabelled: frozenset[int]
    lost: tuple[int, ...]
    fold: np.ndarray
    bins: Mapping[int, int]

    @property
    def first(self) -> LabelMap | None:
        return next(iter(self.policies.values()), None)

    def bin(self, code: int) -> int:
        return self.bins.get(code, _OTHERS)

    def advice(self, codes: Iterable[int]) -> str:
        """What each policy makes of codes that the first one does not list, and what else to do."""
        made = []
        codes, n_codes = list(codes), len(self.fold)
        for policy, label_map in self.policies.items():
            # A map may list the same bits as a negative number.
            listed = label_map.classes
            to = {label_map.of(c if c in listed else _signed(c, n_codes)) for c in codes}
            verbs = [f"makes them class {n}" for n in sorted(n for n in to if n is not None)]
            made.append(f"{policy!r} " + " or ".join([*verbs, *["ignores them"] * (None in to)]))
        return f"the policy {', '.join(made)}; or give a LabelMap that lists them"


def codes_of(policies: Mapping[str, LabelMap], dtype: np.dtype[Any]) -> Codes:
    n_codes = 256**dtype.itemsize
    first = next(iter(policies.values()), LabelMap({}))
    lost = first.beyond(dtype)
    held = {code % n_codes: to for code, to in first.classes.items() if code not in lost}
    classes = frozenset(code for code, to in held.items() if to is not None)
    if n_codes == 256:
        bins = {code: code for code in range(256)}
    else:  # the small ones, those that are listed as far as there is room, and -1
        small = list(range(_OTHERS - 101))
        others = [code for code in sorted(held) if code not in small and code != n_codes - 1][:100]
        bins = {code: k for k, code in enumerate(small + others)} | {n_codes - 1: 255}
    fold = np.full(n_codes, _OTHERS, np.uint8)
    fold[list(bins)] = list(bins.values())
    return Codes(policies, classes, frozenset(held) - classes, tuple(lost), fold, bins)


def _signed(code: int, n_codes: int) -> int:
    return code - n_codes if code >= n_codes // 2 else code


def of_label(
    subject: Subject, counts: ArrayCounts, codes: Codes, around: Frames
) -> Iterator[Finding]:
    """Labels that are placeholders, codes outside their map, pixels that nobody has labelled.

    Padding where the layout has pixels is told of the frame, and not once more of the codes.
    """
    assert counts.class_counts is not None
    present = [int(code) for code in np.flatnonzero(counts.histogram)]
    everywhere = range(len(counts.patches))
    if len(present) == 1:
        yield from _placeholder(subject, counts, codes, present[0])
        return
    if counts.dtype.itemsize == 2 and any(present) and not any(code % 256 for code in present):
        yield from subject.found("byte-order", everywhere, "every code is a multiple of 256")
        return
    if codes.first is None:
        return
    if codes.first.as_threshold and set(present) <= {0, 1}:
        yield from subject.found("label-binary", everywhere, "codes 0 and 1 alone")
        return
    classless = [code for code in present if code not in codes.classes]
    bins = sorted({codes.bin(code) for code in classless})
    without = counts.class_counts[
        :, [bin for bin in bins if bin < counts.class_counts.shape[1]]
    ].sum(axis=1)
    empty = without == subject.n_pixels
    written = np.ones(len(empty), bool)
    written[sorted(subject.holes)] = False
    empty &= written
    yield from subject.found("label-empty", np.flatnonzero(empty), "no pixel has a class")
    padding = {int(value) % 256**counts.dtype.itemsize for value in around.padding}
    where = {
        code: written & ~empty & (around.constant if code in padding else True)
        for code in classless
    }
    yield from _classless(subject, counts, codes, where)


def _placeholder(
    subject: Subject, counts: ArrayCounts, codes: Codes, code: int
) -> Iterator[Finding]:
    patches = range(len(counts.patches))
    if code:
        what = f"code {_code(code, counts.dtype)} in every pixel"
        yield from subject.found("label-constant", patches, what)
        return
    cannot = f"; it could not hold its codes {', '.join(map(str, codes.lost))}" * bool(codes.lost)
    yield from subject.found("label-zeros", patches, f"code 0 in every pixel{cannot}")


def _classless(
    subject: Subject, counts: ArrayCounts, codes: Codes, where: Mapping[int, np.ndarray]
) -> Iterator[Finding]:
    """Codes without a class, of the patches ``where``: unlabelled, or listed nowhere."""
    assert counts.class_counts is not None
    for check in ("codes", "unlabelled"):
        told: list[str] = []
        outside: list[int] = []
        patches: set[int] = set()
        for code, patches_of in where.items():
            if (code in codes.unlabelled) != (check == "unlabelled"):
                continue
            of_bin = counts.class_counts[:, codes.bin(code)] * patches_of
            having = np.flatnonzero(of_bin)
            if not len(having):
                continue
            outside.append(code)
            patches.update(having.tolist())
            alone = codes.bin(code) != _OTHERS or counts.dtype.itemsize == 1
            n = int(of_bin.sum() if alone else counts.histogram[code])
            part = percent(n / (len(counts.patches) * subject.n_pixels))
            told.append(f"{_code(code, counts.dtype)}: {counted(n, 'pixel')} ({part})")
        if len(told) > _SHOWN:
            told[_SHOWN:] = [f"and {len(told) - _SHOWN} more codes"]
        advice = codes.advice(outside) if check == "codes" else ""
        yield from subject.found(check, sorted(patches), "; ".join(told), advice)


def _code(code: int, dtype: np.dtype[Any]) -> str:
    """A code as people write it; the upper ones as the negative number they also are."""
    n_codes = 256**dtype.itemsize
    if dtype.kind == "i":
        return str(_signed(code, n_codes))
    return f"{code} (-1)" if code == n_codes - 1 else str(code)


# ---- patches that repeat -------------------------------------------------------------------------


def of_repeats(
    sums: Mapping[str, Mapping[str, np.ndarray]], files: Mapping[tuple[str, str], str]
) -> Iterator[Finding]:
    """Patches, and arrays, whose bytes are those of another.

    Patches of a split are compared in all of its arrays, those of several in what these share.
    ``sums``: for each split the checksums of its arrays, patch by patch, 0 where all pixels are
    the same.  ``files``: how findings name an array of a split.
    """
    having = {split: arrays for split, arrays in sums.items() if arrays}
    for split, arrays in having.items():
        yield from _copied(split, arrays, files)
    told: dict[tuple[str, int], list[int]] = {}
    n_told = 0
    # The more splits the fewer arrays they share: who agrees in more of them is told already.
    for splits in _compared(having):
        names = sorted(set.intersection(*(set(having[split]) for split in splits)))
        for places in _agreeing({split: having[split] for split in splits}, names):
            alone = len({split for split, _ in places}) == 1
            if alone != (len(splits) == 1) or _is_told(places, told):
                continue
            for place in places:
                told.setdefault(place, []).append(n_told)
            n_told += 1
            own: dict[str, list[int]] = {}
            for split, patch in places:
                own.setdefault(split, []).append(patch)
            where = "; ".join(f"{split} {shortened(patches)}" for split, patches in own.items())
            bands = f"all {len(names)} bands" if len(names) > 1 else names[0]
            message = f"the same in {bands}: {where}"
            yield finding("duplicate", places[0][0], "", own[places[0][0]], message)


def _compared(having: Mapping[str, Mapping[str, np.ndarray]]) -> list[tuple[str, ...]]:
    """Which splits to look for the same patches in: all, two that share more than all do, each."""
    if not having:
        return []
    everywhere = set.intersection(*map(set, having.values()))
    pairs = [
        (one, two)
        for one, two in combinations(having, 2)
        if set(having[one]) & set(having[two]) != everywhere
    ]
    return [tuple(having)] * (len(having) > 1) + pairs + [(split,) for split in having]


def _agreeing(
    sums: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str]
) -> Iterator[list[tuple[str, int]]]:
    """Splits and numbers of patches that are the same in all arrays of these names."""
    places: dict[bytes, list[tuple[str, int]]] = {}
    for split, arrays in sums.items() if names else ():
        table = np.stack([arrays[name] for name in names], axis=1)
        for patch in np.flatnonzero(table.any(axis=1)):
            places.setdefault(table[patch].tobytes(), []).append((split, int(patch)))
    return (found for found in places.values() if len(found) > 1)


def _is_told(
    places: Sequence[tuple[str, int]], told: Mapping[tuple[str, int], Sequence[int]]
) -> bool:
    """Whether one finding has all these places."""
    return bool(set.intersection(*(set(told.get(place, ())) for place in places)))


def _copied(
    split: str, arrays: Mapping[str, np.ndarray], files: Mapping[tuple[str, str], str]
) -> Iterator[Finding]:
    seen: dict[bytes, str] = {}
    for name, checksums in arrays.items():
        if not checksums.any():
            continue
        first = seen.setdefault(checksums.tobytes(), name)
        if first != name:
            message = f"the same as {files[split, first]}"
            yield finding("copied", split, files[split, name], range(len(checksums)), message)
