"""Lazy arrays and statistics on any cluster of Dask, an extra: ``cloudio[dask]``."""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError("cloudio.dask needs dask.array: pip install 'cloudio[dask]'") from error

from .lazy_arrays import array, batches
from .partials import stats, verify

__all__ = ["array", "batches", "stats", "verify"]


def __dir__() -> list[str]:
    return sorted(__all__)
