"""Children that tests fork: they end with their parent, with their time, or well.

Apart from processes.py, for programs that fork and need no pytest.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable

# Found before any fork: a child of many threads should look for nothing.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

SECONDS = 60  # that mean a hang: many times what any child takes on a busy machine


def die_with(parent: int) -> None:
    """End this process when the thread that forked it ends, as far as the system can."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(3)


def adopt_orphans() -> None:
    """Become the parent of children of children whose own parent ends, as far as that can be."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def fork(
    act: Callable[[], object],
    seconds: float = SECONDS,
    leave: Callable[[int], object] = os._exit,
) -> int:
    """Fork a child that runs ``act``, and return its process id, for `status_of`.

    It leaves with 0 where ``act`` returns something true, else with 1; by ``sys.exit`` as a whole
    program ends.
    """
    parent = os.getpid()
    with warnings.catch_warnings():
        # That the parent has threads is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        die_with(parent)
        # A second guard. The thread that forked may have had it blocked.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + 1)
        try:
            good = bool(act())
        except BaseException:
            traceback.print_exc()
            good = False
        sys.stderr.flush()
        leave(0 if good else 1)
    return child


def status_of(child: int, seconds: float = SECONDS) -> int:
    """Wait until a child has ended, and return its status; kill it when its time is over."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended == child:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGKILL
        time.sleep(5e-4)


def forked(act: Callable[[], object], seconds: float = SECONDS) -> int:
    """Return the status of a child that runs ``act``."""
    return status_of(fork(act, seconds), seconds)
