"""A layout for arrays that none describes, as far as names, headers and sizes show it."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..._utils.text import counted, escape_controls, listed
from ...errors import LayoutError
from ...layouts.band import DTYPES, Band, Window
from ...layouts.labels import LabelMap
from ...layouts.layout import Layout
from ...layouts.toml_writer import to_toml
from ..headers.formats import format_of
from ..headers.npy import packing_command
from ..metadata.csv_file import METADATA_CSV, count_rows
from .joining import Series, describe_order, find_rows, joining_code, unpaired
from .location import LAYOUT_TOML
from .pack_command import LABELS
from .samples import Sample, sample_files
from .series import find_series, has_channels_last, read_headers

# Files whose headers are read, and those that are described.
_N_HEADERS, _N_SHOWN = 200, 6
# Names with a split: train_x is found by its name, x_train is not.
_SPLIT = re.compile(
    r"(?P<first>train|val|test)_(?P<x>.+)|(?P<y>.+)_(?P<last>train|val|test)", re.IGNORECASE
)
# Flat files that are one patch each if their names are alike, and the most that are described.
_N_SERIES, _N_PROPOSED = 13, 50
# The patch of a layout whose files do not show it.
_UNKNOWN = (1, 1)
_UNSEEN = Sample()
_NONE: Mapping[str, Sample] = {}
# The types of labels that names show, and codes that mostly mean that nothing is known.
_LABEL_TYPES = ("uint8", "int8", "uint16", "int16")
_IGNORED = (*range(-128, 0), 255)
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
    return _text(root, _by_headers(root, npy) if npy else _by_sizes(root, first))


def propose_joining(root: Path, folders: Mapping[Path, Sequence[Path]]) -> str:
    """Return the same for folders of one .npy file for each patch; "" for others."""
    npy = {f: [p for p in files if p.suffix.lower() == ".npy"] for f, files in folders.items()}
    series, left_out = find_series(root, npy)
    return _text(root, _join(root, series, left_out)) if series else ""


def _text(root: Path, proposal: Proposal) -> str:
    text = " ".join(map(escape_controls, proposal.seen))
    if proposal.steps:
        text += f"\n\n{proposal.steps}"
    if proposal.layout is not None:
        where = escape_controls(str((proposal.folder or root) / LAYOUT_TOML))
        text += f"\n\nWrite this into {where}, with your own names and scales{proposal.guessed}:"
        text += f"\n\n{_toml(proposal.layout)}"
    return text


def _toml(layout: Layout) -> str:
    """Return a layout as TOML, with words to replace if the size of a patch is unknown."""
    lines = [line for line in to_toml(layout).splitlines() if not line.startswith("valid =")]
    maps = next((k for k, line in enumerate(lines) if line.startswith("[label_maps.")), len(lines))
    if maps < len(lines):
        lines.insert(maps, "# the codes that a sample of the pixels has; correct their classes")
    if layout.patch == _UNKNOWN:
        asked = {"patch": "[HEIGHT, WIDTH]", "dtype": f'"TYPE"  # {", ".join(DTYPES)}'}
        keys = [line.partition(" = ")[0] for line in lines]
        lines = [
            f"{key} = {asked[key]}" if key in asked else line
            for key, line in zip(keys, lines, strict=True)
        ]
    return "\n".join(lines)


def _layout(
    root: Path, patch: tuple[int, int], bands: Iterable[Band], samples: Mapping[str, Sample] = _NONE
) -> Layout:
    """Return a layout; labels get a map of the codes that their samples have."""
    bands = tuple(bands)
    label_maps = {
        band.name: {"own": LabelMap({k: None if k in _IGNORED else k for k in codes})}
        for band in bands
        if band.kind == "label" and (codes := samples.get(band.name, Sample()).codes)
    }
    return Layout(root.name or "data", patch, Window(0, 0, *patch), bands, label_maps=label_maps)


def _nan_sentences(samples: Mapping[str, Sample]) -> list[str]:
    if names := [name for name, sample in samples.items() if sample.has_nan]:
        return [
            f"NaN is in {listed(names)}: pass fill= to readers, such as fill=0, or batches have it "
            "too."
        ]
    return []


def _band(
    name: str,
    dtype: str,
    file: str | None = None,
    channel: int | None = None,
    channels: int | None = None,
    sample: Sample = _UNSEEN,
    last: bool = False,
) -> Band:
    """Return an array with a scale only where its numbers are likely to have none."""
    named = dtype in _LABEL_TYPES and LABELS.search(name) is not None
    is_label = named or (dtype in ("uint8", "int8") and bool(sample.codes))
    if file is not None and Path(file).stem == name:
        file = f"{{name}}{Path(file).suffix}"  # so that alike arrays are described together
    scale = 1.0 if is_label or dtype == "float32" else None
    kind: Literal["band", "label"] = "label" if is_label else "band"
    return Band(
        name,
        kind,
        dtype,
        scale,
        nodata=math.nan if sample.has_nan else None,
        file=file,
        channel=channel,
        channels=channels,
        channel_axis="last" if last else "first",
    )


# ---- .npy files ----------------------------------------------------------------------------------


def _by_headers(root: Path, folders: Mapping[Path, Sequence[Path]]) -> Proposal:
    """Return what the headers of .npy files show."""
    series, left_out = find_series(root, folders)
    if series:
        return _join(root, series, left_out)
    files = [path for paths in folders.values() for path in paths]
    headers, reasons = read_headers(files[:_N_HEADERS])
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
    if reasons:
        unread = listed(dict.fromkeys(path.name for path in reasons))
        seen.append(f"The layout below leaves out {unread}; convert them, and then ask again.")
    arrays: dict[str, list[Band]] = {}
    samples: dict[str, Sample] = {}
    for path, shape in shapes.items():
        match = names[path] if by_name else None
        stem, file = (match["x"] or match["y"], None) if match else (path.stem, path.name)
        n_channels = 1 if len(shape) == 3 else shape[1]
        sample = sample_files([path], n_channels=n_channels)
        samples[stem] = samples[stem] | sample if stem in samples else sample
        last = _has_stack_last(headers[path].shape)
        dtype = headers[path].dtype.name
        arrays[stem] = _stack(stem, shape, dtype, file, samples[stem], last)
    in_place = [p for p in shapes if _has_stack_last(shape := headers[p].shape) and shape[3] > 1]
    seen += [_read_in_place(path) for path in in_place[:1]]
    seen += _nan_sentences(samples)
    return Proposal(seen, _layout(root, patch, _unlike(arrays), samples))


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


def _join(root: Path, series: Sequence[Series], left_out: Sequence[Path]) -> Proposal:
    """Return how files of one patch each are joined in a folder of their own."""
    folder = root.with_name(f"{root.name}_joined")
    splits = {
        split: [each for each in series if each.split == split]
        for split in dict.fromkeys(each.split for each in series)
    }
    rows = {split: find_rows(some, root) for split, some in splits.items()}
    seen = [
        *(each.sentence for each in series),
        "cloudio maps one file for all patches of a split.",
        *dict.fromkeys(
            describe_order(some, folder / split, rows[split]) for split, some in splits.items()
        ),
        *(sentence for some in splits.values() for sentence in unpaired(some)),
    ]
    if left_out:
        names = listed(path.relative_to(root).as_posix() for path in left_out)
        height, width = series[0].patch
        seen.append(f"Left out of {folder}, whose patches are {height} x {width}: {names}.")
    samples = {
        each.name: sample_files(each.files, n_channels=math.prod(each.joined[1:-2]))
        for each in series
    }
    arrays = {
        each.name: _stack(each.name, each.joined, each.dtype, sample=samples[each.name])
        for each in series
    }
    seen += _nan_sentences(samples)
    layout = _layout(folder, series[0].patch, _unlike(arrays), samples)
    return Proposal(seen, layout, joining_code(splits, folder, rows), folder=folder)


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (patch, channel, row, column) of an array with its channels anywhere."""
    return (shape[0], shape[3], *shape[1:3]) if _has_stack_last(shape) else shape


def _read_in_place(path: Path) -> str:
    """Return what can be done with channels that are last."""
    command = packing_command(path, "--channel-axis", "last")
    return (
        "Channels that are last are read in place. If you read a few of many, or read them often, "
        f"a copy with the channels first is faster: '{command}'."
    )


def _has_stack_last(shape: tuple[int, ...]) -> bool:
    """Return whether an array is (patch, row, column, channel)."""
    return len(shape) == 4 and has_channels_last(shape)


def _tail(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the patch of an array (patch, [channel,] row, column); None for other arrays."""
    if len(shape) not in (3, 4) or not all(shape) or (len(shape) == 3 and has_channels_last(shape)):
        return None
    height, width = _channels_first(shape)[-2:]
    return (height, width) if min(height, width) > 1 else None


def _axes(shape: tuple[int, ...]) -> str:
    """Return which axis is which, and what to do if the order is another than cloudio's."""
    if len(shape) == 4:
        axes = "row, column, channel" if _has_stack_last(shape) else "channel, row, column"
        return f": (patch, {axes})"
    if len(shape) == 3 and has_channels_last(shape):
        return (
            ": one patch, (row, column, channel). cloudio maps one file for all patches, (patch, "
            "channel, row, column)"
        )
    if len(shape) == 2 and min(shape) > 1:
        return (
            ": one patch, (row, column). cloudio maps one file for all, (patch, row, column): "
            "numpy.save(path, numpy.stack(patches))"
        )
    return ": (patch, row, column)" if len(shape) == 3 else ": no patches"


def _unlike(arrays: Mapping[str, Sequence[Band]]) -> Iterator[Band]:
    """Yield the arrays of all files, with names that differ: a channel may have a file's name."""
    taken = set(arrays)
    for stem, bands in arrays.items():
        for band in bands:
            name = band.name
            while name in taken and name != stem:
                name += "_"
            taken.add(name)
            yield band if name == band.name else replace(band, name=name)


def _stack(
    stem: str,
    shape: tuple[int, ...],
    dtype: str,
    file: str | None = None,
    sample: Sample = _UNSEEN,
    last: bool = False,
) -> list[Band]:
    """Return the arrays of one file of a shape (patch, [channel,] row, column)."""
    if len(shape) == 3:
        return [_band(stem, dtype, file, sample=sample)]
    # Without a file, an array is found by its name, of which a stack has several.
    file, n = file or f"{stem}.npy", shape[1]
    if n == 1:
        return [_band(stem, dtype, file, sample=sample)]
    return [_band(f"{stem}_{k + 1}", dtype, file, k, n, sample, last) for k in range(n)]


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
            "flat files of one size are joined by writing one after the other, in the order of "
            "their numbers. cat * takes them in another order, 10 before 9; cat $(ls -v) does not."
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
            dtype = "uint8" if LABELS.search(path.stem) else "uint16"
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
