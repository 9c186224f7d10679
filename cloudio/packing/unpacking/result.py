"""What `unpack` returns: the files that it has written."""

from dataclasses import dataclass
from pathlib import Path

from ..._utils.text import counted, gigabytes


@dataclass(frozen=True)
class UnpackResult:
    """The files that `unpack` has written; ``str()`` is a line about them.

    Attributes
    ----------
    path : Path
        The folder.
    files : tuple of Path
        Every file in it, in the order of patches or scenes.
    n_patches, n_scenes : int
        The patches that are in them, and the scenes; 0 without ``mosaic``.
    n_bytes : int
        The bytes of all files.
    n_unplaced : int
        The patches, or scenes, whose files lack a coordinate reference system or a transform,
        because metadata.csv has none.
    """

    path: Path
    files: tuple[Path, ...]
    n_patches: int
    n_scenes: int
    n_bytes: int
    n_unplaced: int

    def __str__(self) -> str:
        kind = "GeoTIFF" if self.files[0].suffix == ".tif" else "file"
        what = counted(self.n_patches, "patch")
        if self.n_scenes:
            what = f"{counted(self.n_scenes, 'scene')} from {what}"
        size = f"{gigabytes(self.n_bytes)} GB"
        if self.n_bytes < 10**9:
            size = f"{self.n_bytes / 1e6:,.1f} MB"
        text = f"{self.path}: {counted(len(self.files), kind)} of {what}, {size}"
        if self.n_unplaced and kind == "GeoTIFF":
            noun = "scene" if self.n_scenes else "patch"
            unplaced = counted(self.n_unplaced, noun)
            text += f"; {unplaced} without a place on the ground, which metadata.csv does not have"
        return text
