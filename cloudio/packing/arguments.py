"""Checks of the arguments of `pack` that several sources take."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .._utils.text import listed, shown
from ..errors import RequestError


def check_choice(option: str, given: object, choices: Sequence[str | bool | None]) -> None:
    """Raise RequestError unless an argument is one of some."""
    if not any(given is each or (isinstance(each, str) and given == each) for each in choices):
        *others, last = map(repr, choices)
        raise RequestError(f"{option}={shown(given)}; it must be {listed(others)} or {last}")


def check_mapping(option: str, given: Any, example: str) -> dict[str, Any]:
    """Return a mapping with text as keys, empty for None; RequestError if it is something else."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise RequestError(f"{option}={shown(given)}; it must be a mapping such as {example}")
    return dict(given)


def check_texts(option: str, given: Any, *, empty: bool = False) -> list[str]:
    """Return a list of names, of one text that one; RequestError if it is something else."""
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, Iterable) and not isinstance(texts, Mapping):
        texts = list(texts)
        if all(isinstance(text, str) and text for text in texts) and (texts or empty):
            return texts
    raise RequestError(f"{option}={shown(given)}; it must be a list of names")


def check_channel_names(given: Any) -> Any:
    """Return names of channels as lists; a mapping has them for several arrays."""
    if isinstance(given, Mapping):
        own = check_mapping("names", given, '{"image": ["B4", "B3"]}')
        return {name: _channels(f"names of {name}", some) for name, some in own.items()}
    return _channels("names", given)


def _channels(option: str, given: Any) -> list[str]:
    if isinstance(given, str):
        raise RequestError(f"{option}={shown(given)}; it must be a list, one for each channel")
    return check_texts(option, given)


def type_names(given: Any) -> dict[str, str]:
    """Return types by array, "" for all bands, where numpy's own types are named."""
    if isinstance(given, str):
        return {"": given}
    types = check_mapping("dtypes", given, '{"mask": "uint8"}')
    return {name: _type_name(some) for name, some in types.items()}


def _type_name(given: Any) -> str:
    if isinstance(given, str):
        return given
    try:
        return np.dtype(given).name if given is not None else str(given)
    except (TypeError, ValueError):
        return shown(given)
