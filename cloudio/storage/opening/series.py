"""Files that hold one patch each: which belong together, by their names and their shapes."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import LayoutError, error_reason
from ...layouts.cloudsen12 import CLOUDSEN12
from ..headers.npy import Header, read_any_header, read_header
from ..listing import SPLITS, split_name
from .joining import Series, natural_key
from .samples import fitting_type

# Files of a folder whose headers are read, and the largest number of channels.
_N_HEADERS, _N_CHANNELS = 2000, 64
# Fewer files of one shape are arrays, unless their names look like those of scenes.
_N_SCENES = 40
_SCENE = re.compile(r"(?=[^\W_]*[0-9])[^\W_]{6,}")

# The files of a series by their pattern, whose groups are what differs in their names.
_Groups = dict[str, list[Path]]


def read_headers(
    files: Sequence[Path], read: Callable[[Path], Header] = read_header
) -> tuple[dict[Path, Header], dict[Path, str]]:
    """Return the headers of .npy files, and why others are not read."""
    headers, reasons = {}, {}
    for path in files:
        try:
            headers[path] = read(path)
        except (LayoutError, OSError) as error:
            reasons[path] = error_reason(error)
    return headers, reasons


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Return whether the channels of (..., row, column, channel) or the like are last."""
    return shape[-1] <= _N_CHANNELS and shape[-1] < min(shape[-3:-1]) and shape[-1] < shape[-3]


def find_series(
    root: Path, folders: Mapping[Path, Sequence[Path]]
) -> tuple[list[Series], list[Path]]:
    """Return the files that hold a patch each, and the other .npy files; no series if unknown."""
    found: list[Series] = []
    # The largest first: their names are known where a split has one patch.
    for folder, files in sorted(folders.items(), key=lambda item: -len(item[1])):
        scenes = [
            path for path in files if CLOUDSEN12.band(CLOUDSEN12.name_of_file(path.stem)) is None
        ]
        for pattern, some in _group(scenes, found).items():
            found += filter(None, [_series(root, folder, pattern, some)])
    order = list(folders)
    found.sort(key=lambda each: order.index(each.folder))
    found = found or _folders_of_patches(root, folders)
    sizes = Counter(each.patch for each in found)
    found = _tell_apart([each for each in found if each.patch == max(sizes, key=sizes.__getitem__)])
    taken = {path for each in found for path in each.keys.values()}
    return found, [path for files in folders.values() for path in files if path not in taken]


def _folders_of_patches(root: Path, folders: Mapping[Path, Sequence[Path]]) -> list[Series]:
    """Return the files of folders that hold a patch each, such as scene_1/red.npy."""
    places: dict[tuple[Path, str], list[Path]] = {}
    parents = Counter(f.parent for f in folders if f != root and split_name(f.name) not in SPLITS)
    for folder, files in folders.items():
        for path in files if folder != root and split_name(folder.name) not in SPLITS else []:
            places.setdefault((folder.parent, path.name), []).append(path)
    found = [
        _series(root, parent, f"([^/]+)/{re.escape(name)}", files)
        for (parent, name), files in places.items()
        if len(files) > 1 and 2 * len(files) > parents[parent]
    ]
    series = [each for each in found if each is not None]
    # Else they may be splits of arrays (patch, row, column).
    return series if any(len(each.shape) == 2 or each.is_last for each in series) else []


def _series(root: Path, folder: Path, pattern: str, files: Sequence[Path]) -> Series | None:
    """Return the files of a pattern as a series, if they are one patch each, of one shape."""
    matches = {path: re.fullmatch(pattern, path.relative_to(folder).as_posix()) for path in files}
    keys = {natural_key("_".join(m.groups())): path for path, m in matches.items() if m}
    headers, _ = read_headers(_sampled(files), read_any_header)
    kinds = {(header.shape, header.dtype) for header in headers.values()}
    if len(keys) < len(files) or len(kinds) != 1:
        return None
    ((shape, stored),) = kinds
    if len(shape) not in (2, 3) or min(shape) < 1 or stored.kind not in "biuf":
        return None
    is_last = len(shape) == 3 and has_channels_last(shape)
    if min(shape[:2] if is_last else shape[-2:]) < 2:
        return None
    if len(shape) == 3 and not is_last and shape[0] > _N_CHANNELS:
        return None  # (patch, row, column)
    above = folder.relative_to(root).parts
    names = [part for part in above if split_name(part) not in SPLITS]
    split = next((split_name(part) for part in above if split_name(part) in SPLITS), "")
    name = _name(pattern) or "_".join(names) or "patches"
    try:
        dtype = fitting_type(list(keys.values()), stored)
    except (OSError, ValueError):
        return None
    below = "*/*" if "/" in pattern else "*"
    return Series(folder, split, name, pattern, keys, shape, stored.name, dtype, is_last, below)


def _sampled(files: Sequence[Path]) -> Sequence[Path]:
    return files[:: -(-len(files) // _N_HEADERS)]


def _name(pattern: str) -> str:
    """Return what all names of a pattern have in common, as the name of an array; "" for nothing.

    What the names are not, is in front.
    """
    stem = re.sub(r"^(\(\?!.*\\\.npy\))+", "", pattern, flags=re.IGNORECASE).rpartition(r"\.")[0]
    text = (
        stem.replace("([0-9]+)", "_").replace("(.+)", "_").replace("([^/]+)/", "").replace("\\", "")
    )
    name = re.sub(r"[\W_]+", "_", text).strip("_")
    return name if re.search(r"[^\W_0-9]", name) else ""


# ---- groups of one folder ------------------------------------------------------------------------


def _group(files: Sequence[Path], before: Sequence[Series]) -> _Groups:
    """Return the files of a folder that may be one patch each, by what is alike in their names."""
    if not files:
        return {}
    for group in (_by_word, _by_number):
        groups = group(files)
        if _are_arrays(groups, len(files)):
            return groups
    if groups := _by_shape(files):
        return groups
    # A split of one patch has the names of another split.
    for each in before:
        alike = [path for path in files if re.fullmatch(each.pattern, path.name)]
        if len(alike) == len(files):
            return {each.pattern: alike}
    return {}


def _are_arrays(groups: _Groups, n_files: int) -> bool:
    """Return whether groups have most of the files, and most patches a file in each of them."""
    keys = [
        {natural_key("_".join(m.groups())) for p in some if (m := re.fullmatch(pattern, p.name))}
        for pattern, some in groups.items()
    ]
    if not keys or 2 * sum(map(len, keys)) < n_files or len(keys) > _N_CHANNELS:
        return False
    every: set[object] = set().union(*keys)
    return all(2 * len(some) > len(every) for some in keys)


def _by_word(files: Sequence[Path]) -> _Groups:
    """Group files by the first or last word of their names, such as img_1 or 1_B02."""
    word = r"[^\W_]*[^\W_0-9][^\W_]*"  # not a number alone
    for pattern in (rf"(?P<key>.+)(?P<word>[\W_]{word})", rf"(?P<word>{word}[\W_])(?P<key>.+)"):
        groups: _Groups = {}
        for path in files:
            if match := re.fullmatch(pattern, path.stem):
                parts = {"key": "(.+)", "word": re.escape(match["word"])}
                name = "".join(parts[part] for part in sorted(parts, key=match.start))
                groups.setdefault(f"{name}{re.escape(path.suffix)}", []).append(path)
        groups = {name: some for name, some in groups.items() if len(some) > 1}
        if len(groups) > 1 and sum(map(len, groups.values())) == len(files):
            return groups
    return {}


def _by_number(files: Sequence[Path]) -> _Groups:
    """Group files whose names differ in numbers only; numbers that all have are no difference."""
    alike: _Groups = {}
    for path in files:
        alike.setdefault(re.sub("[0-9]+", "\0", path.name), []).append(path)
    groups = {}
    for name, some in alike.items():
        if len(some) < 2:
            continue
        numbers = list(zip(*(re.findall("[0-9]+", path.name) for path in some), strict=True))
        literals = iter(name.split("\0"))
        pattern = re.escape(next(literals))
        for column, literal in zip(numbers, literals, strict=True):
            pattern += "([0-9]+)" if len(set(column)) > 1 else column[0]
            pattern += re.escape(literal)
        groups[pattern] = some
    return groups


def _by_shape(files: Sequence[Path]) -> _Groups:
    """Group files whose names have nothing in common, such as hashes, by shape and type."""
    if len(files) < 2 or (
        len(files) <= _N_SCENES and not all(_SCENE.search(path.stem) for path in files)
    ):
        return {}
    headers, _ = read_headers(_sampled(files), read_any_header)
    shapes: dict[object, list[Path]] = {}
    for path, header in headers.items():
        shapes.setdefault((header.shape, header.dtype), []).append(path)
    if len(shapes) == 1:
        return {_affixes(files): list(files)}
    if len(headers) < len(files):
        return {}
    groups = {_affixes(some): some for some in shapes.values() if len(some) > 1}
    return _disjoint(groups, files)


def _affixes(files: Sequence[Path]) -> str:
    """Return the pattern of names that begin or end with the same words."""
    first, last = common_affixes([path.stem for path in files])
    return f"{re.escape(first)}(.+){re.escape(last)}{re.escape(files[0].suffix)}"


def common_affixes(stems: Sequence[str]) -> tuple[str, str]:
    """Return the words that all names begin with and end with, without a part of a word.

    "" and "" if a name has nothing else.
    """
    first = re.sub(r"[^\W_]*$", "", _beginning(stems))
    last = re.sub(r"^[^\W_]*", "", _beginning([stem[::-1] for stem in stems])[::-1])
    if any(len(stem) <= len(first) + len(last) for stem in stems):
        return "", ""
    return first, last


def _beginning(texts: Sequence[str]) -> str:
    """Return what all of some texts begin with."""
    one, other = min(texts), max(texts)
    n = next((k for k, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), None)
    return one[:n]


def _disjoint(groups: _Groups, files: Iterable[Path]) -> _Groups:
    """Return the groups with patterns that match their own files only; none if that cannot be."""
    found = {}
    for pattern, some in groups.items():
        others = [p for p in groups if p.startswith("(.+)") and len(p) > len(pattern)]
        ahead = "".join(f"(?!{p.replace('(.+)', '.+')})" for p in others)
        matching = {path for path in files if re.fullmatch(ahead + pattern, path.name)}
        if matching != set(some):
            return {}
        found[ahead + pattern] = some
    return found


# ---- groups of several folders -------------------------------------------------------------------


def _tell_apart(series: Sequence[Series]) -> list[Series]:
    """Return series of which each array of each split has one; none if they do not fit together.

    Files of the same names in several folders, such as images and masks, are several arrays; of
    other names, they are several splits.
    """
    names = Counter((each.split, each.name) for each in series)
    found = []
    for each in series:
        if names[each.split, each.name] > 1:
            some = [s for s in series if (s.split, s.name) == (each.split, each.name)]
            if _overlap(some):
                above = (
                    each.folder.parent if split_name(each.folder.name) in SPLITS else each.folder
                )
                each = replace(each, name=above.name)
            else:
                each = replace(each, split=each.folder.name)
        found.append(each)
    shapes = {(each.name, each.joined[1:], each.dtype) for each in found}
    fits = len(shapes) == len({each.name for each in found})
    fits = fits and len({(each.split, each.name) for each in found}) == len(found)
    return found if fits and len({bool(each.split) for each in found}) == 1 else []


def _overlap(series: Sequence[Series]) -> bool:
    """Return whether files of the same names in several folders are several arrays.

    Splits may be numbered from 0 each, and the shorter one has the first names of the longer.
    """
    first, *others = sorted((sorted(each.keys) for each in series), key=len, reverse=True)
    every = set(first).union(*others)
    return all(
        2 * len(keys) > len(every) and (len(keys) == len(first) or keys != first[: len(keys)])
        for keys in others
    ) or (
        len({(each.shape, each.dtype) for each in series}) > 1
        and all(2 * len(each.keys) > len(every) for each in series)
    )
