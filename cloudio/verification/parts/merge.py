"""`cloudio.merge_reports`: the report of one pass, from the reports of parts."""

import os
from collections.abc import Iterable
from typing import Any

from ..._utils.numbers import in_default_floats
from ...errors import RequestError
from ..part_counts import merge_counts
from ..report import Report
from .verify_part import report_of_counts


@in_default_floats
def merge_reports(reports: Iterable[Report]) -> Report:
    """Return the report of one pass over all patches, from the reports of parts.

    Parameters
    ----------
    reports : sequence of Report
        Reports of ``cloudio.verify(path, index=...)`` or ``cloudio.verify(ds.subset(...))``, of
        parts that share no patch.  Merged reports merge again.

    Returns
    -------
    Report
        The report of one pass over these patches; the order of ``reports`` changes nothing.
        ``seconds`` and ``n_bytes`` are sums.

    Raises
    ------
    RequestError
        If there is no report, if reports have a patch twice or are of different data sets or
        layouts, if one has no counts of a part, or if the data set has other patches or another
        layout now.
    LayoutError, OSError
        If the data set cannot be opened.

    Notes
    -----
    The data set must be where it was: checks of files run again, and checks of the distribution of
    bytes and of padding read some 30 patches of each array.  Pixels are not counted again.  So it
    is faster to merge all reports at once than one after another.

    Files must not change before reports are merged.  Eight patches of each array are compared with
    their checksums; an array that differs gets the finding ``read``, to be verified again.

    Gaps are no error: ``missing`` of the result has the patches that were not checked.
    """
    given: list[Any] = [reports]
    if isinstance(reports, Iterable) and not isinstance(reports, str):
        given = list(reports)
    if not given:
        raise RequestError("there is no report to merge; give the reports of parts")
    counts = []
    for each in given:
        if not isinstance(each, Report):
            raise RequestError(
                f"a report is of type {type(each).__name__}; merge_reports takes what "
                f"cloudio.verify returns{_hint(each)}"
            )
        if each.counts is None:
            raise RequestError(
                "a report is of a whole data set, or of files only; merge_reports takes those of "
                "cloudio.verify(path, index=...)"
            )
        counts.append(each.counts)
    return report_of_counts(merge_counts(counts))


def _hint(report: object) -> str:
    is_path = isinstance(report, (str, os.PathLike))
    return "; cloudio.Report.load reads one from a file" if is_path else ""
