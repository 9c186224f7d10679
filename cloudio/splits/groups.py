"""Groups of patches that must stay together, each with a digest of its content."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..reading.dataset import Dataset
from ..storage.metadata.conditions import column_text


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
    content: list[list[list[str]]] = [[] for _ in range(n_groups)]
    for name, fields in columns.items():
        for g, field in set(zip(group_of, fields, strict=True)):
            if field:
                content[g].append([name, field])
    _add_whole_rows(ds, group_of, content)
    sizes = Counter(group_of)
    counts: list[Counter[str]] = [Counter() for _ in range(n_groups)]
    for g, value in zip(group_of, values, strict=True):
        counts[g][value] += 1
    stratum = {value: v for v, value in enumerate(sorted(set(values)))}
    n_equal: Counter[str] = Counter()
    groups = []
    for g in range(n_groups):
        text = json.dumps([sorted(content[g]), sizes[g], sorted(counts[g].items())])
        digest = keyed_digest(f"{n_equal[text]} {text}".encode(), seed)
        n_equal[text] += 1
        by_stratum = sorted((stratum[value], n) for value, n in counts[g].items())
        groups.append(Group(sizes[g], by_stratum, digest))
    return groups


def _add_whole_rows(ds: Dataset, group_of: list[int], content: list[list[list[str]]]) -> None:
    """Describe a group without a value in any group column, which has one patch, by its row."""
    first: dict[int, int] = {}
    for k, g in enumerate(group_of):
        if not content[g]:
            first.setdefault(g, k)
    if not first:
        return
    rows = np.array(list(first.values()), np.int64)
    for name, column in ds.metadata.items():
        for g, field in zip(first, column_text(column[rows]), strict=True):
            content[g].append([name, field])


def keyed_digest(content: bytes, key: int) -> bytes:
    """Return 8 bytes that depend on ``content`` and ``key`` only."""
    return hashlib.blake2b(content, digest_size=8, key=key.to_bytes(8, "little")).digest()
