"""Large scenes cut into tiles, which are read window by window."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._utils.numbers import is_real, is_whole
from ..._utils.text import counted, listed, percent, shown
from ...errors import RequestError
from ..decoders import Window
from ..decoders.raster import held_nodata
from ..sample import ArrayInfo, LeftOut, Sample
from .files import FileSource, OpenSample

# Scenes that a thread keeps open; consecutive tiles are of one.
_N_OPEN = 2
# Tiles that a worker reads one after the other: a row of them, because files are stored by rows.
_LEAST_TASK, _LARGEST_TASK = 8, 256


class TiledSource:
    """Tiles of the samples of another source, row by row, one scene after the other.

    Parameters
    ----------
    scenes : FileSource
        What is cut.  Each scene is opened once for its size.
    tile : int or (height, width)
        Pixels of a tile.
    stride : int or (height, width), optional
        Pixels from one tile to the next; by default ``tile``.
    min_valid : float, optional
        The least share of valid pixels, 0 to 1; tiles with fewer are left out.  A pixel is not
        valid if all bands that have a no-data number have it there, or NaN, or if a mask or an
        alpha channel of the file is 0 there.
    pad : bool
        Whether there are tiles that stick out at the right and lower edge, filled with no-data
        numbers.  Without it only whole tiles are made: `notes` says how many pixels are lost.
    nodata : mapping of str to float, optional
        No-data numbers by name, "" for all bands; by default what the files say.

    Raises
    ------
    RequestError
        If an argument is wrong, or all scenes are smaller than a tile.
    """

    in_threads = False

    def __init__(
        self,
        scenes: FileSource,
        tile: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        *,
        min_valid: float | None = None,
        pad: bool = False,
        nodata: Mapping[str, float] | None = None,
    ) -> None:
        self._scenes = scenes
        self._tile = _pair("tile", tile)
        self._stride = self._tile if stride is None else _pair("stride", stride)
        if min_valid is not None and not (is_real(min_valid) and 0 <= min_valid <= 1):
            raise RequestError(f"min_valid={shown(min_valid)}; it must be a share from 0 to 1")
        self._min_valid, self._pad = min_valid, pad
        self._nodata = dict(nodata or {})
        self._sizes = np.array([self._size_of(k) for k in range(len(scenes))]).reshape(-1, 2)
        self._grids = self._count(self._sizes)
        self._stops = np.cumsum(self._grids.prod(axis=1))
        if not len(self):
            sizes = ", ".join(f"{h} x {w}" for h, w in np.unique(self._sizes, axis=0)[:3])
            raise RequestError(
                f"tile={shown(tile)}: no tile fits into the scenes, of {sizes or 0} pixels; give a "
                "smaller tile, or pad=True (--pad)"
            )
        widest = int(self._grids[:, 1].max())
        #: Samples that a worker reads one after the other: a row of tiles.
        self.task_size = min(max(widest, _LEAST_TASK), _LARGEST_TASK)
        self._opened = threading.local()

    def _size_of(self, k: int) -> tuple[int, int]:
        with self._scenes.open(k) as scene:
            return scene.shape

    def _count(self, sizes: np.ndarray) -> np.ndarray:
        """Return how many rows and columns of tiles scenes have."""
        rest = sizes - self._tile
        if self._pad:
            # With strides beyond a tile the last one would begin outside.
            until_covered = np.maximum(-(-rest // self._stride), 0) + 1
            return np.asarray(np.minimum(until_covered, -(-sizes // self._stride)))
        return np.asarray(
            np.where(rest.min(axis=1, keepdims=True) < 0, 0, rest // self._stride + 1)
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_opened"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _opened=threading.local())

    def __len__(self) -> int:
        return int(self._stops[-1]) if len(self._stops) else 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know: the pixels at the edges that are in no tile."""
        if self._pad:
            return ()
        covered = np.where(self._grids > 0, (self._grids - 1) * self._stride + self._tile, 0)
        lost = int((self._sizes.prod(axis=1) - covered.prod(axis=1)).sum())
        if not lost:
            return ()
        height, width = self._tile
        share = percent(lost / int(self._sizes.prod(axis=1).sum()))
        return (
            f"{lost:,} pixels ({share}) at the right and lower edge of "
            f"{counted(len(self._sizes), 'scene')} are in no tile of {height} x {width}; pad=True "
            "(--pad) makes tiles of them",
        )

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """The files that are in no scene, each with the reason."""
        return self._scenes.left_out

    def summary(self) -> list[str]:
        """Return how files are put together as scenes, and how many tiles they make."""
        n = counted(len(self), "tile")
        return [*self._scenes.summary(), f"{n} of {self._tile[0]} x {self._tile[1]}"]

    def window_of(self, k: int) -> tuple[int, Window]:
        """Return the scene of tile k, and its window, which sticks out only with ``pad``."""
        if not 0 <= k < len(self):
            raise IndexError(f"tile {k}; there are {len(self)}")
        scene = int(np.searchsorted(self._stops, k, side="right"))
        within = k - (int(self._stops[scene - 1]) if scene else 0)
        row, col = divmod(within, int(self._grids[scene, 1]))
        return scene, (row * self._stride[0], col * self._stride[1], *self._tile)

    def name_of(self, k: int) -> str:
        """Return the name of the scene, and the first row and column of a tile."""
        scene, (row, col, _, _) = self.window_of(k)
        return f"{self._scenes.name_of(scene)}, tile at row {row}, column {col}"

    def split_of(self, k: int) -> str:
        """Return the split of the scene."""
        return self._scenes.split_of(self.window_of(k)[0])

    def digest(self) -> str:
        """Return a text that changes with the scenes and the tiles."""
        settings = (
            self._tile,
            self._stride,
            self._min_valid,
            self._pad,
            sorted(self._nodata.items()),
        )
        text = repr((self._scenes.digest(), settings, self._sizes.tolist()))
        return hashlib.sha256(text.encode()).hexdigest()

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        """Return the names of codes that the scenes have."""
        return self._scenes.label_names()

    def read(self, k: int) -> Sample:
        """Return a tile; LeftOut if it has too few valid pixels."""
        number, window = self.window_of(k)
        scene = self._open(number)
        row, col, height, width = window
        inner = (row, col, min(height, scene.shape[0] - row), min(width, scene.shape[1] - col))
        sample = scene.read(inner)
        if self._min_valid is not None:
            valid = self._valid(sample, _read_mask(scene, inner), number)
            n_valid = int(np.count_nonzero(valid))
            if n_valid < self._min_valid * height * width:
                raise LeftOut(
                    f"{percent(n_valid / (height * width))} of its pixels are valid; min_valid is "
                    f"{self._min_valid}"
                )
        if inner != window:
            self._fill(sample, number)
            sample.attributes = scene.attributes(window)
        sample.attributes |= {
            "scene": sample.attributes.get("file", self._scenes.name_of(number)),
            "scene_row": row,
            "scene_col": col,
            "scene_height": scene.shape[0],
            "scene_width": scene.shape[1],
        }
        return sample

    def _open(self, number: int) -> OpenSample:
        """Return an open scene; this thread keeps the last ones open."""
        held: OrderedDict[int, OpenSample] | None = getattr(self._opened, "scenes", None)
        if held is None:
            held = self._opened.scenes = OrderedDict()
        if number in held:
            held.move_to_end(number)
            return held[number]
        while len(held) >= _N_OPEN:
            held.popitem(last=False)[1].close()
        held[number] = self._scenes.open(number)
        return held[number]

    def close(self) -> None:
        """Close the scenes that this thread has open."""
        for scene in vars(self._opened).pop("scenes", {}).values():
            scene.close()

    def _nodata_of(self, name: str, info: ArrayInfo) -> float | None:
        every = self._nodata.get("", info.nodata) if info.kind == "band" else info.nodata
        return self._nodata.get(name, every)

    def _valid(self, sample: Sample, mask: np.ndarray | None, number: int) -> np.ndarray:
        """Return which pixels of a tile are valid; RequestError if nothing says so."""
        invalid: np.ndarray | None = None
        for name, pixels in sample.arrays.items():
            info = sample.infos[name]
            nodata = held_nodata(self._nodata_of(name, info), pixels.dtype)
            if info.kind == "label" or (nodata is None and pixels.dtype.kind != "f"):
                continue
            here = np.isnan(pixels) if pixels.dtype.kind == "f" else pixels == nodata
            if nodata is not None and pixels.dtype.kind == "f":
                here |= pixels == nodata
            invalid = here if invalid is None else invalid & here
        if mask is not None:
            return mask if invalid is None else mask & ~invalid
        if invalid is None:
            raise RequestError(
                f"min_valid={self._min_valid}: {self._scenes.name_of(number)} has neither a "
                "no-data number nor a mask; give nodata= (--nodata), such as nodata=0"
            )
        return ~invalid

    @staticmethod
    def _why_none(name: str, sample: Sample, given: float | None) -> str:
        """Return the name of an array, and why it has no no-data number, if one is given."""
        return (
            name if given is None else f"{name} ({sample.arrays[name].dtype} cannot hold {given})"
        )

    def _fill(self, sample: Sample, number: int) -> None:
        """Fill a tile that sticks out with no-data numbers."""
        given = {name: self._nodata_of(name, sample.infos[name]) for name in sample.arrays}
        numbers = {name: held_nodata(given[name], sample.arrays[name].dtype) for name in given}
        if missing := [name for name, nodata in numbers.items() if nodata is None]:
            raise RequestError(
                f"pad: {self._scenes.name_of(number)} has no no-data number for "
                f"{listed(self._why_none(name, sample, given[name]) for name in missing)}, and "
                "tiles at the edges are filled with it; give nodata=, such as nodata={'mask': 255} "
                "(--nodata 0 is for all bands, --nodata mask=255 for one array)"
            )
        for name, pixels in sample.arrays.items():
            nodata = numbers[name]
            filled = np.full(self._tile, nodata, pixels.dtype)
            filled[: pixels.shape[0], : pixels.shape[1]] = pixels
            sample.arrays[name] = filled


def _read_mask(scene: OpenSample, window: Window) -> np.ndarray | None:
    """Return where masks and alpha channels of images and bands are not 0; None without any.

    Whether they are packed makes no difference.
    """
    valid: np.ndarray | None = None
    for layer in scene.layers:
        channels = layer.raster.channels
        masks = [k for k, channel in enumerate(channels) if channel.meaning in ("alpha", "mask")]
        if layer.role.kind != "label":
            for k in masks:  # each by itself, because they may differ in type
                here = layer.raster.read([k], window)[0] != 0
                valid = here if valid is None else valid & here
    return valid


def _pair(what: str, given: Any) -> tuple[int, int]:
    pair = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
    if len(pair) != 2 or not all(is_whole(side) and side >= 1 for side in pair):
        raise RequestError(
            f"{what}={shown(given)}; it must be a number of pixels of 1 or more, or (height, width)"
        )
    return int(pair[0]), int(pair[1])
