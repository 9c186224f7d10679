"""The log of cloudio, ``logging.getLogger("cloudio")``: facts that are no fault of the caller."""

import os

_logged: set[tuple[int, str]] = set()


def log_once(level: str, text: str) -> None:
    """Log a text at the level "info" or "warning", once for each process."""
    key = os.getpid(), text
    if key in _logged:
        return
    _logged.add(key)
    import logging  # imported here: importing cloudio takes a few ms less

    getattr(logging.getLogger("cloudio"), level)(text)
