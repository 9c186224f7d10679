"""Dask: lazy arrays and merged statistics equal those of this process, on threads and a cluster."""

import json
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import loading
import numpy as np
import processes
import pytest
from loading import BANDS, N
from paths import SUPPORT

import cloudio
from cloudio import RequestError

dask = pytest.importorskip("dask", reason="dask is an extra")
pytest.importorskip("dask.array", reason="dask is an extra")

from cloudio.integrations.dask.sources import Source  # noqa: E402

pytestmark = pytest.mark.usefixtures("threads")


@pytest.fixture
def threads():
    """Threads that end with the test, in place of those that Dask keeps."""
    with (
        ThreadPoolExecutor(3) as pool,
        dask.config.set({"pool": pool, "scheduler": "threads", "tokenize.ensure-deterministic": 1}),
    ):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dask")
    for name, n in (("a", N), ("b", 8)):
        loading.write(folder / name, n)
    return folder


@pytest.fixture
def ds(folder):
    with loading.open_set(folder) as ds:
        yield ds


def assert_same(found, expected):
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def stored(ds, name):
    return np.concatenate([ds.split(split)[name] for split in ds.splits])


# ---- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, N, 1000])
def test_an_array_is_what_the_files_hold(ds, size):
    array = cloudio.dask.array(ds, "b1", patches_per_chunk=size)
    assert array.chunks[1:] == ((12,), (14,))
    assert max(array.chunks[0]) == min(size, N + 8)
    assert_same([array.compute()], [stored(ds, "B1")])
    assert_same([array[5:26:3, ::-1, 4].compute()], [stored(ds, "B1")[5:26:3, ::-1, 4]])


def test_an_array_of_a_subset_has_its_patches_in_its_order(ds):
    for numbers in ([29, 3, 3, -1], range(4, 28), []):
        array = cloudio.dask.array(ds.subset(numbers), "LABEL", patches_per_chunk=3)
        assert array.shape == (len(numbers), 12, 14)
        expected = stored(ds, "LABEL")[np.array(numbers, int)]
        assert_same([array.compute()], [expected])


@pytest.mark.parametrize("index", [None, [30, 2, -1, 2], np.arange(9, 14), []])
@pytest.mark.parametrize("numbers", [None, [*range(28, 3, -1), *range(25)]])
def test_batches_are_what_the_reader_reads(ds, index, numbers):
    ds = ds if numbers is None else ds.subset(numbers)
    reader = loading.make_reader(ds, valid=True, mean=[0.5, 1], std=[2, 3])
    batch = cloudio.dask.batches(reader, index, patches_per_chunk=3)
    expected = reader.read(np.arange(len(ds)) if index is None else index)
    assert type(batch) is type(expected)
    assert [part.shape for part in batch] == [part.shape for part in expected]
    assert_same(dask.compute(*batch), expected)
    assert_same([batch.image[1:, 0].compute()], [expected.image[1:, 0]])


def test_batches_have_the_names_of_the_reader(ds):
    reader = loading.make_reader(ds.subset([7, 30, 4]), keys={"label": "y", "index": "i"})
    batch = cloudio.dask.batches(reader, [2, 0])
    expected = reader.read([2, 0])
    assert [*batch] == [*expected] == ["y", "i"]
    assert_same(dask.compute(*batch.values()), [*expected.values()])
    alone = cloudio.dask.batches(ds.reader("B0", layout="NHWC"))
    assert alone.label is None
    assert repr(alone) == "Batch(image=float32 (31, 9, 11, 1), label=None, index=int64 (31,))"
    assert "index=int64 (2,)" in repr(cloudio.dask.batches(ds.reader("B0"), [2, 0]))


@pytest.mark.parametrize("numbers", [None, [*range(30, 3, -2)]])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_statistics_are_those_of_one_pass(ds, numbers, size):
    part = ds if numbers is None else ds.subset(numbers)
    ascending = ds if numbers is None else ds.subset(sorted(numbers))
    for count, *arguments in (
        (cloudio.stats.bands, BANDS),
        (cloudio.stats.classes, ["LABEL"]),
    ):
        found = cloudio.dask.stats(count, part, *arguments, patches_per_chunk=size)
        assert found.json() == count(ascending, *arguments).json()


def test_percentiles_of_floats_and_agreements_are_those_of_one_pass(tmp_path, capsys):
    names = ["S1_VV", "L1C_B4", "LABEL_manual_hq", "LABEL_fmask"]
    cloudio.synthesize(tmp_path / "data", {"train": 3, "val": 2}, arrays=names)
    ds = cloudio.open(tmp_path / "data")
    found = cloudio.dask.stats(
        cloudio.stats.bands, ds, ["VV", "B4"], patches_per_chunk=2, progress=True
    )
    assert found == cloudio.stats.bands(ds, ["VV", "B4"])
    assert np.isfinite(found.percentiles).all()
    assert "100% Completed" in capsys.readouterr().err
    matrix = cloudio.dask.stats(
        cloudio.stats.agreement, ds, "fmask", "manual_hq", per_patch=True, patches_per_chunk=2
    )
    assert matrix == cloudio.stats.agreement(ds, "fmask", "manual_hq", per_patch=True)


def test_no_patches_have_statistics_and_a_report_too(ds):
    empty = ds.subset([])
    found = cloudio.dask.stats(cloudio.stats.classes, empty, "LABEL")
    assert found == cloudio.stats.classes(empty, "LABEL")
    assert cloudio.dask.verify(empty).missing == cloudio.verify(empty, progress=False).missing


@pytest.fixture
def defective(tmp_path):
    """Patches that occur twice, in two splits, and a file that ends early."""
    for name, n in (("a", 9), ("b", 7)):
        loading.write(tmp_path / name, n)
    os.truncate(tmp_path / "a" / "B1.dat", 8 * 12 * 14 * 2 + 3)
    return tmp_path


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_reports_are_those_of_one_pass(defective, size):
    layout = loading.LAYOUT
    expected = cloudio.verify(defective, layout=layout, progress=False)
    assert {"duplicate", "cut"} <= {finding.check for finding in expected.findings}
    found = cloudio.dask.verify(defective, layout=layout, patches_per_chunk=size)
    assert found.findings == expected.findings
    assert (found.splits, found.n_bytes) == (expected.splits, expected.n_bytes)
    assert found.missing == {}


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")  # few patches
def test_a_part_is_verified_as_one_pass_verifies_it(ds):
    part = ds.subset([30, *range(3, 12)])
    expected = cloudio.verify(part, progress=False)
    found = cloudio.dask.verify(part, patches_per_chunk=4)
    assert found.findings == expected.findings
    assert found.missing == expected.missing
    assert found.n_bytes == expected.n_bytes


# ---- graphs --------------------------------------------------------------------------------------


def test_a_graph_of_ten_thousand_patches_takes_few_bytes(tmp_path):
    for name, item in (("B0", 2), ("B1", 2), ("LABEL", 1)):
        with (tmp_path / f"{name}.dat").open("wb") as file:
            file.truncate(10_001 * 12 * 14 * item)
    ds = loading.open_set(tmp_path)
    batch = cloudio.dask.batches(loading.make_reader(ds))
    for lazy in (cloudio.dask.array(ds, "B0"), *batch):
        assert len(pickle.dumps(lazy.__dask_graph__())) < 5_000
        assert len(pickle.dumps(lazy)) < 10_000


def test_names_follow_from_files_and_settings(ds, folder):
    def names(ds, **settings):
        reader = loading.make_reader(ds, **settings)
        return [cloudio.dask.array(ds, "B0").name, cloudio.dask.batches(reader).image.name]

    first = names(ds)
    assert names(loading.open_set(folder)) == first
    assert set(names(ds.subset([3]))).isdisjoint(first)
    assert cloudio.dask.array(ds, "B1").name != cloudio.dask.array(ds, "B0").name != first[1]
    assert cloudio.dask.array(ds, "B0", patches_per_chunk=63).name != first[0]
    assert names(ds, mean=[1, 2])[1] != first[1]
    assert names(ds, mean=[1, 2])[0] == first[0]
    maps = [cloudio.LabelMap({1: 0, 2: 1}, names=["clear", "".join(["clo", "ud"])]) for _ in "ab"]
    maps += [pickle.loads(pickle.dumps(maps[0])), cloudio.LabelMap({1: 0, 2: 2})]
    readers = [ds.reader("B0", {"LABEL": each}) for each in maps]
    labels = [cloudio.dask.batches(reader).label.name for reader in readers]
    assert [labels.count(name) for name in labels] == [3, 3, 3, 1]
    path = folder / "b" / "LABEL.dat"
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert set(names(ds)).isdisjoint(first)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(ds) == first


def test_a_process_opens_a_source_once_and_keeps_few(ds):
    made = [Source.of_reader(ds.reader("B0", mean=k / 10)) for k in range(20)]
    barrier = threading.Barrier(4)

    def open_first(_):
        barrier.wait()
        return made[0].open()

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(open_first, range(4))
    assert all(other is first for other in others)
    opened = [source.open() for source in made]
    assert [reader.settings["mean"] for reader in opened] == [k / 10 for k in range(20)]
    assert pickle.loads(pickle.dumps(made[-1])).open() is opened[-1]
    assert made[0].open() is not first


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["array", "batches", "stats", "verify"])
def test_wrong_chunks_are_refused(ds, call):
    given = {
        "array": (ds, "B0"),
        "batches": (ds.reader("B0"),),
        "stats": (cloudio.stats.bands, ds),
        "verify": (ds,),
    }[call]
    with pytest.raises(
        RequestError, match=r"^patches_per_chunk=0; .* must be a whole number, 1 or more$"
    ):
        getattr(cloudio.dask, call)(*given, patches_per_chunk=0)


def test_wrong_arguments_are_refused_before_a_task_runs(ds):
    with pytest.raises(RequestError, match=r"^reader is a Dataset; it must be a Reader"):
        cloudio.dask.batches(ds)
    with pytest.raises(RequestError, match=r"^ds is of type str; ds must be a Dataset"):
        cloudio.dask.array("data", "B0")
    with pytest.raises(IndexError, match="there are 31 patches"):
        cloudio.dask.batches(ds.reader("B0"), [31])
    with pytest.raises(RequestError, match=r"^count='bands'; count must be cloudio\.stats\.bands"):
        cloudio.dask.stats("bands", ds)
    with (
        dask.config.set(scheduler=lambda *_, **__: pytest.fail("tasks run")),
        pytest.raises(RequestError, match=r"^percentiles="),
    ):
        cloudio.dask.stats(cloudio.stats.bands, ds, percentiles=[101])
    for bands, percents, which in ((["B0"], iter([1]), "percentiles"), (iter(["B0"]), (1,), "arg")):
        with pytest.raises(RequestError, match=rf"^{which}.* is an iterator, which only one task"):
            cloudio.dask.stats(cloudio.stats.bands, ds, bands, percentiles=percents)
    with pytest.raises(RequestError, match=r"^path is of type int; path must be a str"):
        cloudio.dask.verify(3)
    with pytest.raises(RequestError, match=r"^layout= belongs to a path; a Dataset has its layout"):
        cloudio.dask.verify(ds, layout=loading.LAYOUT)
    with pytest.raises(RequestError, match=r"has patches twice, such as b 2; results of parts"):
        cloudio.dask.stats(cloudio.stats.bands, ds.subset([1, 25, 4, 25]))


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    loading.write(tmp_path, 6)
    ds = loading.open_set(tmp_path)
    array = cloudio.dask.array(ds, "B0", patches_per_chunk=2)
    os.truncate(tmp_path / "B0.dat", 5 * 12 * 14 * 2)
    with pytest.raises(cloudio.LayoutError):
        array.compute()


def test_a_file_that_is_gone_is_named(tmp_path):
    loading.write(tmp_path, 6)
    array = cloudio.dask.array(loading.open_set(tmp_path), "B0", patches_per_chunk=2)
    os.remove(tmp_path / "B0.dat")
    with pytest.raises(cloudio.RequestError, match="B0"):
        array.compute()


# ---- a cluster -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a program that used two worker processes, and what it said."""
    pytest.importorskip("distributed", reason="distributed is an extra")
    folder = tmp_path_factory.mktemp("cluster")
    loading.write(folder / "data", N)
    with loading.open_set(folder / "data") as ds:
        batch = loading.make_reader(ds, valid=True).read(range(N))
        np.savez(folder / "expected.npz", array=ds["B0"], **batch._asdict())
        reader = loading.make_reader(ds, valid=True)
        lazy = cloudio.dask.batches(reader, patches_per_chunk=2)
        names = [cloudio.dask.array(ds, "B0", patches_per_chunk=2), *lazy]
    command = [sys.executable, SUPPORT / "dask_programs.py", folder]
    said = json.loads(processes.printed(command, env=processes.environment()).splitlines()[-1])
    return folder, {**said, "expected": [each.name for each in names]}


def test_workers_give_the_bits_of_the_reader(cluster):
    folder, _ = cluster
    for name, expected in np.load(folder / "expected.npz").items():
        assert_same([np.load(folder / f"{name}.npy")], [expected])


def test_names_are_the_same_in_another_process(cluster):
    _, said = cluster
    assert said["names"] == said["expected"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which files are open")
def test_a_worker_opens_a_file_once_and_maps_none(cluster):
    _, said = cluster
    assert said["opened"] == [[1, 0], [1, 0]]


def test_workers_read_a_file_again_that_was_replaced(cluster):
    folder, _ = cluster
    expected = np.load(folder / "expected.npz")["array"]
    assert_same([np.load(folder / "changed.npy")], [7 - expected])


def test_a_killed_worker_loses_nothing(cluster):
    folder, _ = cluster
    assert (folder / "killed").exists()
    assert_same([np.load(folder / "ended.npy")], [np.load(folder / "changed.npy")])


def test_workers_count_what_one_pass_counts(cluster):
    folder, _ = cluster
    ds = loading.open_set(folder / "data").subset(range(1, N))
    assert cloudio.stats.load(folder / "bands.json") == cloudio.stats.bands(ds, BANDS)
    report = pickle.loads((folder / "report.pickle").read_bytes())
    expected = cloudio.verify(folder / "data", layout=loading.LAYOUT, progress=False)
    assert report.findings == expected.findings
    assert cloudio.stats.load(folder / "classes.json") == cloudio.stats.classes(ds, "LABEL")
