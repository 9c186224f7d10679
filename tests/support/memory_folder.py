"""Folders in memory, for tests that make many: nobody waits for a disk there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Give a folder that is removed at the end; elsewhere than in memory if there is no such."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cloudio-test-", dir=where) as folder:
        yield Path(folder)
