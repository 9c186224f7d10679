"""Which datasets of a container may be packed, by their names and shapes, for messages."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence

from ..._utils.text import listed
from ...storage.listing import split_name
from ...storage.opening.pack_command import SPLIT_NAMES
from ...storage.opening.series import has_channels_last
from ..decoders.containers import Container
from ..decoders.containers.container import StoredArray

#: What stands for the split in the name of a dataset.
SPLIT = "{split}"


def array_name(dataset: str) -> str:
    """Return the name of the array that a dataset is, unless the caller names it."""
    last = dataset.rstrip("/").rpartition("/")[2]
    if SPLIT in last:
        last = last.replace(SPLIT, "").strip("_-. ")
    return last or "image"


def describe_datasets(arrays: Sequence[StoredArray]) -> str:
    """Return what a container holds, and which of it ``dataset`` may name."""
    if not arrays:
        return "holds no datasets"
    text = f"holds {listed(arrays, '; ')}. Say which are packed"
    fitting = [each for each in arrays if _fits(each)]
    if not fitting:
        return f"{text}; arrays of patches have three or four axes, and none of these has"
    pairs = {re.sub(r"\W+", "_", array_name(name)): name for name in _together(fitting)}
    option = " ".join(_word(f"{array}={name}") for array, name in pairs.items())
    last = any(len(each.shape) == 4 and has_channels_last(each.shape) for each in fitting)
    given, axis = (", channel_axis='last'", " --channel-axis last") if last else ("", "")
    return f"{text}, such as dataset={pairs}{given} (--dataset {option}{axis})"


def not_packed(container: Container, datasets: Sequence[str]) -> tuple[str, ...]:
    """Return a note if datasets of one split are named, and others have the same; else ()."""
    patterns = {name: pattern for name in datasets if (pattern := _pattern(f"/{name.strip('/')}"))}
    if not patterns:
        return ()
    named = {name.strip("/") for name in datasets}
    lost = [
        name
        for name in container.names()
        if name.strip("/") not in named and _pattern(f"/{name.strip('/')}") in patterns.values()
    ]
    if not lost:
        return ()
    example = next(iter(patterns.values()))
    return (
        f"not packed: {listed(lost)}; {{split}} in the names of datasets packs each split, such as "
        f"{example}",
    )


def _fits(array: StoredArray) -> bool:
    return array.is_numeric and len(array.shape) in (3, 4)


def _pattern(name: str) -> str | None:
    """Return the name of a dataset with {split} for its split; None if it names none."""
    for word in re.finditer(r"[^\W_]+", name):
        if split_name(word[0].lower()) in SPLIT_NAMES:
            return f"{name[: word.start()]}{SPLIT}{name[word.end() :]}"
    return None


def _together(arrays: Sequence[StoredArray]) -> list[str]:
    """Return names of arrays, or patterns, that have the same patches."""
    patterns: dict[str, list[tuple[str, int]]] = {}
    for each in arrays:
        if pattern := _pattern(each.name):
            split = each.name[pattern.index(SPLIT) :][: len(each.name) - len(pattern) + len(SPLIT)]
            patterns.setdefault(pattern, []).append((split, each.shape[0]))
    patches = Counter(tuple(sorted(some)) for some in patterns.values() if len(some) > 1)
    if patches:
        most = max(patches, key=lambda some: (len(some), patches[some]))
        return [name for name, some in patterns.items() if tuple(sorted(some)) == most]
    n = Counter(each.shape[0] for each in arrays).most_common(1)[0][0]
    return [each.name for each in arrays if each.shape[0] == n]


def _word(text: str) -> str:
    """Return a word as a shell needs it, which keeps {split}."""
    plain = text.replace(SPLIT, "split")
    return text if shlex.quote(plain) == plain else shlex.quote(text)
