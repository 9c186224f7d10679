"""Warnings that come once: each matter of each data set, in each process.

What is worth a warning is found elsewhere; here is who has been told, and which line is shown.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Hashable, Iterator
from contextvars import ContextVar

from ..errors import CloudioWarning

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# Without a lock, which a forked child could find held by a thread that it does not have: of
# threads that come at once, setdefault lets one through.
_said: dict[Hashable, object] = {}
_hushed = ContextVar("cloudio_hushed", default=False)


def warn_once(matter: Hashable, text: str) -> None:
    """Warn, unless that matter has been warned of, at the line that called into the package.

    Where filters make it an error, the next attempt is an error again.
    """
    mine = object()
    if _hushed.get() or _said.setdefault(matter, mine) is not mine:
        return
    try:
        warnings.warn(text, CloudioWarning, stacklevel=_level())
    except CloudioWarning:
        _said.pop(matter, None)
        raise


def was_warned(matter: Hashable) -> bool:
    """Whether there is nothing more to say of a matter, or nobody to hear it."""
    return _hushed.get() or matter in _said


def dismiss(matter: Hashable) -> None:
    """Note that there is nothing to say of a matter."""
    if not _hushed.get():
        _said.setdefault(matter, None)


@contextlib.contextmanager
def suppressed() -> Iterator[None]:
    """Say nothing meanwhile in this thread, and count nothing as said."""
    token = _hushed.set(True)
    try:
        yield
    finally:
        _hushed.reset(token)


def reset() -> None:
    """Say everything anew."""
    _said.clear()


def _level() -> int:
    """The ``stacklevel``, for `warn_once`, of the first caller outside the package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
