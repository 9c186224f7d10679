"""Satellite patches from flat memmap files to training batches, in one pass over the pages.

import cloudio

ds = cloudio.open("CloudSEN12/")
reader = ds.split("train").reader("L1C", "manual_hq", size=224)
image, label, index = reader.read([3, 1, 4])
"""

from typing import Any

try:
    from ._core import kernels  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"the compiled module of cloudio cannot be imported from {__path__[0]} ({error}); in a "
        "checkout, build it with pip install -e . or leave the folder for an installed cloudio"
    ) from error

from ._version import __version__ as __version__
from .errors import (
    CloudioError,
    CloudioWarning,
    LayoutError,
    ReadError,
    RequestError,
    TruncatedError,
)
from .layouts.band import Band, Window
from .layouts.cloudsen12 import CLOUDSEN12
from .layouts.labels import CLASSES, LabelMap
from .layouts.layout import Layout
from .loading.loader import Loader
from .reading.batch import Batch, MaskedBatch
from .reading.dataset import Dataset, open
from .reading.gather import gather, remap
from .reading.reader import Reader
from .splits import Splits, make_splits
from .synth.writer import synthesize
from .verification.report import Finding, Report
from .verification.verify import verify

__all__ = [
    "CLASSES",
    "CLOUDSEN12",
    "Band",
    "Batch",
    "CloudioError",
    "CloudioWarning",
    "Dataset",
    "Finding",
    "LabelMap",
    "Layout",
    "LayoutError",
    "Loader",
    "MaskedBatch",
    "ReadError",
    "Reader",
    "Report",
    "RequestError",
    "Splits",
    "TruncatedError",
    "Window",
    "gather",
    "get_include",
    "make_splits",
    "open",
    "remap",
    "synthesize",
    "verify",
]


def get_include() -> str:
    """The folder of ``cloudio.h``, for Cython and C that use the row functions (docs/cython.md)."""
    import os

    # Installed, the header lies in the package; in a checkout where it is written.
    here = os.path.dirname(os.path.abspath(__file__))
    folders = os.path.join(here, "include"), os.path.join(os.path.dirname(here), "csrc")
    return next(f for f in folders if os.path.exists(os.path.join(f, "cloudio.h")))


def __getattr__(name: str) -> Any:
    """Import what not everybody needs, and the doors to other packages, when first used."""
    if name in ("plot", "stats", "torch"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'cloudio' has no attribute {name!r}")
