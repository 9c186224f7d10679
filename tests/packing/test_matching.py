"""Files put together as samples by patterns: their order, and what is missing, doubled or over."""

import json
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

from cloudio import ReadError, RequestError
from cloudio.packing.sources.matching import file_source

IMAGES, MASKS = "{split}/images/{id}.npy", "{split}/labels/{id}_mask.npy"


def write(root, *paths):
    """Write images of 2 x 3 pixels, each of its own number."""
    for k, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / path, np.full((2, 3), k, np.uint16))


def write_pairs(root, *samples):
    for sample in samples:
        split, name = sample.split("/")
        write(root, f"{split}/images/{name}.npy", f"{split}/labels/{name}_mask.npy")


def rows(source):
    """Return the split and the name of the first file of each sample."""
    names = [os.path.relpath(source.name_of(k), source.root) for k in range(len(source))]
    return [(source.split_of(k), name) for k, name in enumerate(names)]


def refused(root, **options):
    """Return the message of the error; a run that leaves out what is missing gives none."""
    with pytest.raises(RequestError) as error:
        file_source(root, **options)
    return str(error.value).replace(str(root), "ROOT")


def test_samples_are_in_natural_order_by_split(tmp_path):
    names = [f"img_{k}" for k in (10, 2, 1, 21, 3)]
    write_pairs(
        tmp_path, *(f"{split}/{name}" for split in ("test", "extra", "train") for name in names)
    )
    source = file_source(tmp_path, images=IMAGES, masks=MASKS)
    expected = [
        (split, f"{split}/images/img_{k}.npy")
        for split in ("train", "test", "extra")
        for k in (1, 2, 3, 10, 21)
    ]
    assert rows(source) == expected
    assert source.left_out == ()
    assert source.summary() == [
        "train: 5 samples, test: 5 samples, extra: 5 samples",
        "the first sample, of train (id=img_1):",
        "  image  train/images/img_1.npy",
        "  mask   train/labels/img_1_mask.npy",
    ]


characters = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])


@given(data=st.data())
@settings(max_examples=scaled(15, 100))
def test_any_name_of_a_file_works(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("files")
    text = st.text(characters, min_size=1, max_size=12) | st.text(" [](){}*?\n\\'\"é.-", min_size=1)
    names = data.draw(
        st.lists(text.map(lambda x: f"a{x[:30]}"), min_size=1, max_size=4, unique=True)
    )
    write(root, *(f"{k} [x]/{name}.npy" for name in names for k in ("in", "out")))
    source = file_source(root, images="in [x]/{id}.npy", masks={"l 1": "out [x]/{id}.npy"})
    source = pickle.loads(pickle.dumps(source))
    assert sorted(source.read(k).attributes["id"] for k in range(len(source))) == sorted(names)
    for k in range(len(source)):
        sample = source.read(k)
        at = 2 * names.index(sample.attributes["id"])
        assert (sample.arrays["image"][0, 0], sample.arrays["l 1"][0, 0]) == (at, at + 1)
        assert sample.attributes["file"] == f"in [x]/{names[at // 2]}.npy"
        assert sample.infos["l 1"].kind == "label"


def test_names_that_are_no_utf8_work(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    try:
        write(tmp_path, f"{name}.npy")
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    sample = file_source(tmp_path, images="{id}.npy").read(0)
    assert sample.attributes == {"file": "caf\\xe9.npy", "id": "caf\\xe9"}


def test_samples_that_lack_a_file_are_refused_or_left_out(tmp_path):
    write_pairs(tmp_path, *(f"train/{k}" for k in range(20)))
    for k in (3, 11):
        os.remove(tmp_path / f"train/labels/{k}_mask.npy")
    os.remove(tmp_path / "train/images/7.npy")
    assert refused(tmp_path, images=IMAGES, masks=MASKS) == (
        "files of ROOT do not make complete samples: 2 samples without mask "
        "(train/images/3.npy, train/images/11.npy); 1 sample without image "
        "(train/labels/7_mask.npy). skip_missing=True (--skip-missing) leaves these out"
    )
    source = file_source(tmp_path, images=IMAGES, masks=MASKS, skip_missing=True)
    assert len(source) == 17
    assert dict(source.left_out) == {
        "train/images/3.npy": "has no mask",
        "train/images/11.npy": "has no mask",
        "train/labels/7_mask.npy": "has no image",
    }
    assert source.summary()[-4:-2] == ["3 files left out:", "  train/images/3.npy: has no mask"]


def test_lists_end_after_a_dozen_names(tmp_path):
    write_pairs(tmp_path, "train/0")
    write(tmp_path, *(f"train/images/more {k}.npy" for k in range(30)))
    message = refused(tmp_path, images=IMAGES, masks=MASKS)
    assert message.count("train/images/more") == 12
    assert "30 samples without mask" in message
    assert "train/images/more 11.npy and 18 more)" in message


def test_images_that_no_pattern_matches_are_refused_and_other_files_are_not(tmp_path):
    write_pairs(tmp_path, "train/0")
    others = "README", "a.tfw", "a.tif.aux.xml", "a.ovr", "x.json", "train/list.txt", "train/m.csv"
    for name in (*others, ".hidden.tif", ".git/a.tif", "gone.packing/data/train/image.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "packed" / "train").mkdir(parents=True)
    (tmp_path / "packed" / "cloudio.toml").touch()
    (tmp_path / "packed" / "train" / "image.npy").touch()
    assert len(file_source(tmp_path, images=IMAGES, masks=MASKS)) == 1
    for name in ("train/images/0.TIF", "deep/er/b.JPG", "c.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert refused(tmp_path, images=IMAGES, masks=MASKS) == (
        "files of ROOT do not make complete samples: 3 images that no pattern matches "
        "(c.npy, deep/er/b.JPG, train/images/0.TIF), which ignore= (--ignore) can name. "
        "skip_missing=True (--skip-missing) leaves these out"
    )
    source = file_source(tmp_path, images=IMAGES, masks=MASKS, skip_missing=True)
    assert [name for name, _ in source.left_out] == ["c.npy", "deep/er/b.JPG", "train/images/0.TIF"]


def test_ignored_files_are_not_looked_at_and_others_still_are(tmp_path):
    write_pairs(tmp_path, "train/0", "train/1")
    write(tmp_path, "c.npy", "train/images/0_preview.npy", "old/er/b.npy", "old/c.npy")
    options = {"images": IMAGES, "masks": MASKS}
    for ignore in (["c.npy", "*_preview.npy", "old"], ["{x}_preview.npy", "**/c.npy", "old/*"]):
        assert len(file_source(tmp_path, **options, ignore=ignore)) == 2
    ignore = ["old/", "*_preview.npy"]
    assert "1 image that no pattern matches (c.npy)" in refused(tmp_path, **options, ignore=ignore)
    os.remove(tmp_path / "c.npy")
    os.remove(tmp_path / "train/labels/1_mask.npy")
    message = refused(tmp_path, **options, ignore=ignore)
    assert "1 sample without mask (train/images/1.npy)" in message
    assert len(file_source(tmp_path, **options, ignore=[*ignore, "train/images/1.npy"])) == 1
    assert "ignore= is for files" in refused(tmp_path, table="t.csv", ignore="a")


def test_the_ending_of_a_pattern_is_one_of_images(tmp_path):
    write(tmp_path, "a.npy")
    os.rename(tmp_path / "a.npy", tmp_path / "a.raw")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.raw").touch()
    assert "1 image that no pattern matches (other/b.raw)" in refused(tmp_path, images="{id}.raw")


def test_doubled_files_are_always_refused(tmp_path):
    write(tmp_path, "a/1.npy", "b/1.npy", "a/2.npy")
    message = refused(tmp_path, images="*/{id}.npy", skip_missing=True)
    assert message == (
        "several files of ROOT are the same file of one sample: a/1.npy, b/1.npy (image); the "
        "values of the fields must be others: write a field where their paths differ"
    )
    write(tmp_path, "masks/1_a.npy", "masks/1_b.npy", "masks/2_a.npy")
    message = refused(
        tmp_path, images="a/{id}.npy", masks="masks/{id}_{who}.npy", skip_missing=True
    )
    assert "masks/1_a.npy, masks/1_b.npy (mask)" in message


def test_a_file_belongs_to_the_pattern_with_the_most_literal_characters(tmp_path):
    write(tmp_path, "a.npy", "a_mask.npy", "b.npy", "b_mask.npy")
    source = file_source(tmp_path, images="{id}.npy", masks="{id}_mask.npy")
    assert [source.read(k).attributes["file"] for k in range(2)] == ["a.npy", "b.npy"]
    assert source.read(1).arrays["mask"][0, 0] == 3
    assert refused(tmp_path, images="{id}.npy", masks="{id}.npy", skip_missing=True) == (
        "a.npy and 3 other files are matched both by images='{id}.npy' and by "
        "masks='{id}.npy'; write what distinguishes them, such as {id}_mask.tif"
    )


def test_files_of_one_band_each_are_in_natural_order_of_bands(tmp_path):
    bands = "B11", "B8A", "B2", "B8", "B1"
    write(
        tmp_path,
        *(
            f"{split}/x_{k}/{band}.npy"
            for split in ("val", "train")
            for k in (2, 10)
            for band in bands
        ),
    )
    write(
        tmp_path, *(f"{split}/x_{k}/cloud.png.npy" for split in ("val", "train") for k in (2, 10))
    )
    source = file_source(
        tmp_path, bands="{split}/{id}/{band}.npy", masks={"cloud": "{split}/{id}/cloud.png.npy"}
    )
    sample = source.read(0)
    assert list(sample.arrays) == ["B1", "B2", "B8", "B8A", "B11", "cloud"]
    assert [sample.arrays[band][0, 0] for band in bands] == [10, 11, 12, 13, 14]
    assert rows(source)[1] == ("train", "train/x_10/B1.npy")
    assert sample.attributes == {"file": "train/x_2/B1.npy", "id": "x_2"}
    os.remove(tmp_path / "val/x_2/B8.npy")
    os.remove(tmp_path / "val/x_2/B8A.npy")
    options = {"bands": "{split}/{id}/{band}.npy", "masks": {"cloud": "{split}/{id}/cloud.png.npy"}}
    assert "1 sample without B8, B8A (val/x_2/B1.npy)" in refused(tmp_path, **options)
    # Only what is taken is needed.
    source = file_source(tmp_path, **options, take=["B2", "cloud", "B1"])
    assert len(source) == 4
    assert list(source.read(2).arrays) == ["B2", "cloud", "B1"]
    assert "take: there is no array 'B3'; there are B1, B2, B8, B8A, B11, cloud" in refused(
        tmp_path, **options, take=["B3"], skip_missing=True
    )


def test_bands_may_have_patterns_of_their_own(tmp_path):
    write(
        tmp_path, "R10m/a_B2_10m.npy", "R20m/a_B5_20m.npy", "R20m/a_B2_20m.npy", "R10m/b_B2_10m.npy"
    )
    write(tmp_path, "R20m/b_B5_20m.npy")
    bands = {"red edge": "R20m/{id}_B5_20m.npy", "blue": "R10m/{id}_B2_10m.npy"}
    source = file_source(tmp_path, bands=bands, skip_missing=True)
    assert list(source.read(0).arrays) == ["red edge", "blue"]
    assert source.left_out == (("R20m/a_B2_20m.npy", "no pattern matches it"),)
    several = ["R10m/{id}_{band}_10m.npy", "R20m/{id}_{band}_20m.npy"]
    assert "(B2)" in refused(tmp_path, bands=several)
    os.remove(tmp_path / "R20m/a_B2_20m.npy")
    assert list(file_source(tmp_path, bands=several).read(0).arrays) == ["B2", "B5"]


def test_files_join_by_the_fields_that_they_share(tmp_path):
    write(
        tmp_path,
        *(f"img/{place}_{date}.npy" for place in "ab" for date in (1, 2)),
        "lab/a.npy",
        "lab/b.npy",
    )
    source = file_source(tmp_path, images="img/{place}_{date}.npy", masks="lab/{place}.npy")
    assert [source.read(k).arrays["mask"][0, 0] for k in range(4)] == [4, 4, 5, 5]
    write(tmp_path, "lab/c.npy")
    message = refused(tmp_path, images="img/{place}_{date}.npy", masks="lab/{place}.npy")
    assert "1 sample without image (lab/c.npy)" in message
    assert refused(tmp_path, images="img/{place}_{date}.npy", masks="lab/{x}.npy") == (
        "masks has no field of images, which are {place}, {date}: the files of one sample are "
        "found by the fields that they share"
    )


def test_a_scene_without_fields_is_one_sample(tmp_path):
    write(tmp_path, "scene.npy", "labels.npy")
    source = file_source(tmp_path, images="scene.npy", masks="labels.npy", split="val")
    assert rows(source) == [("val", "scene.npy")]
    assert list(source.read(0).arrays) == ["image", "mask"]
    alone = file_source(tmp_path / "scene.npy")
    assert rows(alone) == [("train", "scene.npy")]
    assert refused(tmp_path, images="*.npy").endswith(
        "has no field; write {id} where the names of samples differ, such as {id}.tif"
    )
    with pytest.raises(RequestError, match="is a file; patterns are for the files of a folder"):
        file_source(tmp_path / "scene.npy", images="{id}.npy")


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("{split}/images/{id}.tif", "{split}/images/{id}.npy"),
        ("{split}/image/{id}.npy", "{split}/images/{id}.npy"),
        ("{split}/Images/{id}.npy", "{split}/images/{id}.npy"),
        ("images/{id}.npy", "{split}/images/{id}.npy"),
        ("data/{split}/images/{id}.npy", "{split}/images/{id}.npy"),
        ("{split}/img/{id}.png", "{split}/images/{id}.npy"),
        ("train/images", "train/images/{id}.npy"),
        ("xyz.dat", None),
    ],
)
def test_a_pattern_that_matches_nothing_says_what_there_is_and_what_would(tmp_path, pattern, meant):
    write_pairs(tmp_path, "train/1", "train/2", "val/1")
    message = refused(tmp_path, images=pattern)
    assert message.startswith(
        f"images={pattern!r} matches no file of ROOT, which has files such as "
    )
    assert "train/images/1.npy, train/labels/1_mask.npy, val/images/1.npy" in message
    assert message.endswith(f"; did you mean {meant!r}?" if meant else ".npy")


def test_an_empty_folder_and_no_pattern_are_named(tmp_path):
    assert refused(tmp_path, images="{id}.tif") == (
        "images='{id}.tif' matches no file of ROOT, which has no files"
    )
    write(tmp_path, "x/a.npy")
    message = refused(tmp_path)
    assert message.startswith(
        "ROOT has 1 file, such as x/a.npy; say which files are images: images="
    )
    with pytest.raises(FileNotFoundError, match="there is no folder or file"):
        file_source(tmp_path / "none", images="{id}.npy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"images": "{id}_{band}.npy"},
            "has a field {band}; files of one band each are given with",
        ),
        ({"bands": "{id}.npy"}, "has no field {band}, which stands for the name of each band"),
        ({"images": "{id}.npy", "masks": ["x"]}, "masks=['x']; it must be a text, or a mapping"),
        ({"images": "{id}.npy", "masks": {}}, "masks={}; it must be a text, or a mapping of names"),
        ({"images": "{id}.npy", "masks": {"m": 3}}, "masks has 'm': 3; both must be texts"),
        ({"images": "{id}.npy", "names": "ab"}, "names='ab'; it must be a list of names"),
        ({"images": "{id}.npy", "names": {"x": ["a"]}}, "names has x; of files it names the"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, options, message):
    write(tmp_path, "a.npy")
    assert message in refused(tmp_path, **options)


def test_links_are_followed_where_a_pattern_leads_and_never_in_a_circle(tmp_path):
    root, far = tmp_path / "root", tmp_path / "far"
    write(far, "images/1.npy", "2.npy")
    root.mkdir()
    (root / "images").symlink_to(far / "images")
    (root / "images" / "3.npy").symlink_to(far / "2.npy")
    (root / "other").symlink_to(far)
    (far / "images" / "up").symlink_to(far / "images")
    (far / "images" / "top").symlink_to(root)
    source = file_source(root, images="images/{id}.npy")
    assert rows(source) == [("train", "images/1.npy"), ("train", "images/3.npy")]
    source = file_source(root, images="images/**/{id}.npy", skip_missing=True)
    assert [name for _, name in rows(source)] == ["images/1.npy", "images/3.npy"]


def test_names_that_lead_to_no_file_are_refused(tmp_path):
    write(tmp_path, "a.npy")
    (tmp_path / "b.npy").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "c.npy")
    assert "2 names of no file (b.npy, c.npy)" in refused(tmp_path, images="{id}.npy")
    source = file_source(tmp_path, images="{id}.npy", skip_missing=True)
    assert source.left_out == (("b.npy", "is no file"), ("c.npy", "is no file"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    write(tmp_path, "a.npy")
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(ReadError, match="closed"):
        file_source(tmp_path, images="{id}.npy")
    (tmp_path / "closed").chmod(0o700)


def test_the_digest_changes_with_the_files_and_the_options(tmp_path):
    write_pairs(tmp_path, "train/1", "train/2", "val/1")

    def digest(**options):
        return file_source(tmp_path, images=IMAGES, masks=MASKS, **options).digest()

    before = digest()
    assert digest() == before
    found = {before, digest(take=["image"]), digest(names=["x"]), digest(channel_axis="last")}
    os.utime(tmp_path / "val/labels/1_mask.npy", ns=(1, 1))
    found.add(digest())
    write_pairs(tmp_path, "val/2")
    found.add(digest())
    found.add(digest(classes={"255,0,0": 1}))
    assert len(found) == 7


def test_what_is_not_taken_may_name_the_samples(tmp_path):
    write(tmp_path, "img/a_1.npy", "img/a_2.npy", "lab/a.npy")
    options = {"images": "img/{place}_{date}.npy", "masks": "lab/{place}.npy"}
    source = file_source(tmp_path, **options, take=["mask"])
    assert [list(source.read(k).arrays) for k in range(2)] == [["mask"], ["mask"]]
    assert source.read(1).attributes == {"file": "lab/a.npy", "place": "a", "date": "2"}


def test_fields_that_only_a_label_has_are_columns_too(tmp_path):
    write(tmp_path, "img/a.npy", "lab/a_val_ann.npy")
    source = file_source(tmp_path, images="img/{id}.npy", masks="lab/{id}_{split}_{who}.npy")
    assert source.split_of(0) == "val"
    assert source.read(0).attributes == {"file": "img/a.npy", "id": "a", "who": "ann"}


def test_patterns_of_bands_have_the_same_fields(tmp_path):
    write(tmp_path, "a_B1.npy", "x/a_B2.npy")
    message = refused(tmp_path, bands=["{id}_{band}.npy", "{place}/{id}_{band}.npy"])
    assert message.endswith("has other fields than '{id}_{band}.npy'; all must have the same")


def test_more_samples_than_a_block_are_read_by_number(tmp_path):
    root = tmp_path / "many"
    write(root, "0.npy")
    for k in range(1, 600):
        os.link(root / "0.npy", root / f"{k}.npy")
    source = pickle.loads(pickle.dumps(file_source(root, images="{id}.npy")))
    for k in (0, 255, 256, 599, 3, 512):
        assert source.name_of(k) == str(root / f"{k}.npy")
    assert len(pickle.dumps(source)) < 10 * len(source)
    assert b"512.npy" not in pickle.dumps(source)  # nor those that were read last
    with pytest.raises(IndexError, match="sample 600; there are 600"):
        source.name_of(600)


@pytest.mark.parametrize("split", ["../up", "a/b", ".x", "a\nb", "a\\b"])
def test_a_split_of_a_table_must_be_a_name(tmp_path, split):
    write(tmp_path, "a.npy")
    (tmp_path / "t.json").write_text(json.dumps([{"image": "a.npy", "split": split}]), "utf-8")
    assert "it must be the name of a folder" in refused(tmp_path, table="t.json")


@pytest.mark.parametrize("bands", [5, [], {"B4", "B3"}])
def test_bands_of_another_type_are_refused(tmp_path, bands):
    with pytest.raises(RequestError, match=r"bands=.*; it must be a pattern, or several"):
        file_source(tmp_path, images="{id}.tif", bands=bands)
