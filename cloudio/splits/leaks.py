"""Values of metadata that several splits of a data set share."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from .arguments import text_columns


class Shared(NamedTuple):
    """A value of the metadata that occurs in several splits.

    Attributes
    ----------
    column : str
        The column of the metadata.
    value : str
        The value, as text.
    patches : dict of str to ndarray
        Split name -> int64 numbers of the patches with that value, as `Dataset.split` counts them.
    """

    column: str
    value: str
    patches: dict[str, np.ndarray]


def shared(ds: Dataset, columns: str | Sequence[str] = ("roi_id", "s2_id")) -> list[Shared]:
    """Return the values of metadata columns that occur in more than one split.

    Parameters
    ----------
    ds : Dataset
        A data set with several splits.
    columns : str or sequence of str
        Columns of the metadata.

    Returns
    -------
    list of Shared
        Ordered by column, then by value.  It is empty if no split shares a value with another.

    Raises
    ------
    RequestError
        If a column does not exist.

    Notes
    -----
    Empty fields are not values, and spaces around a value do not count.
    """
    check_dataset(ds)
    found = []
    for column, fields in text_columns(ds, columns, "give columns=...").items():
        patches: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for split, positions in ds.splits.items():
            for patch, position in enumerate(positions):
                patches[fields[position]][split].append(patch)
        found += [
            Shared(column, value, {split: np.array(numbers) for split, numbers in by_split.items()})
            for value, by_split in sorted(patches.items())
            if value and len(by_split) > 1
        ]
    return found
