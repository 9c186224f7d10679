"""What a container holds: arrays by name, each with its shape, type, chunks and attributes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...._utils.text import listed, suggest
from ....errors import CloudioError, LayoutError, ReadError, RequestError

#: The attributes that say something of the numbers of an array.
ATTRIBUTES = (
    *("_FillValue", "missing_value", "scale_factor", "add_offset", "units", "_Unsigned"),
    *("flag_values", "flag_meanings"),
)


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One array of a container.

    ``dtype`` is None if numpy has no such type; ``type_name`` is the type in words.  ``block``:
    entries of the first axis that share a chunk, and so are decoded together.  ``codes`` are names
    that the type itself has for numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    type_name: str
    block: int = 1
    attributes: Mapping[str, object] = field(default_factory=dict)
    codes: Mapping[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.shape} {self.type_name}"

    @property
    def is_numeric(self) -> bool:
        """Whether it holds bool, whole or real numbers, one in each place."""
        return self.dtype is not None and self.dtype.kind in "biuf" and self.dtype.subdtype is None

    def check_numeric(self, path: Path) -> None:
        """Raise LayoutError, about the container ``path``, unless it can hold pixels."""
        if not self.is_numeric:
            raise LayoutError.about(
                path, f"{self.name} holds {self.type_name}; pixels are bool, whole or real numbers"
            )


class Container(ABC):
    """An opened file or store of arrays, and a context manager that closes it.

    It belongs to the process that has opened it.  Errors of the package that reads it are
    ReadErrors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def describe(self, name: str) -> StoredArray | None:
        """Return an array by its name, with or without a slash before it; None if there is none."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Return the names of all arrays, as messages show them."""

    @abstractmethod
    def read(self, name: str, start: int, stop: int, rest: tuple[slice, ...] = ()) -> np.ndarray:
        """Return the entries start..stop of the first axis of an array, with parts of the others.

        They may be a view of memory that does not change.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it."""

    def arrays(self) -> list[StoredArray]:
        """Return all arrays."""
        return [each for name in self.names() if (each := self.describe(name)) is not None]

    def find(self, name: str) -> StoredArray:
        """Return an array by its name; RequestError, with all names, if there is none."""
        if (found := self.describe(name)) is not None:
            return found
        names = self.names()
        raise RequestError.about(
            self.path,
            f"has no dataset {name!r}; it has {listed(self.arrays()) or 'none'}"
            f"{suggest(name.strip('/'), [each.strip('/') for each in names])}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def read_errors(path: Path, what: str = "", hint: str = "") -> Iterator[None]:
    """Make errors of a package in the block ReadErrors, with the path and ``what`` is read."""
    try:
        yield
    except CloudioError:
        raise
    except Exception as error:
        of = f", {what}" if what else ""
        reason = str(error) or type(error).__name__
        raise ReadError.about(path, f"cannot be read{of}: {reason}{hint}") from None


def type_name(dtype: np.dtype[Any]) -> str:
    """Return a type of numpy in words."""
    if dtype.names is not None:
        return f"compound ({listed(dtype.names)})"
    if dtype.subdtype is not None:
        return f"arrays of {dtype.subdtype[0].name}"
    if dtype.kind in "SUT":
        return "text"
    if dtype.kind == "O":
        return "objects"
    if dtype.kind == "V":
        return "opaque"
    return dtype.newbyteorder("=").name
