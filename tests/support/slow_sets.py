"""The data set that tests read from a slow medium."""

import numpy as np
from residents import NAMES, layout_of

# 128 KiB a patch: what the system reads of one piece of advice.
SLOW = layout_of(256, 256)


def stacked(arrays, index):
    """Patches of all arrays, (patch, array, row, column)."""
    return np.stack([arrays[name][index] for name in NAMES], axis=1)


def byte_at(patch, row=0):
    """Where in a file a row of a patch begins."""
    return (patch * 256 + row) * 256 * 2
