"""A path that is given without options: a data set of cloudio, or what to give instead."""

from pathlib import Path

from ..._utils.paths import is_folder
from ..._utils.text import escape_lines
from ...errors import LayoutError, RequestError
from ...reading.dataset import Dataset
from ...reading.dataset import open as open_dataset
from ...storage.opening.contents import propose_packing
from ...storage.opening.pack_command import IMAGE_ENDINGS, Roles, command, literal


def open_given(path: Path) -> Dataset:
    """Return the data set of a folder.

    RequestError, with the command that packs them, if it holds images, or is one; else the error of
    `cloudio.open`.
    """
    if not is_folder(path) and path.suffix.lower() in IMAGE_ENDINGS:
        packing = command(path.absolute().parent, Roles(images=literal(path.name)))
        raise _error(
            path, f"is one file; give its folder, and a pattern for its files:\n\n    {packing}"
        )
    try:
        return open_dataset(path)
    except LayoutError:
        if text := propose_packing(path.absolute()):
            raise _error(path, f"is no data set of cloudio. {text}") from None
        raise


def _error(path: Path, reason: str) -> RequestError:
    """Return an error whose message has several lines."""
    error = RequestError(path=path)
    error.args = (escape_lines(f"{path} {reason}"),)
    return error
