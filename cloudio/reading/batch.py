"""What a read returns."""

from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

import numpy as np

# A: the array type, numpy's or the tensors of another package.  L: None where the label may be
# None, Never where there is one.  N: the type of the index, int for a single sample.  B: the batch.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    A = TypeVar("A", covariant=True)
    L = TypeVar("L", covariant=True, default=None)
    N = TypeVar("N", covariant=True, default=A)
    B = TypeVar("B", covariant=True, default="Batch[np.ndarray, Any]")
else:
    # Before Python 3.13 a type variable has no default.
    from typing import TypeVar

    A, L, N, B = (TypeVar(name, covariant=True) for name in "ALNB")


class Batch(NamedTuple, Generic[A, L, N]):
    """The result of a read: images, labels and patch numbers.

    A single sample has no sample axis.

    Attributes
    ----------
    image : ndarray, (sample, band, row, column)
        With ``layout="NHWC"`` (sample, row, column, band).
    label : ndarray, (sample, row, column), or None
        With several labels (sample, label, row, column); None if the reader reads no labels.
    index : ndarray of int64, (sample,)
        The patch numbers as requested; negative numbers are resolved.
    """

    image: A
    label: A | L
    index: N  # type: ignore[assignment]  # a tuple's method of that name gives way

    def __repr__(self) -> str:
        return _describe(self)


class MaskedBatch(NamedTuple, Generic[A, L, N]):
    """The result of a reader with ``valid=True``: a batch with a mask of its valid pixels.

    Attributes
    ----------
    image : ndarray, (sample, band, row, column)
        With ``layout="NHWC"`` (sample, row, column, band).
    label : ndarray, (sample, row, column), or None
        With several labels (sample, label, row, column); None if the reader reads no labels.
    index : ndarray of int64, (sample,)
        The patch numbers as requested; negative numbers are resolved.
    valid : ndarray of uint8, (sample, row, column)
        1 inside the valid window where no band is NaN or no data, else 0.
    """

    image: A
    label: A | L
    index: N  # type: ignore[assignment]
    valid: A

    def __repr__(self) -> str:
        return _describe(self)


if not TYPE_CHECKING:
    # As with defaults: Batch[np.ndarray] needs no further type.
    Batch.__class_getitem__ = MaskedBatch.__class_getitem__ = classmethod(GenericAlias)


def make_batch(image: Any, label: Any, index: Any, valid: Any) -> Any:
    """Return a Batch, or a MaskedBatch if there is a mask."""
    if valid is None:
        return Batch(image, label, index)
    return MaskedBatch(image, label, index, valid)


# The repr shows the index itself up to this many samples.
_MAX_SHOWN = 8


def _describe(batch: Any) -> str:
    """Return the fields of a batch by type and shape, and a short index as numbers."""
    fields = ", ".join(
        f"{name}={_describe_field(name, part)}"
        for name, part in zip(batch._fields, batch, strict=True)
    )
    return f"{type(batch).__name__}({fields})"


def _describe_field(name: str, value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is None:
        return repr(value)
    is_short = name == "index" and len(shape) == 1 and shape[0] <= _MAX_SHOWN
    if is_short and hasattr(value, "tolist"):  # lazy arrays have no numbers to show
        return repr(value.tolist())
    return f"{value.dtype} {tuple(shape)}"
