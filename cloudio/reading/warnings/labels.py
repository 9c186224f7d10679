"""Warnings about labels that are read: types, codes, policies, probabilities and padding."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..._utils.files import open_raw
from ..._utils.text import listed, percent
from ..._utils.warn import dismiss, warn_once, was_warned
from ...errors import LayoutError
from ...layouts.band import Window
from ...layouts.cloudsen12 import CARD_DIFFERS, CLOUDSEN12
from ...layouts.codes.class_names import describe_class
from ...layouts.labels import LabelMap, cannot_hold, notable_codes, reachable_classes
from ...layouts.layout import Layout
from ...storage.arrays import OpenArray
from ..collection import Collection
from ..selection import LabelSelection

# Of a label whose codes are compared; a layout file could have a hundred thousand.
_MOST_POLICIES = 100


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """One label to read: its map, or None for codes as stored, and its open files.

    ``folder`` and ``layout`` are those of the data set; ``files`` are by split.
    """

    folder: str
    layout: Layout
    name: str
    label_map: LabelMap | None
    by_name: bool
    files: Mapping[str, OpenArray]

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self.files.values())).dtype

    @property
    def policies(self) -> Mapping[str, LabelMap]:
        """The maps that the layout has for the label, by the names of their policies."""
        return self.layout.label_maps.get(self.name, {})


def warn_about_labels(
    dataset: Collection,
    labels: LabelSelection,
    size: tuple[int, int],
    io: str,
    ignore: int | None = None,
) -> None:
    """Warn, once for a path, label and matter, if labels are not what they look like.

    ``ignore`` is the class of ignored pixels, if it is among the classes that are read.
    """
    folder, layout = os.fspath(dataset.path), dataset.layout
    for name, label_map in labels.label_maps.items():
        files = dict(zip(dataset.splits, dataset.open_arrays(name, io), strict=True))
        label = LabelRequest(folder, layout, name, label_map, labels.by_name, files)
        _warn_about_dtype(label)
        _warn_about_codes(label)
        _warn_about_policy(label)
        _warn_about_probability(label)
        if ignore is not None and label_map is not None:
            _warn_about_ignore(label, label_map, ignore)
    raw = [name for name, label_map in labels.label_maps.items() if label_map is None]
    valid = layout.valid.size
    if raw and (size[0] > valid[0] or size[1] > valid[1]):
        _warn_about_padding(folder, valid, size, raw)


# ---- types ---------------------------------------------------------------------------------------


def _warn_about_dtype(label: LabelRequest) -> None:
    """Warn if files have another type than the layout's; a band then has no known scale."""
    known = label.layout.band(label.name)
    if known is not None and label.dtype != known.dtype:
        warn_once(
            (label.folder, "type", label.name),
            f"{label.name} is {label.dtype} by the sizes of its files, but {known.dtype} in "
            f"{label.layout.name}. It is read as {label.dtype}, whose codes may have other "
            "meanings: check which codes occur, and give a map if they differ",
        )


# ---- codes ---------------------------------------------------------------------------------------

# How much of each split is sampled: this many patches, and rows of each.
_N_PATCHES, _N_ROWS = 4, 2


def _warn_about_codes(label: LabelRequest) -> None:
    """Warn if files have a type that cannot hold the label's codes; they may be empty.

    Only such files are sampled, because these reads take time.
    """
    matter = label.folder, "codes", label.name
    default = next(iter(label.policies.values()), label.label_map)
    if default is None or was_warned(matter):
        return
    lost = default.beyond(label.dtype)
    lost_own = [] if label.label_map is None else label.label_map.beyond(label.dtype)
    if not lost and not lost_own:
        return
    codes = {split: _constant_code(f, label.layout.valid) for split, f in label.files.items()}
    blank = [split for split, code in codes.items() if code == 0]
    if blank:
        warn_once(
            matter,
            f"{cannot_hold(label.name, label.dtype, lost or lost_own)}. All sampled pixels of "
            f"{listed(blank)} ({_N_ROWS} rows of up to {_N_PATCHES} patches) are 0, so that "
            "every pixel becomes one class, whatever the image shows. Read another label, unless "
            f"'cloudio verify {label.folder}' finds other codes in it",
        )
    elif lost_own:
        warn_once(
            matter,
            f"{cannot_hold(label.name, label.dtype, lost_own)}, so no pixel gets their classes. "
            "Give a map of the codes that occur, or read another label",
        )


def _constant_code(array: OpenArray, valid: Window) -> int | None:
    """Return the code that sampled rows of the valid window all hold, or None.

    It is None too if the file cannot be read; a read reports that.  No mapping is touched, so that
    a file that is cut meanwhile cannot kill the process.
    """
    code = None
    try:
        for row in _read_rows(array, valid):
            code = int(row[0]) if code is None else code
            if (row != code).any():
                return None
    except (OSError, LayoutError, TypeError):  # TypeError: the file ends before
        return None
    return code


def _read_rows(array: OpenArray, valid: Window) -> Iterator[np.ndarray]:
    """Yield some rows of the valid window of some patches."""
    _, begin, (n_stored, *_), (patch_bytes, row_bytes, pixel_bytes) = array.buffer_spec
    rows = _sample_rows(n_stored, valid.height)
    if array.stored.native is not None:
        for patch, y in rows:
            window = Window(valid.row + y, valid.col, 1, valid.width)
            yield array.stored.read_window(patch, window)[0]
        return
    with open_raw(array.file.path) as file:
        for patch, y in rows:
            offset = patch * patch_bytes + (valid.row + y) * row_bytes
            file.seek(begin + offset + valid.col * pixel_bytes)
            codes = file.read((valid.width - 1) * pixel_bytes + array.dtype.itemsize)
            yield np.ndarray(valid.width, array.dtype, codes, strides=(pixel_bytes,))


def _sample_rows(n_stored: int, height: int) -> Iterable[tuple[int, int]]:
    """Spread patches and rows by the golden ratio, which matches no period of a data set."""
    golden = 0.6180339887498949
    for k in range(_N_ROWS):
        for j in range(min(_N_PATCHES, n_stored)):
            patch = j if n_stored <= _N_PATCHES else int(n_stored * (j * golden % 1))
            yield patch, int(height * ((k * _N_PATCHES + j + 0.5) * golden % 1))


# ---- policies ------------------------------------------------------------------------------------


def _warn_about_policy(label: LabelRequest) -> None:
    """Warn of a label named without a policy if the published maps disagree about its codes."""
    matter, policies = (label.folder, "policy", label.name), label.policies
    if not label.by_name or not policies or was_warned(matter):
        return
    first = next(iter(policies))
    if label.layout.label_maps is CLOUDSEN12.label_maps and label.name in CARD_DIFFERS:
        text = CARD_DIFFERS[label.name]
    elif not (text := _disagreement(policies)):
        dismiss(matter)
        return
    warn_once(
        matter,
        f"{label.name} is named without a policy and follows {first!r}: {text}. "
        f"To confirm, write labels={{{label.name!r}: {first!r}}}",
    )


def _disagreement(policies: Mapping[str, LabelMap]) -> str:
    """Return which codes become what under each policy; "" if all policies agree."""
    policies = dict(islice(policies.items(), _MOST_POLICIES))
    found: dict[tuple[int | None, ...], list[int]] = {}
    for code in sorted({code for one in policies.values() for code in notable_codes(one)}):
        found.setdefault(tuple(m.of(code) for m in policies.values()), []).append(code)
    parts = []
    for classes, codes in found.items():
        if len(set(classes)) > 1:
            each = (
                f"{'ignored' if to is None else describe_class(one.names, to)} under {policy!r}"
                for (policy, one), to in zip(policies.items(), classes, strict=True)
            )
            what = "the code" if len(codes) == 1 else "the codes"
            parts.append(f"{what} {listed(codes)}: {listed(each)}")
    return listed(parts, "; ")


def _warn_about_ignore(label: LabelRequest, label_map: LabelMap, ignore: int) -> None:
    """Warn if ignored pixels become a class that other pixels have."""
    if ignore not in reachable_classes(label_map):
        return
    warn_once(
        (label.folder, "ignore", label.name, ignore),
        f"ignore={ignore} is also {describe_class(label_map.names, ignore)} of "
        f"{label.name}: ignored pixels and padding cannot be told from it. Give an ignore that is "
        "no class, such as 255; to ignore that class on purpose, map its codes to None",
    )


# ---- codes as stored -----------------------------------------------------------------------------


def _warn_about_probability(label: LabelRequest) -> None:
    """Warn of a probability read as stored: one whose map in the layout is a threshold."""
    matter = label.folder, "probability", label.name
    known = next(iter(label.policies.values()), None)
    if label.label_map is not None or known is None or was_warned(matter):
        return
    if found := known.as_threshold:
        at, top = found
        warn_once(
            matter,
            f"{label.name} is read as stored: it holds probabilities 0..{top}, not classes. "
            f"Compare them with a threshold, not with 1; LabelMap.threshold({at}), or the label's "
            "name alone, gives classes 0 and 1",
        )


def _warn_about_padding(
    folder: str, valid: tuple[int, int], size: tuple[int, int], names: Sequence[str]
) -> None:
    """Warn of codes as stored in windows that cannot lie inside the valid window."""
    n_pixels = size[0] * size[1]
    n_padding = n_pixels - min(size[0], valid[0]) * min(size[1], valid[1])
    warn_once(
        (folder, "padding", *names),
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} read as stored in windows of "
        f"{size[0]} x {size[1]}, but only "
        f"{valid[0]} x {valid[1]} pixels of a patch are valid. At least {n_padding:,} pixels of "
        f"each window ({percent(n_padding / n_pixels)}) are padding and keep the code stored "
        "there; a 0 looks like clear. size=None reads no padding, and with a map or policy "
        "padding becomes ignore",
    )
