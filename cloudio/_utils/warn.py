"""Warnings that are given once: per process, for each matter of each data set; and the log.

A matter is any hashable value; the modules that warn choose it.  A warning says that numbers may
not be what they seem.  The log, ``logging.getLogger("cloudio")``, has facts about the machine.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Hashable, Iterator
from contextvars import ContextVar

from ..errors import CloudioWarning
from .text import escape_controls, escape_lines

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# There is no lock, because a forked child could find it held by a thread that it does not have.
# If several threads warn at once, setdefault lets one through.
_warned: dict[Hashable, object] = {}
_logged: dict[tuple[int, str], object] = {}
_suppressed = ContextVar("cloudio_suppressed", default=False)


def warn(text: str) -> None:
    """Warn; the line shown is the one that called cloudio."""
    lines = escape_lines(text)
    warnings.warn(lines, CloudioWarning, stacklevel=_level())


def warn_once(matter: Hashable, text: str) -> None:
    """Warn once about a matter; the line shown is the one that called cloudio.

    If a filter makes the warning an error, the next attempt is an error again.
    """
    mine = object()
    if _suppressed.get() or _warned.setdefault(matter, mine) is not mine:
        return
    try:
        warn(text)
    except CloudioWarning:
        _warned.pop(matter, None)
        raise


def was_warned(matter: Hashable) -> bool:
    """Return whether `warn_once` would do nothing: warned already, or suppressed."""
    return _suppressed.get() or matter in _warned


def dismiss(matter: Hashable) -> None:
    """Note that a matter needs no warning."""
    if not _suppressed.get():
        _warned.setdefault(matter, None)


@contextlib.contextmanager
def suppressed() -> Iterator[None]:
    """Suppress warnings of this thread inside the block, without counting them as given."""
    token = _suppressed.set(True)
    try:
        yield
    finally:
        _suppressed.reset(token)


def reset() -> None:
    """Forget which warnings have been given."""
    _warned.clear()


def log_once(level: str, text: str) -> None:
    """Log a text at the level "info" or "warning", once for each process."""
    key, mine = (os.getpid(), text), object()
    # Nobody listens to a mere fact where logging was never imported.
    if level == "info" and "logging" not in sys.modules:
        return
    if _logged.setdefault(key, mine) is not mine:
        return
    import logging  # imported here: importing cloudio takes a few ms less

    getattr(logging.getLogger("cloudio"), level)(escape_controls(text))


def _level() -> int:
    """Return the ``stacklevel``, for `warn`, of the first caller outside the package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
