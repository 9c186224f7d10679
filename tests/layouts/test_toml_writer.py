"""A layout that is written is read back."""

import dataclasses
import math
import pickle

import builders
import numpy as np
import pytest
from builders import SMALL
from hypothesis import assume, given
from hypothesis import strategies as st
from toml_sets import LAYOUT, toml

from cloudio import CLOUDSEN12, Band, LabelMap, Layout, Window
from cloudio.layouts.digest import layout_digest
from cloudio.layouts.toml_writer import to_toml


@pytest.mark.parametrize(
    "layout",
    [CLOUDSEN12, LAYOUT, dataclasses.replace(SMALL, presets={"S1": (("S1_VV",),)})],
    ids=lambda layout: layout.name,
)
def test_what_is_written_is_read_back(tmp_path, layout):
    text = to_toml(layout)
    assert Layout.from_toml(toml(tmp_path, text)) == layout
    assert to_toml(Layout.from_toml(tmp_path / "my.toml")) == text
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_written_is_for_people():
    bands = Band("a", kind="label", dtype="uint8"), Band("b", dtype="float32", nodata=-3.4e38)
    maps = {"own": LabelMap({0: 0, 1: 1}), "half": LabelMap.threshold(50)}
    layout = Layout("X", (4, 6), Window(0, 1, 4, 5), bands, label_maps={"a": maps})
    assert (
        to_toml(layout)
        == """\
name = "X"
patch = [4, 6]  # height, width
valid = [0, 1, 4, 5]  # row, column, height, width

[[arrays]]
name = "a"
kind = "label"
dtype = "uint8"

[[arrays]]
name = "b"
dtype = "float32"
nodata = -3.4e+38

[label_maps.a.own]
classes = { 0 = 0, 1 = 1 }

[label_maps.a.half]
threshold = 50
"""
    )


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CODES = st.integers(-(2**15), 2**16)
MAPS = st.one_of(
    st.builds(
        LabelMap,
        st.dictionaries(CODES, st.none() | CODES, max_size=5),
        unlisted=st.none() | CODES,
    ),
    st.builds(lambda at, more: LabelMap.threshold(at, top=at + more), *[st.integers(1, 90)] * 2),
    st.just(LabelMap.threshold(1, top=1)),
)


def whole_numbers_of(dtype):
    limits = np.iinfo(dtype)
    return st.integers(limits.min, limits.max).map(float) | st.just(math.nan)


@st.composite
def layouts(draw):
    """Any layout whose presets and aliases point at what is in it."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    bands = []
    while len(bands) < len(names):
        scale = draw(st.none() | NUMBERS.filter(bool))
        dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int16", "float32"]))
        number = st.floats(width=32) if dtype == "float32" else whole_numbers_of(dtype)
        pair = {"scale": scale, "offset": 0.0 if scale is None else draw(NUMBERS)}
        if scale not in (None, 1) and dtype != "float32":
            pair["offset"] = float(draw(st.integers(-10000, 10000)))
        if draw(st.booleans()):
            factors = {"scale_factor": NUMBERS.filter(bool), "add_offset": NUMBERS}
            which = draw(st.sampled_from([("scale_factor",), ("add_offset",), tuple(factors)]))
            pair = {key: draw(factors[key]) for key in which}
            assume(math.isfinite(pair.get("add_offset", 0.0) / pair.get("scale_factor", 1.0)))
        alike = {
            "kind": draw(st.sampled_from(["band", "label"])),
            "dtype": dtype,
            **pair,
            "nodata": draw(st.none() | number),
            "unit": draw(st.none() | st.just("") | NAMES),
        }
        own = [st.none() | st.floats(0.1, 1e9), st.sampled_from(["own", "by name"])]
        here = names[len(bands) :][: draw(st.integers(1, 4))]
        file = draw(st.none() | st.sampled_from([f"{len(bands)}.npy", f"{len(bands)}/{{name}}"]))
        channels = draw(st.none() | st.integers(len(here), 6))
        axis = "first" if channels is None else draw(st.sampled_from(["first", "last"]))
        if file is not None and "{name}" not in file and len(here) > 1 and channels is None:
            file = None
        # No file has such a name, or it is another folder.
        if any("\0" in name or ".." in name.split("/") for name in here):
            file = None
        order = draw(st.permutations(range(channels or 0)))
        bands += [
            Band(
                name,
                **alike,
                wavelength=draw(own[0]),
                file=file,
                channel=None if channels is None else order[k],
                channels=channels,
                channel_axis=axis,
            )
            for k, name in enumerate(here)
        ]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3).map(tuple)
    labels = [band.name for band in bands if band.kind == "label"]
    return Layout(
        name=draw(NAMES),
        patch=(40, 48),
        valid=Window(1, 2, 35, 41),
        bands=tuple(bands),
        presets=draw(
            st.dictionaries(NAMES, st.lists(some, min_size=1, max_size=3).map(tuple), max_size=3)
        ),
        label_maps=draw(
            st.dictionaries(
                st.sampled_from(labels), st.dictionaries(NAMES, MAPS, min_size=1, max_size=2)
            )
            if labels
            else st.just({})
        ),
        aliases=draw(st.dictionaries(NAMES, st.sampled_from(names), max_size=3)),
        prefixes=tuple(draw(st.lists(NAMES, max_size=2))),
    )


@given(layouts())
def test_any_layout_is_read_back(tmp_path_factory, layout):
    path = toml(tmp_path_factory.getbasetemp(), to_toml(layout), "any.toml")
    again = Layout.from_toml(path)
    assert again == layout
    assert layout_digest(again) == layout_digest(pickle.loads(pickle.dumps(layout)))


def test_the_builders_small_layout_is_known_by_its_digest():
    other = dataclasses.replace(SMALL, name="Other")
    assert (
        layout_digest(SMALL)
        == layout_digest(pickle.loads(pickle.dumps(builders.SMALL)))
        != layout_digest(other)
    )
