"""The metadata of a data set: columns over all splits, typed when they are first asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from ..._utils.text import listed, suggest
from .columns import typed_column
from .csv_file import MetadataFile

# Fields that are held as text at a time; each takes some 80 bytes.
_FIELDS = 8_000_000


class Columns(dict[str, np.ndarray[Any, Any]]):
    """A dict of columns that cannot be changed; it copies and pickles as a plain dict."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("ds.metadata cannot be changed; dict(ds.metadata) is a dict of your own")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __missing__(self, name: object) -> NoReturn:
        hint = suggest(name, self) or f"; there are {listed(self)}"
        raise KeyError(f"there is no column {name!r}{hint}")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            hint = f"; write metadata[{name!r}]" if name in self else ""
            raise AttributeError(f"metadata has no attribute {name!r}{hint}", name=name, obj=self)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class MetadataTable:
    """The columns that every metadata.csv has, row after row; nothing is read before it is used.

    A data set and its subsets share one.
    """

    def __init__(self, files: Sequence[MetadataFile | None]) -> None:
        self._splits = list(files)
        present = [file for file in files if file is not None]
        self._files = present if len(present) == len(files) else []
        self._columns: dict[str, np.ndarray[Any, Any]] = {}
        self._parts: dict[Any, Self] = {}

    def part(self, files: Sequence[MetadataFile | None]) -> Self:
        """Return the table of some or all splits, always the same: its columns are read once."""
        if list(files) == self._splits:
            return self
        return self._parts.setdefault(tuple(files), type(self)(files))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that every split has, in the order of the first."""
        first, *others = [file.names for file in self._files] or [()]
        everywhere = set(first).intersection(*others)
        return tuple(name for name in first if name in everywhere)

    def columns(
        self, names: Iterable[str], index: np.ndarray[Any, Any] | None = None
    ) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return some columns, read-only, of all rows or of ``index``.

        Those that are not read yet are read together.
        """
        names = list(names)
        missing = [name for name in names if name not in self._columns]
        n_rows = sum(file.n_rows for file in self._files)
        step = max(1, _FIELDS // max(1, n_rows))
        for some in (missing[k : k + step] for k in range(0, len(missing), step)):
            parts = [file.read(some) for file in self._files]
            for name in some:
                column = typed_column([x for part in parts for x in part.pop(name)])
                column.setflags(write=False)
                # Of several threads that read it at once, all keep the first one's.
                self._columns.setdefault(name, column)
        columns = {name: self._columns[name] for name in names}
        if index is not None:
            columns = {name: column[index] for name, column in columns.items()}
            for column in columns.values():
                column.setflags(write=False)
        return columns
