"""What is written of each patch: files of bands, of a label, or of predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import RequestError
from ...layouts.band import Window
from ..sample import ArrayInfo
from ..sources.datasets import info_of
from .names import distinct
from .patches import Patches, StoredArray


class Pixels(ABC):
    """Where the pixels of a `Content` come from."""

    @abstractmethod
    def window(self, k: int) -> Window:
        """Return the window of the stored patch k that is written."""

    @abstractmethod
    def read(self, k: int, part: Window) -> np.ndarray:
        """Return a part of that window, (channel, row, column), in this machine's byte order."""


@dataclass(frozen=True)
class Content:
    """One file of each patch, or of each scene.

    ``suffix`` is what the file's name has after the stem.  ``infos`` has an entry for each of
    ``channels``.  ``is_image``: in .npy files it has an axis of channels.
    """

    suffix: str
    dtype: np.dtype[Any]
    channels: tuple[str, ...]
    infos: tuple[ArrayInfo, ...]
    nodata: float | None
    is_image: bool
    pixels: Pixels

    def read(self, k: int) -> np.ndarray:
        """Return all that is written of patch k."""
        return self.pixels.read(k, Window(0, 0, *self.pixels.window(k).size))

    def n_bytes(self, n_pixels: int) -> int:
        """Return the bytes of pixels without compression."""
        return n_pixels * len(self.channels) * self.dtype.itemsize


class StoredPixels(Pixels):
    """Arrays of a data set, in the valid window."""

    def __init__(self, arrays: Sequence[StoredArray], window: Window) -> None:
        self._arrays, self._window = arrays, window

    def window(self, k: int) -> Window:
        return self._window

    def read(self, k: int, part: Window) -> np.ndarray:
        row, col = self._window.row + part.row, self._window.col + part.col
        stored = Window(row, col, part.height, part.width)
        return np.stack([array.read(k, stored) for array in self._arrays])


def stored_contents(
    patches: Patches, names: Sequence[str], nodata: float | None
) -> tuple[Content, ...]:
    """Return the files of arrays: bands of one type and no-data number together, labels alone.

    ``nodata`` is for arrays whose layout has none.
    """
    ds, window = patches.ds, patches.ds.layout.valid
    images: dict[tuple[str, str], list[str]] = {}
    labels: list[str] = []
    infos: dict[str, ArrayInfo] = {}
    for name in names:
        info = info_of(ds.band(name))
        dtype = ds.dtype(name).newbyteorder("=")
        if info.nodata is None and nodata is not None:
            info = replace(info, nodata=check_nodata(nodata, dtype, name))
        infos[name] = info
        if info.kind == "label":
            labels.append(name)
        else:
            held = "" if info.nodata is None else f"_nodata{info.nodata:.17g}"
            images.setdefault((dtype.name, held), []).append(name)
    groups = [*images.values(), *([name] for name in labels)]
    suffixes = [*_image_suffixes(list(images)), *(f"_{x}" for x in distinct(labels))]
    return tuple(
        Content(
            suffix,
            ds.dtype(group[0]).newbyteorder("="),
            tuple(group),
            tuple(infos[name] for name in group),
            infos[group[0]].nodata,
            infos[group[0]].kind == "band",
            StoredPixels([patches.open(name) for name in group], window),
        )
        for suffix, group in zip(suffixes, groups, strict=True)
    )


def _image_suffixes(groups: Sequence[tuple[str, str]]) -> list[str]:
    """Return what tells files of bands apart: nothing for one, else type and no-data number."""
    if len(groups) == 1:
        return [""]
    types = [dtype for dtype, _ in groups]
    return [f"_{dtype}" + (nodata if types.count(dtype) > 1 else "") for dtype, nodata in groups]


def check_nodata(nodata: float, dtype: np.dtype[Any], what: str) -> float:
    """Return a no-data number as pixels store it; RequestError if they cannot."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            held = float(np.array(nodata, dtype))
        if held == nodata or nodata != nodata:
            return held
        raise RequestError(f"nodata={nodata:.17g}; {what} is {dtype}, which has no such number")
    limits = np.iinfo(dtype)
    if nodata == nodata and limits.min <= nodata <= limits.max and nodata == int(nodata):
        return int(nodata)
    raise RequestError(
        f"nodata={nodata:.17g}; {what} is {dtype}, so it must be a whole number from "
        f"{limits.min} to {limits.max}"
    )
