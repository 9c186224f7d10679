"""Loaders for Ray Train, an extra: ``cloudio[ray]``."""

try:
    import ray.train  # noqa: F401
except ImportError as error:
    raise ImportError("cloudio.ray needs Ray Train: pip install 'cloudio[ray]'") from error

from .loader import Loader

__all__ = ["Loader"]


def __dir__() -> list[str]:
    return sorted(__all__)
