"""An extension of griffe, which parses our docstrings: types read as they are written.

griffe takes `Layout, str or path` for a tuple, and words in quotes for names.  Here the tuple loses
its brackets, and the words get their quotes back.  It takes the first word, or the default of
the first of several parameters, for the default of all; here each has that of the signature.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe


class DocstringTypes(griffe.Extension):
    """Changes the types in all docstrings of a package."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Parse the docstrings, which are kept parsed, and change types and defaults."""
        for docstring in _docstrings(pkg):
            docstring.parser = griffe.Parser.numpy
            for section in docstring.parsed:
                for item in section.value if isinstance(section.value, list) else ():
                    if isinstance(getattr(item, "annotation", None), griffe.ExprTuple):
                        item.annotation = _as_written(item.annotation, docstring.value)
                    if isinstance(item, griffe.DocstringParameter):
                        _follow_signature(item, docstring)


def _follow_signature(item: griffe.DocstringParameter, docstring: griffe.Docstring) -> None:
    """Give a parameter its own default, and its own type where the docstring has none."""
    own = _parameter(docstring.parent, item.name)
    if own is None:
        return
    item.value = None if own.default is None else str(own.default).replace("'", '"')
    if not re.search(
        rf"^[\w, *]*\b{re.escape(item.name)}\b[\w, *]* : ", docstring.value, re.MULTILINE
    ):
        item.annotation = own.annotation


def _parameter(entry: griffe.Object | None, name: str) -> griffe.Parameter | None:
    """Return a parameter of a function or class, or None if it is not known."""
    parameters = getattr(entry, "parameters", None)
    return parameters[name] if parameters is not None and name in parameters else None


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
