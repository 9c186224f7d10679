"""Samples whose arrays are in files: one of several channels, one for each band, and labels."""

import hashlib
import os
import pickle
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from ..._utils.text import counted, escape_controls, listed, suggest
from ...errors import RequestError
from ..decoders import Raster, Window, open_raster
from ..sample import ArrayInfo, Sample, file_state
from ..splits import check_splits
from .agreement import check_agreement
from .channels import ArrayOptions, Role, all_names, choose_channels, read_channels
from .resampling import to_one_grid

_N_SHOWN = 12
# Rows that are unpacked at a time, which takes half a millisecond.
_BLOCK = 256


class FileRow(NamedTuple):
    """One sample: a path for each role, its split, and its values of the columns."""

    paths: tuple[str, ...]
    split: str
    values: tuple[object, ...]


class FileRows:
    """Rows by number, packed in blocks: a worker gets millions of paths, most of them alike."""

    def __init__(self, rows: Iterable[FileRow]) -> None:
        self._blocks: list[bytes] = []
        self._n = 0
        several = iter(rows)
        while block := [tuple(row) for row in islice(several, _BLOCK)]:
            self._blocks.append(zlib.compress(pickle.dumps(block), 1))
            self._n += len(block)
        self._held: tuple[int, list[FileRow]] | None = None

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, k: int) -> FileRow:
        if not 0 <= k < self._n:
            raise IndexError(f"sample {k}; there are {self._n}")
        number, at = divmod(k, _BLOCK)
        held = self._held
        if held is None or held[0] != number:
            block = pickle.loads(zlib.decompress(self._blocks[number]))
            held = self._held = number, [FileRow(*row) for row in block]
        return held[1][at]

    def __iter__(self) -> Iterator[FileRow]:
        return (self[k] for k in range(self._n))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_held": None}


@dataclass(frozen=True)
class FileTable:
    """Which files each sample has.

    Paths are below the folder, with ``/``, or absolute.  ``columns``: the columns of metadata.csv
    in the values of a row; ``columns_from`` says where they come from.  ``left_out``: what is in no
    sample, and why.
    """

    roles: tuple[Role, ...]
    rows: FileRows
    columns: tuple[str, ...] = ()
    columns_from: Literal["field", "table"] = "field"
    left_out: tuple[tuple[str, str], ...] = ()


class FileSource:
    """Samples from files below a folder; `file_source` of `matching` makes one.

    It pickles to paths, and processes read it.  ``left_out`` has the samples that lack a file, each
    with the reason.
    """

    in_threads = False

    def __init__(self, root: Path, table: FileTable, options: ArrayOptions) -> None:
        self.root, self._table, self._options = root, table, options
        _check_take(table.roles, options)
        check_splits(dict.fromkeys(row.split for row in table.rows))

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """The samples that are not packed, each with the reason."""
        return self._table.left_out

    def __len__(self) -> int:
        return len(self._table.rows)

    def name_of(self, k: int) -> str:
        """Return the first file of a sample."""
        return os.fspath(self.root / self._table.rows[k].paths[0])

    def files_of(self, k: int) -> dict[str, str]:
        """Return the files of a sample, as the names of their roles and their paths."""
        names = (role.name for role in self._table.roles)
        return dict(zip(names, self._table.rows[k].paths, strict=True))

    def split_of(self, k: int) -> str:
        """Return the split of a sample."""
        return self._table.rows[k].split

    def digest(self) -> str:
        """Return a text that changes with the files, their sizes and times, and the options."""
        table = self._table
        digest = hashlib.sha256(repr((table.roles, table.columns, self._options)).encode())
        for row in table.rows:
            states = [file_state(os.path.join(self.root, path)) for path in row.paths]
            digest.update(repr((tuple(row), states)).encode())
        return digest.hexdigest()

    def open(self, k: int) -> "OpenSample":
        """Return the files of a sample, opened: a context manager, which reads windows too."""
        table, options = self._table, self._options
        row = table.rows[k]
        with ExitStack() as opened:
            rasters = [
                opened.enter_context(
                    open_raster(
                        self.root / path,
                        channel_axis=options.channel_axis,
                        dataset=options.dataset_of(role.name),
                    )
                )
                for role, path in zip(table.roles, row.paths, strict=True)
            ]
            rasters = to_one_grid(rasters, options.resample)
            check_agreement(rasters)
            names = [role.name for role in table.roles]
            layers = [
                Layer(role, raster, choose_channels(role, raster, options, {*names} - {role.name}))
                for role, raster in zip(table.roles, rasters, strict=True)
            ]
            columns = dict(zip(table.columns, row.values, strict=True))
            file = _as_text(_relative(self.root, row.paths[0]))
            return OpenSample(layers, options, file, columns, table.columns_from, opened.pop_all())

    def read(self, k: int) -> Sample:
        """Return a sample; an error names the file that cannot be read or is not as the others."""
        with self.open(k) as sample:
            return sample.read()

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        """Return the names of classes that ``classes`` gives, by label and code."""
        labels = [role.name for role in self._table.roles if role.kind == "label"]
        tables = {label: self._options.colors_of(label) for label in labels}
        return {
            label: dict(table.names) for label, table in tables.items() if table and table.names
        }

    def summary(self) -> list[str]:
        """Return lines that show how files are put together, and what is left out."""
        table = self._table
        counts = Counter(row.split for row in table.rows)
        lines = [", ".join(f"{split}: {counted(n, 'sample')}" for split, n in counts.items())]
        if len(table.rows):
            first = table.rows[0]
            values = [f"{n}={value}" for n, value in zip(table.columns, first.values, strict=True)]
            of = f" ({listed(values)})" if values else ""
            lines.append(f"the first sample, of {first.split}{of}:")
            width = max(len(role.name) for role in table.roles)
            some = list(zip(table.roles, first.paths, strict=True))
            lines += [f"  {role.name:{width}}  {path}" for role, path in some[:_N_SHOWN]]
            if (more := len(some) - _N_SHOWN) > 0:
                lines.append(f"  and {counted(more, 'file')} more")
        if left := table.left_out:
            lines.append(f"{counted(len(left), 'file')} left out:")
            lines += [f"  {name}: {reason}" for name, reason in left[:_N_SHOWN]]
            if (more := len(left) - _N_SHOWN) > 0:
                lines.append(f"  and {more:,} more")
        return [escape_controls(line) for line in lines]

    def __repr__(self) -> str:
        return f"<FileSource {self.root}: {counted(len(self), 'sample')}>"


@dataclass(frozen=True, slots=True)
class Layer:
    """An opened file of a sample: what it is, and the channels that become arrays."""

    role: Role
    raster: Raster
    channels: tuple[tuple[str, int], ...]


class OpenSample:
    """The opened files of a sample, and a context manager that closes them.

    ``layers`` are in the order of the roles.  ``shape`` is that of the finest file, (height,
    width), to which all others are brought.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        options: ArrayOptions,
        file: str,
        columns: Mapping[str, object],
        columns_from: str,
        opened: ExitStack,
    ) -> None:
        self.layers, self._options, self._opened = tuple(layers), options, opened
        self._file, self._columns, self._columns_from = file, columns, columns_from
        self.shape = layers[0].raster.shape

    def read(self, window: Window | None = None) -> Sample:
        """Return the sample, or a window of it."""
        arrays: dict[str, np.ndarray] = {}
        infos: dict[str, ArrayInfo] = {}
        for layer in self.layers:
            if not layer.channels:
                continue
            some, said = read_channels(
                layer.role, layer.raster, layer.channels, self._options, window
            )
            arrays |= some
            infos |= said
        if (take := self._options.take) is not None:
            if lost := [name for name in take if name not in arrays]:
                raise self._not_there(lost[0])
            arrays = {name: arrays[name] for name in take}
            infos = {name: infos[name] for name in take}
        return Sample(arrays, infos, self.attributes(window))

    def attributes(self, window: Window | None = None) -> dict[str, object]:
        """Return the columns of metadata.csv; a transform is that of the window."""
        said: dict[str, object] = {}
        for layer in self.layers:
            said = {**layer.raster.attributes_of(window), **said}
        own = {
            (f"{self._columns_from}_{name}" if name in said or name == "file" else name): value
            for name, value in self._columns.items()
        }
        return {"file": self._file, **{name: _plain(value) for name, value in own.items()}, **said}

    def _not_there(self, name: str) -> RequestError:
        names = [
            each
            for layer in self.layers
            for each in all_names(layer.role, layer.raster, self._options)
        ]
        reason = f"has no array {name!r}, which take= names; it has {listed(names)}"
        return RequestError.about(self.layers[0].raster.path, f"{reason}{suggest(name, names)}")

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _check_take(roles: Sequence[Role], options: ArrayOptions) -> None:
    """Raise RequestError for a name in ``take`` that no file can have."""
    names = [role.name for role in roles]
    if options.take is None or any(role.kind == "image" for role in roles):
        return
    for name in options.take:
        if name not in names:
            raise RequestError(
                f"take: there is no array {name!r}; there are {listed(names)}{suggest(name, names)}"
            )


def _relative(root: Path, path: str) -> str:
    """Return a path from the folder on, with ``/``; one outside of it is absolute."""
    where = PurePath(root / path)
    if where.is_relative_to(root) and ".." not in PurePath(path).parts:
        return where.relative_to(root).as_posix()
    return where.as_posix()


def _plain(value: object) -> object:
    return _as_text(value) if isinstance(value, str) else value


def _as_text(text: str) -> str:
    """Return a text that UTF-8 can hold: bytes of a name that is not UTF-8 become escapes.

    So do halves of characters, which only a table can have.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
