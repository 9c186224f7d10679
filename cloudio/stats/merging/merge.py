"""`cloudio.stats.merge`: the result of one pass, from the results of its parts."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from ..._utils.text import listed
from ...errors import RequestError
from ..agreement_stats import Agreement
from ..band_stats import BandStats
from ..class_stats import ClassStats
from ..counts.floats import LowerHalves
from ..result import Result, ResultSet
from .agreements import merge_agreements
from .bands import merge_bands, merge_lower_halves
from .classes import merge_classes

R = TypeVar("R", bound=Result)


def merge(results: Iterable[R]) -> R:
    """Return the result of one pass over all patches, from the results of parts of a data set.

    Parameters
    ----------
    results : sequence of BandStats, ClassStats, Agreement, ResultSet or LowerHalves
        Results of one class, of parts that share no patch: each of ``ds.subset(...)`` of one data
        set, with the same other arguments.  Merged results merge again.

    Returns
    -------
    BandStats, ClassStats, Agreement, ResultSet or LowerHalves
        Equal to the result of one pass over these patches in ascending order, bit for bit.  The
        order of ``results`` changes nothing.  Percentiles of bands of floats are NaN, and these
        bands are in ``pending``: they need a second round, see `BandStats.second_round`.

    Raises
    ------
    RequestError
        If there is no result, if they count other things or a patch twice, or if an earlier version
        of cloudio saved one of them.

    Notes
    -----
    Gaps are no error: ``of.missing`` of the result has the patches that are not counted.
    """
    if isinstance(results, (Result, str)) or not isinstance(results, Iterable):
        raise RequestError(f"results={results!r}; merge takes a list of results")
    given: list[Any] = list(results)
    if not given:
        raise RequestError("there is no result to merge; give the results of parts of a data set")
    for each in given:
        if type(each) is not type(given[0]) or type(each) not in _MERGERS:
            names = " and ".join(dict.fromkeys(type(one).__name__ for one in (given[0], each)))
            raise RequestError(
                f"the results are of type {names}; merge takes results of cloudio.stats, all of "
                f"one type{_hint(each)}"
            )
    return cast(R, _MERGERS[type(given[0])](given))


def _hint(result: object) -> str:
    is_path = isinstance(result, (str, os.PathLike))
    return "; cloudio.stats.load reads one from a file" if is_path else ""


def _merge_sets(sets: Sequence[ResultSet[Any]]) -> ResultSet[Any]:
    for other in sets:
        if [*other] != [*sets[0]]:
            raise RequestError(
                f"the results have parts {listed(sets[0])} and {listed(other)}; merge takes "
                "results of the same arguments"
            )
    return ResultSet({name: merge([each[name] for each in sets]) for name in sets[0]})


_MERGERS: dict[type[Result], Callable[[Any], Result]] = {
    BandStats: merge_bands,
    ClassStats: merge_classes,
    Agreement: merge_agreements,
    LowerHalves: merge_lower_halves,
    ResultSet: _merge_sets,
}
