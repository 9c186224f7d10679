"""Files that became shorter are errors that name the patch and the byte."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import slow_fs
from processes import in_subprocess
from slow_sets import byte_at

import cloudio
from cloudio import Band, Layout, TruncatedError, Window

# Reads are counted here, and label warnings would read too.
pytestmark = pytest.mark.usefixtures("no_warnings")


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
        with pytest.raises(TruncatedError, match=wanted) as caught:
            reader.read([0], out=out)
        assert caught.value.path == tmp_path / KINDS[kind]
        assert (caught.value.patch, caught.value.offset) == (patch, n_bytes)
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
    end, whole = byte_at(2, 96), byte_at(4)
    for line in lines:
        assert line.endswith(
            f"B3.dat holds {end:,} bytes; it held {whole:,} when the data set was opened: "
            f"patch 2, from byte {end:,} on"
        )
