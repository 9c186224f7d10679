"""Scales stored numbers as a reader does, but by torch, on any device, with the same bits.

csrc/rows_body.h does it on the CPU; this module rounds at the same steps, in the same order.
"""

import math
from typing import Any, cast

import numpy as np
import torch

from .._utils.text import listed
from ..errors import RequestError
from ..reading.arguments.options import STORED_DTYPES
from ..reading.copies import with_settings
from ..reading.reader import Reader


def stored_reader(reader: Reader[Any]) -> Reader[Any]:
    """Return a reader of the same pixels as stored; RequestError if `Scaling` cannot scale them."""
    if reader.factors is None:
        raise RequestError(
            f"scale_on='device' with dtype={reader.dtype_name!r}: there is nothing to scale, "
            "because this dtype reads numbers as stored"
        )
    types = {name: reader.dataset.dtype(name).name for name in reader.bands}
    first = reader.bands[0]
    for name, dtype in types.items():
        if dtype not in STORED_DTYPES:
            raise RequestError(
                f"scale_on='device', but {name} is stored as {dtype}; the device scales "
                f"{listed(STORED_DTYPES)}, and scale_on='cpu' any type"
            )
        if dtype != types[first]:
            raise RequestError(
                f"scale_on='device', but {first} is stored as {types[first]} and {name} as "
                f"{dtype}; the device needs one type for all bands, scale_on='cpu' does not"
            )
    off = dict.fromkeys(("scale", "mean", "std", "clip", "fill"))
    return with_settings(reader, dtype=types[first], **off)


class Scaling:
    """What a reader does to the numbers of its bands, done by torch.

    A call takes an image as stored.  It returns what the reader would have read, bit for bit, on
    the image's device: each product is rounded to float32, then each sum; then comes the clip, the
    rounding to the reader's type, and the fill where there is no data.
    """

    def __init__(self, reader: Reader[Any]) -> None:
        settings, factors = reader.settings, reader.factors
        assert factors is not None  # stored_reader refuses other readers
        shape = (-1,) if settings["layout"] == "NHWC" else (-1, 1, 1)
        self._factor = torch.from_numpy(factors[0].reshape(shape))
        # Adding -0.0 changes no float; adding 0.0 would turn -0.0 into 0.0.
        summands = np.where(factors[1] == 0, np.float32(-0.0), factors[1])
        self._summand = torch.from_numpy(summands.reshape(shape)) if factors[1].any() else None
        limits = settings["clip"] or (None, None)
        self._low, self._high = (None if x is None else _float32(x) for x in limits)
        self._dtype = getattr(torch, reader.dtype_name)
        self._nodata = self._fill = cast(Any, None)
        nodata = [reader.dataset.band(name).nodata for name in reader.bands]
        if settings["fill"] is not None and any(x is not None for x in nodata):
            # Nothing equals NaN.
            numbers = np.array([math.nan if x is None else x for x in nodata], np.float32)
            self._nodata = torch.from_numpy(numbers.reshape(shape))
            self._fill = torch.from_numpy(_bits(settings["fill"], reader.dtype_name))

    def to(self, device: Any) -> "Scaling":
        """Return the same scaling with its numbers on that device."""
        moved = object.__new__(Scaling)
        for name, value in vars(self).items():
            setattr(moved, name, value.to(device) if isinstance(value, torch.Tensor) else value)
        return moved

    def __call__(self, stored: Any) -> Any:
        # Not torch.clamp: of -0.0 and a limit of 0.0 it may return either.
        numbers = stored.to(torch.float32)
        missing = None if self._nodata is None else numbers == self._nodata
        image = numbers.mul_(self._factor)
        if self._summand is not None:
            image.add_(self._summand)
        if self._low is not None:
            image = torch.where(image < self._low, self._low, image)
        if self._high is not None:
            image = torch.where(image > self._high, self._high, image)
        image = image.to(self._dtype)
        if missing is not None:
            # As whole numbers, so that a NaN keeps its bits.
            bits = image.view(self._fill.dtype)
            image = torch.where(missing, self._fill, bits).view(self._dtype)
        return image


def _float32(number: float) -> Any:
    return torch.tensor(number, dtype=torch.float32, device="cpu")


def _bits(fill: float, dtype: str) -> np.ndarray:
    """Return the bits of a fill in that type, as a signed number; NaN has no payload."""
    single = np.float32(math.copysign(math.nan, fill) if math.isnan(fill) else fill)
    if dtype == "float32":
        return np.array(single).view(np.int32)
    if dtype == "float16":
        return np.array(single.astype(np.float16)).view(np.int16)
    bits = int(np.array(single).view(np.uint32))
    rounded = bits >> 16 if math.isnan(fill) else (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.array(rounded, np.uint16).view(np.int16)
