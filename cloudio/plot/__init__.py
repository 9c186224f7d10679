"""Pictures of patches and their labels, drawn by matplotlib, an extra: ``cloudio[plot]``."""

try:
    import matplotlib  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError("cloudio.plot needs matplotlib: pip install 'cloudio[plot]'") from error

from .figure import patch
from .options import OVERLAY
from .output import FORMATS, format_of, save

__all__ = ["FORMATS", "OVERLAY", "format_of", "patch", "save"]


def __dir__() -> list[str]:
    return sorted(__all__)
