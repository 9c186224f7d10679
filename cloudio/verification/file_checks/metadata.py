"""Checks of metadata.csv: whether it exists, its columns, its index, and what splits share."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ..._utils.text import listed
from ...storage.discovery import Split
from ...storage.errors import FileProblem
from ..report import Finding, make_finding

# Columns of places and of satellite scenes, and the check of each.
_LEAK_CHECKS = {"roi_id": "shared-roi", "s2_id": "shared-scene"}


def check_metadata(splits: Sequence[Split], problems: Sequence[FileProblem]) -> Iterator[Finding]:
    reported = {problem.split for problem in problems if problem.kind in ("metadata", "rows")}
    names = {split.name: split.metadata.names for split in splits if split.metadata}
    columns = {column for own in names.values() for column in own}
    for split in splits:
        file = split.csv.name
        if split.name not in names:
            if names and split.name not in reported:
                message = f"only {listed(names)} have it"
                yield make_finding("no-metadata", split.name, file, (), message)
            continue
        if lacking := sorted(columns.difference(names[split.name])):
            yield make_finding("columns", split.name, file, (), f"it lacks {listed(lacking)}")
        yield from _check_index(split)
    for column, check in _LEAK_CHECKS.items():
        yield from _check_leaks([split for split in splits if split.metadata], column, check)


def _check_index(split: Split) -> Iterator[Finding]:
    """Report values of the column ``index`` that occur more than once."""
    index = _read_column(split, "index")
    repeated = {number for number, n in Counter(index).items() if n > 1}
    if rows := [row for row, number in enumerate(index) if number in repeated]:
        shown = f"{', '.join(sorted(repeated)[:3])}{' ...' if len(repeated) > 3 else ''}"
        message = f"index {shown} occurs more than once"
        yield make_finding("index", split.name, split.csv.name, rows, message)


def _read_column(split: Split, name: str) -> list[str]:
    """Return a column of a split as it is written; nothing if there is no such column."""
    return split.metadata.read([name]).get(name, []) if split.metadata else []


def _check_leaks(splits: Sequence[Split], column: str, check: str) -> Iterator[Finding]:
    """Report values of a column that several splits have; empty fields are no values."""
    if len(splits) < 2:
        return
    fields = {
        split.name: [field.strip() for field in _read_column(split, column)] for split in splits
    }
    values = {name: dict.fromkeys(filter(None, own)) for name, own in fields.items()}
    n_splits = Counter(value for own in values.values() for value in own)
    for split in splits:
        shared = {value for value in values[split.name] if n_splits[value] > 1}
        if not shared:
            continue
        # In the order in which values occur first, in any split.
        own = [value for value in n_splits if value in shared]
        rows = [row for row, value in enumerate(fields[split.name]) if value in shared]
        also = listed(
            other
            for other in values
            if other != split.name and not shared.isdisjoint(values[other])
        )
        first = ", ".join(own[:2]) + (f" and {len(own) - 2:,} more" if len(own) > 2 else "")
        message = f"{len(own):,} {column} also in {also}: {first}"
        yield make_finding(check, split.name, split.csv.name, rows, message)
