"""What may not be what it looks like: of the files of a data set, and of labels that are read.

Each doubt is one sentence that says what was seen, what it does to the numbers, and what to do.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from . import advice
from .cloudsen12 import CARD_DIFFERS, CLOUDSEN12
from .folder import METADATA, Split
from .labels import LabelMap, cannot_hold
from .layout import Layout, Window
from .source import Source
from .stored import Array

# ---- of files ------------------------------------------------------------------------------------


class Doubt(NamedTuple):
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


def of_files(splits: Sequence[Split], layout: Layout) -> list[Doubt]:
    """What is unusual about the files of a data set, each once."""
    known = {band.name: band.dtype for band in layout.bands}
    arrays = set().union(*(split.arrays for split in splits))
    found: list[Doubt] = []
    for split in splits:
        for name, array in split.arrays.items():
            what, by = f"{split.name}: {array.path.name}", "header" if array.start else "size"
            if name not in known:
                text = f"is not an array of {layout.name}; taken as {array.dtype} by its {by}"
                found.append(Doubt("unknown", f"{what} {text}"))
            elif array.dtype != known[name]:
                text = f"is {array.dtype} by its {by}, where {layout.name} has {known[name]}"
                found.append(Doubt("type", f"{what} {text}"))
        found += (Doubt("left out", f"{split.name}: {note}") for note in split.notes)
        if split.other is not None:
            found.append(Doubt("patches", f"{split.name}: {split.other}"))
        if lacking := arrays.difference(split.arrays):
            text = f"{split.name}: no {', '.join(sorted(lacking))}, which others have"
            found.append(Doubt("lacking", text))
        if not split.metadata and any(s.metadata for s in splits):
            found.append(Doubt("metadata", f"{split.name}: no {METADATA}, which others have"))
    # Channels of one file have the same doubts.
    return list(dict.fromkeys(found))


def warn_of_files(path: Path, splits: Sequence[Split], layout: Layout) -> None:
    """Warn, once for a path, of all doubts about its files that change numbers."""
    matter = os.fspath(path), "files"
    if advice.settled(matter):
        return
    found = of_files(splits, layout)
    if all(_narrow(split.arrays.values()) for split in splits if split.other is not None):
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
        advice.once(matter, f"{path}: {count} about its files; ds.warnings lists all.{each}")


def _narrow(arrays: Iterable[Array]) -> bool:
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


# ---- of labels -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A label that is to be read, by a map or as stored, and its open files, by split."""

    name: str
    label_map: LabelMap | None
    by_name: bool
    files: Mapping[str, Source]

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self.files.values())).dtype


def warn_of_labels(
    path: Path, layout: Layout, size: tuple[int, int], labels: Sequence[Asked]
) -> None:
    """Warn, once for a path, label and matter, where labels are not what they look like."""
    where = os.fspath(path)
    for label in labels:
        _type(where, layout, label)
        _content(where, layout, label)
        _policy(where, layout, label)
        _probability(where, layout, label)
    raw = [label.name for label in labels if label.label_map is None]
    valid = layout.valid.size
    if raw and (size[0] > valid[0] or size[1] > valid[1]):
        _frame(where, valid, size, raw)


def _type(where: str, layout: Layout, label: Asked) -> None:
    """Files of another type than the layout's; a band in this case has no known scale."""
    known = layout.band(label.name)
    if known is not None and label.dtype != known.dtype:
        advice.once(
            (where, "type", label.name),
            f"{label.name} is {label.dtype} by the sizes of its files, where {layout.name} has "
            f"{known.dtype}; read as {label.dtype}, in which codes may mean something else: look "
            "at those it holds, and give a map if they do",
        )


# Of each split of a label in doubt: patches that are looked at, and rows of each.
_PATCHES, _ROWS = 4, 2


def _content(where: str, layout: Layout, label: Asked) -> None:
    """Files whose type cannot hold the codes of a label, so that they may hold nothing at all.

    They are looked at, and no others: every byte read here is one that nobody asked for.
    """
    matter = where, "codes", label.name
    meant = next(iter(layout.label_maps.get(label.name, {}).values()), label.label_map)
    if meant is None or advice.settled(matter):
        return
    lost = meant.beyond(label.dtype)
    own = [] if label.label_map is None else label.label_map.beyond(label.dtype)
    if not lost and not own:
        return
    found = {split: _constant(file, layout.valid) for split, file in label.files.items()}
    alike = [split for split, code in found.items() if code == 0]
    if alike:
        advice.once(
            matter,
            f"{cannot_hold(label.name, label.dtype, lost or own)}, and is 0 wherever it was looked "
            f"at in {', '.join(alike)} ({_ROWS} rows of up to {_PATCHES} patches): every pixel "
            "becomes one class, whatever the image shows; read another label, unless "
            f"'cloudio verify {where}' finds more in it",
        )
    elif own:
        advice.once(
            matter,
            f"{cannot_hold(label.name, label.dtype, own)}: no pixel will be given their classes; "
            "give a map of the codes that it holds, or read another label",
        )


def _constant(source: Source, valid: Window) -> int | None:
    """The one code of some rows of the valid window; None where there are several.

    None too where the file cannot be read, which is for reading itself to say.  Touches no
    mapping, so that a file cut meanwhile cannot kill the process.
    """
    _, begin, (n_stored, *_), (patch_bytes, row_bytes, pixel_bytes) = source.extent
    first = b""
    try:
        with open(source.file.path, "rb", buffering=0) as file:
            for patch, row in _places(n_stored, valid.height):
                offset = patch * patch_bytes + (valid.row + row) * row_bytes
                file.seek(begin + offset + valid.col * pixel_bytes)
                codes = file.read(valid.width * pixel_bytes)
                first = first or codes[:pixel_bytes]
                if not first or codes != first * valid.width:
                    return None
    except OSError:
        return None
    return int(np.frombuffer(first, source.dtype)[0])


def _places(n_stored: int, height: int) -> Iterable[tuple[int, int]]:
    """Patches and rows spread by the golden ratio, which falls into no period of a data set."""
    golden = 0.6180339887498949
    for k in range(_ROWS):
        for j in range(min(_PATCHES, n_stored)):
            patch = j if n_stored <= _PATCHES else int(n_stored * (j * golden % 1))
            yield patch, int(height * ((k * _PATCHES + j + 0.5) * golden % 1))


def _policy(where: str, layout: Layout, label: Asked) -> None:
    """A label named alone, of whose codes published maps do not say the same."""
    matter = where, "policy", label.name
    policies = layout.label_maps.get(label.name, {})
    if not label.by_name or not policies or advice.settled(matter):
        return
    first = next(iter(policies))
    if layout.label_maps is CLOUDSEN12.label_maps and label.name in CARD_DIFFERS:
        text = CARD_DIFFERS[label.name]
    elif not (text := _disagreement(policies)):
        advice.settle(matter)
        return
    advice.once(
        matter,
        f"{label.name} by its name alone follows {first!r}: {text}; "
        f"labels={{{label.name!r}: {first!r}}} says that this is meant",
    )


def _disagreement(policies: Mapping[str, LabelMap]) -> str:
    """Which codes that some policy lists become what under each; "" where all agree on all."""
    listed = sorted({code for label_map in policies.values() for code in label_map.classes})
    found: dict[tuple[int | None, ...], list[int]] = {}
    for code in listed:
        found.setdefault(tuple(m.of(code) for m in policies.values()), []).append(code)
    parts = []
    for classes, codes in found.items():
        if len(set(classes)) > 1:
            each = (
                f"{'ignored' if to is None else f'class {to}'} under {policy!r}"
                for policy, to in zip(policies, classes, strict=True)
            )
            what = "the code" if len(codes) == 1 else "the codes"
            parts.append(f"{what} {', '.join(map(str, codes))}: {', '.join(each)}")
    return "; ".join(parts)


def _probability(where: str, layout: Layout, label: Asked) -> None:
    """A probability read as stored, told from the layout's map, which is a threshold."""
    matter = where, "probability", label.name
    known = next(iter(layout.label_maps.get(label.name, {}).values()), None)
    if label.label_map is not None or known is None or advice.settled(matter):
        return
    if found := known.as_threshold:
        at, top = found
        advice.once(
            matter,
            f"{label.name} read as stored is a probability 0..{top}, not a class: compare it with "
            f"a threshold, not with 1; LabelMap.threshold({at}), or its name alone, gives classes "
            "0 and 1",
        )


def _frame(where: str, valid: tuple[int, int], size: tuple[int, int], names: Sequence[str]) -> None:
    """Codes as stored, in windows that reach beyond the valid one wherever they lie."""
    n_pixels = size[0] * size[1]
    n_frame = n_pixels - min(size[0], valid[0]) * min(size[1], valid[1])
    advice.once(
        (where, "frame", *names),
        f"{', '.join(names)} read as stored in windows of {size[0]} x {size[1]}, where "
        f"{valid[0]} x {valid[1]} pixels are real: at least {n_frame:,} pixels of each "
        f"({n_frame / n_pixels:.2%}) are frame and come out with the code that is stored there, a "
        "0 as clear; size=None leaves the frame out, a map or policy makes it ignore",
    )
