"""Packages that decode files.  They are extras, imported when a file needs them."""

import importlib
from pathlib import Path
from typing import Any

from ...errors import RequestError

#: What the extra is called that installs a package.
_EXTRAS = {
    "rasterio": "rasterio",
    "tifffile": "tiff",
    "imagecodecs": "tiff",
    "PIL": "pillow",
    "h5py": "hdf5",
    "zarr": "zarr",
    "pyarrow": "parquet",
}
_PROJECTS = {"PIL": "pillow"}


def find_package(name: str) -> Any:
    """Return a package; None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, name.partition(".")[0]):
            raise
        return None


def need_package(name: str, path: Path, what: str) -> Any:
    """Return a package; RequestError if a file of the format ``what`` cannot be read without."""
    if (package := find_package(name)) is None:
        base = name.partition(".")[0]
        project = _PROJECTS.get(base, base)
        raise RequestError.about(
            path,
            f"is {what}, which the package {project} reads: pip install {project}, or "
            f"'cloudio[{_EXTRAS[base]}]'",
        )
    return package
