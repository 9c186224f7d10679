"""Samples read from image files: arrays, names, metadata, and what is refused by name."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import LayoutError, ReadError, RequestError
from cloudio.cli.command import main
from cloudio.packing.sources.matching import file_source


def needs(package):
    extra = {"PIL": "pillow"}.get(package, package)
    return pytest.importorskip(package, reason=f"needs cloudio[{extra}]")


def write_tif(path, pixels, *, names=None, crs="EPSG:32631", left=500_000.0, step=10.0, **more):
    """Write (channel, row, column) pixels as a GeoTIFF."""
    rasterio = needs("rasterio")
    path.parent.mkdir(parents=True, exist_ok=True)
    n, height, width = pixels.shape
    place = rasterio.Affine(step, 0, left, 0, -step, 4_600_000)
    sizes = {"count": n, "height": height, "width": width, "dtype": pixels.dtype.name}
    # Else three channels of 8 bits are colors, and a fourth one is alpha.
    options = {"crs": crs, "transform": place, "photometric": "minisblack", **sizes, **more}
    with rasterio.open(path, "w", driver="GTiff", **options) as file:
        file.write(pixels)
        if names:
            file.descriptions = names


def write_png(path, pixels, mode=None):
    image = needs("PIL.Image")
    image.fromarray(pixels, mode).save(path) if mode is None else pixels.save(path)


def random(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def refused(root, **options):
    source = file_source(root, **options)
    with pytest.raises((RequestError, LayoutError, ReadError)) as error:
        source.read(0)
    return str(error.value).replace(f"{root}/", "")


TYPES = ["uint8", "int16", "uint16", "float32", "int32", "float64"]


@given(data=st.data())
@settings(max_examples=scaled(12, 100))
def test_arrays_are_those_of_the_files_bit_for_bit(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("files")
    size = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    dtype = data.draw(st.sampled_from(TYPES))
    n = data.draw(st.integers(1, 4))
    image, mask = random((n, *size), dtype), random((1, *size), np.uint8, 1)
    name = data.draw(st.text("a é[](){}+.", min_size=1, max_size=6))
    names = data.draw(st.none() | st.permutations(["B2", "B8A", "é 1", "(x)"]).map(lambda x: x[:n]))
    write_tif(root / f"i{name}.tif", image, names=names)
    write_tif(root / f"m{name}.tiff", mask)
    source = file_source(root, images="i{id}.tif", masks={"lc": "m{id}.tiff"})
    source = pickle.loads(pickle.dumps(source))
    sample = source.read(0)
    default = ["image"] if n == 1 else [f"image_{k + 1}" for k in range(n)]
    assert list(sample.arrays) == [*(names or default), "lc"]
    found = np.stack([sample.arrays[x] for x in sample.arrays if x != "lc"])
    assert found.dtype == dtype
    assert np.array_equal(found, image)
    assert np.array_equal(sample.arrays["lc"], mask[0])
    # A window, with its own place.
    row, col = (data.draw(st.integers(0, side - 1)) for side in size)
    height, width = (
        data.draw(st.integers(1, size[0] - row)),
        data.draw(st.integers(1, size[1] - col)),
    )
    with source.open(0) as opened:
        part = opened.read((row, col, height, width))
        assert opened.shape == size
    window = np.s_[row : row + height, col : col + width]
    assert all(np.array_equal(part.arrays[x], sample.arrays[x][window]) for x in part.arrays)
    assert part.attributes["left"] == 500_000 + 10 * col


def test_metadata_have_the_file_its_place_and_the_fields(tmp_path):
    write_tif(tmp_path / "val" / "x_2.tif", random((1, 4, 5)))
    sample = file_source(tmp_path, images="{split}/{place}_{n}.tif").read(0)
    assert list(sample.attributes.items()) == [
        ("file", "val/x_2.tif"),
        ("place", "x"),
        ("n", "2"),
        ("crs", "EPSG:32631"),
        ("geotransform", "500000.0 10.0 0.0 4600000.0 0.0 -10.0"),
        ("left", 500000.0),
        ("bottom", 4599960.0),
        ("right", 500050.0),
        ("top", 4600000.0),
    ]


def test_columns_that_the_file_has_keep_their_names(tmp_path):
    write_tif(tmp_path / "EPSG.tif", random((1, 2, 2)))
    attributes = file_source(tmp_path, images="{crs}.tif").read(0).attributes
    assert (attributes["crs"], attributes["field_crs"]) == ("EPSG:32631", "EPSG")
    (tmp_path / "t.csv").write_text("image,left,file\nEPSG.tif,7,f\n", "utf-8")
    attributes = file_source(tmp_path, table=tmp_path / "t.csv").read(0).attributes
    assert (attributes["left"], attributes["table_left"]) == (500000.0, "7")
    assert (attributes["file"], attributes["table_file"]) == ("EPSG.tif", "f")


def test_the_place_is_that_of_the_first_file_that_has_one(tmp_path):
    np.save(tmp_path / "a.npy", random((4, 5)))
    write_tif(tmp_path / "a.tif", random((1, 4, 5), np.uint8))
    attributes = file_source(tmp_path, images="{id}.npy", masks="{id}.tif").read(0).attributes
    assert (attributes["file"], attributes["crs"]) == ("a.npy", "EPSG:32631")


def test_files_say_nodata_scale_and_unit_of_their_arrays(tmp_path):
    rasterio = needs("rasterio")
    write_tif(tmp_path / "a.tif", random((2, 3, 3)), names=("B2", "B3"), nodata=0)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.scales, file.offsets, file.units = (1e-4, 1.0), (-0.1, 0.0), ("", "K")
    infos = file_source(tmp_path, images="{id}.tif").read(0).infos
    assert (infos["B2"].nodata, infos["B2"].scale_factor, infos["B2"].add_offset) == (0, 1e-4, -0.1)
    assert (infos["B3"].unit, infos["B3"].scale_factor, infos["B3"].kind) == ("K", None, "band")


# ---- names ---------------------------------------------------------------------------------------


def test_names_are_given_in_the_order_of_channels_and_take_chooses(tmp_path):
    image = random((4, 3, 3))
    write_tif(tmp_path / "a.tif", image)
    names = ["B4", "-", "B2", "B8"]
    sample = file_source(tmp_path, images="{id}.tif", names=names).read(0)
    assert list(sample.arrays) == ["B4", "B2", "B8"]
    assert np.array_equal(sample.arrays["B2"], image[2])
    options = {"images": "{id}.tif", "names": {"image": names}}
    sample = file_source(tmp_path, **options, take=["B8", "B4"]).read(0)
    assert list(sample.arrays) == list(sample.infos) == ["B8", "B4"]
    assert np.array_equal(sample.arrays["B8"], image[3])
    assert refused(tmp_path, images="{id}.tif", names=["x", "y"]) == (
        "a.tif has 4 channels, but names= gives 2: x, y; '-' leaves a channel out"
    )
    assert refused(tmp_path, **options, take=["B3"]).startswith(
        "a.tif has no array 'B3', which take= names; it has B4, B2, B8"
    )
    assert "has a name twice" in refused(tmp_path, images="{id}.tif", names=["a", "a", "-", "-"])


@pytest.mark.parametrize(
    "names",
    [
        ("B2", ""),
        ("B2", "B2"),
        ("B2", "a,b"),
        ("B2", "-"),
        ("B2", "a\nb"),
        ("B2", "lc"),
    ],
)
def test_names_of_the_file_are_used_only_if_each_channel_has_one(tmp_path, names):
    write_tif(tmp_path / "a.tif", random((2, 3, 3)), names=names)
    write_tif(tmp_path / "a.tiff", random((1, 3, 3), np.uint8))
    sample = file_source(tmp_path, images="{id}.tif", masks={"lc": "{id}.tiff"}).read(0)
    assert list(sample.arrays) == ["image_1", "image_2", "lc"]


def test_a_name_that_another_array_has_is_refused(tmp_path):
    write_tif(tmp_path / "a.tif", random((1, 3, 3)))
    write_tif(tmp_path / "a.tiff", random((1, 3, 3), np.uint8))
    message = refused(tmp_path, images="{id}.tif", masks="{id}.tiff", names=["mask"])
    assert message.startswith("a.tif has a channel mask, which is the name of another array")


def test_channels_of_several_types_keep_their_own(tmp_path):
    data = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "u2", (2, 3, 3))
    data[:] = random((2, 3, 3))
    np.savez(tmp_path / "b.npz", x=random((3, 3), np.float32), y=random((3, 3), np.uint8))
    sample = file_source(tmp_path, images="{id}.npz", skip_missing=True).read(0)
    assert {k: v.dtype.name for k, v in sample.arrays.items()} == {"x": "float32", "y": "uint8"}


# ---- one file for each band ----------------------------------------------------------------------


def test_bands_are_named_by_their_files_and_coarser_ones_are_repeated_if_asked(tmp_path):
    fine, coarse = random((1, 6, 4)), random((1, 3, 2), seed=1)
    write_tif(tmp_path / "p" / "p_B02.tif", fine, names=["ignored"])
    write_tif(tmp_path / "p" / "p_B05.tif", coarse, step=20.0)
    options = {"bands": "{id}/{id}_{band}.tif"}
    sample = file_source(tmp_path, **options, resample="nearest").read(0)
    assert np.array_equal(sample.arrays["B02"], fine[0])
    assert np.array_equal(sample.arrays["B05"], coarse[0].repeat(2, 0).repeat(2, 1))
    message = refused(tmp_path, **options)
    assert "p/p_B02.tif has 6 x 4" in message
    assert "p/p_B05.tif has 3 x 2 pixels; resample='nearest' (--resample nearest)" in message


def test_a_file_of_several_channels_is_no_band(tmp_path):
    write_tif(tmp_path / "a_B2.tif", random((2, 3, 3)))
    assert refused(tmp_path, bands="{id}_{band}.tif") == (
        "a_B2.tif has 2 channels, but is the file of the band B2; a file of several bands is given "
        "with images= (--images)"
    )


# ---- files that do not agree ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"crs": "EPSG:32632"},
            "has crs EPSG:32632, but a.tif of the same sample has crs EPSG:32631",
        ),
        (
            {"left": 500_010.0},
            "has geotransform 500010.0 10.0 0.0 4600000.0 0.0 -10.0, but a.tif of the same sample "
            "has geotransform 500000.0 10.0 0.0 4600000.0 0.0 -10.0; the files of a sample must "
            "show the same pixels",
        ),
        ({"step": 20.0}, "has geotransform 500000.0 20.0"),
    ],
)
def test_files_of_one_sample_must_show_the_same_pixels(tmp_path, other, message):
    write_tif(tmp_path / "a.tif", random((1, 3, 3)))
    write_tif(tmp_path / "a_m.tif", random((1, 3, 3), np.uint8), **other)
    assert refused(tmp_path, images="{id}.tif", masks="{id}_m.tif").startswith(f"a_m.tif {message}")


def test_rounded_places_and_files_without_one_agree(tmp_path):
    write_tif(tmp_path / "a.tif", random((1, 3, 3)))
    write_tif(tmp_path / "a_m.tif", random((1, 3, 3), np.uint8), left=500_000.000001)
    np.save(tmp_path / "a.npy", random((3, 3), np.uint8))
    masks = {"one": "{id}_m.tif", "two": "{id}.npy"}
    assert len(file_source(tmp_path, images="{id}.tif", masks=masks).read(0).arrays) == 3


# ---- what is no plain number of a band -----------------------------------------------------------


def test_an_alpha_channel_is_refused_unless_it_is_left_out_or_asked_for(tmp_path):
    pixels = random((3, 4, 4), np.uint8)
    write_png(tmp_path / "a.png", pixels)
    assert refused(tmp_path, images="{id}.png") == (
        "a.png has an alpha channel, which says how opaque a pixel is and is no band; leave it out "
        "with names=['red', 'green', 'blue', '-'] (--names red green blue -). If it "
        "is a band, name it there"
    )
    for options in ({"names": ["red", "green", "blue", "-"]}, {"take": ["red", "green", "blue"]}):
        sample = file_source(tmp_path, images="{id}.png", **options).read(0)
        assert list(sample.arrays) == ["red", "green", "blue"]
        assert np.array_equal(sample.arrays["blue"], pixels[..., 2])
    sample = file_source(tmp_path, images="{id}.png", take=["alpha", "red"]).read(0)
    assert np.array_equal(sample.arrays["alpha"], pixels[..., 3])


def test_a_fourth_band_that_gdal_takes_for_alpha_may_have_a_name(tmp_path):
    pixels = random((4, 3, 3), np.uint8)
    write_tif(tmp_path / "a.tif", pixels, photometric="rgb", alpha="yes")
    assert "has an alpha channel" in refused(tmp_path, images="{id}.tif")
    sample = file_source(tmp_path, images="{id}.tif", names=["r", "g", "b", "nir"]).read(0)
    assert np.array_equal(sample.arrays["nir"], pixels[3])


def test_a_palette_is_a_label_and_no_image(tmp_path):
    image = needs("PIL.Image")
    codes = random((3, 4), np.uint8) % 5
    picture = image.fromarray(codes, "L").convert("P")
    picture = image.new("P", (4, 3))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 8, 8, 8])
    picture.putdata(codes.ravel().tolist())
    picture.save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", random((3, 4)))
    sample = file_source(tmp_path, images="{id}.npy", masks="{id}.png").read(0)
    assert np.array_equal(sample.arrays["mask"], codes)
    (tmp_path / "a.npy").unlink()
    assert refused(tmp_path, images="{id}.png") == (
        "a.png has a palette: the numbers of image are those of colors. If they are classes, the "
        "file is a label: give it with masks= (--masks); else save it as RGB"
    )


def test_labels_may_have_an_alpha_channel_that_is_opaque(tmp_path):
    np.save(tmp_path / "a.npy", random((3, 4)))
    pixels = np.zeros((3, 4, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[0, 0, 0] = 200
    write_png(tmp_path / "a.png", pixels)
    options = {"images": "{id}.npy", "masks": "{id}.png", "classes": {"0,0,0": 4, "200,0,0": 1}}
    expected = np.full((3, 4), 4)
    expected[0, 0] = 1
    assert np.array_equal(file_source(tmp_path, **options).read(0).arrays["mask"], expected)
    pixels[1, 1:3, 3] = 0
    write_png(tmp_path / "a.png", pixels)
    assert refused(tmp_path, **options) == (
        "a.png has an alpha channel that is not opaque in 2 pixels; save the label without it, and "
        "with a code of its own for these pixels"
    )


def test_a_label_has_one_channel_or_colors(tmp_path):
    write_tif(tmp_path / "a.tif", random((1, 3, 3)))
    write_tif(tmp_path / "a_m.tif", random((3, 3, 3)))
    assert refused(tmp_path, images="{id}.tif", masks="{id}_m.tif").startswith(
        "a_m.tif has 3 channels of uint16, but is the label mask; a label has one channel of codes"
    )


# ---- files that cannot be read -------------------------------------------------------------------


def test_a_file_that_is_damaged_or_gone_names_itself(tmp_path):
    np.save(tmp_path / "a.npy", random((3, 4)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    needs("PIL")
    assert refused(tmp_path, images="{id}.npy", masks="{id}.png").startswith("a.png ")
    source = file_source(tmp_path, images="{id}.npy", masks="{id}.png")
    (tmp_path / "a.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.npy"):
        source.read(0)


# ---- packed and read back ------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=scaled(4, 40))
def test_packed_files_are_read_back_bit_for_bit(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("pack")
    dtype = data.draw(st.sampled_from(["uint8", "int16", "uint16", "float32"]))
    size = data.draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    zone = data.draw(st.sampled_from(["EPSG:32631", "EPSG:4326", "EPSG:3035"]))
    names = data.draw(
        st.lists(st.sampled_from(["a 1", "é", "x[0]", "(b)"]), min_size=1, unique=True)
    )
    splits = {"train": names, "val": names[:1]}
    written = {}
    for k, (split, name) in enumerate((s, n) for s, some in splits.items() for n in some):
        image, mask = random((3, *size), dtype, k), random((1, *size), np.uint8, k)
        written[split, name] = image, mask
        write_tif(root / "in" / split / f"{name}.tif", image, names=("r", "g", "b"), crs=zone)
        write_tif(root / "in" / split / "m" / f"{name}.tif", mask, crs=zone)
    options = {"images": "{split}/{id}.tif", "masks": "{split}/m/{id}.tif"}
    result = cloudio.pack(root / "in", root / "out", **options, workers=1)
    assert result.patches == {split: len(some) for split, some in splits.items()}
    with cloudio.open(root / "out") as ds:
        for split in splits:
            part = ds.split(split)
            for row, name in enumerate(part.metadata["id"]):
                image, mask = written[split, str(name)]
                for band, pixels in zip("rgb", image, strict=True):
                    assert part[band].dtype == dtype
                    assert np.array_equal(part[band][row], pixels)
                assert np.array_equal(part["mask"][row], mask[0])
                assert part.metadata["crs"][row] == zone
                assert part.metadata["file"][row] == f"{split}/{name}.tif"


def test_the_command_packs_files_and_shows_how_they_are_put_together(tmp_path, capsys):
    for k in range(3):
        write_tif(tmp_path / "in" / f"{k}.tif", random((2, 4, 4), seed=k), names=("B2", "B3"))
        np.save(tmp_path / "in" / f"{k}_m.npy", np.full((4, 4), k, np.uint8))
    (tmp_path / "in" / "1_m.npy").unlink()
    words = ["pack", str(tmp_path / "in"), str(tmp_path / "out"), "--images", "{id}.tif"]
    words += ["--masks", "land={id}_m.npy", "--take", "land", "B3", "--workers", "1"]
    assert main(words) == 2
    assert "1 sample without land (1.tif). --skip-missing leaves" in capsys.readouterr().err
    assert main([*words, "--skip-missing", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "train: 2 samples\nthe first sample, of train (id=0):\n  image  0.tif\n" in shown
    assert "  land   0_m.npy\n1 file left out:\n  1.tif: has no land\n" in shown
    assert main([*words, "--skip-missing"]) == 0
    with cloudio.open(tmp_path / "out") as ds:
        assert ds.names == ("land", "B3")
        assert ds["land"][:, 0, 0].tolist() == [0, 2]


def test_the_command_takes_several_columns_of_bands(tmp_path, capsys):
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", random((4, 4), seed=ord(name)))
    (tmp_path / "t.csv").write_text("B01,B02\nx.npy,y.npy\n", "utf-8")
    words = ["pack", str(tmp_path), str(tmp_path / "out"), "--table", str(tmp_path / "t.csv")]
    assert main([*words, "--bands", "B01", "B02", "--workers", "1"]) == 0
    assert cloudio.open(tmp_path / "out").names == ("B01", "B02")
    for band in ("B1", "B2"):
        np.save(tmp_path / f"k,{band}.npy", random((4, 4)))
    words = ["pack", str(tmp_path), str(tmp_path / "two"), "--bands", "{id},{band}.npy"]
    assert main([*words, "--skip-missing", "--workers", "1"]) == 0
    assert "\n2 files left out:\n  x.npy: no pattern" in capsys.readouterr().out
    assert cloudio.open(tmp_path / "two").names == ("B1", "B2")


def test_the_command_says_an_option_once(tmp_path, capsys):
    write_tif(tmp_path / "p_B02.tif", random((1, 6, 4)))
    write_tif(tmp_path / "p_B05.tif", random((1, 3, 2)), step=20.0)
    words = ["pack", str(tmp_path), str(tmp_path / "out"), "--bands", "{id}_{band}.tif"]
    assert main([*words, "--workers", "1"]) == 2
    assert "pixels; --resample nearest repeats the pixels" in capsys.readouterr().err


CLASSES = "r,g,b,class,name\n255,0,0,3,fire\n255,255,0,5,\n0,0,0,0,calm\n"


def test_names_of_classes_are_in_the_layout(tmp_path):
    np.save(tmp_path / "a.npy", random((4, 4)))
    colors = np.zeros((3, 4, 4), np.uint8)
    colors[0, :2] = 255
    colors[1, 1] = 255
    np.save(tmp_path / "a_m.npy", colors)
    (tmp_path / "classes.csv").write_text(CLASSES, "utf-8")
    options = {"images": "{id}.npy", "masks": "{id}_m.npy", "classes": tmp_path / "classes.csv"}
    cloudio.pack(tmp_path, tmp_path / "out", **options, workers=1, channel_axis="first")
    with cloudio.open(tmp_path / "out") as ds:
        assert ds["mask"][0, :, 0].tolist() == [3, 5, 0, 0]
        assert set(ds.layout.label_maps["mask"]["codes"].names) == {
            "fire",
            "1",
            "2",
            "calm",
            "4",
            "5",
        }
