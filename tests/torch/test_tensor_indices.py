"""Tensors where numbers of patches, origins, symmetries and masks are expected."""

import native
import numpy as np
import oracle
import pytest

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")


@pytest.fixture
def square(ds):
    return ds.reader("L1C", "hq", size=20)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (torch.tensor([3, 1, -1]), [3, 1, 10]),
        (torch.tensor([3, 1], dtype=torch.int32), [3, 1]),
        (torch.tensor([3, 1], dtype=torch.uint8), [3, 1]),
        (torch.tensor([5, 0, 4, 0])[::2], [5, 4]),
        (torch.tensor(2), [2]),
        ([torch.tensor(2), torch.tensor(7)], [2, 7]),
        (torch.arange(0), []),
    ],
)
def test_tensors_are_an_index(square, index, wanted):
    """A warning would be an error here."""
    assert square.read(index).index.tolist() == wanted
    assert cloudio.torch.read(square, index).index.tolist() == wanted
    square.prefetch(index)


def test_tensors_are_origins_and_symmetries(square):
    wanted = square.read([1, 2], [(3, 4), (5, 6)], [6, 4])
    origin, symmetry = torch.tensor([(3, 4), (5, 6)]), torch.tensor([6, 4])
    assert oracle.same_bits(square.read([1, 2], origin, symmetry).image, wanted.image)
    tensors = cloudio.torch.read(square, torch.tensor([1, 2]), origin, symmetry)
    assert oracle.same_bits(tensors.image.numpy(), wanted.image)


def test_tensors_are_subscripts(square):
    assert square[torch.tensor(2)].index == 2
    assert square[torch.tensor([2, 3])].index.tolist() == [2, 3]
    assert cloudio.torch.Dataset(square)[torch.tensor(2)].index == 2


def test_tensors_choose_the_patches_of_loaders_and_subsets(square):
    chosen = torch.tensor([4, 2, 9])
    for index in chosen, torch.isin(torch.arange(11), chosen):
        loader = cloudio.Loader(square, 4, index=index, shuffle=False, crop=torch.tensor([1, 2]))
        assert loader.samples(torch.arange(3)).index.tolist() == np.arange(11)[index].tolist()
        assert loader.crop == (1, 2)
        assert len(square.dataset.subset(index)) == 3
    with pytest.raises(RequestError, match=r"the mask has shape \(3,\); it must be \(11,\)"):
        cloudio.Loader(square, 4, index=torch.ones(3, dtype=torch.bool))


def test_a_tensor_that_changes_later_changes_nothing(square):
    index = torch.tensor([5, 6, 7])
    loader = cloudio.Loader(square, 3, index=index, shuffle=False)
    batch = square.read(index)
    index[:] = 0
    assert loader.samples([0, 1, 2]).index.tolist() == batch.index.tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (torch.tensor([1], device="meta"), r"^index is a tensor on meta; pass index\.cpu\(\)$"),
        (torch.tensor([1.0]), r"^index has dtype float32; it must hold whole numbers$"),
        (torch.tensor([1.0], requires_grad=True), r"^index has dtype float32; it must hold whole"),
        (torch.tensor([1], dtype=torch.bfloat16), r"^index is a torch.strided tensor of torch.bfl"),
        (torch.tensor([[1, 2]]), r"^index has shape \(1, 2\); it must have one dimension$"),
    ],
)
def test_tensors_that_are_no_index_are_refused_in_words(square, index, says):
    for read in square.read, lambda index: cloudio.Loader(square, 2, index=index):
        with pytest.raises(RequestError, match=says):
            read(index)


def test_true_and_false_in_a_tensor_are_no_patches(square):
    with pytest.raises(RequestError, match=r"has dtype bool; it must hold whole numbers: for a m"):
        square.read(torch.tensor([True, False]))


def test_tensors_are_phases():
    array = torch.arange(2 * 4 * 5, dtype=torch.int16).reshape(2, 4, 5)
    phase = torch.tensor([[1, 0], [0, 1]])
    wanted = native.expand(array.numpy(), 2, phase.numpy(), (7, 9))
    for given in ([phase], [[(1, 0), (0, 1)]], [list(phase)]):
        got = cloudio.gather([array], [0, 1], repeat=torch.tensor([2]), phase=given)
        assert oracle.same_bits(got[:, 0], wanted.astype("f4"))
    classes = cloudio.remap(array, [1], range(65536), dtype="int64", repeat=2, phase=phase)
    assert oracle.same_bits(classes, wanted[[1]].astype("i8"))
