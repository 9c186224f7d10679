"""Splits without leaks: patches that belong together are in one split."""

from .leaks import Shared, shared
from .make import make_splits
from .result import Share, Splits

__all__ = ["Share", "Shared", "Splits", "make_splits", "shared"]


def __dir__() -> list[str]:
    return sorted(__all__)
