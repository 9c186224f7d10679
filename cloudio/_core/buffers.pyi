# The compiled module as Python sees it; tests/test_source.py compares the two.
from typing import Any

class Buffer:
    def __init__(self, source: Any, writable: bool) -> None: ...

def address(source: Any) -> int: ...
