"""Data sets as `xarray.Dataset`: the engine ``"cloudio"``, an extra: ``cloudio[xarray]``."""

try:
    import xarray  # noqa: F401
except ImportError as error:
    raise ImportError("cloudio.xarray needs xarray: pip install 'cloudio[xarray]'") from error

from .accessor import Accessor
from .engine import Engine

__all__ = ["Accessor", "Engine"]


def __dir__() -> list[str]:
    return sorted(__all__)
