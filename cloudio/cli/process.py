"""What signals do to a command that has a process for itself."""

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

# Ctrl-C, `kill`, and a terminal that is closed.
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
_RETRY_SECONDS = 0.02
_UNINTERRUPTED = "_weakrefset.py", "tempfile.py", "popen_spawn_posix.py"
# What comes so soon after a signal is taken for the same: cleaning up is not interrupted.
_SAME_SECONDS = 1.0


def run_alone(run: Callable[[], int]) -> int:
    """Return the exit status of a command, after which this process ends.

    A signal that ends it is an exception for the command, which removes what is half-written.  The
    status is then 128 plus the number of the signal.  Signals that come later are ignored.
    """
    signals = _EndingSignals()
    try:
        signals.handle()
        try:
            return run()
        finally:
            signals.ignore()
    except BaseException:
        # Whatever it is: an interrupt can become another error, such as that of an import.
        if not signals.first:
            raise
        signals.ignore()
        return 128 + signals.first


class _EndingSignals:
    """Raises an exception for each signal that would end the process.

    While a module is imported, an object is deallocated, a temporary folder is made or removed, or
    a process is started, it waits, unless there is a second signal.

    ``first``: the number of the first signal; 0 is none.
    """

    def __init__(self) -> None:
        self.first = 0
        self._raised_at = float("-inf")
        self._is_waiting = False
        self._handled: list[int] = []

    def handle(self) -> None:
        usual = (signal.SIG_DFL, signal.default_int_handler)
        for number in (getattr(signal, name, None) for name in _ENDING):
            # What is ignored, such as by nohup, stays so.
            if number is not None and signal.getsignal(number) in usual:
                self._handled.append(number)
                signal.signal(number, self._receive)
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, lambda number, frame: self._wait_or_raise(frame))

    def ignore(self) -> None:
        for number in self._handled:
            signal.signal(number, signal.SIG_IGN)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.first = self.first or number
        if time.monotonic() - self._raised_at < _SAME_SECONDS:
            return
        if self._is_waiting or not hasattr(signal, "setitimer"):
            self._raise()
        self._wait_or_raise(frame)

    def _wait_or_raise(self, frame: FrameType | None) -> None:
        self._is_waiting = _loses_exceptions(frame)
        if not self._is_waiting:
            self._raise()
        # Again and again: one that comes right before a call that waits would wait with it.
        signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS, _RETRY_SECONDS)

    def _raise(self) -> NoReturn:
        self._is_waiting, self._raised_at = False, time.monotonic()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self.first == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self.first)


def _loses_exceptions(frame: FrameType | None) -> bool:
    """Return whether a frame belongs to an import, or to what runs at the end of an object.

    Or to a temporary folder, which could stay, or to a process that is being started, which would
    print a traceback.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.startswith("<frozen importlib"):
            return True
        if code.co_filename.endswith(_UNINTERRUPTED):
            return True
        frame = frame.f_back
    return False
