"""xarray: one variable of all bands, opened lazily from netCDF 4 or zarr 3, and `isel` of windows.

Without Dask (``chunks=None``), as xarray's users with one machine read small windows: Dask's graph
costs more than such a read (https://docs.xarray.dev/en/stable/user-guide/io.html).  Nothing is
compressed; netCDF lies in one piece, zarr has a chunk for each patch.  Samples are read on several
threads; HDF5 and netCDF have one lock for all.

Tried: the engines netcdf4 (fastest), h5netcdf and scipy (netCDF 3); chunks in netCDF 4; whole rows
that numpy crops.
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import by_sample, stored_patches

DIMS = "patch", "band", "row", "column"


def _layout(task):
    n, height, width = task.bands[0].shape
    dtype = np.result_type(*(band.dtype for band in task.bands))
    found = {"image": (DIMS, (n, len(task.bands), height, width), dtype)}
    if task.label is not None:
        dims = tuple(dim for dim in DIMS if dim != "band")
        found["label"] = (dims, (n, height, width), np.dtype(task.label.dtype))
    return found


def convert_netcdf(task, folder):
    # Patch by patch, which xarray's own to_netcdf does only with Dask.
    import netCDF4

    with netCDF4.Dataset(folder / "patches.nc", "w") as file:
        for dim, n in zip(DIMS, _layout(task)["image"][1], strict=True):
            file.createDimension(dim, n)
        for name, (dims, _, dtype) in _layout(task).items():
            file.createVariable(name, dtype, dims, contiguous=True).set_auto_maskandscale(False)
        for patch, parts in enumerate(stored_patches(task)):
            for name, part in zip(_layout(task), parts):  # noqa: B905  (codes may be None)
                file[name][patch] = part


def convert_zarr(task, folder):
    import zarr

    group = zarr.create_group(folder / "patches.zarr")
    for name, (dims, shape, dtype) in _layout(task).items():
        chunks = (1, *shape[1:])
        raw = {"compressors": None, "filters": None, "fill_value": 0, "dimension_names": dims}
        group.create_array(name, shape=shape, dtype=dtype, chunks=chunks, **raw)
    for patch, parts in enumerate(stored_patches(task)):
        for name, part in zip(_layout(task), parts):  # noqa: B905  (codes may be None)
            group[name][patch] = part


@contextmanager
def _opened(task, name, **how):
    import xarray

    # zarr's fill value is no missing value here: pixels stay int16.
    with xarray.open_dataset(task.converted / name, mask_and_scale=False, **how) as dataset:
        image = dataset["image"]
        label = None if task.label is None else dataset["label"]

        def crop(patch, rows, cols):
            window = {"patch": patch, "row": rows, "column": cols}
            return image.isel(window).values, None if label is None else label.isel(window).values

        with by_sample(task, crop) as read:
            yield read


def opened_netcdf(task):
    return _opened(task, "patches.nc", engine="netcdf4", cache=False)


def opened_zarr(task):
    return _opened(task, "patches.zarr", engine="zarr", chunks=None, consolidated=False)


SUITES = "formats", "cold"
RIVALS = [
    Rival(
        "xarray, netCDF 4",
        opened_netcdf,
        SUITES,
        ("xarray", "netCDF4", "numpy"),
        convert=convert_netcdf,
    ),
    Rival("xarray, zarr 3", opened_zarr, SUITES, ("xarray", "zarr", "numpy"), convert=convert_zarr),
]
