"""The arguments of a data module and their checks, and the check of its states."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from ..._utils.text import shown, suggest
from ..._utils.types import AxisOrder, Crop, ElementType, Scale, Weights
from ...errors import RequestError
from ...loading.arguments import REPLACED

#: What readers take, training loaders, and all loaders.
READER = (
    "dtype", "layout", "scale", "label_dtype", "ignore", "threads", "clip", "fill", "evict",
    "valid",
)  # fmt: skip
TRAIN = "crop", "drop_last", "weights", "replacement", "num_samples", "crops_per_patch"
ALL_LOADERS = "prefetch", "allocate", "columns", "transform", "pin_memory"
STAGES = "train", "val", "test"
_HINTS = {
    **REPLACED,
    **dict.fromkeys(("mean", "std"), "pass normalize=(mean, std)"),
    **dict.fromkeys(("rank", "world_size"), "the ranks of the trainer are found: leave it out"),
    "index": "splits= takes numbers of patches too",
    "shuffle": "training batches are shuffled, the others are not: leave it out",
    "device": "Lightning moves batches to its device; pin_memory=True makes that faster",
    "io": "pass cloudio.open(path, io=...) instead of a path",
}


class DataModuleOptions(TypedDict, total=False):
    """Options of `DataModule` that its readers and loaders take, for type checkers."""

    dtype: ElementType
    layout: AxisOrder
    scale: Scale
    label_dtype: ElementType
    ignore: int
    threads: int | None
    clip: tuple[float | None, float | None] | None
    fill: float | None
    evict: bool
    valid: bool
    crop: Crop
    drop_last: bool
    weights: Weights | None
    replacement: bool | None
    num_samples: int | None
    crops_per_patch: int
    prefetch: int
    allocate: Callable[[int], Any] | None
    columns: Sequence[str] | None
    transform: Callable[[Any], Any] | None
    pin_memory: bool


# ---- checks --------------------------------------------------------------------------------------


def check_splits(splits: Any) -> dict[str, Any]:
    """Return what there is for each stage."""
    if isinstance(splits, Mapping):
        unknown = [name for name in splits if name not in STAGES]
        if not unknown:
            return {stage: splits.get(stage) for stage in STAGES}
    elif isinstance(splits, (tuple, list)) and len(splits) == len(STAGES):
        return dict(zip(STAGES, splits, strict=True))
    raise RequestError(
        f"splits={shown(splits)}; splits must be what to train, validate and test on, such as "
        "('train', 'val', None)"
    )


def check_normalize(normalize: Any) -> Any:
    if normalize is None or (isinstance(normalize, str) and normalize == "dataset"):
        return normalize
    if isinstance(normalize, (tuple, list)) and len(normalize) == 2:
        return tuple(normalize)
    raise RequestError(
        f"normalize={shown(normalize)}; normalize must be 'dataset', (mean, std) or None"
    )


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    known = READER + TRAIN + ALL_LOADERS
    for name in options:
        if name not in known:
            hint = f"; {_HINTS[name]}" if name in _HINTS else suggest(name, known)
            raise TypeError(f"DataModule() got an unexpected keyword argument {name!r}{hint}")
    return options


def check_state(state: Any) -> tuple[dict[str, Any] | None, Mapping[str, int] | None]:
    """Return the normalization and the state of the training loader; either may be missing."""
    if not isinstance(state, Mapping) or state.get("version") != 1:
        raise RequestError(
            f"{shown(state)} is not a state of a cloudio DataModule of this version; state_dict() "
            "returns one"
        )
    numbers = state.get("normalization")
    if numbers is not None and not (
        isinstance(numbers, Mapping) and {"bands", "mean", "std"} <= numbers.keys()
    ):
        raise RequestError(f"the state has normalization={shown(numbers)}, which has no numbers")
    return None if numbers is None else dict(numbers), state.get("train")
