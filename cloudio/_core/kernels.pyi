# The compiled module as Python sees it; tests/test_source.py compares the two.
from collections.abc import Sequence
from typing import Any

from .files import File
from .plans import BasePlan, Histogram

ENDED: int
WRITTEN: int
ISAS: tuple[str, ...]

def resolve(index: Any, n_patches: int) -> None: ...
def run(
    plans: Sequence[BasePlan],
    outs: Sequence[Any],
    index: Any,
    origin: Any,
    symmetry: Any,
    n_threads: int,
    evict: bool = False,
) -> tuple[File, int, int, int] | None: ...
def count(
    plan: Histogram,
    records: Any,
    counts: Any,
    classes: Any,
    index: Any,
    origin: Any,
    height: int,
    width: int,
    n_threads: int,
    evict: bool = False,
) -> tuple[File, int, int, int] | None: ...
def prefetch(
    plans: Sequence[BasePlan], index: Any, origin: Any, height: int, width: int
) -> None: ...
def available() -> tuple[str, ...]: ...
def isa() -> str: ...
def use(name: str) -> None: ...
def tune(**numbers: int) -> dict[str, int]: ...
def n_workers() -> int: ...
def address(source: Any) -> int: ...
