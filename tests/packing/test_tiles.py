"""Scenes cut into tiles: the pixels of numpy's slices, each with its own place."""

import pickle

import numpy as np
import profiles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import random_pixels, same

import cloudio
from cloudio.packing.sample import LeftOut
from cloudio.packing.sources.channels import ArrayOptions, Role
from cloudio.packing.sources.files import FileRow, FileRows, FileSource, FileTable
from cloudio.packing.sources.tiles import TiledSource

ROLES = Role("image", "image"), Role("mask", "label")


def scenes(folder, images, masks=None, resample=None, names=None):
    """Return a source of .npy files, an image and a mask for each scene."""
    paths = []
    for k, image in enumerate(images):
        np.save(folder / f"s{k}.npy", image)
        paths.append((f"s{k}.npy",))
        if masks is not None:
            np.save(folder / f"s{k}_mask.npy", masks[k])
            paths[-1] += (f"s{k}_mask.npy",)
    roles = ROLES[: len(paths[0])]
    splits = ["train" if k % 2 == 0 else "val" for k in range(len(paths))]
    every = enumerate(zip(paths, splits, strict=True))
    table = FileTable(roles, FileRows(FileRow(*x, (f"s{k}",)) for k, x in every), ("id",))
    options = ArrayOptions(channel_axis="first", resample=resample, names=names)
    return FileSource(folder, table, options)


def table_of(path):
    """Return the table of one scene."""
    return FileTable(ROLES[:1], FileRows([FileRow((path,), "train", ())]))


pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@settings(max_examples=profiles.scaled(25, 80))
@given(data=st.data())
def test_tiles_are_slices_in_the_order_of_rows(data, tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("tiles"), data.draw
    sizes = draw(
        st.lists(st.tuples(st.integers(4, 40), st.integers(4, 40)), min_size=1, max_size=3)
    )
    images = [random_pixels(k, (2, *size), "int16") for k, size in enumerate(sizes)]
    masks = [random_pixels(k, size, "uint8") for k, size in enumerate(sizes)]
    tile = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    stride = draw(st.none() | st.tuples(st.integers(1, 25), st.integers(1, 25)))
    pad = draw(st.booleans())
    down, across = stride or tile
    expected = []
    for k, (height, width) in enumerate(sizes):
        # With pad tiles go on until the edge is covered, and there is one at least.
        last = (height, width) if pad else (height - tile[0] + 1, width - tile[1] + 1)
        for row in range(0, last[0], down):
            for col in range(0, last[1], across):
                before = row - down + tile[0] >= height, col - across + tile[1] >= width
                if not (pad and ((row and before[0]) or (col and before[1]))):
                    expected.append((k, row, col))
    source = scenes(folder, images, masks)
    if not expected:
        with pytest.raises(cloudio.RequestError, match=r"no tile fits .*pad=True"):
            TiledSource(source, tile, stride, pad=pad)
        return
    numbers = {"": -7, "mask": 255}
    tiles = TiledSource(source, tile, stride, pad=pad, nodata=numbers)
    tiles = pickle.loads(pickle.dumps(tiles))
    assert len(tiles) == len(expected)
    order = draw(st.permutations(range(len(expected))))[:20]
    for number in order:
        k, row, col = expected[number]
        sample = tiles.read(number)
        assert list(sample.arrays) == ["image_1", "image_2", "mask"]
        for pixels, stored, fill in zip(
            sample.arrays.values(), [*images[k], masks[k]], [-7, -7, 255], strict=True
        ):
            whole = np.full(tile, fill, stored.dtype)
            part = stored[row : row + tile[0], col : col + tile[1]]
            whole[: part.shape[0], : part.shape[1]] = part
            assert same(np.ascontiguousarray(pixels), whole)
        assert sample.attributes == {
            "file": f"s{k}.npy", "id": f"s{k}", "scene": f"s{k}.npy", "scene_row": row,
            "scene_col": col, "scene_height": sizes[k][0], "scene_width": sizes[k][1],
        }  # fmt: skip
        assert tiles.name_of(number).endswith(f"s{k}.npy, tile at row {row}, column {col}")
        assert tiles.split_of(number) == ["train", "val"][k % 2]
    with pytest.raises(IndexError):
        tiles.read(len(expected))
    tiles.close()


def test_pixels_that_are_in_no_tile_are_counted(tmp_path):
    source = scenes(tmp_path, [np.ones((1, 10, 11), "uint8"), np.ones((1, 3, 9), "uint8")])
    tiles = TiledSource(source, 4)
    assert len(tiles) == 4
    lost = 10 * 11 + 3 * 9 - 4 * 16
    assert tiles.notes[0].startswith(
        f"{lost} pixels (53.28%) at the right and lower edge of 2 scen"
    )
    assert TiledSource(source, 4, pad=True).notes == ()
    assert TiledSource(scenes(tmp_path, [np.ones((1, 8, 12), "uint8")]), 4).notes == ()


def test_every_tile_has_its_own_place(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    place = rasterio.Affine(10.0, 0.0, 5e5, 0.0, -10.0, 4e6)
    pixels = random_pixels(1, (2, 70, 90), "uint16")
    path = tmp_path / "scene.tif"
    with rasterio.open(path, "w", driver="GTiff", height=70, width=90, count=2, dtype="uint16",
                       crs="EPSG:32630", transform=place, tiled=True, blockxsize=32,
                       blockysize=32, compress="deflate") as file:  # fmt: skip
        file.write(pixels)
    source = FileSource(tmp_path, table_of("scene.tif"), ArrayOptions())
    tiles = TiledSource(source, 32, 20, pad=True, nodata={"": 0})
    for k in range(len(tiles)):
        _, (row, col, height, width) = tiles.window_of(k)
        said = tiles.read(k).attributes
        window = rasterio.windows.Window(col, row, width, height)
        own = rasterio.windows.transform(window, place)
        assert said["crs"] == "EPSG:32630"
        assert said["geotransform"] == " ".join(map(repr, own.to_gdal()))
        bounds = rasterio.windows.bounds(window, place)
        assert tuple(said[side] for side in ("left", "bottom", "right", "top")) == bounds
    tiles.close()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_tiles_with_few_valid_pixels_are_left_out(tmp_path, dtype):
    image = np.ones((2, 8, 12), dtype)
    image[:, :4, :4] = 0  # nothing
    image[:, 4:, :2] = 0  # half
    image[0, :, 8:] = 0  # one band has data
    # Labels say nothing of what is valid.
    source = scenes(tmp_path, [image], [np.ones((8, 12), dtype)])
    tiles = TiledSource(source, 4, min_valid=0.5, nodata={"": 0, "mask": 7})
    with pytest.raises(LeftOut, match=r"0.00% of its pixels are valid; min_valid is 0\.5"):
        tiles.read(0)
    for k in range(1, 6):
        tiles.read(k)
    strict = TiledSource(scenes(tmp_path, [image]), 4, min_valid=0.51, nodata={"": 0})
    with pytest.raises(LeftOut, match=r"50\.00%"):
        strict.read(3)
    assert tiles.digest() != strict.digest()


def test_nan_is_not_valid_and_neither_are_pixels_beyond_the_edge(tmp_path):
    image = np.ones((1, 4, 6), "float32")
    image[0, :, :3] = np.nan
    tiles = TiledSource(scenes(tmp_path, [image]), 4, min_valid=0.4, pad=True, nodata={"": np.nan})
    for k in range(2):
        with pytest.raises(LeftOut):
            TiledSource(
                scenes(tmp_path, [image]), 4, min_valid=0.6, pad=True, nodata={"": np.nan}
            ).read(k)
    with pytest.raises(LeftOut, match=r"25\.00%"):
        tiles.read(0)
    sample = tiles.read(1)
    assert np.isnan(sample.arrays["image"][:, 2:]).all()


def test_masks_beside_the_bands_say_what_is_valid(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    mask = np.zeros((8, 8), "uint8")
    mask[:4, 4:] = 255
    with rasterio.open(tmp_path / "s.tif", "w", driver="GTiff", height=8, width=8, count=1,
                       dtype="uint8", crs="EPSG:4326",
                       transform=rasterio.Affine(2, 0, 0, 0, -2, 0)) as file:  # fmt: skip
        file.write(np.ones((1, 8, 8), "uint8"))
        file.write_mask(mask)
    table = table_of("s.tif")
    tiles = TiledSource(FileSource(tmp_path, table, ArrayOptions(names=("a", "-"))), 4, min_valid=1)
    assert list(tiles.read(1).arrays) == ["a"]
    for k in (0, 2, 3):
        with pytest.raises(LeftOut):
            tiles.read(k)
    tiles.close()


def test_what_is_valid_and_what_fills_up_must_be_known(tmp_path):
    source = scenes(tmp_path, [np.ones((1, 6, 6), "uint8")], [np.ones((6, 6), "uint8")])
    with pytest.raises(cloudio.RequestError, match="has neither a no-data number nor a mask"):
        TiledSource(source, 4, min_valid=0.5).read(0)
    with pytest.raises(
        cloudio.RequestError, match=r"pad: .* has no no-data number for image, mask"
    ):
        TiledSource(source, 4, pad=True).read(3)
    with pytest.raises(
        cloudio.RequestError, match=r"pad: .* for mask, .*such as nodata=\{'mask': 255\}"
    ):
        TiledSource(source, 4, pad=True, nodata={"": 0}).read(3)
    with pytest.raises(cloudio.RequestError, match="cannot hold -1"):
        TiledSource(source, 4, pad=True, nodata={"": -1, "mask": 255}).read(3)


def test_tiles_of_files_of_several_resolutions(tmp_path):
    fine = random_pixels(1, (1, 12, 12), "uint16")
    coarse = random_pixels(2, (4, 4), "uint8")
    tiles = TiledSource(scenes(tmp_path, [fine], [coarse], resample="nearest"), 5, 4)
    whole = coarse.repeat(3, 0).repeat(3, 1)
    for k, (row, col) in enumerate((r, c) for r in (0, 4) for c in (0, 4)):
        sample = tiles.read(k)
        part = slice(row, row + 5), slice(col, col + 5)
        assert np.array_equal(sample.arrays["image"], fine[0][part])
        assert np.array_equal(sample.arrays["mask"], whole[part])


class Recorded(FileSource):
    """Keeps what it has opened."""

    opened = ()

    def open(self, k):
        sample = super().open(k)
        self.opened = (*self.opened, sample.layers[0].raster)
        return sample


def test_few_scenes_are_open_at_once(tmp_path):
    images = [np.ones((1, 8, 8), "uint8")] * 4
    source = scenes(tmp_path, images)
    source.__class__ = Recorded
    tiles = TiledSource(source, 4)
    source.opened = ()
    for k in range(len(tiles)):
        tiles.read(k)
    assert len(source.opened) == 4
    for raster in source.opened[:2]:
        with pytest.raises(cloudio.RequestError, match="is closed"):
            raster.read()
    assert source.opened[2].read().all()
    tiles.close()
    with pytest.raises(cloudio.RequestError, match="is closed"):
        source.opened[3].read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"tile": 0}, "tile=0; it must be a number of pixels"),
        ({"tile": (4, 4, 4)}, r"tile=\(4, 4, 4\)"),
        ({"tile": 2.5}, r"tile=2\.5"),
        ({"tile": 4, "stride": 0}, "stride=0"),
        ({"tile": 4, "min_valid": 50}, "min_valid=50; it must be a share from 0 to 1"),
        ({"tile": 9}, r"tile=9: no tile fits into the scenes, of 8 x 8 pixels"),
    ],
)
def test_arguments_are_checked(tmp_path, arguments, said):
    source = scenes(tmp_path, [np.ones((1, 8, 8), "uint8")])
    with pytest.raises(cloudio.RequestError, match=said):
        TiledSource(source, **arguments)
