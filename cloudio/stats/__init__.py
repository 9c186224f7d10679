"""Statistics of bands, of classes, and of two labels beside each other: exact, in one pass.

The functions are in compute_*.py, their results in *_stats.py.  No function holds all pixels in
memory, and none writes a file: `Result.save` does.
"""

from .agreement_stats import Agreement
from .band_stats import BandStats
from .class_stats import WEIGHTS, ClassStats
from .compute_agreement import agreement
from .compute_bands import PERCENTILES, bands, lower_halves
from .compute_classes import classes
from .counts.floats import LowerHalves, SecondRound
from .counts.histogram import Histogram
from .merging.merge import merge
from .provenance import Provenance
from .result import ResultSet, load

#: The names that `Provenance` and `ResultSet` had at first.  They stay: users' code has them.
Population = Provenance
Several = ResultSet

__all__ = [
    "PERCENTILES",
    "WEIGHTS",
    "Agreement",
    "BandStats",
    "ClassStats",
    "Histogram",
    "LowerHalves",
    "Population",
    "Provenance",
    "ResultSet",
    "SecondRound",
    "Several",
    "agreement",
    "bands",
    "classes",
    "load",
    "lower_halves",
    "merge",
]


def __dir__() -> list[str]:
    return sorted(__all__)
