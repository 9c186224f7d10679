"""torch's contract: samples as a list that shares one batch, and everything that builds on it."""

import copy
import operator
import pickle

import builders
import numpy as np
import pytest
from processes import SECONDS, in_subprocess

import cloudio
from cloudio import Batch, CloudioWarning, RequestError
from cloudio.reading.samples import SampleList

torch = pytest.importorskip("torch", reason="torch is an extra")
from sample_wrappers import (  # noqa: E402
    Doubled,
    Items,
    Lists,
    SevensDataset,
    SevensReader,
    Stream,
)
from torch.utils.data import (  # noqa: E402
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    SequentialSampler,
    StackDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

N = 8


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    root = tmp_path_factory.mktemp("samples")
    builders.write_root(root, {"train": 5, "val": 3})
    return cloudio.open(root, layout=builders.SMALL)


def make_reader(ds, labels="hq", **settings):
    reader = ds.reader("L1C", labels, **{"size": 20, "threads": 2, **settings})
    reader.read(range(len(ds)))  # the parent has a thread pool before anything forks
    return reader


@pytest.fixture(params=["reader", "dataset"])
def source(request, ds):
    """What a DataLoader may be given, with the bytes of the reader's own reads."""
    reader = make_reader(ds)
    return reader if request.param == "reader" else cloudio.torch.Dataset(reader, crop="center")


def reader_of(source):
    return getattr(source, "reader", source)


def same(batch, source, index):
    """Compare tensors with a read."""
    assert type(batch) is Batch
    assert batch.index.dtype is torch.int64
    assert batch.index.tolist() == list(index)
    wanted = reader_of(source).read(index)
    for part, array in zip(batch, wanted, strict=True):
        assert (part is None) == (array is None)
        assert array is None or np.array_equal(part.numpy(), array)


# ---- the list ------------------------------------------------------------------------------------


def test_the_samples_of_a_batch_are_a_list_of_views(source):
    index = [5, 0, 5]
    samples = source.__getitems__(index)
    assert len(samples) == 3
    assert [sample.index for sample in samples] == index
    for k, number in enumerate(index):
        for sample in (samples[k], samples[k - 3], samples[np.int64(k)]):
            wanted = source[number]
            assert type(sample) is type(wanted)
            assert (type(sample.index), sample.index) == (int, number)
            assert type(sample.image) is type(wanted.image)
            assert np.array_equal(sample.image, wanted.image)
            assert np.array_equal(sample.label, wanted.label)
        sample.image[:] = -k
        assert (samples.batch.image[k] == -k).all()  # one memory
    assert [sample.index for sample in samples[1:]] == [0, 5]
    assert [sample.index for sample in samples[::-2]] == [5, 5]
    assert isinstance(samples[:1], list)
    assert len(source.__getitems__([])) == 0
    with pytest.raises(IndexError, match=r"^sample 3; there are 3 samples$"):
        samples[3]
    with pytest.raises(IndexError, match=r"^sample -4; "):
        samples[-4]


def test_lists_of_samples_add_up_and_travel(source):
    samples = source.__getitems__([3, 1])
    front, behind = operator.add([None], samples), operator.add(samples, [None])
    for together in (front, behind, samples + samples):
        assert type(together) is list
    assert [sample and sample.index for sample in front + behind] == [None, 3, 1, 3, 1, None]
    assert [sample.index for sample in samples + samples] == [3, 1, 3, 1]
    again = pickle.loads(pickle.dumps(samples))
    assert type(again) is SampleList
    assert [sample.index for sample in copy.copy(again)] == [3, 1]
    assert repr(samples).startswith("<2 samples of Batch(image=")
    # torch copies a sequence by its type or, where that is a TypeError, as a list.
    with pytest.raises(TypeError):
        SampleList([1, 2])


# ---- data sets around ours -----------------------------------------------------------------------

AROUND = {
    "itself": lambda source: source,
    "items": Items,
    "lists": Lists,
    "twice": lambda source: Items(Lists(source)),
    "concatenated": lambda source: ConcatDataset([Subset(source, [2, 3]), Items(source)]),
    "split": lambda source: random_split(source, [5, 3], torch.Generator().manual_seed(0))[0],
    "part": lambda source: Subset(Subset(source, [7, 1, 4, 2]), [3, 0, 1]),
}


def patches(around):
    """The numbers of the patches behind a data set."""
    return [sample.index for sample in (around[k] for k in range(len(around)))]


@pytest.mark.parametrize("collate", [cloudio.torch.collate, None])
@pytest.mark.parametrize("around", list(AROUND))
def test_data_sets_around_ours_have_the_bytes_of_a_read(source, around, collate):
    made = AROUND[around](source)
    wanted, seen = patches(made), []
    for batch in DataLoader(made, 3, collate_fn=collate):
        same(batch, source, batch.index.tolist())
        seen += batch.index.tolist()
    assert seen == wanted


@pytest.mark.parametrize("collate", [cloudio.torch.collate, None])
def test_stacked_data_sets_have_samples_in_dicts_and_tuples(source, collate):
    numbers = TensorDataset(torch.arange(N) * 10)
    for n in (3, 4):  # a batch of three once was taken for three samples
        named = StackDataset(cloud=source, other=numbers, more=list(range(N)))
        for k, batch in enumerate(DataLoader(named, n, collate_fn=collate)):
            index = list(range(N))[n * k : n * (k + 1)]
            assert set(batch) == {"cloud", "other", "more"}
            same(batch["cloud"], source, index)
            assert batch["other"][0].tolist() == [10 * i for i in index]
            assert batch["more"].tolist() == index
        cloud, other = next(iter(DataLoader(StackDataset(source, numbers), n, collate_fn=collate)))
        same(cloud, source, range(n))
        assert other[0].tolist() == [10 * i for i in range(n)]


@pytest.mark.parametrize("collate", [cloudio.torch.collate, None])
def test_chained_streams_are_collated(source, collate):
    chained = ChainDataset([Stream(Subset(source, [3, 1])), Stream(source)])
    batches = list(DataLoader(chained, 4, collate_fn=collate))
    same(batches[0], source, [3, 1, 0, 1])
    assert len(batches) == 3


def test_samplers_of_every_kind_choose_what_is_read(source):
    torch.manual_seed(1)
    drawn = WeightedRandomSampler([0, 0, 1, 0, 2, 0, 0, 1], 20)
    for batch in DataLoader(source, 6, sampler=drawn):
        same(batch, source, batch.index.tolist())
        assert set(batch.index.tolist()) <= {2, 4, 7}
    in_turn = BatchSampler(SequentialSampler(source), 3, drop_last=False)
    for loader in (
        DataLoader(source, batch_sampler=in_turn),
        DataLoader(source, batch_size=None, sampler=in_turn),
        DataLoader(source, batch_size=None, sampler=in_turn, collate_fn=cloudio.torch.collate),
    ):
        index = []
        for batch in loader:
            same(batch, source, batch.index.tolist())
            index += batch.index.tolist()
        assert index == list(range(N))


WORKERS = {
    "fork": {"num_workers": 2, "multiprocessing_context": "fork"},
    "fork that stays": {
        "num_workers": 1,
        "multiprocessing_context": "fork",
        "persistent_workers": True,
    },
    "spawn": {"num_workers": 1, "multiprocessing_context": "spawn"},
}


@pytest.mark.parametrize("start", list(WORKERS))
@pytest.mark.parametrize("around", ["itself", "items", "part"])
def test_workers_read_the_same(ds, start, around):
    reader = make_reader(ds)
    sources = [reader, cloudio.torch.Dataset(reader, crop="center")]
    if start == "spawn":
        sources = sources[:1] if around == "items" else sources[1:]  # each takes seconds
    for source in sources:
        made = AROUND[around](source)
        for collate in (cloudio.torch.collate, None):
            if start == "spawn" and collate is None:
                continue
            loader = DataLoader(made, 3, collate_fn=collate, timeout=SECONDS, **WORKERS[start])
            for _ in range(2 if "stays" in start else 1):
                batches = list(loader)
                for batch in batches:
                    same(batch, source, batch.index.tolist())
                assert [i for b in batches for i in b.index.tolist()] == patches(made)


def test_lists_of_samples_come_out_of_workers(source):
    loader = DataLoader(
        source, 3, collate_fn=lambda samples: samples, timeout=SECONDS, **WORKERS["fork"]
    )
    lists = list(loader)
    assert [len(samples) for samples in lists] == [3, 3, 2]
    for samples in lists:
        assert type(samples) is SampleList
        same(cloudio.torch.collate(samples), source, [sample.index for sample in samples])


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # torchdata's, to torch
@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("around", ["itself", "items", "concatenated", "part"])
def test_a_stateful_data_loader_resumes_with_the_same_samples(source, around, n):
    stateful = pytest.importorskip(
        "torchdata.stateful_dataloader", reason="torchdata is not installed"
    )
    made = AROUND[around](source)

    def loader():
        return stateful.StatefulDataLoader(made, 2, num_workers=n)

    whole = loader()
    batches = iter(whole)
    same(next(batches), source, patches(made)[:2])
    state = whole.state_dict()
    assert [b.index.tolist() for b in batches]
    resumed = loader()
    resumed.load_state_dict(state)
    index = []
    for batch in resumed:
        same(batch, source, batch.index.tolist())
        index += batch.index.tolist()
    assert index == patches(made)[2:]


def test_pinned_memory_is_asked_for_in_vain(ds):
    if getattr(torch, "accelerator", torch.cuda).is_available():
        pytest.skip("there is a device")
    source = make_reader(ds)
    with pytest.warns(UserWarning, match="pin_memory"):
        batch = next(iter(DataLoader(source, 3, pin_memory=True)))
    same(batch, source, range(3))


# ---- collate -------------------------------------------------------------------------------------


@pytest.mark.parametrize("collate", [cloudio.torch.collate, default_collate])
def test_a_batch_comes_back_without_a_copy(source, collate):
    samples = source.__getitems__([4, 2])
    batch = collate(samples)
    image = samples.batch.image
    where = image.data_ptr() if isinstance(image, torch.Tensor) else image.ctypes.data
    assert batch.image.data_ptr() == where
    same(batch, source, [4, 2])


def test_samples_without_labels_and_with_masks_are_collated(ds):
    plain, masked = make_reader(ds, None), make_reader(ds, ["hq", "sc"], valid=True)
    for reader in (plain, masked):
        for around in (reader, Items(reader), cloudio.torch.Dataset(reader, crop="center")):
            for collate in (cloudio.torch.collate, None):
                batch = next(iter(DataLoader(around, 3, collate_fn=collate)))
                for part, array in zip(batch, reader.read(range(3)), strict=True):
                    assert (part is None) == (array is None)
                    assert array is None or np.array_equal(part.numpy(), array)


def test_samples_of_two_data_sets_are_collated_if_they_are_alike(ds):
    reader, other = make_reader(ds), make_reader(ds.split("val"))
    tensors = cloudio.torch.Dataset(other, crop="center")
    for collate in (cloudio.torch.collate, None):
        batch = list(DataLoader(ConcatDataset([reader, tensors]), 6, collate_fn=collate))[1]
        assert batch.index.tolist() == [6, 7, 0, 1, 2]
        assert np.array_equal(batch.image[:2].numpy(), reader.read([6, 7]).image)
        assert np.array_equal(batch.image[2:].numpy(), other.read([0, 1, 2]).image)
        for changed, words in [
            ({"size": 24}, r"^the images of .* in shape: \(4, 20, 20\) and \(4, 24, 24\); read "),
            ({"labels": None}, "^3 of 5 samples have no labels; all samples of a batch must "),
            ({"valid": True}, "^a list of Batch and MaskedBatch; the samples of a batch must be"),
        ]:
            mixed = ConcatDataset([reader, make_reader(ds.split("val"), **changed)])
            with pytest.raises(RequestError, match=words):
                list(DataLoader(mixed, 6, collate_fn=collate))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "^list of nothing; collate takes the samples of a Reader or Dataset as a list, "),
        ("", "^str of nothing; collate takes "),
        (3, "^int; collate takes "),
        ([[1], {}], "^a list of dict and list; the samples of a batch must be of one kind$"),
        ([{"a": 1}, {"b": 1}], "^the samples have different keys; .*: a, b$"),
        ([(1,), (1, 2)], "^the samples have different lengths; "),
        ([None], r"^NoneType cannot be collated \(.*\); collate takes "),
        ([(1, object())], r"^object cannot be collated \(.*\); collate takes "),
        ([np.zeros(2), np.zeros(3)], r"^the arrays of the samples differ in shape: "),
    ],
)
def test_what_is_no_batch_is_not_collated(given, words):
    with pytest.raises(RequestError, match=words):
        cloudio.torch.collate(given)


def test_other_values_are_collated_as_torch_does():
    dates = np.array(["2019-01-17", "2020-02-03"], "datetime64[D]")
    given = [{"a": k, "b": (k, str(k)), "c": np.ones(2) * k, "d": dates[k]} for k in (0, 1)]
    for collate in (cloudio.torch.collate, default_collate):
        made = collate(given)
        assert made["a"].tolist() == [0, 1]
        assert made["b"][0].tolist() == [0, 1]
        assert list(made["b"][1]) == ["0", "1"]
        assert torch.equal(made["c"], torch.tensor([[0.0, 0], [1, 1]], dtype=torch.float64))
        assert np.array_equal(made["d"], dates)


PLAIN = """
import sys, numpy as np, torch
from torch.utils.data import DataLoader, ConcatDataset
import builders, cloudio
ds = cloudio.open(sys.argv[1], layout=builders.SMALL)
for labels in ("hq", None):
    reader = ds.reader("L1C", labels, size=20)
    for source in (reader, ConcatDataset([reader])):
        for batch in DataLoader(source, 3):
            for part, array in zip(batch, reader.read(batch.index.numpy()), strict=True):
                assert (part is None) == (array is None)
                assert array is None or np.array_equal(part.numpy(), array)
    samples = reader.__getitems__([1, 2])
    batch = torch.utils.data.default_collate(samples)
    assert batch.image.data_ptr() == samples.batch.image.ctypes.data
bits = ds.reader("L1C", dtype="bfloat16")
try:
    next(iter(DataLoader(bits, 2)))
except cloudio.RequestError as error:
    print(error)
assert "cloudio.torch" not in sys.modules
import cloudio.torch
print(next(iter(DataLoader(bits, 2))).image.dtype)
"""


def test_a_reader_works_where_only_torch_is_imported(ds):
    pytest.importorskip("ml_dtypes", reason="bfloat16 in numpy is an extra")
    said = in_subprocess(PLAIN, ds.path).splitlines()
    assert said[0].startswith("torch cannot collate these samples (")
    assert said[0].endswith("; pass collate_fn=cloudio.torch.collate to the DataLoader")
    assert said[1:] == ["torch.bfloat16"]


# ---- subclasses ----------------------------------------------------------------------------------


def test_a_subclass_is_asked_for_its_samples(ds):
    for source, value in [
        (SevensDataset(make_reader(ds), crop="center"), 7),
        (SevensReader(ds, 3), 10),
    ]:
        for start in ({}, {**WORKERS["fork"], "timeout": SECONDS}):
            for around in (source, Subset(source, range(N)), Lists(source)):
                batches = list(DataLoader(around, 3, **start))
                assert [i for b in batches for i in b.index.tolist()] == list(range(N))
                assert all((b.image == value).all() for b in batches)
        assert type(source.__getitems__(torch.tensor([1, 2]))) is list


def test_a_subclass_of_a_reader_is_one_in_other_processes_too(ds):
    reader = SevensReader(ds, 3)
    for again in (pickle.loads(pickle.dumps(reader)), copy.deepcopy(reader)):
        assert type(again) is SevensReader
        assert again.added == 3
        assert (again[2].image == 10).all()
    loader = DataLoader(reader, 4, timeout=SECONDS, **WORKERS["spawn"])
    assert all((batch.image == 10).all() for batch in loader)


def test_a_reader_keeps_nothing_that_a_pickle_would_lose(ds):
    from cloudio.reading.copies import OWN_NAMES

    assert vars(make_reader(ds)).keys() == OWN_NAMES


def test_a_subclass_that_reads_otherwise_is_heard_everywhere(ds, monkeypatch):
    reader = Doubled(ds, "L1C", "hq", size=20)
    wanted = make_reader(ds).read([3, 1]).image * 2
    dataset = cloudio.torch.Dataset(reader, crop="center")
    for image in (
        reader.__getitems__([3, 1]).batch.image,
        dataset[[3, 1]].image.numpy(),
        cloudio.torch.read(reader, [3, 1]).image.numpy(),
        next(
            iter(cloudio.torch.Loader(reader, 2, index=[3, 1], shuffle=False, crop="center"))
        ).image.numpy(),
    ):
        assert np.array_equal(image, wanted)
    monkeypatch.setattr("torch.utils.data.get_worker_info", object)
    assert np.array_equal(reader.__getitems__([3, 1]).batch.image, wanted)


def test_samples_of_a_subclass_that_nobody_asks_for_are_said(ds):
    reader = SevensReader(ds, 0)
    words = (
        r"^SevensReader overrides __getitem__, which loaders and cloudio\.torch\.Dataset do not "
        r"call: they read whole batches\. Override read, or pass transform= to a loader$"
    )
    with pytest.warns(CloudioWarning, match=words):
        cloudio.torch.Dataset(reader)
    cloudio.Loader(reader, 2)  # once
