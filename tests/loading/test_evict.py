"""A loader whose reader evicts: pages are read ahead only where the reads find them."""

import os

import numpy as np
import pytest
from residents import NAMES, SMALL, layout_of, write

import cloudio

# Rows of 32 KiB: the gaps of a window are not read with it, so each row is a read of its own.
WIDE = layout_of(2, 16_384, ["A"])


class Recorder(cloudio.Reader):
    """Notes what the loader reads ahead."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.ahead = []

    def prefetch(self, index, origin=None):
        self.ahead += index.tolist()
        super().prefetch(index, origin)


def allows_direct_reads(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except (OSError, AttributeError):
        return False
    return True


@pytest.mark.parametrize(
    ("layout", "settings", "past_cache"),
    [
        (SMALL, {}, False),
        (SMALL, {"evict": True}, True),
        (SMALL, {"evict": True, "size": 7}, True),
        (SMALL, {"evict": True, "valid": True}, False),  # what it reads twice is cached
        (WIDE, {"evict": True}, True),
        (WIDE, {"evict": True, "size": (2, 100)}, False),
    ],
    ids=["kept", "whole", "crops", "a mask", "wide", "crops of wide"],
)
def test_pages_are_read_ahead_where_reads_find_them(tmp_path, layout, settings, past_cache):
    arrays = write(tmp_path, layout, train=5)
    file = next(tmp_path.rglob("*.dat"))
    if past_cache and not allows_direct_reads(file):
        pytest.skip("the file system has no reads past the page cache")
    with cloudio.open(tmp_path / "train", layout=layout) as ds:
        names = [name for name in NAMES if name in arrays] or ["A"]
        reader = Recorder(ds, names, threads=2, **settings)
        loader = cloudio.Loader(reader, 2, shuffle=False, crop="center", prefetch=1)
        images = np.concatenate([np.array(batch.image) for batch in loader])
        assert reader.ahead == ([] if past_cache else [2, 3, 4])
        assert np.array_equal(images, ds.reader(names, **settings).read(range(5)).image)
