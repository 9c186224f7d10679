"""What may not be what it looks like: of the files of a data set, and of labels that are read.

Each doubt is one sentence that says what was seen, what it does to the numbers, and what to do.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from .._utils.warn import warn_once, was_warned
from ..layouts.layout import Layout
from .discovery import METADATA_CSV, Split
from .inference import ArrayFile

# ---- of files ------------------------------------------------------------------------------------


class Diagnostic(NamedTuple):
    """A sentence about files, and what it is about."""

    about: Literal["unknown", "type", "left out", "patches", "lacking", "metadata"]
    text: str


# Doubts that change numbers without an error, in the order of what they cost; what to do.
_COSTLY = {
    "patches": "if that is so, half of every number is read as another",
    "type": (
        "read by that type, and a band without a scale of its own, so that reader(...) wants "
        "scale=; if the files were not converted, they are cut, exchanged or of another data set"
    ),
    "lacking": (
        "over all splits these arrays are not there, and a preset may mean others in their place "
        "(rgb those of L2A); ds.split(name) has what its split has"
    ),
}
_SHOWN = 3


def diagnose_files(splits: Sequence[Split], layout: Layout) -> list[Diagnostic]:
    """What is unusual about the files of a data set, each once."""
    known = {band.name: band.dtype for band in layout.bands}
    arrays = set().union(*(split.arrays for split in splits))
    found: list[Diagnostic] = []
    for split in splits:
        for name, array in split.arrays.items():
            what, by = f"{split.name}: {array.path.name}", "header" if array.start else "size"
            if name not in known:
                text = f"is not an array of {layout.name}; taken as {array.dtype} by its {by}"
                found.append(Diagnostic("unknown", f"{what} {text}"))
            elif array.dtype != known[name]:
                text = f"is {array.dtype} by its {by}, where {layout.name} has {known[name]}"
                found.append(Diagnostic("type", f"{what} {text}"))
        found += (Diagnostic("left out", f"{split.name}: {note}") for note in split.notes)
        if split.ambiguity is not None:
            found.append(Diagnostic("patches", f"{split.name}: {split.ambiguity}"))
        if lacking := arrays.difference(split.arrays):
            text = f"{split.name}: no {', '.join(sorted(lacking))}, which others have"
            found.append(Diagnostic("lacking", text))
        if not split.metadata and any(s.metadata for s in splits):
            found.append(
                Diagnostic("metadata", f"{split.name}: no {METADATA_CSV}, which others have")
            )
    # Channels of one file have the same doubts.
    return list(dict.fromkeys(found))


def warn_about_files(path: Path, splits: Sequence[Split], layout: Layout) -> None:
    """Warn, once for a path, of all doubts about its files that change numbers."""
    matter = os.fspath(path), "files"
    if was_warned(matter):
        return
    found = diagnose_files(splits, layout)
    if all(_narrow(split.arrays.values()) for split in splits if split.ambiguity is not None):
        found = [doubt for doubt in found if doubt.about != "patches"]
    lines = []
    for about, what_to_do in _COSTLY.items():
        if texts := [doubt.text for doubt in found if doubt.about == about]:
            more = f"; and {len(texts) - _SHOWN} more so" if len(texts) > _SHOWN else ""
            lines.append(f"{'; '.join(texts[:_SHOWN])}{more}: {what_to_do}")
    if lines:
        n = sum(doubt.about in _COSTLY for doubt in found)
        count = "one doubt" if n == 1 else f"{n} doubts"
        each = "".join(f"\n- {line}." for line in lines)
        warn_once(matter, f"{path}: {count} about its files; ds.warnings lists all.{each}")


def _narrow(arrays: Iterable[ArrayFile]) -> bool:
    """Whether bytes of some files refute that they hold numbers twice as wide as they are read.

    Two numbers of two bytes seldom make a float32 between 1e-6 and 1e6 that measurements are; and
    every second byte of label codes of two bytes is 0, or 255 of a -1.
    """
    widths = {array.path: array.dtype.itemsize for array in arrays}
    for path, width in list(widths.items())[:_FILES]:
        try:
            seen = _pieces(path)
        except OSError:  # for reading to say
            continue
        if width == 1 and not np.isin(np.frombuffer(seen, np.uint8)[1::2], (0, 255)).all():
            return True
        if width == 2:
            with np.errstate(invalid="ignore"):
                wide = np.abs(np.frombuffer(seen, "<f4"))
                wide = wide[wide > 0]
                usual = (wide > 1e-6) & (wide < 1e6)
            if 2 * np.count_nonzero(usual) < len(wide):
                return True
    return False


_FILES, _PIECES, _PIECE = 4, 8, 1024


def _pieces(path: Path) -> bytes:
    """Some bytes from all over a file, in whole words of four."""
    with open(path, "rb", buffering=0) as file:
        n_words = os.fstat(file.fileno()).st_size // 4
        found = []
        for k in range(_PIECES):
            file.seek(4 * int(n_words * (k + 0.5) / _PIECES))
            piece = file.read(_PIECE)
            found.append(piece[: len(piece) // 4 * 4])
    return b"".join(found)
