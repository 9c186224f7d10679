"""What all results of statistics can do: print, compare, save and load."""

import html
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from .._utils import tables
from .._utils.files import check_writable, write_file
from ..errors import RequestError
from ..reading.dataset import Dataset
from .provenance import Provenance
from .serialize import to_plain

#: Rows of a table, and which of its columns are numbers.
Table = tuple[Sequence[Sequence[str]], Sequence[int]]

_KINDS: dict[str, "type[Result]"] = {}


class Result:
    """A result of `cloudio.stats`.  Results are equal where every number is, NaN and NaN too."""

    of: Provenance
    #: What a file says that it holds: the name of the class, or the one that it had at first.
    kind: ClassVar[str]
    #: Fields that are named differently in files, because they had that name at first.
    file_keys: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.kind = kind or cls.__name__
        _KINDS[cls.kind] = cls

    def fits(self, ds: Dataset) -> bool:
        """Whether it was counted from these patches and arrays, by number, name and type.

        Not by their pixels: other files of the same sizes fit too.
        """
        return self.of.fits(ds)

    def json(self) -> str:
        """Everything, for `load`: floats come back bit for bit, NaN and infinities as texts."""
        return json.dumps(to_plain(self), allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `json` to a file; RequestError where a file exists that holds no result."""
        check_savable(path)
        write_file(path, self.json(), force=True)

    def tables(self) -> list[Table | str]:
        """The parts of ``str()``: tables and lines of text."""
        raise NotImplementedError

    @classmethod
    def side_by_side(cls, results: Sequence[Any]) -> list[Table | str]:
        """The parts of ``str()`` for several results of this kind."""
        return [table for result in results for table in result.tables()]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> Any:
        """The result of which `to_plain` made ``entries``."""
        raise NotImplementedError

    def __str__(self) -> str:
        parts = (part if isinstance(part, str) else tables.text(*part) for part in self.tables())
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        names = ", ".join(self.of.arrays)
        return f"<cloudio.stats.{type(self).__name__} of {names}: {self.of}>"

    def _repr_html_(self) -> str:
        return "\n".join(
            f"<pre>{html.escape(part)}</pre>" if isinstance(part, str) else tables.html(*part)
            for part in self.tables()
        )

    def __eq__(self, other: object) -> bool:
        return self.json() == other.json() if type(other) is type(self) else NotImplemented


def format_number(number: float) -> str:
    """Five digits; "-" for NaN."""
    return "-" if math.isnan(number) else f"{number:.5g}"


def format_rate(rate: float) -> str:
    """Three decimals; "-" for NaN."""
    return "-" if math.isnan(rate) else f"{rate:.3f}"


R = TypeVar("R", bound=Result)


@dataclass(frozen=True, eq=False, repr=False)
class ResultSet(Result, Mapping[str, R], Generic[R], kind="Several"):
    """Results by name, which print, save and compare as one."""

    parts: Mapping[str, R]

    def __getitem__(self, name: str) -> R:
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __repr__(self) -> str:
        return f"<cloudio.stats.ResultSet: {', '.join(self.parts)}>"

    def fits(self, ds: Dataset) -> bool:
        """Whether every part does."""
        return all(part.fits(ds) for part in self.values())

    def tables(self) -> list[Table | str]:
        kinds = {type(part) for part in self.values()}
        if len(kinds) == 1 and len(self) > 1:
            return kinds.pop().side_by_side(list(self.values()))
        return [table for part in self.values() for table in part.tables()]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "ResultSet[Any]":
        return cls({name: _from_plain(part) for name, part in entries["parts"].items()})


# ---- files ---------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Any:
    """Return the result that `save` wrote; RequestError where a file holds none."""
    try:
        return _from_plain(json.loads(Path(path).read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} holds no statistics of cloudio ({error})") from None


def _from_plain(entries: Any) -> Any:
    return _KINDS[entries["kind"]].from_plain(entries)


def check_savable(path: str | os.PathLike[str]) -> None:
    """Raise where `Result.save` cannot write a file: RequestError where another one is there.

    A file that `Result.save` wrote is replaced.
    """
    path = Path(path)
    if path.is_file():
        starts = [f'{{"kind": "{kind}"'.encode() for kind in _KINDS]
        if not any(_head(path).startswith(start) for start in starts):
            raise RequestError(f"{path} is there already, and holds no statistics")
    check_writable(path, force=True)


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(64)
