"""Requests of a slow medium overlap, and its faults are errors."""

import errno
import gc
import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import slow_fs
from processes import in_subprocess
from profiles import scaled
from residents import (
    NAMES,
    PAGE,
    held,
    layout_of,
    soon,
    write,
)
from slow_sets import SLOW, byte_at, stacked

import cloudio
from cloudio import ReadError

# Reads are counted here, and label warnings would read too.
pytestmark = pytest.mark.usefixtures("no_warnings")


def test_io_auto_is_pread_on_the_medium_and_mmap_in_a_folder(slow):
    with slow_fs.mounted(slow[0]) as medium:
        assert cloudio.open(medium.path, layout=SLOW, io="auto").io == "pread"
        assert cloudio.open(medium.path / "train", layout=SLOW, io="auto").io == "pread"
        assert cloudio.open(medium.path, layout=SLOW).io == "mmap"
    if cloudio.open(slow[0], layout=SLOW, io="auto").io != "mmap":
        pytest.skip(f"{slow[0]} lies on a network")


@pytest.mark.parametrize("size", [256, 32], ids=["whole", "crops"])
@pytest.mark.parametrize(
    ("io", "medium", "threads", "least"),
    [
        ("pread", "cached", 2, 8),
        ("pread", "direct", 2, 8),
        ("pread", "cached", 1, 4),
        ("mmap", "cached", 2, 8),
        ("mmap", "cached", 1, 8),
    ],
)
def test_requests_overlap(slow, io, medium, threads, least, size):
    """Also of one sample of many arrays, which is too small to copy for more than one thread."""
    folder, arrays = slow
    direct = medium == "direct"
    with (
        slow_fs.mounted(folder, direct=direct) as medium,
        cloudio.open(medium.path, layout=SLOW, io=io) as ds,
    ):
        for index in ([2], [0, 3, 1]):
            begun = len(medium.log())
            reader = ds.reader(NAMES, size=size, threads=threads)
            with medium.holding(least):
                image = reader.read(index, (0, 0)).image
            assert np.array_equal(image, stacked(arrays, index)[..., :size, :size])
            reads = medium.log()[begun:]
            assert slow_fs.at_once(reads) >= least
            if threads == 2:
                # What is asked for twice would have come in half the time.
                assert len({read[:2] for read in reads}) == len(reads)


def test_requests_of_two_reads_at_once_overlap(slow):
    """Each of two Python threads has a request for each of its arrays."""
    folder, arrays = slow
    with (
        slow_fs.mounted(folder, direct=True) as medium,
        cloudio.open(medium.path, layout=SLOW, io="pread") as ds,
        ThreadPoolExecutor(2) as pool,
    ):
        reader = ds.reader(NAMES, threads=2)
        with medium.holding(2 * len(NAMES)):
            batches = list(pool.map(reader.read, [[2], [1]]))
        assert slow_fs.at_once(medium.log()) == 2 * len(NAMES)
    for batch, index in zip(batches, ([2], [1]), strict=True):
        assert np.array_equal(batch.image, stacked(arrays, index))


@pytest.mark.parametrize(("io", "direct"), [("mmap", False), ("pread", False), ("pread", True)])
def test_prefetch_does_not_wait(slow, io, direct):
    """Neither for what it asks for, nor to have asked for all of it."""
    for _ in range(5):
        with (
            slow_fs.mounted(slow[0], latency=math.inf, direct=direct) as medium,
            cloudio.open(medium.path, layout=SLOW, io=io) as ds,
        ):
            ds.reader(NAMES).prefetch([2] * 20_000 + [0])
            reads = medium.log()
            assert soon(lambda wire=medium: any(read.offset == 0 for read in wire.log()))
        # This thread may have had to wait for a CPU meanwhile, but not each time.
        if all(read.offset >= byte_at(2) for read in reads):
            return
    pytest.fail("prefetch returns when all of it was asked for")


@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_prefetched_is_not_asked_for_again(slow, io, threads):
    folder, arrays = slow
    with slow_fs.mounted(folder, latency=0.01) as medium:
        with cloudio.open(medium.path, layout=SLOW, io=io) as ds:
            reader = ds.reader(NAMES, threads=threads)
            reader.prefetch([3, 1])
            reader.prefetch([1, 3])
            assert np.array_equal(reader.read([1, 3]).image, stacked(arrays, [1, 3]))
        pages = [
            (read.path, page)
            for read in medium.log()
            for page in range(read.offset // PAGE, (read.offset + read.size) // PAGE)
        ]
    wanted = 2 * len(NAMES) * 256 * 256 * 2 // PAGE
    assert len(pages) == len(set(pages)) == wanted


@pytest.mark.parametrize("act", ["prefetch", "read"])
def test_what_is_read_ahead_of_a_large_window_is_all_of_it(tmp_path, io, act):
    """One piece of advice brings 128 KiB of it, however many bytes it is given."""
    layout = layout_of(1024, 1024, ["A"])
    arrays = write(tmp_path, layout, train=1)
    with (
        slow_fs.mounted(tmp_path) as medium,
        cloudio.open(medium.path, layout=layout, io=io) as ds,
    ):
        reader = ds.reader(["A"], threads=1)
        if act == "prefetch":
            medium.answer_after(math.inf)
            reader.prefetch([0])
            assert soon(lambda: sum(read.size for read in medium.log()) >= 2 << 20)
            medium.answer_after(0.0)
        else:
            with medium.holding(8):
                image = reader.read([0]).image
            assert np.array_equal(image[0], arrays["A"])
        assert slow_fs.at_once(medium.log()) >= 8


@pytest.mark.parametrize("direct", [False, True], ids=["cached", "direct"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fault_of_the_medium_is_an_error_that_says_where(slow, direct, threads):
    folder, arrays = slow
    with (
        slow_fs.mounted(folder, direct=direct) as medium,
        cloudio.open(medium.path, layout=SLOW, io="pread") as ds,
    ):
        reader = ds.reader(NAMES, size=(16, 256), threads=threads)
        medium.fail("train/B5.dat", byte_at(2, 96), 1, errno.EIO)
        rows = slice(96, 112)
        tracemalloc.start()
        for _ in range(20):
            where = f"patch 2, from byte {byte_at(2, 96):,} on"
            with pytest.raises(ReadError, match=where) as raised:
                reader.read([0, 2, 3], (96, 0))
            assert isinstance(raised.value, OSError)
            assert (raised.value.patch, raised.value.offset) == (2, byte_at(2, 96))
            assert raised.value.errno == errno.EIO
            assert raised.value.filename == str(medium.path / "train" / "B5.dat")
            del raised
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert kept < 3 * 8 * 16 * 256 * 4  # an image
        # Nothing is wrong with the others.
        image = reader.read([0, 3], (96, 0)).image
        assert np.array_equal(image, stacked(arrays, [0, 3])[:, :, rows])
        medium.fail("train/B5.dat", byte_at(2, 96), 1, None)
        assert np.array_equal(reader.read([2], (96, 0)).image, stacked(arrays, [2])[:, :, rows])


FAULTS = """
    import errno, sys
    import numpy as np
    import cloudio
    import slow_fs
    from residents import NAMES, layout_of, soon

    folder, when, n_reads = sys.argv[1:]
    start = 2 * 256 * 512
    stored = np.fromfile(folder + "/train/B5.dat", np.int16).reshape(4, 256, 256)

    def read(threads):
        with slow_fs.mounted(folder) as medium:
            reader = cloudio.open(medium.path, layout=layout_of(256, 256), io="mmap").reader(
                NAMES, threads=threads)
            medium.fail("train/B5.dat", start + 96 * 512, 1, errno.EIO)
            if when == "prefetched":
                reader.prefetch([2])
                assert soon(lambda: len(medium.log()) >= 8)
            for _ in range(int(n_reads)):
                try:
                    reader.read([0, 2])
                except OSError as error:
                    assert error.errno == errno.EIO
                    assert error.filename == str(medium.path / "train" / "B5.dat"), error.filename
                    assert f"patch 2, from byte {start:,} on" in str(error), error
                    assert (error.patch, error.offset) == (2, start)
                    assert str(error.path) == error.filename
                else:
                    raise AssertionError("no error")
                # Others that are well lull nobody.
                reader.read([0, 1, 3])
            medium.fail("train/B5.dat", start + 96 * 512, 1, None)
            assert np.array_equal(reader.read([2]).image[0, 5], stored[2])

    read(1)
    read(2)
    print("lives")
"""


@pytest.mark.parametrize("when", ["absent", "prefetched"])
def test_a_fault_of_the_medium_under_a_mapping_is_an_error_and_no_death(slow, when):
    with slow_fs.mounted(slow[0]):  # or this test is skipped
        pass
    assert in_subprocess(FAULTS, slow[0], when, scaled(20, 100)) == "lives"


def test_what_cannot_be_mapped_recommends_pread(slow):
    folder, arrays = slow
    with slow_fs.mounted(folder, direct=True) as medium:
        ds = cloudio.open(medium.path / "train", layout=SLOW, io="mmap")
        for act in (lambda: ds.reader(["B0"]), lambda: ds["B0"]):
            with pytest.raises(
                OSError, match="does not support memory mapping; open the data set with io='pread'"
            ) as raised:
                act()
            assert raised.value.errno == errno.ENODEV
            assert raised.value.filename == str(medium.path / "train" / "B0.dat")
        assert not held(medium.path)
        by_pread = cloudio.open(medium.path / "train", layout=SLOW, io="pread")
        image = by_pread.reader(["B0"]).read([1]).image
        assert np.array_equal(image[0, 0], arrays["B0"][1])
