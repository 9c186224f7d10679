"""Results of statistics: tables to read, files to keep, and what they were counted of.

Which results there are is tallies.py's.
"""

import hashlib
import html
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from .._utils import tables
from .._utils.files import check_writable, write_file
from ..errors import RequestError
from ..layouts.band import Window
from ..layouts.labels import LabelMap
from ..reading.dataset import Dataset

_KINDS: dict[str, Any] = {}
Table = tuple[Sequence[Sequence[str]], Sequence[int]]


@dataclass(frozen=True)
class Provenance:
    """Which pixels were counted: of which patches, arrays and window; not what they were."""

    layout: str
    patch: tuple[int, int]
    window: Window
    splits: Mapping[str, int]
    index: str
    arrays: Mapping[str, str]

    @classmethod
    def of(cls, ds: Dataset, arrays: Sequence[str], window: Window | None = None) -> "Provenance":
        index = np.arange(len(ds), dtype=np.int64)
        stored = ds.stored_index(index) if ds.is_subset else index
        return cls(
            ds.layout.name,
            ds.layout.patch,
            ds.valid_window if window is None else window,
            {name: len(which) for name, which in ds.splits.items()},
            hashlib.sha256(stored.astype("<i8").tobytes()).hexdigest()[:16],
            {name: ds.dtype(name).name for name in arrays},
        )

    def fits(self, ds: Dataset) -> bool:
        """Whether a data set has these patches and arrays, by number, name and type."""
        if not all(name in ds.names for name in self.arrays):
            return False
        return Provenance.of(ds, list(self.arrays), self.window) == self

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {n:,}" for name, n in self.splits.items())
        row, col, (height, width) = self.window.row, self.window.col, self.window.size
        return (
            f"{self.layout}, {sum(self.splits.values()):,} patches ({splits}), "
            f"{height} x {width} pixels from ({row}, {col})"
        )


class Result:
    """What all results can do; equal are those whose every number is, NaN and NaN too."""

    of: Provenance
    #: What a file says that it holds; the name of the class, unless it has been renamed since.
    kind: ClassVar[str]

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.kind = kind or cls.__name__
        _KINDS[cls.kind] = cls

    def fits(self, ds: Dataset) -> bool:
        """Whether it was counted of these patches and arrays, by number, name and type.

        Not by their pixels: other files of the same sizes fit too.
        """
        return self.of.fits(ds)

    def json(self) -> str:
        """Everything, for `load`: floats come back bit for bit, NaN and infinities as texts."""
        return json.dumps(plain(self), allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `json` to a file; RequestError where one is there that is none of these."""
        check_savable(path)
        write_file(path, self.json(), force=True)

    def tables(self) -> list[Table | str]:
        """What `str` prints: tables, as rows of words and which columns are numbers, and lines."""
        raise NotImplementedError

    @classmethod
    def side_by_side(cls, several: Sequence[Any]) -> list[Table | str]:
        """The same for several results of this kind."""
        return [table for one in several for table in one.tables()]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Any:
        """The result of what `plain` made of it."""
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
    def read(cls, given: Mapping[str, Any]) -> "ResultSet[Any]":
        return cls({name: _result(part) for name, part in given["parts"].items()})


# ---- files ---------------------------------------------------------------------------------------


def plain(thing: Any) -> Any:
    """What JSON can hold of it, and `result` makes it of."""
    if isinstance(thing, ResultSet):
        return {"kind": thing.kind, "parts": {name: plain(part) for name, part in thing.items()}}
    if isinstance(thing, LabelMap):
        return {"classes": list(thing.classes.items()), "unlisted": thing.unlisted}
    if isinstance(thing, (Result, Provenance, Window)):
        entries = {entry.name: plain(getattr(thing, entry.name)) for entry in fields(thing)}  # type: ignore[arg-type]
        return {"kind": thing.kind} | entries if isinstance(thing, Result) else entries
    if isinstance(thing, np.ndarray):
        return plain(thing.tolist())
    if isinstance(thing, (list, tuple)):
        return [plain(part) for part in thing]
    if isinstance(thing, Mapping):
        return {name: plain(part) for name, part in thing.items()}
    if isinstance(thing, float) and not math.isfinite(thing):
        return str(thing)
    return thing


def load(path: str | os.PathLike[str]) -> Any:
    """The result that `save` wrote; RequestError where a file holds none."""
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
        return _result(given)
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} holds no statistics of cloudio ({error})") from None


def _result(given: Any) -> Any:
    return _KINDS[given["kind"]].read(given)


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


def population(given: Mapping[str, Any]) -> Provenance:
    window = Window(**given["window"])
    return Provenance(**(dict(given) | {"patch": tuple(given["patch"]), "window": window}))


def label_map(given: Any) -> LabelMap | None:
    return None if given is None else LabelMap(dict(given["classes"]), unlisted=given["unlisted"])


def real(given: Any, shape: Any = -1) -> np.ndarray:
    flat = np.array(given, dtype=object).ravel().tolist()
    return frozen(np.array([float(number) for number in flat], np.float64).reshape(shape))


def whole(given: Any, shape: Any = -1) -> np.ndarray:
    return frozen(np.array(given, np.int64).reshape(shape))


def frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def ratio(part: Any, whole: Any) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
