"""Conditions on metadata: values of other libraries, and dates in columns of text."""

import copy
import datetime
import pickle

import numpy as np
import pytest

from cloudio import RequestError
from cloudio.storage.metadata.columns import typed_column
from cloudio.storage.metadata.conditions import equals_any
from cloudio.storage.metadata.table import Columns

DAYS = typed_column(["2019-06-01", "", "2019-06-30", "9999-12-31"])
NANOSECONDS = typed_column(["2019-06-01T00:00:00.000000001", "2019-06-01"])
WHOLE = typed_column(["3", "-1", "7"])
REAL = typed_column(["1.5", "NA", "2"])
TEXT = typed_column(["NA", "EU", ""])


def rows(column, wanted):
    return np.flatnonzero(equals_any("x", column, wanted)).tolist()


# ---- stand-ins with the methods that values are told by, where a library is not installed --------


class Timestamp(datetime.datetime):
    """A date of pandas."""

    def to_datetime64(self):
        return np.datetime64(self.replace(tzinfo=None), "ns")


class NaTType:
    def to_datetime64(self):
        return np.datetime64("NaT", "ns")


class NAType:
    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None


class Period:
    freqstr = "M"

    def __str__(self):
        return "2019-06"


class Numbers:
    """A tensor, or a Series."""

    def __init__(self, *values, ndim=1):
        self.values, self.ndim = values, ndim

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return map(Numbers, self.values)

    def tolist(self):
        return list(self.values) if self.ndim else self.values[0]


@pytest.mark.parametrize(
    ("column", "wanted", "found"),
    [
        (DAYS, Timestamp(2019, 6, 1), [0]),
        (DAYS, [Timestamp(2019, 6, 1), NaTType()], [0, 1]),
        (DAYS, Timestamp(2019, 6, 1, 10), []),
        (NANOSECONDS, Timestamp(2019, 6, 1), [1]),
        (NANOSECONDS, np.datetime64("2019-06-01T00:00:00.000000001"), [0]),
        (NANOSECONDS, "2019-06-01", [0, 1]),
        (DAYS, NaTType(), [1]),
        (DAYS, NAType(), [1]),
        (REAL, NAType(), [1]),
        (REAL, [None, 2], [1, 2]),
        (DAYS, Period(), [0, 2]),
        (WHOLE, Numbers(3, ndim=0), [0]),
        (WHOLE, Numbers(3, 7), [0, 2]),
        (WHOLE, [Numbers(3.0, ndim=0), np.int8(-1)], [0, 1]),
        (REAL, np.array([1.5, None], dtype=object), [0, 1]),
        (TEXT, Numbers("NA", "EU"), [0, 1]),
        (TEXT, "NA", [0]),
        (TEXT, None, [2]),
        (TEXT, np.array("EU"), [1]),
    ],
)
def test_values_of_other_libraries_are_taken_as_what_they_mean(column, wanted, found):
    assert rows(column, wanted) == found


def test_a_table_is_no_list_of_the_names_of_its_columns():
    class Table(list):
        ndim = 2

    with pytest.raises(RequestError, match=r"^x=\['EU'\]; x holds text, and cannot equal"):
        equals_any("x", TEXT, Table(["EU"]))


def test_a_long_condition_is_not_printed_as_a_whole():
    with pytest.raises(RequestError) as caught:
        equals_any("x", WHOLE, ["a"] * 1000)
    assert str(caught.value).startswith("x=list with 'a'; x holds whole numbers, and")


@pytest.mark.parametrize(
    ("column", "value", "hint"),
    [
        (WHOLE, "3", "; give the number 3"),
        (REAL, "1e3", "; give the number 1000.0"),
        (WHOLE, "three", ""),
        (typed_column(["True", "False"]), True, "; give the text 'True'"),
        (typed_column(["1,5", "x"]), 1.5, ": '1,5' of patch 0 is not a number"),
        (typed_column(["x", "1,5"]), 1.5, ""),
        (
            typed_column(["2019-06-01", "later"]),
            datetime.date(2019, 6, 1),
            ": 'later' of patch 1 is no ISO date",
        ),
    ],
)
def test_a_refusal_says_what_may_be_meant(column, value, hint):
    with pytest.raises(RequestError) as caught:
        equals_any("x", column, value)
    assert str(caught.value).endswith(f"and cannot equal it{hint}")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (["01/06/2020", "02/06/2020"], "2020-06-01"),
        (["01/06/2020", "02/06/2020"], "2020-06"),
        (["01/06/2020", "02/06/2020"], "2020"),
        (["01/06/2020", "02/06/2020"], "31.12.2020"),
        (["1 June 2020", ""], "2020-06-01"),
        (["Mon, 01 Jun 2020 10:20:30 GMT", "x"], "2020-06-01"),
        (["Mon Jun 01 2020 10:20:30 GMT+0000", "x"], "2020"),
        (["Jun  1 2020 10:20AM", "x"], "2020-06"),
        (["20200601T101010", "x"], "2020-06-01"),
        (["2020-06-01T10:00", "later"], "2020-06-01"),
        (["2020-06-01", "2020-06-01T10:00", "later"], "2020-06-01"),
        (["2020-06-01", "later"], ["later", "2020-06"]),
        (["2020-06-01", "later"], "2020"),
    ],
)
def test_a_date_among_text_that_looks_like_dates_is_refused(fields, wanted):
    with pytest.raises(RequestError) as caught:
        equals_any("x", typed_column(fields), wanted)
    assert "x holds text, not dates, so that only the same text equals it" in str(caught.value)
    assert "is no ISO date; write all of them as 2019-06-01" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "wanted", "found"),
    [
        (["01/06/2020", "02/06/2020"], "02/06/2020", [1]),
        (["2020-06-01", "later"], "2020-06-01", [0]),
        (["2020-06-01", "later"], "later", [0 + 1]),
        (["2020-06-01", "later"], "sooner", []),
        (["S2A_20200601", "S2B"], "2020-06-01", []),
        (["2020Q1", "2020-W02", "Site 12"], "2020-06-01", []),
        (["v2020-06", "2020-06-01-a"], "v2020-06", [0]),
    ],
)
def test_the_same_text_is_found_and_other_text_is_not(fields, wanted, found):
    assert rows(typed_column(fields), wanted) == found


# ---- the mapping ---------------------------------------------------------------------------------


def test_columns_are_a_dict_that_cannot_be_changed_and_copies_as_one_that_can():
    columns = Columns({"a": np.arange(3)})
    for change in (
        lambda: columns.update(b=1),
        lambda: columns.__setitem__("a", 1),
        lambda: columns.__delitem__("a"),
        lambda: columns.__ior__({"b": 1}),
        lambda: columns.setdefault("b", 1),
        lambda: columns.pop("a"),
        columns.popitem,
        columns.clear,
    ):
        with pytest.raises(TypeError, match=r"ds.metadata cannot be changed; dict\(ds.metadata\)"):
            change()
    assert list(columns) == ["a"]
    assert isinstance(columns, dict)
    for copied in (
        pickle.loads(pickle.dumps(columns)),
        copy.copy(columns),
        copy.deepcopy(columns),
        columns | {},
        dict(columns),
    ):
        assert type(copied) is dict
        assert copied["a"].tolist() == [0, 1, 2]
        copied["b"] = 1


def test_pandas_takes_metadata_as_a_table_and_its_values_as_conditions():
    pd = pytest.importorskip("pandas")
    columns = {
        "day": typed_column(["2019-06-01", "NaT", "9999-12-31"]),
        "minute": typed_column(["2019-06-01T10:00", "", "2019-06-02T10:00+02:00"]),
        "n": typed_column(["1", "NA", "3"]),
        "text": typed_column(["NA", "EU", "x"]),
    }
    table = pd.DataFrame(Columns(columns))
    assert table.shape == (3, 4)
    assert list(table.columns) == list(columns)
    for name, column in columns.items():
        for row in range(3):
            assert rows(column, table[name].iloc[[row]]) == [row]
    assert rows(columns["day"], pd.NaT) == rows(columns["n"], pd.NA) == [1]
    assert rows(columns["minute"], pd.Timestamp("2019-06-01 12:00", tz="Europe/Berlin")) == [0]
    assert rows(columns["day"], pd.Period("2019-06", "M")) == [0]
    assert rows(columns["n"], pd.Series([3, None], dtype="Int64")) == [1, 2]
    assert rows(columns["text"], pd.Categorical(["EU", "x"])) == [1, 2]
    with pytest.raises(RequestError, match=r"^text=DataFrame with "):
        equals_any("text", columns["text"], table)
