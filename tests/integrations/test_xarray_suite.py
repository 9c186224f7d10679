"""Tests of xarray for its own backends, run on data sets of cloudio.

They write a data set and open it again.  Here a variable becomes an array (patch, y, x), and the
dimensions get their names back lazily.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest

from cloudio import Band, Layout, Window

xr = pytest.importorskip("xarray", reason="xarray is an extra")
backends = pytest.importorskip("xarray.tests.test_backends", exc_type=ImportError)

DIMS = ("patch", "y", "x")
SIZES = {"dim1": 8, "dim2": 9, "dim3": 10}
# What needs no types, names or dimensions that files of patches cannot have.
NAMES = (
    "test_array_type_after_indexing",
    "test_dataset_caching",
    "test_dataset_compute",
    "test_empty_isel",
    "test_empty_isel_multidim",
    "test_isel_dataarray",
    "test_load",
    "test_ondisk_after_print",
    "test_orthogonal_indexing",
    "test_pickle",
    "test_pickle_dataarray",
    "test_roundtrip_test_data",
    "test_vectorized_indexing",
    "test_vectorized_indexing_negative_step",
)


def create_test_data():
    """Three variables, as xarray's own data but of types that are stored."""
    shape = tuple(SIZES.values())
    rng = np.random.default_rng(0)
    variables = {
        "var1": (tuple(SIZES), rng.integers(-999, 999, shape).astype("int16")),
        "var2": (tuple(SIZES), rng.random(shape, "float32")),
        "var3": (tuple(SIZES), rng.integers(0, 255, shape).astype("uint8")),
    }
    return xr.Dataset(variables, {"dim1": np.arange(8)})


def write(data, folder):
    """Write the variables; dimensions that are missing have length 1."""
    sizes = [*data.sizes.values(), 1, 1][:3]
    types = {"int64": "int16", "float64": "float32"}
    bands = []
    folder.mkdir()
    for name, variable in data.data_vars.items():
        dtype = types.get(variable.dtype.name, variable.dtype.name)
        bands.append(Band(name, dtype=dtype, scale=None))
        variable.values.astype(dtype).tofile(folder / f"{name}.dat")
    height, width = sizes[1:]
    return Layout("Test", (height, width), Window(0, 0, height, width), tuple(bands))


class TestBackend:
    check_dtypes_roundtripped = backends.DatasetIOBase.check_dtypes_roundtripped
    validate_array_type = backends.DatasetIOBase.validate_array_type

    @pytest.fixture(autouse=True)
    def own_data(self, monkeypatch):
        monkeypatch.setattr(backends, "create_test_data", create_test_data)

    @pytest.fixture(params=[False, True], ids=["alone", "dask"])
    def use_dask(self, request):
        if request.param:
            pytest.importorskip("dask.array", reason="Dask is an extra")
        return request.param

    @contextlib.contextmanager
    def roundtrip(self, data, open_kwargs=None, **_):
        with tempfile.TemporaryDirectory() as folder:
            layout = write(data, Path(folder, "data"))
            options = {"engine": "cloudio", "layout": layout, **(open_kwargs or {})}
            with xr.open_dataset(Path(folder, "data"), **options) as opened:
                opened.attrs = {}
                dims = [*data.sizes]
                one = opened.isel(dict.fromkeys(DIMS[len(dims) :], 0)).drop_vars(
                    ["patch", "folder"]
                )
                one = one.rename(dict(zip(DIMS, dims, strict=False)))
                yield one.assign_coords(data.coords)

    async def load_in_a_loop(self):
        data = create_test_data()
        with self.roundtrip(data) as opened:
            await opened.load_async()
            assert opened["var1"].variable._in_memory
            xr.testing.assert_identical(opened, data)

    def test_load_async(self):
        if not hasattr(xr.Dataset, "load_async"):
            pytest.skip("this xarray loads nothing in an event loop")
        asyncio.run(self.load_in_a_loop())


for name in NAMES:
    if (function := getattr(backends.DatasetIOBase, name, None)) is not None:
        setattr(TestBackend, name, function)
