"""The argument ``out``: what it may be, and what is refused before it is written."""

import builders
import numpy as np
import oracle
import pytest
from reads import L1C

import cloudio
from cloudio import RequestError
from cloudio._core import kernels
from cloudio._core.plans import Gather


def test_out_may_be_a_batch_a_pair_or_the_image_alone(small):
    dataset, _ = small
    with_label, without = dataset.reader(L1C, "hq"), dataset.reader(L1C)
    wanted = with_label.read([2, 4])
    for out in (with_label.allocate(2), with_label.allocate(2)[:2]):
        got = with_label.read([2, 4], out=out)
        assert got.image is out[0]
        assert got.label is out[1]
        assert oracle.same_bits(got.image, wanted.image)
        assert oracle.same_bits(got.label, wanted.label)
    image = without.allocate(2).image
    assert without.read([2, 4], out=image).image is image
    assert oracle.same_bits(image, wanted.image)


def test_out_must_not_be_mapped_from_a_file_that_is_read(tmp_path):
    """Another mapping of it has other addresses, and is still the same pixels."""
    arrays = builders.write_split(tmp_path, 3, names=["S1_VV", "S1_VH"])
    reader = cloudio.open(tmp_path, layout=builders.SMALL).reader("S1_VV", size=(40, 48))
    shape = (3, 1, 40, 48)
    own = np.memmap(tmp_path / "S1_VV.dat", np.float32, "r+", shape=shape)
    for out in (own, own[:2], (own, None)):
        n = len(out[0]) if isinstance(out, tuple) else len(out)
        with pytest.raises(
            RequestError, match=r"out is mapped from .*S1_VV\.dat, which this call reads"
        ):
            reader.read(range(n), out=out)
    assert oracle.same_bits(np.array(own[:, 0]), arrays["S1_VV"])
    other = np.memmap(tmp_path / "other.dat", np.float32, "w+", shape=shape)
    assert oracle.same_bits(reader.read([2, 0, 1], out=other).image[1, 0], arrays["S1_VV"][0])


def test_an_out_whose_file_is_gone_is_accepted(tmp_path, reader):
    out = np.memmap(tmp_path / "out", np.float32, "w+", shape=(2, 4, 8, 9))
    (tmp_path / "out").unlink()
    wanted = reader.read([3, 1])
    got = reader.read([3, 1], out=(out, np.empty((2, 8, 9), np.uint8)))
    assert oracle.same_bits(np.array(got.image), wanted.image)


def wrong_outs():
    image, label = np.full((2, 4, 8, 9), np.nan, np.float32), np.full((2, 8, 9), 77, np.uint8)
    locked = image.copy()
    locked.flags.writeable = False
    wide = np.zeros((2, 4, 8, 18), np.float32)[..., ::2]
    return {
        "image of 3 samples": (
            (np.zeros((3, 4, 8, 9), "f4"), label),
            r"it must be \(2, 4, 8, 9\) float32",
        ),
        "float64": ((image.astype("f8"), label), "image is .* float64; it must be .* float32"),
        "big-endian": ((image.astype(">f4"), label), "it must be .* float32"),
        "strided": ((wide, label), "strides .*; it must be contiguous"),
        "read-only": ((locked, label), "image is read-only"),
        "label of int64": ((image, label.astype("i8")), r"label is .* int64; it must be .* uint8"),
        "label missing": (image, "label is NoneType"),
        "no array": (([1, 2], label), "image is list; it must be a numpy array"),
        "one too many": ((image, label, None, None), "out is a tuple of 4"),
    }


@pytest.mark.parametrize("case", wrong_outs())
def test_a_wrong_out_is_refused_and_not_written(reader, case):
    out, message = wrong_outs()[case]
    with pytest.raises(RequestError, match=message):
        reader.read([0, 1], out=out)
    for array in out if isinstance(out, tuple) else (out,):
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            assert np.isnan(array).all() or not array.any()


def test_an_out_with_a_label_that_is_not_read_is_refused(small):
    reader = small[0].reader(L1C)
    batch = reader.allocate(1)
    with pytest.raises(RequestError, match="out has a label, but this reader reads no labels"):
        reader.read([0], out=(batch.image, np.zeros((1, 35, 41), np.uint8)))


def test_an_out_that_overlaps_a_mapping_is_refused(tmp_path):
    """A writable mapping of what is read, which numpy lets a user make."""
    memory = np.zeros((3, 40, 48), np.int16)
    plan = Gather([[memory]], [[None]], None, None)
    with pytest.raises(ValueError, match="an output overlaps an array that is read"):
        kernels.run([plan], [memory[:1, None]], np.array([0]), np.array([0, 0]), None, 1)
    builders.write_root(tmp_path / "d", {"train": 2})
    split = cloudio.open(tmp_path / "d", layout=builders.SMALL).split("train")
    out = split["L1C_B2"][:1, None]
    with pytest.raises(RequestError, match="image is read-only"):
        split.reader("L1C_B2", size=(40, 48), dtype="int16").read([0], out=out)
