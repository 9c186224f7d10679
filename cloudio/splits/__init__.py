"""Splits without leaks: which patches belong together, and which split each group goes to."""

from .leaks import Shared, shared
from .make import make_splits
from .result import Share, Splits

__all__ = ["Share", "Shared", "Splits", "make_splits", "shared"]
