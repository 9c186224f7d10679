"""Exactly the pages of the windows come into memory, on a real file system."""

import time

import numpy as np
import pytest
from residents import (
    PAGE,
    evict,
    layout_of,
    resident,
    soon,
    write,
)

import cloudio
from cloudio import Band, Layout, RequestError, Window

# Reads are counted here, and label warnings would read too.
pytestmark = pytest.mark.usefixtures("no_warnings")


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
    for _ in range(6):
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
        given_back = all(found[path] <= complete[path] for path in wanted)
        if act == "read and give back" and not given_back:
            continue  # the system keeps a page that another CPU has just added
        assert given_back
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
