"""Patterns of paths: what they match, against Python's regular expressions, and what is refused."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import scaled

from cloudio import RequestError
from cloudio.packing.sources.matching.patterns import Pattern

# Few characters, so that names can be divided in several ways; some have a meaning in patterns of
# other kinds.
LETTERS = "ab_-1.[]()+?é \n"
NAMES = ("id", "split", "band", "x")


def expression(parts):
    """Return the regular expression that a pattern means; what is found twice is the same."""
    text, seen = "", set()
    for part in parts:
        if part == "*":
            text += "[^/]*?"
        elif part.startswith("{"):
            name = part[1:-1]
            lazy = "?" if name in ("split", "band") else ""
            text += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+{lazy})"
            seen.add(name)
        else:
            text += re.escape(part)
    return re.compile(text, re.DOTALL)


literals = st.text("a_.[+", min_size=1, max_size=2)
variables = st.sampled_from([*(f"{{{name}}}" for name in NAMES), "*"])


@st.composite
def components(draw):
    """Draw literals and variables, which literals separate."""
    found = [draw(variables)]
    for _ in range(draw(st.integers(0, 2))):
        found += [draw(literals), draw(variables)]
    if draw(st.booleans()):
        found.append(draw(literals))
    return ["a", *found] if draw(st.booleans()) else found


@given(
    parts=st.lists(components(), min_size=1, max_size=3),
    names=st.lists(st.text("ab_.[+", min_size=1, max_size=9), min_size=1, max_size=3),
)
@example(parts=[["{x}", "_", "{id}"], ["{id}", ".a"]], names=["a_b_a", "b_a.a"])
@example(parts=[["{id}", "_", "{id}"]], names=["a_b_a_b"])
@example(parts=[["{split}", "_", "{id}", "_", "{band}"]], names=["a_b_a_b"])
@settings(max_examples=scaled(150, 2000))
def test_it_matches_what_a_regular_expression_matches_with_the_same_fields(parts, names):
    text = "/".join("".join(part) for part in parts)
    path = "/".join(names)
    joined = [x for part in parts for x in [*part, "/"]][:-1]
    oracle = expression(joined).fullmatch(path)
    hidden = any(
        name[0] == "." and not part[0].startswith(".")
        for name, part in zip(names, parts, strict=False)
    )
    if len(names) != len(parts) or hidden:
        oracle = None
    found = Pattern(text).match_path(path)
    assert found == (None if oracle is None else oracle.groupdict())


@given(values=st.tuples(*[st.text(LETTERS, min_size=1, max_size=8)] * 2))
@settings(max_examples=scaled(60, 500))
def test_odd_characters_are_literal_in_names_and_in_patterns(values):
    scene, name = values
    pattern = Pattern("a [b].{{x}}/{scene}/(1+1?) {id}.TIF")
    found = pattern.match_path(f"a [b].{{x}}/{scene}/(1+1?) {name}.TIF")
    expected = None if scene.startswith(".") else {"scene": scene, "id": name}
    assert found == expected
    assert pattern.match_path(f"a [b].{{x}}/{scene}/(1+1?) {name}.tif") is None
    assert pattern.match_path(f"a b.{{x}}/{scene}/(1+1?) {name}.TIF") is None


@pytest.mark.parametrize(
    ("pattern", "path", "fields"),
    [
        ("{split}/images/{id}.tif", "train/images/a.b.tif", {"split": "train", "id": "a.b"}),
        ("{id}.tif", "a/b.tif", None),
        ("{id}.tif", ".tif", None),
        ("{id}_mask.tif", "_mask.tif", None),
        ("{split}_{id}.tif", "train_a_1.tif", {"split": "train", "id": "a_1"}),
        ("{id}_{band}.tif", "T30_a_B8A.tif", {"id": "T30_a", "band": "B8A"}),
        ("{city}/{city}_{id}.png", "ulm/ulm_1_2.png", {"city": "ulm", "id": "1_2"}),
        ("{city}/{city}_{id}.png", "ulm/bonn_1.png", None),
        ("**/{id}.tif", "a.tif", {"id": "a"}),
        ("**/{id}.tif", "x/y/a.tif", {"id": "a"}),
        ("**/{split}/**/{id}.tif", "x/y/a.tif", {"split": "x", "id": "a"}),
        ("**/images/{id}.tif", "x/labels/a.tif", None),
        ("**/{id}.tif", ".x/a.tif", None),
        (".x/{id}.tif", ".x/a.tif", {"id": "a"}),
        ("*/{id}_*.tif", "x/a_b_c.tif", {"id": "a_b"}),
        ("./x//{id}.tif", "x/a.tif", {"id": "a"}),
        ("scene.tif", "scene.tif", {}),
    ],
)
def test_examples(pattern, path, fields):
    assert Pattern(pattern).match_path(path) == fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a}{b}.tif", "nothing between them, so that their ends are unknown; write a separator"),
        ("{a}*.tif", "nothing between them"),
        ("x**/{id}.tif", r"\*\* beside other characters; \*\* stands for whole folders"),
        ("{id.tif", "has a { without }"),
        ("id}.tif", "has a } without {"),
        ("{}.tif", r"has a field \{\}; a field has a name of letters, digits and _"),
        ("{a b}.tif", r"has a field \{a b\}"),
        ("{id:03d}.tif", r"has a field \{id:03d\}"),
        ("/data/{id}.tif", "is an absolute path; write it from the folder that is packed"),
        ("../{id}.tif", r"leaves the folder with '\.\.'; pack the folder above it"),
        ("images/", "is a folder; end it with the names of files, such as {id}.tif"),
        ("images/**", "ends without the name of a file"),
        ("", "must be a pattern such as '{split}/images/{id}.tif'"),
        ("**/a/**/b/**/c/**/{id}.tif", r"it may have 64 folders, and \*\* 3 times"),
        ("_".join(f"{{f{k}}}" for k in range(33)), "has 33 fields; 32 are the most"),
    ],
)
def test_wrong_patterns_are_refused(text, message):
    with pytest.raises(RequestError, match=message) as error:
        Pattern(text, "masks")
    assert str(error.value).startswith(f"masks={text!r}"[:100])


def test_names_that_a_regular_expression_takes_years_for_are_matched_at_once():
    """One that goes back has about 255**10 ways to try."""
    many = Pattern("_".join(f"{{f{k}}}" for k in range(20)) + "!")
    assert many.match_path("_" * 254 + "x") is None
    assert many.match_path("a_" * 127 + "!") is not None
    assert Pattern("*_" * 30 + "*!").match_path("_" * 254 + "x") is None


def test_a_name_that_has_too_many_ways_is_refused():
    pattern = Pattern("{a}_{b}_{c}/{a}{{{b}{{{c}.tif")
    with pytest.raises(RequestError, match="divides the path to the folder '____"):
        pattern.match_path("_" * 200 + "/x{y{z.tif")
    twice = Pattern("{a}_{b}_{c}_{a}_{b}_{c}!")
    with pytest.raises(RequestError, match="takes too long to divide"):
        twice.match_path("_" * 254 + "!")
