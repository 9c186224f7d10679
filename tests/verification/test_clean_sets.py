"""Of clean data sets nothing is reported."""

from clean import TINY_PATCHES, found_checks, verify_tiny

import cloudio


def test_a_clean_synthetic_set_has_no_findings(synthetic):
    for full in (True, False):
        report = cloudio.verify(synthetic, full=full)
        assert found_checks(report) == []
        assert report.ok
        assert str(report).endswith("\nnothing found")
    stored = sum(file.stat().st_size for file in synthetic.glob("*/*.dat"))
    assert cloudio.verify(synthetic).n_bytes == stored
    assert cloudio.verify(synthetic, full=False).n_bytes == 0


def test_the_clean_corners_have_no_findings(tiny):
    report = verify_tiny(tiny)
    assert found_checks(report) == []
    assert (report.n_arrays, report.n_files) == (10, 20)
    assert (report.splits, report.layout) == (TINY_PATCHES, "Tiny")
