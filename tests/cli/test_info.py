"""What `cloudio info` says of a machine and of a data set."""

import dataclasses
import json

import native
import numpy as np
import pytest
from builders import SMALL, write_root, write_split

import cloudio
from cloudio import CLOUDSEN12, Band, Layout, Window
from cloudio._core import runtime
from cloudio._utils import machine
from cloudio.cli import main
from cloudio.cli.commands import info
from cloudio.cli.inventory import effective_layout
from cloudio.layouts.toml_writer import to_toml

FEW = ["L1C_B2", "L2A_AOT", "S1_VV", "LABEL_manual_hq"]


def test_machine_has_what_a_bug_report_needs(monkeypatch):
    monkeypatch.setenv("CLOUDIO_THREADS", "3")
    lines = dict(line.split(None, 1) for line in machine.describe().splitlines())
    assert lines["cloudio"] == cloudio.__version__
    assert lines["numpy"] == np.__version__
    assert runtime.isa() in lines["instruction"]
    assert all(isa in lines["instruction"] for isa in runtime.available())
    assert "CLOUDIO_THREADS=3" in lines["variables"]
    assert {"threads", "Python", "system", "CPU"} <= lines.keys()


def test_machine_says_so_where_no_variable_is_set(monkeypatch):
    for name in info.os.environ.copy():
        if name.startswith("CLOUDIO_"):
            monkeypatch.delenv(name)
    assert "no CLOUDIO_* is set" in machine.describe()


def test_machine_is_told_even_with_variables_that_cannot_be_used(monkeypatch, capsys):
    monkeypatch.setenv("CLOUDIO_THREADS", "many")
    assert main(["info"]) == 0
    assert "CLOUDIO_THREADS=many" in capsys.readouterr().out


def test_dataset_lists_splits_and_arrays(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 1}, CLOUDSEN12, names=FEW)
    text = info.describe(tmp_path)
    rows = [line.split() for line in text.splitlines()]
    assert f"{tmp_path}: CloudSEN12, 3 patches, 4 arrays, 0.007 GB" in text
    assert "patches of 512 x 512; valid window 509 x 509 from (1, 1)" in text
    assert ["train", "2", "6", "columns", str(tmp_path / "train")] in rows
    assert ["val", "1", "6", "columns", str(tmp_path / "val")] in rows
    assert ["L1C_B2", "band", "int16", "0.0001", "-", "-", "0.002"] in rows
    assert ["L2A_AOT", "band", "int16", "0.001", "-", "-", "0.002"] in rows
    assert ["S1_VV", "band", "float32", "1", "dB", "-99", "0.003"] in rows
    assert ["LABEL_manual_hq", "label", "uint8", "-", "-", "-", "0.001"] in rows
    assert text.endswith("no warnings")


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_dataset_lists_what_is_unusual(tmp_path):
    write_split(
        tmp_path / "train",
        2,
        CLOUDSEN12,
        names=[*FEW, "own"],
        dtypes={"LABEL_manual_hq": "int16"},
        metadata=False,
    )
    write_split(tmp_path / "val", 1, CLOUDSEN12, names=FEW, metadata=False)
    text = info.describe(tmp_path)
    rows = [line.split() for line in text.splitlines()]
    assert ["own", "band", "int16", "unknown", "-", "-", "0.001"] in rows
    assert ["LABEL_manual_hq", "label", "int16/uint8", "-", "-", "-", "0.001"] in rows
    assert ["train", "2", "none", str(tmp_path / "train")] in rows
    for warning in cloudio.open(tmp_path).warnings:
        assert warning in text.splitlines()
    assert "no warnings" not in text


def test_info_of_nothing_is_a_sentence(tmp_path, capsys):
    assert main(["info", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"cloudio: there is no folder {tmp_path / 'none'}\n"
    with pytest.raises(cloudio.LayoutError, match=r"no \.dat or \.npy files"):
        info.describe(tmp_path)


# Two channels of a file, with all that can be set; one array with nothing.
OWN = Layout(
    "Own",
    (40, 48),
    Window(0, 0, 40, 48),
    (
        Band("a", scale=1e-4, offset=-1000, file="s.npy", channel=0, channels=2, nodata=0),
        Band("b", scale=1e-4, offset=-1000, file="s.npy", channel=1, channels=2, nodata=np.nan),
        Band("c", unit="K"),
    ),
)


def own(folder):
    """A folder of OWN, and its layout as a file outside it."""
    folder.mkdir()
    np.save(folder / "s.npy", np.zeros((2, 2, 40, 48), "i2"))
    np.save(folder / "c.npy", np.zeros((2, 40, 48), "i2"))
    path = folder.parent / "own.toml"
    path.write_text(to_toml(OWN))
    return path


def test_offset_unit_and_nodata_are_told_where_an_array_has_one(tmp_path):
    text = info.describe(tmp_path / "data", own(tmp_path / "data"))
    rows = [line.split() for line in text.splitlines()]
    assert "Own, 2 patches, 3 arrays, 0.000 GB" in text
    assert ["array", "kind", "stored", "scale", "offset", "unit", "nodata", "GB"] in rows
    assert ["a", "band", "int16", "0.0001", "-1000", "-", "0", "0.000"] in rows
    assert ["b", "band", "int16", "0.0001", "-1000", "-", "nan", "0.000"] in rows
    assert ["c", "band", "int16", "1", "-", "K", "-", "0.000"] in rows


def test_repeats_sizes_and_exceptions_are_told_where_an_array_has_them(tmp_path, capsys):
    roots = native.write_roots(tmp_path, {"train": 4, "val": 2})
    layout = dataclasses.replace(native.native_layout(), presets={})
    (roots.native / "cloudio.toml").write_text(to_toml(layout))
    text = info.describe(roots.native)
    rows = [line.split() for line in text.splitlines()]
    columns = ["array", "kind", "stored", "size", "repeat", "exceptions", "scale"]
    assert any(row[: len(columns)] == columns for row in rows)
    sizes = {row[0]: " ".join(row[3:-1]) for row in rows if len(row) > 8}
    assert sizes["L1C_B2"].startswith("40 x 48 - - ")
    assert sizes["L1C_B4"].startswith("18 x 21 2 x 2 3 ")
    assert sizes["S1_VV"].startswith("35 x 21 1 x 2 0 ")
    assert main(["info", str(roots.native), "--json"]) == 0
    arrays = {each["name"]: each for each in json.loads(capsys.readouterr().out)["arrays"]}
    assert arrays["L1C_B2"]["repeat"] == [1, 1]
    band = arrays["L1C_B4"]
    assert (band["repeat"], band["size"], band["exceptions"]) == ([2, 2], [18, 21], 3)
    assert band["bytes"] == 2 * (6 * 18 * 21 + 3 * 40 * 48)
    words = info.describe(tmp_path / "own", own(tmp_path / "own")).split()
    assert not {"repeat", "size", "exceptions"}.intersection(words)


@pytest.mark.parametrize("nodata", ["nan", "inf", "-inf"])
def test_json_has_no_number_that_json_lacks(tmp_path, nodata, capsys):
    np.zeros((2, 8, 8), "f4").tofile(tmp_path / "a.dat")
    array = f'[[arrays]]\nname = "a"\ndtype = "float32"\nnodata = {nodata}\n'
    (tmp_path / "cloudio.toml").write_text(f'name = "x"\npatch = [8, 8]\n{array}')
    assert main(["info", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["arrays"][0]["nodata"] == nodata


def test_json_reads_no_field_of_metadata(tmp_path, capsys):
    layout = own(tmp_path / "data")
    (tmp_path / "data" / "metadata.csv").write_text("a,b\n1,2\n3\n")  # which verify reports
    assert main(["info", str(tmp_path / "data"), "--json", "--layout", str(layout)]) == 0
    assert json.loads(capsys.readouterr().out)["splits"][0]["metadata"] == ["a", "b"]


def test_offset_unit_and_nodata_have_no_column_where_no_array_has_one(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B2", "manual_hq"])
    rows = [line.split() for line in info.describe(tmp_path).splitlines()]
    assert ["array", "kind", "stored", "scale", "GB"] in rows
    assert ["L1C_B2", "band", "int16", "0.0001", "0.001"] in rows


def test_info_takes_the_layout_it_is_given_and_prints_the_one_it_found(tmp_path, capsys):
    layout = own(tmp_path / "data")
    assert main(["info", str(tmp_path / "data"), "--layout", str(layout), "--toml"]) == 0
    printed = capsys.readouterr().out
    assert printed == to_toml(OWN)
    (tmp_path / "data" / "cloudio.toml").write_text(printed)
    assert main(["info", str(tmp_path / "data")]) == 0
    assert "Own, 2 patches, 3 arrays" in capsys.readouterr().out
    assert main(["info", "--toml", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == printed


def test_a_folder_of_an_older_form_keeps_only_what_is_there(tmp_path):
    write_split(tmp_path, 1, SMALL, names=["B2", "target"])
    layout = effective_layout(cloudio.open(tmp_path, layout=SMALL))
    assert layout == dataclasses.replace(
        SMALL,
        bands=(SMALL.band("L1C_B2"), SMALL.band("LABEL_hq")),
        presets={},
        label_maps={"LABEL_hq": SMALL.label_maps["LABEL_hq"]},
        prefixes=("L1C_", "LABEL_"),
    )


@pytest.mark.parametrize("option", [["--toml"], ["--layout", "x.toml"]])
def test_a_layout_is_of_a_folder(option, capsys):
    assert main(["info", *option]) == 2
    err = capsys.readouterr().err
    assert err == "cloudio: --toml and --layout need a data set; give its path\n"
