"""The options that choose what a figure shows, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._utils.numbers import check_bool, is_finite
from ..errors import RequestError

#: The default opacity of classes over the image.
OVERLAY = 0.5


@dataclass(frozen=True)
class FigureOptions:
    """What a figure shows of each patch; `cloudio.plot.patch` describes every field."""

    bands: Any
    labels: Any
    window: bool
    stretch: Any
    overlay: float | None
    classes: Sequence[str] | None

    def __post_init__(self) -> None:
        """Raise RequestError if the type or the range of a field is wrong."""
        check_bool("window", self.window)
        if not _is_stretch(self.stretch):
            raise RequestError(
                f"stretch={self.stretch!r}; stretch must be 'fixed', 'patch' or (low, high), with "
                "low below high"
            )
        if self.overlay is not None and not (is_finite(self.overlay) and 0 <= self.overlay <= 1):
            raise RequestError(f"overlay={self.overlay!r}; overlay must be from 0 to 1, or None")
        if isinstance(self.classes, str) or not all(
            isinstance(name, str) for name in self.classes or ()
        ):
            raise RequestError(f"classes={self.classes!r}; classes must be a sequence of names")


def _is_stretch(stretch: Any) -> bool:
    if isinstance(stretch, str):
        return stretch in ("fixed", "patch")
    limits = stretch if isinstance(stretch, Sequence) else ()
    return len(limits) == 2 and all(map(is_finite, limits)) and limits[0] < limits[1]
