"""Warnings about labels that are read: types, codes, policies and padding."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._utils.text import percent
from .._utils.warn import dismiss, warn_once, was_warned
from ..layouts.band import Window
from ..layouts.cloudsen12 import CARD_DIFFERS, CLOUDSEN12
from ..layouts.labels import LabelMap, cannot_hold
from ..layouts.layout import Layout
from ..storage.files import OpenArray

# ---- of labels -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A label that is to be read, by a map or as stored, and its open files, by split."""

    name: str
    label_map: LabelMap | None
    by_name: bool
    files: Mapping[str, OpenArray]

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self.files.values())).dtype


def warn_about_labels(
    path: Path, layout: Layout, size: tuple[int, int], labels: Sequence[LabelRequest]
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


def _type(where: str, layout: Layout, label: LabelRequest) -> None:
    """Files of another type than the layout's; a band in this case has no known scale."""
    known = layout.band(label.name)
    if known is not None and label.dtype != known.dtype:
        warn_once(
            (where, "type", label.name),
            f"{label.name} is {label.dtype} by the sizes of its files, where {layout.name} has "
            f"{known.dtype}; read as {label.dtype}, in which codes may mean something else: look "
            "at those it holds, and give a map if they do",
        )


# Of each split of a label in doubt: patches that are looked at, and rows of each.
_PATCHES, _ROWS = 4, 2


def _content(where: str, layout: Layout, label: LabelRequest) -> None:
    """Files whose type cannot hold the codes of a label, so that they may hold nothing at all.

    They are looked at, and no others: every byte read here is one that nobody asked for.
    """
    matter = where, "codes", label.name
    meant = next(iter(layout.label_maps.get(label.name, {}).values()), label.label_map)
    if meant is None or was_warned(matter):
        return
    lost = meant.beyond(label.dtype)
    own = [] if label.label_map is None else label.label_map.beyond(label.dtype)
    if not lost and not own:
        return
    found = {split: _constant(file, layout.valid) for split, file in label.files.items()}
    alike = [split for split, code in found.items() if code == 0]
    if alike:
        warn_once(
            matter,
            f"{cannot_hold(label.name, label.dtype, lost or own)}, and is 0 wherever it was looked "
            f"at in {', '.join(alike)} ({_ROWS} rows of up to {_PATCHES} patches): every pixel "
            "becomes one class, whatever the image shows; read another label, unless "
            f"'cloudio verify {where}' finds more in it",
        )
    elif own:
        warn_once(
            matter,
            f"{cannot_hold(label.name, label.dtype, own)}: no pixel will be given their classes; "
            "give a map of the codes that it holds, or read another label",
        )


def _constant(source: OpenArray, valid: Window) -> int | None:
    """The one code of some rows of the valid window; None where there are several.

    None too where the file cannot be read, which is for reading itself to say.  Touches no
    mapping, so that a file cut meanwhile cannot kill the process.
    """
    _, begin, (n_stored, *_), (patch_bytes, row_bytes, pixel_bytes) = source.buffer_spec
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


def _policy(where: str, layout: Layout, label: LabelRequest) -> None:
    """A label named alone, of whose codes published maps do not say the same."""
    matter = where, "policy", label.name
    policies = layout.label_maps.get(label.name, {})
    if not label.by_name or not policies or was_warned(matter):
        return
    first = next(iter(policies))
    if layout.label_maps is CLOUDSEN12.label_maps and label.name in CARD_DIFFERS:
        text = CARD_DIFFERS[label.name]
    elif not (text := _disagreement(policies)):
        dismiss(matter)
        return
    warn_once(
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


def _probability(where: str, layout: Layout, label: LabelRequest) -> None:
    """A probability read as stored, told from the layout's map, which is a threshold."""
    matter = where, "probability", label.name
    known = next(iter(layout.label_maps.get(label.name, {}).values()), None)
    if label.label_map is not None or known is None or was_warned(matter):
        return
    if found := known.as_threshold:
        at, top = found
        warn_once(
            matter,
            f"{label.name} read as stored is a probability 0..{top}, not a class: compare it with "
            f"a threshold, not with 1; LabelMap.threshold({at}), or its name alone, gives classes "
            "0 and 1",
        )


def _frame(where: str, valid: tuple[int, int], size: tuple[int, int], names: Sequence[str]) -> None:
    """Codes as stored, in windows that reach beyond the valid one wherever they lie."""
    n_pixels = size[0] * size[1]
    n_frame = n_pixels - min(size[0], valid[0]) * min(size[1], valid[1])
    warn_once(
        (where, "frame", *names),
        f"{', '.join(names)} read as stored in windows of {size[0]} x {size[1]}, where "
        f"{valid[0]} x {valid[1]} pixels are real: at least {n_frame:,} pixels of each "
        f"({percent(n_frame / n_pixels)}) are frame and come out with the code that is stored "
        "there, a 0 as clear; size=None leaves the frame out, a map or policy makes it ignore",
    )
