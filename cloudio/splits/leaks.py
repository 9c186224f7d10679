"""Values of metadata that several splits of a data set share."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..reading.dataset import Dataset
from .arguments import text_columns


class Shared(NamedTuple):
    """A value that occurs in several splits: split name -> patches, as that split counts them."""

    column: str
    value: str
    patches: dict[str, np.ndarray]


def shared(ds: Dataset, columns: str | Sequence[str] = ("roi_id", "s2_id")) -> list[Shared]:
    """Return the values of these columns that occur in more than one split of a data set.

    They are ordered by column, then by value.  Patches are numbered as `Dataset.split` does.
    Empty fields are no values, and spaces around a value do not count.
    """
    found = []
    for column, fields in text_columns(ds, columns).items():
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
