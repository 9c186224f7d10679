"""Arrays whose layout says by a name or pattern where they lie."""

import dataclasses
import io
import pickle

import numpy as np
import pytest
from builders import SMALL, pixels, write_split
from own_files import NAMES, H, W, layout_of, refusal, stack, whole

import cloudio
from cloudio import Band, LayoutError


def test_a_pattern_finds_the_one_file_it_matches(tmp_path):
    a, b, c = (pixels(name, (2, H, W), "int16") for name in "abc")
    (tmp_path / "deep").mkdir()
    a.tofile(tmp_path / "2019_a_v2.raw")
    np.save(tmp_path / "deep" / "b[1].npy", b)
    c.tofile(tmp_path / "c.dat")
    (tmp_path / ".2019_a_v1.raw").write_bytes(b"hidden")
    (tmp_path / "2018_a.raw").mkdir()
    bands = Band("a", file="*_{name}*.raw"), Band("b[1]", file="deep/{name}.npy"), Band("C")
    ds = cloudio.open(tmp_path, layout=layout_of(*bands))
    assert list(ds.splits) == [tmp_path.name]
    assert ds.warnings == ()
    for name, array in {"a": a, "b[1]": b, "C": c}.items():
        assert ds[name].tobytes() == array.tobytes()


def test_each_split_has_its_own_files_of_a_pattern(tmp_path):
    stored = {}
    for split, n in {"train": 2, "test": 1, "extra": 3}.items():
        (tmp_path / split).mkdir()
        stored[split] = pixels(split, (n, 3, H, W), "int16")
        np.save(tmp_path / split / f"{split}_S2.npy", stored[split])
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file="*_S2.npy")))
    assert list(ds.splits) == ["train", "test", "extra"]
    both = np.concatenate(list(stored.values()))
    assert np.array_equal(whole(ds, NAMES), both.astype("f4"))
    for split, array in stored.items():
        part = cloudio.open(tmp_path / split, layout=ds.layout)
        assert list(part.splits) == [split]
        assert part["B3"].tobytes() == array[:, 1].tobytes()


def test_a_folder_of_a_pattern_is_one_split(tmp_path):
    write_split(tmp_path / "val", 2, names=["train_a", "test_b", "x"], metadata=False)
    layout = layout_of(Band("x", file="x.dat"), Band("train_a"), Band("test_b"))
    ds = cloudio.open(tmp_path / "val", layout=layout)
    assert ds.splits == {"val": range(2)}
    assert ds.names == ("x", "train_a", "test_b")


def test_a_pattern_that_matches_no_file_or_two_is_refused(tmp_path):
    layout = layout_of(Band("a", file="*_{name}.dat"), Band("B2"))
    words = f"file = '*_{{name}}.dat' of a matches nothing in {tmp_path}; it must match exactly one"
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout)
    write_split(tmp_path, 2, names=["B2"])
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout)
    for name in ("1_a", "2_a", "3_a"):
        write_split(tmp_path, 2, names=[name])
    with refusal(
        LayoutError, f"of a matches {tmp_path / '1_a.dat'} and {tmp_path / '2_a.dat'} in ", "one"
    ):
        cloudio.open(tmp_path, layout=layout)


def test_a_file_by_its_name_beside_the_file_of_a_pattern_is_refused(tmp_path):
    np.zeros((2, 3, H, W), "i2").tofile(tmp_path / "S2.dat")
    np.zeros((2, H, W), "i2").tofile(tmp_path / "b03.dat")
    with refusal(LayoutError, "b03.dat and", "S2.dat are both B3"):
        cloudio.open(tmp_path, layout=layout_of(*stack()))


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_two_patterns_that_find_one_file_are_refused(tmp_path):
    np.zeros((2, 3, H, W), "i2").tofile(tmp_path / "S2.dat")
    one, two, three = stack()
    for changed, words in (
        (
            {"file": "S?.dat", "channel": 0},
            "B2 and B3 are both in {} as channel 0; channels must differ",
        ),
        ({"file": "S?.dat", "channels": 4}, "B2 and B3 are both in {}, but their channels is 3"),
        ({"file": "S?.dat", "dtype": "uint16"}, "both in {}, but their dtype is int16 and uint16"),
        (
            {"file": "S?.dat", "channel": None, "channels": None},
            "B2 and B3 are both in {}; each needs a channel and channels",
        ),
    ):
        layout = layout_of(one, dataclasses.replace(two, **changed), three)
        with refusal(LayoutError, words.format(tmp_path / "S2.dat")):
            cloudio.open(tmp_path, layout=layout)
    ds = cloudio.open(tmp_path, layout=layout_of(one, dataclasses.replace(two, file="S?.dat")))
    assert ds.names == ("B2", "B3")


def test_a_stacked_data_set_pickles(tmp_path):
    np.save(tmp_path / "S2.npy", pixels("S2", (2, 3, H, W), "int16"))
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file="S2.npy", nodata=float("nan"))))
    again = pickle.loads(pickle.dumps(ds))
    assert again.layout == ds.layout
    assert again["B4"].tobytes() == ds["B4"].tobytes()


def test_a_header_that_python_2_wrote_is_read(tmp_path):
    file = io.BytesIO()
    np.save(file, np.zeros((2, H, W), "i2"))
    text = file.getvalue().replace(b"(2, 40, 48)", b"(2L,40, 48)", 1)
    (tmp_path / "B2.npy").write_bytes(text)
    assert len(cloudio.open(tmp_path, layout=SMALL)) == 2


def test_a_file_that_is_not_there_says_which_are(tmp_path):
    np.save(tmp_path / "red.npy", np.zeros((2, 4, 4), "u2"))
    text = 'name = "x"\npatch = [4, 4]\n[[arrays]]\nname = "red"\ndtype = "uint16"\n'
    (tmp_path / "cloudio.toml").write_text(f'{text}file = "rde.npy"\n')
    with pytest.raises(LayoutError, match=r"the folder has cloudio.toml, red.npy; did you mean re"):
        cloudio.open(tmp_path)
