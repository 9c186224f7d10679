"""What a folder really has, as a layout that describes it."""

import dataclasses
import shutil

import native
import numpy as np
import pytest
from builders import SMALL, write_split
from toml_sets import LAYOUT, WHOLE, toml, write_whole

import cloudio
from cloudio import CLOUDSEN12, Band, LabelMap
from cloudio.cli.commands import info
from cloudio.cli.inventory import effective_layout
from cloudio.layouts.toml_writer import to_toml


def described(ds):
    """All that a layout and its files say of a data set."""
    return {
        "layout": effective_layout(ds),
        "splits": {name: list(which) for name, which in ds.splits.items()},
        "names": ds.names,
        "arrays": [split.arrays for split in ds._splits],
        "valid": ds.valid_window,
        "metadata": list(ds.metadata),
    }


def again(tmp_path, folder, **options):
    """A folder opened once more, with what `cloudio info --toml` prints of it."""
    path = toml(tmp_path, info.format_layout(folder, **options), "again.toml")
    return cloudio.open(folder, layout=path)


def test_a_folder_of_every_kind_of_file_is_described_by_its_layout(tmp_path):
    path = toml(tmp_path, WHOLE)
    for split, marker in {"train": "a", "val": "b"}.items():
        write_whole(tmp_path / "data" / split, marker=marker)
    ds = cloudio.open(tmp_path / "data", layout=path)
    other = again(tmp_path, tmp_path / "data", layout=path)
    assert described(other) == described(ds)
    assert other.layout == LAYOUT
    shutil.copy(tmp_path / "again.toml", tmp_path / "data" / "cloudio.toml")
    assert described(cloudio.open(tmp_path / "data")) == described(ds)
    assert info.format_layout(tmp_path / "data") == (tmp_path / "again.toml").read_text()


@pytest.mark.parametrize("stacked", [None, "last"])
def test_a_folder_of_several_resolutions_is_described_by_its_layout(tmp_path, stacked):
    roots = native.write_roots(tmp_path, {"train": 3, "val": 2}, stacked=stacked)
    layout = dataclasses.replace(native.native_layout(stacked=stacked), presets={})
    ds = cloudio.open(roots.native, layout=layout)
    other = again(tmp_path, roots.native, layout=toml(tmp_path, to_toml(layout)))
    assert described(other) == described(ds)
    assert other.layout.bands == layout.bands


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_folder_of_cloudsen12_is_described_by_its_layout(tmp_path):
    stems = [
        "L1C_B2",
        "b03",
        "L1C_B04",
        "S1_VV",
        "manual_hq",
        "QA60",
        "s2cloudless",
        "own",
        "strange",
    ]
    root = tmp_path / "data"
    for split, n in {"train": 2, "val": 1}.items():
        dtypes = {"L1C_B2": "float32", "manual_hq": "int16", "own": "uint8"}
        dtypes["strange"] = "int16" if split == "train" else "float32"
        names = [stem for stem in stems if split == "train" or stem != "S1_VV"]
        write_split(root / split, n, CLOUDSEN12, names=names, dtypes=dtypes)
    ds = cloudio.open(root)
    other = again(tmp_path, root)
    assert described(other) == described(ds)
    layout = other.layout
    assert [band.name for band in layout.bands] == [
        "L1C_B2", "L1C_B3", "L1C_B4", "S1_VV", "LABEL_manual_hq", "LABEL_qa60",
        "LABEL_s2cloudless", "own",
    ]  # fmt: skip
    assert layout.band("L1C_B2").scale is None
    assert layout.band("L1C_B2").wavelength == 496.6
    assert layout.band("LABEL_manual_hq").dtype == "int16"
    assert layout.band("own") == Band("own", dtype="uint8", scale=None)
    assert layout.presets == {"rgb": (("L1C_B4", "L1C_B3", "L1C_B2"),)}
    assert {*layout.label_maps} == {"LABEL_manual_hq", "LABEL_qa60", "LABEL_s2cloudless"}
    assert layout.label_maps["LABEL_s2cloudless"]["card"] == LabelMap.threshold(40).with_names(
        ["clear", "cloud"], ["#009e73", "#e69f00"]
    )
    assert layout.aliases == {"target": "LABEL_manual_hq"}
    assert layout.prefixes == ("L1C_", "S1_", "LABEL_")
    # The files are as this layout says; nothing else is unusual about them but "strange".
    assert [warning.split(" is ")[0] for warning in other.warnings if "S1_VV" not in warning] == [
        "train: strange.dat",
        "val: strange.dat",
    ]


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_types_that_splits_do_not_share_stay_the_layouts(tmp_path):
    root = tmp_path / "data"
    write_split(root / "train", 2, names=["B2", "hq"], dtypes={"hq": "int16"})
    write_split(root / "val", 1, names=["B2", "hq"])
    toml(root, to_toml(dataclasses.replace(SMALL, presets={})), "cloudio.toml")
    other = again(tmp_path, root)
    assert described(other) == described(cloudio.open(root))
    assert other.layout.band("LABEL_hq").dtype == "uint8"
    assert other.split("train").dtype("hq") == np.int16


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_an_older_copy_is_described_by_its_layout(tmp_path):
    root = tmp_path / "data"
    for mark, n in {"train": 2, "val": 1}.items():
        names = [f"{mark}_B02", f"{mark}_target"]
        write_split(root, n, CLOUDSEN12, names=names, metadata=False,
                    dtypes={f"{mark}_target": "uint8"})  # fmt: skip
    ds, other = cloudio.open(root), again(tmp_path, root)
    assert described(other) == described(ds)
    assert other.names == ("L1C_B2", "LABEL_manual_hq")


def test_the_small_patches_of_the_release_are_described_by_their_layout(mini, tmp_path):
    other = again(tmp_path, mini.path)
    assert described(other) == described(mini)
    assert other.warnings == ()
