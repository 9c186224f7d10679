"""The tables of docs/cloudsen12.md are those of the package."""

import re

import numpy as np
import pytest
from paths import ROOT

from cloudio import CLOUDSEN12

PAGE = ROOT / "docs" / "cloudsen12.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests run without the docs")


def rows(title, first):
    """The cells of the table under a title whose first head is so called."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    table = re.search(rf"^\| {first} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)[1]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_the_arrays_are_those_of_the_layout_in_its_order():
    written = []
    for files, stored, scale, _ in rows("Arrays", "files"):
        prefix, *names = files.replace("`", "").split()
        written += [(f"{prefix}{name}", stored, float(scale)) for name in names]
    bands = CLOUDSEN12.bands
    assert sorted(written) == sorted((band.name, band.dtype, band.scale) for band in bands)
    assert len(written) == 49
    assert sum(np.dtype(band.dtype).itemsize for band in bands) * 512 * 512 == 24_641_536


def codes(text):
    """``0..2, 99`` as a list."""
    found = []
    for part in text.split(","):
        first, _, last = part.strip().partition("..")
        found += range(int(first), int(last or first) + 1)
    return found


def test_the_label_codes_are_those_of_the_card_policy():
    seen = set()
    for names, _, _, policy, _ in rows("Labels", "label"):
        written = {}
        for part in policy.split(";"):
            left, right = part.split("→")
            to = None if right.strip() == "ignore" else int(right)
            written |= dict.fromkeys(codes(left), to)
        for name in names.split(", "):
            label_map = CLOUDSEN12.label_maps[f"LABEL_{name}"]["card"]
            assert label_map.classes == written, name
            assert label_map.unlisted is None
            seen.add(f"LABEL_{name}")
    assert seen == set(CLOUDSEN12.label_maps)


def test_the_sizes_of_files_are_those_of_so_many_patches():
    counts = {"train": 8490, "val": 535, "test": 975}
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"{split} {n}" in text for split, n in counts.items())
    for split, *sizes in rows("The release", "bytes of a file"):
        expected = [counts[split] * 512 * 512 * width for width in (2, 1, 4)]
        assert [int(size.replace(",", "")) for size in sizes] == expected
    assert 512 * 512 - 509 * 509 == 3063
    assert "3,063 false clear pixels (1.17 %)" in text
    assert CLOUDSEN12.valid.size == (509, 509)
    assert (CLOUDSEN12.valid.row, CLOUDSEN12.valid.col) == (1, 1)
    assert pytest.approx(17.8e9, rel=1e-3) == 8490 * 512 * 512 * 8
