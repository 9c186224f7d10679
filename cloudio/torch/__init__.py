"""Datasets, loaders and batches of tensors for PyTorch, an extra: ``cloudio[torch]``."""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError("cloudio.torch needs PyTorch: pip install 'cloudio[torch]'") from error

from .collate import collate
from .dataset import Dataset, read
from .loader import Loader

__all__ = ["Dataset", "Loader", "collate", "read"]


def __dir__() -> list[str]:
    return sorted(__all__)
