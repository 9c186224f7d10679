"""Masked arrays, tensors and DataArrays where numpy's arrays are meant; readers for data sets."""

import builders
import numpy as np
import oracle
import pytest

import cloudio
from cloudio import LabelMap, RequestError

STORED = np.random.default_rng(5).integers(-9, 999, (3, 2, 8, 9)).astype(np.int16)
CODES = np.random.default_rng(6).integers(0, 4, (3, 8, 9)).astype(np.uint8)
MASKS = ["some", "none", "nomask"]


def masked(array, mask="some"):
    """A masked array: with masked elements, with a mask of none, or without any mask."""
    array = np.asarray(array)
    if mask == "nomask":
        return np.ma.MaskedArray(array)
    return np.ma.MaskedArray(
        array, np.zeros(array.shape, bool) if mask == "none" else array == array
    )


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    builders.write_root(folder, {"train": 3, "val": 2}, builders.SMALL)
    return cloudio.open(folder, layout=builders.SMALL)


# ---- masked arrays -------------------------------------------------------------------------------

LOST = r"is a masked array, and its mask would be lost; pass {0}.filled\(x\), where the number x"


def refused(what, call):
    with pytest.raises(RequestError, match="^" + what + " " + LOST.format(what)):
        call()


@pytest.mark.parametrize("mask", MASKS)
def test_masked_arrays_are_not_gathered(mask):
    bands = [STORED[:, 0], masked(STORED[:, 1], mask)]
    refused(r"arrays\[1\]", lambda: cloudio.gather(bands, [0]))
    refused("arrays", lambda: cloudio.gather(masked(STORED, mask), [0]))
    refused("array", lambda: cloudio.remap(masked(CODES, mask), [0], [0] * 256))
    refused("table", lambda: cloudio.remap(CODES, [0], masked(np.arange(256), mask)))
    out = masked(np.zeros((1, 2, 8, 9), np.float32), mask)
    with pytest.raises(RequestError, match=r"^out: image is a masked array; it must be its"):
        cloudio.gather(STORED, [0], out=out)
    for option in ("scale", "offset"):
        factor = masked([1.0, 2.0], mask)
        refused(
            option,
            lambda option=option, factor=factor: cloudio.gather(STORED, [0], **{option: factor}),
        )


@pytest.mark.parametrize("mask", MASKS)
def test_masked_numbers_are_no_index(ds, mask):
    reader = ds.reader(["L1C_B4"], size=8)
    for read in (reader.read, reader.prefetch, lambda index, *more: cloudio.gather(STORED, index)):
        refused("index", lambda read=read: read(masked([0, 1], mask)))
        refused("index", lambda read=read: read(masked([], mask)))
        refused("index", lambda read=read: read(masked(1, mask)))
    refused("index", lambda: reader[masked([0, 1], mask)])
    refused("index", lambda: ds.subset(masked([0, 1], mask)))
    refused("index", lambda: ds.subset(masked([True] * 5, mask)))
    refused("index", lambda: cloudio.Loader(reader, 1, index=masked([0, 1], mask)))
    refused("origin", lambda: reader.read([0], masked([1, 1], mask)))
    refused("origin", lambda: reader.read([0, 1], [masked([1, 1], mask), (1, 1)]))
    refused("symmetry", lambda: reader.read([0], None, masked(4, mask)))


@pytest.mark.parametrize("mask", MASKS)
def test_masked_numbers_are_no_mean(ds, mask):
    for option in ("mean", "std", "scale"):
        with pytest.raises(RequestError, match=f"^{option} is a masked array"):
            ds.reader(["L1C_B4"], **{option: masked([0.5], mask)})


def test_a_masked_batch_is_not_filled(ds):
    reader = ds.reader(["L1C_B4"], size=8)
    image = masked(np.zeros((1, 1, 8, 8), np.float32))
    with pytest.raises(RequestError, match=r"^out: image is a masked array; it must be its"):
        reader.read([0], out=image)


def test_the_cure_works():
    array = masked(STORED)
    got = cloudio.gather(array.filled(-1), [1])
    assert (got == -1).all()


def test_subclasses_without_a_mask_are_arrays():
    got = cloudio.gather([STORED[:, 0].view(np.memmap)], [1])
    assert np.array_equal(got[0, 0], STORED[1, 0])


# ---- tensors -------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is an extra")


def test_tensors_are_gathered(torch):
    tensor = torch.from_numpy(STORED)
    wanted = cloudio.gather(STORED, [2, 0], scale=0.5)
    assert oracle.same_bits(cloudio.gather(tensor, [2, 0], scale=0.5), wanted)
    bands = [tensor[:, 0], STORED[:, 1]]
    scales = torch.tensor([0.5, 0.5], requires_grad=True)
    assert oracle.same_bits(cloudio.gather(bands, torch.tensor([2, 0]), scale=scales), wanted)
    floats = tensor.float().requires_grad_()
    assert oracle.same_bits(cloudio.gather(floats, [2, 0], scale=0.5), wanted)


def test_tensors_are_remapped(torch):
    table = np.arange(256)[::-1].copy()
    wanted = cloudio.remap(CODES, [1], table)
    assert np.array_equal(cloudio.remap(torch.from_numpy(CODES), [1], table), wanted)
    assert np.array_equal(cloudio.remap(CODES, [1], torch.from_numpy(table)), wanted)


def test_tensors_that_numpy_cannot_hold_are_refused(torch):
    with pytest.raises(RequestError, match=r"arrays is a tensor on meta; pass arrays.cpu\(\)"):
        cloudio.gather(torch.empty((1, 1, 2, 2), device="meta"), [0])
    with pytest.raises(RequestError, match=r"arrays\[0\] is a .* tensor of torch.bfloat16"):
        cloudio.gather([torch.zeros((1, 2, 2), dtype=torch.bfloat16)], [0])
    with pytest.raises(
        RequestError, match=r"Tensor; it must be a numpy array; tensor.numpy\(\) is"
    ):
        cloudio.gather(STORED, [0], out=torch.zeros((1, 2, 8, 9)))


@pytest.mark.parametrize("name", ["float32", "float16", "half", "bfloat16"])
def test_dtypes_of_torch_are_dtypes(torch, ds, name):
    dtype = getattr(torch, name)
    wanted = {"half": "float16"}.get(name, name)
    assert ds.reader(["L1C_B4"], dtype=dtype).dtype_name == wanted
    assert ds.reader(["L1C_B4"], dtype=dtype).settings["dtype"] == wanted
    if name != "bfloat16":
        assert cloudio.gather(STORED, [0], dtype=dtype).dtype == wanted


def test_dtypes_of_torch_are_dtypes_of_labels(torch, ds):
    reader = ds.reader(
        ["L1C_B4"], "LABEL_hq", dtype=torch.int16, scale=None, label_dtype=torch.long
    )
    assert (reader.dtype, reader.label_dtype) == (np.int16, np.int64)
    assert cloudio.remap(CODES, [0], {0: 1}, dtype=torch.int64).dtype == np.int64
    table = LabelMap({0: 1}).table(torch.uint8, torch.int64, -1, "x")
    assert np.array_equal(table, [1] + [-1] * 255)
    assert table.dtype == np.int64


def test_other_dtypes_of_torch_are_refused(torch, ds):
    with pytest.raises(RequestError, match=r"^dtype=torch.float64; dtype must be one of float32"):
        ds.reader(["L1C_B4"], dtype=torch.float64)
    with pytest.raises(RequestError, match=r"^label_dtype=torch.int32; label_dtype must be one of"):
        ds.reader(["L1C_B4"], "LABEL_hq", label_dtype=torch.int32)


# ---- DataArrays ----------------------------------------------------------------------------------


@pytest.fixture
def xarray():
    return pytest.importorskip("xarray", reason="xarray is an extra")


def test_data_arrays_are_gathered_and_remapped(xarray):
    stack = xarray.DataArray(STORED, dims=("patch", "band", "y", "x"))
    wanted = cloudio.gather(STORED, [2, 0])
    assert oracle.same_bits(cloudio.gather(stack, [2, 0]), wanted)
    assert oracle.same_bits(cloudio.gather([stack[:, 0], stack[:, 1]], [2, 0]), wanted)
    index = xarray.DataArray([2, 0], dims="patch")
    assert oracle.same_bits(cloudio.gather(stack, index), wanted)
    codes = xarray.DataArray(CODES, dims=("patch", "y", "x"))
    table = np.arange(256)
    assert np.array_equal(cloudio.remap(codes, [1], table), CODES[1:2])
    assert np.array_equal(cloudio.remap(codes, [1], xarray.DataArray(table)), CODES[1:2])


def test_data_arrays_over_masked_or_other_arrays_are_refused(xarray):
    with pytest.raises(RequestError, match=r"arrays must be a sequence of arrays"):
        cloudio.gather(xarray.Dataset({"a": ("x", [1])}), [0])
    dask = pytest.importorskip("dask.array", reason="dask is an extra")
    lazy = xarray.DataArray(dask.from_array(STORED), dims=("patch", "band", "y", "x"))
    with pytest.raises(RequestError, match=r"arrays is a DataArray over a Array; pass arrays.comp"):
        cloudio.gather(lazy, [0])
    assert np.array_equal(cloudio.gather(lazy.compute(), [0])[0], STORED[0])


# ---- readers where a data set is meant -----------------------------------------------------------


def calls(ds):
    """Every public function and class that takes a data set."""
    yield "ds", lambda: cloudio.stats.bands(ds)
    yield "ds", lambda: cloudio.stats.classes(ds, "LABEL_hq")
    yield "ds", lambda: cloudio.stats.agreement(ds, "LABEL_sc", "LABEL_hq")
    yield "ds", lambda: cloudio.make_splits(ds, {"a": 1})
    yield "ds", lambda: cloudio.splits.shared(ds)
    yield "dataset", lambda: cloudio.Reader(ds)
    plot = pytest.importorskip("cloudio.plot", exc_type=ImportError)
    yield "ds", lambda: plot.patch(ds, 0)


def test_a_reader_is_no_data_set(ds):
    for what, call in calls(ds.reader("L1C")):
        message = rf"^{what} is of type Reader; {what} must be a Dataset, as cloudio.open\(path\) "
        with pytest.raises(RequestError, match=rf"{message}returns, such as {what}.dataset$"):
            call()


@pytest.mark.parametrize("other", ["data/", None, 3])
def test_other_things_are_no_data_set(other):
    kind = type(other).__name__
    for what, call in calls(other):
        with pytest.raises(RequestError, match=rf"^{what} is of type {kind}; .*\(path\) returns$"):
            call()


def test_a_data_set_is_no_reader(ds):
    with pytest.raises(
        RequestError, match=r"reader is a Dataset; it must be a Reader, as ds\.reader"
    ):
        cloudio.Loader(ds, 1)
