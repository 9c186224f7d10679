"""What results must have in common to be merged."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._utils.text import shown
from ...errors import RequestError
from ...layouts.labels import LabelMap
from ..provenance import Provenance, check_arrays, of_all
from ..result import Result
from ..serialize import to_plain


def check_alike(results: Sequence[Result], *fields: str) -> None:
    """Raise RequestError unless these fields of all results are equal."""
    for field in fields:
        is_alike = _comparison(getattr(results[0], field))
        for other in results[1:]:
            if not is_alike(getattr(other, field)):
                one, two = (shown(getattr(each, field)) for each in (results[0], other))
                raise RequestError(
                    f"the results have {field} {one} and {two}; merge takes results of the same "
                    "arguments"
                )


def _comparison(first: Any) -> Callable[[Any], bool]:
    """Return a function that says whether another value is equal; NaN equals NaN."""
    if isinstance(first, LabelMap):  # of up to 65,536 codes, in any order
        return lambda other: bool(first == other)
    text = str(to_plain(first))
    return lambda other: str(to_plain(other)) == text


def common_ignore(results: Sequence[Any]) -> int | None:
    """Return the class that means "ignored" in all results; RequestError if it differs.

    That of results which an earlier version saved is not known, and not compared.
    """
    known = dict.fromkeys(each.ignore for each in results if each.ignore is not None)
    if len(known) > 1:
        one, other, *_ = known
        raise RequestError(
            f"the results have ignore {one} and {other}; merge takes results of the same arguments"
        )
    return next(iter(known), None)


def check_rows(results: Sequence[Result], tables: Sequence[np.ndarray]) -> None:
    """Raise RequestError unless a table of each result has a row for each patch."""
    for result, table in zip(results, tables, strict=True):
        n = sum(result.of.splits.values())
        if len(table) != n:
            raise RequestError(
                f"a result has counts of {len(table):,} patches, and says that it counts {n:,}; "
                "count its patches again"
            )


def merge_provenance(results: Sequence[Result]) -> tuple[Provenance, np.ndarray]:
    """Return the provenance of all patches in ascending order, and where each patch is.

    The positions are those of the patches if the results follow each other.
    """
    first, *others = parts = [result.of for result in results]
    for what in ("layout", "patch", "window", "arrays"):
        one = getattr(first, what)
        if other := [two for part in others if (two := getattr(part, what)) != one]:
            raise RequestError(
                f"the results have {what} {shown(one)} and {shown(other[0])}; merge takes results "
                "of one layout, window and choice of arrays"
            )
    check_arrays(first, others)
    covers = [part.covers for part in parts if part.covers is not None]
    if len(covers) < len(parts):
        raise RequestError(
            "a result does not say which patches it counts, because an earlier version of cloudio "
            "saved it; count its patches again to merge it"
        )
    merged, order = covers[0].merged(covers[1:])
    return of_all(parts, merged), order
