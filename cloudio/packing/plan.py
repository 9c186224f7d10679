"""What is written: the arrays and their types, the files, and the row of each sample."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._utils.text import listed, shown
from ..errors import RequestError
from .conversion import LossError, convert
from .sample import ArrayInfo, Sample

# What is a name of a file on every system.
_SAFE = re.compile(r"[\w][\w .,+=()\[\]@%-]{0,99}(?<![ .])")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|metadata|cloudio|manifest", re.I)


class StoredTypeError(RequestError):
    """A number does not fit the type that an array is stored in; no sample is left out for it."""


@dataclass(frozen=True, slots=True)
class PackedArray:
    """One array: what the source has, and how it is stored.

    ``source`` and ``stored`` are types; ``channel`` is its place in a file of ``channels``, None if
    it has a file of its own.
    """

    name: str
    info: ArrayInfo
    source: str
    stored: str
    file: str
    channel: int | None = None
    channels: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in files, whose bytes are little-endian."""
        return np.dtype(self.stored).newbyteorder("<")


@dataclass(frozen=True)
class Plan:
    """The arrays of every patch, the size of a patch, and whether numbers may be rounded."""

    arrays: tuple[PackedArray, ...]
    patch: tuple[int, int]
    flat: bool = False
    lossy: bool = False

    @property
    def patch_bytes(self) -> int:
        """The bytes of a patch with all arrays."""
        height, width = self.patch
        return sum(height * width * array.dtype.itemsize for array in self.arrays)

    def digest(self) -> str:
        """Return a text that is another one for another plan."""
        return hashlib.sha256(repr((self.arrays, self.patch, self.flat)).encode()).hexdigest()

    def planes(self, sample: Sample) -> list[np.ndarray]:
        """Return the arrays of a sample as they are stored.

        RequestError, which begins with what is wrong, if the sample is not like the others.
        """
        if sample.arrays.keys() != {array.name for array in self.arrays}:
            self._refuse_names(sample)
        return [self._plane(array, sample) for array in self.arrays]

    def _plane(self, array: PackedArray, sample: Sample) -> np.ndarray:
        pixels = sample.arrays[array.name]
        if pixels.shape != self.patch:
            (height, width), (h, w) = self.patch, pixels.shape
            raise RequestError(
                f"{array.name} has {h} x {w} pixels, but the patches before it have {height} x "
                f"{width}; all patches must have one size: cut them with tile= (--tile)"
            )
        if pixels.dtype.newbyteorder("=").name != array.source:
            raise RequestError(
                f"{array.name} is {pixels.dtype.name}, but others are {array.source}; convert the "
                "files, or pack them apart"
            )
        info = sample.infos.get(array.name, _DEFAULT)
        if info is not array.info and info != array.info and repr(info) != repr(array.info):
            self._refuse_info(array, info)
        try:
            return convert(pixels, array.dtype, lossy=self.lossy, nodata=info.nodata)
        except LossError as error:
            raise StoredTypeError(loss_message(array, error, self.lossy)) from None

    def _refuse_names(self, sample: Sample) -> None:
        names = [array.name for array in self.arrays]
        lost = [name for name in names if name not in sample.arrays]
        extra = [name for name in sample.arrays if name not in names]
        what = [f"lacks {listed(lost)}"] * bool(lost) + [f"also has {listed(extra)}"] * bool(extra)
        raise RequestError(
            f"{' and '.join(what)}; all samples must have the arrays {listed(names)}"
        )

    def _refuse_info(self, array: PackedArray, info: ArrayInfo) -> None:
        for key in ("kind", "nodata", "scale_factor", "add_offset", "unit", "wavelength"):
            mine, others = getattr(info, key), getattr(array.info, key)
            if mine != others and repr(mine) != repr(others):
                raise RequestError(
                    f"{array.name} has {key} {mine}, but others have {others}; all patches of an "
                    "array must have the same"
                )


_DEFAULT = ArrayInfo()


def loss_message(array: PackedArray, error: LossError, lossy: bool) -> str:
    """Return why an array cannot be stored in its type."""
    row, col = error.where
    if error.nodata is not None:
        return (
            f"{array.name} has {error.number!r} at row {row}, column {col}, which would be rounded "
            f"to {error.nodata:g}, and that means no data; choose another type with dtypes= "
            "(--dtype)"
        )
    advice = "choose another type with dtypes= (--dtype)"
    if not lossy and isinstance(error.number, float) and array.stored.startswith("float"):
        advice = "lossy=True (--lossy) rounds"
    return (
        f"{array.name} has {error.number!r} at row {row}, column {col}, which {array.stored} "
        f"cannot hold; {advice}"
    )


# ---- files ---------------------------------------------------------------------------------------


def name_files(
    arrays: Sequence[PackedArray], *, stack: bool, flat: bool
) -> tuple[PackedArray, ...]:
    """Return the arrays with their files; with ``stack`` bands of one type share a file."""
    suffix = ".dat" if flat else ".npy"
    together: dict[str, list[str]] = {}
    for array in arrays if stack else ():
        if array.info.kind == "band":
            together.setdefault(array.stored, []).append(array.name)
    taken: set[str] = set()
    stacks = {
        dtype: _file_name("bands" if len(together) == 1 else f"bands_{dtype}", taken)
        for dtype in together
    }
    named = []
    for array in arrays:
        names = together.get(array.stored, [])
        if array.name in names:
            file, k = stacks[array.stored] + suffix, names.index(array.name)
            named.append(replace(array, file=file, channel=k, channels=len(names)))
        else:
            named.append(replace(array, file=_file_name(array.name, taken) + suffix))
    return tuple(named)


def _file_name(name: str, taken: set[str]) -> str:
    """Return a name for a file that no other has, on systems that ignore case too."""
    stem = name if _SAFE.fullmatch(name) and not _RESERVED.fullmatch(name) else "array"
    found, k = stem, 1
    while found.casefold() in taken:
        k += 1
        found = f"{stem}_{k}"
    taken.add(found.casefold())
    return found


# ---- fields of metadata.csv ----------------------------------------------------------------------


def as_fields(attributes: Mapping[str, object]) -> dict[str, str]:
    """Return the columns of a sample as text; RequestError for what is no text, number or date."""
    return {_utf8(str(name)): _utf8(_field(str(name), value)) for name, value in attributes.items()}


def _utf8(text: str) -> str:
    """Return a text that UTF-8 can hold: what it cannot, such as half a character, is escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _field(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (bytes, np.bytes_)):
        return value.decode("utf-8", "replace")
    if isinstance(value, (np.generic, np.ndarray)) and np.ndim(value) == 0:
        value = value.item() if np.asarray(value).dtype.kind not in "mM" else str(value)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (str, int, float)) or hasattr(value, "isoformat"):
        if isinstance(value, float) and value != value:
            return ""
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    raise RequestError(
        f"{name} is {shown(value)}; a column of metadata must be text, a number, a date or None"
    )
