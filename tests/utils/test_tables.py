"""The same rows as aligned lines and as HTML."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudio._utils import tables
from cloudio._utils.text import escape_controls

ROWS = [("array", "GB"), ("L1C_B4", "4.451"), ("fmask", "12.2")]


class Cells(HTMLParser):
    """What a browser finds in a table."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str, str]]] = []
        self.caption: str | None = None
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, "a tag is not closed"

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append((tag, dict(attrs)["style"], ""))
        elif tag == "caption":
            self.caption = ""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            tag, style, words = self.rows[-1][-1]
            self.rows[-1][-1] = tag, style, words + data
        elif self.open[-1] == "caption":
            self.caption += data
        else:
            assert data.isspace()


def test_columns_are_aligned():
    assert tables.text([("a", "1"), ("bcd", "23")], {1}) == "a     1\nbcd  23"
    assert tables.text([("a", "1"), ("bcd", "23")]) == "a    1\nbcd  23"


def test_no_rows_are_no_lines():
    assert tables.text([]) == ""
    assert Cells(tables.html([])).rows == []


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        tables.text([("a", "b"), ("c",)])


def test_html_has_a_head_and_numbers_flush_right():
    found = Cells(tables.html(ROWS, {1}, "what there is"))
    assert found.caption == "what there is"
    assert [[(tag, word) for tag, _, word in row] for row in found.rows] == [
        [("th", "array"), ("th", "GB")],
        [("td", "L1C_B4"), ("td", "4.451")],
        [("td", "fmask"), ("td", "12.2")],
    ]
    for row in found.rows:
        assert [style for _, style, _ in row] == ["text-align: left", "text-align: right"]


def test_html_without_a_head_or_a_caption():
    found = Cells(tables.html(ROWS, header=False))
    assert {tag for row in found.rows for tag, *_ in row} == {"td"}
    assert found.caption is None
    assert "thead" not in tables.html(ROWS, header=False)


words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'/"), max_size=8
)


@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[words] * n), min_size=1)), words)
def test_html_holds_the_words_whatever_they_are(rows, caption):
    found = Cells(tables.html(rows, caption=caption))
    assert [tuple(word for *_, word in row) for row in found.rows] == [
        tuple(map(escape_controls, row)) for row in rows
    ]
    assert (found.caption or "") == escape_controls(caption)
