"""What all tests share: every instruction set, both ways of storing, and the real data."""

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import forks
import processes
import profiles
import pytest
from clean import TINY_PATCHES, clean_synthetic, clean_tiny
from residents import soon
from warned import LABELS

import cloudio
from cloudio._core import runtime
from cloudio._utils import warn

profiles.load()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process that a test has started outlives the tests."""
    forks.adopt_orphans()
    yield
    if not soon(lambda: not processes.descendants(), 10):
        left = processes.descendants()
        for process in left:
            os.kill(process, signal.SIGKILL)
        pytest.fail(f"processes that tests have left: {left}")


@pytest.fixture(scope="session", autouse=True)
def no_signal_is_ignored() -> None:
    """A job in the background of a shell, or of nohup, ignores some; programs inherit that."""
    for name, handler in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """Collecting garbage looks at what a module has made, not at all of torch and matplotlib."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=runtime.available())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set this CPU has, in turn."""
    before = runtime.isa()
    runtime.use(request.param)
    yield request.param
    runtime.use(before)


@pytest.fixture(params=["cached", "streamed"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Outputs written through the cache, and past it, whatever their size."""
    before = runtime.tune()
    runtime.tune(stream_bytes=1 if request.param == "streamed" else 1 << 60)
    yield request.param
    runtime.tune(**before)


@pytest.fixture
def all_threads() -> Iterator[None]:
    """Even the smallest work is cut up and shared."""
    before = runtime.tune()
    runtime.tune(thread_bytes=1, tile_bytes=256)
    yield
    runtime.tune(**before)


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    """Every test hears its warnings, though another has heard the same."""
    warn.reset()


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real Sentinel-2 patches."""
    folder = os.environ.get("CLOUDIO_REALDATA")
    if not folder:
        pytest.skip("CLOUDIO_REALDATA does not name the folder of real patches")
    return Path(folder) / "cloudsen12-mini"


@pytest.fixture(scope="session")
def mini(realdata: Path) -> cloudio.Dataset:
    return cloudio.open(realdata)


@pytest.fixture(scope="session")
def all_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean data set as `cloudio synth` makes it, of all labels and one band."""
    path = tmp_path_factory.mktemp("synth") / "data"
    cloudio.synthesize(path, {"train": 2, "val": 1}, arrays=["L1C_B4", *LABELS])
    return path


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic set of which nothing is to be reported; not to be written to."""
    path = tmp_path_factory.mktemp("clean") / "whole"
    clean_synthetic(path, TINY_PATCHES)
    return path


@pytest.fixture(scope="session")
def corners(tmp_path_factory: pytest.TempPathFactory, synthetic: Path) -> Path:
    path = tmp_path_factory.mktemp("clean") / "tiny"
    clean_tiny(path, synthetic)
    return path


@pytest.fixture
def tiny(tmp_path: Path, corners: Path) -> Path:
    """Small patches of which nothing is to be reported: a copy that may be spoilt."""
    return Path(shutil.copytree(corners, tmp_path / "tiny"))
