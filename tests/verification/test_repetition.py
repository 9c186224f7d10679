"""Repeated pixels: every repeat and phase that numpy finds by trying all of them, and no other."""

import native
import numpy as np
import pytest
from hypothesis import given, settings
from profiles import scaled
from repeated_patches import REPEATS, patches, phase_by_trying, same_bits

import cloudio
from cloudio.verification.repetition.phases import (
    allowed_by_strips,
    expand,
    find_phases,
    shrink,
    stored_side,
    strips,
)


@given(patches())
@settings(max_examples=scaled(100, 300))
def test_phases_are_those_that_numpy_finds_by_trying_all(pixels):
    found = find_phases(pixels, REPEATS)
    assert found == [phase_by_trying(pixels, repeat) for repeat in REPEATS]
    for repeat, phase in zip(REPEATS, found, strict=True):
        if phase is None:
            continue
        stored = shrink(pixels, repeat, phase)
        assert stored.shape == tuple(map(stored_side, pixels.shape, repeat))
        assert same_bits(stored, native.shrink(pixels[None], repeat, phase)[0])
        assert same_bits(np.ascontiguousarray(expand(stored, repeat, phase, pixels.shape)), pixels)


@given(patches())
@settings(max_examples=scaled(30, 100))
def test_strips_never_deny_what_the_whole_patch_allows(pixels):
    some = [pixels[rows] for rows in strips(len(pixels))]
    allowed = allowed_by_strips(some, REPEATS)
    for by_strips, phase in zip(allowed, find_phases(pixels, REPEATS), strict=True):
        assert by_strips or phase is None


def test_bits_are_compared_not_numbers():
    pixels = np.zeros((4, 4), np.float32)
    pixels[2:, :2] = -0.0
    assert find_phases(pixels, [(2, 2), (3, 3)]) == [(0, 0), (1, 1)]
    pixels[:] = np.nan
    assert find_phases(pixels, [(3, 3)]) == [(0, 0)]
    pixels.view("u4")[0, 0] += 1  # another NaN
    assert find_phases(pixels, [(2, 2), (3, 3)]) == [(1, 1), (2, 2)]


def test_a_patch_of_one_number_is_a_repetition_of_any_phase_and_the_first_is_taken():
    assert find_phases(np.full((13, 9), 7, np.uint8), REPEATS) == [(0, 0)] * len(REPEATS)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repetition")
    return native.write_roots(folder, {"train": 7, "val": 2}, toml=True)


def test_verify_says_how_each_array_is_repeated(roots):
    report = cloudio.verify(roots.full, full=False, native=True, progress=False)
    found = {each.array: each for each in report.native}
    assert list(found) == [band.name for band in native.FULL.bands]
    for name, each in found.items():
        pixels, valid = roots.arrays[name], native.FULL.valid
        inside = pixels[:, valid.row : valid.row + 35, valid.col : valid.col + 41]
        phases = [find_phases(patch, [(6, 6), (3, 3), (2, 2)]) for patch in inside]
        exact = np.array([[phase is not None for phase in some] for some in phases])
        assert each.n_patches == 9
        if not exact.any():
            assert (each.repeat, each.n_exact, each.exceptions) == (1, 0, {})
            continue
        k = (6, 3, 2).index(each.repeat)
        assert each.n_exact == exact[:, k].sum() == exact.sum(axis=0).max()
        assert each.n_phases == len({some[k] for some in phases} - {None})
        missing = np.flatnonzero(~exact[:, k])
        by_split = {"train": missing[missing < 7], "val": missing[missing >= 7] - 7}
        assert each.exceptions == {s: tuple(some) for s, some in by_split.items() if len(some)}
        assert each.stored == (len(missing) == 0)
    assert found["L2A_AOT"].repeat == 6
    assert found["L1C_B2"].repeat == 1


def test_the_report_shows_repetition_only_where_it_is_asked_for(roots):
    quick = cloudio.verify(roots.full, full=False, progress=False)
    assert quick.native is None
    assert "repeated" not in str(quick)
    report = cloudio.verify(roots.full, full=False, native=True, progress=False)
    lines = str(report).splitlines()
    (aot,) = [line.split() for line in lines if line.split()[:1] == ["L2A_AOT"]]
    assert aot == ["L2A_AOT", "6", "9", "of", "9", "1", "yes", "-"]
    assert '"exceptions": {' in report.json()
    with pytest.raises(cloudio.RequestError, match="native='yes'; native must be True or False"):
        cloudio.verify(roots.full, native="yes")


def test_arrays_that_are_native_already_are_not_looked_at(roots):
    report = cloudio.verify(roots.native, full=False, native=True, progress=False)
    native_ones = [each.array for each in report.native if each.native]
    assert set(native_ones) == set(native.KEYS)
    assert f"stored so already: {', '.join(native_ones)}" in str(report)
