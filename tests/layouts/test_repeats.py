"""Arrays of lower resolution in layouts: repeat, phase and exceptions."""

import itertools

import numpy as np
import pytest
from toml_sets import toml

from cloudio import Band, Layout, LayoutError, Window
from cloudio.layouts.toml_writer import to_toml

PATCH, VALID = (40, 48), Window(1, 2, 35, 41)
TABLE = {"phase": "phases/{name}.npy", "exceptions": "exceptions/{name}.npy"}


def layout(*bands):
    return Layout("Own", PATCH, VALID, bands)


@pytest.mark.parametrize("repeat", [1, 2, 3, 6, (1, 2), (3, 1), (6, 5), (35, 41)])
def test_the_stored_pixels_cover_the_valid_window_in_any_phase(repeat):
    band = Band("a", repeat=repeat)
    stored = layout(band).stored_size(band)
    if repeat == 1:
        assert stored == PATCH
        return
    for side, step, n in zip(VALID.size, band.repeats, stored, strict=True):
        last = [(side - 1 + phase) // step for phase in range(step)]
        assert max(last) == n - 1


def test_sizes_of_sentinel_2():
    known = Layout("S2", (512, 512), Window(1, 1, 509, 509), ())
    sizes = {n: known.stored_size(Band("a", repeat=n)) for n in (1, 2, 3, 6)}
    assert sizes == {1: (512, 512), 2: (255, 255), 3: (171, 171), 6: (86, 86)}
    assert known.stored_size(Band("a", repeat=(1, 2))) == (509, 255)
    assert known.stored_size(None) == (512, 512)


def test_equal_repeats_are_equal_bands():
    one = Band("a", repeat=2, phase=1)
    other = Band("a", repeat=(np.int64(2), 2), phase=[1, 1])
    assert one == other
    assert hash(one) == hash(other)
    assert (other.repeat, other.phase) == (2, 1)
    assert (one.repeats, one.phases, one.phase_pattern) == ((2, 2), (1, 1), None)
    assert one != Band("a", repeat=2)
    table = Band("a[1]", repeat=(1, 2), **TABLE)
    assert (table.repeats, table.phases) == ((1, 2), None)
    assert table.phase_pattern == "phases/a[[]1].npy"
    assert table.exceptions_pattern == "exceptions/a[[]1].npy"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            {"repeat": 0},
            "has repeat 0; repeat must be a whole number, 1 or more, or a pair of them",
        ),
        ({"repeat": 2.0}, r"has repeat 2\.0; repeat must be a whole number"),
        ({"repeat": True}, "has repeat True; repeat must be a whole number"),
        ({"repeat": "2"}, "has repeat '2'; repeat must be a whole number"),
        ({"repeat": (1, 0)}, r"has repeat \(1, 0\); repeat must be a whole number"),
        ({"repeat": (1, 2, 3)}, r"has repeat \(1, 2, 3\); repeat must be a whole number"),
        ({"repeat": [2]}, r"has repeat \[2\]; repeat must be a whole number"),
        (
            {"repeat": 36},
            "has repeat 36; the valid window is 35 x 41, so repeat must be at most 35 rows and",
        ),
        ({"repeat": (1, 42)}, r"has repeat \(1, 42\); the valid window is 35 x 41, so repeat must"),
        ({"phase": 1}, r"has phase 1 but repeat 1; phase must be below repeat: 0\.\.0"),
        (
            {"repeat": 2, "phase": (0, 2)},
            r"has phase \(0, 2\) but repeat 2; phase must be below repeat: 0\.\.1$",
        ),
        (
            {"repeat": (1, 2), "phase": 1},
            r"has phase 1 but repeat \(1, 2\); phase must be below repeat: 0\.\.0 for rows, 0\.\.1",
        ),
        (
            {"repeat": 2, "phase": -1},
            "has phase -1; phase must be a whole number, 0 or more, a pai",
        ),
        ({"repeat": 2, "phase": 0.5}, r"has phase 0\.5; phase must be a whole number"),
        ({"repeat": 2, "phase": None}, "has phase None; phase must be a whole number"),
        ({"repeat": 2, "phase": ""}, "has phase ''; a file of phases must be a name or pattern in"),
        ({"repeat": 2, "phase": "../p.npy"}, r"has phase '../p\.npy'; a file of phases must be a"),
        ({"phase": "p.npy"}, r"has phase 'p\.npy' but repeat 1; only an array with a larger rep"),
        (
            {"repeat": 2, "exceptions": "e.npy"},
            r"has exceptions 'e\.npy' but no file of phases, which says which patches they are; ph",
        ),
        ({"exceptions": "e.npy"}, r"has exceptions 'e\.npy' but no file of phases"),
        (
            {"repeat": 2, "phase": "p.npy", "exceptions": "/e.npy"},
            r"has exceptions '/e\.npy'; exceptions must be a name or pattern inside the split's fo",
        ),
        (
            {"repeat": 2, "phase": "p.npy", "exceptions": 3},
            "has exceptions 3; exceptions must be a",
        ),
    ],
)
def test_what_cannot_be_is_refused(entries, words):
    with pytest.raises(LayoutError, match=f"^x {words}"):
        layout(Band("x", **entries))


def test_a_repeat_has_a_limit():
    band = Band("x", repeat=40_000)
    with pytest.raises(LayoutError, match=r"so repeat must be at most 32768$"):
        Layout("X", (50_000, 50_000), Window(0, 0, 50_000, 50_000), (band,))


def test_channels_of_one_file_have_one_repeat():
    stack = {"file": "s.npy", "channels": 2}
    bands = [Band("a", channel=0, repeat=2, **stack), Band("b", channel=1, repeat=3, **stack)]
    with pytest.raises(
        LayoutError, match=r"a and b are both in s\.npy, but their repeat is 2 and 3"
    ):
        layout(*bands)
    alike = [Band(n, channel=k, repeat=2, phase=k, **stack) for k, n in enumerate("ab")]
    assert layout(*alike).stored_size(alike[0]) == (18, 21)


def test_a_layout_with_repeats_is_read_back(tmp_path):
    repeats = [1, 2, (1, 2), (6, 5)]
    entries = itertools.chain(
        ({"repeat": n, "phase": 0} for n in repeats),
        ({"repeat": n, "phase": (0, 1)} for n in repeats[1:]),
        ({"repeat": 2, "phase": 1}, {"repeat": 2, **TABLE}, {"repeat": 3, "phase": "p.npy"}),
    )
    bands = [
        Band(f"{letter}{k}", kind=kind, **each)
        for k, each in enumerate(entries)
        for letter, kind in (("a", "band"), ("b", "band"), ("c", "label"))
    ]
    text = to_toml(layout(*bands))
    assert Layout.from_toml(toml(tmp_path, text)) == layout(*bands)
    assert 'names = ["a8", "b8"]\ndtype = "int16"\nrepeat = 2\nphase = "phases/{name}.npy"' in text
    assert "repeat = [1, 2]\nphase = [0, 1]" in text


@pytest.mark.parametrize(
    ("keys", "line", "words"),
    [
        (
            "repeat = 0",
            6,
            "repeat = 0; repeat must be a whole number, 1 or more, or [rows, columns]",
        ),
        ("repeat = [2]", 6, "repeat = [2]; repeat must be"),
        ("repeat = 2\nphase = -1", 7, "phase: a has phase -1; phase must be a whole number"),
        (
            "repeat = 2\nphase = [0, 2]",
            7,
            "phase: a has phase (0, 2) but repeat 2; phase must be b",
        ),
        (
            "repeat = 2\nphase = 1.5",
            7,
            "phase = 1.5; phase must be a whole number, [rows, columns]",
        ),
        ("repeat = 36", 6, "repeat: a has repeat 36; the valid window is 35 x 41"),
        ('exceptions = "e.npy"', 6, "exceptions: a has exceptions 'e.npy' but no file of phases"),
        ('repeat = 2\nphase = ""', 7, "phase = ''; phase must be a whole number"),
    ],
)
def test_errors_of_layout_files_name_the_line(tmp_path, keys, line, words):
    head = 'name = "X"\npatch = [40, 48]\nvalid = [1, 2, 35, 41]\n[[arrays]]\n'
    path = toml(tmp_path, f'{head}name = "a"\n{keys}\ndtype = "int16"\n')
    with pytest.raises(LayoutError) as caught:
        Layout.from_toml(path)
    assert f"my.toml, line {line}: {words}" in str(caught.value)
