"""Files are closed whenever and by whoever, and leave nothing; what could kill runs apart."""

import errno
import os
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import slow_fs
from processes import SECONDS, in_subprocess, needs_fork
from profiles import scaled
from residents import (
    NAMES,
    SMALL,
    held,
    leaks,
    soon,
)

import cloudio
from cloudio import RequestError
from cloudio._core import files, kernels
from cloudio._core.plans import Mask

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads /proc")
# Reads are counted here, and label warnings would read too.
pytestmark = pytest.mark.usefixtures("no_warnings")


def small(folder, io="mmap"):
    return cloudio.open(folder[0], layout=SMALL, io=io)


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
        with pytest.raises(RequestError, match="is closed; open the data set again"):
            part.reader(["B0"])
    with pytest.raises(RequestError, match="train is closed; open the data set again"):
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
        for k in range(scaled(20, 60)):
            ds, stop = small(folder, io), threading.Event()
            users = [pool.submit(use, ds, stop) for _ in range(3)]
            time.sleep(k % 6 * 0.0005)
            ds.close()
            timer = threading.Timer(SECONDS, stop.set)
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
    with pytest.raises(RequestError, match=r"B0\.dat is closed; open the data set again"):
        source.array  # noqa: B018
    for again in (lambda: ds.split("val")["B0"], lambda: ds.split("val").reader(["B0"])):
        with pytest.raises(RequestError, match="val is closed; open the data set again"):
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
    n_rounds = scaled(100, 200)
    n_blocks, n_bytes = leaks(rounds, n_rounds)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    # No object, nor as much as the smallest struct, of each.  Without a GIL, Python frees some of
    # its own blocks later: some ten, however many rounds.
    assert n_blocks < n_rounds
    assert n_bytes < 30 * 100


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
        assert (
            f"this process cannot open more files than the limit of {int(limit):,}; a reader opens"
            in words
        )
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
    with pytest.raises(RequestError, match="io='read'; io must be 'mmap', 'pread' or 'auto'"):
        small(folder, "read")
    with pytest.raises(RequestError, match="evict=1; evict must be True or False"):
        small(folder).reader(["B0"], evict=1)
