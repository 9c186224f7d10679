"""Statistics of bands, of classes, and of two labels beside each other: exact, in one pass."""

from .compute import PERCENTILES, agreement, bands, classes
from .serialize import Provenance, ResultSet, load
from .types import WEIGHTS, Agreement, BandStats, ClassStats, Histogram

#: The names that `Provenance` and `ResultSet` had at first.  They stay: code and pickles use them.
Population = Provenance
Several = ResultSet

__all__ = [
    "PERCENTILES",
    "WEIGHTS",
    "Agreement",
    "BandStats",
    "ClassStats",
    "Histogram",
    "Population",
    "Provenance",
    "ResultSet",
    "Several",
    "agreement",
    "bands",
    "classes",
    "load",
]
