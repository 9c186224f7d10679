"""The blocks of Ray Data: batches as tables of Arrow, read by a task."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from ray.data.block import Block, BlockAccessor

from ...errors import RequestError
from ...loading.loader import Loader
from ...reading.arguments.keys import Keys
from ...reading.reader import Reader
from ..sources import Source

#: No block has more bytes, unless one patch has.
MOST_BYTES = 128 * 2**20
# What a row of a table has beside its numbers: offsets of its tensors.
_BYTES_OF_ROW = 64


class Columns(NamedTuple):
    """What tasks open once in each process.

    ``reader`` reads patches as stored, over all splits; ``keys`` names the columns, None as parts
    of batches.  ``loader`` draws the samples of a whole data set; None if tasks carry theirs.
    """

    reader: Reader[Any]
    keys: Keys | None
    loader: Loader[Any] | None

    def read(self, rows: "Rows") -> dict[str, np.ndarray]:
        """Return the columns of some rows."""
        batch = self.reader.read(rows.stored, rows.origin, rows.symmetry)
        parts: Any = batch._replace(index=rows.index)
        if self.keys is None:
            return {name: part for name, part in parts._asdict().items() if part is not None}
        return self.keys.name(parts, rows.stored)


class Rows(NamedTuple):
    """Samples that a task carries: patches as stored and as numbered, and what was drawn."""

    stored: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # a tuple's method gives way
    origin: np.ndarray | None
    symmetry: np.ndarray | None

    def part(self, first: int, last: int) -> "Rows":
        """Return the samples from ``first`` on, up to ``last``."""
        origin, symmetry = (
            None if each is None else each[first:last] for each in (self.origin, self.symmetry)
        )
        return Rows(self.stored[first:last], self.index[first:last], origin, symmetry)


class Epoch(NamedTuple):
    """Positions of an epoch of a whole data set, whose samples a task draws itself."""

    first: int
    last: int
    number: int

    def part(self, first: int, last: int) -> "Epoch":
        """Return the positions from ``first`` on, up to ``last``."""
        return Epoch(self.first + first, min(self.first + last, self.last), self.number)

    def draw(self, loader: Loader[Any]) -> Rows:
        """Return the samples at the positions."""
        samples = loader.samples(np.arange(self.first, self.last), self.number)
        return Rows(samples.index, *samples)


class ReadBlocks:
    """The function of a task: it reads its samples block after block.

    Parameters
    ----------
    source : Source
        Of `Columns`.
    samples : Rows or Epoch
        The samples of the task.
    n_rows : int
        How many they are.
    rows_of_block : int
        How many a block has; the last one may have fewer.
    """

    __name__ = "read_patches"  # Ray's messages have it

    def __init__(
        self, source: Source, samples: Rows | Epoch, n_rows: int, rows_of_block: int
    ) -> None:
        self.source, self.samples = source, samples
        self.n_rows, self.rows_of_block = n_rows, rows_of_block

    def __call__(self) -> Iterator[Block]:
        columns: Columns = self.source.open()
        for first in range(0, self.n_rows, self.rows_of_block):
            part = self.samples.part(first, first + self.rows_of_block)
            if isinstance(part, Epoch):
                assert columns.loader is not None
                part = part.draw(columns.loader)
            yield BlockAccessor.batch_to_block(columns.read(part))


def example(columns: Columns) -> dict[str, np.ndarray]:
    """Return one row of zeros, without reading; strings of metadata are empty."""
    none = np.empty(0, np.int64)
    empty = columns.read(Rows(none, none, None, None))
    return {name: np.zeros((1, *part.shape[1:]), part.dtype) for name, part in empty.items()}


def bytes_of_row(row: dict[str, np.ndarray]) -> int:
    """Return about how many bytes a row has in memory."""
    return _BYTES_OF_ROW + sum(part.nbytes for part in row.values())


def schema_of(row: dict[str, np.ndarray]) -> Any:
    """Return the schema of blocks, None if a row does not tell; RequestError for other types."""
    for name, part in row.items():
        if part.dtype.kind not in "biufUOMT":
            raise RequestError(
                f"{name} is {part.dtype}, which Ray Data has no column for; use "
                "dtype='float16' or 'float32'"
            )
    if any(part.dtype.kind in "UOMT" for part in row.values()):
        return None
    return BlockAccessor.batch_to_block(row).schema
