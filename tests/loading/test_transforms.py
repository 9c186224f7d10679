"""What is done to a batch after its read: metadata columns, and the caller's transform."""

import contextlib
import functools
import gc
import multiprocessing
import pickle
import threading
import traceback

import loading
import numpy as np
import oracle
import pytest
from loading import DRAWN, CountingAllocator, N, make_reader, threads
from processes import SECONDS, needs_fork
from residents import soon

import cloudio
from cloudio import RequestError

COLUMNS = {
    "site": [f"site {k % 3}" for k in range(N)],
    "cloud": [k / 8 for k in range(N)],
    "year": [2000 + k for k in range(N)],
    "when": [f"2020-01-{k + 1:02}" for k in range(N)],
}


@pytest.fixture
def named(folder):
    """A reader of a data set with metadata."""
    rows = [
        ",".join(COLUMNS),
        *(",".join(map(str, row)) for row in zip(*COLUMNS.values(), strict=True)),
    ]
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return make_reader(loading.open_set(folder))


def mean_of(batch, factor=1):
    return float(batch.image.mean()) * factor


def digest_of_columns(loader):
    """Of an epoch, for what runs in another process."""
    return [(batch["site"].tolist(), batch["image"].sum()) for batch in loader]


# ---- a transform ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_what_a_transform_returns_is_handed_out(reader, prefetch):
    wanted = [batch.image.mean() for batch in cloudio.Loader(reader, 4, **DRAWN)]
    loader = cloudio.Loader(reader, 4, prefetch=prefetch, transform=mean_of, **DRAWN)
    assert list(loader) == wanted
    assert len(loader) == len(wanted)
    assert loader.epoch == 1


ANYTHING = [None, False, (), [], StopIteration(), ValueError("no error"), KeyError, object()]


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("what", ANYTHING)
def test_a_transform_may_return_anything(reader, prefetch, what):
    loader = cloudio.Loader(reader, 4, prefetch=prefetch, transform=lambda batch: what)
    got = list(loader)
    assert len(got) == len(loader)
    assert all(one is what for one in got)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_transform_runs_in_the_thread_that_reads(reader, prefetch):
    loader = cloudio.Loader(
        reader, 4, prefetch=prefetch, transform=lambda batch: threading.current_thread().name
    )
    here = threading.current_thread().name
    assert set(loader) == {"cloudio.Loader" if prefetch else here}


def test_a_transform_may_change_its_batch(reader):
    def negate(batch):
        np.negative(batch.image, out=batch.image)
        return batch

    wanted = list(cloudio.Loader(reader, 4, **DRAWN))
    for epoch in range(2):
        loader = cloudio.Loader(reader, 4, transform=negate, **DRAWN)
        for batch, plain in zip(loader, wanted, strict=True):
            assert oracle.same_bits(batch.image, -plain.image), epoch
            assert oracle.same_bits(batch.label, plain.label)


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_memory_is_reused_when_a_transforms_result_does_not_refer_to_it(reader, prefetch):
    memory = CountingAllocator()
    loader = cloudio.Loader(reader, 2, prefetch=prefetch, transform=mean_of, allocate=memory)
    for _ in range(2):
        assert len(list(loader)) == 12
    assert len(memory.asked) == 2  # image and label of one batch


def test_memory_is_kept_while_a_transforms_result_refers_to_it(reader):
    kept = CountingAllocator()
    loader = cloudio.Loader(
        reader, 2, transform=lambda batch: batch.image[:, 0, ::2], allocate=kept, **DRAWN
    )
    views = list(loader)
    for view, batch in zip(views, cloudio.Loader(reader, 2, **DRAWN), strict=True):
        assert np.array_equal(view, batch.image[:, 0, ::2])
    assert kept.alive >= len(views)


def fails_at(n):
    def fail(batch, seen=[]):  # noqa: B006
        seen.append(batch.index)
        if len(seen) == n:
            raise ZeroDivisionError("of the transform")
        return batch

    return fail


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_an_error_of_a_transform_comes_in_its_turn_with_its_traceback(reader, prefetch):
    loader = cloudio.Loader(reader, 4, prefetch=prefetch, transform=fails_at(3))
    seen = []
    with pytest.raises(ZeroDivisionError, match="of the transform") as caught:
        seen.extend(loader)
    assert len(seen) == 2
    text = "".join(traceback.format_exception(caught.value))
    assert 'raise ZeroDivisionError("of the transform")' in text
    assert ", in fail" in text
    if prefetch:
        assert caught.value.__notes__ == ["while a batch of epoch 0 was built"]
    assert loader.state_dict()["position"] == 8
    assert soon(lambda: not threads())
    state = loader.state_dict()
    loader.load_state_dict(state)
    assert len(list(loader)) == 4


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_stop_iteration_of_a_transform_does_not_end_the_epoch(reader, prefetch):
    loader = cloudio.Loader(reader, 4, prefetch=prefetch, transform=lambda batch: next(iter([])))
    with pytest.raises(RuntimeError, match=r"^transform raised StopIteration") as caught:
        list(loader)
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError("full")])
def test_whatever_a_transform_raises_is_raised_by_the_next_step(reader, error):
    def transform(batch):
        raise error

    with pytest.raises(type(error)):
        next(iter(cloudio.Loader(reader, 4, transform=transform)))


def test_an_error_of_a_transform_holds_no_memory_once_it_is_dealt_with(reader):
    memory = CountingAllocator()
    gc.disable()
    try:
        loader = cloudio.Loader(reader, 2, transform=fails_at(4), allocate=memory)
        with contextlib.suppress(ZeroDivisionError):
            for _ in loader:
                pass
        del loader, _
        assert memory.alive == 0
    finally:
        gc.enable()


def test_closing_waits_for_a_transform_in_progress(reader):
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def transform(batch):
        if batch.index[0] == 4:
            begun.set()
            assert go_on.wait(SECONDS)
            ended.append(batch)
        return batch

    iteration = iter(cloudio.Loader(reader, 4, shuffle=False, transform=transform))
    next(iteration)
    assert begun.wait(SECONDS)
    closing = threading.Thread(target=iteration.close)
    closing.start()
    assert closing.is_alive()
    go_on.set()
    closing.join(SECONDS)
    assert len(ended) == 1
    assert not threads()
    assert next(iteration, None) is None


def test_a_dropped_iteration_stops_after_the_transform_in_progress(reader):
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def transform(batch):
        seen.append(batch.index[0])
        begun.set()
        assert go_on.wait(SECONDS)
        return batch

    iteration = iter(cloudio.Loader(reader, 4, shuffle=False, prefetch=3, transform=transform))
    assert begun.wait(SECONDS)
    del iteration
    go_on.set()
    assert soon(lambda: not threads())
    assert seen == [0]


def test_several_iterations_call_the_transform_of_one_loader(reader):
    loader = cloudio.Loader(reader, 4, transform=mean_of)
    whole = list(loader)
    loader.set_epoch(0)
    assert [(one, other) for one, other in zip(loader, loader, strict=True)] == [
        (one, one) for one in whole
    ]


@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_fork), pytest.param("spawn")])
def test_transforms_and_columns_work_in_other_processes(named, method):
    loader = cloudio.Loader(named, 4, columns=["site"], **DRAWN)
    wanted = digest_of_columns(loader)
    loader.set_epoch(0)
    with multiprocessing.get_context(method).Pool(1) as pool:
        iteration = iter(loader)
        next(iteration)
        other = cloudio.Loader(named, 4, columns=["site"], **DRAWN)
        assert pool.apply_async(digest_of_columns, (other,)).get(SECONDS) == wanted
        doubled = cloudio.Loader(named, 4, transform=functools.partial(mean_of, factor=2))
        assert pool.apply_async(list, (doubled,)).get(SECONDS) == list(doubled)
        iteration.close()


def test_a_loader_pickles_with_its_transform(named):
    loader = cloudio.Loader(named, 5, columns=["site", "when"], transform=pickle_test, **DRAWN)
    first = next(iter(loader))
    other = pickle.loads(pickle.dumps(loader))
    assert len(pickle.dumps(other)) < 2400
    assert other.transform is loader.transform
    assert other.columns == ("site", "when")
    assert other.state_dict() == loader.state_dict()
    rest = list(other)
    assert first == [5, "site", "when"]
    assert len(rest) == 4
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(cloudio.Loader(named, 5, transform=lambda batch: batch))


def pickle_test(batch):
    return [len(batch["index"]), *(name for name in batch if name in COLUMNS)]


@pytest.mark.parametrize("transform", [3, "flip", [len], {}])
def test_what_cannot_be_called_is_no_transform(reader, transform):
    with pytest.raises(
        RequestError, match=r"^transform=.*; transform must be a function that takes a batch$"
    ):
        cloudio.Loader(reader, 4, transform=transform)


# ---- columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 2])
def test_columns_make_a_batch_a_dict(named, prefetch):
    loader = cloudio.Loader(named, 4, columns=["site", "cloud", "when"], prefetch=prefetch, **DRAWN)
    for batch, plain in zip(loader, cloudio.Loader(named, 4, **DRAWN), strict=True):
        assert list(batch) == ["image", "label", "index", "site", "cloud", "when"]
        for name in "image", "label", "index":
            assert oracle.same_bits(batch[name], getattr(plain, name))
        assert batch["site"].tolist() == [COLUMNS["site"][k] for k in plain.index]
        assert batch["cloud"].tolist() == [COLUMNS["cloud"][k] for k in plain.index]
        assert batch["when"].tolist() == named.dataset.metadata["when"][plain.index].tolist()
        assert batch["cloud"].flags.writeable


def test_a_dict_has_what_the_reader_reads(named):
    ds = named.dataset
    masked = ds.reader("B0", size=6, valid=True)
    (batch,) = cloudio.Loader(masked, N, columns="year")
    assert list(batch) == ["image", "index", "valid", "year"]
    (batch,) = cloudio.Loader(ds.subset(range(5, 9)).reader("B0", size=6), 9, columns=("year",))
    assert list(batch) == ["image", "index", "year"]
    assert batch["year"].tolist() == [2005 + k for k in batch["index"]]


def test_columns_come_before_the_transform(named):
    loader = cloudio.Loader(named, 4, columns=["year"], transform=lambda batch: batch["year"].max())
    assert max(loader) == 2000 + N - 1


def test_columns_follow_index_weights_and_crops(named):
    for settings in (
        {"index": [9, 4, 4], "shuffle": False},
        {"weights": range(N), "num_samples": 30},
        {"crops_per_patch": 2},
    ):
        for batch in cloudio.Loader(named, 4, columns=["year"], **settings):
            assert (batch["year"] == 2000 + batch["index"]).all()


def test_no_columns_leave_a_batch_as_it_is(named):
    assert type(next(iter(cloudio.Loader(named, 4, columns=[])))) is cloudio.Batch


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            ["sites"],
            r"^columns: the metadata has no column 'sites'; it has site, .*; did you mean site\?$",
        ),
        (
            ["Year"],
            r"^columns: the metadata has no column 'Year'; it has site, .*; did you mean year\?$",
        ),
        (["x"], r"^columns: the metadata has no column 'x'; it has site, cloud, year, when$"),
        (["site", "site"], r"^columns names 'site' twice$"),
        ([3], r"^columns: 3 is no name; columns must be names of metadata columns$"),
        (3, r"^columns=3; columns must be names of metadata columns$"),
    ],
)
def test_columns_that_do_not_exist_are_refused(named, columns, says):
    with pytest.raises(RequestError, match=says):
        cloudio.Loader(named, 4, columns=columns)


def test_columns_need_metadata(reader):
    with pytest.raises(
        RequestError, match=r"^columns: the metadata has no column 'a'; it has none"
    ):
        cloudio.Loader(reader, 4, columns=["a"])


def test_a_column_with_the_name_of_a_part_is_refused(folder):
    text = "\n".join(["label", *map(str, range(N))])
    (folder / "metadata.csv").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"^columns: a batch has a part 'label' already; lea"):
        cloudio.Loader(make_reader(loading.open_set(folder)), 4, columns=["label"])
