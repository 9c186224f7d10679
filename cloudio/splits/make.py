"""`make_splits`: from shares and metadata to splits that keep groups whole."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._utils.keywords import explain_unknown
from .._utils.numbers import in_default_floats
from .._utils.types import SupportsArray
from .._utils.warn import warn
from ..errors import RequestError
from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from .arguments import parse_seed, parse_shares, stratum_values, text_columns
from .assignment import assign
from .groups import Group, connect, describe
from .result import Share, Splits

_GROUP_HINT = (
    "give the columns that tell places apart, group=..., so that patches of one place stay in one "
    "split, or group=None, which splits patch by patch"
)


@in_default_floats
@explain_unknown({"by": "did you mean group?"})
def make_splits(
    ds: Dataset,
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    group: str | Sequence[str] | None = ("roi_id", "s2_id"),
    stratify: str | Sequence[Any] | SupportsArray | None = None,
) -> Splits:
    """Return splits with the given shares that keep groups of patches together.

    Parameters
    ----------
    ds : Dataset
        The patches to split.
    shares : mapping of str to float
        The share of each split, above 0; they must sum to 1.
    seed : int
        From 0 to 2**64 - 1.  Another seed gives other splits.
    group : str, sequence of str, or None
        Columns of the metadata.  Patches with an equal value in any of these columns stay in one
        split, and so do patches that are connected through others.  Empty fields connect nothing.
        None: every patch is a group of its own.
    stratify : str or array, optional
        A column of the metadata, or an array with a number, date or string for each patch.  Every
        split gets about the same share of each value.

    Returns
    -------
    Splits
        The patch numbers of each split.  ``print`` shows the shares.

    Raises
    ------
    RequestError
        If an argument is wrong, a column does not exist, or there are no patches.

    Notes
    -----
    The number of patches of a split differs from its share by less than the size of the largest
    group.  No bound is promised for the shares of ``stratify``.  A split that gets no patch is
    empty, with a warning.  A patch that ``ds`` has twice stays in one split.

    The same seed gives the same splits on every machine and in any order of the rows of
    metadata.csv.  The result follows from the columns of ``group``; patches without a value there
    are identified by their whole row.  The order of rows only matters between equal rows, and
    without metadata.
    """
    check_dataset(ds)
    exact_shares = parse_shares(shares)
    seed = parse_seed(seed)
    if not len(ds):
        raise RequestError("there are no patches to split; the data set is empty")
    columns, values = text_columns(ds, group, _GROUP_HINT), stratum_values(ds, stratify)
    group_of = connect(ds, columns.values())
    groups = describe(ds, group_of, columns, values, seed)
    assigned = assign(groups, exact_shares)
    splits = _result(shares, group_of, groups, assigned, values if stratify is not None else [])
    for name, share in splits.shares.items():
        if not share.n_patches:
            warn(
                f"{name} gets no patch, although its share is {share.asked:g} of {len(ds)}: the "
                f"patches are in {splits.n_groups} groups of up to {splits.largest}, which stay "
                "whole"
            )
    return splits


def _result(
    shares: Mapping[str, float],
    group_of: Sequence[int],
    groups: Sequence[Group],
    assigned: Sequence[str],
    values: Sequence[str],
) -> Splits:
    """Return the splits of the patches; ``assigned`` is the split of each group."""
    split_of = [assigned[g] for g in group_of]
    names = np.array(split_of)
    index = {name: np.flatnonzero(names == name).astype(np.int64) for name in shares}
    n_groups = Counter(assigned)
    by_split = {
        name: Share(float(shares[name]), len(which) / len(split_of), len(which), n_groups[name])
        for name, which in index.items()
    }
    counts = Counter(zip(values, split_of, strict=False))
    strata = {v: {name: counts[v, name] for name in shares} for v in sorted(set(values))}
    return Splits(index, by_split, max(group.size for group in groups), strata)
