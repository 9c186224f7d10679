"""`ScaledBand`: a band and the units that its numbers are counted in."""

from typing import NamedTuple

import numpy as np


class ScaledBand(NamedTuple):
    """A band in units of ``x * scale + offset``."""

    name: str
    scale: float
    offset: float

    def in_units(self, stored: np.ndarray) -> np.ndarray:
        """Return stored numbers in units of ``x * scale + offset``, float64."""
        numbers = np.asarray(stored, np.float64) * self.scale
        return numbers + self.offset if self.offset else numbers
