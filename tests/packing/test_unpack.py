"""`unpack`: patches and predictions as GeoTIFFs that rasterio reads back, and as .npy files."""

import os
import re
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
from builders import SMALL
from hypothesis import given, settings
from hypothesis import strategies as st
from placed_sets import gdal_text, moved, write_set
from profiles import scaled

import cloudio
from cloudio import Band, Layout, LayoutError, RequestError, Window, WriteError
from cloudio.packing.unpacking.writing import run_all

rasterio = pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")

UTM = (399960.0, 10.0, 0.0, 4100040.0, 0.0, -10.0)
PLAIN = Layout(
    name="Plain",
    patch=(20, 24),
    valid=Window(0, 0, 20, 24),
    bands=(
        Band("red", dtype="uint16", scale_factor=1e-4, add_offset=-0.1, nodata=0, unit="1"),
        Band("nir", dtype="uint16", scale_factor=2e-4, nodata=0, wavelength=835.1),
        Band("mask", kind="label", dtype="uint8", nodata=255),
    ),
    presets={"both": (("nir", "red"),)},
)

# A layout whose valid window is smaller than the patch.
INSET = replace(SMALL, presets={"L1C": SMALL.presets["L1C"]})


def placed(n, *, crs="EPSG:32630", step=(0.0, 240.0), **more):
    """Return rows of patches that lie side by side, with the transform of each."""
    rows, transforms = [], []
    for k in range(n):
        transform = (UTM[0] + k * step[1], *UTM[1:3], UTM[3] + k * step[0], *UTM[4:])
        transforms.append(transform)
        fields = {name: value(k) for name, value in more.items()}
        rows.append({**fields, "crs": crs, "geotransform": gdal_text(transform)})
    return rows, transforms


def opened(path):
    """Open a GeoTIFF, without the warning that it has no transform."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path)


def read(path):
    """Return pixels, transform in GDAL's order, and CRS of a GeoTIFF."""
    with opened(path) as file:
        return file.read(), file.transform.to_gdal(), file.crs


def names(result):
    return [path.relative_to(result.path).as_posix() for path in result.files]


# ---- patches -------------------------------------------------------------------------------------


def test_pixels_place_and_what_the_layout_says_are_those_of_the_files(tmp_path):
    rows, transforms = placed(3, file=lambda k: f"images/chip {k}.tif")
    stored = write_set(tmp_path / "data", PLAIN, {"train": rows})["train"]
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out")
    assert names(result) == [f"train/chip {k}{x}.tif" for k in range(3) for x in ("", "_mask")]
    for k in range(3):
        with rasterio.open(tmp_path / f"out/train/chip {k}.tif") as file:
            assert file.read().tobytes() == np.stack([stored["red"][k], stored["nir"][k]]).tobytes()
            assert file.transform.to_gdal() == transforms[k]
            assert file.crs == rasterio.CRS.from_epsg(32630)
            assert file.descriptions == ("red", "nir")
            assert file.scales == (1e-4, 2e-4)
            assert file.offsets == (-0.1, 0.0)
            assert file.units == ("1", None)
            assert (file.nodata, file.dtypes) == (0, ("uint16", "uint16"))
            assert file.tags(2, ns="IMAGERY") == {"CENTRAL_WAVELENGTH_UM": "0.8351"}
        with rasterio.open(tmp_path / f"out/train/chip {k}_mask.tif") as file:
            assert file.read(1).tobytes() == stored["mask"][k].tobytes()
            assert (file.descriptions, file.nodata, file.count) == (("mask",), 255, 1)
            assert file.transform.to_gdal() == transforms[k]
    n_bytes = sum(path.stat().st_size for path in result.files)
    assert (result.n_patches, result.n_scenes, result.n_unplaced) == (3, 0, 0)
    assert result.n_bytes == n_bytes
    assert str(result) == f"{tmp_path / 'out'}: 6 GeoTIFFs of 3 patches, 0.0 MB"


DTYPES = "uint8", "int8", "uint16", "int16", "float32"
numbers = st.floats(-1e7, 1e7).map(lambda x: round(x, 3))
sides = st.sampled_from([10.0, 0.5, 60.0, 1 / 3, 8.983152841195215e-05])


@settings(max_examples=scaled(12, 40))
@given(
    dtypes=st.lists(st.sampled_from(DTYPES), min_size=1, max_size=4),
    nodatas=st.lists(st.sampled_from([None, 0, 7, 100]), min_size=4, max_size=4),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    place=st.tuples(numbers, sides, st.sampled_from([0.0, 0.25]), numbers, sides, st.booleans()),
    crs=st.sampled_from(["EPSG:32630", "EPSG:4326", "EPSG:3035", ""]),
    inset=st.booleans(),
    compress=st.sampled_from(["deflate", "lzw", "zstd", None]),
    data=st.data(),
)
def test_any_arrays_are_read_back_bit_for_bit(
    tmp_path_factory, dtypes, nodatas, size, place, crs, inset, compress, data
):
    tmp_path = tmp_path_factory.mktemp("any")
    x0, dx, skew, y0, dy, is_rotated = place
    transform = (x0, dx, skew if is_rotated else 0.0, y0, -skew if is_rotated else 0.0, -dy)
    valid = Window(0, 0, *size)
    if inset and min(size) > 2:
        valid = Window(1, 2, size[0] - 1, size[1] - 2)
    layout = Layout(
        "Any",
        size,
        valid,
        tuple(
            Band(f"b{k}", dtype=dtype, nodata=nodata, kind="label" if k == 3 else "band")
            for k, (dtype, nodata) in enumerate(zip(dtypes, nodatas, strict=False))
        ),
    )
    n = data.draw(st.integers(1, 4))
    rows = [{"crs": crs, "geotransform": gdal_text(moved(transform, 0, 10 * k))} for k in range(n)]
    stored = write_set(tmp_path / "data", layout, {"val": rows})["val"]
    index = data.draw(st.permutations(range(n)))[: data.draw(st.integers(1, n))]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ds = cloudio.open(tmp_path / "data")
        warned.clear()
        result = cloudio.unpack(ds, tmp_path / "out", index=index, compress=compress)
    assert not warned
    found = {}
    for path in result.files:
        pixels, its_transform, its_crs = read(path)
        k = int(path.name[:4])
        own = moved(moved(transform, 0, 10 * k), valid.row, valid.col)
        assert its_transform == own
        assert its_crs == (rasterio.CRS.from_string(crs) if crs else None)
        with rasterio.open(path) as file:
            for name, plane in zip(file.descriptions, pixels, strict=True):
                assert file.nodata == layout.band(name).nodata
                found[name, k] = plane
    assert sorted(found) == sorted((name, k) for name in stored for k in index)
    for (name, k), plane in found.items():
        inside = stored[name][k, valid.row :, valid.col :][: valid.height, : valid.width]
        assert (plane.dtype, plane.tobytes()) == (inside.dtype, inside.tobytes())


def test_bands_of_several_types_and_numbers_for_no_data_have_files_of_their_own(tmp_path):
    bands = (
        Band("a", dtype="int16"),
        Band("b", dtype="uint8", nodata=0),
        Band("c", dtype="int16", nodata=-1),
        Band("d", dtype="int16"),
        Band("e", dtype="float32", nodata=float("nan")),
        Band("f", dtype="float32", nodata=float("nan")),
    )
    layout = replace(PLAIN, bands=bands, presets={})
    write_set(tmp_path / "data", layout, {"train": [{}]})
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out")
    found = {}
    for path in result.files:
        with opened(path) as file:
            found[path.name] = (file.descriptions, file.nodata)
    assert str(found.pop("0000_float32.tif")) == "(('e', 'f'), nan)"
    assert found == {
        "0000_int16.tif": (("a", "d"), None),
        "0000_uint8.tif": (("b",), 0),
        "0000_int16_nodata-1.tif": (("c",), -1),
    }


def test_arrays_split_and_index_choose(tmp_path):
    rows, _ = placed(4)
    stored = write_set(tmp_path / "data", PLAIN, {"train": rows, "val": rows[:3]})
    data = tmp_path / "data"
    chosen = cloudio.unpack(data, tmp_path / "a", split="val", index=[2, 0], arrays="both")
    assert names(chosen) == ["val/0002.tif", "val/0000.tif"]
    pixels, transform, _ = read(chosen.files[0])
    assert np.array_equal(pixels, np.stack([stored["val"]["nir"][2], stored["val"]["red"][2]]))
    assert gdal_text(transform) == rows[2]["geotransform"]
    # Over all splits, as a mask, and of a subset: names and places stay those of the patch.
    across = cloudio.unpack(data, tmp_path / "b", index=[-1, 3], arrays=["mask"])
    assert names(across) == ["val/0002_mask.tif", "train/0003_mask.tif"]
    mask = np.arange(7) == 5
    assert names(cloudio.unpack(data, tmp_path / "c", index=mask, arrays="red")) == ["val/0001.tif"]
    subset = cloudio.open(data).subset([6, 1])
    part = cloudio.unpack(subset, tmp_path / "d", index=0, arrays="red")
    assert names(part) == ["val/0002.tif"]
    assert np.array_equal(read(part.files[0])[0][0], stored["val"]["red"][2])


def test_npy_files_need_no_place_and_no_package(tmp_path):
    stored = write_set(tmp_path / "data", PLAIN, {"train": [{}] * 2})["train"]
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", format="npy")
    assert names(result)[:2] == ["train/0000.npy", "train/0000_mask.npy"]
    for k in range(2):
        image = np.load(tmp_path / f"out/train/000{k}.npy")
        assert np.array_equal(image, np.stack([stored["red"][k], stored["nir"][k]]))
        label = np.load(tmp_path / f"out/train/000{k}_mask.npy")
        assert np.array_equal(label, stored["mask"][k])
    assert str(result) == f"{tmp_path / 'out'}: 4 files of 2 patches, 0.0 MB"


def test_patches_without_a_place_are_written_and_counted(tmp_path):
    write_set(tmp_path / "data", PLAIN, {"train": [{"crs": "EPSG:32630"}, {"crs": ""}]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = cloudio.unpack(tmp_path / "data", tmp_path / "out", arrays="red")
    assert str(result).endswith(
        "0.0 MB; 2 patches without a place on the ground, which metadata.csv does not have"
    )
    with opened(result.files[0]) as file:
        assert file.crs == rasterio.CRS.from_epsg(32630)


# ---- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("colon", [":", "_"])
@pytest.mark.parametrize(
    ("shape", "corner"), [("35", None), ("[35, 41]", (1, 2)), ("", (1, 2)), ("[40, 48]", (0, 0))]
)
def test_columns_of_stac_are_those_of_the_valid_window_or_of_the_patch(
    tmp_path, colon, shape, corner
):
    layout = INSET if corner else replace(INSET, patch=(40, 40), valid=Window(3, 2, 35, 35))
    row = {
        f"proj{colon}epsg": "32633",
        f"proj{colon}shape": shape,
        f"proj{colon}transform": "[10, 0, 399960, 0, -10, 4100040]",
    }
    write_set(tmp_path / "data", layout, {"test": [row]})
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", arrays="L1C_B2")
    _, transform, crs = read(result.files[0])
    assert crs == rasterio.CRS.from_epsg(32633)
    moved_by = (0, 0) if corner is None or corner == (1, 2) else (1, 2)
    assert transform == moved(UTM, *moved_by)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"geotransform": "1 2 3"}, "patch 0 has geotransform '1 2 3'; it must be six numbers"),
        ({"geotransform": "0 1 0 0 0 nan"}, "it must be six numbers, x0 dx rx y0 ry dy"),
        ({"geotransform": "0 1 0 0 0 0"}, "whose pixels have no area"),
        ({"crs": "EPSG:1"}, "has a wrong crs: there is no coordinate reference system 'EPSG:1'"),
        ({"proj_epsg": "x"}, "has proj_epsg 'x'; it must be an EPSG code"),
        ({"proj_transform": "[1, 2"}, "has proj_transform '[1, 2'; it must be"),
        (
            {"proj_transform": "[10,0,0,0,-10,0]", "proj_shape": "509"},
            "has proj_shape '509', and its transform is of so many pixels; it must be that of the "
            "stored patch, 40 x 48, or of its valid window, 35 x 41",
        ),
    ],
)
def test_wrong_places_name_the_file_and_the_patch(tmp_path, row, message):
    write_set(tmp_path / "data", INSET, {"train": [row]})
    with pytest.raises(LayoutError, match=re.escape(message)) as caught:
        cloudio.unpack(tmp_path / "data", tmp_path / "out")
    assert caught.value.path == tmp_path / "data" / "train" / "metadata.csv"
    assert not (tmp_path / "out").exists()


# ---- names ---------------------------------------------------------------------------------------


def stems(tmp_path, rows, layout=PLAIN):
    write_set(tmp_path / "data", layout, {"train": rows})
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", format="npy")
    found = [x for x in names(result) if "_mask" not in x]
    # Each file is in the folder, and there is no other one.
    assert sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file()) == sorted(result.files)
    return [x.removeprefix("train/").removesuffix(".npy") for x in found]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"file": "a/x.tif"}, {"file": "a/y.b.JP2"}], ["x", "y.b"]),
        ([{"file": "a/B2.tif", "id": "007"}, {"file": "b/B2.tif", "id": "8"}], ["007", "8"]),
        ([{"file": "a/B2.tif"}, {"file": "b/B2.tif"}], ["a_B2", "b_B2"]),
        ([{"file": "all.h5"}, {"file": "all.h5"}], ["0000", "0001"]),
        ([{"file": "x.tif"}, {"file": ""}], ["0000", "0001"]),
        # The label of one would be the image of the other.
        ([{"file": "x.tif"}, {"file": "x_mask.tif"}], ["0000", "0001"]),
        # The same file where systems do not tell cases apart.
        ([{"file": "x.tif"}, {"file": "X.tif"}], ["0000", "0001"]),
        ([{"file": "s.tif", "scene_row": r, "scene_col": "0"} for r in "05"], ["s_0_0", "s_5_0"]),
        ([{"file": "../../up.tif"}, {"file": "/etc/passwd"}], ["up", "passwd"]),
        ([{"file": ".."}, {"file": "y"}], ["0000", "0001"]),
        ([{"id": "../a"}, {"id": "b\0c:\\d"}], ["_a", "b_c__d"]),
        ([{"id": "con"}, {"id": ".hidden"}], ["con_", "hidden"]),
        ([{"id": "é" * 300}, {"id": "x"}], ["é" * 60, "x"]),
        ([{"note": "none"}], ["0000"]),
    ],
)
def test_names_come_from_metadata_and_never_leave_the_folder(tmp_path, rows, expected):
    if any("\0" in value for row in rows for value in row.values()):
        rows = [{"id": "../a"}, {"id": "b|c:\\d"}]
    assert stems(tmp_path, rows) == expected


def test_names_do_not_depend_on_the_patches_that_are_chosen(tmp_path):
    rows = [{"file": "a/x.tif"}, {"file": "b/x.tif"}, {"file": "c/y.tif"}]
    write_set(tmp_path / "data", PLAIN, {"train": rows})
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", index=[2], arrays="red")
    assert names(result) == ["train/c_y.tif"]


# ---- predictions ---------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """A data set whose valid window is smaller than the patch."""
    rows, transforms = placed(3)
    write_set(tmp_path / "data", INSET, {"train": rows})
    return cloudio.open(tmp_path / "data"), transforms


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        *((x, x) for x in (*DTYPES, "uint32", "int32", "float64")),
        ("bool", "uint8"),
        ("float16", "float32"),
        (">i2", "int16"),
    ],
)
def test_predictions_keep_their_numbers(tmp_path, small, dtype, expected):
    ds, transforms = small
    rng = np.random.default_rng(5)
    given = rng.integers(0, 2, (3, 35, 41)).astype(dtype)
    result = cloudio.unpack(ds, tmp_path / "out", predictions=given, name="cloud")
    assert names(result) == [f"train/000{k}_cloud.tif" for k in range(3)]
    for k, path in enumerate(result.files):
        pixels, transform, crs = read(path)
        assert pixels.dtype == expected
        assert np.array_equal(pixels[0], given[k].astype(expected))
        assert (transform, crs.to_epsg()) == (moved(transforms[k], 1, 2), 32630)


@pytest.mark.parametrize(
    ("low", "high", "nodata", "expected"),
    [
        (0, 255, None, "uint8"),
        (0, 3, -1, "int16"),
        (-1, 3, None, "int16"),
        (0, 40_000, None, "uint16"),
        (-1, 40_000, None, "int32"),
        (0, 2**32 - 1, None, "uint32"),
        (-1, 2**32, None, "int64"),
    ],
)
def test_whole_numbers_of_64_bits_have_the_smallest_type(
    tmp_path, small, low, high, nodata, expected
):
    given = np.zeros((3, 35, 41), np.int64)
    given[0, 0, 0], given[2, -1, -1] = low, high
    result = cloudio.unpack(small[0], tmp_path / "out", predictions=given, nodata=nodata)
    with rasterio.open(result.files[2]) as file:
        assert (file.dtypes, file.nodata) == ((expected,), nodata)
        assert file.read(1)[-1, -1] == high
    kept = cloudio.unpack(small[0], tmp_path / "npy", predictions=given, format="npy")
    assert np.load(kept.files[0]).dtype == np.int64


def test_predictions_of_a_file_by_index_with_channels(tmp_path, small):
    ds, transforms = small
    given = np.random.default_rng(1).normal(size=(2, 3, 35, 41)).astype(np.float32)
    given[0, 0, 0, 0] = np.nan
    np.save(tmp_path / "given.npy", given)
    result = cloudio.unpack(
        ds, tmp_path / "out", index=[2, 0], predictions=tmp_path / "given.npy", nodata=float("nan")
    )
    assert names(result) == ["train/0002_prediction.tif", "train/0000_prediction.tif"]
    with rasterio.open(result.files[0]) as file:
        assert file.read().tobytes() == given[0].tobytes()
        assert file.descriptions == tuple(f"prediction_{k}" for k in range(3))
        assert np.isnan(file.nodata)
        assert file.transform.to_gdal() == moved(transforms[2], 1, 2)


@pytest.mark.parametrize(
    ("size", "origin", "corner", "part"),
    [
        ((35, 41), None, (1, 2), np.s_[:, :]),
        ((40, 48), None, (1, 2), np.s_[1:36, 2:43]),
        ((20, 20), "center", (8, 12), np.s_[:, :]),
        ((20, 20), (5, 7), (5, 7), np.s_[:, :]),
        ((40, 48), (0, 0), (0, 0), np.s_[:, :]),
        ((36, 44), "center", (0, 0), np.s_[:, :]),
    ],
)
def test_predictions_lie_where_readers_read(tmp_path, small, size, origin, corner, part):
    ds, transforms = small
    reader = ds.reader("L1C_B2", size=size, dtype="int16", scale=None)
    read_from = None if origin == "center" else origin or corner
    if size == (40, 48):
        read_from = (0, 0)
    image = reader.read([0, 1, 2], origin=read_from).image[:, 0]
    result = cloudio.unpack(ds, tmp_path / "out", predictions=image, origin=origin)
    # What a reader reads and unpack writes is what unpack writes of the array itself.
    whole = cloudio.unpack(
        cloudio.open(ds.path, layout=replace(ds.layout, valid=Window(0, 0, 40, 48))),
        tmp_path / "whole",
        arrays="L1C_B2",
    )
    for k, path in enumerate(result.files):
        pixels, transform, _ = read(path)
        assert np.array_equal(pixels[0], image[k][part])
        height, width = pixels.shape[1:]
        stored = read(whole.files[k])[0][0]
        row, col = corner
        assert np.array_equal(pixels[0], stored[row : row + height, col : col + width])
        assert transform == moved(transforms[k], *corner)


def test_each_prediction_may_have_an_origin_of_its_own(tmp_path, small):
    ds, transforms = small
    given = np.arange(300, dtype=np.uint16).reshape(3, 10, 10)
    origins = [(0, 0), (30, 38), (3, 5)]
    result = cloudio.unpack(ds, tmp_path / "out", predictions=given, origin=origins)
    for k, path in enumerate(result.files):
        pixels, transform, _ = read(path)
        assert np.array_equal(pixels[0], given[k])
        assert transform == moved(transforms[k], *origins[k])


# ---- refusals ------------------------------------------------------------------------------------


zeros = np.zeros((3, 35, 41), np.uint8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"format": "png"}, "format='png'; format must be 'tif' or 'npy'"),
        ({"compress": "deflat"}, "compress must be 'deflate', 'lzw', 'zstd' or None; did you mean"),
        ({"format": "npy", "mosaic": True}, "scenes are written as 'tif'"),
        ({"mosaic": 1}, "mosaic=1; mosaic must be True or False"),
        ({"workers": 0}, "workers=0; workers must be a whole number, 1 or more"),
        ({"split": "tran"}, "there is no split 'tran'"),
        ({"index": []}, "there is no patch to unpack"),
        ({"index": [1, 0, -2]}, "index has patch 1 of train twice; give each once"),
        ({"arrays": "L1C_B77"}, "L1C_B77"),
        ({"nodata": "x"}, "nodata='x'; nodata must be a number"),
        ({"nodata": 300}, "nodata=300; EXTRA_cover is uint8, so it must be a whole number from 0"),
        ({"nodata": 0.5, "arrays": "L1C_B2"}, "nodata=0.5; L1C_B2 is int16"),
        ({"origin": (0, 0)}, "origin is for predictions="),
        ({"predictions": zeros, "arrays": "L1C"}, "unpack writes one or the other"),
        ({"predictions": zeros[:2]}, "predictions have 2 entries for 3 patches"),
        ({"predictions": zeros[0]}, r"predictions have shape (35, 41); they must be (n, height,"),
        ({"predictions": zeros[:, :0], "origin": (0, 0)}, "which has no pixels"),
        ({"predictions": zeros[:, None][:, :0]}, "which has no pixels"),
        (
            {"predictions": zeros[:, :20, :20]},
            "predictions are 20 x 20; the stored patch is 40 x 48, its valid window 35 x 41; give "
            "origin= for a part of a patch: 'center', or the (row, col)",
        ),
        ({"predictions": zeros, "origin": (6, 0)}, "origin=(6, 0); predictions of 35 x 41 there"),
        ({"predictions": zeros, "origin": "top"}, "origin='top'; origin must be 'center'"),
        ({"predictions": zeros, "origin": [1, 2, 3]}, "origin has shape (3,)"),
        ({"predictions": zeros, "name": "../x"}, "name='../x'; it becomes a part of file names"),
        ({"predictions": zeros, "name": ""}, "name=''; it becomes a part of file names"),
        ({"predictions": zeros.astype(complex)}, "predictions are of type complex128"),
        ({"predictions": zeros.astype(object)}, "predictions are of type object"),
        ({"predictions": [[1], [1, 2]]}, "rows of different lengths"),
        (
            {"predictions": np.full((3, 35, 41), 2**64 - 1, np.uint64), "nodata": -1},
            "nodata=-1; the predictions is uint64, so it must be a whole number from 0",
        ),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(tmp_path, small, given, message):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RequestError, match=re.escape(message)):
        cloudio.unpack(small[0], tmp_path / "out", **given)
    assert sorted(tmp_path.iterdir()) == before


def test_files_of_predictions_that_are_none_are_refused(tmp_path, small):
    ds = small[0]
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.npy"):
        cloudio.unpack(ds, tmp_path / "out", predictions=tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("text", encoding="utf-8")
    with pytest.raises(RequestError, match=r"text\.npy is no \.npy file of numbers"):
        cloudio.unpack(ds, tmp_path / "out", predictions=tmp_path / "text.npy")
    np.savez(tmp_path / "some.npz", a=zeros)
    with pytest.raises(RequestError, match=r"some\.npz is an \.npz file; save one array as \.npy"):
        cloudio.unpack(ds, tmp_path / "out", predictions=str(tmp_path / "some.npz"))
    assert not (tmp_path / "out").exists()


def test_an_index_out_of_range_and_another_type_are_refused(tmp_path, small):
    with pytest.raises(IndexError, match="3"):
        cloudio.unpack(small[0], tmp_path / "out", index=[3])
    with pytest.raises(RequestError, match="data is of type int; data must be a Dataset"):
        cloudio.unpack(3, tmp_path / "out")
    with pytest.raises(RequestError, match="this data set has its layout already"):
        cloudio.unpack(small[0], tmp_path / "out", layout=INSET)
    with pytest.raises(TypeError, match=r"'bands'; arrays= takes bands and labels"):
        cloudio.unpack(small[0], tmp_path / "out", bands="rgb")


# ---- all or nothing ------------------------------------------------------------------------------


def test_what_is_there_is_not_replaced(tmp_path, small):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="exists already; give the path of a new folder"):
        cloudio.unpack(small[0], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*; make it first"):
        cloudio.unpack(small[0], tmp_path / "none" / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_array_that_ends_early_leaves_nothing(tmp_path):
    write_set(tmp_path / "data", PLAIN, {"train": [{}] * 40})
    ds = cloudio.open(tmp_path / "data", io="pread")
    path = tmp_path / "data" / "train" / "red.npy"
    os.truncate(path, path.stat().st_size - 3 * 20 * 24 * 2)
    before = threading.active_count()
    for format in ("npy", "tif"):
        with pytest.raises(cloudio.TruncatedError, match=r"red\.npy"):
            cloudio.unpack(ds, tmp_path / "out", index=range(39), format=format, workers=3)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert threading.active_count() == before


def test_after_an_error_no_job_begins_and_no_thread_is_left():
    begun = []

    def work(job):
        begun.append(job)
        if job == 3:
            raise ValueError(job)
        return job

    jobs = iter(range(100))
    with pytest.raises(ValueError, match="3") as caught:
        list(run_all(jobs, work, 2))
    assert not [thread for thread in threading.enumerate() if "unpack" in thread.name]
    assert caught.value.args == (3,)
    assert max(begun) < next(jobs) <= 14
    assert list(run_all(range(50), abs, 3)) == list(range(50))


@pytest.mark.skipif(os.name != "posix", reason="limits of the size of files are POSIX's")
@pytest.mark.parametrize("format", ["tif", "npy"])
def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, format):
    import resource
    import signal

    rng = np.random.default_rng(0)
    layout = replace(PLAIN, patch=(200, 200), valid=Window(0, 0, 200, 200))
    write_set(tmp_path / "data", layout, {"train": [{}] * 2})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    given = rng.normal(size=(2, 200, 200))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(WriteError, match="cannot be written: File too large") as caught:
            cloudio.unpack(tmp_path / "data", tmp_path / "out", predictions=given, format=format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.path == tmp_path / "out" / "train" / f"0000_prediction.{format}"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("workers", [1, 3])
def test_files_are_the_same_for_any_number_of_threads(tmp_path, small, workers):
    ds = small[0]
    one = cloudio.unpack(ds, tmp_path / "one", workers=1)
    many = cloudio.unpack(ds, tmp_path / "many", workers=workers)
    assert names(one) == names(many)
    for a, b in zip(one.files, many.files, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_real_patches_keep_their_columns_of_stac(tmp_path, realdata):
    ds = cloudio.open(realdata)
    result = cloudio.unpack(ds, tmp_path / "out", split="val", arrays=["rgb", "S1_VV", "manual_hq"])
    assert names(result) == [f"val/0000_{x}.tif" for x in ("int16", "float32", "LABEL_manual_hq")]
    pixels, transform, crs = read(result.files[0])
    part = ds.split("val")
    expected = np.stack([part[f"L1C_{name}"][0, 1:510, 1:510] for name in ("B4", "B3", "B2")])
    assert np.array_equal(pixels, expected)
    assert (transform, crs.to_epsg()) == ((499980, 10, 0, 4000020, 0, -10), 32633)
