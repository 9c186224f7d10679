"""What torch scales has the bits of what a reader scales."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled
from tensor_loaders import same_bytes

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from cloudio.torch import scaling  # noqa: E402

numbers = st.one_of(
    st.sampled_from([1.0, -1.0, 1e-4, -2.5, 1e-44, 1e36, 0.3]), st.floats(-1e3, 1e3, width=32)
)
limits = st.sampled_from([None, (0.0, 1.0), (-0.0, 0.0), (None, 0.25), (-3, None), (0, math.inf)])
payload = np.array(0xFFF8_1234_5678_9ABC, np.uint64).view(np.float64).item()
tie = 1 + 3 * 2**-8  # between two numbers of bfloat16
fills = st.sampled_from([None, -0.0, 0.1, tie, math.nan, payload, -math.inf, 6e-8, 65504.0])
one_type = st.sampled_from(
    [["L1C_B2", "L1C_B3", "L1C_B4", "L2A_AOT"], "EXTRA_cover", ["EXTRA_count", "EXTRA_depth"]]
)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")  # numbers that make no sense
@settings(max_examples=scaled(40, 150))
@given(data=st.data(), bands=one_type, clip=limits, fill=fills)
def test_scaled_by_torch_the_bits_are_the_readers(ds, data, bands, clip, fill):
    n_bands = 1 if isinstance(bands, str) else len(bands)
    per_band = st.lists(numbers, min_size=n_bands, max_size=n_bands)
    scales = st.lists(numbers.filter(bool), min_size=n_bands, max_size=n_bands)
    reader = ds.reader(
        bands,
        size=(11, 37),
        dtype=data.draw(st.sampled_from(["float32", "float16", "bfloat16"])),
        layout=data.draw(st.sampled_from(["NCHW", "NHWC"])),
        scale=data.draw(st.one_of(st.sampled_from(["reflectance", None]), scales)),
        mean=data.draw(st.one_of(st.none(), per_band)),
        std=data.draw(st.one_of(st.none(), st.floats(0.125, 8))),
        clip=clip,
        fill=fill,
        threads=1,
    )
    stored = scaling.stored_reader(reader).read([3, 9], (7, 1))
    assert stored.image.dtype.kind in "iu"
    scaled = scaling.Scaling(reader)(torch.from_numpy(stored.image))
    assert scaled.dtype is getattr(torch, reader.dtype_name)
    assert same_bytes(scaled, reader.read([3, 9], (7, 1)).image)


def test_factors_are_those_that_pixels_are_multiplied_by(ds):
    reader = ds.reader(["L1C_B4", "S1_VV"], mean=[0.5, -10], std=[2, 4], size=8)
    factors, summands = reader.factors
    assert factors.dtype == summands.dtype == np.float32
    assert np.array_equal(factors, np.float32([1e-4 / 2, 1 / 4]))
    assert np.array_equal(summands, np.float32([(-1000 * 1e-4 - 0.5) / 2, 10 / 4]))
    assert ds.reader("L1C", dtype="int16").factors is None


@pytest.mark.parametrize(
    ("bands", "dtype", "message"),
    [
        (
            "L1C",
            "int16",
            "^scale_on='device' with dtype='int16': there is nothing to scale, because",
        ),
        ("S1", "float32", "but S1_VV is stored as float32; the device scales int16, uint16, uint8"),
        (
            ["EXTRA_depth", "EXTRA_cover"],
            "bfloat16",
            "but EXTRA_depth is stored as uint16 and EXTRA_cover as uint8; the device needs one",
        ),
    ],
)
def test_what_a_device_cannot_scale_is_refused(ds, bands, dtype, message):
    with pytest.raises(RequestError, match=message):
        cloudio.torch.Loader(ds.reader(bands, dtype=dtype, size=8), 2, scale_on="device")
