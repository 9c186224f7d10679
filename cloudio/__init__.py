"""Loads crops of memory-mapped satellite images into training batches, in one pass.

import cloudio

ds = cloudio.open("CloudSEN12/")
reader = ds.split("train").reader("L1C", "manual_hq", size=224)
image, label, index = reader.read([3, 1, 4])
"""

from typing import TYPE_CHECKING, Any

try:
    # All of them: a build may be of an earlier state of the source.
    from ._core import (  # noqa: F401
        buffers,
        checksums,
        executor,
        files,
        kernels,
        plans,
        pool,
        runtime,
        windows,
    )
except ImportError as error:
    from .errors import import_failure

    raise import_failure(__path__[0], error) from None

try:
    import numpy  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "numpy":
        raise
    raise ImportError(
        "cloudio needs numpy, which this Python does not have: pip install 'numpy>=1.26'"
    ) from None

from ._version import __version__ as __version__
from .errors import (
    CloudioError,
    CloudioWarning,
    LayoutError,
    ReadError,
    RequestError,
    TruncatedError,
    WriteError,
)
from .layouts.band import Band, Window
from .layouts.cloudsen12 import CLASSES, CLOUDSEN12
from .layouts.labels import LabelMap
from .layouts.layout import Layout
from .loading.loader import Loader
from .reading.batch import Batch, MaskedBatch
from .reading.dataset import Dataset, open
from .reading.gather import gather, remap
from .reading.reader import Reader

if TYPE_CHECKING:
    from .integrations import lightning as lightning
    from .packing.compacting.compact import compact
    from .packing.compacting.result import CompactResult
    from .packing.pack import pack
    from .packing.result import PackResult
    from .packing.unpacking.result import UnpackResult
    from .packing.unpacking.unpack import unpack
    from .splits import Splits, make_splits
    from .synth.writer import synthesize
    from .verification.parts.merge import merge_reports
    from .verification.report import Finding, Report
    from .verification.verify import verify

__all__ = [
    "CLASSES",
    "CLOUDSEN12",
    "Band",
    "Batch",
    "CloudioError",
    "CloudioWarning",
    "CompactResult",
    "Dataset",
    "Finding",
    "LabelMap",
    "Layout",
    "LayoutError",
    "Loader",
    "MaskedBatch",
    "PackResult",
    "ReadError",
    "Reader",
    "Report",
    "RequestError",
    "Splits",
    "TruncatedError",
    "UnpackResult",
    "Window",
    "WriteError",
    "compact",
    "gather",
    "get_include",
    "make_splits",
    "merge_reports",
    "open",
    "pack",
    "remap",
    "synthesize",
    "unpack",
    "verify",
]


def get_include() -> str:
    """Return the folder of ``cloudio.h``, for C and Cython code that uses the row functions.

    Returns
    -------
    str
        An absolute path; docs/cython.md shows how to use it.
    """
    import os

    # Installed, the header lies in the package; in a checkout where it is written.
    here = os.path.dirname(os.path.abspath(__file__))
    folders = os.path.join(here, "include"), os.path.join(os.path.dirname(here), "csrc")
    return next(f for f in folders if os.path.exists(os.path.join(f, "cloudio.h")))


# Imported when first used: rooms that a training loop does not need, and doors to other packages.
_LAZY_ROOMS = {
    **{name: f"integrations.{name}" for name in ("dask", "lightning", "ray", "xarray")},
    **{name: name for name in ("plot", "splits", "stats", "torch")},
}
_LAZY_NAMES = {
    "CompactResult": "packing.compacting.result",
    "Finding": "verification.report",
    "PackResult": "packing.result",
    "Report": "verification.report",
    "Splits": "splits",
    "UnpackResult": "packing.unpacking.result",
    "compact": "packing.compacting.compact",
    "make_splits": "splits",
    "merge_reports": "verification.parts.merge",
    "pack": "packing.pack",
    "synthesize": "synth.writer",
    "unpack": "packing.unpacking.unpack",
    "verify": "verification.verify",
}


# Names of other libraries.
_MEANT = {
    **dict.fromkeys(("load", "load_dataset", "read", "dataset", "open_dataset"), "open"),
    "dataloader": "Loader",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY_ROOMS:
        return importlib.import_module(f".{_LAZY_ROOMS[name]}", __name__)
    if name in _LAZY_NAMES:
        module = importlib.import_module(f".{_LAZY_NAMES[name]}", __name__)
        # Bound, so that the next access does not come here.
        return globals().setdefault(name, getattr(module, name))
    hint = ""
    if not name.startswith("_"):
        from ._utils.text import suggest

        meant = _MEANT.get(name.lower())
        hint = f"; did you mean {meant}?" if meant else suggest(name, [*__all__, *_LAZY_ROOMS])
    raise AttributeError(f"module 'cloudio' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    import importlib.util

    # help() and inspect read every name of this list.  Ray may be there without Ray Train.
    needs = {
        "plot": "matplotlib",
        "torch": "torch",
        "lightning": "lightning pytorch_lightning",
        "xarray": "xarray",
        "dask": "dask",
    }
    rooms = (
        room
        for room in _LAZY_ROOMS.keys() - {"ray"}
        if room not in needs or any(map(importlib.util.find_spec, needs[room].split()))
    )
    return sorted({*__all__, *rooms, "__version__"})
