"""Packages that decode files, and what their errors say.

They are extras, imported when a file needs them.
"""

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


def reason_of(error: BaseException) -> str:
    """Return what an error of a package says, on one line; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def gdal_reason(error: BaseException) -> str:
    """Return what GDAL says of an error of rasterio, rather than that there was one."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return reason_of(error)
