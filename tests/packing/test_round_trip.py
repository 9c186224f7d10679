"""What `pack` has packed and `unpack` writes is what was there: pixels, CRS and transform."""

import warnings

import numpy as np
import pytest
from builders import pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio

rasterio = pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")

CRSES = "EPSG:32630", "EPSG:4326", "EPSG:3035", "+proj=sinu +R=6371007.181 +units=m", None
TRANSFORMS = (
    (399960.0, 10.0, 0.0, 4100040.0, 0.0, -10.0),
    (-3.25, 8.983152841195215e-05, 0.0, 41.125, 0.0, -8.983152841195215e-05),
    (100.5, 9.0, 2.0, -7.25, 3.0, -8.0),
    (5.0, 1 / 3, 0.0, 7.0, 0.0, 1 / 3),
)


def write(path, image, crs, transform, *, nodata=None, names=None, scales=None):
    """Write a GeoTIFF as other programs do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = image.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=image.dtype,
        crs=crs,
        transform=rasterio.Affine.from_gdal(*transform),
        nodata=nodata,
    ) as file:
        file.write(image)
        if names:
            file.descriptions = names
        if scales:
            file.scales, file.offsets = scales


def assert_same(path, original):
    """Assert that two GeoTIFFs are the same for GDAL."""
    with rasterio.open(path) as file, rasterio.open(original) as was:
        assert (file.shape, file.dtypes, file.descriptions) == (
            was.shape,
            was.dtypes,
            was.descriptions,
        )
        assert file.read().tobytes() == was.read().tobytes()
        assert (file.transform, file.crs) == (was.transform, was.crs)
        assert (file.nodata, file.scales, file.offsets) == (was.nodata, was.scales, was.offsets)


@settings(max_examples=scaled(5, 15))
@given(
    crs=st.sampled_from(CRSES),
    transform=st.sampled_from(TRANSFORMS),
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int16", "float32"]),
    nodata=st.sampled_from([None, 0, 5]),
    scales=st.sampled_from([None, ((1e-4, 2e-4), (-0.1, 0.0))]),
    size=st.tuples(st.integers(2, 30), st.integers(2, 30)),
)
def test_chips_with_masks(tmp_path_factory, crs, transform, dtype, nodata, scales, size):
    root = tmp_path_factory.mktemp("chips")
    for split, n in (("train", 2), ("val", 1)):
        for k in range(n):
            image = pixels(f"{split}{k}", (2, *size), dtype)
            mask = (image[:1] != 0).astype(np.uint8)
            x0, *others = transform
            place = (x0 + 1000 * k, *others)
            write(
                root / f"chips/{split}/images/c{k}.tif",
                image,
                crs,
                place,
                nodata=nodata,
                names=("red", "nir"),
                scales=scales,
            )
            write(root / f"chips/{split}/masks/c{k}.tif", mask, crs, place, names=("mask",))
    cloudio.pack(
        root / "chips",
        root / "packed",
        workers=1,
        images="{split}/images/{id}.tif",
        masks="{split}/masks/{id}.tif",
    )
    result = cloudio.unpack(root / "packed", root / "out")
    assert len(result.files) == 6
    for path in result.files:
        folder = "masks" if path.stem.endswith("_mask") else "images"
        split, stem = path.parent.name, path.stem.removesuffix("_mask")
        assert_same(path, root / "chips" / split / folder / f"{stem}.tif")


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("stride", [16, 11])
def test_scenes_that_are_cut_and_put_together(tmp_path, transform, stride):
    crs = "EPSG:32630"
    for k, shape in enumerate([(40, 53), (16, 17)]):
        image = pixels(f"scene{k}", (2, *shape), "uint16")
        place = (transform[0] + 5000 * k, *transform[1:])
        write(tmp_path / f"s/images/s{k}.tif", image, crs, place, nodata=0, names=("red", "nir"))
        mask = (image[:1] % 4).astype(np.uint8)
        write(tmp_path / f"s/masks/s{k}.tif", mask, crs, place, nodata=255, names=("mask",))
    cloudio.pack(
        tmp_path / "s",
        tmp_path / "packed",
        workers=1,
        tile=16,
        stride=stride,
        pad=True,
        images="images/{id}.tif",
        masks="masks/{id}.tif",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = cloudio.unpack(tmp_path / "packed", tmp_path / "out", mosaic=True)
    assert [path.name for path in result.files] == [
        f"s{k}{x}.tif" for k in range(2) for x in ("", "_mask")
    ]
    for path in result.files:
        folder = "masks" if path.stem.endswith("_mask") else "images"
        assert_same(path, tmp_path / "s" / folder / f"{path.stem.removesuffix('_mask')}.tif")


def test_a_data_set_that_is_cropped_stays_in_its_place(tmp_path):
    """`pack` writes the transform of the window; both ways lead to the same files."""
    from placed_sets import gdal_text, write_set

    from cloudio import Band, Layout, Window

    layout = Layout("P", (20, 24), Window(1, 2, 18, 20), (Band("red", dtype="uint16"),))
    transform = TRANSFORMS[0]
    rows = [{"file": "x.tif", "crs": "EPSG:32630", "geotransform": gdal_text(transform)}]
    write_set(tmp_path / "data", layout, {"train": rows})
    cloudio.pack(tmp_path / "data", tmp_path / "packed", crop="valid", workers=1)
    before = cloudio.unpack(tmp_path / "data", tmp_path / "a")
    after = cloudio.unpack(tmp_path / "packed", tmp_path / "b")
    assert_same(after.files[0], before.files[0])
    with rasterio.open(after.files[0]) as file:
        assert file.transform.to_gdal() == (399980.0, 10.0, 0.0, 4100030.0, 0.0, -10.0)
