"""What is unusual about files is listed, and warned of where it changes numbers."""

import os
import pickle
import re
import shutil
import warnings

import numpy as np
import pytest
from builders import SMALL, write_metadata, write_split
from warned import warned, warnings_and_result

import cloudio
from cloudio import CloudioWarning
from cloudio._utils import warn
from cloudio.cli import main
from cloudio.cli.commands import info


def unusual(folder):
    write_split(folder / "train", 2, names=["B2", "B3", "B4", "B8A", "L2A_B4", "own"],
                dtypes=dict.fromkeys(["B2", "B3", "B4", "B8A"], "float32"))  # fmt: skip
    write_split(folder / "val", 2, names=["B2", "B3", "B8A", "L2A_B4"])


def test_what_is_unusual_about_files_is_told_at_open_once_for_a_path(tmp_path):
    unusual(tmp_path)
    texts, ds = warnings_and_result(lambda: cloudio.open(tmp_path, layout=SMALL))
    assert texts == [
        f"{tmp_path}: 5 warnings about its files; ds.warnings lists all.\n"
        "- train: B2.dat is float32 by its size, but the layout Small says int16; "
        "train: B3.dat is float32 by its size, but the layout Small says int16; "
        "train: B4.dat is float32 by its size, but the layout Small says int16; "
        "and 1 more: cloudio reads the type that it found, but knows no scale for such a band: "
        "pass scale= to reader(...). If you did not convert the files, correct dtype in the "
        "layout, or check with cloudio verify that the files are those of the data set.\n"
        "- val: there is no L1C_B4, own, which other splits have: the data set as a whole does not "
        "have these arrays, and a preset may use others instead; ds.split(name) "
        "has all arrays of its split."
    ]
    assert len(ds.warnings) == 6
    assert all(warning in "".join(texts) for warning in ds.warnings[:3])
    assert warned(lambda: cloudio.open(tmp_path, layout=SMALL)) == []
    # Another path is another data set.
    assert warned(lambda: cloudio.open(tmp_path / "val", layout=SMALL)) == []
    assert len(warned(lambda: cloudio.open(tmp_path / "train", layout=SMALL))) == 1


def test_what_changes_no_number_is_listed_and_not_told(tmp_path):
    write_split(tmp_path / "train", 2, names=["B2", "own"])
    write_split(tmp_path / "val", 3, names=["B2", "own"], metadata=False)
    np.save(tmp_path / "train" / "mean.npy", np.zeros(13, "f4"))
    texts, ds = warnings_and_result(lambda: cloudio.open(tmp_path, layout=SMALL))
    assert texts == []
    assert [warning.split(": ")[1].split()[0] for warning in ds.warnings] == [
        "own.dat", "left", "own.dat", "there",
    ]  # fmt: skip


def reflectance(n):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 1.3, (n, *SMALL.patch)).astype("f4")


def codes(n):
    return np.random.default_rng(0).choice([0, 0, 0, 1, 2, 3], (n, *SMALL.patch))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"B2": reflectance(2)}, True),
        ({"B2": reflectance(2), "hq": codes(2).astype("i2")}, True),
        ({"hq": codes(2).astype("i2")}, True),
        ({"hq": codes(2).astype("i2") - 1}, True),
        ({"B2": (reflectance(4) * 1e4).astype("i2")}, False),
        ({"B2": (reflectance(4) * 1e4).astype("i2"), "hq": codes(4).astype("u1")}, False),
        ({"B2": np.zeros((4, *SMALL.patch), "i2"), "hq": codes(4).astype("u1")}, False),
        ({"B2": np.zeros((4, *SMALL.patch), "i2")}, True),  # nobody can tell
        ({"B2": np.full((4, *SMALL.patch), -1, "i2")}, True),
    ],
)
def test_float32_that_passes_for_int16_is_told_and_int16_is_not(tmp_path, files, told):
    for name, array in files.items():
        array.astype(array.dtype.newbyteorder("<")).tofile(tmp_path / f"{name}.dat")
    texts, ds = warnings_and_result(lambda: cloudio.open(tmp_path, layout=SMALL))
    taken = f"{tmp_path.name}: the files are read as 4 patches, but their sizes also fit 2 patches"
    assert [f"{tmp_path}: 1 warning" in text and taken in text for text in texts] == [True] * told
    assert all(text.endswith("the smaller number, every pixel is read wrongly.") for text in texts)
    assert (len(ds), len(ds.warnings)) == (4, 1)
    write_metadata(tmp_path / "metadata.csv", len(next(iter(files.values()))))
    warn.reset()
    texts = warned(lambda: cloudio.open(tmp_path, layout=SMALL))
    assert not any("sizes also fit" in text for text in texts)


def test_a_pickle_says_nothing_again(tmp_path, all_labels):
    unusual(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CloudioWarning)
        ds = cloudio.open(tmp_path, layout=SMALL)
        reader = cloudio.open(all_labels).reader("B4", "qa60")
    kept = pickle.dumps((ds, reader))
    warn.reset()  # as in a process of its own
    assert warned(lambda: pickle.loads(kept)) == []
    assert len(warned(lambda: cloudio.open(tmp_path, layout=SMALL))) == 1
    assert len(warned(lambda: pickle.loads(kept)[1].dataset.reader("B4", "qa60"))) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads /proc")
def test_warnings_as_errors_leave_nothing_half_open(tmp_path, all_labels):
    unusual(tmp_path)
    before = os.listdir("/proc/self/fd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(CloudioWarning, match="5 warnings about its files"):
                cloudio.open(tmp_path, layout=SMALL)
        assert os.listdir("/proc/self/fd") == before
        with cloudio.open(all_labels) as ds:
            expected = ds.reader("B4", "manual_hq").read([0]).image
            for _ in range(2):
                with pytest.raises(CloudioWarning, match="LABEL_qa60 is stored in 1 byte"):
                    ds.reader("B4", "qa60")
            assert np.array_equal(ds.reader("B4").read([0]).image, expected)
        assert os.listdir("/proc/self/fd") == before


def test_info_lists_what_open_warns_of_and_does_not_warn(tmp_path, capsys):
    path = tmp_path / "data"
    cloudio.synthesize(path, {"train": 1, "val": 1}, arrays=["L1C_B4", "L1C_B3"])
    (path / "val" / "L1C_B3.dat").unlink()
    assert warned(lambda: main(["info", str(path)])) == []
    out, err = capsys.readouterr()
    assert out.endswith("val: there is no L1C_B3, which other splits have\n")
    assert err == ""


def test_other_commands_say_it_as_a_sentence(tmp_path, capsys, monkeypatch):
    unusual(tmp_path)
    shutil.copy(tmp_path / "val" / "B2.dat", tmp_path / "val" / "B4.dat")
    others = []

    def usual(message, *_, **__):
        others.append(str(message))

    def command(arguments):
        cloudio.open(tmp_path, layout=SMALL)
        warnings.warn("of somebody else", stacklevel=1)
        return 0

    monkeypatch.setattr(info, "run", command)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", usual)
        assert main(["info"]) == 0
        said_first = f"cloudio: warning: {tmp_path}: 5 warnings about its files"
        assert capsys.readouterr().err.startswith(said_first)
        assert others == ["of somebody else"]
        assert warnings.showwarning is usual
        warnings.simplefilter("error")
        warn.reset()
        assert main(["info"]) == 2
    assert re.match(f"cloudio: {tmp_path}: 5 warnings", capsys.readouterr().err)
