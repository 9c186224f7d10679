"""One .npy file for each patch: what is said of such files, and code that joins them."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.files import open_bytes
from ..._utils.text import counted, listed
from ..listing import METADATA_CSV

Key = tuple[str | int, ...]
# The largest metadata.csv in which names of files are looked for, in bytes.
_MAX_CSV = 100_000_000
_DIGITS = re.compile("([0-9]+)")


def natural_key(text: str) -> Key:
    """Return what orders text with numbers as people do: 10 is after 9, and 010 equals 10."""
    parts = _DIGITS.split(text)
    # The name of a file has 255 characters at most; a field of a table could have any number.
    return tuple(int(part) if k % 2 and len(part) < 256 else part for k, part in enumerate(parts))


# The code that people run; natural is natural_key.
_FUNCTIONS = """\
import csv
import re
from pathlib import Path
import numpy as np

def natural(text):
    parts = re.split('([0-9]+)', text)  # 10 is after 9
    return tuple(int(part) if k % 2 else part for k, part in enumerate(parts))

def find(folder, pattern, names='*'):
    files = [file for file in Path(folder).glob(names) if file.name[0] != '.']
    found = [(file.relative_to(folder).as_posix(), file) for file in files]
    matches = [(re.fullmatch(pattern, name), file) for name, file in found]
    return {natural('_'.join(match.groups())): file for match, file in matches if match}

def check(files, others, dtype, shape, name):
    if alone := [str(others[key]) for key in others if key not in files]:
        raise ValueError(f'{name} has no file for {len(alone)} patches: {alone[:12]}')
    for file in files.values():
        array = np.load(file, mmap_mode='r')
        if array.dtype.name != dtype or array.shape != shape:
            raise ValueError(f'{file} has shape {array.shape}, {array.dtype}')
"""
_JOIN = """\
def join(folder, arrays, rows=None):
    # Names of the first array, and those that it lacks.
    found = [item for files, *_ in arrays.values() for item in files.items()]
    keys = dict(reversed(found))
    for name, (files, stored, _, shape, _) in arrays.items():
        check(files, keys, stored, shape, name)
    order = sorted(keys)
    table = [['file'], *([keys[key].name] for key in order)]
    if len(set(map(tuple, table))) < len(table):  # a folder for each patch
        table = [['folder'], *([keys[key].parent.name] for key in order)]
    if rows:
        order, table = in_order_of_rows(arrays, *rows)
    folder = Path(folder)
    folder.mkdir(parents=True)
    for name, (files, _, dtype, shape, last) in arrays.items():
        shape = (shape[-1], *shape[:-1]) if last else shape
        path = folder / f'{name}.npy'
        array = np.lib.format.open_memmap(path, 'w+', dtype, (len(order), *shape))
        for k, key in enumerate(order):
            patch = np.load(files[key])
            patch = np.moveaxis(patch, -1, 0) if last else patch
            array[k] = patch
            if patch.dtype.kind != 'f' and (array[k] != patch).any():
                raise ValueError(f'{files[key]} has numbers that {dtype} cannot hold')
        array.flush()
    if rows is not False:
        with open(folder / 'metadata.csv', 'w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows(table)
"""
_WITH_ROWS = """\
def in_order_of_rows(arrays, path, column):
    keys = {}
    for files, *_ in arrays.values():
        for key, file in files.items():
            keys |= {key: key, natural(file.stem): key, natural(file.name): key}
    with open(path, newline='', encoding='utf-8-sig') as file:
        header, *rows = csv.reader(file)
    at = header.index(column)
    rows = [row for row in rows if len(row) > at and natural(row[at]) in keys]
    order = [keys[natural(row[at])] for row in rows]
    if sorted(order) != sorted(set(keys.values())):
        raise ValueError(f'{path} does not have one row for each patch')
    return order, [header, *rows]
"""


@dataclass(frozen=True)
class Series:
    """Files of one patch each, as one array: all of ``folder`` whose names match ``pattern``.

    ``names`` is "*/*" for files of folders below, a folder for each patch.

    ``keys`` are the files by what differs in their names, which is the group of the pattern.
    ``split`` is the name of the split, or "" for the only one.  ``shape`` is that of each file; its
    channels are the last axis if ``is_last``.  Files hold the type ``stored``, and are joined as
    ``dtype``.
    """

    folder: Path
    split: str
    name: str
    pattern: str
    keys: Mapping[Key, Path]
    shape: tuple[int, ...]
    stored: str
    dtype: str
    is_last: bool
    names: str = "*"

    @property
    def files(self) -> list[Path]:
        return [self.keys[key] for key in sorted(self.keys)]

    @property
    def _first(self) -> tuple[int, ...]:
        """The shape with the channels before the rows."""
        return (self.shape[-1], *self.shape[:2]) if self.is_last else self.shape

    @property
    def joined(self) -> tuple[int, ...]:
        """The shape of the array of all patches."""
        return len(self.keys), *self._first

    @property
    def patch(self) -> tuple[int, int]:
        height, width = self._first[-2:]
        return height, width

    @property
    def sentence(self) -> str:
        axes = "row, column"
        if len(self.shape) == 3:
            axes = f"{axes}, channel" if self.is_last else f"channel, {axes}"
        names = [path.relative_to(self.folder).as_posix() for path in self.files]
        other = "" if self.stored == self.dtype else f", joined as {self.dtype}"
        return (
            f"{self.folder} has {counted(len(self.keys), '.npy file')} of shape {self.shape}, "
            f"{self.stored} ({listed(names)}): by their names one for "
            f"each patch, ({axes}){other}."
        )


@dataclass(frozen=True)
class Rows:
    """A metadata.csv beside files of one patch each; ``column`` names them, "" if none does."""

    path: Path
    n_rows: int
    column: str


def find_rows(series: Sequence[Series], root: Path) -> Rows | None:
    """Return the nearest metadata.csv of the files of a split."""
    first = series[0].folder
    above = [first, *(folder for folder in first.parents if folder.is_relative_to(root))]
    split = series[0].split
    for folder in above:
        names = [f"{split}_{METADATA_CSV}", METADATA_CSV] if split else [METADATA_CSV]
        for path in (folder / name for name in names):
            if path.is_file():
                return _inspect_rows(path, series)
    return None


def _inspect_rows(path: Path, series: Sequence[Series]) -> Rows:
    try:
        if path.stat().st_size > _MAX_CSV:
            return Rows(path, 0, "")
        with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error):
        return Rows(path, 0, "")
    wanted = set(series[0].keys)
    named = {
        natural_key(text): key
        for each in series
        for key, file in each.keys.items()
        for text in (file.stem, file.name)
    }
    # Names say more than numbers, which another column may have by chance.
    for keys in (named, {key: key for key in wanted}):
        for k, column in enumerate(header):
            found = [keys.get(natural_key(row[k])) for row in rows if k < len(row)]
            known = [key for key in found if key is not None]
            if len(known) == len(wanted) and set(known) == wanted and header.count(column) == 1:
                return Rows(path, len(rows), column)
    return Rows(path, len(rows), "")


def describe_order(series: Sequence[Series], folder: Path, rows: Rows | None) -> str:
    """Return in which order the patches of a split are joined, and what becomes of its rows."""
    order = "in the order of the numbers in their names"
    if not any(isinstance(part, int) for key in series[0].keys for part in key):
        order = "in the order of their names"
    if rows is None:
        return f"The code joins them {order}, and writes this order into {METADATA_CSV}."
    if rows.column:
        return (
            f"The code joins them in the order of {rows.path}, whose column {rows.column} names "
            "them, and copies their rows."
        )
    return (
        f"The code joins them {order}. No column of {rows.path} ({counted(rows.n_rows, 'row')}) "
        f"names them: copy it into {folder} only if it has a row for each patch in this order."
    )


def unpaired(series: Sequence[Series]) -> list[str]:
    """Return a sentence for each array of a split that lacks files which another one has."""
    found = []
    for each in series:
        alone = {
            other.keys[key]: None for other in series for key in other.keys if key not in each.keys
        }
        if alone:
            names = listed(f"{path.parent.name}/{path.name}" for path in alone)
            found.append(
                f"{each.name} has no file for {names}: add what is missing, or move these files "
                "elsewhere. Until then the code below stops."
            )
    return found


def joining_code(
    splits: Mapping[str, Sequence[Series]], root: Path, rows: Mapping[str, Rows | None]
) -> str:
    """Return Python that writes one file for all patches of each series below a new folder."""
    lines = ["Join them:", "", _FUNCTIONS]
    if any(each is not None and each.column for each in rows.values()):
        lines.append(_WITH_ROWS)
    lines.append(_JOIN)
    for split, series in splits.items():
        lines += _split_lines(series, root / split, rows[split])
    return "\n".join(lines)


def _split_lines(series: Sequence[Series], folder: Path, rows: Rows | None) -> Iterator[str]:
    yield "arrays = {"
    for each in series:
        below = "" if each.names == "*" else f", {each.names!r}"
        found = f"find({str(each.folder)!r}, {each.pattern!r}{below})"
        types = f"{each.stored!r}, {each.dtype!r}"
        yield f"    {each.name!r}: ({found}, {types}, {each.shape}, {each.is_last}),"
    yield "}"
    table = ""
    if rows is not None:
        # Rows that may be in another order are the user's to copy.
        table = f", rows={(str(rows.path), rows.column) if rows.column else False}"
    yield f"join({str(folder)!r}, arrays{table})"
