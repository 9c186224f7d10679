"""Docstrings of the public names: numpydoc sections, with the parameters that the signature has."""

import dataclasses
import doctest
import inspect
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from public_names import PROPERTIES, PUBLIC, SPECIAL, own_constructor

import cloudio

#: The sections of numpydoc that are used, in their order.
SECTIONS = ["Parameters", "Attributes", "Returns", "Yields", "Raises", "Notes", "Examples"]


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section; those before the first one by the name ""."""
    found: dict[str, list[str]] = {"": []}
    lines = text.splitlines()
    name = ""
    for k, line in enumerate(lines):
        below = lines[k + 1] if k + 1 < len(lines) else ""
        if line and re.fullmatch("-{3,}", below):
            assert line in SECTIONS, f"{line!r} is no section"
            assert len(line) == len(below), f"the line below {line} is longer or shorter"
            assert line not in found, f"{line} occurs twice"
            name = line
            found[name] = []
        elif not re.fullmatch("-{3,}", line):
            found[name].append(line)
    order = [SECTIONS.index(name) for name in found if name]
    assert order == sorted(order), f"the order is {', '.join(SECTIONS)}"
    return found


def entries(lines: list[str]) -> list[str]:
    """Return the names that a section explains; each must be explained."""
    names = []
    for line, below in pairwise([*lines, ""]):
        if line and not line.startswith(" "):
            names += line.partition(" : ")[0].split(", ")
            assert below.startswith("    "), f"{line!r} is not explained"
    return names


def parameters(called: Any) -> list[str]:
    """Return the parameters of a signature, as numpydoc writes them."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        stars.get(parameter.kind, "") + name
        for name, parameter in inspect.signature(called).parameters.items()
        if name not in ("self", "cls")
    ]


each_public = pytest.mark.parametrize("name", PUBLIC)


def docstring(name: str) -> str:
    """Return a docstring; that of a method may be the one of the method that it replaces."""
    entry = PUBLIC[name]
    if inspect.isclass(entry):
        text = vars(entry).get("__doc__")
    else:
        owner, _, member = name.rpartition(".")
        text = inspect.getdoc(getattr(PUBLIC[owner], member) if owner in PUBLIC else entry)
    assert text, f"{name} has no docstring"
    return inspect.cleandoc(text)


@each_public
def test_the_summary_is_one_line_that_ends_with_a_period(name):
    summary, *rest = docstring(name).splitlines()
    assert summary.endswith(".")
    assert not rest or not rest[0], "an empty line follows"
    assert summary[0].isupper() or summary.startswith("`")


@each_public
def test_the_parameters_are_those_of_the_signature(name):
    entry = PUBLIC[name]
    found = sections(docstring(name))
    if isinstance(entry, PROPERTIES):
        assert not {"Parameters", "Attributes"} & found.keys()
        return
    if not inspect.isclass(entry):
        assert "Attributes" not in found
        if name.rpartition(".")[2] in SPECIAL and "Parameters" not in found:
            return
        assert entries(found.get("Parameters", [])) == parameters(entry)
    elif own_constructor(entry):
        # Of what people do not make themselves the parts are explained instead.
        is_record = dataclasses.is_dataclass(entry) or hasattr(entry, "_fields")
        assert ("Attributes" in found) + ("Parameters" in found) == 1
        assert is_record or "Parameters" in found
        explained = found.get("Parameters") or found["Attributes"]
        assert entries(explained) == parameters(entry)
    else:
        assert "Parameters" not in found


@each_public
def test_what_is_returned_is_explained(name):
    entry = PUBLIC[name]
    found = sections(docstring(name))
    if inspect.isclass(entry) or isinstance(entry, PROPERTIES):
        assert not {"Returns", "Yields"} & found.keys()
        return
    if name.rpartition(".")[2] in SPECIAL and not {"Returns", "Yields"} & found.keys():
        return
    returned = inspect.signature(entry).return_annotation
    assert returned is not inspect.Signature.empty
    explained = found.get("Returns") or found.get("Yields") or []
    assert bool(entries(explained)) == (returned not in (None, "None"))


@each_public
def test_errors_are_explained(name):
    for error in entries(sections(docstring(name)).get("Raises", [])):
        kind = getattr(cloudio, error, None) or getattr(__import__("builtins"), error)
        assert issubclass(kind, Exception)


WITH_EXAMPLES = [name for name in PUBLIC if ">>>" in (PUBLIC[name].__doc__ or "")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"cloudio": cloudio, "np": np}
    example = doctest.DocTestParser().get_doctest(docstring(name), names, name, None, None)
    failed, _ = doctest.DocTestRunner().run(example)
    assert not failed
