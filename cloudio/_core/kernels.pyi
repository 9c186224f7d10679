# The compiled module as Python sees it; tests/test_source.py compares the two.
from collections.abc import Sequence
from typing import Any

from .files import File
from .plans import BasePlan, Histogram

TRUNCATED: int
MODIFIED: int

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
def is_direct(plans: Sequence[BasePlan], width: int) -> bool: ...
def prefetch(
    plans: Sequence[BasePlan], index: Any, origin: Any, height: int, width: int
) -> None: ...
