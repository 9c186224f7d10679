"""What a read returns."""

from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np

# numpy's arrays, or the tensors another package makes of them.
A = TypeVar("A")


class Batch(NamedTuple, Generic[A]):
    """What a read returns: pixels, labels or None, and the number of each patch.

    ``image`` is (sample, band, row, column), or (sample, row, column, band) under "NHWC";
    ``label`` (sample, row, column), or (sample, array, row, column) where several labels were
    asked for; ``index`` (sample,).  Of one sample, the same without the sample axis.
    """

    image: A
    label: A | None
    index: A | int  # type: ignore[assignment]  # a tuple's method of that name gives way

    def __repr__(self) -> str:
        return batch_text(self)


class MaskedBatch(NamedTuple, Generic[A]):
    """What a reader with ``valid=True`` returns: a Batch, and where its pixels are real.

    ``valid`` is (sample, row, column) uint8: 1 where every band is inside the valid window and is
    not no data, 0 elsewhere.
    """

    image: A
    label: A | None
    index: A | int  # type: ignore[assignment]
    valid: A

    def __repr__(self) -> str:
        return batch_text(self)


def masked_batch(
    image: np.ndarray, label: np.ndarray | None, index: np.ndarray, valid: np.ndarray
) -> Batch[np.ndarray]:
    """A MaskedBatch, which to all but the type checker is a Batch with a field more."""
    return cast(Batch[np.ndarray], MaskedBatch(image, label, index, valid))


def first_sample(batch: Batch[A]) -> Batch[A]:
    """The first sample of a batch, without the axis of samples; its number is an int."""
    parts: list[Any] = [None if part is None else part[0] for part in batch]  # type: ignore[index]
    parts[2] = int(parts[2])
    return type(batch)(*parts)


# Of a batch's index, numbers that are worth reading.
_FEW = 8


def batch_text(batch: Any) -> str:
    """A batch's fields by type and shape; of few patches, their numbers."""
    fields = ", ".join(
        f"{name}={_brief(name, part)}" for name, part in zip(batch._fields, batch, strict=True)
    )
    return f"{type(batch).__name__}({fields})"


def _brief(name: str, part: Any) -> str:
    shape = getattr(part, "shape", None)
    if shape is None:
        return repr(part)
    if name == "index" and len(shape) == 1 and shape[0] <= _FEW:
        return repr(part.tolist())
    return f"{part.dtype} {tuple(shape)}"
