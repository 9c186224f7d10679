"""The engine of `xarray.open_dataset` that opens data sets of cloudio."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from ..._utils.types import IO, FilePath
from ..._utils.warn import suppressed
from ...errors import CloudioError, RequestError
from ...layouts.layout import Layout
from ...reading.dataset import Dataset, open
from ...reading.selection import Bands
from ...storage.opening.scan import scan_path
from .accessor import SOURCE
from .variables import make_dataset

# A folder with one of these is a Zarr store.
_ZARR = "zarr.json", ".zgroup", ".zarray", ".zmetadata"


class Engine(BackendEntrypoint):
    """The engine ``"cloudio"`` of `xarray.open_dataset`, `open_datatree` and `open_groups`.

    Where cloudio is installed, xarray finds it by its name.  Elsewhere, pass the class itself:
    ``xarray.open_dataset(path, engine=cloudio.xarray.Engine)``.
    """

    description = "Open data sets of cloudio: flat arrays of patches"
    url = "https://github.com/cloudio-dev/cloudio/tree/main/docs/guides/xarray.md"
    supports_groups = True
    open_dataset_parameters = (
        *("filename_or_obj", "drop_variables", "mask_and_scale", "decode_times"),
        *("concat_characters", "decode_coords", "use_cftime", "decode_timedelta"),
        *("bands", "labels", "split", "layout", "io", "metadata", "time"),
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether this is a folder with a data set that needs no ``layout``.

        Parameters
        ----------
        filename_or_obj : object
            What `xarray.open_dataset` was given.

        Returns
        -------
        bool
            False for anything but the path of a folder, and for Zarr stores.
        """
        try:
            path = os.fspath(filename_or_obj)
            if not os.path.isdir(path) or any(
                os.path.exists(os.path.join(path, name)) for name in _ZARR
            ):
                return False
            with suppressed():
                return bool(scan_path(path, None)[1])
        except (TypeError, CloudioError, OSError):
            return False

    def open_dataset(
        self,
        filename_or_obj: FilePath | Dataset,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: Any = None,
        decode_times: Any = None,
        concat_characters: Any = None,
        decode_coords: Any = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        bands: Bands | None = None,
        labels: str | Sequence[str] | None = None,
        split: str | None = None,
        layout: Layout | FilePath | None = None,
        io: IO = "mmap",
        metadata: str | Sequence[str] = (),
        time: str | bool | None = None,
    ) -> xr.Dataset:
        """Return a data set whose pixels are read when they are asked for.

        Parameters
        ----------
        filename_or_obj : str, path or Dataset
            What `cloudio.open` takes, or what it has returned, such as a subset.
        drop_variables : str or iterable of str, optional
            Variables to leave out.
        mask_and_scale, decode_times, concat_characters, decode_coords, use_cftime, decode_timedelta
            As `xarray.open_dataset` explains them.
        bands : str or sequence of str, optional
            A preset, a name, or a sequence of these.
        labels : str or sequence of str, optional
            Names of labels.  Without ``bands`` and ``labels`` all arrays are opened.
        split : str, optional
            One split.  By default all, one after the other, with a coordinate ``split``.
        layout, io
            As in `cloudio.open`.
        metadata : str or sequence of str, optional
            Columns of metadata.csv that become coordinates of their names.
        time : str or bool, optional
            The column that becomes the coordinate ``time``.  By default time, datetime, date,
            acquired or s2_date, the first that holds dates.  False: none.

        Returns
        -------
        xarray.Dataset
            Variables (patch, y, x) of whole stored patches.  It pickles as a path.

        Raises
        ------
        RequestError, LayoutError
            If an argument is wrong, or the files do not fit together.
        """
        ds, is_own = _open(filename_or_obj, split, layout, io)
        decoders = {
            "mask_and_scale": mask_and_scale,
            "decode_times": decode_times,
            "concat_characters": concat_characters,
            "decode_coords": decode_coords,
            "use_cftime": use_cftime,
            "decode_timedelta": decode_timedelta,
        }
        given = {name: value for name, value in decoders.items() if value is not None}
        stored = make_dataset(ds, bands, labels, metadata, time)
        opened = xr.decode_cf(stored, drop_variables=drop_variables, **given)
        opened.encoding = {"source": os.fspath(ds.path), SOURCE: ds}
        if is_own:
            opened.set_close(ds.close)
        return opened

    def open_groups_as_dict(
        self,
        filename_or_obj: FilePath | Dataset,
        *,
        layout: Layout | FilePath | None = None,
        io: IO = "mmap",
        **options: Any,
    ) -> dict[str, xr.Dataset]:
        """Return an `xarray.Dataset` for each split, ``"/train"`` and the like.

        Parameters
        ----------
        filename_or_obj, layout, io
            As in `open_dataset`.
        **options
            The other parameters of `open_dataset`, without ``split``.

        Returns
        -------
        dict of str to xarray.Dataset
            By group; ``"/"`` has the attributes.

        Raises
        ------
        RequestError, LayoutError
            As in `open_dataset`.
        """
        if "split" in options:
            raise RequestError("split= chooses one split; xarray.open_dataset takes it")
        ds, is_own = _open(filename_or_obj, None, layout, io)
        groups = {f"/{name}": self.open_dataset(ds.split(name), **options) for name in ds.splits}
        root = xr.Dataset(attrs={"layout": ds.layout.name})
        root.encoding = {"source": os.fspath(ds.path)}
        if is_own:
            root.set_close(ds.close)
        return {"/": root, **groups}

    def open_datatree(self, filename_or_obj: FilePath | Dataset, **options: Any) -> xr.DataTree:
        """Return a tree with a node for each split.

        Parameters
        ----------
        filename_or_obj : str, path or Dataset
            As in `open_dataset`.
        **options
            The other parameters of `open_dataset`, without ``split``.

        Returns
        -------
        xarray.DataTree
            Its nodes are those of `open_groups_as_dict`.

        Raises
        ------
        RequestError, LayoutError
            As in `open_dataset`.
        """
        groups = self.open_groups_as_dict(filename_or_obj, **options)
        tree = xr.DataTree.from_dict(groups)
        tree.set_close(groups["/"]._close)
        return tree


def _open(
    given: FilePath | Dataset,
    split: str | None,
    layout: Layout | FilePath | None,
    io: IO,
) -> tuple[Dataset, bool]:
    """Return the data set, and whether it was opened here and so is to be closed here."""
    if is_open := isinstance(given, Dataset):
        if layout is not None:
            raise RequestError("layout= belongs to a path; a Dataset has its layout")
        ds = given
    else:
        ds = open(given, layout=layout, io=io)
    return (ds if split is None else ds.split(split)), not is_open
