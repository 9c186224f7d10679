"""Ray Data, statistics on a cluster, and loaders for Ray Train.

Extras: ``cloudio[ray-data]``, and for `Loader` ``cloudio[ray]``.
"""

import importlib
from typing import TYPE_CHECKING, Any

try:
    import ray as _ray  # noqa: F401
except ImportError as error:
    raise ImportError("cloudio.ray needs Ray: pip install 'cloudio[ray-data]'") from error

if TYPE_CHECKING:
    from .datasource import Datasource, read
    from .loader import Loader
    from .partials import stats, verify

__all__ = ["Datasource", "Loader", "read", "stats", "verify"]

# Module of each name, the packages that it needs, and the extra that has them.
_DATA = "datasource", ("ray.data", "pandas", "pyarrow"), "Ray Data", "ray-data"
_TRAIN = "loader", ("ray.train", "torch"), "Ray Train", "ray"
_TASKS = "partials", (), "Ray", "ray-data"
_HOMES: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "Datasource": _DATA,
    "Loader": _TRAIN,
    "read": _DATA,
    "stats": _TASKS,
    "verify": _TASKS,
}


def _import_all(needed: tuple[str, ...]) -> ImportError | None:
    """Import packages; return the error of the first that is missing."""
    try:
        for name in needed:
            importlib.import_module(name)
    except ImportError as error:
        return error
    return None


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cloudio.ray' has no attribute {name!r}")
    module, needed, what, extra = _HOMES[name]
    if (error := _import_all(needed)) is not None:
        raise ImportError(
            f"cloudio.ray.{name} needs {what}: pip install 'cloudio[{extra}]'"
        ) from error
    found = getattr(importlib.import_module(f".{module}", __name__), name)
    return globals().setdefault(name, found)


def __dir__() -> list[str]:
    """Return the names whose packages are there: help() reads them all."""
    return sorted(name for name in __all__ if _import_all(_HOMES[name][1]) is None)
