"""The requests to the disk are the pages of the windows; arrays are found again in their files."""

import numpy as np
import pytest

import cloudio
from cloudio import Band, Layout, Window
from cloudio.bench.cold_workload import ColdWorkload, file_array


def stacked(folder, start):
    """Patches of 3 channels with rows of 3,000 bytes, after a header of ``start`` bytes."""
    layout = Layout(
        name="Stacked",
        patch=(40, 1500),
        valid=Window(row=1, col=2, height=35, width=1400),
        bands=tuple(
            Band(name, scale=1e-4, file="all.*", channel=k, channels=3)
            for k, name in enumerate("abc")
        ),
    )
    array = np.arange(4 * 3 * 40 * 1500).astype(np.int16).reshape(4, 3, 40, 1500)
    if start:
        np.save(folder / "all.npy", array)
    else:
        array.tofile(folder / "all.dat")
    return cloudio.open(folder, layout=layout), array


@pytest.mark.parametrize("start", [0, 128])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (35, 1400)])
def test_requests_are_the_pages_of_the_windows_and_no_others(tmp_path, start, size):
    dataset, array = stacked(tmp_path, start)
    workload = ColdWorkload(dataset, ["a", "c"], size, 3, seed=5)
    offsets = start + 2 * np.arange(array.size).reshape(array.shape)
    needed = set()
    for patch, rows, cols in workload.windows:
        for channel in (0, 2):
            firsts = offsets[patch, channel, rows, cols].ravel()
            needed |= {*(firsts // 4096).tolist(), *((firsts + 1) // 4096).tolist()}
    requested = [
        page
        for _, offset, n_bytes in workload.requests
        for page in range(offset // 4096, (offset + n_bytes) // 4096)
    ]
    assert sorted(requested) == sorted(needed)
    assert workload.page_bytes == 4096 * len(needed)


@pytest.mark.parametrize("start", [0, 128])
def test_arrays_are_found_again_in_their_files(tmp_path, start):
    dataset, array = stacked(tmp_path, start)
    for k, name in enumerate("abc"):
        found = file_array(dataset, name)
        _, again = found.mapped()
        assert np.array_equal(again, array[:, k])
        window = 2, slice(3, 9), slice(5, 700)
        offset, n_bytes = found.span(window)
        data = found.path.read_bytes()[offset : offset + n_bytes]
        crop = np.ndarray((6, 695), np.int16, data, strides=found.strides[1:])
        assert np.array_equal(crop, array[2, k, 3:9, 5:700])
