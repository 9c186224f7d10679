"""Checks of checksums: patches that occur more than once, and arrays that are copies."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from ..._utils.text import counted, format_ranges
from ..report import Finding, make_finding

#: Split -> array -> (patch,): checksums; 0 for patches of one value, which are not compared.
Checksums = Mapping[str, Mapping[str, np.ndarray]]
#: A patch: its split, and its number there.
Place = tuple[str, int]

# Groups of equal patches with a finding of their own; one finding has the rest of a split.
MOST_GROUPS = 1000
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit of a checksum is lost


def check_duplicates(
    checksums: Checksums,
    files: Mapping[tuple[str, str], str],
    rows: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Finding]:
    """Report patches and arrays with the same bytes as another.

    Patches of one split are compared in all of its arrays, patches of several splits in the arrays
    that these splits share.  ``files``: (split, array) -> the file's name in findings.  ``rows``:
    the numbers of the patches in their split, of splits of which only some are checked.
    """
    rows = rows or {}
    checksums = {split: arrays for split, arrays in checksums.items() if arrays}
    for split, arrays in checksums.items():
        yield from _check_copies(split, arrays, files, rows.get(split))
    reported: dict[Place, set[int]] = {}
    n_reported = 0
    more: dict[str, list[int]] = {}
    # The more splits, the fewer arrays they share: patches that agree in more of them come first.
    for splits in _splits_to_compare(checksums):
        names = sorted(set.intersection(*(set(checksums[split]) for split in splits)))
        compared = {split: checksums[split] for split in splits}
        for places in _equal_patches(compared, names, rows):
            in_one_split = len({split for split, _ in places}) == 1
            if in_one_split != (len(splits) == 1) or _are_reported(places, reported):
                continue
            for place in places:
                reported.setdefault(place, set()).add(n_reported)
            n_reported += 1
            if n_reported <= MOST_GROUPS:
                yield _duplicate(places, names)
            else:
                first = places[0][0]
                more.setdefault(first, []).extend(patch for s, patch in places if s == first)
    for split, patches in more.items():
        message = f"more of these: {counted(len(patches), 'patch')} that occur again"
        yield make_finding("duplicate", split, "", sorted(patches), message)


def _duplicate(places: Sequence[Place], names: Sequence[str]) -> Finding:
    patches: dict[str, list[int]] = {}
    for split, patch in places:
        patches.setdefault(split, []).append(patch)
    where = "; ".join(f"{split} {format_ranges(numbers)}" for split, numbers in patches.items())
    bands = f"all {len(names)} bands" if len(names) > 1 else names[0]
    first = places[0][0]
    message = f"the same in {bands}: {where}"
    return make_finding("duplicate", first, "", patches[first], message)


def _splits_to_compare(checksums: Checksums) -> list[tuple[str, ...]]:
    """Return the splits to compare: all together, pairs that share more arrays, and each split."""
    if not checksums:
        return []
    shared = set.intersection(*map(set, checksums.values()))
    pairs = [
        (one, two)
        for one, two in combinations(checksums, 2)
        if set(checksums[one]) & set(checksums[two]) != shared
    ]
    together = [tuple(checksums)] if len(checksums) > 1 else []
    return together + pairs + [(split,) for split in checksums]


def _equal_patches(
    checksums: Checksums, names: Sequence[str], rows: Mapping[str, np.ndarray]
) -> Iterator[list[Place]]:
    """Yield patches that are the same in all arrays of these names."""
    places: dict[bytes, list[Place]] = {}
    mixed = {split: _mix([arrays[name] for name in names]) for split, arrays in checksums.items()}
    # Of a million patches few are alike: only these are compared as a whole.
    numbers, n_times = np.unique(np.concatenate(list(mixed.values())), return_counts=True)
    repeated = numbers[(n_times > 1) & (numbers != 0)]
    for split, arrays in checksums.items():
        for patch in np.flatnonzero(np.isin(mixed[split], repeated)).tolist():
            key = np.array([arrays[name][patch] for name in names])
            if key.any():
                number = int(rows[split][patch]) if split in rows else patch
                places.setdefault(key.tobytes(), []).append((split, number))
    return (equal for equal in places.values() if len(equal) > 1)


def _mix(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return a number for each patch, the same for the same checksums; 0 if all of them are 0."""
    mixed = np.zeros_like(columns[0]) if columns else np.zeros(0, np.uint64)
    for column in columns:
        mixed *= _FACTOR  # modulo 2**64
        mixed += column
    return mixed


def _are_reported(places: Sequence[Place], reported: Mapping[Place, set[int]]) -> bool:
    """Return whether one finding has all these places."""
    return bool(set.intersection(*(reported.get(place, set()) for place in places)))


def _check_copies(
    split: str,
    arrays: Mapping[str, np.ndarray],
    files: Mapping[tuple[str, str], str],
    rows: np.ndarray | None,
) -> Iterator[Finding]:
    """Report arrays of a split that have the same bytes in every patch."""
    first_with: dict[bytes, str] = {}
    for name, checksums in arrays.items():
        if not checksums.any():
            continue
        first = first_with.setdefault(checksums.tobytes(), name)
        if first != name:
            message = f"the same as {files[split, first]}"
            patches = range(len(checksums)) if rows is None else rows
            yield make_finding("copied", split, files[split, name], patches, message)
