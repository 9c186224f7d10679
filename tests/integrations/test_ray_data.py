"""Ray Data gives the batches of loaders, and statistics those of one pass, on two nodes."""

import copy
import json
import pickle
import sys

import loading
import native
import numpy as np
import processes
import pytest
from loading import BANDS, N
from paths import SUPPORT

import cloudio
from cloudio import RequestError

pytest.importorskip("ray", reason="Ray is an extra")
pytest.importorskip("ray.data", reason="Ray Data is an extra")

from ray.data.block import BlockAccessor

# Ray warns of a setting of its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

DRAWN = {"seed": 3, "crop": "random", "symmetry": "d4"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    for name in ("data", "broken"):
        loading.write(folder / name, N)
    (folder / "floats").mkdir()
    floats = np.random.default_rng(5).normal(size=(9, 6, 6)).astype("<f4")
    floats.tofile(folder / "floats" / "F.dat")
    return folder


@pytest.fixture
def ds(folder):
    with loading.open_set(folder / "data") as ds:
        yield ds


def blocks_of(source, n_tasks, **more):
    """The columns of each block of each task, as tasks on other machines read them."""
    tasks = pickle.loads(pickle.dumps([t.read_fn for t in source.get_read_tasks(n_tasks, **more)]))
    return [[dict(BlockAccessor.for_block(block).to_numpy()) for block in task()] for task in tasks]


def joined(tasks):
    blocks = [block for task in tasks for block in task]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def epoch_of(loader):
    batches = [batch if isinstance(batch, dict) else batch._asdict() for batch in loader]
    names = [name for name, part in batches[0].items() if part is not None]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, part in expected.items():
        assert found[name].dtype == part.dtype
        np.testing.assert_array_equal(found[name], part)


class Context:
    """What a pass has of Ray's context."""

    target_max_block_size = None

    def __init__(self, n_passes):
        self._execution_idx = n_passes


# ---- tasks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", ["all", "index", "subset", "both"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_tasks_read_the_epochs_of_a_loader(ds, chosen, shuffle):
    part = ds.subset(np.arange(N - 1, 1, -2)) if chosen in ("subset", "both") else ds
    index = [5, 3, 4, 3] if chosen in ("index", "both") else None
    reader = loading.make_reader(part, valid=True)
    loader = cloudio.Loader(reader, 4, index=index, shuffle=shuffle, **DRAWN)
    source = cloudio.ray.Datasource(reader, index, shuffle=shuffle, patches_per_block=3, **DRAWN)
    source = copy.deepcopy(source)  # Ray copies and pickles it
    for epoch in range(2):
        loader.set_epoch(epoch)
        expected = epoch_of(loader)
        assert_same(joined(blocks_of(source, 2, data_context=Context(epoch))), expected)
        fixed = cloudio.ray.Datasource(reader, index, shuffle=shuffle, epoch=epoch, **DRAWN)
        assert_same(joined(blocks_of(fixed, 5, data_context=Context(7))), expected)


def test_without_a_seed_patches_are_those_that_the_reader_reads(ds):
    for reader in (loading.make_reader(ds), ds.reader("B0", dtype="int16", scale=None)):
        expected = reader.read(range(N))._asdict()
        expected = {name: part for name, part in expected.items() if part is not None}
        assert_same(joined(blocks_of(cloudio.ray.Datasource(reader), 4)), expected)


def test_bands_that_are_stored_as_the_sensor_saw_them_are_read_as_all_pixels(tmp_path):
    roots = native.write_roots(tmp_path, {"train": 4, "val": 3}, toml=True)
    bands = ["L1C_B3", "L2A_B4", "S1_VH"]
    coarse, full = (
        cloudio.open(root).subset([6, 2, 0, 5]).reader(bands, {"LABEL_hq": {0: 1, 1: 0}}, size=5)
        for root in (roots.native, roots.full)
    )
    source = cloudio.ray.Datasource(coarse, **DRAWN)
    loader = cloudio.Loader(full, 2, **DRAWN)
    assert_same(joined(blocks_of(source, 2)), epoch_of(loader))


def test_columns_have_the_names_of_keys(ds):
    keys = {"image": "x", "index": "number"}
    reader = loading.make_reader(ds.subset([4, 2, 9]), keys="torchgeo")
    assert_same(joined(blocks_of(cloudio.ray.Datasource(reader), 1)), dict(reader.read(range(3))))
    found = joined(blocks_of(cloudio.ray.Datasource(reader, keys=keys), 1))
    assert_same(found, {"x": reader.read(range(3))["image"], "number": np.arange(3)})


def test_blocks_have_the_patches_and_bytes_that_are_allowed(ds, monkeypatch):
    reader = loading.make_reader(ds)
    sizes = [[len(b["index"]) for b in task] for task in blocks_of(
        cloudio.ray.Datasource(reader, patches_per_block=4), 3
    )]  # fmt: skip
    assert sizes == [[4, 4], [4, 4], [4, 3]]
    source = cloudio.ray.Datasource(reader)
    row = source.estimate_inmemory_data_size() // N
    small = Context(0)
    small.target_max_block_size = 5 * row
    sizes = [[len(b["index"]) for b in task] for task in blocks_of(source, 2, data_context=small)]
    assert sizes == [[5, 5], [5, 5, 3]]
    tasks = source.get_read_tasks(100)
    assert [task.metadata.num_rows for task in tasks] == [1] * N
    assert sum(task.metadata.size_bytes for task in tasks) == N * row
    assert [*tasks[0].schema.names] == ["image", "label", "index"]
    (limited,) = source.get_read_tasks(1, per_task_row_limit=2)
    assert sum(block.num_rows for block in limited()) == 2
    most = 128 * 2**20 // row
    with pytest.raises(RequestError, match=f"^patches_per_block={most + 1}; .* from 1 to {most}, "):
        cloudio.ray.Datasource(reader, patches_per_block=most + 1)


def test_tasks_carry_a_path_and_numbers(folder, tmp_path):
    n_patches = 20_001
    for band in loading.LAYOUT.bands:
        with open(tmp_path / f"{band.name}.dat", "wb") as file:
            file.truncate(n_patches * 12 * 14 * np.dtype(band.dtype or "int16").itemsize)
    with loading.open_set(tmp_path) as ds:
        source = cloudio.ray.Datasource(loading.make_reader(ds), **DRAWN)
        (task,) = source.get_read_tasks(1)
        assert len(pickle.dumps(task.read_fn)) < 4_000
        part = cloudio.ray.Datasource(loading.make_reader(ds.subset(range(100, 200))), **DRAWN)
        (task,) = part.get_read_tasks(1)
        assert len(pickle.dumps(task.read_fn)) < 8_000


def test_wrong_arguments_are_refused(ds):
    reader = loading.make_reader(ds)
    for given in ({"crop": "random"}, {"symmetry": "d4"}, {"shuffle": True}):
        ((name, value),) = given.items()
        needs = f"^{name}={value!r} without a seed; pass seed=, from 0 to 2\\*\\*64 - 1$"
        with pytest.raises(RequestError, match=needs):
            cloudio.ray.Datasource(reader, **given)
    with pytest.raises(RequestError, match="reader is a Dataset; it must be a Reader"):
        cloudio.ray.read(ds)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'sed'; did you mean seed\?"):
        cloudio.ray.read(reader, sed=3)
    for given in ("here", {"files": 3}, {}):
        needs = r"^label_selector=.*; label_selector must be a dict of labels, such as \{'files': "
        for call in (
            lambda given=given: cloudio.ray.read(reader, label_selector=given),
            lambda given=given: cloudio.ray.verify(ds, label_selector=given),
            lambda given=given: cloudio.ray.stats(
                cloudio.stats.bands, ds, BANDS, label_selector=given
            ),
        ):
            with pytest.raises(RequestError, match=needs):
                call()
    with pytest.raises(RequestError, match=r"^layout= belongs to a path; a Dataset has"):
        cloudio.ray.verify(ds, layout=ds.layout)
    with pytest.raises(RequestError, match=r"^count=<built-in function len>; count must be "):
        cloudio.ray.stats(len, ds)
    with pytest.raises(RequestError, match="has patches twice, such as data 4; results of parts"):
        cloudio.ray.stats(cloudio.stats.bands, ds.subset([1, 4, 2, 4]))


def test_bfloat16_is_refused(ds):
    pytest.importorskip("ml_dtypes", reason="bfloat16 is an extra")
    with pytest.raises(RequestError, match=r"^image is bfloat16, which Ray Data has no column"):
        cloudio.ray.Datasource(loading.make_reader(ds, dtype="bfloat16"))


def test_the_room_needs_neither_torch_nor_ray_train():
    code = """
        import sys
        sys.modules["torch"] = sys.modules["ray.train"] = None
        import cloudio
        print(*dir(cloudio.ray))
        cloudio.ray.Datasource, cloudio.ray.read, cloudio.ray.stats, cloudio.ray.verify
        try:
            cloudio.ray.Loader
        except ImportError as error:
            print(error)
    """
    assert processes.in_subprocess(code).splitlines() == [
        "Datasource read stats verify",
        "cloudio.ray.Loader needs Ray Train: pip install 'cloudio[ray]'",
    ]


# ---- two nodes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said(folder):
    variables = processes.environment(RAY_USAGE_STATS_ENABLED="0")
    command = [sys.executable, SUPPORT / "ray_data_programs.py", folder]
    said = json.loads(processes.printed(command, env=variables, seconds=300).splitlines()[-1])
    return {**said, "folder": str(folder)}


@pytest.mark.parametrize(
    ("name", "epoch"), [("epoch-0", 0), ("epoch-1", 1), ("worker", 1), ("node", 1)]
)
def test_epochs_survive_a_killed_worker_and_a_killed_node(said, folder, ds, name, epoch):
    assert said["schema"] == ["image", "label", "index"]
    assert said["alive"] == 1
    loader = cloudio.Loader(loading.make_reader(ds), 5, seed=3, symmetry="d4")
    loader.set_epoch(epoch)
    assert_same(dict(np.load(folder / f"{name}.npz")), epoch_of(loader))


def test_reads_run_on_the_nodes_with_a_label(said):
    assert said["pinned"] == [said["second"]]


def test_blocks_have_the_patches_that_were_asked_for(said):
    assert said["sizes-0"] == said["sizes-1"] == [2] * 11 + [1]


def test_errors_of_tasks_are_raised_as_they_are_and_at_once(said):
    error, shown = said["stats"]
    assert error[0] == "LayoutError"
    assert error[1].startswith(f"{said['folder']}/broken/B1.dat holds 6,720 bytes, but ")
    assert f"| 0/{N} [" in shown
    assert f"{N}/{N}" not in shown


def test_a_bar_shows_how_many_patches_are_done(said):
    error, shown = said["verified"]
    assert error is None
    assert shown.startswith("\rverify:   0%|")
    for n in (0, N - 1):
        assert f"| {n}/{N - 1} [" in shown


def test_statistics_and_reports_are_those_of_one_pass(said, folder, ds):
    part = ds.subset(range(1, N))
    bands, classes, floats = pickle.loads((folder / "results").read_bytes())
    assert not floats.pending
    with cloudio.open(folder / "floats", layout=loading.FLOATS) as ds_of_floats:
        bands_of_floats = cloudio.stats.bands(ds_of_floats, "F")
    for found, expected in (
        (floats, bands_of_floats),
        (bands, cloudio.stats.bands(part, BANDS)),
        (classes, cloudio.stats.classes(part, "LABEL")),
    ):
        assert found == expected
        for name, result in (("found", found), ("expected", expected)):
            result.save(folder / f"{name}.json")
        assert (folder / "found.json").read_bytes() == (folder / "expected.json").read_bytes()
    ours = cloudio.verify(part), cloudio.verify(folder / "data", layout=ds.layout, index=range(N))
    for found, expected in zip(pickle.loads((folder / "reports").read_bytes()), ours, strict=True):
        assert found.findings == expected.findings
        assert (found.splits, found.n_bytes) == (expected.splits, expected.n_bytes)
        assert found.missing == expected.missing
