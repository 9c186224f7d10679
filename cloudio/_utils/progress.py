"""The progress bar of long jobs, shown on a terminal by tqdm."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: A function that a job calls with the bytes, or steps, done since the last call.
Advance = Callable[[int], object]


class ProgressBar:
    """Counts what is done; call it with each further part."""

    def __init__(self, bar: Any = None) -> None:
        self.done = 0
        self._bar = bar

    def __call__(self, n: int = 1) -> None:
        self.done += n
        if self._bar is not None:
            self._bar.update(n)


@contextmanager
def progress_bar(
    total: int,
    *,
    shown: bool | None,
    what: str = "",
    in_bytes: bool = True,
    leave: bool = False,
) -> Iterator[ProgressBar]:
    """Give a `ProgressBar` for ``total`` bytes, or steps if not ``in_bytes``.

    ``shown``: True shows a bar, False none, None shows one if stderr is a terminal.  ``what`` is
    the text before the bar; ``leave`` keeps the bar on the screen at the end.  tqdm is imported
    only if a bar is shown.
    """
    if not (on_terminal() if shown is None else shown):
        yield ProgressBar()
        return
    from tqdm import tqdm

    unit: dict[str, Any] = {"unit": "B", "unit_scale": True} if in_bytes else {}
    with tqdm(total=total, desc=what or None, leave=leave, **unit) as bar:
        yield ProgressBar(bar)


def on_terminal() -> bool:
    """Return whether stderr, where bars are shown, is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
