"""Arrays of other kinds where numpy's are expected: tensors, DataArrays of xarray, masked arrays.

torch, xarray and numpy.ma are not imported here: where one is not loaded, nothing is of its kind.
"""

import sys
from typing import Any

import numpy as np

from .._core.runtime import DefaultFloats
from ..errors import RequestError

_PLAIN = (np.ndarray, np.memmap, int, list, tuple)


def is_tensor(given: Any) -> bool:
    """Return whether that is a tensor of PyTorch."""
    torch = sys.modules.get("torch")
    # A torch whose import has failed, or is not finished, has no tensors.
    kind = getattr(torch, "Tensor", None)
    return kind is not None and isinstance(given, kind)


def is_masked(given: Any) -> bool:
    """Return whether that is a masked array of numpy, whatever its mask."""
    kind = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return kind is not None and isinstance(given, kind)


def check_not_masked(what: str, given: Any) -> None:
    """Raise RequestError for a masked array: numpy would drop its mask."""
    if is_masked(given):
        raise RequestError(
            f"{what} is a masked array, and its mask would be lost; pass {what}.filled(x), where "
            "the number x stands for masked elements, or .data if none is masked"
        )


def as_host_array(what: str, given: Any) -> Any:
    """Return a tensor or DataArray as the numpy array over its memory; anything else as it is.

    Raises RequestError for what numpy cannot see, on a device or of a type of its own, and for
    masked arrays.
    """
    if type(given) in _PLAIN:
        return given
    check_not_masked(what, given)
    xarray = sys.modules.get("xarray")
    if xarray is not None and isinstance(given, getattr(xarray, "DataArray", ())):
        return _data_of(what, given)
    if not is_tensor(given):
        return given
    if given.device.type != "cpu":
        raise RequestError(f"{what} is a tensor on {given.device}; pass {what}.cpu()")
    try:
        return given.detach().numpy()
    except (TypeError, RuntimeError):  # such as bfloat16, or a sparse tensor
        raise RequestError(
            f"{what} is a {given.layout} tensor of {given.dtype}, which numpy cannot hold; convert "
            "it first"
        ) from None


def _data_of(what: str, given: Any) -> np.ndarray:
    """Return the array of a DataArray."""
    data = given.data
    check_not_masked(what, data)
    if not isinstance(data, np.ndarray):
        raise RequestError(
            f"{what} is a DataArray over a {type(data).__name__}; pass {what}.compute(), which "
            "holds an array of numpy"
        )
    return data


def numpy_name(dtype: Any) -> Any:
    """Return the name of a dtype of PyTorch, such as "float16"; anything else as it is."""
    kind = type(dtype)
    if kind.__module__ == "torch" and kind.__name__ == "dtype":
        return str(dtype).removeprefix("torch.")
    return dtype


# ---- arrays of our own ---------------------------------------------------------------------------


def frozen(array: np.ndarray) -> np.ndarray:
    """Return the array itself, made read-only."""
    array.setflags(write=False)
    return array


def ratio(part: Any, whole: Any) -> np.ndarray:
    """Return ``part / whole`` in float64, NaN if ``whole`` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    with DefaultFloats(), np.errstate(all="warn", under="ignore"):
        np.divide(part, whole, out=out, where=whole != 0)
    return out
