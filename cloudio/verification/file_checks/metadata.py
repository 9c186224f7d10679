"""Checks of metadata.csv: whether it exists, its columns, its index, and what splits share."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ...storage.discovery import Split
from ...storage.errors import FileProblem
from ..report import Finding, make_finding

# Columns of places and of satellite scenes, and the check of each.
_LEAK_CHECKS = {"roi_id": "shared-roi", "s2_id": "shared-scene"}


def check_metadata(splits: Sequence[Split], problems: Sequence[FileProblem]) -> Iterator[Finding]:
    reported = {problem.split for problem in problems if problem.kind in ("metadata", "rows")}
    with_metadata = [split for split in splits if split.metadata]
    columns = {column for split in with_metadata for column in split.metadata}
    for split in splits:
        file = split.csv.name
        if not split.metadata and with_metadata and split.name not in reported:
            others = ", ".join(other.name for other in with_metadata)
            yield make_finding("no-metadata", split.name, file, (), f"only {others} have it")
        if split.metadata and (lacking := sorted(columns.difference(split.metadata))):
            yield make_finding("columns", split.name, file, (), f"it lacks {', '.join(lacking)}")
        index = split.metadata.get("index", [])
        repeated = {number for number, n in Counter(index).items() if n > 1}
        if rows := [row for row, number in enumerate(index) if number in repeated]:
            shown = f"{', '.join(sorted(repeated)[:3])}{' ...' if len(repeated) > 3 else ''}"
            message = f"index {shown} occurs more than once"
            yield make_finding("index", split.name, file, rows, message)
    for column, check in _LEAK_CHECKS.items():
        yield from _check_leaks(with_metadata, column, check)


def _check_leaks(splits: Sequence[Split], column: str, check: str) -> Iterator[Finding]:
    """Report values of a column that several splits have; empty fields are no values."""
    rows_of_value: dict[str, dict[str, list[int]]] = {}
    for split in splits:
        for row, value in enumerate(split.metadata.get(column, [])):
            if value.strip():
                by_split = rows_of_value.setdefault(value.strip(), {})
                by_split.setdefault(split.name, []).append(row)
    shared = {value: by_split for value, by_split in rows_of_value.items() if len(by_split) > 1}
    for split in splits:
        own = [value for value, by_split in shared.items() if split.name in by_split]
        if not own:
            continue
        rows = sorted(row for value in own for row in shared[value][split.name])
        others = {name for value in own for name in shared[value]} - {split.name}
        also = ", ".join(other.name for other in splits if other.name in others)
        first = ", ".join(own[:2]) + (f" and {len(own) - 2:,} more" if len(own) > 2 else "")
        message = f"{len(own):,} {column} also in {also}: {first}"
        yield make_finding(check, split.name, split.csv.name, rows, message)
