"""Dates as text: ISO 8601 with or without a time, fractions of a second and a zone."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

# A date; hours and minutes; seconds; their fraction; the zone.  A lone date may only have a Z.
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:Z|[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r" ?(Z|UTC|GMT|[-+]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_MONTH = re.compile(r"\d{4}(-\d\d)?", re.ASCII)  # or a year
# What people write for dates, in any order and with any mark.
_LIKE_DATE = re.compile(
    r"\d{4}[-/.]\d\d?([-/.]\d\d?)?(?!\d).{0,30}|\d\d?[-/. ](\d\d?|[A-Za-z]{3,9})[-/. ](\d{4}|\d\d)"
    r"(?!\d).{0,30}|(19|20)\d{6}(T\d{4,6}.{0,10})?"
    # Such as "Sat, 01 Jun 2019" and "Jun 1, 2019".
    r"|([A-Z][a-z]{2,8},? )?(\d\d? )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* +\d"
    r".{0,40}",
    re.ASCII,
)
# The years that nanoseconds since 1970 have room for.
_YEARS_OF_NANOSECONDS = "1678", "2261"

_MOST_HOURS = 14  # of a zone


def parse_dates(fields: Sequence[str]) -> np.ndarray[Any, Any] | None:
    """Return dates as datetime64 in UTC, "" as NaT; None unless all fields are dates.

    The unit is the coarsest that holds all of them.  Dates without a zone are taken as UTC.
    """
    texts, shifts, units = [], [], set()
    for field in fields:
        text, unit, shift = _split(field) or ("", "", 0)
        if field and not text:
            return None
        texts.append(text or "NaT")
        shifts.append(shift)
        units.add(unit)
    unit = next((unit for unit in ("ns", "us", "ms", "s", "m", "D") if unit in units), "D")
    if unit == "ns":
        years = sorted(text[:4] for text in texts if text != "NaT")
        if years[0] < _YEARS_OF_NANOSECONDS[0] or years[-1] > _YEARS_OF_NANOSECONDS[1]:
            return None
    try:
        dates = np.array(texts, f"M8[{unit}]")
    except ValueError:  # such as a thirteenth month
        return None
    return dates - np.array(shifts, "m8[m]") if any(shifts) else dates


def parse_period(text: str) -> np.datetime64 | None:
    """Return the date, month or year that a text is, in the unit of the text, or None."""
    text = text.strip()
    if _MONTH.fullmatch(text):
        try:
            return np.datetime64(text)
        except ValueError:
            return None
    dates = parse_dates([text]) if text else None
    return None if dates is None else dates[0]


def looks_like_date(text: str) -> bool:
    """Return whether a text looks like a date, in any form."""
    return _LIKE_DATE.fullmatch(text.strip()) is not None


def _split(field: str) -> tuple[str, str, int] | None:
    """Return the text of a date for numpy, its unit, and its zone in minutes; None for others."""
    found = _DATE.fullmatch(field)
    if found is None:
        return None
    day, minutes, seconds, fraction, zone = found.groups()
    if minutes is None:
        return day, "D", 0
    shift = 0
    if zone is not None and zone[0] in "+-":
        hours, minute = int(zone[1:3]), int(zone[3:].removeprefix(":") or 0)
        if hours > _MOST_HOURS or minute > 59:
            return None
        shift = (60 * hours + minute) * (-1 if zone[0] == "-" else 1)
    if seconds is None:
        return f"{day}T{minutes}", "m", shift
    # Zeros behind the microseconds say nothing, and nanoseconds have no room for the year 9999.
    if fraction is not None and len(fraction) > 6:
        fraction = fraction[:6] + fraction[6:].rstrip("0")
    if fraction is None:
        return f"{day}T{minutes}:{seconds}", "s", shift
    unit = "ms" if len(fraction) <= 3 else "us" if len(fraction) <= 6 else "ns"
    return f"{day}T{minutes}:{seconds}.{fraction}", unit, shift
