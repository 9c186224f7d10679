# The compiled module as Python sees it; tests/test_source.py compares the two.
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

class Pool:
    sizes: tuple[int, ...]
    capacity: int
    begun: int
    taken: int
    stopped: bool
    returned: SimpleQueue[None]
    n_lent: int
    n_free: int
    def __init__(
        self,
        sizes: Sequence[int],
        capacity: int,
        allocate: Callable[[int], Any],
        returned: SimpleQueue[None],
    ) -> None: ...
    def lend(self) -> list[Lease]: ...
    def begin(self) -> None: ...
    def take(self) -> None: ...
    def take_all(self) -> None: ...
    def reset(self) -> None: ...

class Lease:
    memory: Any
    def __init__(self, pool: Pool, kind: int, memory: Any) -> None: ...
    def renew(self) -> Any: ...

class CancellationToken:
    def __init__(self, pool: Pool) -> None: ...
    def cancel(self) -> None: ...
