"""Tables of paths: each format gives the same samples, and what is wrong with a row is named."""

import csv
import json
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

from cloudio import LayoutError, ReadError, RequestError
from cloudio.packing.sources.matching import file_source
from cloudio.packing.sources.matching.tables import read_table


def write(root, *paths):
    for k, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / path, np.full((2, 3), k, np.uint16))


def write_table(path, records):
    """Write records as the format of the ending."""
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(records[0]))
            table.writeheader()
            table.writerows(records)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records), "utf-8")
    elif path.suffix == ".geojson":
        features = [{"type": "Feature", "geometry": None, "properties": x} for x in records]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    else:
        arrow = pytest.importorskip("pyarrow", reason="needs cloudio[parquet]")
        from pyarrow import parquet

        parquet.write_table(arrow.Table.from_pylist(records), path)
    return path


RECORDS = [
    {"image": "x/b.npy", "mask": "y/b.npy", "split": "val", "place": "Ulm, West", "cloud": "7"},
    {"image": "x/a.npy", "mask": "y/a.npy", "split": "", "place": 'é "1"', "cloud": "30"},
]


@pytest.mark.parametrize("ending", ["csv", "json", "geojson", "parquet"])
def test_each_format_gives_the_same_samples_in_the_order_of_rows(tmp_path, ending):
    write(tmp_path, "x/a.npy", "x/b.npy", "y/a.npy", "y/b.npy")
    table = write_table(tmp_path / f"list.{ending}", RECORDS)
    source = pickle.loads(pickle.dumps(file_source(tmp_path, table=table, split="rest")))
    assert [source.split_of(k) for k in range(2)] == ["val", "rest"]
    samples = [source.read(k) for k in range(2)]
    assert [x.arrays["image"][0, 0] for x in samples] == [1, 0]
    assert [x.arrays["mask"][0, 0] for x in samples] == [3, 2]
    assert samples[1].infos["mask"].kind == "label"
    assert samples[0].attributes == {"file": "x/b.npy", "place": "Ulm, West", "cloud": "7"}
    assert samples[1].attributes["place"] == 'é "1"'
    assert source.summary()[1] == "the first sample, of val (place=Ulm, West, cloud=7):"


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=9)


@given(values=st.lists(st.tuples(text, st.integers(-9, 9)), min_size=1, max_size=5))
@settings(max_examples=scaled(15, 100))
def test_columns_are_carried_over(tmp_path_factory, values):
    root = tmp_path_factory.mktemp("table")
    write(root, *(f"{k}.npy" for k in range(len(values))))
    records = [{"image": f"{k}.npy", "note": a, "n": b} for k, (a, b) in enumerate(values)]
    source = file_source(root, table=write_table(root / "t.json", records))
    found = [source.read(k).attributes for k in range(len(source))]
    assert [(x["note"], x["n"]) for x in found] == values


def test_records_by_key_have_the_key_as_a_column(tmp_path):
    write(tmp_path, "a.npy")
    (tmp_path / "t.json").write_text('{"s1": {"image": "a.npy"}}', "utf-8")
    attributes = file_source(tmp_path, table=tmp_path / "t.json").read(0).attributes
    assert attributes == {"file": "a.npy", "key": "s1"}
    feature = {"type": "Feature", "id": 5, "geometry": None, "properties": {"image": "a.npy"}}
    features = {"type": "FeatureCollection", "features": [feature]}
    (tmp_path / "t.geojson").write_text(json.dumps(features), "utf-8")
    assert file_source(tmp_path, table=tmp_path / "t.geojson").read(0).attributes["id"] == 5


def test_options_name_the_columns(tmp_path):
    write(tmp_path, "r.npy", "g.npy", "m.npy", "n.npy")
    record = {"B4": "r.npy", "gr": "g.npy", "label": "m.npy", "cl": "n.npy"}
    table = write_table(tmp_path / "t.csv", [record])
    source = file_source(tmp_path, table=table, bands=["B4", "gr"], masks="label")
    assert {k: v[0, 0] for k, v in source.read(0).arrays.items()} == {"B4": 0, "gr": 1, "mask": 2}
    assert source.read(0).attributes == {"file": "r.npy", "cl": "n.npy"}
    masks = {"land": "label", "clouds": "cl"}
    source = file_source(tmp_path, table=table, bands={"B3": "gr"}, masks=masks, images="B4")
    assert list(source.read(0).arrays) == ["image", "B3", "land", "clouds"]


def test_paths_are_from_the_folder_or_from_the_table_and_may_be_absolute(tmp_path):
    write(tmp_path, "data/a.npy", "lists/b.npy", "far/c.npy", "d.npy")
    paths = ["a.npy", "b.npy", str(tmp_path / "far" / "c.npy"), "../d.npy"]
    table = write_table(tmp_path / "lists" / "t.csv", [{"image": path} for path in paths])
    source = file_source(tmp_path / "data", table=table)
    assert [source.read(k).arrays["image"][0, 0] for k in range(4)] == [0, 1, 2, 3]
    files = [source.read(k).attributes["file"] for k in range(4)]
    assert files[0] == "a.npy"
    assert files[2] == str(tmp_path / "far" / "c.npy")
    assert os.path.samefile(files[1], tmp_path / "lists" / "b.npy")


def test_rows_without_their_files_are_refused_or_left_out(tmp_path):
    write(tmp_path, "a.npy", "m.npy")
    records = [{"image": x, "mask": "m.npy"} for x in ("a.npy", "gone.npy", "")]
    table = write_table(tmp_path / "t.csv", records)
    with pytest.raises(RequestError) as error:
        file_source(tmp_path, table=table)
    assert str(error.value) == (
        f"{table} has 2 rows without all files: row 2 names gone.npy, which is no file; row 3 "
        f"has no path. Paths are those from {tmp_path} or {tmp_path}; skip_missing=True "
        "(--skip-missing) leaves these rows out"
    )
    source = file_source(tmp_path, table=table, skip_missing=True)
    assert len(source) == 1
    assert source.left_out[0] == (f"{table}, row 2", "names gone.npy, which is no file")
    os.remove(tmp_path / "a.npy")
    with pytest.raises(RequestError, match="has no row whose files exist"):
        file_source(tmp_path, table=table, skip_missing=True)


def test_two_rows_with_the_same_files_are_refused(tmp_path):
    write(tmp_path, "a.npy", "b.npy")
    table = write_table(tmp_path / "t.csv", [{"image": x} for x in ("a.npy", "b.npy", "a.npy")])
    with pytest.raises(RequestError, match=r"the same files in rows 1 and 3: a\.npy; remove one"):
        file_source(tmp_path, table=table, skip_missing=True)


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("t.csv", "path\na.npy\n", {}, "has no column image; name that of the images with images="),
        (
            "t.csv",
            "image\na.npy\n",
            {"masks": "imag"},
            "no column 'imag'; its columns are image; did",
        ),
        ("t.csv", "image\n", {}, "has no rows"),
        ("t.csv", "image;b\n", {}, "is separated by semicolons"),
        ("t.json", "[1]", {}, "has the entry 1; a table in JSON is a list of records"),
        ("t.json", "3", {}, "has the entry 3"),
        ("t.json", "{", {}, "is no JSON"),
        (
            "t.geojson",
            '{"type": "FeatureCollection", "features": [3]}',
            {},
            "the feature 3 without",
        ),
        ("t.xlsx", "", {}, "has the ending '.xlsx'; a table is .csv, .json, .geojson or .parquet"),
        ("t.csv", "image,m\na.npy,a.npy\n", {"masks": {"image": "m"}}, "two arrays have the name"),
    ],
)
def test_wrong_tables_are_named(tmp_path, name, content, options, message):
    write(tmp_path, "a.npy")
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises((RequestError, LayoutError)) as error:
        file_source(tmp_path, table=tmp_path / name, **options)
    assert message in str(error.value)


def test_a_table_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no table .*t\.csv"):
        read_table(tmp_path / "t.csv")
    pytest.importorskip("pyarrow", reason="needs cloudio[parquet]")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(ReadError, match=r"t\.parquet is no Parquet file, or is damaged"):
        read_table(tmp_path / "t.parquet")


def test_columns_of_bytes_are_left_out_of_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="needs cloudio[parquet]")
    path = write_table(tmp_path / "t.parquet", [{"image": "a", "geometry": b"\1\2", "n": 1.5}])
    assert read_table(path) == {"image": ["a"], "n": [1.5]}
