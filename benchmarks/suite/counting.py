"""The task of the suite "stats": what is counted over every patch, and numpy's answers.

Needs numpy alone, and Python 3.10, as task.py does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .task import ArrayFile

#: The classes of a label are 0 to 3; what is none of them counts as none.
N_CLASSES = 4
QUESTIONS = {
    "bands": "mean and deviation of each band: float64 (2, band), scaled",
    "classes": "pixels of each class in each patch: int64 (patch, class)",
    "agreement": "pixels by the classes of two labels: int64 (class of the label, of the source)",
}


@dataclass(frozen=True)
class Counting:
    """A pass over the valid window (row, column, height, width) of every patch.

    ``question`` is one of QUESTIONS: it says what an answer is.  "bands" is about ``bands``,
    "classes" about ``label``, "agreement" about ``label`` and ``source``.  Tables of labels have
    N_CLASSES where a code is no class.  Batch ``k`` is pass ``k``: all have the same answer.
    """

    path: Path
    split: str
    question: str
    bands: tuple[ArrayFile, ...]
    label: ArrayFile | None
    source: ArrayFile | None
    window: tuple[int, int, int, int]
    n_batches: int
    threads: int
    workers: int = 0
    converted: Path | None = None

    @property
    def n_patches(self) -> int:
        return self.arrays[0].shape[0]

    @property
    def batch_size(self) -> int:
        """All patches."""
        return self.n_patches

    @property
    def arrays(self) -> tuple[ArrayFile, ...]:
        return (*self.bands, *(one for one in (self.label, self.source) if one is not None))

    def windows(self, array: ArrayFile) -> np.ndarray:
        """Return a view (patch, row, column) of the valid windows, mapped and read-only."""
        row, col, height, width = self.window
        view: np.ndarray = array.mapped()[:, row : row + height, col : col + width]
        return view


def expected(task: Counting, _: int = 0) -> np.ndarray:
    """Return the answer by plain numpy."""
    if task.question == "bands":
        moments = [
            (part.mean(dtype=np.float64), part.std(dtype=np.float64))
            for part in map(task.windows, task.bands)
        ]
        scaled: np.ndarray = np.array(moments).T * np.array([band.scale for band in task.bands])
        return scaled
    assert task.label is not None
    label = task.label.table[task.windows(task.label)]
    if task.question == "classes":
        per_class = [(label == c).sum(axis=(1, 2), dtype=np.int64) for c in range(N_CLASSES)]
        return np.stack(per_class, axis=1)
    assert task.source is not None
    pairs = label * np.uint8(N_CLASSES + 1) + task.source.table[task.windows(task.source)]
    counts: np.ndarray = np.bincount(pairs.ravel(), minlength=(N_CLASSES + 1) ** 2)
    return counts.reshape(N_CLASSES + 1, -1)[:N_CLASSES, :N_CLASSES]


def difference(given: Any, wanted: np.ndarray, _: int = 0) -> str | None:
    """Return in words how an answer differs from numpy's, or None if it does not.

    Counts are equal; means and deviations differ by less than 1e-12 of themselves.
    """
    array = np.asarray(given)
    if array.shape != wanted.shape or array.dtype.kind != wanted.dtype.kind:
        words = f"its answer is {array.shape} {array.dtype}"
        return f"{words}; numpy's is {wanted.shape} {wanted.dtype}"
    exact = wanted.dtype.kind in "iu"
    same = array == wanted if exact else np.isclose(array, wanted, rtol=1e-12, atol=0)
    if same.all():
        return None
    at = tuple(int(k) for k in np.argwhere(~same)[0])
    return f"its answer has {array[at]} at {at}; numpy's is {wanted[at]}"
