"""Statistics of bands, of classes, and of two labels beside each other: exact, in one pass."""

from .compute import PERCENTILES, agreement, bands, classes
from .serialize import Population, Several, load
from .types import WEIGHTS, Agreement, BandStats, ClassStats, Histogram

__all__ = [
    "PERCENTILES",
    "WEIGHTS",
    "Agreement",
    "BandStats",
    "ClassStats",
    "Histogram",
    "Population",
    "Several",
    "agreement",
    "bands",
    "classes",
    "load",
]
