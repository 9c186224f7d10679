"""What a folder holds that is opened as no data set, and what to do, for the message that says so.

proposal.py finds the layout for arrays.
"""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from ..._utils.text import counted, escape_controls, listed
from ..headers.formats import FLAT_ENDINGS, format_of
from ..listing import SPLITS, split_name
from .location import LAYOUT_TOML
from .pack_command import IMAGE_ENDINGS, command, find_roles
from .proposal import propose, propose_joining

# Folders that are looked into, and the entries of each.
_DEPTH, _N_FOLDERS, _N_ENTRIES = 3, 100, 100_000
_ARRAYS = {".npy", *FLAT_ENDINGS} - {""}
# Files that people keep beside their data.
_BESIDE = {
    *("", ".cfg", ".csv", ".geojson", ".html", ".ini", ".ipynb", ".json", ".log", ".md", ".py"),
    *(".rst", ".sh", ".toml", ".txt", ".xml", ".yaml", ".yml"),
}


def describe_contents(root: Path, *, propose_layout: bool = True) -> str:
    """Return sentences about the files of a folder, and what to do with them.

    Without ``propose_layout`` nothing is said of array files that lie where they should.
    """
    if found := format_of(root):
        return f"It is {found.name}; {found.advice}."
    folders = _walk(root)
    arrays = {
        folder: files
        for folder, paths in folders.items()
        if (files := [path for path in paths if path.suffix.lower() in _ARRAYS])
    }
    near = {f: files for f, files in arrays.items() if len(f.relative_to(root).parts) <= 1}
    if near:
        return propose(root, near) if propose_layout else ""
    # Such as train/images and train/masks, or images/train.
    parts = {folder: folder.relative_to(root).parts for folder in arrays}
    splits = {f: arrays[f] for f in arrays if any(split_name(p) in SPLITS for p in parts[f])}
    text = propose_joining(root, splits) if all(len(parts[f]) == 2 for f in splits) else ""
    if text and propose_layout:
        return text
    deeper = {folder.parent for folder in arrays}
    deeper |= {folder for folder in folders if folder != root and (folder / LAYOUT_TOML).is_file()}
    if deeper:
        names = listed(os.fspath(folder) for folder in sorted(deeper))
        return f"There are .dat or .npy files further below. Open {names} instead."
    others = [path for paths in folders.values() for path in paths]
    others = [path for path in others if path.suffix.lower() not in _BESIDE]
    return _describe_others(root, others) or _describe_nothing(root, folders)


def _walk(root: Path) -> dict[Path, list[Path]]:
    """Return the files of a folder and of those below it, the upper ones first."""
    found: dict[Path, list[Path]] = {}
    level = [root]
    for _ in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level[: _N_FOLDERS - len(found)]:
            try:
                with os.scandir(folder) as entries:
                    some = [e for e in islice(entries, _N_ENTRIES) if not e.name.startswith(".")]
                    folders = {folder / e.name for e in some if e.is_dir()}
                    found[folder] = sorted(folder / e.name for e in some if not e.is_dir())
            except OSError:  # no permission, or gone
                continue
            # A Zarr store is one thing.
            stores = sorted(path for path in folders if format_of(path))
            found[folder] += stores
            below += sorted(folders.difference(stores))
        level = below
    return found


def _describe_others(root: Path, files: list[Path]) -> str:
    """Return a sentence for each ending, with the format of its first file; and how to pack."""
    sentences, has_images = [], False
    for ending, n in Counter(path.suffix.lower() for path in files).most_common(3):
        alike = [path for path in files if path.suffix.lower() == ending]
        kind = format_of(alike[0])
        names = listed(path.name for path in alike)
        what = f"It has {counted(n, f'{ending} file')} ({names})"
        if kind is None:
            sentences.append(f"{what}, which cloudio does not read.")
        else:
            sentences.append(
                f"{what}. {escape_controls(alike[0].name)} is {kind.name}; {kind.advice}."
            )
            has_images = has_images or kind.name.endswith(" image")
    if has_images:
        sentences.append(_command_sentence(root, files))
    return " ".join(filter(None, sentences))


def _command_sentence(root: Path, files: Sequence[Path]) -> str:
    """Return the command that packs the images among some files; "" if there are none."""
    images = [path for path in files if path.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        return ""
    packing = escape_controls(command(root, find_roles(root, images)))
    return f"By their names this packs them; check the patterns:\n\n    {packing}"


def propose_packing(root: Path) -> str:
    """Return sentences about the images of a folder, and the command that packs them; or ""."""
    files = [path for paths in _walk(root).values() for path in paths]
    n = sum(path.suffix.lower() in IMAGE_ENDINGS for path in files)
    return f"It has {counted(n, 'image')}. {_command_sentence(root, files)}" if n else ""


def _describe_nothing(root: Path, folders: dict[Path, list[Path]]) -> str:
    if not any(folders.values()):
        below = "" if len(folders) == 1 else ", and so are the folders below it"
        return (
            f"It is empty{below}. Check the path, or write a synthetic data set with cloudio synth."
        )
    return f"It has {listed(path.name for path in folders.get(root, []))}, and no pixels."
