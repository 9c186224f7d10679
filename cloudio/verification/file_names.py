"""How findings and manifests name files."""

from pathlib import Path

from ..storage.discovery import METADATA_CSV, Split
from ..storage.inference import ArrayFile


def array_file_name(array: ArrayFile, folder: Path) -> str:
    """Return the path of an array's file below the split's folder, with its channel if any."""
    path = array.path.relative_to(folder) if array.path.is_relative_to(folder) else array.path
    channel = "" if array.channel is None else f"[{array.channel}]"
    return f"{path.as_posix()}{channel}"


def without_channel(file: str) -> str:
    return file.partition("[")[0]


def metadata_path(split: Split) -> Path:
    """Return where the metadata of a split lies.

    Beside files of other splits it has the split's name.
    """
    own = split.folder / f"{split.name}_{METADATA_CSV}"
    return own if own.exists() else split.folder / METADATA_CSV
