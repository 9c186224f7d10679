"""Figures as text, the same on the page and in the Markdown tables."""

from __future__ import annotations


def count(x: float) -> str:
    """Return a number to three digits, or to two where it is below 1: "1,230", "45.6", "0.012"."""
    if x != x:
        return "-"
    if abs(x) >= 100:
        digits = len(str(int(abs(x)))) - 3
        return f"{round(x, -digits):,.0f}"
    if abs(x) >= 0.1:
        return f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"
    return f"{x:.2g}"


def times(x: float | None) -> str:
    """Return how many times as much to two digits: "44", "3.3", "1.04"."""
    if x is None or x != x:
        return "-"
    return f"{x:.2f}" if x < 1.095 else f"{x:.1f}" if x < 9.95 else f"{x:,.0f}"


def fraction(x: float | None) -> str:
    return "-" if x is None or x != x else f"{x:.2f}"


def size(n_bytes: float | None) -> str:
    """Return bytes with a unit: "1.2 GB", "34 MB", "0"."""
    if n_bytes is None:
        return "-"
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= unit:
            return f"{count(n_bytes / unit)} {name}"
    return f"{n_bytes:.0f}" + (" B" if n_bytes else "")


def seconds(x: float | None) -> str:
    return "-" if x is None else f"{x:.1f} s" if x < 100 else f"{x / 60:.1f} min"
