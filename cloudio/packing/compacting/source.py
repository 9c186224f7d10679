"""The files of a data set that is compacted: their arrays, and what a copy of each is called."""

import glob
import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...layouts.band import Band
from ...layouts.band_checks import stored_as
from ...layouts.digest import layout_digest
from ...layouts.layout import Layout
from ...reading.dataset import Dataset
from ...storage.arrays import ArrayFile
from ..sample import file_state
from ..splits import check_splits

# What is a name of a file on every system.
_SAFE = re.compile(r"[\w][\w .,+=()@%-]{0,99}(?<![ .])")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|metadata|cloudio|manifest", re.I)
# Instead of what `_Names._key` returns: a file that no array may be written to.
_TAKEN = ""


@dataclass(frozen=True)
class SourceFile:
    """One file of one split, with its arrays by name.

    ``target`` is the name of its copy below the folder of the split; ``beside`` has the other files
    that are copied with it, and their names.
    """

    split: str
    path: Path
    arrays: Mapping[str, ArrayFile]
    target: str
    beside: tuple[tuple[Path, str], ...] = ()

    @property
    def n_patches(self) -> int:
        return self._any.shape[0]

    @property
    def patch_bytes(self) -> int:
        """The bytes of a patch with all channels."""
        return math.prod(self._any.shape[1:]) * self._any.dtype.itemsize

    def offset(self, k: int) -> int:
        """Return where patch k begins, in bytes."""
        return self._any.start + k * self.patch_bytes

    def plane(self, name: str, patch: Any) -> np.ndarray:
        """Return one array, (row, column), of the bytes of a patch, without a copy."""
        array = self.arrays[name]
        _, begin, (_, *size), (_, *steps) = array.buffer_spec
        return np.ndarray(tuple(size), array.dtype, patch, begin - array.start, tuple(steps))

    @property
    def _any(self) -> ArrayFile:
        return next(iter(self.arrays.values()))


@dataclass(frozen=True)
class SourceArray:
    """One array in all splits that have it.

    ``band`` is what is known of it, as its files store it.  ``safe`` is a name for its files;
    ``file`` is the entry of the new layout if its file is copied, None where its name tells it.
    ``why``: why it stays as it is whatever its pixels are, or "".
    """

    name: str
    band: Band
    n_patches: Mapping[str, int]
    patch_bytes: int
    safe: str
    file: str | None
    why: str = ""

    @property
    def total(self) -> int:
        """The number of patches in all splits."""
        return sum(self.n_patches.values())


@dataclass(frozen=True)
class SourceSet:
    """A data set that is compacted, file by file."""

    ds: Dataset
    files: tuple[SourceFile, ...]
    arrays: Mapping[str, SourceArray] = field(repr=False)

    @property
    def layout(self) -> Layout:
        return self.ds.layout

    @property
    def patches(self) -> dict[str, int]:
        return {split.name: split.n_patches for split in self.ds.stored_splits}

    def digest(self) -> str:
        """Return a text that is another one if a file or the layout is another one."""
        found = hashlib.sha256(layout_digest(self.layout).encode())
        for path in self._paths():
            found.update(repr((str(path.absolute()), file_state(path))).encode())
        for file in self.files:
            found.update(repr((file.split, file.target, sorted(file.arrays))).encode())
        return found.hexdigest()

    def _paths(self) -> Iterator[Path]:
        for file in self.files:
            yield file.path
            yield from (path for path, _ in file.beside)
        for split in self.ds.stored_splits:
            yield split.csv


def survey_source(ds: Dataset, *, labels: bool) -> SourceSet:
    """Return the files and arrays of a data set; RequestError if its splits cannot be folders.

    ``labels``: whether labels may be stored as repetitions too.
    """
    check_splits(split.name for split in ds.stored_splits)
    names = _Names(ds)
    files: list[SourceFile] = []
    for split in ds.stored_splits:
        groups: dict[Path, dict[str, ArrayFile]] = {}
        for name, array in split.arrays.items():
            groups.setdefault(array.path, {})[name] = array
        for path, arrays in groups.items():
            target, beside = names.target(arrays), names.beside(split.folder, arrays)
            files.append(SourceFile(split.name, path, arrays, target, beside))
    return SourceSet(ds, tuple(files), {name: _array(ds, name, names, labels) for name in names})


def _array(ds: Dataset, name: str, names: "_Names", labels: bool) -> SourceArray:
    stored = {split.name: split.arrays[name] for split in ds.stored_splits if name in split.arrays}
    types = {array.dtype.name for array in stored.values()}
    known, dtype = ds.layout.band(name), next(iter(types))
    band = Band(name, dtype=dtype, scale=None) if known is None else known
    why = ""
    if len(types) > 1:
        why = "its splits store different types"
    elif known is not None:
        band = stored_as(known, dtype)
        if known.is_native:
            why = "it is stored so already"
            band = names.with_tables(band)
        elif known.kind == "label" and not labels:
            why = "labels stay as they are"
    first = next(iter(stored.values()))
    size = math.prod(first.buffer_spec[2][1:]) * first.dtype.itemsize
    counts = {split: array.shape[0] for split, array in stored.items()}
    return SourceArray(name, band, counts, size, names.safe[name], names.file(name), why)


class _Names:
    """What files are called in the new data set: as before, if a pattern does not leave it open."""

    def __init__(self, ds: Dataset) -> None:
        self._ds = ds
        everything = {name for split in ds.stored_splits for name in split.arrays}
        known = [band.name for band in ds.layout.bands if band.name in everything]
        self._names = [*known, *sorted(everything.difference(known))]
        self._targets: dict[str, str] = {}
        for name in self._names:
            self._keep_name(name)
        taken = {target.casefold(): key for key, target in self._targets.items()}
        for split in ds.stored_splits:
            for _, target in self.beside(split.folder, split.arrays):
                taken[target.casefold()] = _TAKEN
        self.safe = {name: self._distinct(name, taken) for name in self._names}
        for name in self._names:
            self._targets.setdefault(self._key(name), self.safe[name] + self._suffix(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def target(self, names: Mapping[str, ArrayFile]) -> str:
        """Return the name of the copy of a file with these arrays."""
        return self._targets[self._key(next(iter(names)))]

    def file(self, name: str) -> str | None:
        """Return the entry ``file`` of an array whose file is copied."""
        band = self._ds.layout.band(name)
        target = self._targets[self._key(name)]
        if band is None or band.pattern is None:
            is_found = Path(target).stem == name
            return None if is_found else glob.escape(target)
        return band.file if _is_literal(band.pattern, target) else glob.escape(target)

    def beside(self, folder: Path, arrays: Mapping[str, ArrayFile]) -> tuple[tuple[Path, str], ...]:
        """Return the files of phases and exceptions of arrays that have some."""
        found: dict[Path, str] = {}
        for array in arrays.values():
            for path in companions(array):
                found[path] = path.relative_to(folder).as_posix()
        return tuple(found.items())

    def with_tables(self, band: Band) -> Band:
        """Return a native band with the names of its tables, where all splits have the same.

        A pattern may match tables that are written for other arrays, too.
        """
        found: dict[str, set[str]] = {"phase": set(), "exceptions": set()}
        for split in self._ds.stored_splits:
            native = split.arrays[band.name].native if band.name in split.arrays else None
            for key, names in found.items():
                if (table := getattr(native, key, None)) and not isinstance(table, tuple):
                    names.add(table.path.relative_to(split.folder).as_posix())
        patterns = {"phase": band.phase_pattern, "exceptions": band.exceptions_pattern}
        exact: dict[str, Any] = {
            key: glob.escape(name)
            for key, names in found.items()
            if len(names) == 1 and not _is_literal(patterns[key] or "", name := next(iter(names)))
        }
        return replace(band, **exact)

    def _key(self, name: str) -> str:
        """Return the same text for arrays that share a file."""
        band = self._ds.layout.band(name)
        return f"name {name}" if band is None or band.pattern is None else band.pattern

    def _paths(self, name: str) -> dict[Path, Path]:
        """Return the file of an array in each split, with the folder of the split."""
        splits = [split for split in self._ds.stored_splits if name in split.arrays]
        return {split.arrays[name].path: split.folder for split in splits}

    def _keep_name(self, name: str) -> None:
        """Keep the name of a file that the layout tells exactly."""
        found = {path.relative_to(at).as_posix() for path, at in self._paths(name).items()}
        if len(found) == 1 and _is_literal(self._key(name), target := next(iter(found))):
            self._targets[self._key(name)] = target

    def _suffix(self, name: str) -> str:
        return next(iter(self._paths(name))).suffix.lower()

    def _distinct(self, name: str, taken: dict[str, str]) -> str:
        """Return a name for the files of an array that no other has, where case is ignored too."""
        stem = name if _SAFE.fullmatch(name) and not _RESERVED.fullmatch(name) else "array"
        own, found, k = self._key(name), stem, 1
        while any(taken.get(file, own) != own for file in self._files(found, name)):
            k += 1
            found = f"{stem}_{k}"
        taken.update(dict.fromkeys(self._files(found, name), _TAKEN))
        return found

    def _files(self, stem: str, name: str) -> list[str]:
        """Return the files that an array may get by a name, in lower case."""
        files = [f"{stem}.dat", stem + self._suffix(name)]
        band = self._ds.layout.band(name)
        if band is None or not band.is_native:
            files += [f"phases/{stem}.npy", f"exceptions/{stem}.npy"]
        return [file.casefold() for file in files]


def _is_literal(pattern: str, target: str) -> bool:
    """Return whether a pattern is that name, and no other one."""
    return target in (pattern, "") or glob.escape(target) == pattern


def companions(array: ArrayFile) -> list[Path]:
    """Return the files of phases and exceptions of an array."""
    return [path for path in array.paths if path != array.path]
