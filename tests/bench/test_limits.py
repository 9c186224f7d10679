"""The copy limit moves as many bytes from as many patches; the disk limit reads every page."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from benching import COLD_BANDS, L1C, N, cold_workload

import cloudio
from cloudio.bench.cold import evictable_files
from cloudio.bench.limits import copies, copy_limits, disk_limits
from cloudio.bench.workload import Workload, poison


@pytest.mark.parametrize("n_bands", [1, 13])
@pytest.mark.parametrize("label", ["LABEL_manual_hq", None])
def test_the_copies_move_as_many_bytes_from_as_many_patches(warm_folder, label, n_bands):
    workload = Workload(cloudio.open(warm_folder), L1C[:n_bands], label, (96, 80), N)
    spare, out = workload.expected(), workload.allocate()
    n_bytes = (workload.bytes_read + workload.bytes_written) // 2 // N // 2048 * 2048
    source = spare.image.reshape(-1).view(np.uint8)
    with ThreadPoolExecutor(2) as pool:
        for copy in copy_limits(workload, pool, 2, spare):
            poison(out)
            copy.run(out)
            copied = out.image.reshape(-1).view(np.uint8)
            parts = [copied[k * n_bytes : (k + 1) * n_bytes] for k in range(N)]
            for k, part in zip(workload.index, parts, strict=True):
                assert np.array_equal(part, source[k * n_bytes : (k + 1) * n_bytes]), copy.name


def test_copies_follow_the_index():
    source = np.arange(3 * 4 * 64, dtype=np.int16).reshape(3, 4, 64)
    index = np.array([2, 0, 2, 1])
    with ThreadPoolExecutor(2) as pool:
        for copy in copies(source, index, lambda out: out, pool, 2):
            out = np.zeros((4, 4, 64), np.int16)
            copy.run(out)
            assert np.array_equal(out, source[index]), copy.name


def test_plain_reads_leave_every_page_of_the_windows_in_memory(cold_folder, one_depth):
    workload = cold_workload(cold_folder)
    with evictable_files(workload.dataset, COLD_BANDS) as files:
        cached = disk_limits(workload)[0]
        assert cached.name == "page cache, 1 at once"
        with cached.opened(workload) as read:
            files.evict()
            read(None)
            assert sum(files.resident().values()) >= workload.page_bytes
        files.evict()
