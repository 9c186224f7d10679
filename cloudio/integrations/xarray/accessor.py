"""``ds.cloudio`` of an `xarray.Dataset`: readers and batches of its patches."""

from typing import Any

import numpy as np
import xarray as xr

from ..._utils.types import Index, Origin
from ...errors import RequestError
from ...reading.dataset import Dataset
from ...reading.reader import Reader
from ...reading.selection import Bands, Labels
from .coordinates import SplitArray, stored_numbers
from .variables import kind_of

#: Where the encoding of an `xarray.Dataset` has its data set.
SOURCE = "cloudio"


@xr.register_dataset_accessor("cloudio")
class Accessor:
    """``ds.cloudio``, where ``ds`` was opened with the engine ``"cloudio"``.

    It reads the patches that the coordinates ``patch`` and ``folder`` name, also after `isel` or
    `sel`.  A selection of rows and columns changes nothing here: ``size`` and ``origin`` choose
    the window.

    Parameters
    ----------
    dataset : xarray.Dataset
        xarray fills this in.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._xarray = dataset

    @property
    def dataset(self) -> Dataset:
        """The `Dataset` that was opened, with all of its patches."""
        found = self._xarray.encoding.get(SOURCE)
        if not isinstance(found, Dataset):
            raise RequestError(
                "this Dataset does not know its files: it was not opened with engine='cloudio', or "
                "it was computed from one that was; select patches first, and compute afterwards"
            )
        return found

    def reader(
        self, bands: Bands | None = None, labels: Labels | None = None, **settings: Any
    ) -> Reader[Any]:
        """Return a reader of these patches: patch k of it is the k-th of the coordinate.

        Parameters
        ----------
        bands : str or sequence of str, optional
            As in `Dataset.reader`.  By default the bands among the variables.
        labels : str, sequence of str, or mapping, optional
            As in `Dataset.reader`.
        **settings
            The settings of `Dataset.reader`.

        Returns
        -------
        Reader
            For loaders, or to read many batches.

        Raises
        ------
        RequestError
            If a setting is not possible, or the `xarray.Dataset` does not know its files.
        """
        ds = self.dataset
        patches = self._patches(ds)
        if not np.array_equal(patches, np.arange(len(ds))):
            ds = ds.subset(patches)
        return self._reader(ds, bands, labels, settings)

    def read(
        self,
        bands: Bands | None = None,
        labels: Labels | None = None,
        *,
        origin: Origin | None = None,
        symmetry: Index | None = None,
        **settings: Any,
    ) -> xr.Dataset:
        """Return these patches as a batch: scaled, cropped and turned, in one pass.

        Parameters
        ----------
        bands, labels
            As in `reader`.
        origin, symmetry
            As in `Reader.read`.
        **settings
            As in `reader`, without ``keys``.

        Returns
        -------
        xarray.Dataset
            ``image`` (patch, band, y, x), or (patch, y, x, band) with ``layout="NHWC"``; ``label``
            (patch, y, x), or (patch, source, y, x) of several; ``valid`` (patch, y, x).

        Raises
        ------
        RequestError
            As in `reader`.
        """
        if settings.get("keys") is not None:
            raise RequestError("keys= names the entries of dicts; ds.cloudio.reader(...) takes it")
        reader = self._reader(self.dataset, bands, labels, settings)
        batch = reader.read(self._patches(self.dataset), origin, symmetry)
        image = ("band", "y", "x") if reader.settings["layout"] == "NCHW" else ("y", "x", "band")
        variables: dict[str, Any] = {"image": (("patch", *image), batch.image)}
        coords = {**self._coords(), "band": [*reader.bands]}
        if reader.labels:
            sources = () if batch.label.ndim == 3 else ("source",)
            variables["label"] = ("patch", *sources, "y", "x"), batch.label
            if sources:
                coords["source"] = [*reader.labels]
        if reader.valid:
            variables["valid"] = ("patch", "y", "x"), batch.valid
        return xr.Dataset(variables, coords)

    def _reader(self, ds: Dataset, bands: Any, labels: Any, settings: Any) -> Reader[Any]:
        if bands is None:
            known = set(ds.names)
            names = [str(name) for name in self._xarray.data_vars if name in known]
            bands = [name for name in names if kind_of(ds, name) == "band"] or None
        reader: Reader[Any] = ds.reader(bands, labels, **settings)
        return reader

    def _patches(self, ds: Dataset) -> np.ndarray:
        """Return the patches of ``ds`` that the coordinates name, each by its folder and number."""
        for name in ("patch", "folder"):
            if name not in self._xarray.coords:
                raise RequestError(
                    f"this Dataset has no coordinate {name}; patch and folder say what to read"
                )
        numbers = np.atleast_1d(self._xarray["patch"].values)
        folders = np.atleast_1d(self._xarray["folder"].values)
        patches = _positions(ds, numbers)
        own = SplitArray(ds, "folder").of_stored(np.where(patches < 0, 0, numbers))
        if (wrong := (patches < 0) | (own != folders)).any():
            k = int(np.argmax(wrong))
            raise RequestError(
                f"patch {numbers[k]} of {folders[k]} is not one of {ds.path}, which this Dataset "
                "was opened from; read the patches of each data set and split on their own"
            )
        return patches

    def _coords(self) -> dict[str, Any]:
        """Return the coordinates of each patch."""
        coords = self._xarray.coords.to_dataset()
        if "patch" not in coords.dims:
            coords = coords.expand_dims("patch")
        return {name: x.variable for name, x in coords.coords.items() if x.dims == ("patch",)}


def _positions(ds: Dataset, numbers: np.ndarray) -> np.ndarray:
    """Return which patches of ``ds`` these are by their stored numbers; -1 for none of them."""
    if numbers.dtype.kind not in "iu":
        return np.full(len(numbers), -1)
    if not ds.is_subset or not len(ds):
        return np.where((numbers >= 0) & (numbers < len(ds)), numbers, -1).astype(np.int64)
    own = stored_numbers(ds)
    order = np.argsort(own)
    places = np.searchsorted(own, numbers, sorter=order).clip(max=len(own) - 1)
    found: np.ndarray = np.where(own[order[places]] == numbers, order[places], -1)
    return found
