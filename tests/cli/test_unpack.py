"""`cloudio unpack`: words of the command line become arguments, and one line says what was done."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from builders import SMALL, write_split

import cloudio
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a data set ``data``."""
    layout = replace(SMALL, presets={"L1C": SMALL.presets["L1C"]})
    for split, n in (("train", 3), ("val", 2)):
        write_split(tmp_path / "data" / split, n, layout)
    (tmp_path / "data" / "cloudio.toml").write_text(to_toml(layout), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    "words",
    [
        ["data", "out", "--index", "0:2", "--arrays", "L1C_B2", "hq", "--format", "npy"],
        ["--format", "npy", "--index", "0,1", "data", "out", "--arrays", "L1C_B2,hq"],
        ["--format", "npy", "--index", "0", "1", "--arrays", "L1C_B2", "hq", "data", "out"],
        ["data", "--format", "npy", "--index", "0", "1", "--arrays", "L1C_B2", "hq", "out"],
    ],
)
def test_data_and_dest_stand_anywhere(folder, capsys, words):
    assert main(["unpack", *words]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out == "out: 4 files of 2 patches, 0.0 MB\n"
    assert files(folder / "out") == [
        f"train/000{k}{x}.npy" for k in (0, 1) for x in ("", "_LABEL_hq")
    ]


def test_predictions_of_a_split(folder, capsys):
    given = np.arange(800, dtype=np.float32).reshape(2, 20, 20)
    np.save("given.npy", given)
    words = ["--split", "val", "--predictions", "given.npy", "--name", "cloud", "--format", "npy"]
    assert main(["unpack", "data", "out", *words, "--origin", "3,4", "--workers", "1"]) == 0
    assert files(folder / "out") == ["val/0000_cloud.npy", "val/0001_cloud.npy"]
    assert np.array_equal(np.load("out/val/0001_cloud.npy"), given[1])
    assert main(["unpack", "data", "center", *words, "--origin", "center"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "data"], "cloudio: data exists already; give the path of a new folder\n"),
        (["nothing", "out"], "cloudio: there is no folder nothing"),
        (["data", "out", "--index", "0:9"], "--index 0:9 ends too late; there are 5 patches"),
        (["data", "out", "--split", "vall"], "there is no split 'vall'; "),
        (["data", "out", "--workers", "0"], "--workers 0; --workers must be a whole number"),
        (["data", "out", "--origin", "1"], "--origin '1'; it must be 'center' or ROW,COL"),
        (["data", "out", "--arrays", "B77"], "B77"),
        (["data", "out", "--predictions", "none.npy"], "there is no file none.npy"),
        (["data", "out", "--mosaic", "--format", "npy"], "scenes are written as 'tif'"),
        (["data", "out", "--nodata", "-1"], "--nodata -1; EXTRA_count is uint16"),
        (["data", "out", "--nodata", "x"], "--nodata 'x'; it must be a number"),
        (["data", "out", "--format", "png"], "--format 'png'; it must be one of tif, npy"),
        (["data", "out", "more"], "'more' is extra; cloudio unpack takes DATA and DEST"),
        (["data"], "the following arguments are required: DEST"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsys, words, message):
    pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    if "--nodata" in words or "--mosaic" in words:
        pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")
    with contextlib.suppress(SystemExit):
        assert main(["unpack", *words]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert sorted(path.name for path in folder.iterdir()) == ["data"]


def test_a_mosaic_of_what_pack_has_cut(folder, capsys):
    pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")
    assert main(["unpack", "data", "out", "--mosaic"]) == 2
    error = capsys.readouterr().err
    assert "has no scene, scene_row, scene_col, scene_height, scene_width of patch 0" in error
    assert not (folder / "out").exists()
    assert cloudio.open("data").names
