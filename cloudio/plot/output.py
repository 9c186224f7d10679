"""Figures as files."""

import io
import os
from pathlib import Path

from matplotlib.figure import Figure

from .._utils.files import write_file
from ..errors import RequestError

#: Formats a figure is saved in, by the suffix of the file.
FORMATS = ("png", "jpg", "jpeg", "pdf", "svg")


def save(figure: Figure, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a figure in the format that the file's suffix names, one of `FORMATS`.

    RequestError where the suffix names none; FileExistsError where the file exists, without
    ``force``.  The file is written whole, once all is drawn, or not at all.
    """
    kind = format_of(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind)
    write_file(path, drawn.getbuffer(), force=force)


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the format of a file name; RequestError where the suffix names none of `FORMATS`."""
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        formats = ", .".join(FORMATS)
        raise RequestError(f"{os.fspath(path)!r}: the name must end in .{formats}")
    return kind
