"""metadata.csv: how its rows are counted without reading them, and fields of any length."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudio import LayoutError
from cloudio.storage.metadata import csv_file
from cloudio.storage.metadata.columns import typed_column
from cloudio.storage.metadata.csv_file import MetadataFile, count_rows, read_columns

OUTLINE = "POLYGON((" + "1 2," * 40_000 + '1 2)) "north"'


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "metadata.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


TEXTS = [
    "",
    "\ufeff",
    "a,b",
    "a,b\n",
    "a,b\n1,2",
    "a,b\r\n1,2\r\n\r\n3,4\r\n",
    "a,b\r1,2\r\r3,4",
    "\n\na,b\n\n1,2\n\n\n3,4\n\n",
    'a,b\n"1,5","x\n\r\ny"\n"say ""no""",z\n',
    'a,b\n"x\n\n",1\n"",""\n"""",2\n',
    'a\n""\n\n"x"\n',
    'a,b\n5" pipe,1\n6" pipe,2\n',
    'a,b\nx "quoted\n,1" here\n',
    'a, b\n1, "x\ny"\n2,   "z\n"\n',
    ' "a" \n',
    '\ufeff"a",b\n"1\n\n1",2\n',
    "a\n \n\n1\n",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("chunk", [1, 7, 4 << 20])
def test_counted_rows_are_those_that_are_read(write, monkeypatch, text, chunk):
    monkeypatch.setattr(csv_file, "_CHUNK", chunk)
    path = write(text)
    try:
        columns = read_columns(path)
    except LayoutError:
        with pytest.raises(LayoutError):
            MetadataFile.inspect(path).read()
        return
    assert count_rows(path) == len(next(iter(columns.values()), []))


@given(
    st.lists(
        st.lists(st.text(alphabet='ab ,"\n\r'), min_size=2, max_size=2), min_size=1, max_size=6
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_rows_that_csv_writes_are_counted(tmp_path_factory, rows, end, quoting):
    file = io.StringIO()
    csv.writer(file, lineterminator=end, quoting=quoting).writerows([["x", "y"], *rows])
    path = tmp_path_factory.mktemp("rows") / "metadata.csv"
    path.write_bytes(file.getvalue().encode())
    try:
        columns = read_columns(path)
    except LayoutError:  # spaces before a quote that csv itself wrote
        return
    assert count_rows(path) == len(rows) == len(columns["x"])


@given(st.text(alphabet='ab ,"\n\r', max_size=30))
def test_a_field_over_the_limit_of_csv_is_read_like_others(tmp_path_factory, text):
    """The second reader, which has no limit, reads any text as the first does."""
    path = tmp_path_factory.mktemp("long") / "metadata.csv"
    path.write_bytes(text.encode())
    try:
        rows = list(csv_file._rows(path))
    except LayoutError:
        with pytest.raises(LayoutError):
            list(csv_file._numbered_rows(path))
    else:
        assert [row for _, row in csv_file._numbered_rows(path)] == rows


def test_long_fields_are_read_and_the_limit_of_csv_stays(write):
    limit = csv.field_size_limit()
    quoted = OUTLINE.replace('"', '""')
    path = write(f'k,geometry\n1,short\n2,"{quoted}"\n3,"{quoted}"\n')
    assert len(OUTLINE) > limit
    metadata = MetadataFile.inspect(path)
    assert metadata.n_rows == 3
    assert metadata.read() == {"k": ["1", "2", "3"], "geometry": ["short", OUTLINE, OUTLINE]}
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("4", "line 4: 1 fields, but the header has 2"),
        ('"4', "line 4: a quoted field does not end"),
        ('"4"x,5', "line 4: a quoted field does not end"),
    ],
)
def test_a_wrong_row_below_a_long_field_is_refused_with_its_line(write, row, words):
    path = write(f'k,geometry\n1,"{OUTLINE[:-7]}"\n3,4\n{row}\n')
    with pytest.raises(LayoutError, match=words):
        read_columns(path)


def test_a_column_of_long_fields_takes_no_more_room_than_its_text():
    column = typed_column([OUTLINE, "", "x"])
    assert column.dtype == object
    assert column.tolist() == [OUTLINE, "", "x"]
    assert typed_column(["x" * 1000]).dtype == "<U1000"


def test_columns_are_read_by_name(write):
    path = write("a,b,c\n1,2,3\n4,5,6\n")
    assert read_columns(path, ["c", "a", "z"]) == {"a": ["1", "4"], "c": ["3", "6"]}
    assert read_columns(path, []) == {}
    with pytest.raises(LayoutError, match="line 3: 2 fields"):
        read_columns(write("a,b,c\n1,2,3\n4,5\n"), [])


def test_a_file_that_has_changed_is_refused(write):
    metadata = MetadataFile.inspect(write("a\n1\n2\n"))
    write("a\n1\n2\n3\n")
    with pytest.raises(LayoutError, match=r"has 3 rows; it had 2 when the data set was opened"):
        metadata.read()


def test_a_header_of_many_names_is_checked_in_one_pass(write):
    names = [f"c{k}" for k in range(30_000)]
    assert len(read_columns(write(",".join(names) + "\n"))) == 30_000
    with pytest.raises(LayoutError, match="has a column twice: 'c7'"):
        read_columns(write(",".join([*names, "c7"]) + "\n"))


def test_gaps_of_many_columns_are_typed_alike():
    column = typed_column(["1", "NA"] * 5000)
    assert np.isnan(column[1::2]).all()
    assert (column[::2] == 1).all()
