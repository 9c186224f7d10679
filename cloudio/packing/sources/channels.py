"""The channels of a file that become arrays, their names and their pixels."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..._utils.text import counted, listed
from ...errors import RequestError
from ..decoders import Channel, Raster, Window
from ..sample import ArrayInfo, channel_names
from .colors import ColorTable, colors_message, colors_of_palette

# What a channel is called that is not named by its file, and the name that leaves one out.
IMAGE, LEFT_OUT = "image", "-"
_LONGEST_NAME = 100
_NO_DATA = ("alpha", "mask")


@dataclass(frozen=True, slots=True)
class Role:
    """What a file of a sample is: the image, one band, or a label; ``name`` is that of the array.

    Of an image it begins the names of channels that have none.
    """

    name: str
    kind: Literal["image", "band", "label"]


@dataclass(frozen=True)
class ArrayOptions:
    """How channels become arrays.

    ``names``: of the channels of the image, "-" for one that is left out.  ``take``: the arrays, in
    their order.  ``colors``: the classes of colors by label, "" for all labels.  ``datasets``: the
    dataset of each array in HDF5 files, "" for all.
    """

    names: tuple[str, ...] | None = None
    take: tuple[str, ...] | None = None
    colors: Mapping[str, ColorTable] = field(default_factory=dict)
    channel_axis: Literal["first", "last"] | None = None
    resample: Literal["nearest"] | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)

    def dataset_of(self, name: str) -> str | None:
        """Return the dataset of HDF5 files that an array is, if one is given."""
        return self.datasets.get(name, self.datasets.get(""))

    def colors_of(self, label: str) -> ColorTable | None:
        """Return the classes of the colors of a label, if there are some."""
        return self.colors.get(label, self.colors.get(""))


def choose_channels(
    role: Role, raster: Raster, options: ArrayOptions, taken: Collection[str]
) -> tuple[tuple[str, int], ...]:
    """Return the arrays of a file: each name with its channel.

    ``taken``: names that arrays of other files have.  RequestError if a channel cannot be packed
    as what it is, such as a palette as an image.
    """
    if role.kind == "label":
        return ((role.name, 0),) if _is_taken(role.name, options) else ()
    if role.kind == "image" and options.names is not None:
        pairs = _given_names(raster, options.names)
    else:
        pairs = _own_names(role, raster, options, taken)
    pairs = [(name, k) for name, k in pairs if _is_taken(name, options)]
    for name, k in pairs:
        if raster.channels[k].meaning == "palette":
            raise RequestError.about(
                raster.path,
                f"has a palette: the numbers of {name} are those of colors. If they are classes, "
                "the file is a label: give it with masks= (--masks); else save it as RGB",
            )
    if len(names := [name for name, _ in pairs]) > len(set(names)):
        raise RequestError(f"names: {listed(names)} has a name twice; names must be distinct")
    for name in names:
        if name in taken:
            raise RequestError.about(
                raster.path,
                f"has a channel {name}, which is the name of another array of the sample; give "
                "other names with names= (--names)",
            )
    return tuple(pairs)


def all_names(role: Role, raster: Raster, options: ArrayOptions) -> list[str]:
    """Return the names that arrays of a file can have."""
    if role.kind == "label":
        return [role.name]
    if role.kind == "image" and options.names is not None:
        return [name for name in options.names if name != LEFT_OUT]
    return [name for name, _ in _data_names(role, raster, ())]


def _is_taken(name: str, options: ArrayOptions) -> bool:
    return options.take is None or name in options.take


def _given_names(raster: Raster, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return channels with the names that the caller gives."""
    if len(names) != len(raster.channels):
        raise RequestError.about(
            raster.path,
            f"has {counted(len(raster.channels), 'channel')}{_described(raster.channels)}, but "
            f"names= gives {len(names)}: {listed(names)}; '-' leaves a channel out",
        )
    return [(name, k) for k, name in enumerate(names) if name != LEFT_OUT]


def _own_names(
    role: Role, raster: Raster, options: ArrayOptions, taken: Collection[str]
) -> list[tuple[str, int]]:
    """Return channels with their own names; RequestError for those that hold no data."""
    pairs = _data_names(role, raster, taken)
    for k, channel in enumerate(raster.channels):
        if channel.meaning not in _NO_DATA:
            continue
        if options.take is None:
            raise RequestError.about(raster.path, _no_data_message(raster, pairs, k))
        if (name := channel.name or channel.meaning) not in taken:
            pairs.append((name, k))
    if role.kind == "band" and len(pairs) > 1 and options.take is None:
        raise RequestError.about(
            raster.path,
            f"has {len(pairs)} channels{_described(raster.channels)}, but is the file of the band "
            f"{role.name}; a file of several bands is given with images= (--images)",
        )
    return pairs


def _data_names(role: Role, raster: Raster, taken: Collection[str]) -> list[tuple[str, int]]:
    """Return the channels that hold data, with the names that the file gives, or numbered ones."""
    data = [k for k, channel in enumerate(raster.channels) if channel.meaning not in _NO_DATA]
    names = [raster.channels[k].name for k in data]
    if role.kind == "band" and len(data) == 1:
        return [(role.name, data[0])]
    usable = [name for name in names if name and _is_usable(name) and name not in taken]
    if role.kind == "image" and len(set(usable)) == len(data):
        return list(zip(usable, data, strict=True))
    return list(zip(channel_names(role.name, len(data)), data, strict=True))


def _is_usable(name: str) -> bool:
    """Return whether a name can be that of an array; "-" and commas have a meaning in options."""
    return (
        name == name.strip()
        and name.isprintable()
        and len(name) <= _LONGEST_NAME
        and "," not in name
        and name != LEFT_OUT
    )


def _no_data_message(raster: Raster, pairs: Sequence[tuple[str, int]], k: int) -> str:
    what = {
        "alpha": "an alpha channel, which says how opaque a pixel is",
        "mask": "a mask beside its bands, which says where pixels are valid",
    }[raster.channels[k].meaning]
    names = {k: name for name, k in pairs}
    given = [names.get(n, LEFT_OUT) for n in range(len(raster.channels))]
    return (
        f"has {what} and is no band; leave it out with names={given} (--names "
        f"{shlex.join(given)}). If it is a band, name it there"
    )


def _described(channels: Sequence[Channel]) -> str:
    """Return the names of channels in brackets, if some have one."""
    names = [channel.name or "no name" for channel in channels]
    return f" ({listed(names)})" if any(channel.name for channel in channels) else ""


# ---- pixels --------------------------------------------------------------------------------------


def read_channels(
    role: Role,
    raster: Raster,
    pairs: Sequence[tuple[str, int]],
    options: ArrayOptions,
    window: Window | None,
) -> tuple[dict[str, np.ndarray], dict[str, ArrayInfo]]:
    """Return the arrays of a file by name, and what the file says of each."""
    if role.kind == "label":
        pixels, info = _read_label(role, raster, options, window)
        return {role.name: pixels}, {role.name: info}
    arrays: dict[str, np.ndarray] = {}
    by_type: dict[np.dtype, list[tuple[str, int]]] = {}
    for name, k in pairs:
        by_type.setdefault(raster.channels[k].dtype, []).append((name, k))
    for some in by_type.values():
        planes = raster.read([k for _, k in some], window)
        arrays |= {name: plane for (name, _), plane in zip(some, planes, strict=True)}
    return (
        {name: arrays[name] for name, _ in pairs},
        {name: raster.channels[k].info("band") for name, k in pairs},
    )


def _read_label(
    role: Role, raster: Raster, options: ArrayOptions, window: Window | None
) -> tuple[np.ndarray, ArrayInfo]:
    """Return the codes of a label: those of its one channel, or the classes of its colors."""
    channels = raster.channels
    data = [k for k, channel in enumerate(channels) if channel.meaning not in _NO_DATA]
    for k, channel in enumerate(channels):
        if channel.meaning in _NO_DATA:
            _check_opaque(raster, k, window)
    table = options.colors_of(role.name)
    if len(data) == 1:
        channel = channels[data[0]]
        pixels = raster.read(data, window)[0]
        if table is not None and channel.meaning == "palette":
            colors = colors_of_palette(pixels, raster.palette(), raster.path)
            return table.codes_of(colors, raster.path), ArrayInfo("label")
        # A gray picture among colored ones: its colors have three equal parts.
        if table is not None and channel.meaning == "data" and channel.dtype == np.uint8:
            return table.codes_of(np.stack([pixels] * 3), raster.path), ArrayInfo("label")
        return pixels, channel.info("label")
    if len(data) != 3 or any(channels[k].dtype != np.uint8 for k in data):
        types = listed(dict.fromkeys(str(channels[k].dtype) for k in data))
        raise RequestError.about(
            raster.path,
            f"has {len(data)} channels of {types}{_described(channels)}, but is the label "
            f"{role.name}; a label has one channel of codes, or three of 8 bits that are colors",
        )
    pixels = raster.read(data, window)
    if table is None:
        raise RequestError.about(raster.path, colors_message(pixels))
    return table.codes_of(pixels, raster.path), ArrayInfo("label")


def _check_opaque(raster: Raster, k: int, window: Window | None) -> None:
    """Raise RequestError unless an alpha channel or mask of a label says nothing."""
    pixels = raster.read([k], window)[0]
    most = 1 if pixels.dtype.kind in "bf" else np.iinfo(pixels.dtype).max
    if n := int((pixels != most).sum()):
        what = {"alpha": "an alpha channel that is not opaque", "mask": "a mask that is not valid"}
        raise RequestError.about(
            raster.path,
            f"has {what[raster.channels[k].meaning]} in {counted(n, 'pixel')}; save the label "
            "without it, and with a code of its own for these pixels",
        )
