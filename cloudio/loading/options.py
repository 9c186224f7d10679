"""The options of a loader, for type checkers and editors."""

from collections.abc import Callable
from typing import Any, TypedDict

from .._utils.types import Crop, Index, Symmetries


class LoaderOptions(TypedDict, total=False):
    """The parameters of `Loader` that do not change what kind of batch it hands out."""

    shuffle: bool
    seed: int
    crop: Crop
    symmetry: Symmetries
    drop_last: bool
    index: Index | None
    rank: int
    world_size: int
    prefetch: int
    allocate: Callable[[int], Any] | None
