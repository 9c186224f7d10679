"""The variables of a data set: arrays with their attributes, and coordinates of patches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.core import indexing

from ..._core.runtime import DefaultFloats
from ..._utils.text import listed
from ...errors import RequestError
from ...layouts.band import Band
from ...reading.dataset import Dataset
from ...reading.selection import select_bands
from .array import StoredArray
from .coordinates import (
    CRS_COLUMNS,
    TRANSFORM_COLUMNS,
    PlaceArray,
    PlaceTable,
    SplitArray,
    stored_numbers,
)

DIMS = ("patch", "y", "x")
# The dimension of the six numbers of a transform.
_NUMBERS = "transform_number"
# Patches of a chunk where xarray chooses them: 32 MiB of 512 x 512 of two bytes.
_CHUNK = 64
# Columns of metadata.csv that become the coordinate `time`, the surest first.
_TIMES = ("time", "datetime", "date", "acquired", "s2_date")
# xarray decodes variables with these units as durations, and those "since" a date as dates.
_DURATIONS = {
    *("days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"),
}


def make_dataset(
    ds: Dataset, bands: Any, labels: Any, metadata: Any, time: str | bool | None
) -> xr.Dataset:
    """Return a data set as it is stored, before xarray decodes it."""
    names = _arrays(ds, bands, labels)
    if taken := sorted({_NUMBERS, *DIMS}.intersection(names)):
        raise RequestError(
            f"{listed(taken)} of {ds.path} is the name of an array and of a dimension here; name "
            "the other arrays: bands=, labels="
        )
    arrays = {name: _variable(ds, name) for name in names}
    coords = {name: x for name, x in _coords(ds, metadata, time).items() if name not in arrays}
    valid = ds.valid_window
    attrs = {
        "layout": ds.layout.name,
        "valid_window": np.array([valid.row, valid.col, valid.height, valid.width]),
    }
    return xr.Dataset(arrays, coords, attrs)


def kind_of(ds: Dataset, name: str) -> str:
    """Return whether an array is a "band" or a "label"."""
    known = ds.layout.band(name)
    return "band" if known is None else known.kind


def _arrays(ds: Dataset, bands: Any, labels: Any) -> Sequence[str]:
    """Return the arrays that are named; all if none is."""
    if bands is None and labels is None:
        return ds.names
    names = [] if bands is None else [*select_bands(ds, bands)]
    labels = () if labels is None else [labels] if isinstance(labels, str) else labels
    if not isinstance(labels, Sequence) or not all(isinstance(name, str) for name in labels):
        raise RequestError(
            f"labels={labels!r}; labels must be a name or a sequence of names, since codes come as "
            "stored; ds.cloudio.read(labels=...) gives classes"
        )
    return [*dict.fromkeys([*names, *map(ds.find, labels)])]


# ---- arrays --------------------------------------------------------------------------------------


def _variable(ds: Dataset, name: str) -> xr.Variable:
    array = StoredArray(ds, name)
    chunks = {"patch": max(1, min(len(ds), _CHUNK))}
    return _lazy(DIMS, array, _attributes(ds, name), {"preferred_chunks": chunks})


def _lazy(dims: Any, array: Any, *more: Any) -> xr.Variable:
    return xr.Variable(dims, indexing.LazilyIndexedArray(array), *more)


def _attributes(ds: Dataset, name: str) -> dict[str, Any]:
    band, dtype = ds.band(name), ds.dtype(name)
    attrs: dict[str, Any] = {}
    if band.unit is not None:
        is_time = band.unit in _DURATIONS or " since " in band.unit
        attrs["unit" if is_time else "units"] = band.unit or "1"
    if band.wavelength is not None:
        attrs |= {"wavelength": band.wavelength, "wavelength_units": "nm"}
    if kind_of(ds, name) == "label":
        if band.nodata is not None:
            attrs["nodata"] = dtype.type(band.nodata)
        return attrs | _flags(ds, name, dtype)
    if band.nodata is not None:
        attrs["_FillValue"] = dtype.type(band.nodata)
    return attrs | _scale(band, dtype)


def _scale(band: Band, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the factors as float32: with float64 xarray would compute in float64, to other bits.

    Whole numbers become float32 where the scale is 1, too, as in readers.
    """
    if band.factors is None:
        return {}
    with DefaultFloats():
        factor, summand = (np.float32(x) for x in band.factors)
    if dtype.kind == "f" and factor == 1 and not summand:
        return {}
    return {"scale_factor": factor} | ({"add_offset": summand} if summand else {})


def _flags(ds: Dataset, name: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the codes of a label and what they mean, as CF writes them, where the layout says."""
    label_map = next(iter(ds.layout.label_maps.get(name, {}).values()), None)
    if label_map is None or not label_map.names or label_map.as_threshold:
        return {}
    lost, names = set(label_map.beyond(dtype)), label_map.names
    meanings = {
        code: names[to]
        for code, to in label_map.classes.items()
        if to is not None and code not in lost
    }
    if not meanings:
        return {}
    bits = [code % 256**dtype.itemsize for code in meanings]
    return {
        "flag_values": np.array(bits, f"u{dtype.itemsize}").view(dtype),
        "flag_meanings": " ".join("_".join(name.split()) for name in meanings.values()),
    }


# ---- coordinates ---------------------------------------------------------------------------------


def _coords(ds: Dataset, metadata: Any, time: str | bool | None) -> dict[str, Any]:
    numbers = stored_numbers(ds) if ds.is_subset else pd.RangeIndex(len(ds))
    coords: dict[str, Any] = {"patch": pd.Index(numbers, name="patch")}
    if len(ds.splits) > 1:
        coords["split"] = _lazy("patch", SplitArray(ds, "name"))
    # With the number it says which patch this is, also beside those of other data sets.
    coords["folder"] = _lazy("patch", SplitArray(ds, "folder"))
    if (dates := _time(ds, time)) is not None:
        coords["time"] = "patch", dates
    places = PlaceTable(ds)
    for name, columns, dims in (
        ("crs", CRS_COLUMNS, ("patch",)),
        ("geotransform", TRANSFORM_COLUMNS, ("patch", _NUMBERS)),
    ):
        if not set(columns).isdisjoint(ds.metadata_names):
            coords[name] = _lazy(dims, PlaceArray(places, name))
    metadata = [metadata] if isinstance(metadata, str) else metadata
    for name, column in ds.metadata_columns(metadata).items():
        coords.setdefault(name, ("patch", column))
    return coords


def _time(ds: Dataset, time: str | bool | None) -> np.ndarray | None:
    """Return when each patch was taken; None where no column says."""
    if time is False:
        return None
    names = [time] if isinstance(time, str) else [x for x in _TIMES if x in ds.metadata_names]
    for name in names:
        column = ds.metadata_columns(name)[name]
        if column.dtype.kind == "M":
            return column
    if isinstance(time, str):
        raise RequestError(f"time={time!r}; that column of metadata.csv holds no dates")
    return None
