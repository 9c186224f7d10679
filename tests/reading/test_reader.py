"""Readers: shapes, indices, subsets and splits; pickles and lifetimes."""

import pickle
from types import MappingProxyType

import builders
import numpy as np
import oracle
import pytest
from reads import L1C

import cloudio
from cloudio import LabelMap, RequestError


def test_shapes_follow_the_settings(small):
    dataset, _ = small
    last = dataset.reader(layout="NHWC", dtype="float16")
    assert (last.image_shape, last.dtype) == ((35, 41, 4), np.float16)
    assert last.read([0, 1]).image.shape == (2, 35, 41, 4)
    assert last[0].image.shape == (35, 41, 4)
    plain = dataset.reader()
    assert (plain.image_shape, plain.label_shape) == ((4, 35, 41), None)
    assert plain.read([0, 1]).label is None
    assert dataset.reader("B8A", "hq", size=8).label_shape == (8, 8)
    assert dataset.reader(["B8A"], ["hq"], size=8).label_shape == (1, 8, 8)
    two = dataset.reader(["rgb", "S1"], {"hq": "card", "sc": None}, size=(8, 9))
    assert two.bands == ("L1C_B4", "L1C_B3", "L1C_B2", "S1_VV", "S1_VH")
    assert two.read([1, 2, 3]).image.shape == (3, 5, 8, 9)
    assert two.read([1, 2, 3]).label.shape == (3, 2, 8, 9)
    assert two.read([]).image.shape == (0, 5, 8, 9)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (range(2, 5), [2, 3, 4]),
        ((6, 6, -1), [6, 6, 6]),
        (np.array([1, 2], np.uint8), [1, 2]),
        (np.array([5, 0, 5])[::-1], [5, 0, 5]),
        (np.array([-7, 3], ">i4"), [0, 3]),
        (3, [3]),
        (np.int32(-1), [6]),
        ([], []),
    ],
)
def test_any_whole_numbers_are_an_index(reader, index, wanted):
    batch = reader.read(index)
    assert batch.index.tolist() == wanted
    assert np.array_equal(batch.image, reader.read(wanted).image)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4"])
def test_whole_numbers_of_any_width_are_taken(reader, dtype):
    wanted = reader.read([1, 2], [(3, 4), (5, 6)], [3 * 2, 4])
    index, origin = np.array([1, 2], dtype), np.array([(3, 4), (5, 6)], dtype)
    got = reader.read(index, origin, np.array([6, 4], dtype))
    assert oracle.same_bits(got.image, wanted.image)


@pytest.mark.parametrize("index", [[True, 2], (1, np.True_), [0, False]])
def test_true_and_false_among_numbers_are_no_patches(reader, index):
    with pytest.raises(RequestError, match="index holds True or False; it must hold whole numbers"):
        reader.read(index)
    with pytest.raises(RequestError, match="origin holds True or False"):
        reader.read([0, 1], [(0, 0), index])


def test_rows_of_different_lengths_are_no_origin(reader):
    with pytest.raises(RequestError, match="origin must be an array of whole numbers"):
        reader.read([0, 1], [(1, 2), (3,)])


def test_the_index_that_was_given_is_left_alone(reader):
    index = np.array([-1, -2])
    assert reader.read(index).index.tolist() == [6, 5]
    assert index.tolist() == [-1, -2]


def test_samples_slices_and_batches_by_subscript(reader):
    sample = reader[-1]
    assert (sample.image.shape, sample.label.shape, sample.index) == ((4, 8, 9), (8, 9), 6)
    assert np.array_equal(sample.image, reader.read([6]).image[0])
    assert reader[5:100].index.tolist() == [5, 6]
    assert reader[[3, 1]].index.tolist() == [3, 1]
    assert [sample.index for sample in reader.__getitems__([3, 1])] == [3, 1]
    assert [sample.index for sample in reader] == list(range(7))


def test_a_subset_reads_its_own_patches_in_its_own_order(small):
    dataset, arrays = small
    reader = dataset.subset([6, 2, 2, 0]).reader("B8A", scale=None)
    batch = reader.read([0, -1, 1])
    assert batch.index.tolist() == [0, 3, 1]
    assert np.array_equal(batch.image[:, 0], arrays["L1C_B8A"][[6, 0, 2], 1:36, 2:43])
    with pytest.raises(IndexError, match=r"index\[0\] = 4; there are 4 patches"):
        reader.read([4])


def test_one_split_reads_as_its_part_of_the_root(small):
    dataset, _ = small
    for name, which in dataset.splits.items():
        part = dataset.split(name).reader(L1C, "hq").read(range(len(which)))
        whole = dataset.reader(L1C, "hq").read(which)
        assert oracle.same_bits(part.image, whole.image)
        assert oracle.same_bits(part.label, whole.label)


def test_a_batch_is_aligned_to_cache_lines(reader):
    for n in range(1, 9):
        for array in reader.allocate(n)[:2]:
            assert array.ctypes.data % 64 == 0


def test_threads_come_from_the_environment(small, monkeypatch):
    monkeypatch.setenv("CLOUDIO_THREADS", "3")
    assert small[0].reader()._threads == 3
    assert small[0].reader(threads=1)._threads == 1
    monkeypatch.setenv("CLOUDIO_THREADS", "many")
    with pytest.raises(
        RequestError, match="CLOUDIO_THREADS='many'; CLOUDIO_THREADS must be a whole number"
    ):
        small[0].reader()
    monkeypatch.delenv("CLOUDIO_THREADS")
    assert small[0].reader()._threads >= 1


# ---- pickles and lifetimes -----------------------------------------------------------------------


def test_a_reader_pickles_as_paths(small):
    dataset, _ = small
    own = LabelMap({0: 1})
    for reader in (
        dataset.reader(L1C, "hq", size=8),
        dataset.split("test").reader(["B8A", "S1"], {"hq": own, "sc": None}, mean=0.1, std=2),
    ):
        frozen = pickle.dumps(reader)
        again = pickle.loads(frozen)
        assert (again.bands, again.labels, again.size) == (reader.bands, reader.labels, reader.size)
        one, other = again.read([1, 0]), reader.read([1, 0])
        assert oracle.same_bits(one.image, other.image)
        assert oracle.same_bits(one.label, other.label)


def test_a_reader_pickles_what_it_does_not_what_became_of_its_arguments(small):
    bands, scale, classes = ["B8A", "S1_VV"], np.array([2.0, 3.0]), {0: 1}
    reader = small[0].reader(bands, {"hq": MappingProxyType(classes)}, scale=scale, clip=[0, 9])
    bands.append("B4")
    scale[:] = 7
    classes[0] = 2
    one, other = pickle.loads(pickle.dumps(reader)).read([1, 0]), reader.read([1, 0])
    assert oracle.same_bits(one.image, other.image)
    assert oracle.same_bits(one.label, other.label)


def test_a_pickled_reader_of_the_real_layout_is_small(mini):
    labels = {"manual_hq": "card", "sen2cor": "card"}
    reader = mini.reader("L1C", labels, size=224, mean=[0.1] * 13, std=[0.2] * 13)
    assert len(pickle.dumps(reader)) < 2048
    assert len(pickle.dumps(mini)) < 2048


def test_a_batch_outlives_everything_it_came_from(tmp_path):
    arrays = builders.write_root(tmp_path, {"train": 2})
    view = cloudio.open(tmp_path, layout=builders.SMALL)["L1C_B2"]
    batch = cloudio.open(tmp_path, layout=builders.SMALL).reader("L1C_B2", scale=None).read([1])
    for path in tmp_path.glob("*/*.dat"):
        path.unlink()
    assert np.array_equal(view, arrays["L1C_B2"])
    assert np.array_equal(batch.image[0, 0], arrays["L1C_B2"][1, 1:36, 2:43])
