"""JSON files that cloudio has written: loaded, and replaced only if they are of the same kind."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import RequestError
from .files import open_bytes, read_whole
from .paths import exists, is_file, local_path, not_found

# A manifest has 16 digits for each patch and array, statistics numbers for each patch and class.
_MOST_BYTES, _MOST_VALUES = 1 << 30, 50_000_000
# What reading parsed JSON of another kind raises.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)

T = TypeVar("T")


def read_json(path: Path, wrong: str) -> Any:
    """Return what a JSON file holds; RequestError, which says ``wrong``, if it is none.

    A file that is larger than any is refused too.
    """
    content = read_whole(path, _MOST_BYTES, RequestError)
    n_values = sum(map(content.count, (b",", b"[", b"{")))
    if n_values > _MOST_VALUES:
        reason = f"has {n_values:,} values; it may have {_MOST_VALUES:,}"
        raise RequestError.about(path, reason)
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        raise RequestError.about(path, wrong) from None


def load_json(path: str | os.PathLike[str], what: str, wrong: str, parse: Callable[[Any], T]) -> T:
    """Return what ``parse`` makes of a JSON file; RequestError, which says ``wrong``, if it cannot.

    FileNotFoundError, which names ``what``, if there is no such file.
    """
    path = local_path(path)
    if not exists(path):
        raise not_found(path, what)
    entries = read_json(path, wrong)
    try:
        return parse(entries)
    except MALFORMED:
        raise RequestError.about(path, wrong) from None


def refuse(wrong: bool, what: str) -> None:
    """Raise ValueError if what a file holds is wrong."""
    if wrong:
        raise ValueError(f"it has {what}")


def check_replaceable(path: Path, heads: Iterable[bytes], held: str) -> None:
    """Raise RequestError if a file is there that begins otherwise, and so has no ``held``."""
    if is_file(path):
        with open_bytes(path, RequestError) as file:
            if not file.read(64).startswith(tuple(heads)):
                raise RequestError(f"{path} exists and holds no {held}; give another file name")
