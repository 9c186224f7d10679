"""What is unusual about the files of a data set: a sentence each, and one warning.

A sentence says what was found; the warning adds what that does to the numbers and what to do.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from .._utils.text import counted, escape_controls, listed
from .._utils.warn import warn_once, was_warned
from ..errors import RequestError
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.layout import Layout
from .discovery import Split
from .metadata.csv_file import METADATA_CSV
from .widths import refutes_wider_numbers

Subject = Literal["layout", "unknown", "type", "left out", "patches", "missing", "metadata"]


class Diagnostic(NamedTuple):
    """A sentence about files, and its subject."""

    subject: Subject
    text: str


# Advice for everything that changes numbers without an error, the most costly first.
_ADVICE: dict[Subject, str] = {
    "layout": (
        "if the layout is not that of the files, their pixels, scales, classes and valid window "
        "are wrong: write the right one into cloudio.toml, or pass layout="
    ),
    "patches": "if the files hold the smaller number, every pixel is read wrongly",
    "type": (
        "cloudio reads the type that it found, but knows no scale for such a band: pass scale= to "
        "reader(...). If you did not convert the files, correct dtype in the layout, "
        "or check with cloudio verify that the files are those of the data set"
    ),
    "missing": (
        "the data set as a whole does not have these arrays, and a preset may use others instead; "
        "ds.split(name) has all arrays of its split"
    ),
}
_SHOWN = 3  # sentences of one subject in a warning


def diagnose_files(splits: Sequence[Split], layout: Layout) -> list[Diagnostic]:
    """Return what is unusual about the files of a data set, each once."""
    everywhere = set().union(*(split.arrays for split in splits))
    metadata = any(split.metadata for split in splits)
    found: list[Diagnostic] = []
    for split in splits:
        if split.doubt is not None:
            found.append(Diagnostic("layout", f"{split.name}: {split.doubt}"))
        found += _diagnose_types(split, layout)
        reasons = dict.fromkeys(file.reason for file in split.left_out)
        for reason in reasons:
            paths = listed(str(f.path) for f in split.left_out if f.reason == reason)
            found.append(Diagnostic("left out", f"{split.name}: left out: {paths} {reason}"))
        if split.ambiguity is not None:
            text = f"{split.ambiguity}; a {split.csv.name} with a row per patch decides it"
            found.append(Diagnostic("patches", f"{split.name}: {text}"))
        if missing := everywhere.difference(split.arrays):
            text = f"{split.name}: there is no {listed(sorted(missing))}, which other splits have"
            found.append(Diagnostic("missing", text))
        if metadata and not split.metadata:
            text = f"{split.name}: there is no {METADATA_CSV}, which other splits have"
            found.append(Diagnostic("metadata", text))
    # Channels of one file have the same diagnostics.
    return [Diagnostic(each.subject, escape_controls(each.text)) for each in dict.fromkeys(found)]


def _diagnose_types(split: Split, layout: Layout) -> list[Diagnostic]:
    """Return the arrays that the layout does not have, or has with another type."""
    known = {band.name: band.dtype for band in layout.bands}
    found = []
    for name, array in split.arrays.items():
        file, source = f"{split.name}: {array.path.name}", "header" if array.start else "size"
        if name not in known:
            read = f"cloudio reads it as {array.dtype}, by its {source}"
            text = f"is not in the layout {layout.name}; {read}"
            found.append(Diagnostic("unknown", f"{file} {text}"))
        elif array.dtype != known[name]:
            text = (
                f"is {array.dtype} by its {source}, but the layout {layout.name} says {known[name]}"
            )
            if array.start and layout is not CLOUDSEN12:
                text += f' (set dtype = "{array.dtype}" if the file is right)'
            found.append(Diagnostic("type", f"{file} {text}"))
    return found


def warn_about_files(path: Path, splits: Sequence[Split], layout: Layout) -> None:
    """Warn, once for a path, of all diagnostics of its files that change numbers."""
    matter = str(path), "files"
    if was_warned(matter):
        return
    costly = [each for each in diagnose_files(splits, layout) if each.subject in _ADVICE]
    ambiguous = [split for split in splits if split.ambiguity is not None]
    if all(refutes_wider_numbers(split.arrays.values()) for split in ambiguous):
        costly = [each for each in costly if each.subject != "patches"]
    lines = []
    for subject, advice in _ADVICE.items():
        if texts := [each.text for each in costly if each.subject == subject]:
            more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
            lines.append(f"\n- {'; '.join(texts[:_SHOWN])}{more}: {advice}.")
    if lines:
        count = counted(len(costly), "warning")
        listed = "".join(lines)
        where = escape_controls(str(path))
        warn_once(matter, f"{where}: {count} about its files; ds.warnings lists all.{listed}")


def check_unknown_array(
    name: str, splits: Sequence[Split], layout: Layout, columns: Iterable[str], where: Path
) -> None:
    """Raise RequestError if a name is an array of some splits only, or names something else."""
    for split in splits:
        if found := layout.matches(name, split.arrays):
            lacking = listed(other.name for other in splits if found[0] not in other.arrays)
            raise RequestError(
                f"{found[0]} is not in {lacking} of {where}; ds.split({split.name!r}) has it"
            )
    if any(name == split.name for split in splits):
        raise RequestError(f"{name!r} is a split, not an array; ds.split({name!r}) returns it")
    if name in columns:
        raise RequestError(
            f"{name!r} is a column of the metadata, not an array: ds.metadata[{name!r}]"
        )
    if name in layout.presets:
        names = listed(layout.presets[name][0])
        raise RequestError(
            f"{name!r} is a preset for several arrays ({names}), not an array; "
            f"ds.reader({name!r}) reads them"
        )
