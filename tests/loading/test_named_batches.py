"""``keys`` of a loader: batches as dicts by names, with columns and a transform."""

import pickle

import numpy as np
import pytest
from loading import DRAWN, make_reader, open_set
from named import expected, same

import cloudio
from cloudio import RequestError

ROWS = "site,cloud,when\n" + "".join(f"s{k % 3},{k / 8},2020-01-{k + 1:02}\n" for k in range(23))
OWN = {"label": "y", "when": "date", "index": "id", "image": "x"}


@pytest.fixture
def reader(folder):
    (folder / "metadata.csv").write_text(ROWS, encoding="utf-8")
    return make_reader(open_set(folder))


def with_keys(reader, keys):
    return reader.dataset.reader(**{**reader.settings, "keys": keys})


def assert_named(loader, plain, keys, n_columns=0):
    metadata = plain.reader.dataset.metadata
    for _ in range(2):
        got = list(loader)
        assert len(got) == len(plain)
        for batch, wanted in zip(got, plain, strict=True):
            same(batch, expected(wanted, keys, metadata))


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("keys", ["torchgeo", "transformers", OWN, {"image": "image"}])
def test_batches_of_a_loader_are_dicts_by_the_names(reader, keys, prefetch):
    plain = cloudio.Loader(reader, 4, prefetch=0, **DRAWN)
    loader = cloudio.Loader(reader, 4, prefetch=prefetch, keys=keys, **DRAWN)
    assert loader.reader is reader
    assert_named(loader, plain, keys)
    of_reader = cloudio.Loader(with_keys(reader, keys), 4, prefetch=prefetch, **DRAWN)
    plain.set_epoch(0)
    assert_named(of_reader, plain, keys)


def test_keys_of_a_loader_come_before_those_of_its_reader(reader):
    named = with_keys(reader, "torchgeo")
    loader = cloudio.Loader(named, 4, keys={"label": "y", "image": "x"}, **DRAWN)
    assert_named(
        loader, cloudio.Loader(with_keys(named, None), 4, **DRAWN), {"label": "y", "image": "x"}
    )
    assert ", keys {'label': 'y', 'image': 'x'}>" in repr(loader)
    assert ", keys" not in repr(cloudio.Loader(named, 4))


def test_what_is_left_out_is_not_read(folder):
    reader = make_reader(open_set(folder), valid=True)
    loader = cloudio.Loader(reader, 4, keys={"image": "x"})
    assert loader._batch_reader.labels == ()
    assert not loader._batch_reader.valid
    batch = next(iter(loader))
    assert list(batch) == ["x"]
    assert cloudio.Loader(reader, 4)._batch_reader is reader


def test_columns_are_beside_the_names(reader):
    keys = {"image": "x", "when": "date"}
    loader = cloudio.Loader(reader, 4, keys=keys, columns=["site", "when"], **DRAWN)
    metadata = reader.dataset.metadata
    for batch, wanted in zip(loader, cloudio.Loader(reader, 4, **DRAWN), strict=True):
        assert list(batch) == ["x", "date", "site", "when"]
        assert batch["site"].tolist() == metadata["site"][wanted.index].tolist()
        assert np.array_equal(batch["date"], metadata["when"][wanted.index])
        assert np.array_equal(batch["when"], batch["date"])
    with pytest.raises(
        RequestError,
        match=r"^columns: keys gives the name 'site' already; leave the column out, or name it in "
        "keys: {'site': 'another name'}$",
    ):
        cloudio.Loader(reader, 4, keys={"image": "site"}, columns=["site"])


def test_a_transform_gets_the_dict(reader):
    loader = cloudio.Loader(
        reader, 4, keys="torchgeo", transform=lambda batch: batch["mask"].sum(), **DRAWN
    )
    plain = cloudio.Loader(reader, 4, **DRAWN)
    assert list(loader) == [batch.label.sum() for batch in plain]


def test_a_loader_with_keys_pickles_and_resumes(reader):
    loader = cloudio.Loader(reader, 4, keys=OWN, **DRAWN)
    plain = cloudio.Loader(reader, 4, **DRAWN)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    assert state == {**plain.state_dict(), "position": 4}  # states do not know of keys
    again = pickle.loads(pickle.dumps(loader))
    plain.load_state_dict(state)
    for batch, wanted in zip(again, plain, strict=True):
        same(batch, expected(wanted, OWN, reader.dataset.metadata))
    batches.close()
    assert len(pickle.dumps(loader)) < len(pickle.dumps(plain)) + 300


def test_keys_of_a_loader_name_what_its_reader_reads(folder):
    reader = open_set(folder).reader(["B0"])
    with pytest.raises(
        RequestError, match=r"^keys names label, but no labels are read; pass labels="
    ):
        cloudio.Loader(reader, 4, keys={"label": "y"})
    with pytest.raises(
        RequestError, match=r"^keys names valid, but no mask is read; pass valid=True "
    ):
        cloudio.Loader(reader, 4, keys={"valid": "v"})
    assert list(next(iter(cloudio.Loader(reader, 4, keys="torchgeo")))) == ["image"]
