"""Files that hold arrays of many patches: HDF5, Zarr, .npz and .npy, opened by their formats."""

from pathlib import Path

from ...._utils.files import open_raw
from ...._utils.paths import is_file, is_folder
from ....errors import LayoutError
from ....storage.headers.formats import format_of
from .container import Container

__all__ = ["CONTAINER_SUFFIXES", "Container", "container_kind", "open_container"]

_HDF5 = {".h5", ".hdf5", ".he5", ".mat", ".nc", ".nc4"}
#: Endings of HDF5 files and Zarr stores, in lower case.
CONTAINER_SUFFIXES = frozenset((*_HDF5, ".zarr"))
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZARR_FILES = ".zarray", ".zgroup", "zarr.json"


def container_kind(path: Path) -> str | None:
    """Return "hdf5", "zarr", "npz" or "npy"; None for everything else.

    A folder is a Zarr store, whatever its name.  A file is told by its first bytes, and by its
    ending where formats share these.
    """
    if is_folder(path):
        return "zarr" if any(is_file(path / name) for name in _ZARR_FILES) else None
    if not is_file(path):
        return None
    name, suffix = path.name.lower(), path.suffix.lower()
    with open_raw(path) as file:
        begin = file.read(len(_SIGNATURE))
        # A block of the user's may be in front.
        for offset in (512, 1024, 2048) if suffix in _HDF5 else ():
            if begin != _SIGNATURE:
                file.seek(offset)
                begin = file.read(len(_SIGNATURE)) or begin
    if begin == _SIGNATURE:
        return "hdf5"
    if begin.startswith(b"\x93NUMPY"):
        return "npy"
    if begin.startswith(b"PK"):
        if name.endswith((".zarr.zip", ".zarr")):
            return "zarr"
        return "npz" if suffix == ".npz" else None
    return None


def open_container(path: Path) -> Container:
    """Open a file or store of arrays; LayoutError if it is none.

    RequestError if the package that reads it is missing.
    """
    # Formats are imported when a file needs them: so are their packages.
    kind = container_kind(path)
    if kind == "hdf5":
        from .hdf5 import Hdf5Container

        return Hdf5Container(path)
    if kind == "zarr":
        from .zarr_store import ZarrContainer

        return ZarrContainer(path)
    if kind is not None:
        from .numpy_files import NpyContainer, NpzContainer

        return NpyContainer(path) if kind == "npy" else NpzContainer(path)
    found = format_of(path)
    known = "" if found is None else f"; it is {found.name}: {found.advice}"
    raise LayoutError.about(path, f"is no HDF5, Zarr, .npz or .npy file{known}")
