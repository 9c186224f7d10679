# The compiled module as Python sees it; tests/test_source.py compares the two.
from typing import Any

def checksum(patch: Any) -> int: ...
