"""An existing data set as a source: pixels, columns and layout as they are stored."""

import csv
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from builders import SMALL, write_split
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import Band, LabelMap, Layout, RequestError, TruncatedError, Window
from cloudio.layouts.toml_writer import to_toml
from cloudio.packing.sources.datasets import DatasetSource
from cloudio.packing.sources.joined import JoinedSource

LAYOUT = replace(SMALL, presets={"L1C": SMALL.presets["L1C"], "radar": (("S1_VV", "S1_VH"),)})


def make(root, layout=LAYOUT, **counts):
    """Write splits of random pixels; return the data set and the arrays of each split."""
    stored = {
        split: write_split(root / split, n, layout, seed=k)
        for k, (split, n) in enumerate(counts.items())
    }
    (root / "cloudio.toml").write_text(to_toml(layout), encoding="utf-8")
    return cloudio.open(root), stored


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_patches_are_those_of_the_files_bit_for_bit_with_their_columns_as_written(tmp_path):
    ds, stored = make(tmp_path, train=5, val=2)
    # Text that a parser would change: a number with zeros, a date, a gap.
    path = tmp_path / "val" / "metadata.csv"
    path.write_text('id,date,note\n007,2019-06-01,"a, b"\n010,2019-06-01T00:00,\n', "utf-8")
    source = DatasetSource(cloudio.open(tmp_path))
    assert len(source) == 7
    expected = [("train", k) for k in range(5)] + [("val", k) for k in range(2)]
    tables = {split: rows_of(tmp_path / split / "metadata.csv") for split in stored}
    for k, (split, row) in enumerate(expected):
        sample = source.read(k)
        assert source.split_of(k) == split
        assert source.name_of(k) == f"{tmp_path / split}, patch {row}"
        assert list(sample.arrays) == list(ds.names)
        for name, pixels in sample.arrays.items():
            assert pixels.dtype == stored[split][name].dtype
            assert pixels.tobytes() == stored[split][name][row].tobytes(), name
        assert sample.attributes == tables[split][row]
    assert source.read(5).attributes == {"id": "007", "date": "2019-06-01", "note": "a, b"}


def test_the_place_of_a_cropped_patch_is_that_of_its_window(tmp_path):
    make(tmp_path, train=1)
    text = "scene_row,scene_col,crs,geotransform,left,top\n"
    text += "512,0,EPSG:1,7.0 10.0 0.5 90.0 0.0 -10.0,7,90\n"
    (tmp_path / "train" / "metadata.csv").write_text(text, "utf-8")
    ds = cloudio.open(tmp_path)
    assert DatasetSource(ds).read(0).attributes["geotransform"] == "7.0 10.0 0.5 90.0 0.0 -10.0"
    row, col = 1 + (35 - 20) // 2, 2 + (41 - 20) // 2
    x0, y0 = 7 + 10 * col + 0.5 * row, 90.0 - 10 * row
    assert DatasetSource(ds, crop=20).read(0).attributes == {
        "scene_row": 512 + row,
        "scene_col": col,
        "crs": "EPSG:1",
        "geotransform": f"{x0} 10.0 0.5 {y0} 0.0 -10.0",
        "left": x0,
        "top": y0,
    }
    (tmp_path / "train" / "metadata.csv").write_text(
        "geotransform,scene_row\n1 2 x,first\n", "utf-8"
    )
    own = DatasetSource(cloudio.open(tmp_path), crop=20).read(0).attributes
    assert own == {"geotransform": "1 2 x", "scene_row": "first"}


def test_what_is_packed_has_the_pixels_the_columns_and_the_layout_of_the_data_set(tmp_path):
    ds, stored = make(tmp_path / "set", train=4, val=2)
    part = ds.subset([5, 0, 3])
    cloudio.pack(part, tmp_path / "out", take=["LABEL_hq", "radar", "L1C"], crop="valid", workers=1)
    packed = cloudio.open(tmp_path / "out")
    hints = DatasetSource(ds, ["LABEL_hq", "radar", "L1C"], "valid").layout_hints()
    bands = tuple(replace(band, file="{name}.npy") for band in hints.bands)
    assert packed.layout == replace(hints, name="out", bands=bands)
    assert {name: len(index) for name, index in packed.splits.items()} == {"train": 2, "val": 1}
    for split, rows in (("train", [0, 3]), ("val", [1])):
        for name in packed.names:
            expected = stored[split][name][rows, 1:36, 2:43]
            assert packed.split(split)[name].tobytes() == expected.tobytes()
        known = rows_of(tmp_path / "set" / split / "metadata.csv")
        found = rows_of(tmp_path / "out" / split / "metadata.csv")
        assert found == [{"split": split} | known[row] for row in rows]


def test_what_the_layout_says_is_carried_over(tmp_path):
    ds, _ = make(tmp_path, train=2)
    whole = DatasetSource(ds).layout_hints()
    assert whole == replace(LAYOUT, name=whole.name)
    hints = DatasetSource(ds, ["radar", "L1C_B4", "target"], crop="valid").layout_hints()
    assert [band.name for band in hints.bands] == ["S1_VV", "S1_VH", "L1C_B4", "LABEL_hq"]
    assert hints.bands[2] == LAYOUT.band("L1C_B4")
    assert (hints.patch, hints.valid) == ((35, 41), Window(0, 0, 35, 41))
    assert dict(hints.presets) == {"radar": (("S1_VV", "S1_VH"),)}
    assert hints.aliases == {"target": "LABEL_hq"}
    assert hints.label_maps == {"LABEL_hq": LAYOUT.label_maps["LABEL_hq"]}
    assert hints.prefixes == ("L1C_", "S1_", "LABEL_")
    infos = DatasetSource(ds).read(0).infos
    assert infos["S1_VV"].nodata == -99
    assert infos["S1_VV"].scale_factor is None
    assert infos["L1C_B4"].scale_factor == 1e-4
    assert infos["L1C_B4"].wavelength == 664.5
    assert (infos["LABEL_hq"].kind, infos["L1C_B2"].kind) == ("label", "band")


def test_scales_come_over_as_the_numbers_that_readers_use(tmp_path):
    bands = (
        Band("a", scale=0.1, offset=-1000.0, unit="K"),
        Band("b", scale_factor=0.3, add_offset=0.7),
        Band("c", scale=None, nodata=-1),
    )
    ds, _ = make(tmp_path, Layout("x", (40, 48), Window(0, 0, 40, 48), bands), train=1)
    infos = DatasetSource(ds).read(0).infos
    pairs = {name: (info.scale_factor, info.add_offset) for name, info in infos.items()}
    assert pairs == {"a": (0.1, -1000.0 * 0.1), "b": (0.3, 0.7), "c": (None, None)}
    assert infos["a"].unit == "K"
    assert DatasetSource(ds).layout_hints().bands == bands


@given(data=st.data())
@settings(max_examples=scaled(8, 40))
def test_crops_and_subsets_read_what_a_reader_reads(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("set")
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    valid = Window(
        row, col, data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - col))
    )
    stack = [
        Band(f"é {k}", dtype="uint16", file="all [1].dat", channel=k, channels=3) for k in range(3)
    ]
    files = [replace(band, file="all [[]1].dat") for band in stack]
    layout = Layout("x", (height, width), valid, (*files, Band("one", dtype="float32")))
    n = data.draw(st.integers(1, 5))
    (root / "train").mkdir()
    rng = np.random.default_rng(0)
    stacked = rng.integers(0, 65536, (n, 3, height, width), np.uint16)
    stacked.tofile(root / "train" / "all [1].dat")
    rng.standard_normal((n, height, width)).astype("f4").tofile(root / "train" / "one.dat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = cloudio.open(root, layout=layout)
    index = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=6))
    size = data.draw(st.tuples(st.integers(1, height), st.integers(1, width)))
    source = DatasetSource(ds.subset(index), ["é 2", "é 0"], crop=size, split="all")
    reader = ds.reader(["é 2", "é 0"], size=size, dtype="uint16", scale=None)
    expected = reader.read(index).image
    for k in range(len(index)):
        sample = source.read(k)
        assert np.array_equal(np.stack(list(sample.arrays.values())), expected[k])
        assert source.split_of(k) == "all"
        assert source.name_of(k).endswith(f"patch {index[k]}")
    hints = source.layout_hints()
    mask = np.zeros((height, width), bool)
    mask[row : row + valid.height, col : col + valid.width] = True
    first = source._window
    part = mask[first.row : first.row + size[0], first.col : first.col + size[1]]
    own = np.zeros(size, bool)
    v = hints.valid
    own[v.row : v.row + v.height, v.col : v.col + v.width] = True
    assert np.array_equal(part, own)
    ds.close()


def test_it_pickles_to_a_path_and_reads_the_same(tmp_path):
    ds, _ = make(tmp_path, train=4, val=1)
    source = DatasetSource(ds.subset([3, 4, 0]), ["L1C"], crop="valid", split="x")
    state = pickle.dumps(source)
    assert len(state) < 2048
    other = pickle.loads(state)
    assert other.digest() == source.digest()
    for k in range(3):
        mine, theirs = source.read(k), other.read(k)
        assert mine.attributes == theirs.attributes
        assert all(np.array_equal(mine.arrays[name], theirs.arrays[name]) for name in mine.arrays)


def test_the_digest_changes_with_the_arrays_the_patches_and_the_files(tmp_path):
    ds, _ = make(tmp_path, train=4)
    digests = [
        DatasetSource(ds).digest(),
        DatasetSource(ds, "L1C").digest(),
        DatasetSource(ds, crop="valid").digest(),
        DatasetSource(ds, crop=35).digest(),
        DatasetSource(ds.subset([0, 1])).digest(),
        DatasetSource(ds.subset([1, 0])).digest(),
        DatasetSource(ds, split="val").digest(),
    ]
    assert len(set(digests)) == len(digests)
    assert DatasetSource(ds).digest() == digests[0]
    (tmp_path / "train" / "metadata.csv").write_text("id\n" + "1\n" * 4, "utf-8")
    assert DatasetSource(cloudio.open(tmp_path)).digest() != digests[0]


def test_a_file_that_ends_early_is_an_error_and_no_signal(tmp_path):
    ds, _ = make(tmp_path, train=3)
    source = DatasetSource(ds, "L1C")
    assert source.read(2).arrays
    path = tmp_path / "train" / "L1C_B3.dat"
    with open(path, "r+b") as file:
        file.truncate(40 * 48 * 2 * 2 + 10)
    with pytest.raises(TruncatedError, match=r"L1C_B3\.dat ends within patch 2") as error:
        source.read(2)
    assert error.value.path == path
    assert source.read(1).arrays


def test_an_array_may_have_the_name_of_a_preset(tmp_path):
    layout = replace(LAYOUT, presets={"L1C_B2": (("L1C_B3",),)})
    ds, stored = make(tmp_path, layout, train=1)
    source = pickle.loads(pickle.dumps(DatasetSource(ds)))
    assert list(source.read(0).arrays) == list(stored["train"])


def test_wrong_arguments_are_named(tmp_path):
    ds, _ = make(tmp_path, train=1)
    with pytest.raises(RequestError, match="crop='centre'; crop must be 'valid' or a size"):
        DatasetSource(ds, crop="centre")
    with pytest.raises(RequestError, match="the stored patch is 40 x 48"):
        DatasetSource(ds, crop=41)
    with pytest.raises(RequestError, match="no band or preset 'B77'"):
        DatasetSource(ds, ["B77"])
    with pytest.raises(RequestError, match=r"take=\[\]; take must be a name, a preset, or names"):
        DatasetSource(ds, [])
    with pytest.raises(RequestError, match="split=''; split must be the name of a split"):
        DatasetSource(ds, split="")
    with pytest.raises(RequestError, match="ds must be a Dataset"):
        DatasetSource(tmp_path)


# ---- joined sources ------------------------------------------------------------------------------


def test_sources_are_joined_in_their_order_under_the_names_given(tmp_path):
    one, _ = make(tmp_path / "one", train=3, val=2)
    two, _ = make(tmp_path / "two", train=4)
    parts = {
        "train": [DatasetSource(one, "L1C"), DatasetSource(two.subset([3, 1]), "L1C")],
        "held out": DatasetSource(two.subset([0]), "L1C"),
    }
    source = JoinedSource(parts)
    flat = [
        (name, part, k)
        for name, some in parts.items()
        for part in (some if isinstance(some, list) else [some])
        for k in range(len(part))
    ]
    assert len(source) == len(flat) == 8
    for k, (split, part, own) in enumerate(flat):
        assert (source.split_of(k), source.name_of(k)) == (split, part.name_of(own))
        mine, theirs = source.read(k), part.read(own)
        assert mine.attributes == theirs.attributes
        assert all(np.array_equal(mine.arrays[name], theirs.arrays[name]) for name in mine.arrays)
    assert not source.in_threads
    assert source.task_size is None
    again = pickle.loads(pickle.dumps(source))
    assert again.digest() == source.digest()
    assert JoinedSource({"train": parts["train"]}).digest() != source.digest()
    assert source.layout_hints() == parts["held out"].layout_hints()


def test_layouts_that_differ_are_refused(tmp_path):
    bands = [replace(b, nodata=-1.0) if b.name == "L1C_B4" else b for b in LAYOUT.bands]
    other = replace(LAYOUT, bands=tuple(bands))
    maps = {**LAYOUT.label_maps, "LABEL_hq": {"own": LabelMap({0: 0, 1: 1})}}
    one, _ = make(tmp_path / "one", train=1)
    two, _ = make(tmp_path / "two", other, train=1)
    three, _ = make(tmp_path / "three", replace(LAYOUT, label_maps=maps), train=1)
    four, _ = make(tmp_path / "four", replace(LAYOUT, valid=Window(0, 0, 40, 48)), train=1)
    with pytest.raises(RequestError, match=r"L1C_B4 has nodata None, and -1\.0 in"):
        JoinedSource({"a": [DatasetSource(one), DatasetSource(two)]}).layout_hints()
    with pytest.raises(RequestError, match="LABEL_hq has other label maps"):
        JoinedSource({"a": DatasetSource(one), "b": DatasetSource(three)}).layout_hints()
    with pytest.raises(RequestError, match="the valid window is Window"):
        JoinedSource({"a": DatasetSource(one), "b": DatasetSource(four)}).layout_hints()
    with pytest.raises(RequestError, match="there is nothing to join"):
        JoinedSource({})


class Named:
    """A source that names codes."""

    def __init__(self, names, in_threads=False, task_size=None):
        self.names, self.in_threads, self.task_size = names, in_threads, task_size

    def __len__(self):
        return 1

    def label_names(self):
        return self.names


def test_names_of_codes_are_joined_unless_they_differ():
    one = Named({"mask": {0: "land", 1: "water"}})
    source = JoinedSource(
        {"a": one, "b": Named({"mask": {2: "ice"}}, in_threads=True, task_size=5)}
    )
    assert source.label_names() == {"mask": {0: "land", 1: "water", 2: "ice"}}
    assert source.in_threads
    assert source.task_size == 5
    assert source.layout_hints() is None
    with pytest.raises(RequestError, match="mask: code 1 is 'water' in one source and 'ice' in"):
        JoinedSource({"a": one, "b": Named({"mask": {1: "ice"}})}).label_names()
