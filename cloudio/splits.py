"""Splits without leaks: which patches belong together, and which split each such group goes to.

No random generator and no float decides: hashes order the groups and draw their splits, and what a
split still lacks is counted in whole numbers, so that the answer is the same everywhere.
"""

import hashlib
import json
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ._utils.numbers import is_whole
from .errors import CloudioWarning, RequestError
from .reading.dataset import Dataset
from .storage.metadata import column_text, find_column

# How often all groups are drawn anew, at most, and how many draws that may come to: a second or
# two of Python, or one pass where there are more groups.
_TRIES = 64
_DRAWS = 200_000
# Bits behind the point of the weights that a draw is made by.
_BITS = 32


# ---- what comes back -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """What a split was to have of all patches, and what it has."""

    asked: float
    got: float
    n_patches: int
    n_groups: int


class Splits(Mapping[str, np.ndarray]):
    """Split name -> the positions of its patches: int64, ascending, read-only.

    ``shares``: what each split was to have, and has.  ``n_groups``: how many groups of patches were
    kept whole; ``largest``: the patches of the largest.  ``strata``: where there was something to
    stratify by, value -> split name -> number of patches.  Printed, a table.
    """

    def __init__(
        self,
        index: Mapping[str, np.ndarray],
        shares: Mapping[str, Share],
        largest: int,
        strata: Mapping[str, Mapping[str, int]],
    ) -> None:
        self._index = dict(index)
        for positions in self._index.values():
            positions.setflags(write=False)
        self.shares = dict(shares)
        self.largest = largest
        self.strata = {value: dict(counts) for value, counts in strata.items()}

    @property
    def n_groups(self) -> int:
        return sum(share.n_groups for share in self.shares.values())

    def __getitem__(self, name: str) -> np.ndarray:
        return self._index[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        """Whether other is a mapping of the same names to the same positions."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(positions, other[name]) for name, positions in self.items()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Splits, (self._index, self.shares, self.largest, self.strata)

    def __repr__(self) -> str:
        wide = max(5, *map(len, self))
        lines = [f"{'split':{wide}}    asked      got  patches   groups"]
        lines += (
            f"{name:{wide}}  {share.asked:7.4f}  {share.got:7.4f}  {share.n_patches:7,}  "
            f"{share.n_groups:7,}"
            for name, share in self.shares.items()
        )
        n_patches = sum(share.n_patches for share in self.shares.values())
        lines.append(
            f"{n_patches:,} patches in {self.n_groups:,} groups, the largest of {self.largest:,}"
        )
        if self.strata:
            off, value, name = self._furthest()
            lines.append(
                f"{len(self.strata):,} values; the share of one in a split is off by {off:.4f} at "
                f"most ({value or 'empty'} in {name})"
            )
        return "\n".join(lines)

    def _furthest(self) -> tuple[float, str, str]:
        """How far a value's share of a split is from its share of all, where that is most."""
        n_patches = {name: share.n_patches for name, share in self.shares.items()}
        return max(
            (abs(count / n_patches[name] - sum(counts.values()) / sum(n_patches.values())), v, name)
            for v, counts in self.strata.items()
            for name, count in counts.items()
            if n_patches[name]
        )


class Shared(NamedTuple):
    """A value that occurs in several splits: split name -> patches, as that split counts them."""

    column: str
    value: str
    patches: dict[str, np.ndarray]


# ---- splitting -----------------------------------------------------------------------------------


def make_splits(
    ds: Dataset,
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    group: str | Sequence[str] | None = ("roi_id", "s2_id"),
    stratify: Any = None,
) -> Splits:
    """Cut a data set into splits of these shares, which sum to 1, and keep groups of patches whole.

    Patches with an equal value in any column of ``group`` stay together, and so do those that are
    connected through others; empty fields connect nothing, a patch that ``ds`` has twice is with
    itself.  None: every patch on its own.  ``stratify``: a column, or an array with a value per
    patch, of which every split shall have about the same shares.

    The number of patches of a split differs from what was asked by less than those of the largest
    group; how far, the result says.  No bound is promised for the shares of strata.  A split that
    gets no patch is empty, with a warning.

    The same seed gives the same splits on every machine, and under any order of rows: who goes
    where follows from the content of ``group``, and of patches without such a value from their
    whole row.  Equal rows are told apart by their order alone, and so is everything where there is
    no metadata.
    """
    if not isinstance(ds, Dataset):
        raise RequestError(f"{ds!r} is no data set; cloudio.open(path) makes one")
    parts = _parts(shares)
    if not is_whole(seed) or not 0 <= seed < 2**64:
        raise RequestError(f"seed={seed!r}; a whole number from 0 to 2**64 - 1 is needed")
    if not len(ds):
        raise RequestError("there are no patches to split")
    columns, strata = _columns(ds, group), _strata(ds, stratify)
    member = _components(ds, columns.values())
    groups = _groups(ds, member, columns, strata, int(seed))
    chosen = _placed(groups, parts)
    splits = _reported(shares, member, groups, chosen, strata if stratify is not None else [])
    for name, share in splits.shares.items():
        if not share.n_patches:
            warnings.warn(
                f"{name} gets no patch; it was to have {share.asked:g} of {len(ds)}, and these are "
                f"{splits.n_groups} groups of up to {splits.largest}",
                CloudioWarning,
                stacklevel=2,
            )
    return splits


def _reported(
    shares: Mapping[str, float],
    member: Sequence[int],
    groups: Sequence["_Group"],
    chosen: Sequence[str],
    strata: Sequence[str],
) -> Splits:
    """What became of the groups, and so of the patches."""
    of_patch = [chosen[g] for g in member]
    places = np.array(of_patch)
    index = {name: np.flatnonzero(places == name).astype(np.int64) for name in shares}
    held = Counter(chosen)
    report = {
        name: Share(float(shares[name]), len(which) / len(member), len(which), held[name])
        for name, which in index.items()
    }
    counts = Counter(zip(strata, of_patch, strict=False))
    by_value = {v: {name: counts[v, name] for name in shares} for v in sorted(set(strata))}
    return Splits(index, report, max(g.size for g in groups), by_value)


def shared(ds: Dataset, columns: str | Sequence[str] = ("roi_id", "s2_id")) -> list[Shared]:
    """The values of these columns that occur in more than one split of a data set.

    By column, then by value; patches are numbered as `Dataset.split` does.  Empty fields are no
    values, and spaces around a value do not count.
    """
    found = []
    for column, fields in _columns(ds, columns).items():
        places: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for split, positions in ds.splits.items():
            for number, position in enumerate(positions):
                places[fields[position]][split].append(number)
        found += [
            Shared(column, value, {name: np.array(which) for name, which in splits.items()})
            for value, splits in sorted(places.items())
            if value and len(splits) > 1
        ]
    return found


# ---- what is asked for ---------------------------------------------------------------------------


def _parts(shares: Any) -> dict[str, Fraction]:
    """Shares as fractions of what they are written as, which sum to exactly 1, ordered by name."""
    if not isinstance(shares, Mapping) or not shares:
        raise RequestError(f"shares={shares!r}; a share for each split is needed: {{'train': 0.8}}")
    for name, share in shares.items():
        if not isinstance(name, str) or not name:
            raise RequestError(f"no split can be called {name!r}; a name is needed")
        number = isinstance(share, (int, float, np.integer, np.floating))
        if not number or isinstance(share, (bool, np.timedelta64)) or not 0 < share < 1e18:
            raise RequestError(f"shares[{name!r}] = {share!r}; a number above 0 is needed")
    written = {name: Fraction(repr(float(shares[name]))) for name in sorted(shares)}
    total = sum(written.values(), Fraction(0))
    if abs(total - 1) > Fraction(1, 10**6):
        raise RequestError(f"the shares sum to {float(total):.10g}; 1 is needed")
    return {name: share / total for name, share in written.items()}


def _columns(ds: Dataset, names: Any) -> dict[str, list[str]]:
    """The fields of these columns, as text."""
    if isinstance(names, str):
        names = (names,)
    if names is not None and not isinstance(names, (list, tuple, set, frozenset)):
        raise RequestError(f"{names!r} names no columns; a name is needed, names, or None")
    return {name: column_text(find_column(ds.metadata, name, ds.path)) for name in names or ()}


def _strata(ds: Dataset, stratify: Any) -> list[str]:
    """The value of each patch; the same for all where nothing is to be stratified."""
    if stratify is None:
        return [""] * len(ds)
    if isinstance(stratify, str):
        return column_text(find_column(ds.metadata, stratify, ds.path))
    try:
        values = np.asarray(stratify)
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"stratify is no array of values: {error}") from None
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat):
        values = values.astype(str)  # of pandas
    if values.shape != (len(ds),) or values.dtype.kind not in "biufUM":
        raise RequestError(
            f"stratify is {values.shape} {values.dtype}; a column is needed, or an array with "
            f"a number, a date or a text for each of {len(ds)} patches"
        )
    return column_text(values)


# ---- groups --------------------------------------------------------------------------------------


class _Group(NamedTuple):
    """Patches that stay together: how many, how many of each stratum, and what they are called."""

    size: int
    counts: list[tuple[int, int]]
    digest: bytes


def _components(ds: Dataset, columns: Iterable[list[str]]) -> list[int]:
    """The group of each patch, numbered by first occurrence."""
    n_patches = len(ds)
    links: list[list[Any]] = list(columns)
    if ds.is_subset:
        links.append((ds.stored_index(np.arange(n_patches)) + 1).tolist())
    parent = list(range(n_patches))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    for fields in links:
        first: dict[Any, int] = {}
        for k, field in enumerate(fields):
            if field:
                a, b = root(first.setdefault(field, k)), root(k)
                parent[max(a, b)] = min(a, b)
    number: dict[int, int] = {}
    return [number.setdefault(root(k), len(number)) for k in range(n_patches)]


def _groups(
    ds: Dataset, member: list[int], columns: Mapping[str, list[str]], strata: list[str], seed: int
) -> list[_Group]:
    """What each group holds, and a digest of its content that does not depend on row numbers."""
    n_groups = max(member) + 1
    names: list[list[list[str]]] = [[] for _ in range(n_groups)]
    for name, fields in columns.items():
        for g, field in set(zip(member, fields, strict=True)):
            if field:
                names[g].append([name, field])
    _name_by_row(ds, member, names)
    sizes = Counter(member)
    counts: list[Counter[str]] = [Counter() for _ in range(n_groups)]
    for g, value in zip(member, strata, strict=True):
        counts[g][value] += 1
    stratum = {value: v for v, value in enumerate(sorted(set(strata)))}
    twins: Counter[str] = Counter()
    groups = []
    for g in range(n_groups):
        content = json.dumps([sorted(names[g]), sizes[g], sorted(counts[g].items())])
        digest = _digest(f"{twins[content]} {content}".encode(), seed)
        twins[content] += 1
        parts = sorted((stratum[value], n) for value, n in counts[g].items())
        groups.append(_Group(sizes[g], parts, digest))
    return groups


def _name_by_row(ds: Dataset, member: list[int], names: list[list[list[str]]]) -> None:
    """Name the groups without a value in any group column, of one patch each, by its whole row."""
    first: dict[int, int] = {}
    for k, g in enumerate(member):
        if not names[g]:
            first.setdefault(g, k)
    rows = np.array(list(first.values()), np.int64)
    for name, column in ds.metadata.items():
        for g, field in zip(first, column_text(column[rows]), strict=True):
            names[g].append([name, field])


def _digest(content: bytes, key: int) -> bytes:
    return hashlib.blake2b(content, digest_size=8, key=key.to_bytes(8, "little")).digest()


# ---- where they go -------------------------------------------------------------------------------


def _placed(groups: Sequence[_Group], parts: Mapping[str, Fraction]) -> list[str]:
    """The split of each group: of several draws the one that comes closest to what is asked."""
    unit = math.lcm(*(part.denominator for part in parts.values()))
    weights = [int(part * unit) for part in parts.values()]
    # The large ones first, while there is room for them; the small ones then fill what is left.
    order = sorted(range(len(groups)), key=lambda g: (-groups[g].size, groups[g].digest))
    best: tuple[tuple[int, int], list[int]] | None = None
    for attempt in range(max(1, min(_TRIES, _DRAWS // len(groups)))):
        drawn, lacks = _drawn([groups[g] for g in order], weights, unit, attempt)
        # Less than one patch is rounding, which no draw avoids.
        over = sum(max(0, abs(sum(split)) - unit + 1) for split in lacks)
        # Of what a split is to have, as its values' shares are seen.
        rest = sum(
            sum(map(abs, split)) * unit // weight
            for split, weight in zip(lacks, weights, strict=True)
        )
        if best is None or (over, rest) < best[0]:
            best = (over, rest), drawn
        if all(abs(lack) < unit for split in lacks for lack in split) and not over:
            break
    assert best is not None
    names = list(parts)
    chosen = [""] * len(groups)
    for g, s in zip(order, best[1], strict=True):
        chosen[g] = names[s]
    return chosen


def _drawn(
    groups: Sequence[_Group], weights: Sequence[int], unit: int, attempt: int
) -> tuple[list[int], list[list[int]]]:
    """A split for each group, and what each split then lacks of each stratum, in 1/unit patches.

    A group goes to a split that has room for it, and only where none has, to the one that lacks
    most: docs/design.md proves from this that no split is off by as much as the largest group.
    """
    totals: Counter[int] = Counter()
    for g in groups:
        totals.update(dict(g.counts))
    lacks = [[weight * totals[v] for v in range(len(totals))] for weight in weights]
    room = [sum(split) for split in lacks]
    chosen = []
    for size, counts, digest in groups:
        roomy = [s for s, free in enumerate(room) if free >= size * unit]
        fitting = [s for s in roomy if all(lacks[s][v] >= n * unit for v, n in counts)]
        if fitting:
            # As many such groups as still fit, so that a patch is as likely to take any free place.
            fit = [min((lacks[s][v] << _BITS) // n for v, n in counts) for s in fitting]
            s = _draw(fitting, fit, _digest(digest, attempt))
        elif roomy:
            s = min(roomy, key=lambda s: _harm(counts, lacks[s], unit) * unit // weights[s])
        else:
            s = max(range(len(room)), key=room.__getitem__)
        room[s] -= size * unit
        for v, n in counts:
            lacks[s][v] -= n * unit
        chosen.append(s)
    return chosen, lacks


def _harm(counts: Sequence[tuple[int, int]], lacks: Sequence[int], unit: int) -> int:
    """How much the sum of squares of what a split lacks grows by such a group."""
    return sum(n * (n * unit - 2 * lacks[v]) for v, n in counts)


def _draw(splits: Sequence[int], weights: Sequence[int], digest: bytes) -> int:
    """One of these, as likely as its weight, by the number that a digest is."""
    place = int.from_bytes(digest, "little") * sum(weights) >> 8 * len(digest)
    for s, weight in zip(splits, weights, strict=True):
        if place < weight:
            return s
        place -= weight
    raise AssertionError("a place beyond the last")
