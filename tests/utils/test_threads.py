"""How many threads a read uses by default, in processes with the environment of launchers."""

import sys
import textwrap

import processes
import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
# What launchers set.
NAMES = ("CLOUDIO_THREADS", "OMP_NUM_THREADS", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")
# Six CPUs, whatever the machine has.  An argument is a quota.
SAY = """
    import os, sys
    from cloudio._utils import machine, threads
    if hasattr(os, "sched_getaffinity"):
        os.sched_getaffinity = lambda pid: range(6)
    os.cpu_count = lambda: 6
    threads.cpu_quota = lambda: float(sys.argv[1]) if sys.argv[1:] else None
    n, reason = threads.default_threads()
    assert machine.resolve_threads(None) == n and machine.resolve_threads(5) == 5
    print(n, reason)
"""
# As torchrun, with or without a number of its caller, starts a rank.  All belongs to one process
# group, which `processes` ends.
LAUNCH = """
    import os, subprocess, sys
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.update(TORCHELASTIC_RUN_ID="none", LOCAL_WORLD_SIZE="2", LOCAL_RANK="0")
    between = "import subprocess, sys; sys.exit(subprocess.Popen(sys.argv[1:]).wait())"
    command = [sys.executable, "-c", sys.argv[1]]
    for _ in range(int(sys.argv[2])):  # a script, or a worker of a DataLoader, in between
        command = [sys.executable, "-c", between, *command]
    sys.exit(subprocess.Popen(command).wait())
"""


def environment(**variables):
    others = {name: value for name, value in processes.environment().items() if name not in NAMES}
    return {**others, **variables}


def said(*arguments, code=SAY, **variables):
    command = processes.python(code, *arguments)
    return processes.printed(command, env=environment(**variables)).strip()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "6 the CPUs this process may use"),
        ({"CLOUDIO_THREADS": "3", "OMP_NUM_THREADS": "1"}, "3 from CLOUDIO_THREADS"),
        ({"CLOUDIO_THREADS": " 8 "}, "8 from CLOUDIO_THREADS"),
        ({"CLOUDIO_THREADS": " ", "OMP_NUM_THREADS": "2"}, "2 from OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "1"}, "1 from OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "64"}, "64 from OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "4,2"}, "4 from OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": " 8 "}, "8 from OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": ""}, "6 the CPUs this process may use"),
        ({"LOCAL_WORLD_SIZE": "2"}, "6 the CPUs this process may use"),  # not torchrun's
    ],
    ids=str,
)
def test_the_first_that_is_there_decides(variables, expected):
    assert said(**variables) == expected


@pytest.mark.parametrize("wrong", ["abc", "0", "-3", "4;2", ",2", "1.5", "9" * 20])
def test_a_wrong_number_of_openmp_is_ignored_and_logged(wrong):
    command = processes.python(SAY)
    done = processes.run(command, env=environment(OMP_NUM_THREADS=wrong))
    assert done.stdout == "6 the CPUs this process may use\n"
    needed = "must be a whole number, 1 or more"
    assert done.stderr == f"OMP_NUM_THREADS={wrong!r} is ignored; it {needed}\n"  # once


@pytest.mark.parametrize("wrong", ["abc", "0", "-3", "4,2"])
def test_a_wrong_number_of_our_own_is_an_error(wrong):
    done = processes.run(processes.python(SAY), env=environment(CLOUDIO_THREADS=wrong))
    given = wrong if wrong == "0" else repr(wrong)
    assert done.returncode != 0
    assert done.stderr.endswith(
        f"CLOUDIO_THREADS={given}; CLOUDIO_THREADS must be a whole number, 1 or more\n"
    )


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("2.5", "3 the CPU quota of this container or cgroup, 2.5 CPUs"), ("0.2", "1 the CPU quota")],
)
def test_a_quota_below_the_affinity_counts(quota, expected):
    assert said(quota).startswith(expected)


@pytest.mark.parametrize("quota", ["6", "100"])
def test_a_quota_above_the_affinity_does_not(quota):
    assert said(quota) == "6 the CPUs this process may use"


@linux
def test_affinity_counts():
    code = """
        import os
        from cloudio._utils import threads
        threads.cpu_quota = lambda: None
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        print(*threads.default_threads())
    """
    assert said(code=code) == "1 the CPUs this process may use"


RANK = """
    from cloudio._utils import threads
    import os, sys
    own = {own}
    os.sched_getaffinity = lambda pid: range(6 if pid else own)
    threads.cpu_quota = lambda: {quota}
    print(*threads.default_threads())
"""


def rank(own=6, quota=None, between=0, **variables):
    code = textwrap.dedent(RANK.format(own=own, quota=quota))
    return said(code, between, code=LAUNCH, **variables)


@linux
@pytest.mark.parametrize("between", [0, 1, 2])
def test_the_one_of_torchrun_does_not_count_and_its_ranks_share_the_cpus(between):
    assert rank(between=between) == (
        "3 the share of one of 2 local ranks in 6 CPUs (the CPUs this process may use); "
        "torchrun has set OMP_NUM_THREADS=1"
    )


@linux
@pytest.mark.parametrize("between", [0, 1])
def test_a_number_that_the_caller_gave_torchrun_counts(between):
    assert rank(between=between, OMP_NUM_THREADS="1") == "1 from OMP_NUM_THREADS"
    assert rank(between=between, OMP_NUM_THREADS="2") == "2 from OMP_NUM_THREADS"


@linux
def test_ranks_that_have_cpus_of_their_own_use_them_all():
    assert rank(own=3).startswith("3 the share of one of 2 local ranks in 6 CPUs")
    assert rank(own=2).startswith("2 ")
    assert rank(own=5).startswith("3 ")


@linux
def test_ranks_share_a_quota():
    assert rank(quota=4.0).startswith(
        "2 the share of one of 2 local ranks in 4 CPUs (the CPU quota"
    )
    assert rank(own=1, quota=4.0).startswith("1 ")
    assert rank(quota=1.0).startswith("1 ")


def test_what_changes_while_a_process_runs_counts():
    code = """
        import os, sys
        from cloudio._utils import machine, threads
        cpus = {0: range(6)}
        os.sched_getaffinity, os.cpu_count = cpus.get, lambda: len(cpus[0])
        threads.cpu_quota = lambda: None
        found = [machine.resolve_threads(None)]
        for name, value in [("OMP_NUM_THREADS", "4"), ("CLOUDIO_THREADS", "2"),
                            ("CLOUDIO_THREADS", "3"), ("CLOUDIO_THREADS", ""),
                            ("OMP_NUM_THREADS", "")]:
            os.environ[name] = value
            found += [machine.resolve_threads(None), machine.resolve_threads(None)]
        cpus[0] = range(5)
        print(*found, machine.resolve_threads(None))
    """
    assert said(code=code) == "6 4 4 2 2 3 3 4 4 6 6 5"


def test_a_number_that_was_used_before_anybody_listened_is_logged():
    code = """
        import sys
        import cloudio._utils.machine as machine
        names = [name for name in sys.modules if name.partition(".")[0] == "logging"]
        for name in names:  # of another package
            del sys.modules[name]
        machine.resolve_threads(None)
        assert "logging" not in sys.modules
        import logging
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        machine.resolve_threads(None)
    """
    done = processes.run(processes.python(code), env=environment(OMP_NUM_THREADS="2"))
    assert done.stderr == "reads use 2 threads: from OMP_NUM_THREADS\n"


def test_the_log_says_how_many_and_why_once():
    code = """
        import logging, cloudio._utils.machine as machine
        logging.basicConfig(format="%(name)s %(levelname)s: %(message)s")
        logging.getLogger("cloudio").setLevel(logging.INFO)
        for _ in range(3):
            machine.resolve_threads(None)
            machine.resolve_threads(2)
    """
    done = processes.run(processes.python(code), env=environment(OMP_NUM_THREADS="1"))
    assert done.stderr == "cloudio INFO: reads use 1 thread: from OMP_NUM_THREADS\n"


def test_nothing_is_printed_where_nobody_listens():
    done = processes.run(processes.python(SAY), env=environment())
    assert (done.returncode, done.stderr) == (0, "")


def test_info_without_a_path_says_it():
    command = [sys.executable, "-m", "cloudio", "info"]
    text = processes.printed(command, env=environment(OMP_NUM_THREADS="7"))
    assert "threads          7, from OMP_NUM_THREADS\n" in text
    text = processes.printed(command, env=environment(CLOUDIO_THREADS="none"))
    assert "threads          CLOUDIO_THREADS='none'; CLOUDIO_THREADS must be" in text


@linux
def test_a_reader_uses_as_many(tmp_path):
    code = """
        import sys, builders, cloudio
        from pathlib import Path
        from cloudio._core import executor
        names, layout = ["L1C_B4", "L1C_B3", "L1C_B2"], cloudio.CLOUDSEN12
        builders.write_root(Path(sys.argv[1]), {"train": 4}, layout, names=names)
        reader = cloudio.open(sys.argv[1]).reader("rgb")
        reader.read([0, 1, 2, 3])
        print(executor.n_workers() + 1)
    """
    assert said(tmp_path / "data", code=code, OMP_NUM_THREADS="3") == "3"
    assert said(tmp_path / "more", code=code, OMP_NUM_THREADS="3", CLOUDIO_THREADS="1") == "1"
