"""What all results of statistics can do: print, compare, save and load."""

import html
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from .._utils import tables
from .._utils.files import check_writable, write_file
from .._utils.json_files import check_replaceable, load_json
from .._utils.numbers import in_default_floats
from .._utils.paths import local_path
from .._utils.text import escape_controls, escape_lines
from ..reading.dataset import Dataset
from .provenance import Provenance
from .serialize import to_plain

#: Rows of a table, and which of its columns are numbers.
Table = tuple[Sequence[Sequence[str]], Sequence[int]]

_KINDS: dict[str, "type[Result]"] = {}
_NO_RESULT = (
    "does not hold statistics; save() of a result, or cloudio stats -o FILE, writes such a file"
)


class Result:
    """The base of the results of `cloudio.stats`.

    Two results are equal if every number is; NaN equals NaN.  What only `cloudio.stats.merge` needs
    is not compared.
    """

    of: Provenance
    #: The kind that files name: the class, or the name that it had at first.
    kind: ClassVar[str]
    #: Fields that are named differently in files, because they had that name at first.
    file_keys: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.kind = kind or cls.__name__
        _KINDS[cls.kind] = cls

    def fits(self, ds: Dataset) -> bool:
        """Return whether the result was counted from the same patches and arrays as ``ds`` has.

        Parameters
        ----------
        ds : Dataset
            The data set to compare.

        Returns
        -------
        bool
            True if patch numbers, and names and types of the arrays are equal.  Pixel values are
            not compared: other files of the same sizes fit too.
        """
        return self.of.fits(ds)

    @in_default_floats
    def json(self) -> str:
        """Return the result as JSON.

        Returns
        -------
        str
            `load` reads it from a file, and every float comes back bit for bit.  NaN and infinities
            are strings in it.
        """
        return json.dumps(to_plain(self), allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result as JSON to a file, which `load` reads.

        Parameters
        ----------
        path : str or path
            The file.  One that already holds a result of `cloudio.stats` is replaced.

        Raises
        ------
        RequestError
            If the file exists and holds something else.
        WriteError
            If the file cannot be written.  It is written completely or not at all.
        """
        write_file(path, self.json(), force=True, check=check_savable)

    def tables(self) -> list[Table | str]:
        """Return the parts of ``str()``.

        Returns
        -------
        list of Table or str
            Each is a line of text, or a pair: the rows, and which columns hold numbers.
        """
        raise NotImplementedError

    @classmethod
    def side_by_side(cls, results: Sequence[Any]) -> list[Table | str]:
        """Return the parts of ``str()`` for several results of this kind.

        Parameters
        ----------
        results : sequence of Result
            Results of one class.

        Returns
        -------
        list of Table or str
            The parts of each, one after another.
        """
        return [table for result in results for table in result.tables()]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> Any:
        """Return the result that ``entries`` describe.

        Parameters
        ----------
        entries : mapping
            The parsed JSON of `json`.

        Returns
        -------
        Result
            Equal to the one that was saved.
        """
        raise NotImplementedError

    @in_default_floats
    def __str__(self) -> str:
        parts = (
            _escaped_lines(part) if isinstance(part, str) else tables.text(*part)
            for part in self.tables()
        )
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        names = ", ".join(self.of.arrays)
        return escape_controls(f"<cloudio.stats.{type(self).__name__} of {names}: {self.of}>")

    @in_default_floats
    def _repr_html_(self) -> str:
        return "\n".join(
            f"<pre>{html.escape(_escaped_lines(part))}</pre>"
            if isinstance(part, str)
            else tables.html(*part)
            for part in self.tables()
        )

    @in_default_floats
    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        one, two = (json.dumps(to_plain(each, compared=True)) for each in (self, other))
        return one == two


def _escaped_lines(text: str) -> str:
    return escape_lines(text)


def format_number(number: float) -> str:
    """Return a number with five digits; "-" for NaN."""
    return "-" if math.isnan(number) else f"{number:.5g}"


def format_rate(rate: float) -> str:
    """Return a rate with three decimals; "-" for NaN."""
    return "-" if math.isnan(rate) else f"{rate:.3f}"


R = TypeVar("R", bound=Result)


@dataclass(frozen=True, eq=False, repr=False)
class ResultSet(Result, Mapping[str, R], Generic[R], kind="Several"):
    """Several results by name; they print, save and compare as one.

    It is a read-only mapping: ``results["LABEL_fmask"]`` is one result.

    Attributes
    ----------
    parts : mapping of str to Result
        The results, in the order in which they print.
    """

    parts: Mapping[str, R]

    def __getitem__(self, name: str) -> R:
        """Return the result of that name."""
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.parts)

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self.parts)

    def __repr__(self) -> str:
        return escape_controls(f"<cloudio.stats.ResultSet: {', '.join(self.parts)}>")

    def fits(self, ds: Dataset) -> bool:
        """Return whether every result was counted from the same patches and arrays as ``ds`` has.

        Parameters
        ----------
        ds : Dataset
            The data set to compare.

        Returns
        -------
        bool
            True if `fits` of every result is.
        """
        return all(part.fits(ds) for part in self.values())

    def tables(self) -> list[Table | str]:
        kinds = {type(part) for part in self.values()}
        if len(kinds) == 1 and len(self) > 1:
            return kinds.pop().side_by_side(list(self.values()))
        return [table for part in self.values() for table in part.tables()]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "ResultSet[Any]":
        return cls({name: result_from_plain(part) for name, part in entries["parts"].items()})


# ---- files ---------------------------------------------------------------------------------------


@in_default_floats
def load(path: str | os.PathLike[str]) -> Any:
    """Return the result that ``save`` wrote to a file.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    BandStats, ClassStats, Agreement or ResultSet
        Equal to the result that was saved, NaN and infinities included.

    Raises
    ------
    RequestError
        If the file holds no result of `cloudio.stats`.
    OSError
        If the file cannot be read.
    """
    return load_json(path, "file of statistics", _NO_RESULT, result_from_plain)


def result_from_plain(entries: Any) -> Any:
    """Return the result that the parsed JSON of `Result.json` describes; any error if none."""
    return _KINDS[entries["kind"]].from_plain(entries)


def check_savable(path: str | os.PathLike[str]) -> None:
    """Raise the error that `Result.save` would raise for this path, before the result is computed.

    A file that `Result.save` wrote can be replaced; RequestError if another file exists.
    """
    path = local_path(path)
    check_replaceable(path, [f'{{"kind": "{kind}"'.encode() for kind in _KINDS], "statistics")
    check_writable(path, force=True)
