"""An extension of griffe, which parses our docstrings: types read as they are written.

griffe takes `Layout, str or path` for a tuple, and words in quotes for names.  Here the tuple loses
its brackets, and the words get their quotes back.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe


class DocstringTypes(griffe.Extension):
    """Changes the types in all docstrings of a package."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Parse the docstrings, which are kept parsed, and change their types."""
        for docstring in _docstrings(pkg):
            docstring.parser = griffe.Parser.numpy
            for section in docstring.parsed:
                for item in section.value if isinstance(section.value, list) else ():
                    if isinstance(getattr(item, "annotation", None), griffe.ExprTuple):
                        item.annotation = _as_written(item.annotation, docstring.value)


def _docstrings(entry: griffe.Object) -> Iterator[griffe.Docstring]:
    if entry.docstring is not None:
        yield entry.docstring
    for member in entry.members.values():
        if not member.is_alias:
            yield from _docstrings(member)


def _as_written(type_: griffe.ExprTuple, text: str) -> griffe.ExprTuple:
    """Return what stands in ``text`` for a type that griffe took for a tuple."""
    if str(type_) in text:
        return type_  # such as (row, col)
    plain = str(type_)[1:-1]
    for line in text.splitlines():
        written = re.sub(r"(, optional|, default .*)$", "", line.rpartition(" : ")[2]).strip("{}")
        if '"' in written and written.replace('"', "") == plain:
            return griffe.ExprTuple(written.split(", "), implicit=True)
    return griffe.ExprTuple(type_.elements, implicit=True)
