"""How findings and manifests name files."""

from pathlib import Path

from ..storage.arrays import ArrayFile


def array_file_name(array: ArrayFile, folder: Path) -> str:
    """Return the path of an array's file below the split's folder, with its channel if any."""
    path = array.path.relative_to(folder) if array.path.is_relative_to(folder) else array.path
    channel = "" if array.channel is None else f"[{array.channel}]"
    return f"{path.as_posix()}{channel}"


def without_channel(file: str) -> str:
    return file.partition("[")[0]
