"""Files in use: closed by whoever and whenever, asked for ahead, given back; on a medium that is
slow, that fails, or whose files are cut. What is read is numpy's in every case.

What could kill the process runs in a subprocess.
"""

import errno
import gc
import math
import os
import pickle
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import slow_fs
from processes import in_subprocess, needs_fork
from profiles import scaled
from residents import (
    NAMES,
    PAGE,
    SMALL,
    evict,
    held,
    layout_of,
    leaks,
    resident,
    soon,
    write,
)

import cloudio
from cloudio import Band, Layout, RequestError, TruncatedError, Window
from cloudio._core import files, kernels
from cloudio._core.plans import Mask
from cloudio._utils import warn

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads /proc")


@pytest.fixture(autouse=True)
def nothing_is_looked_at():
    """Here reads are counted, and what warnings look at is none."""
    with warn.suppressed():
        yield


@pytest.fixture(params=["mmap", "pread"])
def io(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two splits of eight arrays: the folder, and the arrays."""
    folder = tmp_path_factory.mktemp("files")
    return folder, write(folder, SMALL, train=5, val=3)


def small(folder, io="mmap"):
    return cloudio.open(folder[0], layout=SMALL, io=io)


# ---- closing -------------------------------------------------------------------------------------


@needs_proc
def test_close_gives_back_every_descriptor_and_mapping_whoever_has_readers(folder, io):
    ds = small(folder, io)
    parts = [ds, ds.split("val"), ds.subset([6, 1]), ds.split("train").subset([2, 2])]
    readers = [part.reader(["B0", "B3"], size=9) for part in parts]
    wanted = [reader.read([0, 1]).image for reader in readers]
    for reader in readers:
        reader.prefetch([0, 1] * 1000)
    assert len(held(folder[0])) == (8 if io == "mmap" else 4)
    ds.close()
    ds.close()
    assert soon(lambda: not held(folder[0]))
    for reader in readers:
        for use in (reader.read, reader.prefetch):
            with pytest.raises(RequestError, match=r"B0\.dat is closed"):
                use([0])
        # Nothing to be read needs no file.
        assert reader.read([]).image.shape == (0, 2, 9, 9)
    for part in parts:
        with pytest.raises(RequestError, match="is closed; open the data set anew"):
            part.reader(["B0"])
    with pytest.raises(RequestError, match="train is closed; open the data set anew"):
        ds.split("train")["B1"]
    assert len(ds) == 8
    with small(folder, io) as anew:
        again = [anew.reader(["B0", "B3"], size=9).read([0, 1]).image]
        assert np.array_equal(again[0], wanted[0])
    assert not held(folder[0])


@needs_proc
def test_with_closes_whatever_happens_inside(folder, io):
    ds = small(folder, io)
    reader = ds.reader(["B0"])
    with pytest.raises(ZeroDivisionError), ds:
        assert 1 / len(ds.subset([])) > 0
    assert not held(folder[0])
    with pytest.raises(RequestError, match="is closed"):
        reader.read([0])


@needs_proc
def test_views_stay_after_close_and_hold_no_more_than_they_need(folder, io):
    ds = small(folder, io).split("val")
    view, reader = ds["B1"], ds.reader(["B1"])
    reader.read([0])
    ds.close()
    names = held(folder[0])
    assert {os.path.basename(name) for name in names} == {"B1.dat"}
    # Before Python 3.13 a mapping keeps a descriptor of its own.
    assert len(names) == (1 if sys.version_info >= (3, 13) else 2)
    assert np.array_equal(view, folder[1]["B1"][5:])
    part = view[1:, 3]
    del view
    assert np.array_equal(part, folder[1]["B1"][6:, 3])
    del part
    assert not held(folder[0])


@needs_proc
def test_a_prefetch_under_way_ends_before_its_files_are_closed(folder):
    with slow_fs.mounted(folder[0], latency=0.02) as medium:
        ds = cloudio.open(medium.path, layout=SMALL, io="pread")
        ds.reader(NAMES).prefetch(range(8))
        ds.close()
        assert soon(lambda: not held(medium.path))


@needs_proc
def test_close_during_reads_of_other_threads_is_safe(folder, io):
    wanted = np.stack([folder[1][name] for name in NAMES], axis=1)
    said = set()

    def use(ds, stop):
        """Read, and begin to read, until it is closed; what comes is right or says so."""
        try:
            while not stop.is_set():
                batch = ds.reader(NAMES, threads=2).read([6, 0, 3])
                assert np.array_equal(batch.image, wanted[[6, 0, 3]])
                ds.reader(NAMES).prefetch([1, 7])
                assert np.array_equal(ds.split("val")["B2"][1], wanted[6, 2])
        except RequestError as error:
            said.add(str(error).rsplit("/", 1)[1])

    with ThreadPoolExecutor(3) as pool:
        for k in range(60):
            ds, stop = small(folder, io), threading.Event()
            users = [pool.submit(use, ds, stop) for _ in range(3)]
            time.sleep(k % 6 * 0.0005)
            ds.close()
            timer = threading.Timer(20, stop.set)
            timer.start()
            for user in users:
                user.result()
            timer.cancel()
            assert not stop.is_set(), "somebody goes on reading what is closed"
    assert said
    assert all("is closed" in words for words in said)
    assert soon(lambda: not held(folder[0]))


def test_a_file_that_was_opened_while_its_data_set_was_closed_is_closed(folder, monkeypatch):
    from cloudio.storage import open_files

    ds, opened = small(folder), []

    def slowly(*arguments, **settings):
        file = open_file(*arguments, **settings)
        opened.append(file)
        ds.close()
        return file

    open_file = open_files.open_file
    monkeypatch.setattr(open_files, "open_file", slowly)
    source = ds.split("val").open_arrays("B0")[0]
    assert opened[0].closed
    with pytest.raises(RequestError, match=r"B0\.dat is closed; open the data set anew"):
        source.array  # noqa: B018
    for again in (lambda: ds.split("val")["B0"], lambda: ds.split("val").reader(["B0"])):
        with pytest.raises(RequestError, match="val is closed; open the data set anew"):
            again()


def test_a_mask_enters_its_file_though_its_first_array_needs_no_look(tmp_path):
    path, array = tmp_path / "file", np.zeros((2, 2, 8, 8), np.int16)
    array[1, 1, 0, 0] = 1
    array.tofile(path)
    file = files.File(os.open(path, os.O_RDONLY), path, array.nbytes, True)
    channels = [[("h", 128 * k, (2, 8, 8), (256, 16, 2))] for k in range(2)]
    mask = Mask(channels, [[file]] * 2, [None, 0], (0, 0, 8, 8))
    out, numbers = np.empty((1, 8, 8), np.uint8), np.array([1])
    assert kernels.run([mask], [out], numbers, np.zeros(2, int), None, 1) is None
    assert out.sum() == 1
    file.close()
    with pytest.raises(ValueError, match="file is closed"):
        kernels.run([mask], [out], numbers, np.zeros(2, int), None, 1)


@needs_proc
def test_hundreds_of_opens_and_closes_leave_nothing(folder, io):
    def rounds(n):
        for k in range(n):
            ds = small(folder, io)
            reader = ds.reader(NAMES[:3], evict=k % 2 == 0)
            reader.prefetch([0, 7])
            reader.read([1, 6])
            if k % 3:
                ds.close()

        del ds, reader
        assert soon(lambda: not held(folder[0]))

    rounds(2)
    descriptors = len(os.listdir("/proc/self/fd"))
    n_blocks, n_bytes = leaks(rounds, 100)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    # No object, nor as much as the smallest struct, of each.
    assert n_blocks < 50
    assert n_bytes < 50 * 100


LIMIT = """
    import os, resource, sys
    import numpy as np
    import cloudio
    from residents import NAMES, SMALL, held

    def tell(act):
        try:
            act()
        except OSError as error:
            print(error.errno, error.filename, error.strerror, sep="|")

    folder, io = sys.argv[1:]
    first = cloudio.open(folder, layout=SMALL, io=io)
    reader = first.reader(["B0"])
    wanted = reader.read([0, 7])
    there = held(folder)
    limit = max(map(int, os.listdir("/proc/self/fd"))) + 4
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, 4096))
    for _ in range(3):
        second = cloudio.open(folder, layout=SMALL, io=io)
        tell(lambda: second.reader(NAMES))
        second.close()
        assert held(folder) == there
        assert np.array_equal(reader.read([0, 7]).image, wanted.image)
        reader.prefetch([1, 2])
    spare = []
    try:
        while True:
            spare.append(os.dup(0))
    except OSError:
        tell(lambda: first.split("train")["B0"])
    os.close(spare.pop())
    os.close(spare.pop())
    assert cloudio.open(folder, layout=SMALL, io=io).reader(["B1"]).read([0, 7]).image.any()
    print(limit)
"""


@needs_proc
def test_at_the_limit_of_descriptors_an_error_says_so_and_others_go_on(folder, io):
    *lines, limit = in_subprocess(LIMIT, folder[0], io).splitlines()
    assert len(lines) == 4
    for line in lines:
        number, name, words = line.split("|")
        assert int(number) == errno.EMFILE
        assert Path(name).parent.parent == folder[0]
        assert f"this process may open no more files than {int(limit):,}; a reader needs" in words
    assert lines[3].split("|")[1].endswith("train/B0.dat")


FORK = """
    import sys
    import numpy as np
    import cloudio, forks
    from residents import NAMES, SMALL, held, soon

    folder, io, n_children = sys.argv[1:]
    ds = cloudio.open(folder, layout=SMALL, io=io)
    reader = ds.reader(NAMES, threads=2)
    wanted = reader.read([7, 0])
    failed = []

    def read_and_close():
        reader.prefetch([1, 2] * 100)
        right = np.array_equal(reader.read([7, 0]).image, wanted.image)
        ds.close()
        return right and soon(lambda: not held(folder))

    for k in range(int(n_children)):
        for _ in range(4):
            reader.prefetch(range(8), (0, 0))
            reader.prefetch([3] * 1000)
        if forks.forked(read_and_close) != 0:
            failed.append(k)
    ds.close()
    print("failed:", failed, "left:", [] if soon(lambda: not held(folder)) else held(folder))
"""


@needs_fork
@needs_proc
def test_children_forked_during_a_prefetch_read_prefetch_and_close(folder, io):
    assert in_subprocess(FORK, folder[0], io, scaled(4, 10)) == "failed: [] left: []"


def test_a_pickle_keeps_how_files_are_read_and_given_back(folder, io):
    ds = small(folder, io)
    reader = pickle.loads(pickle.dumps(ds.subset([7, 1]).reader(["B2"], evict=True)))
    assert (reader.dataset.io, reader._evict) == (io, True)
    assert pickle.loads(pickle.dumps(ds)).io == io
    assert np.array_equal(reader.read([0]).image[0, 0], folder[1]["B2"][7])
    frozen = pickle.dumps(reader)
    ds.close()
    assert pickle.loads(frozen).read([1]).image.shape == (1, 1, 32, 32)
    # What is closed is opened anew elsewhere.
    assert np.array_equal(
        pickle.loads(pickle.dumps(ds)).reader(["B2"]).read([1]).image[0, 0], folder[1]["B2"][1]
    )


def test_a_wrong_choice_of_io_or_evict_is_refused(folder):
    with pytest.raises(RequestError, match="io='read'; 'mmap', 'pread' or 'auto' is needed"):
        small(folder, "read")
    with pytest.raises(RequestError, match="evict=1; True or False is needed"):
        small(folder).reader(["B0"], evict=1)


# ---- pages of a real file system -----------------------------------------------------------------

# Rows of two pages and a half, of five, and of a page and a quarter.
WIDE = layout_of(24, 5 * PAGE // 4, "ABC", {"B": "float32", "C": "uint8"})
# Rows so far apart that reads by position skip what lies between, even in the narrowest array.
FAR = layout_of(16, 24 * 1024, "AC", {"C": "uint8"})
GAP = 16384  # up to which these read it with the rows


@pytest.fixture(scope="module", params=[WIDE, FAR], ids=["wide", "far"])
def wide(request, tmp_path_factory):
    """Two splits of large patches: folder, layout, arrays. None of it is in memory."""
    folder = tmp_path_factory.mktemp("wide")
    arrays = write(folder, request.param, train=3, val=2)
    return folder, request.param, arrays


# (height, width), (row, column); all are inside of both.
CROPS = {
    "a window that skips pages": ((10, 300), (5, 1000)),
    "a pixel": ((1, 1), (11, 2047)),
    "rows that end in a page of the next": ((7, 2040), (3, 3080)),
    "whole rows": ((5, None), (2, 0)),
}
INDEX = [1, 4, 1, 0, -5, 4]


def needed(wide, io, size, origin):
    """By file, the pages that the windows of INDEX lie in."""
    folder, layout, arrays = wide
    wanted = {}
    for band in layout.bands:
        item, (rows, cols) = arrays[band.name].itemsize, layout.patch
        row_bytes = cols * item
        for split, patches in {"train": {0, 1}, "val": {1}}.items():
            pages = set()
            for p in patches:
                starts = [
                    ((p * rows + origin[0] + y) * cols + origin[1]) * item for y in range(size[0])
                ]
                spans = [(at, at + size[1] * item) for at in starts]
                if io == "pread" and row_bytes - size[1] * item < GAP:
                    spans = [(spans[0][0], spans[-1][1])]
                for begin, end in spans:
                    pages.update(range(begin // PAGE, (end - 1) // PAGE + 1))
            wanted[folder / split / f"{band.name}.dat"] = pages
    return wanted


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("act", ["prefetch", "read", "read and give back"])
def test_exactly_the_pages_of_the_windows_come_into_memory(wide, io, crop, act):
    folder, layout, arrays = wide
    size, origin = CROPS[crop]
    size = size[0], size[1] or layout.patch[1]
    wanted = needed(wide, io, size, origin)
    complete = {path: set() for path in wanted} if act == "read and give back" else wanted
    for _ in range(3):
        evict(wanted)
        with cloudio.open(folder, layout=layout, io=io) as ds:
            names = [band.name for band in layout.bands]
            reader = ds.reader(names, size=size, threads=2, evict=act == "read and give back")
            if act == "prefetch":
                reader.prefetch(INDEX, origin)
                # Nobody says when it is done.
                n_pages = sum(map(len, wanted.values()))
                assert soon(lambda n=n_pages: sum(len(resident(path)) for path in wanted) >= n)
                time.sleep(0.01)
            else:
                (y, x), (height, width) = origin, size
                image = reader.read(INDEX, origin).image
                for b, name in enumerate(names):
                    stored = arrays[name][INDEX, y : y + height, x : x + width]
                    assert np.array_equal(image[:, b], stored.astype(np.float32), equal_nan=True)
        found = {path: resident(path) for path in wanted}
        assert all(found[path] <= complete[path] for path in wanted)
        if found == complete:
            return
        # Some systems reclaim pages that nobody has used for a moment.
    assert found == complete


@pytest.mark.parametrize("threads", [1, 3])
def test_what_was_prefetched_is_read_right(wide, io, threads):
    folder, layout, arrays = wide
    names = [band.name for band in layout.bands]
    evict(needed(wide, io, (1, 1), (0, 0)))
    with cloudio.open(folder, layout=layout, io=io) as ds:
        reader = ds.reader(names, size=12, threads=threads)
        origins = [(0, 0), (0, 5), (0, 2000), (0, 77), (0, 99), (0, 5000)]
        reader.prefetch(INDEX, origins)
        image = reader.read(INDEX, origins).image
    for k, (i, (y, x)) in enumerate(zip(INDEX, origins, strict=True)):
        for b, name in enumerate(names):
            stored = arrays[name][i, y : y + 12, x : x + 12].astype(np.float32)
            assert np.array_equal(image[k, b], stored, equal_nan=True)


@pytest.mark.parametrize(
    ("index", "origin"),
    [
        ([0, 5], None),
        ([-6], None),
        ([0.5], None),
        ([True], None),
        ([[0]], None),
        ("x", None),
        ([0, 1], [(0, 0)]),
        ([0, 1], [(0, 0), (9999, 0)]),
        ([0], (-1, 0)),
        ([0], (0.0, 0.0)),
        ([0], 7),
        ([], (9999, 9999)),
    ],
)
def test_prefetch_refuses_what_read_refuses_and_begins_nothing(wide, io, index, origin):
    folder, layout, _ = wide
    paths = needed(wide, io, (1, 1), (0, 0))
    with cloudio.open(folder, layout=layout, io=io) as ds:
        reader = ds.reader(["A", "C"], size=(8, 9))
        with pytest.raises((IndexError, RequestError)) as by_read:
            reader.read(index, origin)
        evict(paths)
        with pytest.raises((IndexError, RequestError)) as by_prefetch:
            reader.prefetch(index, origin)
        reader.prefetch([])
    assert by_prefetch.type is by_read.type
    assert str(by_prefetch.value) == str(by_read.value)
    time.sleep(0.005)
    assert not any(map(resident, paths))


# ---- the slow medium -----------------------------------------------------------------------------

# 128 KiB a patch: what the system reads of one piece of advice.
SLOW = layout_of(256, 256)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    return folder, write(folder, SLOW, train=4)


def stacked(arrays, index):
    return np.stack([arrays[name][index] for name in NAMES], axis=1)


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
        if all(read.offset >= at(2) for read in reads):
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


def at(patch, row=0):
    """Where in a file a row of a patch begins."""
    return (patch * 256 + row) * 256 * 2


@pytest.mark.parametrize("direct", [False, True], ids=["cached", "direct"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fault_of_the_medium_is_an_error_that_says_where(slow, direct, threads):
    folder, arrays = slow
    with (
        slow_fs.mounted(folder, direct=direct) as medium,
        cloudio.open(medium.path, layout=SLOW, io="pread") as ds,
    ):
        reader = ds.reader(NAMES, size=(16, 256), threads=threads)
        medium.fail("train/B5.dat", at(2, 96), 1, errno.EIO)
        rows = slice(96, 112)
        tracemalloc.start()
        for _ in range(20):
            with pytest.raises(OSError, match=f"patch 2, from byte {at(2, 96):,} on") as raised:
                reader.read([0, 2, 3], (96, 0))
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
        medium.fail("train/B5.dat", at(2, 96), 1, None)
        assert np.array_equal(reader.read([2], (96, 0)).image, stacked(arrays, [2])[:, :, rows])


FAULTS = """
    import errno, sys
    import numpy as np
    import cloudio
    import slow_fs
    from residents import NAMES, layout_of, soon

    folder, when = sys.argv[1:]
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
            for _ in range(100):
                try:
                    reader.read([0, 2])
                except OSError as error:
                    assert error.errno == errno.EIO
                    assert error.filename == str(medium.path / "train" / "B5.dat"), error.filename
                    assert f"patch 2, from byte {start:,} on" in str(error), error
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
    assert in_subprocess(FAULTS, slow[0], when) == "lives"


def test_what_cannot_be_mapped_recommends_pread(slow):
    folder, arrays = slow
    with slow_fs.mounted(folder, direct=True) as medium:
        ds = cloudio.open(medium.path / "train", layout=SLOW, io="mmap")
        for act in (lambda: ds.reader(["B0"]), lambda: ds["B0"]):
            with pytest.raises(OSError, match="maps no files; io='pread' reads them") as raised:
                act()
            assert raised.value.errno == errno.ENODEV
            assert raised.value.filename == str(medium.path / "train" / "B0.dat")
        assert not held(medium.path)
        by_pread = cloudio.open(medium.path / "train", layout=SLOW, io="pread")
        image = by_pread.reader(["B0"]).read([1]).image
        assert np.array_equal(image[0, 0], arrays["B0"][1])


# ---- files that were cut -------------------------------------------------------------------------

KINDS = {"flat": "own.dat", "stacked": "S2.dat", "npy": "own.npy", "stacked npy": "S2.npy"}


def write_kind(folder: Path, kind: str) -> tuple[Layout, np.ndarray, int]:
    """Four patches of one array, or of three in one file; where its first pixel is."""
    file = KINDS[kind]
    shape = (4, 3, 8, 16) if "stacked" in kind else (4, 8, 16)
    array = np.arange(math.prod(shape), dtype=np.int16).reshape(shape)
    if "npy" in kind:
        np.save(folder / file, array)
    else:
        array.tofile(folder / file)
    bands = [Band("A0", file=file)]
    if "stacked" in kind:
        bands = [Band(f"A{k}", file=file, channel=k, channels=3) for k in range(3)]
    layout = Layout("Kind", (8, 16), Window(0, 0, 8, 16), tuple(bands))
    return layout, array, (folder / file).stat().st_size - array.nbytes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 1, 255, 256, 300, 511, 512, 600, 767, 768, 800, 1500, -1])
def test_a_file_that_was_cut_names_the_patch_and_the_byte(tmp_path, io, kind, cut):
    """The patch is the first that is cut, whichever channel is read, and whatever of it."""
    layout, array, start = write_kind(tmp_path, kind)
    ds = cloudio.open(tmp_path, layout=layout, io=io)
    readers = [ds.reader([band.name], size=(2, 3)) for band in layout.bands]
    readers.append(ds.reader([band.name for band in layout.bands][::-1]))
    whole = start + array.nbytes
    n_bytes = whole - 1 if cut < 0 else min(start + cut, whole - 1)
    patch = (n_bytes - start) // (array.nbytes // 4)
    os.truncate(tmp_path / KINDS[kind], n_bytes)
    wanted = (
        rf"{KINDS[kind]} holds {n_bytes:,} bytes; it held {whole:,} when the data set was opened: "
        rf"patch {patch}, from byte {n_bytes:,} on$"
    )
    for reader in readers:
        out = reader.allocate(1)
        out.image.fill(-7)
        with pytest.raises(TruncatedError, match=wanted):
            reader.read([0], out=out)
        assert (out.image == -7).all()
    os.truncate(tmp_path / KINDS[kind], 0)
    with pytest.raises(TruncatedError, match=r"holds 0 bytes; .*: patch 0, from byte 0 on$"):
        readers[0].read([3])


CUT = """
    import os, sys, threading
    import cloudio
    import slow_fs
    from cloudio._utils import warn
    from residents import layout_of, soon

    folder = sys.argv[1]
    path = folder + "/train/B3.dat"
    content = open(path, "rb").read()
    end = (2 * 256 + 96) * 512

    def read(io, threads, direct):
        with (
            slow_fs.mounted(folder, latency=float("inf"), direct=direct) as medium,
            warn.suppressed(),  # which would look at pixels
        ):
            ds = cloudio.open(medium.path, layout=layout_of(256, 256), io=io)
            reader = ds.reader(["B3"], threads=threads)
            assert not medium.log()

            def cut():
                assert soon(medium.log)
                os.truncate(path, end)
                medium.answer_after(0.0)

            cutter = threading.Thread(target=cut)
            cutter.start()
            try:
                reader.read([2])
            except cloudio.TruncatedError as error:
                print(error)
            finally:
                cutter.join()
                open(path, "wb").write(content)

    read("pread", 1, False)
    read("pread", 2, False)
    read("pread", 2, True)
    read("mmap", 1, False)
    read("mmap", 2, False)
"""


def test_a_file_that_is_cut_while_it_is_read_names_the_patch_and_the_byte(slow):
    with slow_fs.mounted(slow[0]):  # or this test is skipped
        pass
    lines = in_subprocess(CUT, slow[0]).splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.endswith(
            f"B3.dat holds {at(2, 96):,} bytes; it held {at(4):,} when the data set was opened: "
            f"patch 2, from byte {at(2, 96):,} on"
        )


@pytest.mark.parametrize("seed", range(12))
def test_what_is_evicted_has_the_same_bits_wherever_it_lies(tmp_path, seed):
    """Past the page cache files are read in blocks: of any shape, start, window and symmetry."""
    rng = np.random.default_rng(seed)
    n, channels, h, w = (int(rng.integers(1, most)) for most in (5, 4, 80, 2500))
    stored = rng.integers(0, 200, (n, channels, h, w)).astype(rng.choice(["u1", "i2", "f4"]))
    name = rng.choice(["S2.npy", "S2.dat"])
    np.save(tmp_path / name, stored) if name == "S2.npy" else stored.tofile(tmp_path / name)
    bands = tuple(
        Band(f"B{k}", "band", stored.dtype.name, file=str(name), channel=k, channels=channels)
        for k in range(channels)
    )
    side = int(rng.integers(1, min(h, w) + 1))
    index, symmetry = rng.integers(0, n, 6), rng.integers(0, 8, 6)
    origin = np.stack([rng.integers(0, h - side + 1, 6), rng.integers(0, w - side + 1, 6)], 1)
    with cloudio.open(tmp_path, layout=Layout("any", (h, w), Window(0, 0, h, w), bands)) as ds:
        for how in ("NCHW", "NHWC"):
            settings = {"size": side, "layout": how, "scale": 0.5, "threads": 1 + seed % 3}
            names = [band.name for band in bands]
            got, expected = (
                ds.reader(names, evict=evict, **settings).read(index, origin, symmetry)
                for evict in (True, False)
            )
            assert got.image.tobytes() == expected.image.tobytes()
            plane = stored[index[0], :, origin[0, 0] :, origin[0, 1] :][:, :side, :side]
            s = symmetry[0]
            turned = [np.rot90(np.fliplr(x) if s >= 4 else x, s % 4) for x in plane]
            image = got.image[0] if how == "NCHW" else got.image[0].transpose(2, 0, 1)
            assert np.array_equal(image, np.stack(turned).astype("f4") * np.float32(0.5))
