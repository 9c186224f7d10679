"""Arguments that name arrays: a text, or a mapping of names to patterns or columns."""

from collections.abc import Mapping, Sequence

from ...._utils.text import shown
from ....errors import RequestError

#: What a label is called that has no other name.
MASK = "mask"
Named = str | Mapping[str, str]


def named(option: str, given: Named, default: str) -> dict[str, str]:
    """Return names of arrays with their patterns or columns; RequestError if they are wrong.

    One text is that of ``default``.
    """
    pairs = {default: given} if isinstance(given, str) else given
    if not isinstance(pairs, Mapping) or not pairs:
        raise RequestError(
            f"{option}={shown(given)}; it must be a text, or a mapping of names to texts"
        )
    for name, text in pairs.items():
        if not isinstance(name, str) or not name or not isinstance(text, str) or not text:
            raise RequestError(f"{option} has {shown(name)}: {shown(text)}; both must be texts")
    return dict(pairs)


def check_distinct(names: Sequence[str]) -> None:
    """Raise RequestError if two arrays of a sample have one name."""
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise RequestError(f"two arrays have the name {twice[0]!r}; give one of them another name")
