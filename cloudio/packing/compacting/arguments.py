"""The arguments of `compact`: repeats that are tried, and how many exceptions there may be."""

from collections.abc import Mapping
from typing import Any

from ..._utils.numbers import is_real, is_whole
from ..._utils.text import shown
from ...errors import RequestError
from ...verification.repetition.choice import REPEATS, fitting
from ...verification.repetition.phases import Pair
from .choosing import Rules
from .source import SourceSet

_MOST = 16
_EXAMPLE = "a number such as 2, a list to try such as [6, 3, 2], (rows, columns), or a mapping"


def make_rules(source: SourceSet, repeat: Any, exceptions: Any) -> Rules:
    """Return what may be chosen; RequestError if an argument is wrong."""
    if not (is_real(exceptions) and 0 <= exceptions <= 1):
        raise RequestError(
            f"exceptions={shown(exceptions)}; it must be a share of the patches, from 0 to 1"
        )
    repeats: dict[str, tuple[Pair, ...]] = {}
    own: dict[str, tuple[Pair, ...]] = {}
    common = REPEATS
    if isinstance(repeat, Mapping):
        for name, some in repeat.items():
            full = _find(source, name)
            own[full] = _as_pairs(some, f"repeat of {name}")
            if why := source.arrays[full].why:
                raise RequestError(f"{full} cannot have a repeat: {why}")
    elif repeat is not None:
        common = _as_pairs(repeat, "repeat")
    for name, array in source.arrays.items():
        pairs = fitting(own.get(name, common), source.layout.valid.size)
        if not array.why and pairs:
            repeats[name] = pairs
    return Rules(repeats, float(exceptions))


def _find(source: SourceSet, name: Any) -> str:
    if not isinstance(name, str):
        raise RequestError(f"repeat has {shown(name)}; its keys must be names of arrays")
    return source.layout.find(name, source.arrays, str(source.ds.path))


def _as_pairs(given: Any, what: str) -> tuple[Pair, ...]:
    """Return repeats as (rows, columns), those that cover most first, each once; 1 is none."""
    some = given if isinstance(given, list) else [given]
    pairs = dict.fromkeys(_as_pair(each, what) for each in some)
    pairs.pop((1, 1), None)
    if len(pairs) > _MOST:
        raise RequestError(f"{what} has {len(pairs)} numbers; {_MOST} are the most")
    return tuple(sorted(pairs, key=lambda pair: (-pair[0] * pair[1], pair)))


def _as_pair(given: Any, what: str) -> Pair:
    pair = given if isinstance(given, tuple) else (given, given)
    if len(pair) != 2 or not all(is_whole(r) and r >= 1 for r in pair):
        raise RequestError(f"{what}={shown(given)}; it must be {_EXAMPLE}, from 1 on")
    return int(pair[0]), int(pair[1])
