"""Arrays stored coarser than the patch, as plans take them: right, or refused.

No module of ours makes the calls that are refused here; the kernels rely on nobody above them.
"""

import gc
import os
import threading

import native
import numpy as np
import pytest

from cloudio import Window
from cloudio._core import files, kernels, plans

PATCH, WINDOW = (10, 12), (1, 0, 8, 10)
N, REPEAT = 3, (2, 3)
SIZE = native.stored_size(WINDOW[2:], REPEAT)
STORED = np.arange(N * SIZE[0] * SIZE[1], dtype=np.int16).reshape(N, *SIZE) + 1
WHOLE = -np.arange(2 * 10 * 12, dtype=np.int16).reshape(2, *PATCH)
TABLE = np.array([5, -2, 0], np.int32)
GIVEN = {"repeat": REPEAT, "patch": PATCH, "window": WINDOW, "places": TABLE, "exceptions": WHOLE}
INDEX, ORIGIN = np.arange(N), np.zeros(2, np.int64)


def phases(places, repeat=REPEAT):
    """Places as `native.expand` takes them."""
    rows = [(-1, -1 - p) if p < 0 else divmod(p, repeat[1]) for p in np.atleast_1d(places).tolist()]
    return np.broadcast_to(np.array(rows), (N, 2))


WANTED = native.expand(STORED, REPEAT, phases(TABLE), PATCH, Window(*WINDOW), WHOLE)


def gather(array, file=None):
    return plans.Gather([[array]], [[file]], [1.0], [0.0])


def read(plan, index=INDEX, size=PATCH, origin=ORIGIN):
    out = np.full((len(index), plan.n_arrays, *size), np.nan, np.float32)
    assert kernels.run([plan], [out], index, origin, None, 1) is None
    return out[:, 0]


def changed(**changes):
    """A repeated array of which something is changed, and a plan of it."""
    array = changes.pop("array", STORED)
    return gather(plans.Repeated(array, **{**GIVEN, **changes}))


def opened(path, array, mapped):
    array.tofile(path)
    file = files.File(os.open(path, os.O_RDONLY), path, array.nbytes, mapped)
    return (array.dtype.char, 0, array.shape, array.strides), file


# ---- right ---------------------------------------------------------------------------------------


def test_every_place_is_read(isa):
    assert np.array_equal(read(changed()), WANTED)
    for place in range(6):
        wanted = native.expand(STORED, REPEAT, phases(place), PATCH, Window(*WINDOW))
        for places in (place, np.full(N, place, np.int32)):
            assert np.array_equal(read(changed(places=places, exceptions=None)), wanted)


@pytest.mark.parametrize("mapped", [True, False])
def test_files_are_read_as_buffers(tmp_path, mapped):
    spec, file = opened(tmp_path / "a.dat", STORED, mapped)
    whole, whole_file = opened(tmp_path / "e.dat", WHOLE, mapped)
    given = {**GIVEN, "exceptions": whole, "exceptions_file": whole_file}
    plan = gather(plans.Repeated(spec, **given), file)
    kernels.prefetch([plan], INDEX, ORIGIN, *PATCH)
    del file, whole_file
    gc.collect()
    assert np.array_equal(read(plan), WANTED)


def test_no_more_pixels_are_needed_than_are_shown():
    """What every phase would need is not asked of an array whose phases are known."""
    for place, (rows, cols) in {0: (4, 4), 2: (4, 4), 3: (5, 4), 5: (5, 4)}.items():
        array = np.ascontiguousarray(STORED[:, :rows, :cols])
        wanted = native.expand(array, REPEAT, phases(place), PATCH, Window(*WINDOW))
        got = read(changed(array=array, places=place, exceptions=None))
        assert np.array_equal(got, wanted)
        for less in (array[:, :-1], array[:, :, :-1]):
            with pytest.raises(ValueError, match=r"stored|cover|pixels"):
                changed(array=less, places=place, exceptions=None)


def test_one_object_serves_several_plans_and_goes_with_the_last():
    array = plans.Repeated(STORED.copy(), **{**GIVEN, "exceptions": WHOLE.copy()})
    made = [gather(array), gather(array)]
    mask = plans.Mask([[array]], [[None]], [None], (0, 0, *PATCH))
    del array
    gc.collect()
    for plan in made:
        assert np.array_equal(read(plan), WANTED)
    out = np.zeros((N, *PATCH), np.uint8)
    assert kernels.run([mask], [out], INDEX, ORIGIN, None, 1) is None
    assert out.all()


# ---- refused -------------------------------------------------------------------------------------

HUGE = (2**31, 2**32, 2**62, 2**63 - 1, 2**63, 10**30)


@pytest.mark.parametrize(
    "places",
    [
        *(-1, 6, -(2**31), *HUGE),
        *(None, "0", 1.5, [], [0, 1, 2], b"0123456789ab"),
        *(TABLE[:2], TABLE[:0], np.zeros(4, np.int32), np.zeros((3, 1), np.int32)),
        *(TABLE.astype("i8"), TABLE.astype("u4"), TABLE.astype("f4"), TABLE.astype("i2")),
        np.zeros(6, np.int32)[::2],
        *(np.array(wrong, np.int32) for wrong in ([0, 6, 0], [0, 0, -3], [-(2**31), 0, 0])),
        np.array([0, 0, 2**31 - 1], np.int32),
    ],
    ids=str,
)
def test_places_out_of_range_are_refused(places):
    with pytest.raises((ValueError, TypeError, OverflowError, BufferError)):
        changed(places=places)


def test_exceptions_are_needed_where_a_place_names_one():
    with pytest.raises(ValueError, match="exception"):
        changed(exceptions=None)
    with pytest.raises(ValueError, match="exception"):
        changed(exceptions=WHOLE[:1])
    for wrong in (WHOLE[:, :9], WHOLE[:, :, :11], WHOLE.astype("u2"), WHOLE[0], WHOLE[:0], 7, "x"):
        with pytest.raises((ValueError, TypeError)):
            changed(exceptions=wrong)


@pytest.mark.parametrize("mapped", [True, False])
def test_exceptions_must_be_where_the_array_is(tmp_path, mapped):
    spec, file = opened(tmp_path / "a.dat", STORED, mapped)
    whole, whole_file = opened(tmp_path / "e.dat", WHOLE, mapped)
    _, other = opened(tmp_path / "o.dat", WHOLE, not mapped)
    for array, own, exceptions, exceptions_file in (
        (spec, file, whole, other),
        (spec, file, whole, None),
        (spec, file, WHOLE, whole_file),
        (STORED, None, whole, None),
        (spec, None, whole, whole_file),
        (STORED, file, WHOLE, None),
        (spec, "file", whole, whole_file),
        (spec, file, whole, "file"),
        (spec, file, whole[:2], whole_file),
    ):
        given = {**GIVEN, "exceptions": exceptions, "exceptions_file": exceptions_file}
        with pytest.raises((ValueError, TypeError)):
            gather(plans.Repeated(array, **given), own)


@pytest.mark.parametrize("mapped", [True, False])
def test_exceptions_past_the_end_of_their_file_are_refused(tmp_path, mapped):
    spec, file = opened(tmp_path / "a.dat", STORED, mapped)
    (kind, _, _, strides), whole_file = opened(tmp_path / "e.dat", WHOLE, mapped)
    for shape, start in (((3, *PATCH), 0), ((2, *PATCH), 2), ((2**62, *PATCH), 0)):
        given = {**GIVEN, "exceptions": (kind, start, shape, strides)}
        with pytest.raises(ValueError, match="holds 480 bytes"):
            gather(plans.Repeated(spec, **given, exceptions_file=whole_file), file)


@pytest.mark.parametrize(
    "window",
    [
        *((-1, 0, 8, 10), (0, -1, 8, 10), (0, 0, 11, 10), (0, 0, 8, 13), (3, 0, 8, 10)),
        *((0, 3, 8, 10), (0, 0, -1, 10), (0, 0, 8, -(2**63)), (1, 0, 8, 12)),
        *((huge, 0, 8, 10) for huge in HUGE),
        *((0, 0, 8, huge) for huge in HUGE),
        *((2**63 - 1, 2**63 - 1, 2**63 - 1, 2**63 - 1), (0, 0), None, "abcd", (0, 0, 8.5, 10)),
    ],
    ids=str,
)
def test_windows_outside_the_patch_are_refused(window):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        changed(window=window)


@pytest.mark.parametrize(
    "repeat",
    [
        *((0, 2), (2, 0), (-1, 2), (2, -(2**31)), (0, 0), 2, None, "22", (2,), (2, 2, 2)),
        *((2.5, 2), (1, 1)),  # one pixel each: the stored ones are too few
        *((huge, 2) for huge in HUGE if huge > 2**40),
        *((2**32, 2**32), (2**63 - 1, 2**63 - 1), (2**62, 4)),
    ],
    ids=str,
)
def test_repeats_out_of_range_are_refused(repeat):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        changed(repeat=repeat)


@pytest.mark.parametrize(
    "patch",
    [(0, 12), (10, 0), (-10, 12), (8, 12), (10, 9), (10,), None, "ab", (2**63, 12), (10.5, 12)],
    ids=str,
)
def test_patches_out_of_range_are_refused(patch):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        changed(patch=patch)


def test_a_patch_of_any_size_reads_its_window_and_zeros():
    for side in (2**20, 2**30, 2**62):
        try:
            plan = changed(patch=(side, side), exceptions=None, places=5)
        except (ValueError, OverflowError):
            continue
        got = read(plan, INDEX[:1], PATCH)[0]
        wanted = native.expand(STORED[:1], REPEAT, (1, 2), PATCH, Window(*WINDOW))[0]
        assert np.array_equal(got, wanted)
        assert not read(plan, INDEX, (3, 4), np.array([side - 3, side - 4])).any()


def test_large_repeats_show_one_pixel():
    for repeat in ((1000, 1), (1, 2**20), (2**15, 2**15)):
        places = repeat[0] * repeat[1] - 1
        array = STORED[:, :9, :10]
        if repeat[0] == 1:
            array = np.ones((N, 8, 2), np.int16)
        elif repeat[1] == 1:
            array = np.ones((N, 2, 10), np.int16)
        try:
            plan = changed(array=array, repeat=repeat, places=places, exceptions=None)
        except ValueError:
            continue
        window = Window(*WINDOW)
        phase = divmod(places, repeat[1])
        y, x = np.ogrid[: window.height, : window.width]
        wanted = np.zeros((N, *PATCH), np.float32)
        inside = array[:, (y + phase[0]) // repeat[0], (x + phase[1]) // repeat[1]]
        wanted[:, 1:9, :10] = inside
        assert np.array_equal(read(plan), wanted)


def test_arrays_that_no_plan_takes_are_refused():
    inner = plans.Repeated(STORED, **GIVEN)
    for array in (inner, STORED[0], STORED.astype("f8"), STORED[:, :3], STORED[..., :2], None, 3):
        with pytest.raises((ValueError, TypeError)):
            changed(array=array)
    for exceptions in (inner, [WHOLE]):
        with pytest.raises((ValueError, TypeError)):
            changed(exceptions=exceptions)


def test_arrays_of_other_patches_or_types_are_refused_together():
    fine = np.zeros((N, *PATCH), np.int16)
    for other in (fine[:, :9], fine[:2]):
        for rows in (
            [[plans.Repeated(STORED, **GIVEN)], [other]],
            [[other], [plans.Repeated(STORED, **GIVEN)]],
        ):
            with pytest.raises(ValueError, match="it must have"):
                plans.Gather(rows, [[None]] * 2, [1.0] * 2, [0.0] * 2)
    with pytest.raises(ValueError, match="changes its type in split 1"):
        plans.Gather(
            [[plans.Repeated(STORED, **GIVEN), fine.astype("u2")]], [[None] * 2], [1.0], [0.0]
        )
    mixed = plans.Gather([[plans.Repeated(STORED, **GIVEN), fine + 7]], [[None] * 2], [1.0], [0.0])
    got = read(mixed, np.array([0, 5, 1]))
    assert np.array_equal(got, np.stack([WANTED[0], fine[2] + 7, WANTED[1]]))


# ---- changed meanwhile ---------------------------------------------------------------------------


def test_places_are_copied():
    table = TABLE.copy()
    array = plans.Repeated(STORED, **{**GIVEN, "places": table})
    plan = gather(array)
    table[:] = -(2**31)
    assert np.array_equal(read(plan), WANTED)
    for wrong in (6, -3, 2**31 - 1):
        table[1] = wrong
        with pytest.raises(ValueError, match="array 0"):
            gather(array)
    assert np.array_equal(read(plan), WANTED)


def test_places_that_another_thread_changes_are_proved_as_they_are_used():
    table, stop = TABLE.copy(), threading.Event()

    def change():
        while not stop.is_set():
            table[:] = 2**31 - 1
            table[:] = TABLE

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            try:
                plan = changed(places=table)
            except ValueError:
                continue
            read(plan)
    finally:
        stop.set()
        thread.join()


class Twice(tuple):
    """A sequence with other elements for those who ask again."""

    asked = 0

    def __iter__(self):
        self.asked += 1
        return super().__iter__() if self.asked == 1 else iter((2**40,) * len(self))


def test_numbers_are_read_once():
    given = {name: Twice(GIVEN[name]) for name in ("repeat", "patch", "window")}
    assert np.array_equal(read(changed(**given)), WANTED)


def test_nothing_that_is_kept_can_be_changed():
    array = plans.Repeated(STORED, **GIVEN)
    plan = gather(array)
    kept = [held for held in gc.get_referents(plan) if not isinstance(held, type)]
    assert kept
    assert all(isinstance(held, tuple) for held in kept)
    for thing in (array, plan):
        for name in ("repeat", "patch", "window", "places", "array", "exceptions"):
            with pytest.raises(AttributeError):
                setattr(thing, name, None)
    assert np.array_equal(read(plan), WANTED)


# ---- other classes -------------------------------------------------------------------------------


def test_a_repeated_array_has_no_subclasses():
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Own", (plans.Repeated,), {})


def test_what_only_looks_like_one_is_refused():
    class Looks:
        repeat, patch, window, places, exceptions, exceptions_file = (
            REPEAT,
            PATCH,
            WINDOW,
            0,
            *[None] * 2,
        )
        array = STORED
        __class__ = plans.Repeated

    for wrong in (Looks(), plans.Repeated, (STORED, GIVEN)):
        with pytest.raises((TypeError, ValueError)):
            gather(wrong)


def test_one_that_is_not_made_to_its_end_is_refused():
    for arguments, options in (((), {}), ((STORED,), {}), ((STORED, 2), GIVEN)):
        with pytest.raises(TypeError):
            plans.Repeated(*arguments, **options)
        with pytest.raises(TypeError):
            plans.Repeated.__new__(plans.Repeated, *arguments, **options)
    array = plans.Repeated(STORED, **GIVEN)
    array.__init__(STORED, **GIVEN)  # a second time
    assert np.array_equal(read(gather(array)), WANTED)
