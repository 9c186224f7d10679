"""A data set of cloudio as a source: some of its arrays and patches, whole or cropped."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..._utils.text import listed, shown
from ..._utils.types import Size
from ...errors import RequestError
from ...layouts.band import Band, Window
from ...layouts.digest import layout_digest
from ...layouts.layout import Layout
from ...reading.arguments.indexing import centered_origin
from ...reading.arguments.options import parse_size
from ...reading.collection import check_dataset
from ...reading.dataset import Dataset
from ...reading.selection import select_bands
from ...storage.arrays import OpenArray
from ...storage.discovery import locate_patches
from ..decoders.georeference import Georeference
from ..sample import ArrayInfo, Sample, file_state

# What a layout says of the files of an array.
_OF_FILES = {
    *("file", "channel", "channels", "channel_axis"),
    *("repeat", "phase", "exceptions"),
}


class DatasetSource:
    """The patches of a data set, as they are stored: numbers are not scaled.

    Parameters
    ----------
    ds : Dataset
        A data set, a split or a subset of one.
    take : str or sequence of str, optional
        Names of arrays, and presets, in the order that the copy has.  By default all arrays.
    crop : "valid", int or (height, width), optional
        The window of each patch: the valid window, or one of that size, centered on the valid
        window as `Reader` does it.  By default the whole patch.
    split : str, optional
        The one split of all patches.  By default they keep their splits.

    Raises
    ------
    RequestError
        If an argument is wrong, or splits store an array in different types.

    Notes
    -----
    Columns of metadata.csv are carried over as they are written, except that with ``crop`` those
    that `pack` writes of a patch's place (geotransform, bounds, scene_row and scene_col) become
    those of the window.  It pickles to a path, as the data set does.
    """

    in_threads = False

    def __init__(
        self,
        ds: Dataset,
        take: str | Sequence[str] | None = None,
        crop: Size | str = None,
        split: str | None = None,
    ) -> None:
        check_dataset(ds)
        if split is not None and (not isinstance(split, str) or not split):
            raise RequestError(f"split={split!r}; split must be the name of a split")
        self._ds, self._split = ds, split
        self._names = _names(ds, take)
        self._window = _window(ds.layout, crop)
        # Which split has each patch, and its number there.
        index = np.arange(len(ds))
        stored = ds.stored_index(index) if ds.is_subset else index
        self._which, self._rows = locate_patches(ds.stored_splits, stored)

    def __reduce__(self) -> tuple[Any, ...]:
        window = self._window
        return _restore, (self._ds, self._names, window, self._split)

    def __len__(self) -> int:
        return len(self._rows)

    def name_of(self, k: int) -> str:
        """Return the folder of a patch, and its number in the files there."""
        return f"{self._ds.stored_splits[self._which[k]].folder}, patch {self._rows[k]}"

    def split_of(self, k: int) -> str:
        """Return the split of a patch."""
        return self._split or self._ds.stored_splits[self._which[k]].name

    def digest(self) -> str:
        """Return a text that changes with the files, the patches and the arrays."""
        hints = self.layout_hints()
        found = hashlib.sha256(repr((layout_digest(hints), self._window, self._split)).encode())
        bands = [self._ds.band(name) for name in self._names]
        if native := [(each.name, each.repeat, each.phase) for each in bands if each.is_native]:
            found.update(repr(native).encode())
        for part in self._ds.stored_splits:
            arrays = [part.arrays[name] for name in self._names]
            paths = {part.csv, *(path for array in arrays for path in array.paths)}
            for path in sorted(paths):
                found.update(repr((str(path), file_state(path))).encode())
        found.update(self._which.astype("<i8").tobytes() + self._rows.astype("<i8").tobytes())
        return found.hexdigest()

    def read(self, k: int) -> Sample:
        """Return a patch; TruncatedError if a file has become shorter."""
        which, row = int(self._which[k]), int(self._rows[k])
        arrays = {
            name: self._arrays[name][which].stored.read_window(row, self._window)
            for name in self._names
        }
        written = {name: column[row] for name, column in self._columns[which].items()}
        is_whole = self._window == Window(0, 0, *self._ds.layout.patch)
        moved = {} if is_whole else _moved(written, self._window)
        return Sample(arrays, self._infos, {**written, **moved})

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        """Return nothing: `layout_hints` has the label maps."""
        return {}

    def layout_hints(self) -> Layout:
        """Return the layout of the copy: the arrays that are taken, and what is said of them.

        Presets and aliases that name other arrays are left out, and so are prefixes of none.
        """
        layout, window, names = self._ds.layout, self._window, set(self._names)
        # The copy has whole patches in files of its own.
        own: dict[str, Any] = {
            field.name: field.default for field in fields(Band) if field.name in _OF_FILES
        }
        bands = [replace(self._ds.band(name), **own) for name in self._names]
        choices = {
            preset: tuple(choice for choice in some if names.issuperset(choice))
            for preset, some in layout.presets.items()
        }
        return Layout(
            layout.name,
            window.size,
            _valid_part(layout.valid, window),
            tuple(bands),
            presets={preset: some for preset, some in choices.items() if some},
            label_maps={k: maps for k, maps in layout.label_maps.items() if k in names},
            aliases={alias: name for alias, name in layout.aliases.items() if name in names},
            prefixes=tuple(p for p in layout.prefixes if any(n.startswith(p) for n in names)),
        )

    @cached_property
    def _infos(self) -> dict[str, ArrayInfo]:
        return {name: info_of(self._ds.band(name)) for name in self._names}

    @cached_property
    def _arrays(self) -> dict[str, list[OpenArray]]:
        return {name: self._ds.open_arrays(name, "pread") for name in self._names}

    @cached_property
    def _columns(self) -> list[dict[str, list[str]]]:
        """The columns of each split as text, from its metadata.csv."""
        files = [part.metadata for part in self._ds.stored_splits]
        return [{} if file is None else file.read() for file in files]


def _restore(ds: Dataset, names: Sequence[str], window: Window, split: str | None) -> DatasetSource:
    # Not as arguments: a preset may have the name of an array.
    source = DatasetSource(ds, split=split)
    source._names, source._window = tuple(names), window
    return source


# ---- arguments -----------------------------------------------------------------------------------


def _names(ds: Dataset, take: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the arrays to take, each once."""
    if take is None:
        if not ds.names:
            raise RequestError(f"the splits {listed(ds.splits)} of {ds.path} have no common array")
        return ds.names
    if not isinstance(take, (str, Sequence)) or not take:
        raise RequestError(f"take={shown(take)}; take must be a name, a preset, or names")
    return tuple(dict.fromkeys(select_bands(ds, take)))


def _window(layout: Layout, crop: Size | str) -> Window:
    """Return the window of a stored patch that is taken."""
    if crop is None:
        return Window(0, 0, *layout.patch)
    valid = layout.valid
    if isinstance(crop, str):
        if crop != "valid":
            raise RequestError(f"crop={crop!r}; crop must be 'valid' or a size")
        return valid
    size = parse_size(crop, layout.patch)
    origin = centered_origin(size, (valid.row, valid.col), valid.size, layout.patch)
    return Window(int(origin[0]), int(origin[1]), *size)


def _valid_part(valid: Window, window: Window) -> Window:
    """Return the valid pixels of a window, from its own corner."""
    row, col = max(valid.row - window.row, 0), max(valid.col - window.col, 0)
    below = min(valid.row + valid.height - window.row, window.height)
    right = min(valid.col + valid.width - window.col, window.width)
    return Window(row, col, below - row, right - col)


def info_of(band: Band) -> ArrayInfo:
    factor, summand = band.scale_factor, band.add_offset
    if factor is None and summand is None and band.factors not in (None, (1.0, 0.0)):
        factor, summand = band.factors or (None, None)
    return ArrayInfo(band.kind, band.nodata, factor, summand, band.unit, band.wavelength)


# ---- columns -------------------------------------------------------------------------------------


def _moved(columns: Mapping[str, str], window: Window) -> dict[str, object]:
    """Return the columns that say where a patch lies, as they are for a window of it."""
    found: dict[str, object] = {}
    for name, shift in (("scene_row", window.row), ("scene_col", window.col)):
        if (text := columns.get(name, "")).isdecimal():
            found[name] = int(text) + shift
    try:
        transform = [float(text) for text in columns.get("geotransform", "").split()]
    except ValueError:
        return found  # written by somebody else
    if len(transform) == 6:
        x0, dx, rx, y0, ry, dy = transform
        place = Georeference(None, (x0, dx, rx, y0, ry, dy)).moved(window.row, window.col)
        moved = place.attributes(*window.size)
        found |= {name: value for name, value in moved.items() if name in columns}
    return found
