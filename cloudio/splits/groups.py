"""Groups of patches that must stay together, each with a digest of its content."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..reading.dataset import Dataset
from ..storage.metadata.conditions import column_text

_ROWS = 4096  # rows that are held as text at a time


class Group(NamedTuple):
    """Patches that stay together.

    ``counts`` are pairs of a stratum and its number of patches.  ``digest`` follows from the seed
    and from what the group contains, not from row numbers.
    """

    size: int
    counts: list[tuple[int, int]]
    digest: bytes


def connect(ds: Dataset, columns: Iterable[list[str]]) -> list[int]:
    """Return the group of each patch, numbered by first occurrence.

    Equal fields of a column connect patches; empty ones do not.  A patch that a subset has twice is
    in one group.
    """
    n_patches = len(ds)
    keys: list[list[Any]] = list(columns)
    if ds.is_subset:
        keys.append((ds.stored_index(np.arange(n_patches)) + 1).tolist())
    parent = list(range(n_patches))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    for fields in keys:
        first: dict[Any, int] = {}
        for k, field in enumerate(fields):
            if field:
                a, b = root(first.setdefault(field, k)), root(k)
                parent[max(a, b)] = min(a, b)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(k), len(numbers)) for k in range(n_patches)]


def describe(
    ds: Dataset,
    group_of: list[int],
    columns: Mapping[str, list[str]],
    values: list[str],
    seed: int,
) -> list[Group]:
    """Return the groups by number; ``values`` are the values of the patches to stratify by."""
    n_groups = max(group_of) + 1
    content: list[list[list[str]] | None] = [None] * n_groups
    for name, fields in columns.items():
        for g, field in set(zip(group_of, fields, strict=True)):
            if field:
                content[g] = [*(content[g] or ()), [name, field]]
    sizes = Counter(group_of)
    counts = _count_values(group_of, values)
    stratum = {value: v for v, value in enumerate(sorted(set(values)))}
    rows = _whole_rows(ds, group_of, content)
    n_equal: Counter[bytes] = Counter()
    groups = []
    for g in range(n_groups):
        of_value = sorted(counts[g].items()) if counts else [(values[0], sizes[g])]
        text = json.dumps([sorted(content[g] or next(rows)), sizes[g], of_value])
        # A digest is kept instead of the text, which is long where it is a row.
        same = hashlib.blake2b(text.encode(), digest_size=16).digest()
        digest = keyed_digest(f"{n_equal[same]} {text}".encode(), seed)
        n_equal[same] += 1
        groups.append(Group(sizes[g], sorted((stratum[v], n) for v, n in of_value), digest))
    return groups


def _count_values(group_of: list[int], values: list[str]) -> list[Counter[str]]:
    """Return how often each value occurs in each group; nothing if there is but one value."""
    if len(set(values)) == 1:
        return []
    counts: list[Counter[str]] = [Counter() for _ in range(max(group_of) + 1)]
    for g, value in zip(group_of, values, strict=True):
        counts[g][value] += 1
    return counts


def _whole_rows(
    ds: Dataset, group_of: list[int], content: Sequence[object]
) -> Iterator[list[list[str]]]:
    """Yield the row of each group without a value in any group column, which has one patch."""
    first: dict[int, int] = {}
    for k, g in enumerate(group_of):
        if content[g] is None:
            first.setdefault(g, k)
    if not first:
        return
    rows, metadata = np.array(list(first.values()), np.int64), ds.metadata
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        columns = [column_text(column[some]) for column in metadata.values()]
        for k in range(len(some)):
            yield [[name, column[k]] for name, column in zip(metadata, columns, strict=True)]


def keyed_digest(content: bytes, key: int) -> bytes:
    """Return 8 bytes that depend on ``content`` and ``key`` only."""
    return hashlib.blake2b(content, digest_size=8, key=key.to_bytes(8, "little")).digest()
