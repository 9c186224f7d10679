"""Agreements of parts, merged."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..._utils.tensors import frozen
from ...errors import RequestError
from ..agreement_stats import Agreement
from .alike import check_alike, check_rows, common_ignore, merge_provenance

_SUMS = ("ignored", "ignored_by_reference", "ignored_by_source")


def merge_agreements(results: Sequence[Agreement]) -> Agreement:
    """Return the agreement of all patches."""
    of, order = merge_provenance(results)
    check_alike(
        results, "source", "reference", "source_map", "reference_map", "names", "predictable"
    )
    each = [result.per_patch for result in results if result.per_patch is not None]
    if each and len(each) < len(results):
        raise RequestError(
            "some of the results have matrices per patch and others have none; merge takes "
            "results of the same per_patch="
        )
    if each:
        check_rows(results, each)
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in results) for name in _SUMS}
    return replace(
        results[0],
        matrix=frozen(sum((each.matrix for each in results), np.zeros_like(results[0].matrix))),
        per_patch=frozen(np.concatenate(each)[order]) if each else None,
        of=of,
        ignore=common_ignore(results),
        **sums,
    )
