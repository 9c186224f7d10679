"""The engine of xarray: every indexing gives numpy's pixels, decoded ones are those of readers."""

import asyncio
import concurrent.futures
import pickle
import shutil

import builders
import native
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from processes import in_subprocess
from profiles import scaled

import cloudio
from cloudio import Band, LabelMap, Layout, RequestError, Window

xr = pytest.importorskip("xarray", reason="xarray is an extra")

from cloudio.integrations.xarray.array import StoredArray  # noqa: E402

DIMS = ("patch", "y", "x")
PATCHES = {"train": 5, "val": 3}
SIZES = {"patch": 8, "y": 40, "x": 48}


@pytest.fixture(scope="module", params=[None, "first", "last"], ids=["flat", "first", "last"])
def roots(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    return native.write_roots(folder, PATCHES, stacked=request.param, toml=True)


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return native.write_roots(tmp_path_factory.mktemp("flat"), PATCHES, toml=True)


@pytest.fixture(scope="module")
def full(flat):
    return xr.Dataset({name: (DIMS, array) for name, array in flat.arrays.items()})


@pytest.fixture(scope="module")
def stored(roots):
    """Every array as it is stored: bands of several resolutions, stacked files, two splits."""
    return xr.open_dataset(roots.native, engine="cloudio", decode_cf=False, cache=False)


@pytest.fixture(scope="module")
def expected(roots):
    return xr.Dataset({name: (DIMS, array) for name, array in roots.arrays.items()})


def same_bits(one, other):
    one, other = np.asarray(one), np.asarray(other)
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    assert np.array_equal(one.view(f"u{one.itemsize}"), other.view(f"u{other.itemsize}"))


def same_numbers(one, other):
    """The same bits, but any NaN is NaN."""
    nan = np.isnan(other)
    assert np.array_equal(np.isnan(one), nan)
    same_bits(np.where(nan, 0, one).astype(one.dtype), np.where(nan, 0, other).astype(other.dtype))


# ---- pixels --------------------------------------------------------------------------------------


def test_all_arrays_are_opened_as_they_are_stored(stored, roots):
    assert stored.sizes == {**SIZES}
    assert [*stored.data_vars] == [band.name for band in native.FULL.bands]
    for name, array in roots.arrays.items():
        assert not stored[name].variable._in_memory
        same_bits(stored[name].values, array)
        assert stored[name].dims == DIMS


@st.composite
def along(draw, n):
    """What selects along one axis of length n."""
    if not n:
        return slice(None)
    places = st.integers(-n, n - 1)
    kind = draw(st.sampled_from(["all", "one", "slice", "list", "mask", "empty"]))
    if kind == "all":
        return slice(None)
    if kind == "one":
        return draw(places)
    if kind == "slice":
        return draw(st.slices(n))
    if kind == "mask":
        return draw(npst.arrays(bool, n))
    dtype = draw(st.sampled_from(["int64", "int32"]))
    return np.array(draw(st.lists(places, max_size=0 if kind == "empty" else 6)), dtype)


@st.composite
def together(draw):
    """Arrays that select points together, beside slices and numbers of the other axes."""
    dims, shape = ("a", "b"), (draw(st.integers(0, 3)), draw(st.integers(1, 3)))
    chosen = draw(st.lists(st.sampled_from(DIMS), min_size=2, max_size=3, unique=True))
    indexers = {}
    for name, n in SIZES.items():
        if name in chosen:
            kept = draw(st.sampled_from([(0, 1), (0,), (1,)]))
            places = draw(
                npst.arrays("int64", [shape[k] for k in kept], elements=st.integers(-n, n - 1))
            )
            indexers[name] = xr.DataArray(places, dims=[dims[k] for k in kept])
        else:
            indexers[name] = draw(st.slices(n) | st.integers(-n, n - 1))
    return indexers


@settings(max_examples=scaled(25, 80))
@given(data=st.data())
def test_any_indexing_equals_numpy(stored, expected, data):
    name = data.draw(st.sampled_from([*expected.data_vars]))
    indexers = data.draw(
        st.fixed_dictionaries({k: along(n) for k, n in SIZES.items()}) | together()
    )
    one, other = stored[name].isel(indexers), expected[name].isel(indexers)
    assert one.dims == other.dims
    assert not one.variable._in_memory
    same_bits(one.values, other.values)


@settings(max_examples=scaled(10, 40))
@given(data=st.data())
def test_indexing_twice_equals_numpy(stored, expected, data):
    one, other = stored["L1C_B4"], expected["L1C_B4"]
    for _ in range(2):
        indexers = {k: data.draw(along(n)) for k, n in other.sizes.items() if k in SIZES}
        one, other = one.isel(indexers), other.isel(indexers)
    same_bits(one.values, other.values)


@settings(max_examples=scaled(10, 40))
@given(data=st.data())
def test_indexers_as_xarray_draws_them(stored, expected, data):
    strategies = pytest.importorskip("xarray.testing.strategies")
    if not hasattr(strategies, "vectorized_indexers"):
        pytest.skip("this xarray draws no indexers")
    kinds = strategies.basic_indexers, strategies.outer_array_indexers
    kind = data.draw(st.sampled_from([*kinds, strategies.vectorized_indexers]))
    indexers = data.draw(kind(sizes=SIZES))
    xr.testing.assert_identical(
        stored[["L1C_B3", "LABEL_hq"]].drop_attrs().isel(indexers).drop_vars(stored.coords),
        expected[["L1C_B3", "LABEL_hq"]].isel(indexers),
    )


class Counted(StoredArray):
    """It notes the windows that are read."""

    def __init__(self, *args):
        super().__init__(*args)
        self.read = []

    def _gather(self, patches, origin, size):
        self.read.append((len(patches), size))
        return super()._gather(patches, origin, size)


@pytest.mark.parametrize(
    ("indexers", "read"),
    [
        ({"patch": [5, 1, 5], "y": slice(3, 9), "x": 7}, (3, (6, 1))),
        ({"patch": slice(None, None, -3), "y": slice(30, 10, -4)}, (3, (17, 48))),
        ({"patch": 2, "x": [9, 4]}, (1, (40, 6))),
        ({"patch": ("p", [1, 6]), "y": ("p", [39, 0]), "x": ("p", [0, 47])}, (2, (1, 1))),
        ({"y": ("p", [39, 0, 4]), "x": ("p", [0, 47, 4])}, (24, (1, 1))),
        ({"patch": ("p", [1, 6]), "y": ("p", [39, 0]), "x": slice(4, 9)}, (2, (1, 5))),
    ],
)
def test_one_call_reads_the_windows_that_are_needed(flat, full, indexers, read):
    array = Counted(cloudio.open(flat.native), "L1C_B4")
    lazy = xr.Variable(DIMS, xr.core.indexing.LazilyIndexedArray(array))
    same_bits(xr.DataArray(lazy).isel(indexers).values, full["L1C_B4"].isel(indexers).values)
    assert array.read == [read]


def test_steps_over_many_patches_hold_few_windows_at_a_time(flat, full, monkeypatch):
    monkeypatch.setattr("cloudio.integrations.xarray.array._PART_BYTES", 3 * 40 * 48 * 2)
    array = Counted(cloudio.open(flat.native), "L1C_B2")
    lazy = xr.DataArray(xr.Variable(DIMS, xr.core.indexing.LazilyIndexedArray(array)))
    indexers = {"y": slice(None, None, -13), "x": [47, 0]}
    same_bits(lazy.isel(indexers).values, full["L1C_B2"].isel(indexers).values)
    assert array.read == [(3, (40, 48)), (3, (40, 48)), (2, (40, 48))]


@pytest.mark.parametrize(
    ("key", "wrong"),
    [((8, 0, 0), 8), ((0, [0, -41], 0), -41), ((0, slice(None), np.array([48])), 48)],
)
def test_a_place_outside_is_an_index_error(flat, key, wrong):
    array = StoredArray(cloudio.open(flat.native), "L1C_B2")
    key = tuple(np.array(k) if isinstance(k, list) else k for k in key)
    with pytest.raises(IndexError, match=f"^index {wrong} is out of range for an axis of length"):
        array[xr.core.indexing.OuterIndexer(key)]


def test_negative_places_count_from_the_end(flat):
    array, pixels = StoredArray(cloudio.open(flat.native), "L1C_B2"), flat.arrays["L1C_B2"]
    outer = xr.core.indexing.OuterIndexer((np.array([-1, 2]), -40, slice(-3, None)))
    same_bits(array[outer], pixels[[-1, 2], -40, -3:])
    points = xr.core.indexing.VectorizedIndexer((np.array([-8, 7]), np.array([-1, 0]), slice(3)))
    same_bits(array[points], pixels[[-8, 7], [-1, 0], :3])


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_threads_share_a_data_set(flat, full, io):
    opened = xr.open_dataset(flat.native, engine="cloudio", decode_cf=False, cache=False, io=io)

    def read(k):
        name = [*full][k % len(full)]
        indexers = {"patch": [k % 8, 3], "y": slice(k % 7, None, 1 + k % 3)}
        same_bits(opened[name].isel(indexers).values, full[name].isel(indexers).values)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert [*pool.map(read, range(200))] == [None] * 200


def test_it_loads_in_an_event_loop(stored, expected):
    if not hasattr(xr.Dataset, "load_async"):
        pytest.skip("this xarray loads nothing in an event loop")
    loaded = asyncio.run(stored.isel(patch=[3, 1]).load_async())
    for name in expected:
        same_bits(loaded[name].variable._data, expected[name][[3, 1]].values)


def test_it_pickles_as_a_path(flat, full):
    opened = xr.open_dataset(flat.native, engine="cloudio", decode_cf=False)
    some = opened[["L1C_B4", "S1_VV"]].isel(patch=[6, 2], y=slice(None, None, 3))
    pickled = pickle.dumps(some)
    assert len(pickled) < 4000
    code = """
        import pickle, sys
        ds = pickle.loads(bytes.fromhex(sys.argv[1]))
        batch = ds.cloudio.read(size=8)
        print(ds.L1C_B4.values.tobytes().hex(), batch.image.values.tobytes().hex())
    """
    pixels, image = in_subprocess(code, pickled.hex()).split()
    assert pixels == full["L1C_B4"][[6, 2], ::3].values.tobytes().hex()
    assert image == some.cloudio.read(size=8).image.values.tobytes().hex()


def test_chunks_are_lazy_and_of_some_patches(flat, full):
    pytest.importorskip("dask", reason="Dask is an extra")
    opened = xr.open_dataset(flat.native, engine="cloudio", decode_cf=False, chunks={})
    assert opened["L1C_B2"].chunks == ((8,), (40,), (48,))
    opened = opened.chunk(patch=3, y=16)
    assert opened["L1C_B2"].chunks == ((3, 3, 2), (16, 16, 8), (48,))
    for name in full:
        same_bits(opened[name][::-1, 3:, ::5].values, full[name][::-1, 3:, ::5].values)


def test_real_patches_equal_numpy(mini):
    opened = xr.open_dataset(mini.path, engine="cloudio", decode_cf=False, cache=False)
    assert [*opened] == [*mini.names]
    places = {"patch": [len(mini) - 1, 0], "y": slice(500, 20, -37), "x": slice(1, 510)}
    for name in mini.names:
        parts = [mini.split(split)[name] for split in mini.splits]
        last, first = parts[-1][-1], parts[0][0]
        pixels = np.stack([last, first])[:, 500:20:-37, 1:510]
        same_bits(opened[name].isel(places).values, pixels)
    decoded = xr.open_dataset(mini.path, engine="cloudio", bands="L1C")
    window = {"patch": slice(0, None, 2), "y": slice(100, 164), "x": slice(40, 104)}
    batch = mini.reader("L1C", size=64).read(range(0, len(mini), 2), (100, 40))
    for k, name in enumerate(decoded.data_vars):
        same_bits(decoded[name].isel(window).values, batch.image[:, k])


# ---- decoding ------------------------------------------------------------------------------------

SCALED = Layout(
    "Scaled",
    (12, 16),
    Window(1, 2, 9, 11),
    (
        Band("plain", scale=1e-4),
        Band("shifted", scale=1e-4, offset=-1000, nodata=-32768, unit=""),
        Band("cf", dtype="uint16", scale_factor=0.00341802, add_offset=149.0, unit="K"),
        Band("counts", dtype="uint8", nodata=255),
        Band("slope", dtype="int8", scale=0.5, nodata=-128, unit="degree"),
        Band("radar", dtype="float32", nodata=-99.0, unit="dB", wavelength=5.6e7),
        Band("gain", dtype="float32", scale=0.3, nodata=float("nan")),
        Band("unknown", scale=None, unit="days"),
        Band("mask", kind="label", dtype="int8", nodata=-1),
        Band("wide", kind="label", dtype="uint16"),
    ),
    label_maps={
        "mask": {"own": LabelMap({0: 0, 5: 1, -1: None}, names=["land", "open water"])},
        "wide": {"own": LabelMap.threshold(40)},
    },
)


@pytest.fixture(scope="module")
def scaled_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scaled")
    builders.write_root(folder, {"train": 4, "val": 2}, SCALED)
    return folder


@pytest.fixture(scope="module")
def decoded(scaled_root):
    return xr.open_dataset(scaled_root, engine="cloudio", layout=SCALED)


def test_decoded_bands_have_the_bits_of_a_reader(scaled_root, decoded):
    ds = cloudio.open(scaled_root, layout=SCALED)
    for band in SCALED.bands[:7]:
        fill = None if band.nodata is None else np.nan
        image = ds.reader(band.name, size=(12, 16), fill=fill).read(range(6)).image[:, 0]
        same_numbers(decoded[band.name].values, image)
        same_numbers(decoded[band.name][[5, 0], ::-2, 3].values, image[[5, 0], ::-2, 3])
    for name in ("unknown", "mask", "wide"):
        same_bits(decoded[name][:4].values, ds.split("train")[name])


def test_attributes_say_what_the_layout_knows(decoded):
    kept = xr.Dataset(attrs=decoded["shifted"].attrs).attrs
    assert kept == {"units": "1"}
    encoding = decoded["shifted"].encoding
    assert encoding["preferred_chunks"] == {"patch": 6}
    factors = encoding["scale_factor"], encoding["add_offset"]
    assert factors == (np.float32(1e-4), np.float32(-0.1))
    assert [type(x) for x in factors] == [np.float32] * 2
    assert (encoding["_FillValue"], encoding["_FillValue"].dtype) == (-32768, np.int16)
    assert decoded["cf"].attrs == {"units": "K"}
    radar = {"units": "dB", "wavelength": 5.6e7, "wavelength_units": "nm"}
    assert decoded["radar"].attrs == radar
    assert "scale_factor" not in decoded["radar"].encoding
    # xarray would decode it as a duration.
    assert decoded["unknown"].attrs == {"unit": "days"}
    mask = decoded["mask"].attrs
    assert (mask["nodata"], mask["flag_meanings"]) == (-1, "land open_water")
    assert mask["flag_values"].tolist() == [0, 5]
    assert mask["flag_values"].dtype == np.int8
    assert decoded["wide"].attrs == {}
    assert decoded.attrs["layout"] == "Scaled"
    assert decoded.attrs["valid_window"].tolist() == [1, 2, 9, 11]


def test_decoding_can_be_left_out(scaled_root):
    options = {"engine": "cloudio", "layout": SCALED}
    whole = xr.open_dataset(scaled_root, mask_and_scale=False, **options)
    assert whole["shifted"].dtype == np.int16
    assert whole["shifted"].attrs["scale_factor"] == np.float32(1e-4)
    again = xr.decode_cf(whole)
    xr.testing.assert_identical(again, xr.open_dataset(scaled_root, **options))
    without = xr.open_dataset(scaled_root, drop_variables=["cf", "time"], **options)
    assert "cf" not in without
    assert "time" not in without.coords


def test_a_copy_in_netcdf_has_the_same_numbers(decoded, tmp_path):
    pytest.importorskip("scipy", reason="scipy writes netCDF")
    some = decoded[["shifted", "slope", "radar", "mask"]]
    some.to_netcdf(tmp_path / "copy.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "copy.nc", engine="scipy") as copy:
        for name in some:
            assert np.array_equal(copy[name].values, some[name].values, equal_nan=True)
        assert np.array_equal(copy.time.values, some.time.values)


# ---- coordinates ---------------------------------------------------------------------------------


def write_columns(folder, text):
    """A split of one small array with this metadata.csv."""
    n = text.strip().count("\n")
    layout = Layout("Placed", (4, 6), Window(1, 2, 3, 4), (Band("b", dtype="uint8"),))
    builders.write_split(folder, n, layout, metadata=False)
    (folder / "metadata.csv").write_text(text, encoding="utf-8")
    return layout


def test_coordinates_come_from_the_metadata(tmp_path):
    layout = write_columns(
        tmp_path / "train",
        "time,crs,geotransform,name\n"
        "2020-06-25T10:20:30Z,EPSG:32630,500000.0 10.0 0.0 4000000.0 0.0 -10.0,a\n"
        ",,,b\n",
    )
    opened = xr.open_dataset(tmp_path, engine="cloudio", layout=layout, metadata=["name"])
    assert [*opened.coords] == ["patch", "folder", "time", "crs", "geotransform", "name"]
    assert not any(opened[name].variable._in_memory for name in ("crs", "geotransform"))
    assert opened.crs.values.tolist() == ["EPSG:32630", ""]
    assert opened.geotransform[0].values.tolist() == [500000, 10, 0, 4000000, 0, -10]
    assert np.isnan(opened.geotransform[1].values).all()
    assert opened.geotransform[::-1, [3, 0]].values[1].tolist() == [4000000, 500000]
    taken = np.array(["2020-06-25T10:20:30", "NaT"], "datetime64[s]")
    assert np.array_equal(opened.time.values, taken, equal_nan=True)
    assert opened.name.values.tolist() == ["a", "b"]
    assert type(opened.patch.to_index()).__name__ == "RangeIndex"


def test_transforms_of_the_valid_window_are_moved_to_the_patch(tmp_path):
    layout = write_columns(
        tmp_path / "train",
        "proj:epsg,proj:transform,s2_date,seen\n"
        '32701,"[10, 0, 600, 0, -10, 900]",2019-01-02,2020-01-01\n',
    )
    options = {"engine": "cloudio", "layout": layout}
    opened = xr.open_dataset(tmp_path, **options)
    assert opened.crs.values.tolist() == ["EPSG:32701"]
    assert opened.geotransform.values.tolist() == [[580, 10, 0, 910, 0, -10]]
    assert opened.time.values.astype("datetime64[D]").tolist()[0].isoformat() == "2019-01-02"
    named = xr.open_dataset(tmp_path, time="seen", **options)
    assert str(named.time.values[0])[:10] == "2020-01-01"
    assert "time" not in xr.open_dataset(tmp_path, time=False, **options).coords
    with pytest.raises(RequestError, match=r"^time='proj:epsg'; that column .* holds no dates$"):
        xr.open_dataset(tmp_path, time="proj:epsg", **options)


def test_patches_have_their_split_and_number(flat):
    opened = xr.open_dataset(flat.native, engine="cloudio")
    assert opened.patch.values.tolist() == [*range(8)]
    assert opened.split.values.tolist() == ["train"] * 5 + ["val"] * 3
    one = xr.open_dataset(flat.native, engine="cloudio", split="val")
    assert one.patch.values.tolist() == [0, 1, 2]
    assert "split" not in one.coords
    ds = cloudio.open(flat.native).subset([6, 0, 6])
    some = xr.open_dataset(ds, engine="cloudio", decode_cf=False)
    assert some.split.values.tolist() == ["val", "train", "val"]
    assert some.patch.values.tolist() == [6, 0, 6]
    folders = [str(flat.native / name) for name in ("val", "train", "val")]
    assert some.folder.values.tolist() == folders
    same_bits(some["L1C_B4"][[-1, 1], :, 2].values, flat.arrays["L1C_B4"][[6, 0], :, 2])


# ---- opening -------------------------------------------------------------------------------------


def test_arrays_are_chosen_by_name(tmp_path):
    builders.write_root(tmp_path, {"train": 1})

    def names(**chosen):
        options = {"engine": "cloudio", "layout": builders.SMALL}
        return [*xr.open_dataset(tmp_path, **options, **chosen).data_vars]

    assert names(bands="rgb") == ["L1C_B4", "L1C_B3", "L1C_B2"]
    assert names(bands=["B2", "B2"], labels="target") == ["L1C_B2", "LABEL_hq"]
    assert names(labels=["sc", "hq"]) == ["LABEL_sc", "LABEL_hq"]
    with pytest.raises(RequestError, match=r"^labels={'hq': None}; labels must be a name or a"):
        names(labels={"hq": None})
    with pytest.raises(RequestError, match=r"^there is no band or preset 'B5'"):
        names(bands="B5")
    with pytest.raises(RequestError, match=r"^there is no split 'tain'; .*; did you mean train"):
        names(split="tain")


def test_an_array_with_the_name_of_a_dimension_is_refused(tmp_path):
    layout = Layout("Odd", (4, 6), Window(0, 0, 4, 6), (Band("y"), Band("b"), Band("time")))
    builders.write_split(tmp_path / "train", 2, layout)
    options = {"engine": "cloudio", "layout": layout}
    with pytest.raises(RequestError, match=r"^y of .* is the name of an array and of a dimension"):
        xr.open_dataset(tmp_path, **options)
    opened = xr.open_dataset(tmp_path, bands=["b", "time"], **options)
    assert opened["time"].dims == DIMS


def test_splits_are_the_nodes_of_a_tree(flat):
    for tree in (
        xr.open_datatree(flat.native, engine="cloudio", bands="L1C_B4", mask_and_scale=False),
        xr.open_datatree(
            cloudio.open(flat.native), engine="cloudio", bands="L1C_B4", mask_and_scale=False
        ),
    ):
        assert [*tree.children] == ["train", "val"]
        same_bits(tree["val/L1C_B4"].values, flat.arrays["L1C_B4"][5:])
        batch = tree["train"].to_dataset().isel(patch=[4]).cloudio.read("L1C_B4", size=8)
        reader = cloudio.open(flat.native).split("train").reader("L1C_B4", size=8)
        same_bits(batch.image.values, reader.read([4]).image)
        tree.close()
    groups = xr.open_groups(flat.native, engine="cloudio")
    assert [*groups] == ["/", "/train", "/val"]
    with pytest.raises(RequestError, match=r"^split= chooses one split"):
        xr.open_datatree(flat.native, engine="cloudio", split="val")


def test_closing_ends_reads_of_own_files_only(flat):
    with xr.open_dataset(flat.native, engine="cloudio", cache=False) as opened:
        assert opened["L1C_B4"][0, 0, 0].values.shape == ()
    with pytest.raises(RequestError, match="closed"):
        _ = opened["L1C_B2"].values
    ds = cloudio.open(flat.native)
    with xr.open_dataset(ds, engine="cloudio") as opened:
        pass
    assert opened["L1C_B2"].values.shape == (8, 40, 48)
    with pytest.raises(RequestError, match=r"^layout= belongs to a path"):
        xr.open_dataset(ds, engine="cloudio", layout=native.FULL)


def test_a_folder_is_recognized_without_an_engine(flat, tmp_path, all_labels):
    guess = cloudio.xarray.Engine().guess_can_open
    assert guess(flat.native)
    assert guess(str(flat.native / "val"))
    assert guess(all_labels)
    assert xr.open_dataset(flat.native).sizes == SIZES
    store = tmp_path / "store"
    shutil.copytree(flat.native / "val", store)
    (store / "cloudio.toml").write_bytes((flat.native / "cloudio.toml").read_bytes())
    assert guess(store)
    (store / "zarr.json").write_text("{}", encoding="utf-8")
    others = tmp_path / "none", store, store / "metadata.csv", store / "phases"
    assert not any(map(guess, (*others, "https://example.com/data", b"", 5, None)))


def test_a_cut_file_is_told(tmp_path):
    builders.write_root(tmp_path, {"train": 3}, SCALED)
    opened = xr.open_dataset(tmp_path, engine="cloudio", layout=SCALED, io="pread")
    with open(tmp_path / "train" / "cf.dat", "r+b") as file:
        file.truncate(100)
    with pytest.raises(cloudio.TruncatedError, match=r"cf\.dat"):
        _ = opened["cf"].values


# ---- ds.cloudio ----------------------------------------------------------------------------------


def test_the_accessor_reads_batches(flat):
    opened = xr.open_dataset(flat.native, engine="cloudio")
    ds = cloudio.open(flat.native)
    names = ["L1C_B4", "L1C_B3", "L1C_B2"]
    reader = ds.reader(names, "hq", size=(8, 16), valid=True)
    places, window = [6, 1, 3], {"origin": [[2, 3], [4, 5], [6, 7]], "symmetry": [2, 0, 6]}
    batch = reader.read(places, **window)
    some = opened.isel(patch=places)
    read = some.cloudio.read(names, "hq", size=(8, 16), valid=True, **window)
    assert {name: x.dims for name, x in read.data_vars.items()} == {
        "image": ("patch", "band", "y", "x"),
        "label": DIMS,
        "valid": DIMS,
    }
    for name in read.data_vars:
        same_bits(read[name].values, getattr(batch, name))
    assert read.band.values.tolist() == ["L1C_B4", "L1C_B3", "L1C_B2"]
    assert read.patch.values.tolist() == places
    assert read.split.values.tolist() == ["val", "train", "train"]
    own = some.cloudio.reader(names, "hq", size=(8, 16))
    same_bits(own.read([2]).image, reader.read([3]).image)
    assert len(own) == 3


def test_the_accessor_takes_the_bands_that_are_there(flat):
    opened = xr.open_dataset(flat.native, engine="cloudio")
    some = opened[["LABEL_hq", "L1C_B3", "S1_VV"]]
    read = some.sel(patch=7).cloudio.read(labels=["hq", "sc"], layout="NHWC", scale=None)
    assert read.band.values.tolist() == ["L1C_B3", "S1_VV"]
    assert read.image.dims == ("patch", "y", "x", "band")
    assert read.label.dims == ("patch", "source", "y", "x")
    assert read.source.values.tolist() == ["LABEL_hq", "LABEL_sc"]
    ds = cloudio.open(flat.native)
    batch = ds.reader(["B3", "S1_VV"], ["hq", "sc"], layout="NHWC", scale=None).read(7)
    same_bits(read.image.values, batch.image)
    same_bits(read.label.values, batch.label)


def test_the_accessor_never_takes_other_patches(flat, tmp_path):
    """Data sets that are joined keep what the first one knows."""
    ds = cloudio.open(flat.native)
    names = {"bands": "L1C_B4", "size": (40, 48), "scale": None}
    parts = [xr.open_dataset(ds.subset(index), engine="cloudio") for index in ([6, 1, 7], [7, 6])]
    joined = xr.concat(parts, "patch")
    numbers = [6, 1, 7, 7, 6]
    assert joined.patch.values.tolist() == numbers
    image = ds.reader(**names).read(numbers).image
    same_bits(joined.cloudio.read(**names).image.values, image)
    same_bits(joined.cloudio.reader(**names).read([4, 1]).image, image[[4, 1]])
    other = xr.open_dataset(ds.subset([0]), engine="cloudio")
    with pytest.raises(RequestError, match=r"^patch 0 of .*train is not one of .*native"):
        xr.concat([*parts, other], "patch").cloudio.read(**names)
    splits = [xr.open_dataset(flat.native, engine="cloudio", split=x) for x in ("train", "val")]
    with pytest.raises(RequestError, match=r"^patch 0 of .*val is not one of .*native"):
        xr.concat(splits, "patch").cloudio.read(**names)
    shutil.copytree(flat.native, tmp_path / "copy")
    splits[1] = xr.open_dataset(tmp_path / "copy", engine="cloudio", split="train")
    with pytest.raises(RequestError, match=r"^patch 0 of .*copy.*train is not one of"):
        xr.concat(splits, "patch").cloudio.reader(**names)
    with pytest.raises(RequestError, match=r"^patch 9 of nan is not one of"):
        splits[0].reindex(patch=[4, 9]).cloudio.read(**names)
    with pytest.raises(RequestError, match=r"^patch 0.5 of .*train is not one of"):
        splits[0].assign_coords(patch=np.arange(5) + 0.5).cloudio.read(**names)


def test_the_accessor_says_what_it_needs(flat):
    opened = xr.open_dataset(flat.native, engine="cloudio")
    with pytest.raises(RequestError, match=r"^this Dataset does not know its files"):
        xr.Dataset().cloudio.read()
    with pytest.raises(RequestError, match=r"^this Dataset has no coordinate patch"):
        opened.drop_vars("patch").cloudio.read()
    with pytest.raises(RequestError, match=r"^keys= names the entries of dicts"):
        opened.cloudio.read(keys="torchgeo")
    assert isinstance(opened.cloudio, cloudio.xarray.Accessor)
