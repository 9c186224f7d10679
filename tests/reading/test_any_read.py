"""Any read equals numpy, bit for bit."""

import dataclasses

import builders
import pytest
from hypothesis import given, settings
from profiles import scaled
from reads import Arrays, check_batch, read_as_asked, requests

import cloudio


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@settings(max_examples=scaled(70, 250))
@given(asked=requests())
def test_any_read_equals_numpy(small, asked):
    dataset, arrays = small
    check_batch(read_as_asked(dataset, asked), arrays, asked)


# Between the rows of a window: less than 16 KiB of one byte a pixel, more of four, and of two more
# for windows up to 8 pixels wide. That is from where on rows are read one by one.
BROAD = dataclasses.replace(
    builders.SMALL,
    name="Broad",
    patch=(20, 8200),
    valid=cloudio.Window(1, 2, 18, 8190),
    bands=tuple(
        builders.SMALL.band(name)
        for name in ("L1C_B2", "S1_VV", "EXTRA_count", "EXTRA_cover", "LABEL_hq")
    ),
    label_maps={"LABEL_hq": builders.SMALL.label_maps["LABEL_hq"]},
)


@pytest.fixture(scope="module")
def broad(tmp_path_factory, io):
    """Two splits of patches so broad that reads skip what lies between the rows of a window."""
    root = tmp_path_factory.mktemp("broad")
    arrays = Arrays(builders.write_root(root, {"train": 2, "val": 1}, BROAD))
    return cloudio.open(root, layout=BROAD, io=io), arrays


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@settings(max_examples=scaled(20, 60))
@given(asked=requests(BROAD, 3, 24))
def test_any_read_of_rows_far_apart_equals_numpy(broad, asked):
    dataset, arrays = broad
    check_batch(read_as_asked(dataset, asked), arrays, asked, BROAD)
