"""A data module for Lightning, an extra: ``cloudio[lightning]``."""

from .package import find_lightning

find_lightning()  # before torch is imported, which takes seconds: it may be missing or too old

from .module import DataModule  # noqa: E402

__all__ = ["DataModule"]


def __dir__() -> list[str]:
    return sorted(__all__)
