"""Text as people read it: counts with their noun, lists, shares in percent, sizes, escapes."""

import math
from collections.abc import Iterable, Sequence
from itertools import islice

# Errors escape names too, and they stand below this room.
from ..errors import escape_controls as escape_controls
from ..errors import escape_lines as escape_lines

# Entries of a list in a message; the rest are counted.
_N_LISTED = 12
# Names that are compared with one that is not there, and the characters of each: the time grows
# with the square of these.
_N_COMPARED, _LONGEST_NAME = 2000, 100


def counted(n: int, noun: str) -> str:
    """Return a count and its noun: "1 patch", "1,234 patches"."""
    plural = "es" if noun.endswith(("ch", "sh", "s", "x")) else "s"
    return f"{n:,} {noun}{'' if n == 1 else plural}"


def listed(entries: Iterable[object], between: str = ", ") -> str:
    """Return a list for a message: "a, b, c", or the first twelve "and 37 more"."""
    words = [escape_controls(str(entry)) for entry in entries]
    if (more := len(words) - _N_LISTED) > 0:
        return f"{between.join(words[:_N_LISTED])} and {more:,} more"
    return between.join(words)


def percent(share: float) -> str:
    """Return a share of 1 in percent, to two decimals, and three digits at least; NaN is "-".

    It is never 0 of what is there, nor 100 of what is not all.
    """
    if math.isnan(share):
        return "-"
    if 0 < share < 1e-4:
        return "< 0.01%"
    if 1 - 1e-4 < share < 1:
        return "> 99.99%"
    decimals = 2 if share >= 0.01 or not share else 3 if share >= 0.001 else 4
    return f"{share:.{decimals}%}"


def gigabytes(n_bytes: float) -> str:
    """Return bytes in GB of 10**9, to the megabyte, without the unit."""
    return f"{n_bytes / 1e9:,.3f}"


def megabytes(n_bytes: float) -> str:
    """Return bytes in MB of 10**6, without the unit."""
    return f"{n_bytes / 1e6:,.0f}"


def shown(value: object, n_characters: int = 60) -> str:
    """Return the repr of a value on one line, cut to some characters."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # numbers of thousands of digits; lists of lists of lists
        return f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= n_characters else f"{text[: n_characters - 3]}..."


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return why a text file cannot be decoded, and what to do."""
    line = error.object[: error.start].count(b"\n") + 1
    byte = error.object[error.start]
    return f"is not UTF-8: line {line} has the byte 0x{byte:02x}; save it as UTF-8"


def closest(name: object, choices: Iterable[str]) -> str | None:
    """Return the choice that is most like ``name``; None if none is."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return None
    from difflib import get_close_matches  # imported here: only messages need it

    some = (choice for choice in islice(choices, _N_COMPARED) if len(choice) <= _LONGEST_NAME)
    folded = {choice.lower(): choice for choice in some}
    found = get_close_matches(name.lower(), folded, n=1)
    if not found and len(name) > 2:  # only one begins so
        begin = [choice for choice in folded if choice.startswith(name.lower())]
        found = begin if len(begin) == 1 else []
    return folded[found[0]] if found else None


def suggest(name: object, choices: Iterable[str]) -> str:
    """Return "; did you mean X?", with the choice that is most like ``name``; "" if none is."""
    found = closest(name, choices)
    return "" if found is None else f"; did you mean {found}?"


def format_ranges(numbers: Sequence[int], most: int = 4) -> str:
    """Return numbers as ranges, at most ``most`` of them: ``3, 7..12 and 48 more``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    shown = ["..".join(map(str, ends)) for ends in ranges[:most]]
    more = sum(ends[-1] - ends[0] + 1 for ends in ranges[most:])
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
