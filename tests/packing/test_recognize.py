"""A path without options: the command for its files, by their names."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import LayoutError, RequestError
from cloudio.cli import main
from cloudio.errors import ReadError
from cloudio.packing.sources.matching import file_source
from cloudio.storage.opening.pack_command import IMAGE_ENDINGS, command, find_roles

ROOT = Path("/data/set")
PAIRS = ("images", "masks")
SPLITS = ("train", "val")
BANDS = ("B02", "B03", "B8A")


def options(files):
    """The options of the command for files of these names."""
    words = shlex.split(command(ROOT, find_roles(ROOT, [ROOT / file for file in files])))
    assert words[:4] == ["cloudio", "pack", "/data/set", "/data/set_packed"]
    return dict(zip(words[4::2], words[5::2], strict=True))


@pytest.mark.parametrize(
    ("files", "images", "masks"),
    [
        (["a.tif"], "{id}.tif", None),
        ([f"{k}.png" for k in "abc"], "{id}.png", None),
        ([f"{d}/{k}.tif" for d in PAIRS for k in "abc"], "images/{id}.tif", "masks/{id}.tif"),
        (
            [*(f"images/{k}.jpg" for k in "abc"), *(f"masks/{k}_mask.png" for k in "abc")],
            *("images/{id}.jpg", "masks/{id}_mask.png"),
        ),
        (
            [f"{d}s/{d}_{k}.tif" for d in ("img", "mask") for k in range(5)],
            *("imgs/img_{id}.tif", "masks/mask_{id}.tif"),
        ),
        (
            [f"{s}/{d}/{s}{k}.tif" for s in SPLITS for d in PAIRS for k in range(5)],
            *("{split}/images/{id}.tif", "{split}/masks/{id}.tif"),
        ),
        (
            [f"{d}/{s}/{s}{k}.tif" for s in SPLITS for d in PAIRS for k in range(5)],
            *("images/{split}/{id}.tif", "masks/{split}/{id}.tif"),
        ),
        (
            [f"{d}_{k}.tif" for d in ("img", "mask") for k in range(5)],
            *("img_{id}.tif", "mask_{id}.tif"),
        ),
        ([f"d/{k}{e}" for e in (".jpg", ".png") for k in range(5)], "d/{id}.jpg", "d/{id}.png"),
        # Classes of images.
        ([f"{c}/{c}_{k}.jpg" for c in ("Forest", "River") for k in range(9)],
         "{folder}/{id}.jpg", None),
        ([f"s{k}/{f}.tif" for k in range(4) for f in ("image", "gt")],
         "{id}/image.tif", "{id}/gt.tif"),
        ([f"{{x}} {d}/{k} y.tif" for d in PAIRS for k in "abc"],
         "{{x}} images/{id}.tif", "{{x}} masks/{id}.tif"),
    ],
)  # fmt: skip
def test_images_and_masks_are_found_by_their_names(files, images, masks):
    expected = {"--images": images} | ({} if masks is None else {"--masks": masks})
    assert options(files) == expected


@pytest.mark.parametrize(
    ("files", "bands", "masks"),
    [
        ([f"s{k}/{b}.tif" for k in range(4) for b in (*BANDS, "mask")],
         "{id}/{band}.tif", "{id}/mask.tif"),
        ([f"S2A_{k}/S2A_{k}_{b}.tif" for k in range(4) for b in BANDS],
         "{id}/{id}_{band}.tif", None),
        ([f"x{k}_{b}.tif" for k in range(4) for b in BANDS], "{id}_{band}.tif", None),
        ([f"a/x{k}-{b}.tif" for k in range(4) for b in (*BANDS, "label")],
         "a/{id}-{band}.tif", "a/{id}-label.tif"),
        ([f"{b}_{k}.jp2" for k in range(4) for b in BANDS], "{band}_{id}.jp2", None),
        ([f"{b}/p{k}.tif" for k in range(4) for b in BANDS], "{band}/{id}.tif", None),
        ([f"{b}/p{k}_{b}.tif" for k in range(4) for b in ("red", "nir")],
         "{band}/{id}_{band}.tif", None),
        ([f"train_{b}/{b}_patch_{k}.TIF" for k in range(4) for b in ("red", "green", "gt")],
         "train_{band}/{band}_patch_{id}.TIF", "train_gt/gt_patch_{id}.TIF"),
        ([f"{s}/{b}/{k}.png" for s in SPLITS for b in ("A", "B", "label") for k in range(3)],
         "{split}/{band}/{id}.png", "{split}/label/{id}.png"),
    ],
)  # fmt: skip
def test_one_file_for_each_band_is_found_by_the_names(files, bands, masks):
    expected = {"--bands": bands} | ({} if masks is None else {"--masks": masks})
    assert options(files) == expected


def test_several_labels_have_a_name_each():
    files = [f"{d}/{k}.tif" for d in ("images", "mask_a", "mask b") for k in "xyz"]
    words = shlex.split(command(ROOT, find_roles(ROOT, [ROOT / file for file in files])))
    assert words[4:] == [
        *("--images", "images/{id}.tif", "--masks", "mask_a=mask_a/{id}.tif"),
        *("--masks", "mask_b=mask b/{id}.tif"),
    ]


CHARACTERS = st.characters(codec="utf-8", exclude_characters="/.", exclude_categories=["Cs", "Cc"])
NAMES = st.text(CHARACTERS, min_size=1, max_size=8)


@given(
    names=st.lists(NAMES, min_size=2, max_size=6, unique=True),
    affix=st.sampled_from(["", "_mask", "-gt", " seg"]),
    splits=st.booleans(),
    swapped=st.booleans(),
)
@settings(max_examples=scaled(100, 500))
def test_each_image_is_paired_with_its_mask_whatever_the_names(
    tmp_path_factory, names, affix, splits, swapped
):
    pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    every = {}
    for split in SPLITS if splits else ("",):
        for name in names:
            for folder, end in (("images", ""), ("masks", affix)):
                folders = [x for x in ((folder, split) if swapped else (split, folder)) if x]
                every[f"{'/'.join(folders)}/{name}{end}.tif"] = (split, name)
    root = tmp_path_factory.mktemp("set")
    for file in every:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    found = options(every)
    source = file_source(root, images=found["--images"], masks=found["--masks"])
    assert len(source) == len(every) / 2
    for k in range(len(source)):
        with pytest.raises((ReadError, LayoutError)):  # the files are empty
            source.read(k)
        files = source.files_of(k)
        assert every[files["image"]] == every[files["mask"]]


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=8))
@settings(max_examples=scaled(100, 500))
def test_any_names_give_a_command(names):
    files = [f"{'/'.join(parts)}{ending}" for parts in names for ending in (".tif", ".png")]
    assert options(files).keys() <= {"--images", "--bands", "--masks"}


# ---- messages ------------------------------------------------------------------------------------


def make(folder, files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        marks = {".tif": b"II*\0\x08\0\0\0", ".png": b"\x89PNG\r\n\x1a\n"}
        (folder / file).write_bytes(marks[Path(file).suffix])


def test_open_and_pack_say_the_command(tmp_path):
    make(tmp_path, [f"{d}/a{k}.tif" for d in PAIRS for k in range(3)])
    line = (
        f"    cloudio pack {tmp_path} {tmp_path}_packed --images 'images/{{id}}.tif' --masks "
        "'masks/{id}.tif'"
    )
    with pytest.raises(LayoutError) as error:
        cloudio.open(tmp_path)
    assert str(error.value).endswith(
        f"By their names this packs them; check the patterns:\n\n{line}"
    )
    with pytest.raises(RequestError) as error:
        cloudio.pack(tmp_path, tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path} is no data set of cloudio. It has 6 images. By their names this packs them; "
        f"check the patterns:\n\n{line}"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("n_bands", [1, 3])
def test_the_command_packs_the_files(tmp_path, n_bands, capsys):
    image = pytest.importorskip("PIL.Image", reason="cloudio[pillow]")
    rng = np.random.default_rng(0)
    stored = {}
    for split, n in (("train", 3), ("val", 2)):
        for k in range(n):
            pixels = rng.integers(0, 255, (5, 6, 3)[: 3 if n_bands == 3 else 2], np.uint8)
            mask = rng.integers(0, 3, (5, 6), np.uint8)
            for folder, array, end in (("images", pixels, ""), ("masks", mask, "_mask")):
                path = tmp_path / "the set" / folder / split / f"it's {10 - k}{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image.fromarray(array).save(path)
            stored.setdefault(split, []).insert(0, (pixels.reshape(5, 6, -1), mask))
    with pytest.raises(RequestError) as error:
        cloudio.pack(tmp_path / "the set", tmp_path / "out")
    line = str(error.value).splitlines()[-1]
    assert main(shlex.split(line)[1:]) == 0
    ds = cloudio.open(tmp_path / "the set_packed")
    assert [(name, len(index)) for name, index in ds.splits.items()] == [("train", 3), ("val", 2)]
    bands = [name for name in ds.names if name != "mask"]
    assert len(bands) == n_bands
    for split, patches in stored.items():
        part = ds.split(split)
        for k, (pixels, mask) in enumerate(patches):
            assert np.array_equal(np.stack([part[name][k] for name in bands], -1), pixels)
            assert np.array_equal(part["mask"][k], mask)


def test_one_image_is_one_sample(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="cloudio[pillow]")
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8), np.uint8)
    image.fromarray(pixels).save(tmp_path / "x y.png")
    cloudio.pack(tmp_path / "x y.png", tmp_path / "out", tile=4, workers=1)
    ds = cloudio.open(tmp_path / "out")
    assert np.array_equal(np.hstack(list(ds[ds.names[0]])), pixels[:4])


def test_one_hdf5_file_for_each_patch(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    rng = np.random.default_rng(0)
    for folder in ("img", "gt"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    images, masks = rng.normal(size=(3, 5, 6, 2)).astype("f4"), rng.integers(0, 2, (3, 5, 6))
    for k in range(3):
        with h5py.File(tmp_path / "set" / "img" / f"image_{k}.h5", "w") as file:
            file["a/x"], file["other"] = images[k], np.arange(3)
        with h5py.File(tmp_path / "set" / "gt" / f"mask_{k}.h5", "w") as file:
            file["m"], file["n"] = masks[k], np.zeros((2, 2))
    cloudio.pack(
        tmp_path / "set",
        tmp_path / "out",
        images="img/image_{id}.h5",
        masks="gt/mask_{id}.h5",
        dataset={"image": "a/x", "mask": "m"},
        names=["vv", "vh"],
        channel_axis="last",
        workers=1,
    )
    ds = cloudio.open(tmp_path / "out")
    assert np.array_equal(np.stack([ds["vv"], ds["vh"]], -1), images)
    assert np.array_equal(ds["mask"], masks)


def test_pointers_of_git_lfs_are_not_packed(tmp_path):
    make(tmp_path, ["a.tif"])
    (tmp_path / "a.tif").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(LayoutError, match=r"a\.tif is a pointer of Git LFS") as error:
        cloudio.open(tmp_path)
    assert "cloudio pack" not in str(error.value)


def test_data_sets_and_containers_need_no_option(tmp_path):
    pixels = np.arange(2 * 4 * 4, dtype="u2").reshape(2, 4, 4)
    cloudio.pack([{"a": patch} for patch in pixels], tmp_path / "one")
    cloudio.pack(tmp_path / "one", tmp_path / "two", workers=1)
    np.save(tmp_path / "a.npy", pixels)
    cloudio.pack(tmp_path / "a.npy", tmp_path / "three", workers=1)
    for name in ("two", "three"):
        assert np.array_equal(cloudio.open(tmp_path / name)["a"], pixels)
    assert ".npy" not in IMAGE_ENDINGS
