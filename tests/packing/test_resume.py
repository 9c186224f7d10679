"""A run that is killed at any moment is resumed to the very files of an undisturbed run."""

import multiprocessing
import signal
import sys

import numpy as np
import processes
import pytest
from killed_packs import Planes
from profiles import scaled

import cloudio
from cloudio.packing.pack import pack

N = 60


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def run(dest, moment, workers=0):
    code = f"import killed_packs; killed_packs.main({str(dest)!r}, {N}, {workers}, {moment!r})"
    done = processes.run(processes.python(code), env=processes.environment())
    assert done.returncode == (0 if moment == "none" else -signal.SIGKILL), done.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    dest = tmp_path_factory.mktemp("whole") / "set"
    run(dest, "none")
    return contents(dest)


MOMENTS = [
    "sample:0",
    "sample:41",
    "fsync:1",
    "ftruncate:1",
    "replace:0",
    "replace:2",
    "rename:0",
    *scaled([], [f"sample:{k}" for k in range(22, N, 26)] + [f"fsync:{k}" for k in range(2, 9, 2)]),
]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_is_resumed_to_the_same_files(tmp_path, undisturbed, moment):
    dest = tmp_path / "set"
    run(dest, moment, workers=2 if moment == "sample:41" else 0)
    if moment == "rename:0":  # the last step: the data are there
        assert contents(dest) == undisturbed
        return
    assert not dest.exists()
    run(dest, "none")
    assert contents(dest) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_processes_and_threads_write_the_same(tmp_path, undisturbed):
    pack(Planes(N, in_threads=True, fails=range(7, N, 10)), tmp_path / "set", workers=3)
    assert contents(tmp_path / "set") == undisturbed
    files = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert len({path.stat().st_mode for path in files}) == 1  # also where rows were left out


def pack_as_daemon(dest):
    pack(Planes(N, fails=range(7, N, 10)), dest, workers=3)


def test_a_daemon_process_packs_in_threads(tmp_path, undisturbed):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=pack_as_daemon, args=(tmp_path / "set",), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert contents(tmp_path / "set") == undisturbed


def test_other_samples_or_options_are_not_taken_for_the_same_run(tmp_path):
    dest = tmp_path / "set"
    run(dest, "sample:41")
    with pytest.raises(cloudio.RequestError, match="unfinished run with other samples"):
        pack(Planes(N + 1), dest, resume=True)
    with pytest.raises(cloudio.RequestError, match="unfinished run with other arrays, types"):
        pack(Planes(N), dest, resume=True, dtypes={"mask": "int16"})


@pytest.mark.parametrize("damage", [b"", b"{", b"0000"])
def test_a_journal_that_was_cut_is_read_up_to_there(tmp_path, undisturbed, damage):
    dest = tmp_path / "set"
    run(dest, "fsync:3")
    journal = tmp_path / "set.packing" / "journal"
    content = journal.read_bytes()
    journal.write_bytes(content[: len(content) * 3 // 4] + damage)
    run(dest, "none")
    assert contents(dest) == undisturbed


def test_two_processes_do_not_write_one_run(tmp_path):
    from cloudio.packing.running.journal import Journal

    dest = tmp_path / "set"
    run(dest, "sample:41")
    journal = Journal(tmp_path / "set.packing" / "journal", new=False)
    with pytest.raises(cloudio.RequestError, match="is being packed by another process"):
        pack(Planes(N), dest, resume=True)
    journal.close()


def test_what_is_packed_is_compared_with_its_source(tmp_path):
    pack(Planes(N, fails=[3, 5]), tmp_path / "set", verify=True)

    class Changing(Planes):
        times = 0

        def read(self, k):
            sample = super().read(k)
            if k == 33:
                Changing.times += 1
                sample.arrays["B1"][0, 0] += np.uint16(Changing.times > 1)
            return sample

    source = Changing(N, in_threads=True)
    with pytest.raises(cloudio.RequestError, match=r"verify: number 33: .*B1 differs from patch"):
        pack(source, tmp_path / "other", verify=True)
    assert not (tmp_path / "other").exists()


class Stopping(Planes):
    def read(self, k):
        if k == 50:
            raise ValueError("stops")
        return super().read(k)


@pytest.mark.parametrize("moment", ["sample", "replace:0"])
@pytest.mark.parametrize("n_bytes", [None, 300])
def test_rows_that_have_gone_are_not_taken_for_packed(tmp_path, moment, n_bytes):
    fails = range(7, N, 10)
    if moment == "sample":
        with pytest.raises(cloudio.ReadError, match="stops"):
            pack(Stopping(N, in_threads=True), tmp_path / "set")
        fails = ()
    else:
        run(tmp_path / "set", moment)
    data = tmp_path / "set.packing" / "data"
    if n_bytes is None:
        data.rename(tmp_path / "moved")
    else:
        with (data / "train" / "B1.npy").open("r+b") as file:
            file.truncate(n_bytes)
    with pytest.raises(cloudio.RequestError, match=r"by the journal of the run .* begin anew"):
        pack(Planes(N, fails=fails), tmp_path / "set", resume=True)
    assert not (tmp_path / "set").exists()


def test_rows_of_an_iterable_that_have_gone_are_not_taken_for_packed(tmp_path):
    def samples(n):
        for k in range(n):
            yield {"image": np.full((4, 4), k, np.uint8)}
        if n < N:
            raise OSError("ends early")

    with pytest.raises(OSError, match="ends early"):
        pack(samples(9), tmp_path / "set")
    (tmp_path / "set.packing" / "data").rename(tmp_path / "moved")
    with pytest.raises(cloudio.RequestError, match="by the journal of the run"):
        pack(samples(N), tmp_path / "set", resume=True)


def test_a_run_is_not_resumed_with_other_channels_under_the_same_names(tmp_path):
    def samples(n):
        for k in range(n):
            yield {"image": np.stack([np.full((4, 4), k, np.uint8), np.zeros((4, 4), np.uint8)])}
        if n < N:
            raise OSError("ends early")

    with pytest.raises(OSError, match="ends early"):
        pack(samples(9), tmp_path / "set", names=["a", "b"], take=["a", "b"])
    with pytest.raises(cloudio.RequestError, match="unfinished run with other samples"):
        pack(samples(N), tmp_path / "set", names=["b", "a"], take=["a", "b"], resume=True)
