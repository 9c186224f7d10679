"""A path without options: the command for its files, by their names."""

import re
import shlex
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import LayoutError, RequestError
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


def as_expression(pattern):
    """A pattern as a regular expression, with the fields as groups."""
    parts = re.split(r"(\{\{|\}\}|\{\w+\})", pattern)
    seen, text = set(), ""
    for part in parts:
        name = part[1:-1]
        if part in ("{{", "}}"):
            text += re.escape(part[0])
        elif not part.startswith("{"):
            text += re.escape(part)
        else:
            text += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)"
            seen.add(name)
    return text


CHARACTERS = st.characters(codec="utf-8", exclude_characters="/.", exclude_categories=["Cs", "Cc"])
NAMES = st.text(CHARACTERS, min_size=1, max_size=8)


@given(
    names=st.lists(NAMES, min_size=2, max_size=6, unique=True),
    affix=st.sampled_from(["", "_mask", "-gt", " seg"]),
    splits=st.booleans(),
    swapped=st.booleans(),
)
@settings(max_examples=scaled(100, 500))
def test_each_image_is_paired_with_its_mask_whatever_the_names(names, affix, splits, swapped):
    every = {}
    for split in SPLITS if splits else ("",):
        for name in names:
            for folder, end in (("images", ""), ("masks", affix)):
                folders = [x for x in ((folder, split) if swapped else (split, folder)) if x]
                every[f"{'/'.join(folders)}/{name}{end}.tif"] = (split, name)
    found = options(every)
    pairs = defaultdict(set)
    for option in ("--images", "--masks"):
        expression = as_expression(found[option])
        for file, key in every.items():
            if match := re.fullmatch(expression, file):
                pairs[option].add((key, tuple(sorted(match.groupdict().items()))))
    assert len(pairs["--images"]) == len(every) / 2
    assert pairs["--images"] == pairs["--masks"]


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


def test_one_image_is_given_by_its_folder(tmp_path):
    make(tmp_path, ["x y.tif"])
    with pytest.raises(RequestError) as error:
        cloudio.pack(tmp_path / "x y.tif", tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path / 'x y.tif'} is one file; give its folder, and a pattern for its files:\n\n"
        f"    cloudio pack {tmp_path} {tmp_path}_packed --images 'x y.tif'"
    )


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
