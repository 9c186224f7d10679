"""Options that readers and `gather` share, checked: types, layouts, sizes, limits and fills.

Each function returns the checked value, or raises RequestError.
"""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np

from ..._utils.numbers import dtype_name, is_real, is_whole, overflows_float32
from ..._utils.text import listed
from ..._utils.types import AxisOrder, ElementType, Numbers, Scale, Size
from ...errors import RequestError
from ...layouts.labels import LabelMap

FLOAT_DTYPES = ("float32", "float16", "bfloat16")
STORED_DTYPES = ("int16", "uint16", "uint8")
_IMAGE_DTYPES = (*FLOAT_DTYPES, *STORED_DTYPES)
LAYOUTS = ("NCHW", "NHWC")
_LARGEST = {"float32": 3.4028234663852886e38, "float16": 65504.0, "bfloat16": 3.3895313892515355e38}


# Keywords that people try, and what there is in their place.
_BY_READ = "symmetry= of read and of Loader turns and flips"
_BY_LOADER = "cloudio.Loader(reader, batch_size) has this"
READER_KEYWORDS = {
    "label": "did you mean labels?",
    "band": "did you mean bands?",
    "channels": "did you mean bands?",
    **dict.fromkeys(("flip", "rotate", "augment", "symmetry"), _BY_READ),
    **dict.fromkeys(("shuffle", "batch_size", "seed", "transform", "columns"), _BY_LOADER),
    "crop": "size= is the size of a crop; origin= of read, or crop= of Loader, says where it is",
    "origin": "reader.read(index, origin=...) has it",
    "index": "reader.read(index) takes it; ds.subset(index) selects patches",
    "split": "ds.split('train').reader(...) reads one split",
    "normalize": "pass mean= and std=",
    "device": "cloudio.torch.Loader has device=",
}


class NamedReaderSettings(TypedDict, total=False):
    """The settings of a `Reader` that do not change what kind of batch it reads."""

    size: Size
    dtype: ElementType
    layout: AxisOrder
    scale: Scale
    mean: Numbers | None
    std: Numbers | None
    label_dtype: ElementType
    ignore: int
    threads: int | None
    clip: tuple[float | None, float | None] | None
    fill: float | None
    evict: bool


class ReaderSettings(NamedReaderSettings, total=False):
    """These settings of a `Reader` whose batches are no dicts."""

    keys: None


# ---- types and layouts ---------------------------------------------------------------------------


def parse_image_dtype(dtype: Any) -> str:
    """Return the name of an image type."""
    # Names need no numpy, which knows bfloat16 only where ml_dtypes is imported.
    if isinstance(dtype, str) and dtype in _IMAGE_DTYPES:
        return str(dtype)
    note = f" ({listed(STORED_DTYPES)} give numbers as stored)"
    return dtype_name("dtype", dtype, _IMAGE_DTYPES, note)


def parse_label_dtype(dtype: Any, what: str = "label_dtype") -> np.dtype[Any]:
    return np.dtype(dtype_name(what, dtype, ("uint8", "int64")))


def check_layout(layout: Any) -> str:
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise RequestError(f"layout={layout!r}; layout must be {' or '.join(map(repr, LAYOUTS))}")
    return str(layout)


# ---- numbers -------------------------------------------------------------------------------------


def parse_size(size: Any, patch: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width); RequestError if such a window does not fit into a patch."""
    if type(size) is int and 1 <= size <= min(patch):
        return size, size
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(is_whole(side) for side in pair):
        raise RequestError(f"size={size!r}; size must be a whole number or (height, width)")
    height, width = patch
    if not (1 <= pair[0] <= height and 1 <= pair[1] <= width):
        raise RequestError(
            f"size={size!r}; the stored patch is {height} x {width}, so size must be from 1 x 1 "
            f"to {height} x {width}"
        )
    return int(pair[0]), int(pair[1])


def parse_clip(clip: Any) -> tuple[float | None, float | None]:
    """Return (lowest, highest); either may be None."""
    if clip is None:
        return None, None
    pair = tuple(clip) if isinstance(clip, (tuple, list, np.ndarray)) else ()
    if len(pair) != 2 or not all(x is None or (is_real(x) and not math.isnan(x)) for x in pair):
        raise RequestError(f"clip={clip!r}; clip must be (lowest, highest), each a number or None")
    low, high = (None if limit is None else float(limit) for limit in pair)
    for limit in (low, high):
        if limit is not None and math.isfinite(limit) and overflows_float32([limit]):
            raise RequestError(f"clip={clip!r} overflows float32")
    if low is not None and high is not None and low > high:
        raise RequestError(f"clip={clip!r} is reversed; clip must be (lowest, highest)")
    return low, high


def parse_fill(fill: Any, dtype: str) -> float | None:
    """Return the number; RequestError if ``dtype`` cannot hold it."""
    if fill is None:
        return None
    if not is_real(fill):
        raise RequestError(f"fill={fill!r}; fill must be a number")
    if math.isfinite(fill) and abs(fill) > _LARGEST[dtype]:
        raise RequestError(f"fill={fill!r} overflows {dtype}")
    return float(fill)


def as_list(numbers: Any) -> Any:
    """Return numbers as a new list; None and a string as they are."""
    return numbers if numbers is None or isinstance(numbers, str) else np.asarray(numbers).tolist()


def check_ignore(ignore: Any, dtype: np.dtype[Any], option: str = "label_dtype") -> None:
    limits = np.iinfo(dtype)
    more = f"; {option}='int64' holds others" if dtype.itemsize == 1 else ""
    if not is_whole(ignore) or not limits.min <= ignore <= limits.max:
        raise RequestError(
            f"ignore={ignore!r}; labels are {dtype}, so ignore must be a whole number from "
            f"{limits.min} to {limits.max}{more}"
        )


# ---- text ----------------------------------------------------------------------------------------


def describe_settings(
    settings: Mapping[str, Any],
    label_maps: Mapping[str, LabelMap | None],
    policies: Mapping[str, str | None],
) -> list[tuple[str, str]]:
    """Return the settings of a reader as rows of text; those without effect are left out."""
    as_stored = settings["dtype"] in STORED_DTYPES or settings["scale"] is None
    height, width = settings["size"]
    rows = [
        ("size", f"{height} x {width}, {settings['layout']}"),
        ("scale", "as stored" if as_stored else _shorten(settings["scale"])),
    ]
    for name in ("mean", "std", "clip", "fill"):
        if settings[name] is not None:
            rows.append((name, _shorten(settings[name])))
    for name, label_map in label_maps.items():
        rule = "codes as stored"
        if label_map is not None:
            rule = policies[name] or _shorten(label_map)
            rule += f", else {settings['ignore']}" if label_map.unlisted is None else ""
        rows.append((name, f"{rule}, {settings['label_dtype']}"))
    if settings["keys"] is not None:
        rows.append(("keys", _shorten(settings["keys"])))
    return rows


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
