"""A layout for arrays that none describes, as far as names, headers and sizes show it."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ..._utils.text import counted, listed
from ...errors import LayoutError, error_reason
from ...layouts.band import DTYPES, Band, Window
from ...layouts.cloudsen12 import CLOUDSEN12
from ...layouts.layout import Layout
from ...layouts.toml_writer import to_toml
from ..headers.formats import format_of
from ..headers.npy import Header, read_header
from ..listing import SPLITS, split_name
from ..metadata.csv_file import METADATA_CSV, count_rows
from .joining import Series, joining_code
from .location import LAYOUT_TOML

# Files whose headers are read, and those that are described.
_N_HEADERS, _N_SHOWN = 200, 6
# Names of labels, and the largest number of channels.
_LABELS = re.compile(
    r"(^|[\W_\d])(labels?|masks?|targets?|gt|truth|class(es)?|annot\w*|lulc|seg\w*)($|[\W_\d])",
    re.IGNORECASE,
)
# Names with a split: train_x is found by its name, x_train is not.
_SPLIT = re.compile(
    r"(?P<first>train|val|test)_(?P<x>.+)|(?P<y>.+)_(?P<last>train|val|test)", re.IGNORECASE
)
_N_CHANNELS = 64
# Flat files that are one patch each if their names are alike, and the most that are described.
_N_SERIES, _N_PROPOSED = 13, 50
# The patch of a layout whose files do not show it.
_UNKNOWN = (1, 1)
_TYPES = {1: "uint8", 2: "uint16", 4: "float32"}


@dataclass(frozen=True)
class Proposal:
    """``seen`` are sentences about the files; the layout is None if they do not show it.

    ``steps`` are to be done before, ``guessed`` is what files without a header do not show.
    """

    seen: list[str]
    layout: Layout | None = None
    steps: str = ""
    guessed: str = ""
    folder: Path | None = None


def propose(root: Path, folders: Mapping[Path, Sequence[Path]]) -> str:
    """Return sentences about the array files of a root, and a layout for them as TOML."""
    first = next(iter(folders.values()))
    npy = {f: [p for p in files if p.suffix.lower() == ".npy"] for f, files in folders.items()}
    npy = {folder: files for folder, files in npy.items() if files}
    proposal = _by_headers(root, npy) if npy else _by_sizes(root, first)
    text = " ".join(proposal.seen)
    if proposal.steps:
        text += f"\n\n{proposal.steps}"
    if proposal.layout is not None:
        where = (proposal.folder or root) / LAYOUT_TOML
        text += f"\n\nWrite this into {where}, with your own names and scales{proposal.guessed}:"
        text += f"\n\n{_toml(proposal.layout)}"
    return text


def _toml(layout: Layout) -> str:
    """Return a layout as TOML, with words to replace if the size of a patch is unknown."""
    lines = [line for line in to_toml(layout).splitlines() if not line.startswith("valid =")]
    if layout.patch == _UNKNOWN:
        asked = {"patch": "[HEIGHT, WIDTH]", "dtype": f'"TYPE"  # {", ".join(DTYPES)}'}
        keys = [line.partition(" = ")[0] for line in lines]
        lines = [
            f"{key} = {asked[key]}" if key in asked else line
            for key, line in zip(keys, lines, strict=True)
        ]
    return "\n".join(lines)


def _layout(root: Path, patch: tuple[int, int], bands: Iterable[Band]) -> Layout:
    return Layout(root.name or "data", patch, Window(0, 0, *patch), tuple(bands))


def _band(
    name: str,
    dtype: str,
    file: str | None = None,
    channel: int | None = None,
    channels: int | None = None,
) -> Band:
    """Return an array with a scale only where its numbers are likely to have none."""
    is_label = dtype in ("uint8", "int8", "int16") and _LABELS.search(name) is not None
    if file is not None and Path(file).stem == name:
        file = f"{{name}}{Path(file).suffix}"  # so that alike arrays are described together
    scale = 1.0 if is_label or dtype == "float32" else None
    kind: Literal["band", "label"] = "label" if is_label else "band"
    return Band(name, kind, dtype, scale, file=file, channel=channel, channels=channels)


# ---- .npy files ----------------------------------------------------------------------------------


def _by_headers(root: Path, folders: Mapping[Path, Sequence[Path]]) -> Proposal:
    """Return what the headers of .npy files show."""
    if series := _find_series(root, folders):
        return _join(root, series)
    headers, reasons = _read_headers([path for paths in folders.values() for path in paths])
    seen = [f"{path.name} {reason}." for path, reason in list(reasons.items())[:_N_SHOWN]]
    # Splits have the same files, of other numbers of patches.
    kinds = {(path.name, h.shape[1:], h.dtype): path for path, h in reversed(headers.items())}
    for path in sorted(kinds.values())[:_N_SHOWN]:
        name, header = path.relative_to(root).as_posix(), headers[path]
        seen.append(f"{name} has shape {header.shape}, {header.dtype}{_axes(header.shape)}.")
    tails = Counter(tail for h in headers.values() if (tail := _tail(h.shape)))
    if not tails:
        return Proposal(seen)
    patch = tails.most_common(1)[0][0]
    shapes = {p: _channels_first(h.shape) for p, h in headers.items() if _tail(h.shape) == patch}
    if others := [p.name for p in headers if _tail(headers[p].shape) not in (None, patch)]:
        seen.append(
            f"Left out, as the arrays of a data set have patches of one size, here {patch[0]} x "
            f"{patch[1]}: {listed(dict.fromkeys(others))}."
        )
    names = {path: match for path in shapes if (match := _SPLIT.fullmatch(path.stem))}
    by_name = len(names) == len(shapes)
    if by_name:
        seen += _own_folders(names, shapes)
    elif any(
        len({shape[0] for path, shape in shapes.items() if path.parent == folder}) > 1
        for folder in folders
    ):
        seen.append(
            "Arrays of a split have one number of patches: put the files of each split into a "
            "folder of its own."
        )
        return Proposal(seen)
    arrays: dict[str, list[Band]] = {}
    for path, shape in shapes.items():
        match = names[path] if by_name else None
        stem, file = (match["x"] or match["y"], None) if match else (path.stem, path.name)
        arrays[stem] = _stack(stem, shape, headers[path].dtype.name, file)
    return Proposal(seen, _layout(root, patch, (b for some in arrays.values() for b in some)))


def _own_folders(
    names: Mapping[Path, re.Match[str]], shapes: Mapping[Path, tuple[int, ...]]
) -> list[str]:
    """Return that files with a split in their names need folders, unless they are found so."""
    if all(match["first"] and len(shapes[path]) == 3 for path, match in names.items()):
        return []
    path, match = next(iter(names.items()))
    split, name = match["first"] or match["last"], match["x"] or match["y"]
    return [
        "Put the files of each split into a folder of its own, without the split in their names: "
        f"{path.name} becomes {split.lower()}/{name}{path.suffix}."
    ]


def _join(root: Path, series: Sequence[Series]) -> Proposal:
    """Return how files of one patch each are joined in a folder of their own."""
    seen = [
        *(each.sentence for each in series),
        "cloudio maps one file for all patches of a split.",
    ]
    for first, second in pairwise(series):
        if first.split == second.split and first.numbers != second.numbers:
            seen.append(
                f"{first.name} and {second.name} have other numbers in their names: make sure that "
                "each patch has a file of both, since the first is joined with the first."
            )
    folder = root.with_name(f"{root.name}_joined")
    arrays = {each.name: _stack(each.name, each.joined, each.dtype) for each in series}
    bands = (band for some in arrays.values() for band in some)
    layout = _layout(folder, series[0].patch, bands)
    return Proposal(seen, layout, joining_code(series, folder), folder=folder)


def _read_headers(files: Sequence[Path]) -> tuple[dict[Path, Header], dict[Path, str]]:
    headers, reasons = {}, {}
    for path in files[:_N_HEADERS]:
        try:
            headers[path] = read_header(path)
        except (LayoutError, OSError) as error:
            reasons[path] = error_reason(error)
    return headers, reasons


def _is_last(shape: tuple[int, ...]) -> bool:
    """Return whether the channels of (..., row, column, channel) or the like are last."""
    return shape[-1] <= _N_CHANNELS and shape[-1] < min(shape[-3:-1]) and shape[-1] < shape[-3]


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (patch, channel, row, column) of an array with its channels anywhere."""
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 and _is_last(shape) else shape


def _tail(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the patch of an array (patch, [channel,] row, column); None for other arrays."""
    if len(shape) not in (3, 4) or not all(shape) or (len(shape) == 3 and _is_last(shape)):
        return None
    height, width = _channels_first(shape)[-2:]
    return (height, width) if min(height, width) > 1 else None


def _axes(shape: tuple[int, ...]) -> str:
    """Return which axis is which, and what to do if the order is another than cloudio's."""
    if len(shape) == 4 and _is_last(shape):
        return (
            ": (patch, row, column, channel). cloudio needs the channels before the rows; save it "
            "again: numpy.save(path, numpy.ascontiguousarray(numpy.moveaxis(array, -1, 1)))"
        )
    if len(shape) == 4:
        return ": (patch, channel, row, column)"
    if len(shape) == 3 and _is_last(shape):
        return (
            ": one patch, (row, column, channel). cloudio maps one file for all patches, (patch, "
            "channel, row, column)"
        )
    if len(shape) == 2 and min(shape) > 1:
        return ": one patch, (row, column). cloudio maps one file for all, (patch, row, column)"
    return ": (patch, row, column)" if len(shape) == 3 else ": no patches"


def _stack(stem: str, shape: tuple[int, ...], dtype: str, file: str | None = None) -> list[Band]:
    """Return the arrays of one file of a shape (patch, [channel,] row, column)."""
    if len(shape) == 3:
        return [_band(stem, dtype, file)]
    # Without a file, an array is found by its name, of which a stack has several.
    file, n = file or f"{stem}.npy", shape[1]
    if n == 1:
        return [_band(stem, dtype, file)]
    return [_band(f"{stem}_{k + 1}", dtype, file, channel=k, channels=n) for k in range(n)]


def _find_series(root: Path, folders: Mapping[Path, Sequence[Path]]) -> list[Series]:
    """Return the files that hold a patch each: alike but for the digits in their names."""
    groups: dict[tuple[Path, str], list[Path]] = {}
    for folder, files in folders.items():
        for path in files:
            if CLOUDSEN12.band(CLOUDSEN12.name_of_file(path.stem)) is None:
                alike = re.sub("[0-9]+", "*", path.stem)
                groups.setdefault((folder, alike), []).append(path)
    found = []
    for (folder, alike), files in groups.items():
        if len(files) < 2 or "*" not in alike:
            continue
        headers, _ = _read_headers([*files[:3], files[-1]])
        shapes = {header.shape for header in headers.values()}
        shape = next(iter(shapes), ())
        if len(shapes) != 1 or len(shape) not in (2, 3) or min(shape[-2:]) < 1:
            continue
        is_last = len(shape) == 3 and _is_last(shape)
        if len(shape) == 3 and not is_last and shape[0] > _N_CHANNELS:
            continue  # (patch, row, column)
        dtype = next(iter(headers.values())).dtype.name
        name = re.sub(r"[\W_]+", "_", alike.replace("*", "_")).strip("_")
        split = split_name(folder.name) if folder != root else ""
        if split not in SPLITS:
            split, name = "", name or (folder.name if folder != root else "")
        found.append(Series(folder, split, alike, name or "patches", files, shape, dtype, is_last))
    return _tell_apart(found) if len({each.patch for each in found}) == 1 else []


def _tell_apart(series: Sequence[Series]) -> list[Series]:
    """Return series of which each array of each split has one; none if they do not fit together.

    Files of the same names in several folders, such as images and masks, are several arrays; of
    other names, they are several splits.
    """
    names = Counter((each.split, each.name) for each in series)
    found = []
    for each in series:
        if names[each.split, each.name] > 1:
            files = [{path.name for path in s.files} for s in series if s.name == each.name]
            if all(some == files[0] for some in files):
                each = replace(each, name=each.folder.name)
            else:
                each = replace(each, split=each.folder.name)
        found.append(each)
    shapes = {(each.name, each.joined[1:], each.dtype) for each in found}
    fits = len(shapes) == len({each.name for each in found})
    fits = fits and len({(each.split, each.name) for each in found}) == len(found)
    return found if fits and len({bool(each.split) for each in found}) == 1 else []


# ---- flat files ----------------------------------------------------------------------------------


def _by_sizes(root: Path, files: Sequence[Path]) -> Proposal:
    """Return what the sizes of flat files show, and metadata.csv if there is one."""
    for path in files:
        if found := format_of(path):
            return Proposal([f"{path.name} is {found.name}, not flat pixels; {found.advice}."])
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    seen = [
        f"{listed(p.name for p, s in sizes.items() if s == size)}: "
        f"{'' if list(sizes.values()).count(size) == 1 else 'each '}{size:,} bytes."
        for size in list(dict.fromkeys(sizes.values()))[:_N_SHOWN]
    ]
    keys = {re.sub(r"\d+", "*", path.stem) for path in sizes}
    if len(keys) == 1 and len(sizes) > _N_SERIES:
        seen.append(
            "By their names, each is one patch. cloudio maps one file for all patches of a split: "
            "flat files of one size are joined by writing one after the other, as cat does."
        )
        return Proposal(seen)
    n_rows = _n_rows(files[0].with_name(METADATA_CSV))
    size = Counter(sizes.values()).most_common(1)[0][0]
    fitting = _square_patches(size, n_rows)
    if fitting:
        patches = " or ".join(
            f"{side} x {side} pixels of {counted(width, 'byte')}" for width, side in fitting
        )
        rows = counted(n_rows, "row")
        seen.append(f"With {rows} in {METADATA_CSV}, a patch may be {patches}.")
    if len({path.stem for path in sizes}) < len(sizes):  # such as B2.dat and B2.bin
        return Proposal(seen)
    width, side = fitting[0] if len(fitting) == 1 else (2, 1)
    bands = []
    for path, other in list(sizes.items())[:_N_PROPOSED]:
        dtype = _TYPES.get(other * width // size, _TYPES[width])
        if side == 1:  # the type is asked for; what is a label, the name alone says
            dtype = "uint8" if _LABELS.search(path.stem) else "uint16"
        bands.append(_band(path.stem, dtype, path.name))
    missing = "the type and the size of your patches, which flat files do not have"
    guessed = f", and with {missing}" if side == 1 else "; check the type, which is a guess"
    return Proposal(seen, _layout(root, (side, side), bands), guessed=guessed)


def _n_rows(csv: Path) -> int:
    try:
        return count_rows(csv)
    except (LayoutError, OSError, ValueError):
        return 0


def _square_patches(size: int, n_patches: int) -> list[tuple[int, int]]:
    """Return bytes of a pixel and the side of a patch, for all that make square patches."""
    found = []
    for width in _TYPES if n_patches else ():
        pixels, rest = divmod(size, n_patches * width)
        side = math.isqrt(pixels)
        if not rest and side * side == pixels and side > 1:
            found.append((width, side))
    return found
