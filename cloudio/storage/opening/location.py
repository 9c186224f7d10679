"""The folder that is opened, and the layout for it."""

import os
from pathlib import Path

from ..._utils.paths import local_path, not_found
from ...errors import RequestError
from ...layouts.cloudsen12 import CLOUDSEN12
from ...layouts.layout import Layout

# The layout file of the folder that it is in.
LAYOUT_TOML = "cloudio.toml"


def locate(
    path: str | os.PathLike[str], layout: Layout | str | os.PathLike[str] | None
) -> tuple[Path, Layout]:
    """Return the folder, and the layout for it."""
    if isinstance(layout, (str, os.PathLike)):
        layout = _read_layout(local_path(layout, "layout"))
    if layout is not None and not isinstance(layout, Layout):
        raise RequestError(
            f"layout={layout!r}; layout must be a cloudio.Layout or the path of a TOML file"
        )
    root = local_path(path)
    if not root.exists():
        raise not_found(root)
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is a file; give the folder of the .dat or .npy files")
    # A link keeps its name, which may be that of a split; ".." names nothing.
    root = root.resolve() if ".." in root.parts else root.absolute()
    return root, _find_layout(root) if layout is None else layout


def _read_layout(path: Path) -> Layout:
    if path.is_file():
        return Layout.from_toml(path)
    if path.suffix.lower() == ".toml":
        raise not_found(path, "layout file")
    raise RequestError(
        f"layout={os.fspath(path)!r}; layout must be a cloudio.Layout or the path of a TOML file"
    )


def _find_layout(root: Path) -> Layout:
    """Return the layout that lies in a folder, else CloudSEN12."""
    path = root / LAYOUT_TOML
    # "cloudio info --toml . > cloudio.toml": the shell makes the file before anything is read.
    if os.path.isfile(path) and path.stat().st_size:
        return Layout.from_toml(path)
    return CLOUDSEN12
