"""`unpack(mosaic=True)`: tiles and predictions become one GeoTIFF per scene."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from builders import pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from placed_sets import gdal_text, moved, write_set
from profiles import scaled

import cloudio
from cloudio import Band, Layout, LayoutError, RequestError, Window
from cloudio.packing.unpacking import mosaic

rasterio = pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")

UTM = (399960.0, 10.0, 0.0, 4100040.0, 0.0, -10.0)
DEGREES = (-3.0, 8.983152841195215e-05, 0.0, 41.0, 0.0, -8.983152841195215e-05)
SKEWED = (100.5, 9.0, 2.0, -7.25, 3.0, -8.0)


def layout_of(side, *, nodata=0, valid=None):
    return Layout(
        "Tiles",
        (side, side),
        valid or Window(0, 0, side, side),
        (
            Band("red", dtype="uint16", nodata=nodata),
            Band("nir", dtype="uint16", nodata=nodata),
            Band("mask", kind="label", dtype="uint8", nodata=255),
        ),
    )


def rows_of(corners, shape, *, scene="a/scene.tif", transform=UTM, crs="EPSG:32630", **more):
    """Return a row for each tile at these (row, col) of a scene."""
    return [
        {
            "file": scene,
            "scene": scene,
            "scene_row": row,
            "scene_col": col,
            "scene_height": shape[0],
            "scene_width": shape[1],
            "crs": crs,
            "geotransform": gdal_text(moved(transform, row, col)),
            **more,
        }
        for row, col in corners
    ]


def write_tiles(root, layout, corners, shape, *, seed=0, **more):
    """Write tiles that are cut from a scene of random pixels; return name -> scene."""
    whole = {
        band.name: pixels(band.name, shape, band.dtype, seed + 9).clip(1) for band in layout.bands
    }
    rows = rows_of(corners, shape, **more)
    write_set(root, layout, {"train": rows})
    side = layout.patch[0]
    for name, scene in whole.items():
        padded = np.zeros((shape[0] + side, shape[1] + side), scene.dtype)
        padded[: shape[0], : shape[1]] = scene
        tiles = np.stack([padded[r : r + side, c : c + side] for r, c in corners])
        np.save(root / "train" / f"{name}.npy", tiles)
    return whole


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            return file.read(), file.transform.to_gdal(), file.crs


@pytest.mark.parametrize("transform", [UTM, DEGREES, SKEWED])
@pytest.mark.parametrize("order", [1, -1])
def test_a_scene_that_was_cut_is_put_together_again(tmp_path, transform, order):
    side, shape = 16, (40, 53)
    corners = [(r, c) for r in (0, 12, 24) for c in (0, 12, 24, 37)][::order]
    whole = write_tiles(tmp_path / "data", layout_of(side), corners, shape, transform=transform)
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True)
    assert [path.name for path in result.files] == ["scene.tif", "scene_mask.tif"]
    found, its_transform, crs = read(result.files[0])
    assert found.tobytes() == np.stack([whole["red"], whole["nir"]]).tobytes()
    # From the tile at the corner of the scene, whose transform is the scene's.
    assert (its_transform, crs.to_epsg()) == (transform, 32630)
    with rasterio.open(result.files[1]) as file:
        assert file.read(1).tobytes() == whole["mask"].tobytes()
        assert (file.nodata, file.descriptions, file.profile["tiled"]) == (255, ("mask",), True)
    assert (result.n_patches, result.n_scenes, result.n_unplaced) == (12, 1, 0)
    assert str(result).startswith(f"{tmp_path / 'out'}: 2 GeoTIFFs of 1 scene from 12 patches, ")


def brute_force(tiles, corners, shape, fill):
    """Return each pixel from the tile whose center is nearest, the first of several."""
    scene = np.full(shape, fill, tiles.dtype)
    side = np.array(tiles.shape[1:])
    for row in range(shape[0]):
        for col in range(shape[1]):
            best = None
            for tile, corner in enumerate(corners):
                inside = np.array([row, col]) - corner
                if (inside < 0).any() or (inside >= side).any():
                    continue
                distance = float((((2 * inside + 1) - side) ** 2).sum())
                if best is None or distance < best:
                    best = distance
                    scene[row, col] = tiles[tile, inside[0], inside[1]]
    return scene


@settings(max_examples=scaled(12, 40))
@given(data=st.data())
def test_each_pixel_is_that_of_the_tile_with_the_nearest_center(tmp_path_factory, data):
    tmp_path = tmp_path_factory.mktemp("any")
    shape = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    side = data.draw(st.integers(2, 12))
    places = st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1))
    corners = data.draw(st.lists(places, min_size=1, max_size=12, unique=True))
    block = data.draw(st.sampled_from([4, 7, 512]))
    layout = layout_of(side, valid=data.draw(st.sampled_from([None, Window(1, 0, side - 1, side)])))
    stored = write_set(tmp_path / "data", layout, {"val": rows_of(corners, shape)})["val"]
    before, mosaic.BLOCK = mosaic.BLOCK, block
    try:
        result = cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True)
    finally:
        mosaic.BLOCK = before
    valid = layout.valid
    inner = [(row + valid.row, col + valid.col) for row, col in corners]
    for path, names in zip(result.files, [("red", "nir"), ("mask",)], strict=True):
        found, transform, _ = read(path)
        assert np.allclose(transform, UTM, rtol=0, atol=1e-6)
        for plane, name in zip(found, names, strict=True):
            parts = stored[name][:, valid.row :, valid.col :]
            assert np.array_equal(plane, brute_force(parts, inner, shape, layout.band(name).nodata))


def test_predictions_of_several_scenes_in_several_splits(tmp_path):
    layout, shape = layout_of(8), (8, 20)
    corners = [(0, 0), (0, 12), (0, 6)]
    first = rows_of(corners[:2], shape, scene="x/one.jp2")
    rows = {
        "train": first + rows_of([(0, 0)], (8, 8), scene="two.jp2", transform=DEGREES),
        "val": rows_of(corners[2:], shape, scene="x/one.jp2"),
    }
    write_set(tmp_path / "data", layout, rows)
    given = np.stack([np.full((8, 8), k, np.int64) for k in range(4)])
    ds = cloudio.open(tmp_path / "data")
    result = cloudio.unpack(ds, tmp_path / "out", mosaic=True, predictions=given, name="cloud")
    assert [path.name for path in result.files] == ["one_cloud.tif", "two_cloud.tif"]
    found, transform, _ = read(result.files[0])
    assert found.dtype == np.uint8
    # Middles of 4, 10 and 16: of two that are as near, the first.
    assert found[0].tolist() == [[0] * 7 + [3] * 6 + [1] * 7] * 8
    assert transform == UTM
    assert read(result.files[1])[1] == DEGREES
    # Some of the tiles do not cover the scene.
    with pytest.raises(RequestError, match=r"32 pixels of the 8 x 20 of scene x/one\.jp2 are in"):
        cloudio.unpack(ds, tmp_path / "b", mosaic=True, predictions=given[:2], index=[0, 1])
    part = cloudio.unpack(
        ds, tmp_path / "c", mosaic=True, predictions=given[:2] + 3, index=[0, 1], nodata=9
    )
    found = read(part.files[0])[0]
    assert found[0].tolist() == [[3] * 8 + [9] * 4 + [4] * 8] * 8


def test_predictions_of_the_centers_of_tiles_lie_there(tmp_path):
    corners = [(r, c) for r in (0, 4) for c in (0, 4)]
    whole = write_tiles(tmp_path / "data", layout_of(8), corners, (12, 12))
    ds = cloudio.open(tmp_path / "data")
    image = ds.reader("red", size=4, dtype="uint16", scale=None).read(range(4)).image[:, 0]
    result = cloudio.unpack(
        ds, tmp_path / "out", mosaic=True, predictions=image, origin="center", nodata=0
    )
    expected = np.zeros((12, 12), np.uint16)
    expected[2:10, 2:10] = whole["red"][2:10, 2:10]
    assert np.array_equal(read(result.files[0])[0][0], expected)


def test_a_tile_that_is_not_at_the_corner_gives_the_transform_too(tmp_path):
    write_tiles(tmp_path / "data", layout_of(8), [(5, 9)], (30, 40))
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True, compress=None)
    found, transform, _ = read(result.files[0])
    assert found.shape == (2, 30, 40)
    assert transform == UTM


def test_scenes_of_the_same_name_have_files_of_their_own(tmp_path):
    rows = [
        rows_of([(0, 0)], (8, 8), scene=scene)[0] for scene in ("a/s.tif", "b/s.tif", "../../s.tif")
    ]
    write_set(tmp_path / "data", layout_of(8), {"train": rows})
    result = cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True, arrays="mask")
    assert [path.name for path in result.files] == [
        "a_s_mask.tif",
        "b_s_mask.tif",
        "_.._s_mask.tif",
    ]
    assert sorted(result.path.iterdir()) == sorted(result.files)


def test_scenes_without_a_place_are_written_and_counted(tmp_path):
    rows = rows_of([(0, 0)], (8, 8))
    for row in rows:
        del row["crs"], row["geotransform"]
    stored = write_set(tmp_path / "data", layout_of(8), {"train": rows})["train"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True, arrays="mask")
    assert "; 1 scene without a place on the ground" in str(result)
    assert np.array_equal(read(result.files[0])[0], stored["mask"])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("scene", "", "has no scene of patch 1, and a mosaic needs them"),
        ("scene_row", "", "patch 1 has scene_row ''; it must be a whole number, 0 or more"),
        ("scene_row", "-1", "patch 1 has scene_row '-1'; it must be a whole number"),
        ("scene_col", "0.5", "patch 1 has scene_col '0.5'; it must be"),
        ("scene_width", "0", "patch 1 begins at row 0, column 8 of a scene of 8 x 0"),
        ("scene_row", "8", "patch 1 begins at row 8, column 8 of a scene of 8 x 16"),
        ("scene_height", "9", "of the scene a/scene.tif says that it has 9 x 16"),
        ("scene_col", "0", "of the scene a/scene.tif begins at the same row and column"),
        ("crs", "EPSG:32631", "of the scene a/scene.tif has crs 'EPSG:32631'"),
        ("crs", "", "of the scene a/scene.tif has crs None"),
        (
            "geotransform",
            gdal_text(UTM),
            "has a geotransform by which it begins at (399880.0, 4100040.0), with pixels of 10.0",
        ),
        ("geotransform", gdal_text((400120, 20, 0, 4100040, 0, -10)), "with pixels of 20.0"),
        ("geotransform", "", "has a geotransform by which it begins at no place"),
    ],
)
def test_tiles_that_disagree_are_refused(tmp_path, column, value, message):
    rows = rows_of([(0, 0), (0, 8)], (8, 16))
    rows[1][column] = value
    write_set(tmp_path / "data", layout_of(8), {"train": rows})
    with pytest.raises((LayoutError, RequestError), match=re.escape(message)):
        cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_patches_that_are_no_tiles_are_refused_with_advice(tmp_path):
    write_set(tmp_path / "data", layout_of(8), {"train": [{"id": "1"}]})
    with pytest.raises(RequestError, match="join these with gdalbuildvrt or rio merge"):
        cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("n_bytes", [3, 1000, 200_000, 700_000])
def test_a_failing_write_names_the_scene_and_leaves_nothing(tmp_path, workers, n_bytes):
    resource = pytest.importorskip("resource", reason="limits of the size of files are POSIX's")
    import signal

    layout = replace(layout_of(600, nodata=0), bands=(Band("red", dtype="uint16", nodata=0),))
    write_tiles(tmp_path / "data", layout, [(0, 0), (0, 600)], (600, 1200))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
        with pytest.raises(cloudio.WriteError, match="cannot be written") as caught:
            cloudio.unpack(tmp_path / "data", tmp_path / "out", mosaic=True, workers=workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.path == tmp_path / "out" / "scene.tif"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
