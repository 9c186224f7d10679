"""Results fit their data set, cannot be changed, and print as tables."""

import re

import pytest
from counted_set import (
    LAYOUT,
    every_result,
    write_split,
)
from processes import in_subprocess

import cloudio
from cloudio import stats


def test_a_result_fits_the_data_set_it_was_counted_from(data, tmp_path):
    ds, _ = data
    write_split(tmp_path / "other", 7)
    other = cloudio.open(tmp_path / "other", layout=LAYOUT)
    for result in every_result(ds):
        assert result.fits(ds)
        assert result.fits(ds.subset(range(7)))
        assert not result.fits(ds.split("train"))
        assert not result.fits(ds.subset([0, 1, 2, 3, 4, 6, 5]))
        assert not result.fits(other)
    lacking = tmp_path / "lacking"
    for split, n in (("train", 4), ("val", 3)):
        write_split(lacking / split, n)
        (lacking / split / "i16.dat").unlink()
    lacking = cloudio.open(lacking, layout=LAYOUT)
    assert stats.bands(ds, "u16").fits(lacking)
    assert not stats.bands(ds, "i16").fits(lacking)


def test_results_are_immutable(data):
    for result in every_result(data[0]):
        with pytest.raises(AttributeError, match="cannot assign to field"):
            result.parts = result.of = None
    with pytest.raises(ValueError, match="read-only"):
        stats.bands(data[0], "i16").mean[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        stats.classes(data[0], "hq").per_patch[0] = 1


def test_results_print_as_tables(data):
    ds, _ = data
    found = stats.bands(ds, ["i16", "f32"], percentiles=[50, 99.5])
    lines = str(found).splitlines()
    assert lines[0] == ("bands of Counted, 7 patches (train 4, val 3), 17 x 15 pixels from (1, 2)")
    assert lines[2].split() == ["band", "data", "no", "data", "min", "max", "mean", "std"]
    assert lines[3].split()[:3] == ["i16", f"{7 * 17 * 15:,}", "0.00%"]
    assert lines[3].split()[-1] == f"{found.std[0]:.5g}"
    assert lines[6].split() == ["band", "50", "%", "99.5", "%"]
    assert len({len(line) for line in lines[2:5]}) == 1
    classes = str(stats.classes(ds, "hq"))
    assert re.search(r"^ignored +[\d,]+ +7$", classes, re.MULTILINE)
    table = str(stats.agreement(ds, ["found", "half"], "hq"))
    rows = {row.split()[0]: row.split()[1:] for row in table.splitlines() if row}
    assert rows["half"][:2] == ["-", "-"]
    assert rows["found"][0] == f"{stats.agreement(ds, 'found', 'hq').balanced_accuracy:.3f}"
    html = stats.agreement(ds, "half", "hq").binary([3], "a<b")._repr_html_()
    assert "a&lt;b" in html
    assert html.count("<table>") == 2
    assert "a<b" not in html
    assert repr(stats.classes(ds, ["hq", "half"])) == "<cloudio.stats.ResultSet: hq, half>"
    assert repr(found) == (
        "<cloudio.stats.BandStats of i16, f32: Counted, 7 patches (train 4, val 3), 17 x 15 pixels "
        "from (1, 2)>"
    )


def test_importing_cloudio_imports_no_statistics():
    code = "import sys, cloudio; assert 'cloudio.stats' not in sys.modules; cloudio.stats.bands"
    in_subprocess(code)
