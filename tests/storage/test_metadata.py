"""metadata.csv: the dialects it comes in, the types of its columns, and the release's own."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloudio
from cloudio import LayoutError, RequestError
from cloudio.storage.metadata.columns import typed_column
from cloudio.storage.metadata.conditions import column_text, equals_any
from cloudio.storage.metadata.csv_file import read_columns


@pytest.fixture
def read(tmp_path):
    """Read the columns of a file of these bytes."""

    def write_and_read(content):
        path = tmp_path / "metadata.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_columns(path)

    return write_and_read


# ---- dialects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_any_line_end_will_do(read, end, last):
    assert read(end.join(["a,b", "1,2", "3,4"]) + end * last) == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize("header", ["index,b", '"index",b'])
def test_a_byte_order_mark_is_no_part_of_a_name(read, header):
    assert list(read(f"\ufeff{header}\n1,2\n")) == ["index", "b"]


def test_quotes_keep_commas_line_ends_and_quotes(read):
    assert read('a,b\n"1,5","x\n\r\ny"\n"say ""no""",z\n') == {
        "a": ["1,5", 'say "no"'],
        "b": ["x\n\r\ny", "z"],
    }


@pytest.mark.parametrize("text", ["\n\na,b\n\n1,2\n\n\n3,4\n\n", "a,b\r\n\r\n1,2\r\n3,4\r\n\r\n"])
def test_blank_lines_are_no_rows(read, text):
    assert read(text) == {"a": ["1", "3"], "b": ["2", "4"]}


def test_a_row_of_empty_fields_is_a_row(read):
    assert read("a,b\n,\n1,2\n") == {"a": ["", "1"], "b": ["", "2"]}
    assert read('a\n""\n1\n') == {"a": ["", "1"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "metadata.csv, line 3: 1 fields, but the header has 2"),
        ("a,b\n1,2,3\n", "metadata.csv, line 2: 3 fields, but the header has 2"),
        ('a,b\n"1\n1",2\n\n3,4,\n', "metadata.csv, line 5: 3 fields, but the header has 2"),
        ('a,b\n1,"2\n3,4\n', "metadata.csv, line 3: unexpected end of data"),
        ('a,b\n"1"x,2\n', "metadata.csv, line 2: ',' expected after '\"'"),
    ],
)
def test_a_broken_row_is_refused_with_its_line(read, text, words):
    with pytest.raises(LayoutError, match=words):
        read(text)


def test_a_column_named_twice_is_refused(read):
    with pytest.raises(LayoutError, match=r"metadata\.csv has a column twice: 'a', ''$"):
        read("a,b,,a,,c\n1,2,3,4,5,6\n")


@pytest.mark.parametrize("before", [0, 100, 100_000], ids=["header", "first page", "later"])
def test_a_file_that_is_not_utf8_is_refused(read, before):
    content = b"a,b\n" + b"1,2\n" * before + b"Espa\xf1a,3\n"
    with pytest.raises(
        LayoutError, match=r"metadata.csv is not UTF-8: line .* the byte 0xf1; save it as UTF-8"
    ):
        read(content if before else b"\xf1," + content)


def test_spaces_after_commas_and_around_names_are_no_part_of_them(read):
    text = 'index, roi_id , geometry\n1, ROI 1, "POINT(1, 2)"\n2,  ROI 2," x"\n'
    assert read(text) == {
        "index": ["1", "2"],
        "roi_id": ["ROI 1", "ROI 2"],
        "geometry": ["POINT(1, 2)", " x"],
    }
    with pytest.raises(LayoutError, match=r"has a column twice: 'a'$"):
        read("a, a\n1,2\n")


def test_a_comma_at_the_end_of_each_line_makes_no_column(read):
    assert read("a,b,\n1,2,\n3,4,\n") == {"a": ["1", "3"], "b": ["2", "4"]}
    assert read("a,b,\n1,2,\n3,4,5\n") == {"a": ["1", "3"], "b": ["2", "4"], "": ["", "5"]}
    assert read(",b\n0,x\n") == {"": ["0"], "b": ["x"]}  # as pandas writes its own index
    with pytest.raises(LayoutError, match="line 2: 2 fields, but the header has 3"):
        read("a,b,\n1,2\n")


@pytest.mark.parametrize(
    ("mark", "separator"), [(";", "semicolons (';')"), ("\t", r"tabs ('\t')"), ("|", "bars ('|')")]
)
def test_other_separators_than_commas_are_refused_by_name(read, mark, separator):
    text = f'index{mark}proj_geometry{mark}x\n1{mark}"POINT (1, 2)"{mark}0,5\n'
    with pytest.raises(LayoutError) as caught:
        read(text)
    assert str(caught.value).endswith(
        f"metadata.csv is separated by {separator}; it must be separated by commas"
    )
    assert read(f"a,b{mark}c\n1,2{mark}3\n") == {"a": ["1"], f"b{mark}c": [f"2{mark}3"]}


def test_decimal_commas_are_a_field_too_many_or_text(read):
    with pytest.raises(LayoutError, match="line 2: 3 fields, but the header has 2"):
        read("a,b\n1,5,x\n")
    column = typed_column(read('a,b\n"1,5",x\n')["a"])
    assert column.tolist() == ["1,5"]
    with pytest.raises(RequestError, match=r"^a=1.5; a holds text, .*: '1,5' of patch 0 is"):
        equals_any("a", column, 1.5)


def test_a_file_of_two_bytes_a_letter_is_refused(read):
    with pytest.raises(LayoutError, match=r"metadata.csv is not UTF-8"):
        read("a,b\n1,2\n".encode("utf-16"))


def test_an_empty_file_has_no_columns_and_a_header_alone_no_rows(read):
    assert read("") == {}
    assert read("\ufeff") == {}
    assert read("a,b\n") == {"a": [], "b": []}


# ---- types ---------------------------------------------------------------------------------------


def same(array, expected):
    """Whether two arrays have the same type and the same elements, NaN and NaT among them."""
    return array.dtype == expected.dtype and np.array_equal(
        array, expected, equal_nan=expected.dtype.kind in "fM"
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["1", "-2", "0"], np.array([1, -2, 0], np.int64)),
        ([" 1", "2 "], np.array([1, 2], np.int64)),
        (["999999999999999999", "1"], np.array([999999999999999999, 1], np.int64)),
        (["1", ""], np.array([1, np.nan])),
        (["1", " "], np.array([1, np.nan])),
        (["1.5", "2", "-.5", "1e-3", "3."], np.array([1.5, 2, -0.5, 1e-3, 3])),
        (["nan", "NaN", "1"], np.array([np.nan, np.nan, 1])),
        (["inf", "-Inf"], np.array([np.inf, -np.inf])),
        (["nan", ""], np.array([np.nan, np.nan])),
        (["NA", "3", "N/A", "<NA>", "#N/A"], np.array([np.nan, 3, np.nan, np.nan, np.nan])),
        (["0.5", "NULL", "null", "\\N", "None"], np.array([0.5] + 4 * [np.nan])),
        (
            ["NaT", "NA", "", "2020-02-29", "nan"],
            np.array(3 * ["NaT"] + ["2020-02-29", "NaT"], "M8[D]"),
        ),
        (["2020-06-01 10:00:00+00:00"], np.array(["2020-06-01T10:00:00"], "M8[s]")),
        (["2020-06-01T00:30+02:00"], np.array(["2020-05-31T22:30"], "M8[m]")),
        (["2020-06-01T10:00:00-0330", "NaT"], np.array(["2020-06-01T13:30:00", "NaT"], "M8[s]")),
        (
            ["2020-06-01 10:00:00 UTC", "2020-06-01 10:00 +01"],
            np.array(["2020-06-01T10:00:00", "2020-06-01T09:00:00"], "M8[s]"),
        ),
        (
            ["2020-06-01T10:00:00.000000000", "9999-12-31"],
            np.array(["2020-06-01T10:00:00", "9999-12-31"], "M8[us]"),
        ),
        (["2020-06-01T10:00:00.123456789Z"], np.array(["2020-06-01T10:00:00.123456789"], "M8[ns]")),
        (
            ["2020-06-01T10:00:00.1234560", "2020-06-01"],
            np.array(["2020-06-01T10:00:00.123456", "2020-06-01"], "M8[us]"),
        ),
        (["2020-02-29", ""], np.array(["2020-02-29", "NaT"], "M8[D]")),
        (["2020-02-29Z"], np.array(["2020-02-29"], "M8[D]")),
        (["2020-01-01T10:20", "2020-01-01"], np.array(["2020-01-01T10:20", "2020-01-01"], "M8[m]")),
        (["2020-01-01 10:20:30"], np.array(["2020-01-01T10:20:30"], "M8[s]")),
        (["2020-01-01T10:20:30.25Z"], np.array(["2020-01-01T10:20:30.250"], "M8[ms]")),
        (
            ["9999-12-31", "2020-01-01T10:20:30.123456"],
            np.array(["9999-12-31", "2020-01-01T10:20:30.123456"], "M8[us]"),
        ),
    ],
)
def test_a_column_gets_the_type_that_all_its_fields_allow(fields, expected):
    assert same(typed_column(fields), expected)


@pytest.mark.parametrize(
    "fields",
    [
        ["007", "012"],
        ["02.08", "02.09"],
        ["0012", ""],
        ["-01"],
        ["12345678901234567890", "1"],
        ["9007199254740993", ""],
        ["9223372036854775807"],
        ["1_000"],
        ["1 000"],
        ["1,5"],
        ["1\u0663"],
        ["1.\u0663"],
        ["202\u0660-01-01"],
        ["0x10"],
        ["1", "2020-01-01"],
        ["True", "False"],
        ["2020-02-30"],
        ["2020-13-01"],
        ["0000-00-00"],
        ["2020-1-1"],
        ["20200101T101010"],
        ["2020-01-01T10"],
        ["2020-01-01+02:00"],
        ["2020-01-01T10:00:00+15:00"],
        ["2020-01-01T10:00:00+02:60"],
        ["2020-01-01T10:00:00.1234567891"],
        ["2020-01-01T10:00:00.123456789", "9999-12-31"],
        ["NA", "EU", "1"],
        ["NA", "NA"],
        ["None", ""],
        ["NaT", "null"],
        ["12345678901234567", "NA"],
        ["2020-01-01", "unknown"],
        ["-", ""],
        ["", ""],
        [],
    ],
)
def test_what_a_number_or_a_date_would_spoil_stays_text(fields):
    column = typed_column(fields)
    assert column.dtype.kind == "U"
    assert column.tolist() == fields


def test_text_keeps_its_spaces():
    assert typed_column([" a", "b "]).tolist() == [" a", "b "]


@given(st.lists(st.integers(-(10**18) + 1, 10**18 - 1), min_size=1))
def test_whole_numbers_come_back_as_they_were(numbers):
    assert same(typed_column([str(number) for number in numbers]), np.array(numbers, np.int64))


@given(st.lists(st.floats(), min_size=1))
def test_numbers_come_back_as_they_were(numbers):
    written = [repr(number) for number in numbers]
    column = typed_column(written)
    if column.dtype.kind == "f":
        assert np.array_equal(column, numbers, equal_nan=True)
    else:
        assert any(len(field.partition(".")[0].lstrip("-")) > 15 for field in written)


@given(st.lists(st.text(), min_size=1))
def test_no_text_is_refused(fields):
    assert typed_column(fields).shape == (len(fields),)


# ---- conditions ----------------------------------------------------------------------------------

WHOLE = typed_column(["3", "-1", "9007199254740993", "0"])
REAL = typed_column(["1.5", "", "2", "nan", "inf"])
DAYS = typed_column(["2019-06-01", "", "2019-06-30", "2020-06-01"])
SECONDS = typed_column(["2019-06-01T00:00:00", "2019-06-01T23:59:59", "1969-12-31T23:00:00", ""])
TEXT = typed_column(["cloudy", "", " ", "Cloudy", "cloudy "])


@pytest.mark.parametrize(
    ("column", "wanted", "rows"),
    [
        (WHOLE, 3, [0]),
        (WHOLE, 3.0, [0]),
        (WHOLE, np.uint8(3), [0]),
        (WHOLE, np.array(3), [0]),
        (WHOLE, (3, 0, 3), [0, 3]),
        (WHOLE, range(-1, 1), [1, 3]),
        (WHOLE, (n for n in (3, 0)), [0, 3]),
        (WHOLE, 9007199254740992.0, []),
        (WHOLE, 9007199254740993, [2]),
        (WHOLE, 10**30, []),
        (WHOLE, 3.5, []),
        (WHOLE, None, []),
        (WHOLE, [], []),
        (REAL, 2, [2]),
        (REAL, np.array([1.5, 2]), [0, 2]),
        (REAL, float("inf"), [4]),
        (REAL, float("nan"), [1, 3]),
        (REAL, None, [1, 3]),
        (REAL, (None, 2), [1, 2, 3]),
        (DAYS, "2019-06-01", [0]),
        (DAYS, " 2019-06-01Z", [0]),
        (DAYS, "2019-06-01T00:00", [0]),
        (DAYS, "2019-06-01T10:00", []),
        (DAYS, "2019-06", [0, 2]),
        (DAYS, "2019", [0, 2]),
        (DAYS, datetime.date(2019, 6, 30), [2]),
        (DAYS, datetime.datetime(2019, 6, 30), [2]),
        (DAYS, np.datetime64("2019-06"), [0, 2]),
        (DAYS, DAYS[2:], [2, 3]),
        (DAYS, {"2019-06-01", "2020"}, [0, 3]),
        (DAYS, np.datetime64("NaT", "D"), [1]),
        (DAYS, datetime.datetime(2019, 6, 1, tzinfo=datetime.UTC), [0]),
        (SECONDS, datetime.datetime.fromisoformat("2019-06-02T01:59:59+02:00"), [1]),
        (SECONDS, "2019-06-02 01:59:59+02:00", [1]),
        (SECONDS, np.datetime64("2019-06-01T23:59:59", "ns"), [1]),
        (DAYS, "", [1]),
        (DAYS, None, [1]),
        (SECONDS, "2019-06-01", [0, 1]),
        (SECONDS, "2019-06-01 23:59:59", [1]),
        (SECONDS, "1969-12-31", [2]),
        (SECONDS, datetime.datetime(2019, 6, 1), [0]),
        (TEXT, "cloudy", [0, 4]),
        (TEXT, np.str_("cloudy"), [0, 4]),
        (TEXT, np.array(["Cloudy", "x"]), [3]),
        (TEXT, "cloudy ", [0, 4]),
        (TEXT, "", [1, 2]),
        (TEXT, None, [1, 2]),
        (TEXT, {"cloudy": 1}.keys(), [0, 4]),
    ],
)
def test_a_condition_finds_the_fields_that_equal_it(column, wanted, rows):
    found = equals_any("name", column, wanted)
    assert found.dtype == bool
    assert np.flatnonzero(found).tolist() == rows


@pytest.mark.parametrize(
    ("column", "wanted", "holds"),
    [
        (WHOLE, "3", "whole numbers"),
        (WHOLE, True, "whole numbers"),
        (WHOLE, np.bool_(True), "whole numbers"),
        (WHOLE, [[3]], "whole numbers"),
        (WHOLE, 3 + 0j, "whole numbers"),
        (WHOLE, np.datetime64("2019-06-01"), "whole numbers"),
        (REAL, "1.5", "numbers"),
        (REAL, {"least": 1}, "numbers"),
        (REAL, np.timedelta64(1, "s"), "numbers"),
        (DAYS, 2019, "dates"),
        (DAYS, "June", "dates"),
        (DAYS, "2019-13-01", "dates"),
        (DAYS, "today", "dates"),
        (DAYS, b"2019-06-01", "dates"),
        (TEXT, 5, "text"),
        (TEXT, b"cloudy", "text"),
        (TEXT, ("cloudy", 5), "text"),
    ],
)
def test_what_a_column_cannot_equal_is_refused_with_its_type(column, wanted, holds):
    with pytest.raises(RequestError) as caught:
        equals_any("name", column, wanted)
    refusal = f"name={wanted!r}; name holds {holds}, and cannot equal it"
    hints = {"3": "; give the number 3", "1.5": "; give the number 1.5"}
    hint = hints.get(wanted, "") if isinstance(wanted, str) else ""
    if holds == "dates":
        hint = "; give a date such as '2020-06-25', a month '2020-06' or a year '2020'"
    assert str(caught.value) == refusal + hint


@given(st.lists(st.none() | st.floats(allow_infinity=False, width=32), min_size=1), st.data())
def test_a_condition_agrees_with_numpy(numbers, data):
    column = np.array([np.nan if x is None else x for x in numbers])
    wanted = data.draw(st.lists(st.sampled_from([x for x in column.tolist() if x == x] or [0.0])))
    assert np.array_equal(equals_any("x", column, wanted), np.isin(column, wanted))


def test_fields_are_the_same_words_whatever_type_a_column_has():
    whole, real = typed_column(["3", "-1", "0"]), typed_column(["3.0", "-1.", "-0.0"])
    assert column_text(whole) == column_text(real) == ["3", "-1", "0"]
    assert column_text(typed_column(["0.5", "", "1e300", "inf"]))[:2] == ["0.5", ""]
    assert column_text(typed_column(["2019-06-01", ""])) == ["2019-06-01T00:00:00.000000", ""]
    assert column_text(typed_column(["2019-06-01T00:00", ""])) == column_text(
        typed_column(["2019-06-01", ""])
    )
    assert column_text(typed_column([" a", "a ", " "])) == ["a", "a", ""]


# ---- the release's form --------------------------------------------------------------------------

COLUMNS = (
    "index annotator_name roi_id s2_id_gee s2_id s2_date s2_sen2cor_version s2_fmask_version "
    "s2_cloudless_version s2_reflectance_conversion_correction s2_aot_retrieval_accuracy "
    "s2_water_vapour_retrieval_accuracy s2_view_off_nadir s2_view_sun_azimuth "
    "s2_view_sun_elevation s1_id s1_date s1_grd_post_processing_software_name "
    "s1_grd_post_processing_software_version s1_slc_processing_facility_name "
    "s1_slc_processing_software_version s1_radar_coverage land_cover label_type cloud_coverage "
    "test difficulty proj_epsg proj_geometry proj_shape proj_centroid proj_transform test_sr"
).split()


def test_the_release_has_33_columns_typed_by_what_they_hold(mini):
    metadata = mini.metadata
    assert list(metadata) == COLUMNS
    assert len(COLUMNS) == 33
    assert {len(column) for column in metadata.values()} == {6}
    kinds = {"index": "i", "roi_id": "U", "s2_date": "M", "proj_epsg": "i", "proj_geometry": "U"}
    assert {name: metadata[name].dtype.kind for name in kinds} == kinds
    assert metadata["proj_geometry"][0].count(",") == 4
    assert metadata["proj_transform"][0].startswith("[10, 0, ")


def test_row_k_of_the_release_describes_patch_k(mini, realdata):
    parts = [cloudio.open(realdata / name).metadata["index"] for name in ("train", "val", "test")]
    assert [len(part) for part in parts] == [3, 1, 2]
    assert np.array_equal(mini.metadata["index"], np.concatenate(parts))
    assert parts[0][:2].tolist() == [5, 22]


def test_digits_beyond_any_number_are_names():
    assert typed_column(["12e400", "34e400"]).tolist() == ["12e400", "34e400"]
    assert typed_column(["inf", "-Inf", "1e3"]).tolist() == [np.inf, -np.inf, 1000.0]
