"""How findings and manifests name files."""

from pathlib import Path

from ..storage.arrays import ArrayFile


def array_file_name(array: ArrayFile, folder: Path) -> str:
    """Return the path of an array's file below the split's folder, with its channel if any."""
    channel = "" if array.channel is None else f"[{array.channel}]"
    return f"{file_name(array.path, folder)}{channel}"


def file_name(path: Path, folder: Path) -> str:
    """Return the path of a file below the split's folder."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def without_channel(file: str) -> str:
    return file.partition("[")[0]
