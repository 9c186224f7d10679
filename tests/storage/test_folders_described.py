"""A folder that is no data set is described; the layout and code that are proposed work."""

import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from builders import SMALL, pixels, write_split
from own_files import H, W, layout_of, refusal, stack

import cloudio
from cloudio import Band, LayoutError
from cloudio.layouts.toml_writer import to_toml


def refused(folder, **options):
    with pytest.raises((LayoutError, NotADirectoryError)) as caught:
        cloudio.open(folder, **options)
    return str(caught.value)


def follow(text):
    """Do what a message proposes, and return the folder."""
    if code := re.search(r"Join them:\n\n(.*)\n\nWrite this", text, re.DOTALL):
        exec(compile(code[1], "joining", "exec"), {})
    file, toml = re.search(
        r"Write this into (\S+?)(?:,| )[^\n]*:\n\n(.*)", text, re.DOTALL
    ).groups()
    Path(file).write_text(toml)
    return Path(file).parent


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def images(n, *shape, dtype="uint16"):
    return pixels("images", (n, *shape), dtype)


# ---- .npy files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [64, 512])
def test_stacked_npy_files_get_a_layout_that_works(tmp_path, side):
    x, y = images(3, 13, side, side), images(3, side, side, dtype="uint8")
    for split in ("train", "val"):
        save(tmp_path / "own" / split, images=x, labels=y)
    text = refused(tmp_path / "own")
    assert f"train/images.npy has shape (3, 13, {side}, {side}), uint16" in text
    assert ".dat or .npy" not in text
    ds = cloudio.open(follow(text))
    assert list(ds.splits) == ["train", "val"]
    assert ds.warnings == ()
    assert ds.band("labels").kind == "label"
    assert ds.band("images_1").scale is None
    assert np.array_equal(ds.split("val")["images_7"], x[:, 6])
    assert np.array_equal(ds.split("train")["labels"], y)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": images(2, 512, 512)},
        {"B02": images(20, 256, 256), "B03": images(20, 256, 256), "B8A": images(20, 256, 256)},
        {"vv": images(2, 30, 40, dtype="float32"), "water_mask": images(2, 30, 40, dtype="int8")},
        {"S2": images(2, 1, 30, 40)},
        {"S2": images(70, 2, 30, 40, dtype="uint8")},
        {"with space": images(2, 30, 40)},
        {"train_x": images(2, 30, 40), "val_x": images(1, 30, 40)},
    ],
)
def test_npy_files_of_arrays_get_a_layout_that_works(tmp_path, arrays):
    folder = save(tmp_path / "own", **arrays)
    ds = cloudio.open(follow(refused(folder)))
    for split, part in ((name, ds.split(name)) for name in ds.splits):
        for name in part.names:
            whole = arrays.get(name, arrays.get(f"{split}_{name}"))
            if whole is None or whole.ndim == 4:
                stem, _, channel = name.rpartition("_")
                whole = arrays["S2"][:, int(channel) - 1 if stem else 0]
            assert np.array_equal(part[name], whole, equal_nan=whole.dtype.kind == "f")


def test_channels_last_are_read_in_place_by_the_proposed_layout(tmp_path):
    x = images(4, 64, 64, 3, dtype="uint8")
    mask = images(4, 64, 64, 1, dtype="uint8") % 3
    folder = save(tmp_path / "own", rgb=x, mask=mask)
    text = refused(folder)
    assert "rgb.npy has shape (4, 64, 64, 3), uint8: (patch, row, column, channel)" in text
    assert "Channels that are last are read in place. If you read a few of many" in text
    assert f"cloudio pack {folder / 'rgb.npy'} {tmp_path / 'own_rgb'} --channel-axis last" in text
    assert 'channel_axis = "last"' in text
    ds = cloudio.open(follow(text))
    assert ds.layout.band("mask").channels is None
    image = ds.reader(["rgb_1", "rgb_2", "rgb_3"], scale=1).read([2]).image[0]
    assert np.array_equal(image, x[2].transpose(2, 0, 1))
    assert np.array_equal(ds["mask"], mask[..., 0])
    np.save(folder / "rgb.npy", np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    words = 'Its channels are first: leave channel_axis = "last" out of the layout'
    with refusal(LayoutError, "rgb.npy has shape (4, 3, 64, 64); own needs", words):
        cloudio.open(folder)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, H, W, 3), 'Its channels are last: write channel_axis = "last" for it in the layout'),
        ((4, H, W, 5), 'write channel_axis = "last" for it in the layout, and channels = 5'),
        ((3, H, W), "It is one patch; one file holds all patches of a split: numpy.stack them"),
        ((H, W, 3), "It is one patch; one file holds all patches of a split: numpy.stack them, af"),
        ((4, 3, W, H), "Rows and columns may be exchanged; if so"),
        ((4, 3, H, H), None),
        ((4, 2, H, W), None),
    ],
)
def test_the_shape_of_a_stacked_file_says_what_it_may_be(tmp_path, shape, words):
    save(tmp_path, S2=np.zeros(shape, "i2"))
    text = refused(tmp_path, layout=layout_of(*stack(file="S2.npy")))
    assert f"has shape {shape}; Own needs (patches, 3, {H}, {W})" in text
    assert text.endswith(f"{W})") if words is None else words in text


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((H, W), "It is one patch; one file holds all patches of a split"),
        ((H, W, 5), "Its patches or channels are last; save it with these first: "),
        ((5, W, H), "Rows and columns may be exchanged"),
        ((5, 3, H, W), "or the array's channel and channels (stacked = true)"),
        ((5, H, W, 3), '(stacked = true and channel_axis = "last")'),
    ],
)
def test_the_shape_of_a_plain_file_says_what_it_may_be(tmp_path, shape, words):
    save(tmp_path, B2=np.zeros(shape, "i2"))
    assert words in refused(tmp_path, layout=layout_of(Band("B2", file="B2.npy")))


def test_the_cures_of_shapes_are_right():
    x = np.arange(4 * H * W * 3).reshape(4, H, W, 3)
    assert np.moveaxis(x, -1, 1).shape == (4, 3, H, W)
    assert np.moveaxis(x[0], -1, 0).shape == (3, H, W)
    assert np.swapaxes(np.zeros((4, 3, W, H)), -1, -2).shape == (4, 3, H, W)


def test_npy_files_of_different_numbers_of_patches_belong_to_several_splits(tmp_path):
    save(tmp_path, x_high=images(5, 32, 32), x_test=images(2, 32, 32), y_high=np.zeros(5, "u1"))
    text = refused(tmp_path)
    assert "y_high.npy has shape (5,), uint8: no patches" in text
    assert "put the files of each split into a folder of its own" in text
    assert "Write this" not in text


@pytest.mark.parametrize("name", ["{name}_{split}", "{split}_{name}"])
def test_files_with_a_split_in_their_names_get_a_layout_for_folders(tmp_path, name):
    stored = {
        (split, "X"): images(n, 4, 64, 64) for split, n in (("train", 5), ("val", 3), ("test", 2))
    } | {(split, "y"): images(n, 64, 64) for split, n in (("train", 5), ("val", 3), ("test", 2))}
    files = {name.format(name=x, split=split): array for (split, x), array in stored.items()}
    text = refused(save(tmp_path / "own", **files))
    first = name.format(name="X", split="test")
    assert f"without the split in their names: {first}.npy becomes test/X.npy." in text
    for (split, x), array in stored.items():
        (tmp_path / "own" / f"{name.format(name=x, split=split)}.npy").unlink()
        save(tmp_path / "own" / split, **{x: array})
    ds = cloudio.open(follow(text))
    for (split, x), array in stored.items():
        part = ds.split(split)
        wanted = {f"X_{k + 1}": array[:, k] for k in range(4)} if x == "X" else {x: array}
        assert all(np.array_equal(part[key], values) for key, values in wanted.items())


def test_files_of_another_patch_are_said_to_be_left_out(tmp_path):
    save(tmp_path / "own", b10=images(5, 60, 60), c10=images(5, 60, 60), b20=images(5, 30, 30))
    text = refused(tmp_path / "own")
    assert "patches of one size, here 60 x 60: b20.npy." in text
    assert cloudio.open(follow(text)).names == ("b10", "c10")


def test_one_patch_without_channels_is_told(tmp_path):
    save(tmp_path, scene=images(100, 120))
    assert "shape (100, 120), uint16: one patch, (row, column). cloudio maps" in refused(tmp_path)


def test_a_scale_that_the_layout_does_not_know_is_told(tmp_path):
    ds = cloudio.open(follow(refused(save(tmp_path / "own", x=images(2, 30, 40)))))
    words = ("x has scale", "unknown", "own/cloudio.toml; write its scale there, or pass scale=, s")
    with refusal(cloudio.RequestError, *words):
        ds.reader(["x"])
    assert np.array_equal(
        ds.reader(["x"], scale=None, size=(30, 40)).read([1]).image[0, 0], ds["x"][1]
    )


def test_npy_files_of_other_types_say_so(tmp_path):
    save(tmp_path, x=np.zeros((3, 8, 8)))
    assert "x.npy is float64; cloudio reads uint8" in refused(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "cure"),
    [
        ("bool", "' stores it as uint8."),
        ("int64", "' stores it as one that holds its numbers."),
        ("f2", "' stores it as float32."),
        ("f8", " --dtype mask=float32 --lossy' stores it as float32."),
    ],
)
def test_arrays_of_other_types_are_left_out_with_the_cure(tmp_path, dtype, cure):
    folder = save(tmp_path / "own", red=images(4, 8, 9), mask=np.zeros((4, 8, 9), dtype))
    text = refused(folder)
    packed = f"'cloudio pack {folder / 'mask.npy'} {tmp_path / 'own_mask'}"
    assert f"is {np.dtype(dtype)}; cloudio reads uint8, int8, uint16, int16, float32: " in text
    assert f"{packed}{cure}" in text
    assert "The layout below leaves out mask.npy; convert them, and then ask again." in text
    assert cloudio.open(follow(text)).names == ("red",)


def test_arrays_of_few_numbers_are_labels_with_a_map(tmp_path):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (4, 30, 40)).astype("u1")
    water, land = rng.integers(-1, 2, (4, 30, 40)).astype("i1"), codes.astype("u2") * 127 + 1
    folder = save(
        tmp_path / "own", lab=codes, water=water, land_mask=land, red=images(4, 30, 40, dtype="u1")
    )
    ds = cloudio.open(follow(refused(folder)))
    kinds = {name: ds.band(name).kind for name in ds.names}
    assert kinds == {"lab": "label", "water": "label", "land_mask": "label", "red": "band"}
    read = ds.reader("red", ["lab", "water"], scale=None, size=(30, 40)).read(range(4)).label
    assert np.array_equal(read[:, 0], codes)
    assert np.array_equal(read[:, 1], np.where(water < 0, 255, water.astype(int)))


def test_labels_of_splits_have_the_codes_of_all(tmp_path):
    for split, code in (("train", 1), ("val", 2)):
        labels = np.zeros((2, 30, 40), "u1")
        labels[:, :9] = code
        save(tmp_path / "own" / split, mask=labels, red=images(2, 30, 40))
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert ds.layout.label_maps["mask"]["own"].classes == {0: 0, 1: 1, 2: 2}


@pytest.mark.parametrize("joined", [False, True])
def test_nan_is_told_and_described(tmp_path, joined):
    stored = np.random.default_rng(0).normal(size=(5, 30, 40)).astype("f4")
    stored[4, :3] = np.nan
    arrays = {f"vv_{k}": stored[k] for k in range(5)} if joined else {"vv": stored}
    text = refused(save(tmp_path / "own", **arrays))
    assert "NaN is in vv: pass fill= to readers, such as fill=0, or batches have it too." in text
    ds = cloudio.open(follow(text))
    assert np.isnan(ds.band("vv").nodata)
    image = ds.reader("vv", size=(30, 40), fill=0).read(range(5)).image[:, 0]
    assert np.array_equal(image, np.nan_to_num(stored))


def test_rows_without_a_header_are_told(tmp_path):
    red = images(4, 30, 40)
    np.save(tmp_path / "red.npy", red)
    (tmp_path / "metadata.csv").write_text("a,1\nb,2\nc,3\nd,4\n")
    hint = "If the first line of metadata.csv is a row too, write the names of its columns above it"
    layout = layout_of(Band("red", dtype="uint16"))
    layout = dataclasses.replace(layout, patch=(30, 40), valid=cloudio.Window(0, 0, 30, 40))
    with refusal(LayoutError, "so 4 patches, but metadata.csv has 3 rows", hint):
        cloudio.open(tmp_path, layout=layout)
    (tmp_path / "red.npy").unlink()
    red.tofile(tmp_path / "red.dat")
    with refusal(LayoutError, "metadata.csv has 3 rows, and 3 patches of 30 x 40 are", hint):
        cloudio.open(tmp_path, layout=layout)
    (tmp_path / "metadata.csv").write_text("name,n\na,1\nb,2\nc,3\nd,4\n")
    assert len(cloudio.open(tmp_path, layout=layout)) == 4


# ---- one file for each patch ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "n", "dtype"),
    [
        ((3, 8, 8), 40, "uint16"),
        ((8, 8, 3), 40, "uint8"),
        ((8, 9), 3, "float32"),
        ((13, 512, 512), 2, "int16"),  # else 13 patches of an array
        ((1, 8, 8), 2, "uint8"),
    ],
)
def test_one_npy_file_for_each_patch_is_told_with_code_that_joins_them(tmp_path, shape, n, dtype):
    patches = {f"patch_{k:04d}": pixels(f"{k}", shape, dtype) for k in range(n)}
    folder = save(tmp_path / "own", **patches)
    text = refused(folder)
    assert f"has {n} .npy files of shape {shape}, {dtype} (patch_0000.npy, " in text
    assert "by their names one for each patch" in text
    ds = cloudio.open(follow(text))
    names = [f"patch_{k + 1}" for k in range(min(shape))] if len(ds.names) > 1 else ["patch"]
    image = ds.reader(names, size=ds.layout.patch, scale=None).read(range(n)).image
    stored = np.stack(list(patches.values())).astype("f4")
    if len(shape) == 2:
        stored = stored[:, None]
    elif shape[-1] == 3:
        stored = np.moveaxis(stored, -1, 1)
    assert np.array_equal(image, stored, equal_nan=True)


def test_a_thousand_files_make_a_short_message(tmp_path):
    save(tmp_path / "own", **{f"patch_{k:04d}": np.zeros((3, 8, 8), "u2") for k in range(1000)})
    text = refused(tmp_path / "own")
    assert "has 1,000 .npy files" in text
    assert "patch_0011.npy and 988 more" in text
    assert len(text) < 4000


def test_folders_of_images_and_masks_are_joined_together(tmp_path):
    stored = {"images": images(3, 64, 64, 3), "masks": images(3, 64, 64, dtype="uint8")}
    for name, array in stored.items():
        save(tmp_path / "own" / name, **{f"{k:03d}": patch for k, patch in enumerate(array)})
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert ds.names == ("images_1", "images_2", "images_3", "masks")
    assert ds.band("masks").kind == "label"
    assert np.array_equal(ds["images_2"], stored["images"][..., 1])
    assert np.array_equal(ds["masks"], stored["masks"])


def test_only_files_of_the_same_kind_are_joined(tmp_path):
    x, y = images(12, 3, 8, 8), images(12, 8, 8, dtype="uint8")
    folder = save(tmp_path / "own", **{f"scene_{k}": x[k] for k in range(12)})
    save(folder, **{f"scene_{k}_mask": y[k] for k in range(12)}, scene_mean=x[0])
    ds = cloudio.open(follow(refused(folder)))
    assert ds.names == ("scene_1", "scene_2", "scene_3", "scene_mask")
    assert np.array_equal(ds["scene_3"], x[:, 2])
    assert np.array_equal(ds["scene_mask"], y)


def test_images_and_masks_are_in_the_same_order(tmp_path):
    x, y = images(12, 8, 9), images(12, 8, 9, dtype="uint8")
    save(tmp_path / "own" / "images", **{f"{k}": x[k] for k in range(12)})
    save(tmp_path / "own" / "masks", **{f"{k}_mask": y[k] for k in range(12)})
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert np.array_equal(ds["images"], x)
    assert np.array_equal(ds["mask"], y)


@pytest.mark.parametrize("names", [["images", "masks"], ["s1", "s2"]])
def test_files_of_one_name_in_several_folders_are_several_arrays(tmp_path, names):
    stored = {name: pixels(name, (5, 8, 9), "uint16") for name in names}
    for name, array in stored.items():
        save(tmp_path / "own" / name, **{f"p{k}": array[k] for k in range(5)})
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert list(ds.splits) == ["own_joined"]
    assert all(np.array_equal(ds[name], array) for name, array in stored.items())


@pytest.mark.parametrize(
    ("splits", "stem"), [({"train": 5, "val": 5}, "p{}"), ({"a": 5, "b": 3}, "{}_[x]")]
)
def test_files_of_several_splits_are_joined_split_by_split(tmp_path, splits, stem):
    stored = {split: pixels(split, (n, 3, 8, 9), "int16") for split, n in splits.items()}
    for split, array in stored.items():
        patches = {stem.format(k): patch for k, patch in enumerate(array)}
        save(tmp_path / "own" / split, **patches)
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert {name: len(which) for name, which in ds.splits.items()} == splits
    for split, array in stored.items():
        part = ds.split(split)
        assert np.array_equal(np.stack([part[name] for name in part.names], 1), array)


def test_images_and_masks_without_a_partner_are_named_and_not_joined(tmp_path):
    numbers = {"images": {*range(12)} - {3}, "masks": {*range(12)} - {7}}
    stored = {"images": images(12, 4, 8, 9), "masks": images(12, 8, 9, dtype="uint8")}
    for name, array in stored.items():
        save(tmp_path / "own" / name, **{f"{k:03d}": array[k] for k in numbers[name]})
    text = refused(tmp_path / "own")
    assert "images has no file for masks/003.npy: add what is missing" in text
    assert "masks has no file for images/007.npy: add what is missing" in text
    with pytest.raises(
        ValueError, match=r"images has no file for 1 patches: \['.*masks/003.npy'\]"
    ):
        follow(text)
    assert not (tmp_path / "own_joined").exists()
    (tmp_path / "own" / "masks" / "003.npy").unlink()
    (tmp_path / "own" / "images" / "007.npy").unlink()
    ds, both = cloudio.open(follow(text)), sorted(numbers["images"] & numbers["masks"])
    assert np.array_equal(ds["images_2"], stored["images"][both, 1])
    assert np.array_equal(ds["masks"], stored["masks"][both])


def test_images_and_masks_of_the_same_type_that_lack_some_are_told(tmp_path):
    save(tmp_path / "own" / "images", **{f"{k}": images(8, 9) for k in (1, 2, 3)})
    save(tmp_path / "own" / "masks", **{f"{k}": images(8, 9) for k in (2, 3, 4)})
    text = refused(tmp_path / "own")
    assert "masks has no file for images/1.npy" in text
    assert "images has no file for masks/4.npy" in text


@pytest.mark.parametrize("name", ["img_{}", "S2_{}_2020", "{}", "r{}c{}", "a*_{}", "[x].({})"])
def test_patches_are_joined_in_the_order_of_their_numbers(tmp_path, name):
    numbers = [9, 10, 11, 100, 2, 1]
    stored = {k: np.full((4, 8, 9), k, "u2") for k in numbers}
    folder = save(tmp_path / "own", **{name.format(k, k): stored[k] for k in numbers})
    text = refused(folder)
    assert "joins them in the order of the numbers in their names, and writes this order" in text
    ds = cloudio.open(follow(text))
    assert [int(ds[ds.names[0]][k, 0, 0]) for k in range(6)] == sorted(numbers)
    assert list(ds.metadata["file"]) == [f"{name.format(k, k)}.npy" for k in sorted(numbers)]


@pytest.mark.parametrize("value", ["img_{}.npy", "img_{}", "{}", "{:04}"])
@pytest.mark.parametrize("more", ["", "99,img_99.npy,0.5\n"])
def test_rows_that_name_the_files_decide_the_order(tmp_path, value, more):
    order = [3, 10, 1, 2]
    x, y = images(11, 3, 8, 9), images(11, 8, 9, dtype="uint8")
    save(tmp_path / "own" / "images", **{f"img_{k}": x[k] for k in order})
    save(tmp_path / "own" / "masks", **{f"img_{k}": y[k] for k in order})
    rows = "".join(f"{k * 7 % 4},{value.format(k)},{k / 10}\n" for k in order)
    (tmp_path / "own" / "metadata.csv").write_text(f"n,id,cloud\n{rows}{more}")
    text = refused(tmp_path / "own")
    assert f"in the order of {tmp_path}/own/metadata.csv, whose column id names them" in text
    ds = cloudio.open(follow(text))
    assert np.array_equal(ds["images_2"], x[order, 1])
    assert np.array_equal(ds["masks"], y[order])
    assert list(ds.metadata["cloud"]) == [k / 10 for k in order]


def test_rows_that_name_no_files_are_left_to_the_user(tmp_path):
    folder = save(tmp_path / "own", **{f"p{k}": images(8, 9) for k in range(3)})
    (folder / "metadata.csv").write_text("cloud\n0.5\n0.1\n0.2\n")
    text = refused(folder)
    assert "No column of" in text
    assert "(3 rows) names them: copy it into" in text
    follow(text)
    assert not (tmp_path / "own_joined" / "metadata.csv").exists()


def hashes(n):
    return [f"{0x9E3779B97F4A7C15 * k % 2**60:x}" for k in range(1, n + 1)]


@pytest.mark.parametrize(("n", "shape"), [(300, (8, 9, 4)), (60, (3, 8, 9)), (5, (8, 9))])
def test_files_named_by_hashes_are_all_joined(tmp_path, n, shape):
    names, stored = hashes(n), images(n, *shape)
    folder = save(tmp_path / "own", **dict(zip(names, stored, strict=True)))
    text = refused(folder)
    assert f"has {n} .npy files of shape {shape}" in text
    ds = cloudio.open(follow(text))
    assert ds.layout.bands[0].name.startswith("patches")
    files = [file.removesuffix(".npy") for file in ds.metadata["file"]]
    assert sorted(files) == sorted(names)
    wanted = stored[[names.index(file) for file in files]]
    wanted = np.moveaxis(wanted, -1, 1) if shape[-1] == 4 else wanted.reshape(n, -1, 8, 9)
    assert np.array_equal(np.stack([ds[name] for name in ds.names], 1), wanted)


def test_two_names_that_are_alike_among_hashes_are_not_joined_alone(tmp_path):
    names = [*hashes(50), "img_1", "img_2"]
    folder = save(tmp_path / "own", **{name: images(8, 9) for name in names})
    ds = cloudio.open(follow(refused(folder)))
    assert {file.removesuffix(".npy") for file in ds.metadata["file"]} == set(names)


@pytest.mark.parametrize("where", ["{}", "masks/{}", "{}_mask", "masks/{}_mask"])
def test_images_and_masks_named_by_hashes_are_paired(tmp_path, where):
    names, x, y = hashes(50), images(50, 3, 8, 9), images(50, 8, 9, dtype="uint8")
    own = tmp_path / "own"
    if where == "{}":
        names = names[:30]
    save(own / "images" if "masks/" in where else own, **dict(zip(names, x, strict=False)))
    if where != "{}":
        for name, patch in zip(names, y, strict=True):
            path = own / f"{where.format(name)}.npy"
            path.parent.mkdir(exist_ok=True)
            np.save(path, patch)
    ds = cloudio.open(follow(refused(own)))
    order = [names.index(file.removesuffix(".npy")) for file in ds.metadata["file"]]
    assert np.array_equal(ds[ds.names[1]], x[order, 1])
    if where != "{}":
        assert np.array_equal(ds[ds.names[3]], y[order])


@pytest.mark.parametrize("form", ["s{}_{}", "{1}_{0}", "{0:03}-{1}", "S2A_T31_2020{0:04}_{1}"])
def test_one_file_for_each_band_and_patch_is_joined_band_by_band(tmp_path, form):
    stored = {band: images(12, 8, 9) + k for k, band in enumerate(("B2", "B3", "B8A", "mask"))}
    files = {form.format(k, b): array[k] for b, array in stored.items() for k in range(12)}
    ds = cloudio.open(follow(refused(save(tmp_path / "own", **files))))
    assert sorted(ds.names) == sorted(stored)
    assert all(np.array_equal(ds[band], array) for band, array in stored.items())


def test_names_of_scenes_are_patches(tmp_path):
    names = [f"S2{'AB'[k % 2]}_T3{k}_202001{k:02}_{'XYZ'[k % 3]}" for k in range(9)]
    stored = images(9, 3, 8, 9)
    ds = cloudio.open(
        follow(refused(save(tmp_path / "own", **dict(zip(names, stored, strict=True)))))
    )
    order = [names.index(file.removesuffix(".npy")) for file in ds.metadata["file"]]
    assert np.array_equal(ds[ds.names[2]], stored[order, 2])


def test_files_that_are_left_out_are_named(tmp_path):
    folder = save(tmp_path / "own", **{f"p_{k}": images(8, 9) for k in range(5)})
    save(folder, mean=images(8, 9), std=images(8, 9))
    assert (
        f"Left out of {tmp_path}/own_joined, whose patches are 8 x 9: mean.npy, std.npy."
        in refused(folder)
    )


@pytest.mark.parametrize("where", ["{split}/{kind}", "{kind}/{split}"])
@pytest.mark.parametrize("n_val", [1, 3])
def test_images_and_masks_of_splits_are_joined(tmp_path, where, n_val):
    stored = {}
    for split, n in (("train", 11), ("val", n_val)):
        for kind, shape in (("images", (n, 8, 9, 3)), ("masks", (n, 8, 9))):
            stored[split, kind] = images(*shape, dtype="uint8") + len(split)
            folder = tmp_path / "own" / where.format(split=split, kind=kind)
            save(folder, **{f"p{k}": stored[split, kind][k] for k in range(n)})
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert list(ds.splits) == ["train", "val"]
    for split in ds.splits:
        part = ds.split(split)
        assert np.array_equal(part["images_3"], stored[split, "images"][..., 2])
        assert np.array_equal(part["masks"], stored[split, "masks"])


def test_a_split_of_one_patch_is_joined_like_the_others(tmp_path):
    for split, n in (("train", 4), ("val", 1), ("test", 1)):
        save(tmp_path / "own" / split, **{f"p{k}": images(8, 9) for k in range(n)})
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    assert {name: len(which) for name, which in ds.splits.items()} == {
        "train": 4,
        "val": 1,
        "test": 1,
    }


def test_channels_that_have_the_name_of_another_file_are_told_apart(tmp_path):
    folder = save(tmp_path / "own", a=images(4, 2, 30, 40), a_1=images(4, 30, 40))
    ds = cloudio.open(follow(refused(folder)))
    assert sorted(ds.names) == ["a_1", "a_1_", "a_2"]


@pytest.mark.parametrize("splits", [{"": 11}, {"train": 11, "val": 2}])
def test_folders_that_hold_a_patch_each_are_joined(tmp_path, splits):
    stored = {}
    for split, n in splits.items():
        stored[split] = {"red": images(n, 8, 9), "S1": images(n, 8, 9, 2, dtype="float32")}
        for k in range(n):
            folder = tmp_path / "own" / split / f"scene{k}"
            save(folder, **{name: array[k] for name, array in stored[split].items()})
    ds = cloudio.open(follow(refused(tmp_path / "own")))
    for split, arrays in stored.items():
        part = ds.split(split) if split else ds
        assert np.array_equal(part["red"], arrays["red"])
        assert np.array_equal(part["S1_2"], arrays["S1"][..., 1], equal_nan=True)
        assert list(part.metadata["folder"]) == [f"scene{k}" for k in range(splits[split])]


def test_series_of_two_sizes_are_told(tmp_path):
    x = {f"s{k}_{band}": images(8, 9) for k in range(3) for band in ("B2", "B3")}
    folder = save(tmp_path / "own", **x, **{f"s{k}_B5": images(4, 5) for k in range(3)})
    text = refused(folder)
    assert "whose patches are 8 x 9: s0_B5.npy, s1_B5.npy, s2_B5.npy." in text
    assert cloudio.open(follow(text)).names == ("B2", "B3")


OTHER_TYPES = [
    ("bool", "uint8", 1),
    ("int64", "uint8", 3),
    ("int32", "int8", -3),
    ("uint32", "uint16", 60_000),
    ("int64", "int16", -3000),
    ("float64", "float32", 0.1),
    ("float16", "float32", 0.5),
    (">i2", "int16", -3000),
]


@pytest.mark.parametrize(("stored", "dtype", "step"), OTHER_TYPES)
def test_files_of_other_types_are_joined_as_one_that_cloudio_reads(tmp_path, stored, dtype, step):
    masks = (np.arange(5 * 8 * 9).reshape(5, 8, 9) % 2 * step).astype(stored)
    save(tmp_path / "own" / "images", **{f"p{k}": images(3, 8, 9) for k in range(5)})
    save(tmp_path / "own" / "masks", **{f"p{k}": masks[k] for k in range(5)})
    text = refused(tmp_path / "own")
    name = np.dtype(stored).name
    assert f"of shape (8, 9), {name} (" in text
    assert (f"(row, column), joined as {dtype}." in text) == (name != dtype)
    ds = cloudio.open(follow(text))
    assert ds.dtype("masks") == dtype
    assert np.array_equal(ds["masks"], masks.astype(dtype))


def test_numbers_that_a_sample_did_not_have_are_not_joined_as_others(tmp_path):
    masks = [np.full((8, 9), k, "i8") for k in range(9)]
    masks[3][2, 2] = 300  # not among the files that are looked at
    text = refused(save(tmp_path / "own", **{f"p{k}": mask for k, mask in enumerate(masks)}))
    assert "joined as uint8" in text
    with pytest.raises(ValueError, match=r"p3.npy has numbers that uint8 cannot hold"):
        follow(text)


# ---- flat files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["dat", "bin", "raw"])
def test_flat_files_with_rows_get_a_layout_that_works(tmp_path, ending):
    arrays = {"x": images(20, 60, 60), "y": images(20, 60, 60)}
    for name, array in arrays.items():
        array.tofile(tmp_path / f"{name}.{ending}")
    (tmp_path / "metadata.csv").write_text("id\n" + "7\n" * 20)
    text = refused(tmp_path)
    assert "With 20 rows in metadata.csv, a patch may be 60 x 60 pixels of 2 bytes." in text
    ds = cloudio.open(follow(text))
    assert ds.layout.patch == (60, 60)
    for name, array in arrays.items():
        assert np.array_equal(ds[name], array)


@pytest.mark.parametrize(("dtype", "side"), [("float32", 60), ("uint8", 120)])
def test_flat_files_that_may_be_of_two_types_ask_for_it(tmp_path, dtype, side):
    images(20, side, side, dtype=dtype).tofile(tmp_path / "x.dat")
    (tmp_path / "metadata.csv").write_text("id\n" + "7\n" * 20)
    text = refused(tmp_path)
    assert "a patch may be 120 x 120 pixels of 1 byte or 60 x 60 pixels of 4 bytes." in text
    follow(text)
    with refusal(LayoutError, "line 2", "patch"):
        cloudio.open(tmp_path)
    toml = (tmp_path / "cloudio.toml").read_text()
    (tmp_path / "cloudio.toml").write_text(toml.replace("[HEIGHT, WIDTH]", f"[{side}, {side}]"))
    with refusal(LayoutError, "dtype 'TYPE'; dtype must be one of uint8, int8, uint16"):
        cloudio.open(tmp_path)


def test_a_mask_of_half_the_size_is_one_byte(tmp_path):
    images(20, 60, 60).tofile(tmp_path / "red.dat")
    images(20, 60, 60).tofile(tmp_path / "nir.dat")
    mask = images(20, 60, 60, dtype="uint8")
    mask.tofile(tmp_path / "mask.dat")
    (tmp_path / "metadata.csv").write_text("id\n" + "7\n" * 20)
    ds = cloudio.open(follow(refused(tmp_path)))
    assert ds.band("mask") == Band("mask", "label", "uint8", file="{name}.dat")
    assert np.array_equal(ds["mask"], mask)


def test_flat_files_alone_ask_for_the_size_of_a_patch(tmp_path):
    for name in ("B02", "B03"):
        images(20, 60, 60).tofile(tmp_path / f"{name}.dat")
    text = refused(tmp_path)
    assert "B02.dat, B03.dat: each 144,000 bytes" in text
    toml = text.split(":\n\n")[-1]
    assert "patch = [HEIGHT, WIDTH]" in toml
    values = tomllib.loads(toml.replace("[HEIGHT, WIDTH]", "[60, 60]"))
    assert values["arrays"] == [
        {
            "names": ["B02", "B03"],
            "dtype": "TYPE",
            "file": "{name}.dat",
            "scale": "unknown",
        }
    ]


def test_flat_files_of_unknown_types_are_labels_by_their_names_alone(tmp_path):
    images(4, 60, 60).tofile(tmp_path / "red.dat")
    images(4, 60, 60, dtype="uint8").tofile(tmp_path / "label.dat")
    toml = refused(tmp_path).split(":\n\n")[-1]
    label, red = tomllib.loads(toml.replace("[HEIGHT, WIDTH]", "[60, 60]"))["arrays"]
    assert (label["name"], label["kind"], label.get("scale")) == ("label", "label", None)
    assert (red["name"], red.get("kind"), red["scale"]) == ("red", None, "unknown")


def test_one_flat_file_for_each_patch_is_told(tmp_path):
    for k in range(300):
        (tmp_path / f"tile_{k:03d}.dat").write_bytes(bytes(1000 + k % 5))
    text = refused(tmp_path)
    assert "tile_005.dat, tile_010.dat" in text
    assert "and 48 more" in text
    assert "By their names, each is one patch." in text
    assert len(text) < 2500


# ---- other folders -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"layout": SMALL}])
def test_folders_without_array_files_say_what_they_have(tmp_path, options):
    words = f"there are no .dat or .npy files in {tmp_path} or its sub-folders. "
    advice = " Check the path, or write a synthetic data set with cloudio synth."
    assert refused(tmp_path, **options) == f"{words}It is empty.{advice}"
    (tmp_path / "a" / "b").mkdir(parents=True)
    below = "It is empty, and so are the folders below it."
    assert refused(tmp_path, **options) == words + below + advice
    (tmp_path / "README.md").write_text("hello")
    assert refused(tmp_path, **options) == f"{words}It has README.md, and no pixels."
    for k in range(30):
        (tmp_path / "a" / f"t{k:02d}.tif").write_bytes(b"II*\0\x08\0\0\0")
    names = ", ".join(f"t{k:02d}.tif" for k in range(12))
    assert refused(tmp_path, **options) == (
        f"{words}It has 30 .tif files ({names} and 18 more). t00.tif is a TIFF image; cloudio pack "
        "writes images as a data set. By their names this packs them; check the patterns:\n\n"
        f"    cloudio pack {tmp_path} {tmp_path}_packed --images 'a/{{id}}.tif'"
    )


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("x.h5", b"\x89HDF\r\n\x1a\n", "x.h5 is an HDF5 file; cloudio pack writes its arrays as"),
        ("x.npz", b"PK\x03\x04", "x.npz is a zip archive, such as .npz or .pt; unpack it"),
        ("x.parquet", b"PAR1", "x.parquet is a Parquet file"),
        ("x.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "x.jp2 is a JPEG 2000 image"),
        ("x.abc", b"what", "It has 1 .abc file (x.abc), which cloudio does not read"),
        ("s.zarr/zarr.json", b"{}", "s.zarr is a Zarr store; cloudio pack writes"),
        (".zgroup", b"{}", "It is a Zarr store; cloudio pack writes"),
    ],
)
def test_files_of_other_formats_are_named(tmp_path, file, content, words):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(content)
    assert words in refused(tmp_path)


def test_data_further_below_is_pointed_to(tmp_path):
    write_split(tmp_path / "release" / "high" / "train", 1, names=["B2"])
    words = f"There are .dat or .npy files further below. Open {tmp_path / 'release' / 'high'} inst"
    assert words in refused(tmp_path)
    assert words in refused(tmp_path, layout=SMALL)
    assert cloudio.open(tmp_path / "release" / "high", layout=SMALL).names == ("L1C_B2",)


def test_a_data_set_one_folder_down_is_pointed_to(tmp_path):
    write_split(tmp_path / "set" / "train", 1, names=["B2"])
    layout = to_toml(dataclasses.replace(SMALL, presets={}))
    (tmp_path / "set" / "cloudio.toml").write_text(layout)
    assert f"Open {tmp_path / 'set'} instead" in refused(tmp_path)
    assert cloudio.open(tmp_path / "set").names == ("L1C_B2",)


def test_npy_files_that_fit_no_layout_are_named_with_the_reason_once(tmp_path):
    save(tmp_path / "train", **{f"p{k:03d}": np.zeros((3, 8, 8), "u2") for k in range(100)})
    text = refused(tmp_path, layout=SMALL)
    assert text.startswith(f"there is no array of Small in {tmp_path} or its sub-folders; left out")
    assert text.endswith("p011.npy and 88 more has shape (3, 8, 8); Small needs (patches, 40, 48)")
    assert len(text) < 2500


def test_many_files_that_are_left_out_are_one_warning(tmp_path):
    write_split(tmp_path, 1, names=["B2"])
    save(tmp_path, **{f"p{k:03d}": np.zeros((3, 8, 8), "u2") for k in range(100)})
    (text,) = cloudio.open(tmp_path, layout=SMALL).warnings
    assert "p011.npy and 88 more has shape (3, 8, 8)" in text
