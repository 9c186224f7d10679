"""Which files a folder has, which arrays and splits they are, and what their sizes say of them.

Names are the layout's to know; nothing is opened here but metadata.csv.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import LayoutError
from .layout import Layout
from .metadata import read_columns
from .source import size_of

METADATA = "metadata.csv"
_SPLITS = ("train", "val", "test")
# What else an array of a type may be stored as: labels of two bytes, bands already scaled.
_STORED_AS = {"uint8": ("uint8", "int16"), "int16": ("int16", "float32"), "float32": ("float32",)}
# A file that the layout does not know tells its type by its size alone.
_UNKNOWN_AS = ("int16", "uint8", "float32")


@dataclass(frozen=True, slots=True)
class Array:
    """One array of one split: the file, and the type and shape its size implies."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Split:
    """One folder's worth of patches."""

    name: str
    folder: Path
    n_patches: int
    arrays: dict[str, Array]
    metadata: dict[str, list[str]]  # as written; empty where there is no metadata.csv


def splits_of(root: Path, layout: Layout) -> list[Split]:
    """The splits of a folder, in the order train, val, test, then by name.

    LayoutError where there is none, or where files do not fit together.
    """
    groups = _split_files(root)
    if not groups:
        raise LayoutError(f"no .dat files in {root}, nor in folders in it")
    order = {name: k for k, name in enumerate(_SPLITS)}
    names = sorted(groups, key=lambda name: (order.get(name, len(order)), name))
    return [_split(name, *groups[name], layout) for name in names]


def _split_files(root: Path) -> dict[str, tuple[Path, dict[str, Path], Path]]:
    """For each split, its folder, its .dat files by stem, and where its metadata would be."""
    files = _dat_files(root)
    groups: dict[str, tuple[Path, dict[str, Path], Path]] = {}
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        name = split_name(folder.name)
        if files and name not in _SPLITS:
            continue
        if inner := _dat_files(folder):
            if files:
                raise LayoutError(f"{root} has .dat files of its own beside the split {folder}")
            if name in groups:
                raise LayoutError(f"{folder} and {groups[name][0]} are both the split {name!r}")
            groups[name] = folder, inner, folder / METADATA
    return _marked(root, files) if files else groups


def _marked(root: Path, files: dict[str, Path]) -> dict[str, tuple[Path, dict[str, Path], Path]]:
    """The splits of one folder: one, or several told apart as train_B01.dat, val_B01.dat, ..."""
    csv = root / METADATA
    groups: dict[str, tuple[Path, dict[str, Path], Path]] = {}
    for stem, path in files.items():
        match = re.fullmatch(r"(train|val|test)_(.+)", stem, re.IGNORECASE)
        if match is None:
            return {split_name(root.name): (root, files, csv)}
        name = match[1].lower()
        _, own, _ = groups.setdefault(name, (root, {}, root / f"{name}_{METADATA}"))
        if match[2] in own:
            raise LayoutError(f"{path} and {own[match[2]]} are both {match[2]} of {name}")
        own[match[2]] = path
    if csv.exists():
        if len(groups) > 1:
            raise LayoutError(
                f"{csv} is beside the splits {', '.join(groups)}; each needs its own, such as "
                f"{next(iter(groups.values()))[2].name}"
            )
        groups = {name: (root, marked, csv) for name, (_, marked, _) in groups.items()}
    return groups


def _dat_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() == ".dat" and not entry.name.startswith("."):
            if entry.stem in files:
                raise LayoutError(f"{entry} and {files[entry.stem]} have the same name")
            files[entry.stem] = entry
    return files


def split_name(folder: str) -> str:
    """``high_train`` is the release's name of ``train``."""
    match = re.fullmatch(r"(?:high_)?(train|val|test)", folder.lower())
    return match[1] if match else folder


def _split(name: str, folder: Path, files: dict[str, Path], csv: Path, layout: Layout) -> Split:
    """Prove that the files of one split fit together."""
    paths: dict[str, Path] = {}
    for stem, path in files.items():
        array = layout.name_of_file(stem)
        if array in paths:
            raise LayoutError(f"{path} and {paths[array]} are both {array}")
        paths[array] = path
    sizes = {array: size_of(path) for array, path in paths.items()}

    metadata = read_columns(csv) if csv.exists() else {}
    counted = len(next(iter(metadata.values()), []))
    if csv.exists() and not counted:
        raise LayoutError(f"{csv} has no rows; it needs one per patch, or not to be there")
    n_patches = counted or _n_patches(sizes, paths, layout)

    arrays = {}
    for array, size in sizes.items():
        fitting = {_bytes(n_patches, layout, dtype): dtype for dtype in _types(array, layout)}
        if size not in fitting:
            agreed = sum(_allows(n_patches, other, sizes[other], layout) for other in sizes)
            by = f"the rows of {csv.name}" if counted else f"{agreed} of {len(sizes)} files"
            fit = " or ".join(f"{n:,} ({dtype})" for n, dtype in fitting.items())
            raise LayoutError(
                f"{paths[array]} holds {size:,} bytes; {n_patches:,} patches of "
                f"{layout.patch[0]} x {layout.patch[1]}, by {by}, need {fit}"
            )
        dtype = np.dtype(np.dtype(fitting[size]).newbyteorder("<").str)
        arrays[array] = Array(paths[array], dtype, (n_patches, *layout.patch))
    return Split(name, folder, n_patches, arrays, metadata)


def _types(array: str, layout: Layout) -> tuple[str, ...]:
    """The types an array may be stored as, the layout's own first."""
    band = layout.band(array)
    return _UNKNOWN_AS if band is None else _STORED_AS.get(band.dtype, (band.dtype,))


def _bytes(n_patches: int, layout: Layout, dtype: str) -> int:
    return n_patches * layout.patch[0] * layout.patch[1] * np.dtype(dtype).itemsize


def _n_patches(sizes: dict[str, int], paths: dict[str, Path], layout: Layout) -> int:
    """The number of patches that all files allow, or as many as can be.

    Of several, the one by which most files are stored as the layout says; files that it does not
    know count last.
    """
    known: Counter[int] = Counter()
    unknown: Counter[int] = Counter()
    for array, size in sizes.items():
        n, rest = divmod(size, _bytes(1, layout, _types(array, layout)[0]))
        if n and not rest:
            (unknown if layout.band(array) is None else known)[n] += 1
    if not known and not unknown:
        array, size = next(iter(sizes.items()))
        dtype = _types(array, layout)[0]
        raise LayoutError(
            f"{paths[array]} holds {size:,} bytes, and no file here holds a whole number of "
            f"patches of {layout.patch[0]} x {layout.patch[1]}: one of {dtype} needs "
            f"{_bytes(1, layout, dtype):,}"
        )

    def rank(n: int) -> tuple[bool, int, int]:
        allowed = all(_allows(n, array, size, layout) for array, size in sizes.items())
        return allowed, known[n], unknown[n]

    return max(known | unknown, key=rank)


def _allows(n_patches: int, array: str, size: int, layout: Layout) -> bool:
    """Whether a file of ``size`` bytes can hold so many patches of the array."""
    return any(size == _bytes(n_patches, layout, dtype) for dtype in _types(array, layout))
