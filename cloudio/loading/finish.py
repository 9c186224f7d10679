"""What is done to a batch once it is read, in the thread that reads it: columns, a transform."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._utils.text import listed, suggest
from ..errors import RequestError
from ..reading.arguments.keys import PARTS, Keys
from ..reading.batch import Batch
from ..reading.collection import Collection


def check_columns(dataset: Collection, columns: Any, keys: Keys | None = None) -> tuple[str, ...]:
    """Return the names of metadata columns; RequestError if one does not exist, or is taken."""
    if isinstance(columns, str):
        columns = (columns,)
    try:
        names = tuple(columns)
    except TypeError:
        raise RequestError(
            f"columns={columns!r}; columns must be names of metadata columns"
        ) from None
    known = dataset.metadata_names
    for name in names:
        if not isinstance(name, str):
            raise RequestError(
                f"columns: {name!r} is no name; columns must be names of metadata columns"
            )
        if name not in known:
            raise RequestError(
                f"columns: the metadata has no column {name!r}; it has "
                f"{listed(known) or 'none'}{suggest(name, known)}"
            )
        if keys is not None and name in keys.all:
            raise RequestError(
                f"columns: keys gives the name {name!r} already; leave the column out, or name it "
                f"in keys: {{{name!r}: 'another name'}}"
            )
        if keys is None and name in PARTS:
            raise RequestError(
                f"columns: a batch has a part {name!r} already; leave the column out, and look it "
                f"up: ds.metadata[{name!r}][index]"
            )
        if names.count(name) > 1:
            raise RequestError(f"columns names {name!r} twice")
    return names


def check_transform(transform: Any) -> Any:
    """Return the function; RequestError if it cannot be called."""
    if transform is not None and not callable(transform):
        raise RequestError(
            f"transform={transform!r}; transform must be a function that takes a batch"
        )
    return transform


class Finish:
    """Names the parts of a batch and adds metadata columns, and calls the caller's transform.

    With ``keys`` or columns a batch becomes a dict.  ``prepare``: called first, such as to make
    tensors.  ``column``: makes what the dict holds of a column's values.
    """

    def __init__(
        self,
        columns: Mapping[str, np.ndarray],
        transform: Callable[[Any], Any] | None,
        prepare: Callable[[Batch[np.ndarray]], Any] | None = None,
        column: Callable[[np.ndarray], Any] | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._columns, self._transform = columns, transform
        self._prepare, self._column, self._keys = prepare, column, keys

    def __call__(self, batch: Batch[np.ndarray]) -> Any:
        done: Any
        index, done = batch.index, batch if self._prepare is None else self._prepare(batch)
        if self._keys is not None:
            done = self._keys.name(done, index, self._column)
        elif self._columns:
            done = {
                name: part
                for name, part in zip(done._fields, done, strict=True)
                if part is not None
            }
        for name, values in self._columns.items():
            chosen = values[index]
            done[name] = chosen if self._column is None else self._column(chosen)
        if self._transform is None:
            return done
        try:
            return self._transform(done)
        except StopIteration as error:  # it would end the epoch without a message
            raise RuntimeError("transform raised StopIteration") from error
