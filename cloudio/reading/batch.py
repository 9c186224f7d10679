"""What a read returns."""

from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np

# The array type: numpy's, or the tensors of another package.
A = TypeVar("A")


class Batch(NamedTuple, Generic[A]):
    """What a read returns: images, labels and patch numbers.

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
    label: A | None
    index: A | int  # type: ignore[assignment]  # a tuple's method of that name gives way

    def __repr__(self) -> str:
        return _describe(self)


class MaskedBatch(NamedTuple, Generic[A]):
    """What a reader with ``valid=True`` returns: a batch with a mask of its valid pixels.

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
    label: A | None
    index: A | int  # type: ignore[assignment]
    valid: A

    def __repr__(self) -> str:
        return _describe(self)


def make_masked_batch(
    image: np.ndarray, label: np.ndarray | None, index: np.ndarray, valid: np.ndarray
) -> Batch[np.ndarray]:
    """Return a MaskedBatch; for the type checker it is a Batch."""
    return cast(Batch[np.ndarray], MaskedBatch(image, label, index, valid))


def first_sample(batch: Batch[A]) -> Batch[A]:
    """Return the first sample of a batch, without the sample axis; its index is an int."""
    parts: list[Any] = [None if part is None else part[0] for part in batch]  # type: ignore[index]
    parts[2] = int(parts[2])
    return type(batch)(*parts)


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
    if name == "index" and len(shape) == 1 and shape[0] <= _MAX_SHOWN:
        return repr(value.tolist())
    return f"{value.dtype} {tuple(shape)}"
