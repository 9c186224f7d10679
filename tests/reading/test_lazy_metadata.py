"""When metadata.csv is read: once its columns are asked for, and only these."""

import pickle

import pytest
from builders import write_root, write_split
from small_sets import open_small, raises

import cloudio
from cloudio import LayoutError
from cloudio.storage.metadata import csv_file


@pytest.fixture
def reads(monkeypatch):
    """The columns of each pass over the fields of a metadata.csv, in order."""
    asked = []
    read_columns = csv_file.read_columns

    def read(path, names=None):
        asked.append(None if names is None else sorted(names))
        return read_columns(path, names)

    monkeypatch.setattr(csv_file, "read_columns", read)
    return asked


@pytest.fixture
def root(tmp_path):
    write_root(tmp_path, {"train": 3, "val": 2}, names=["B2"])
    for name, n in (("train", 3), ("val", 2)):
        rows = "".join(f"{name}{k},{k},x\n" for k in range(n))
        (tmp_path / name / "metadata.csv").write_text(f"roi_id,k,other\n{rows}")
    return tmp_path


def test_opening_pickling_and_reading_read_no_fields(root, reads):
    ds = open_small(root)
    reader = pickle.loads(pickle.dumps(ds.subset([0, 4]).reader("B2")))
    reader.read([0, 1])
    loader = cloudio.Loader(ds.split("val").reader("B2"), 1, prefetch=0)
    assert len(list(loader)) == 2
    assert repr(ds)
    assert ds.metadata_names == ("roi_id", "k", "other")
    assert reads == []


def test_a_condition_reads_its_column_once_for_all_subsets(root, reads):
    ds = open_small(root)
    assert len(ds.subset(k=1)) == 2
    assert len(ds.subset([0, 1, 2]).subset(k=(0, 1))) == 2
    assert reads == [["k"], ["k"]]  # of two files
    assert list(ds.subset([1]).metadata) == ["roi_id", "k", "other"]
    assert reads[2:] == [["other", "roi_id"]] * 2
    assert ds.metadata["k"].tolist() == [0, 1, 2, 0, 1]
    assert len(reads) == 4


def test_a_split_reads_its_own_file_once(root, reads):
    ds = open_small(root)
    assert ds.split("val").metadata["roi_id"].tolist() == ["val0", "val1"]
    assert ds.split("val").subset([1]).metadata["roi_id"].tolist() == ["val1"]
    assert reads == [["k", "other", "roi_id"]]


def test_splits_are_made_from_the_columns_of_groups(root, reads):
    cloudio.make_splits(open_small(root), {"a": 0.6, "b": 0.4}, group="roi_id", stratify="k")
    assert reads == [["roi_id"], ["roi_id"], ["k"], ["k"]]


def test_a_wrong_row_is_refused_when_metadata_is_asked_for(root):
    (root / "val" / "metadata.csv").write_text("roi_id,k,other\na,1,x\nb,2\n")
    ds = open_small(root)
    assert len(ds.reader("B2").read([4]).image) == 1
    with raises(LayoutError, "metadata.csv, line 3: 2 fields, but the header has 3"):
        len(ds.metadata)
    with raises(LayoutError, "metadata.csv, line 3: 2 fields, but the header has 3"):
        ds.subset(k=1)


def test_a_wrong_row_is_named_where_the_number_of_rows_does_not_fit(root):
    (root / "val" / "metadata.csv").write_text('roi_id,k,other\na,1,x,"\nb",2,x\n')
    with raises(LayoutError, "metadata.csv, line 3: 6 fields, but the header has 3"):
        open_small(root)


def test_verify_reports_a_wrong_row_that_open_does_not_see(root):
    (root / "val" / "metadata.csv").write_text("roi_id,k,other\na,1,x\nb,2\n")
    report = cloudio.verify(root, layout=open_small(root).layout, full=False)
    found = [(f.check, f.split, f.message) for f in report.findings]
    assert ("metadata", "val", "line 3: 2 fields, but the header has 3") in found


def test_a_row_that_is_lost_later_is_an_error(tmp_path):
    write_split(tmp_path / "train", 2, names=["B2"])
    ds = open_small(tmp_path)
    path = tmp_path / "train" / "metadata.csv"
    path.write_text(path.read_text().rsplit("\n", 2)[0] + "\n")
    with raises(LayoutError, "has 1 rows; it had 2 when the data set was opened"):
        len(ds.metadata)


def test_a_column_that_is_lost_later_is_an_error(tmp_path):
    write_split(tmp_path / "train", 2, names=["B2"])
    path = tmp_path / "train" / "metadata.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    for ask in (lambda ds: ds.metadata, lambda ds: ds.subset(b=4)):
        path.write_text("a,b\n1,2\n3,4\n")
        ds = open_small(tmp_path)
        path.write_text("a,c\n1,2\n3,4\n")
        with raises(LayoutError, "has no column 'b'; it had one when the data set was opened"):
            ask(ds)
