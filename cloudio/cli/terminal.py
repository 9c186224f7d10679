"""What commands write to the terminal besides their results."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from ..errors import CloudioWarning


def discard_output() -> None:
    """Discard the rest of stdout, after its reader (such as ``head``) has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def warnings_as_sentences() -> Iterator[None]:
    """Print cloudio's own warnings as one line each; other warnings look as Python shows them."""
    show_others = warnings.showwarning

    def show(
        message: Warning | str, category: type[Warning], *position: Any, **options: Any
    ) -> None:
        if issubclass(category, CloudioWarning):
            print(f"cloudio: warning: {message}", file=sys.stderr)
        else:
            show_others(message, category, *position, **options)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = show_others
