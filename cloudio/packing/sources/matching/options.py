"""Arguments that name arrays: texts, or mappings of names to patterns or columns."""

import re
from collections.abc import Iterable, Mapping, Sequence

from ...._utils.text import shown
from ....errors import RequestError

#: What a label is called that has no other name.
MASK = "mask"
Named = str | Sequence[str] | Mapping[str, str]
_NAMED = re.compile(r"([^={}*/]+)=(.+)", re.DOTALL)


def named(option: str, given: Named | None, default: str) -> dict[str, str]:
    """Return names of arrays with their patterns or columns; RequestError if they are wrong.

    One text is that of ``default``; several are ``NAME=PATTERN``, or ``PATTERN`` for one.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        return {default: given}
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, Iterable):
        pairs = []
        for text in given:
            match = _NAMED.fullmatch(text) if isinstance(text, str) else None
            pairs.append((match[1], match[2]) if match else (default, text))
    else:
        raise RequestError(
            f"{option} is of type {type(given).__name__}; it must be a text or texts"
        )
    for name, text in pairs:
        if not isinstance(name, str) or not name or not isinstance(text, str) or not text:
            raise RequestError(f"{option} has {shown(name)}: {shown(text)}; both must be texts")
    names = [name for name, _ in pairs]
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise RequestError(f"{option} has {twice[0]!r} twice; name each one: NAME=PATTERN")
    if not pairs:
        raise RequestError(f"{option} is empty; leave it out")
    return dict(pairs)
