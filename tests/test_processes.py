"""What tests start is ended: programs, what these start, and forked children."""

import os
import signal
import sys
import time

import forks
import processes
import pytest
from processes import needs_fork
from residents import soon

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# A program whose child holds its output open, and of which nothing ends by itself.
HANGS = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("begun", flush=True)
    time.sleep(600)
"""


@linux
def test_a_program_that_takes_too_long_is_killed_with_what_it_started():
    before = processes.descendants()
    with pytest.raises(pytest.fail.Exception, match="more than 1 s") as raised:
        processes.run(processes.python(HANGS), seconds=1)
    assert "begun" in str(raised.value)
    assert soon(lambda: processes.descendants().keys() <= before.keys())


@linux
def test_a_program_is_killed_with_what_it_started_when_its_test_ends():
    before = processes.descendants()
    with processes.started(processes.python(HANGS), stdout=-1) as program:
        assert program.stdout.readline() == b"begun\n"
        assert len(processes.descendants()) == len(before) + 2
    assert soon(lambda: processes.descendants().keys() <= before.keys())


@linux
def test_a_program_dies_with_the_tests_and_so_do_children_that_they_forked():
    code = """
        import os, signal, sys, time
        import forks, processes
        code = "import time; print('begun', flush=True); time.sleep(600)"
        kept = processes.started([sys.executable, "-c", code], stdout=-1)
        program = kept.__enter__()
        program.stdout.readline()  # else it may not be tied to this process yet
        pids = program.pid, forks.fork(lambda: time.sleep(600), 600)
        print(*pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    if not processes._leash():
        pytest.skip("no setpriv that knows --pdeathsig")
    with processes.started(
        processes.python(code), stdout=-1, env=processes.environment()
    ) as program:
        pids = set(map(int, program.stdout.read().split()))
        assert len(pids) == 2
        assert soon(lambda: not pids & processes.descendants().keys())


@linux
def test_what_has_left_the_group_of_a_program_that_ended_is_seen():
    before = processes.descendants()
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    # One that held the output open would be waited for.
    code = f"""
        import subprocess
        print(subprocess.Popen({command}, stdout=-3, stderr=-3, process_group=0).pid)
    """
    run = processes.run(processes.python(code))
    left = processes.descendants().keys() - before.keys()
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == {int(run.stdout)}


@needs_fork
def test_a_child_ends_with_what_it_found_or_when_its_time_is_over():
    assert forks.forked(lambda: True) == 0
    assert forks.forked(lambda: False) == 1
    assert forks.forked(lambda: 1 / 0) == 1

    def hangs():
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        time.sleep(600)

    assert forks.forked(hangs, 0.2) == -signal.SIGKILL
