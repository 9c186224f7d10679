"""The `cloudio pack` command for image files of one patch each, as far as their names show it."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ..listing import SPLITS, split_name
from .series import common_affixes

#: Endings of files that hold an image, in lower case.
IMAGE_ENDINGS = frozenset(
    (".tif", ".tiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")
)
#: Names of labels.
LABELS = re.compile(
    r"(^|[\W_\d])(labels?|masks?|targets?|gt|truth|class(es)?|annot\w*|lulc|seg\w*)($|[\W_\d])",
    re.IGNORECASE,
)
_BANDS = re.compile(
    r"(^|[\W_])(B\d{1,2}A?|[VH]{2}|red|green|blue|nir\d?|swir\d?|(band|channel|ch)_?\d+)($|[\W_])",
    re.IGNORECASE,
)
_IMAGES = re.compile(r"(^|[\W_\d])(images?|imgs?|inputs?|data|rgb)($|[\W_\d])", re.IGNORECASE)
#: Names of splits in data of any origin.
SPLIT_NAMES = {*SPLITS, "training", "validation", "valid", "testing", "dev"}
# Folders that are arrays, and files of a folder that is a patch, are not more than these.
_N_ARRAYS = 64
# The last or first word of a name, with what divides it from the rest; not a number alone.
_WORD = r"[^\W_]*[^\W_0-9][^\W_]*"
_BY_WORD = rf"(?P<key>.+)(?P<word>[\W_]+{_WORD})", rf"(?P<word>{_WORD}[\W_]+)(?P<key>.+)"


class _File(NamedTuple):
    """A file by its folders below the root, and its name."""

    folders: tuple[str, ...]
    stem: str
    ending: str

    @property
    def own_stem(self) -> str:
        """The stem in a pattern whose last folder is {id}."""
        folder = self.folders[-1]
        return "{id}".join(map(literal, self.stem.split(folder)))


@dataclass(frozen=True)
class Roles:
    """Which files are the image, single bands or labels: patterns, of labels by name."""

    images: str | None = None
    bands: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)


def literal(text: str) -> str:
    """Return text as a pattern has it that means this text."""
    return text.replace("{", "{{").replace("}", "}}")


def command(root: Path, roles: Roles) -> str:
    """Return the command that packs files beside their folder."""
    words = ["cloudio", "pack", os.fspath(root), os.fspath(root.parent / f"{root.name}_packed")]
    for option, pattern in (("--images", roles.images), ("--bands", roles.bands)):
        words += [] if pattern is None else [option, pattern]
    for name, pattern in roles.masks.items():
        words += ["--masks", pattern if len(roles.masks) == 1 else f"{name}={pattern}"]
    return shlex.join(words)


def find_roles(root: Path, paths: Sequence[Path]) -> Roles:
    """Return patterns for image files, by the names of folders and files."""
    every = [_File(p.relative_to(root).parts[:-1], p.stem, p.suffix) for p in paths]
    depth = Counter(len(file.folders) for file in every).most_common(1)[0][0]
    files = [file for file in every if len(file.folders) == depth]
    values = [Counter(file.folders[level] for file in files) for level in range(depth)]
    parts, varying = list[str](), list[int]()
    for level, names in enumerate(values):
        if all(split_name(name.lower()) in SPLIT_NAMES for name in names):
            parts.append("{split}")
        elif len(names) == 1:
            parts.append(literal(next(iter(names))))
        else:
            parts.append("{folder}" if not varying else f"{{folder_{len(varying) + 1}}}")
            varying.append(level)
    arrays = next((level for level in varying if _are_arrays(files, level)), None)
    if arrays is not None:
        return _by_folder(files, parts, arrays)
    if varying and varying[-1] == depth - 1 and _are_patches(files):
        parts[-1] = "{id}"
        return _of_patches(files, "/".join(parts))
    return _of_one_folder(files, "/".join(parts))


# ---- folders -------------------------------------------------------------------------------------


def _are_arrays(files: Sequence[_File], level: int) -> bool:
    """Return whether the folders of a level are arrays, such as images and masks."""
    stems: dict[str, set[object]] = {}
    for file in files:
        rest = file.folders[:level] + file.folders[level + 1 :]
        stems.setdefault(file.folders[level], set()).add((rest, file.stem))
    if any(LABELS.search(name) or _IMAGES.search(name) for name in stems):
        return True
    if all(_BANDS.search(name) for name in stems):
        return True
    if any(LABELS.search(file.stem) or _BANDS.search(file.stem) for file in files):
        return False  # the files are
    every: set[object] = set().union(*stems.values())
    few = len(stems) <= min(_N_ARRAYS, len(every))
    return few and all(2 * len(some) > len(every) for some in stems.values())


def _are_patches(files: Sequence[_File]) -> bool:
    """Return whether each last folder is a patch: they have files of the same names."""
    names = Counter((file.own_stem, file.ending) for file in files)
    n_folders = len({file.folders for file in files})
    if not any(re.search(r"[^\W\d_]", stem.replace("{id}", "")) for stem, _ in names):
        return False  # numbers, as of the images of a class
    return len(names) <= _N_ARRAYS and 2 * sum(names.values()) > n_folders * len(names)


def _by_folder(files: Sequence[_File], parts: Sequence[str], level: int) -> Roles:
    """Return the roles of folders such as images and masks, by their names."""
    groups: dict[str, list[_File]] = {}
    for file in files:
        groups.setdefault(file.folders[level], []).append(file)
    stems = {name: {file.stem for file in some} for name, some in groups.items()}
    every = set().union(*stems.values())
    # Names that differ in what all of a folder have, such as a and a_mask.
    differ = any(2 * len(some) <= len(every) for some in stems.values())
    patterns = {
        name: _pattern([*parts[:level], literal(name), *parts[level + 1 :]], some, affixes=differ)
        for name, some in groups.items()
    }
    roles = _assign(patterns)
    if roles.images is None:
        others = [name for name in groups if not LABELS.search(name)]
        first, last = common_affixes(others)
        found = set()
        for name in others:
            word = literal(name[len(first) : len(name) - len(last)])
            found.add(patterns[name].replace(word, "{band}"))
        if len(found) == 1:
            return replace(roles, bands=found.pop())
        # Several images of one patch are packed one after the other.
        return replace(roles, images=patterns[others[0]])
    return roles


def _assign(patterns: Mapping[str, str]) -> Roles:
    """Return roles by names: labels, and the image if it is the only other one."""
    masks = {_array_name(name): text for name, text in patterns.items() if LABELS.search(name)}
    others = [name for name in patterns if not LABELS.search(name)]
    if not others:  # nothing else could be the image
        return Roles(images=next(iter(patterns.values())))
    named = [name for name in others if _IMAGES.search(name)]
    if len(others) == 1 or len(named) == 1:
        return Roles(images=patterns[(named or others)[0]], masks=masks)
    return Roles(masks=masks)


def _pattern(parts: Sequence[str], files: Sequence[_File], *, affixes: bool) -> str:
    first, last = common_affixes([file.stem for file in files]) if affixes else ("", "")
    ending = Counter(file.ending for file in files).most_common(1)[0][0]
    return "/".join([*parts, f"{literal(first)}{{id}}{literal(last)}{literal(ending)}"])


def _of_patches(files: Sequence[_File], folder: str) -> Roles:
    """Return the roles of the files in folders of one patch each."""
    counts = Counter((file.own_stem, file.ending) for file in files)
    names = {stem: f"{folder}/{stem}{literal(ending)}" for stem, ending in counts}
    masks = {_array_name(stem): text for stem, text in names.items() if LABELS.search(stem)}
    bands = [(stem, ending) for stem, ending in counts if not LABELS.search(stem)]
    if len(bands) < 2:
        stem = next((stem for stem, _ in bands), next(iter(names)))
        return Roles(images=names[stem], masks=masks if bands else {})
    ending = Counter(ending for _, ending in bands).most_common(1)[0][0]
    first, last = common_affixes([stem for stem, each in bands if each == ending])
    return Roles(bands=f"{folder}/{first}{{band}}{last}{literal(ending)}", masks=masks)


# ---- the files of one folder ---------------------------------------------------------------------


def _of_one_folder(files: Sequence[_File], folder: str) -> Roles:
    """Return the roles of files in one folder, or in folders that are no arrays."""
    place = f"{folder}/" if folder else ""
    for find in (_by_word(_BY_WORD[0]), _by_word(_BY_WORD[1]), _by_ending):
        groups = find(files)
        keys = [set(some) for some in groups.values()]
        every: set[str] = set().union(*keys)
        if 1 < len(groups) <= _N_ARRAYS and all(2 * len(some) > len(every) for some in keys):
            return _of_groups(groups, place)
    return Roles(images=_pattern([folder] if folder else [], files, affixes=False))


# The files of an array, by what differs in their names.
_Groups = dict[tuple[str, str], dict[str, _File]]


def _by_word(pattern: str) -> Callable[[Sequence[_File]], _Groups]:
    """Return a function that groups files by the first or last word of their names."""

    def group(files: Sequence[_File]) -> _Groups:
        groups: _Groups = {}
        for file in files:
            if (match := re.fullmatch(pattern, file.stem)) is None:
                return {}
            before = match.start("word") == 0
            affixes = (match["word"], "") if before else ("", match["word"])
            key = "/".join((*file.folders, match["key"]))
            groups.setdefault(affixes, {})[key] = file
        return groups

    return group


def _by_ending(files: Sequence[_File]) -> _Groups:
    """Group files by their endings, such as a.jpg and a.png."""
    groups: _Groups = {}
    for file in files:
        groups.setdefault(("", file.ending), {})["/".join((*file.folders, file.stem))] = file
    return groups


def _of_groups(groups: _Groups, place: str) -> Roles:
    patterns, endings = {}, {}
    for (first, last), some in groups.items():
        endings[first, last] = Counter(file.ending for file in some.values()).most_common(1)[0][0]
        name = f"{first}{last}".strip("_-. ")
        ending = "" if last == endings[first, last] else endings[first, last]
        patterns[name] = f"{place}{literal(first)}{{id}}{literal(last + ending)}"
    if all(last == ending for (_, last), ending in endings.items()):  # a.jpg and a.png
        lossless = [name for name in patterns if f".{name}".lower() == ".png"]
        others = [text for name, text in patterns.items() if name not in lossless]
        is_pair = len(patterns) == 2 and len(lossless) == 1
        return Roles(images=others[0], masks={"mask": patterns[lossless[0]]} if is_pair else {})
    roles = _assign(patterns)
    if roles.images is None:
        first, last = next(key for key in groups if not LABELS.search(f"{key[0]}{key[1]}"))
        mark = (re.findall(r"^[\W_]+|[\W_]+$", first + last) or ["_"])[0]
        stem = f"{{band}}{literal(mark)}{{id}}" if first else f"{{id}}{literal(mark)}{{band}}"
        return replace(roles, bands=f"{place}{stem}{literal(endings[first, last])}")
    return roles


def _array_name(text: str) -> str:
    """Return the name of a label: that of its folder or file as one word."""
    return re.sub(r"\W+", "_", text.replace("{id}", "")).strip("_") or "mask"
