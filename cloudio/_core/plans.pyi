# The compiled module as Python sees it; tests/test_source.py compares the two.
from collections.abc import Sequence
from typing import Any

class Repeated:
    def __init__(
        self,
        array: Any,
        *,
        repeat: tuple[int, int],
        patch: tuple[int, int],
        window: tuple[int, int, int, int],
        places: Any,
        exceptions: Any = None,
        exceptions_file: Any = None,
    ) -> None: ...

class BasePlan:
    n_patches: int
    n_arrays: int
    n_splits: int
    patch_height: int
    patch_width: int
    files: tuple[Any, ...]
    reads: bool

class Gather(BasePlan):
    stored: bool
    interleaved: bool
    def __init__(
        self,
        arrays: Sequence[Sequence[Any]],
        files: Sequence[Sequence[Any]],
        scale: Sequence[float] | None,
        offset: Sequence[float] | None,
        *,
        clip: tuple[float | None, float | None] = (None, None),
        nodata: Sequence[float | None] | None = None,
        fill: float | None = None,
        to: str = "float32",
        interleaved: bool = False,
    ) -> None: ...

class Mask(BasePlan):
    def __init__(
        self,
        arrays: Sequence[Sequence[Any]],
        files: Sequence[Sequence[Any]],
        nodata: Sequence[float | None],
        window: tuple[int, int, int, int],
    ) -> None: ...

class Remap(BasePlan):
    class_type: int
    def __init__(
        self,
        arrays: Sequence[Sequence[Any]],
        files: Sequence[Sequence[Any]],
        tables: Sequence[Any],
        windows: Sequence[tuple[int, int, int, int]],
        fill: int,
    ) -> None: ...

class Histogram(BasePlan):
    n_classes: int
    n_counts: int
    item: int
    def __init__(
        self,
        arrays: Sequence[Sequence[Any]],
        files: Sequence[Sequence[Any]],
        window: tuple[int, int, int, int],
        *,
        nodata: float | None = None,
        class_lut: Any = None,
        buckets: Any = None,
        checksum: bool = False,
    ) -> None: ...
