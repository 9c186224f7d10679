"""docs/guides/recipes.md: what the page says of its scripts holds.  test_blocks.py runs them.

JAX runs in processes of its own: it warns of every fork in the one where it was imported.
"""

import importlib
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import processes
import pytest
from pages import blocks, skip_without_what_it_imports
from paths import ROOT
from residents import soon

import cloudio

PAGE = ROOT / "docs" / "guides" / "recipes.md"
BLOCKS = blocks(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else []

pytestmark = pytest.mark.skipif(not BLOCKS, reason="the tests run without the docs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The scripts of the page, beside the data set that they open."""
    path = tmp_path_factory.mktemp("recipes")
    for block in BLOCKS:
        if block.title:
            with (path / block.title).open("a", encoding="utf-8") as file:
                file.write(block.code)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        exec(BLOCKS[0].code, {})
    return path


@pytest.fixture
def recipe(folder, monkeypatch):
    """The names of a script, imported as other processes import it too."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module


@pytest.fixture
def run(folder, monkeypatch):
    """What a Python process prints that runs a script; it ends well and warns of nothing."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")

    def printed(script: Path) -> str:
        done = processes.run([sys.executable, "-W", "error", script], cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return printed


@pytest.fixture
def check(folder, run):
    """Run a check that imports a recipe; skip where the recipe's packages are not."""

    def checked(name: str, code: str) -> str:
        skip_without_what_it_imports((folder / f"{name}.py").read_text(encoding="utf-8"))
        script = folder / f"check_{name}.py"
        script.write_text(code, encoding="utf-8")
        return run(script)

    return checked


def loader_of(folder, batch_size, **how):
    reader = cloudio.open(folder / "data").split("train").reader("rgb", "manual_hq", size=64)
    return cloudio.Loader(reader, batch_size, seed=3, symmetry="d4", **how)


# ---- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_threads", "ahead"), [(1, 0), (3, 2), (2, 50)])
def test_threads_make_the_batches_of_the_loader_in_its_order(folder, recipe, n_threads, ahead):
    loader = loader_of(folder, 3)
    loader.set_epoch(5)
    batches = recipe("in_threads").batches
    for (batch, counts), same in zip(batches(loader, 5, n_threads, ahead), loader, strict=True):
        assert all(map(np.array_equal, batch, same))
        assert counts.sum() == same.label.size
        assert counts[2] == (same.label == 2).sum()


def test_an_error_in_a_thread_is_raised_at_its_batch(folder, recipe, monkeypatch):
    loader = loader_of(folder, 3)
    threads, seventh = recipe("in_threads"), loader.samples([6], 0).index[0]
    plain = threads.work

    def work(loader, k, epoch):
        batch, counts = plain(loader, k, epoch)
        if seventh in batch.index:
            raise ArithmeticError(f"patch {seventh}")
        return batch, counts

    monkeypatch.setattr(threads, "work", work)
    batches = threads.batches(loader, 0)
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(ArithmeticError, match=f"patch {seventh}"):
        next(batches)


# ---- shared memory -------------------------------------------------------------------------------


def exists(name: str) -> bool:
    try:
        SharedMemory(name).close()
    except FileNotFoundError:
        return False
    return True


def test_another_process_sees_each_batch_while_it_is_held(folder, recipe):
    shared = recipe("in_shared_memory")
    loader = loader_of(folder, 3, allocate=shared.allocate)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as others:
        seen = list(shared.means(loader, others)) + list(shared.means(loader, others))
    assert len(seen) == 14
    for k, (index, mean) in enumerate(seen):
        epoch, batch = divmod(k, 7)
        expected = loader.reader.read(*loader.samples_of(batch, epoch))
        assert np.array_equal(index, expected.index)
        assert np.array_equal(mean, expected.image.mean((0, 2, 3), dtype=np.float64))


def test_a_segment_is_the_batch_and_keeps_it_while_it_is_held(folder, recipe):
    shared = recipe("in_shared_memory")
    loader = loader_of(folder, 2, allocate=shared.allocate, prefetch=1)
    batches = iter(loader)
    held = next(batches)
    segment = SharedMemory(held.image.base.memory.segment.name)
    seen = np.ndarray(held.image.shape, held.image.dtype, segment.buf)
    before = held.image.copy()
    assert len(list(batches)) == 9
    assert len(list(loader)) == 10
    assert np.array_equal(seen, before)
    held.image[:] = 7
    assert (seen == 7).all()
    segment.close()


def test_segments_go_with_the_memory_of_the_loader(folder, recipe):
    shared = recipe("in_shared_memory")
    loader = loader_of(folder, 2, allocate=shared.allocate)
    kept = list(loader)
    names = {batch.image.base.memory.segment.name for batch in kept}
    names |= {batch.label.base.memory.segment.name for batch in kept}
    assert len(names) == 20
    assert all(map(exists, names))
    del kept
    assert 0 < sum(map(exists, names)) <= 2 * 2, "what the loader has for its next epoch"
    del loader
    assert not any(map(exists, names))


ENDS = """
import os, signal, sys
import cloudio, in_shared_memory as shared

reader = cloudio.open("data/").split("train").reader("rgb", size=64)
batches = iter(cloudio.Loader(reader, 8, allocate=shared.allocate))
batch = next(batches)
print(batch.image.base.memory.segment.name, flush=True)
if sys.argv[1] == "SIGKILL":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="segments are looked for in /dev/shm")
@pytest.mark.parametrize("end", ["exit", "SIGKILL"])
def test_no_segment_outlives_the_process(folder, end):
    script = folder / "check_ends.py"
    script.write_text(ENDS, encoding="utf-8")
    command = [sys.executable, script, end]
    # Not waited for by its output: a process that it has started outlives it, to clean up.
    with processes.started(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        segment = Path("/dev/shm", process.stdout.readline().strip())
        assert process.wait(60) == (0 if end == "exit" else -signal.SIGKILL)
        assert segment.name.startswith("psm_")
        assert soon(lambda: not segment.exists())


# ---- what others hold ----------------------------------------------------------------------------

HELD = """
import ctypes, mmap, os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import cloudio, jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from with_jax import on_device

reader = cloudio.open("data/").split("train").reader("rgb", size=64)
halves = NamedSharding(Mesh(np.array(jax.devices()), "batch"), PartitionSpec("batch"))
made = []


def allocate(n_bytes):  # it stays mapped, so that even who holds nothing may look
    made.append(mmap.mmap(-1, n_bytes))
    return made[-1]


def by_address_alone(image):
    memory = (ctypes.c_char * image.nbytes).from_address(image.ctypes.data)
    return jax.device_put(np.frombuffer(memory, image.dtype).reshape(image.shape))


ways = {
    "device_put": jax.device_put,
    "may_alias": lambda image: jax.device_put(image, may_alias=True),
    "from_dlpack": jax.dlpack.from_dlpack,
    "asarray": jnp.asarray,
    "array": jnp.array,
    "halves": lambda image: jax.device_put(image, halves),
    "local": lambda image: jax.make_array_from_process_local_data(halves, image),
    "view": lambda image: jax.device_put(image[0]),
    "by address alone": by_address_alone,
}
for name, way in ways.items():
    for prefetch in 0, 2:
        loader = cloudio.Loader(reader, 4, seed=1, prefetch=prefetch, allocate=allocate)
        kept = []
        for epoch in range(3):
            for batch in loader:
                kept.append((epoch, batch.index, way(batch.image)))
        overwritten = 0
        for k, (epoch, index, image) in enumerate(kept):
            first = 4 * (k % len(loader))
            samples = loader.samples(range(first, first + 4), epoch)
            expected = reader.read(*samples).image
            assert np.array_equal(index, samples.index)
            overwritten += not np.array_equal(image, expected[0] if name == "view" else expected)
        print(f"{name}: {'overwritten' if overwritten else 'held'}")

add = jax.jit(lambda image: image + 1, donate_argnums=0)
for batch in loader:
    before = batch.image.copy()
    after = add(jax.device_put(batch.image))
    assert np.array_equal(after, before + np.float32(1))
    assert np.array_equal(batch.image, before)
print("donated: held")

made_up = [cloudio.Batch(np.full(3, k), None, k) for k in range(5)]
images = [image for image, _ in on_device(made_up)]
print("in turn:", [int(image[0]) for image in images], list(on_device([])))
"""


def test_jax_holds_what_it_lies_over(check):
    """And without a reference the same check finds batches overwritten."""
    ways = ["device_put", "may_alias", "from_dlpack", "asarray", "array", "halves", "local", "view"]
    expected = [f"{way}: held" for way in ways for _ in range(2)]
    expected += ["by address alone: overwritten"] * 2 + ["donated: held"]
    expected += ["in turn: [0, 1, 2, 3, 4] []"]
    assert check("with_jax", HELD).splitlines()[-len(expected) :] == expected


STORED = """
import cloudio, jax, jax.numpy as jnp, ml_dtypes, numpy as np

train = cloudio.open("data/").split("train")
reader = train.reader("rgb", "manual_hq", size=64, dtype="bfloat16", label_dtype="int64")
whole = reader.read([3, 4])
image, label, index = jax.device_put(tuple(whole))
print(image.dtype, label.dtype, index.dtype)
assert np.array_equal(image.view(jnp.uint16), whole.image.view(np.uint16))
assert np.array_equal(label, whole.label)
"""


def test_jax_takes_bfloat16_and_makes_int32_of_int64(check):
    assert check("with_jax", STORED) == "bfloat16 int32 int32\n"


GRAIN = """
import cloudio, grain, numpy as np
from absl import app

from with_grain import batches


def same(ours, theirs):
    return len(ours) == len(theirs) and all(
        np.array_equal(x, y) for a, b in zip(ours, theirs) for x, y in zip(a, b)
    )


def main(_):
    reader = cloudio.open("data/").split("train").reader("rgb", "manual_hq", size=64)
    loader = cloudio.Loader(reader, 3, seed=1, symmetry="d4")
    expected = [batch for _ in range(2) for batch in loader]
    dataset = batches(loader, 2)
    plain = dataset.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
    workers = dataset.to_iter_dataset().mp_prefetch(grain.MultiprocessingOptions(num_workers=2))
    print("threads", same(list(plain), expected))
    print("ranks", all(same(list(dataset[rank::3]), expected[rank::3]) for rank in range(3)))
    for name, iterable in ("threads", plain), ("workers", workers):
        whole, resumed = iter(iterable), iter(iterable)
        begun = [next(whole) for _ in range(5)]
        resumed.set_state(whole.get_state())
        print(name, same(begun + list(whole), expected), same(list(resumed), expected[5:]))
        for iterator in whole, resumed:
            iterator.close()


if __name__ == "__main__":
    app.run(main)
"""


def test_grain_gives_the_batches_of_the_loader_to_threads_ranks_workers_and_after_resuming(check):
    assert check("with_grain", GRAIN).splitlines() == [
        "threads True",
        "ranks True",
        "threads True True",
        "workers True True",
    ]


FAILS = """
import logging

from with_spdl import batches, loader


class Failing:
    reader, __len__ = loader.reader, lambda self: 3

    def samples_of(self, k, epoch):
        return loader.samples_of(k, epoch) if k != 1 else 1 / 0


print("--")
logging.disable()
pipeline = batches(Failing(), 0)
try:
    with pipeline.auto_stop():
        print(len(list(pipeline.get_iterator(timeout=60))))
except BaseException as error:
    print(type(error).__name__)
"""


def test_spdl_raises_for_a_read_that_failed(check):
    assert check("with_spdl", FAILS).split("--\n")[1] == "PipelineFailure\n"
