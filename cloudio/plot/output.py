"""Figures as files."""

import io
import os

from matplotlib.figure import Figure

from .._utils.files import write_file
from .._utils.paths import local_path
from ..errors import RequestError

#: Formats a figure is saved in, by the suffix of the file.
FORMATS = ("png", "jpg", "jpeg", "pdf", "svg")
# Dots per inch: a panel among others is 2.56 inches, which then shows a patch of 512 pixels pixel
# for pixel.  A large sheet has fewer, so that its longer side stays below this many.
_DPI, _MOST_DOTS = 200, 10_000


def save(figure: Figure, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a figure to a file, in the format of the file's suffix.

    Parameters
    ----------
    figure : Figure
        A figure of matplotlib.
    path : str or path
        The file; its suffix must be one of `FORMATS`.
    force : bool
        Whether to replace an existing file.

    Raises
    ------
    RequestError
        If the suffix is not one of `FORMATS`.
    WriteError
        If the file exists and ``force`` is False, which is a FileExistsError too, or if it cannot
        be written.  It is written completely or not at all.

    Notes
    -----
    The file has 200 dots per inch, which shows a patch of 512 pixels pixel for pixel, or fewer if
    that is more than 10,000 dots.
    """
    if not isinstance(figure, Figure):
        raise RequestError(
            f"figure is of type {type(figure).__name__}; figure must be one of matplotlib, as "
            "cloudio.plot.patch returns: plot.save(figure, path)"
        )
    kind = format_of(path)
    drawn = io.BytesIO()
    dpi = min(_DPI, max(figure.dpi, _MOST_DOTS / max(figure.get_size_inches())))
    figure.savefig(drawn, format=kind, dpi=dpi)
    write_file(path, drawn.getbuffer(), force=force)


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the format of a file name, as `save` uses it.

    Parameters
    ----------
    path : str or path
        The file name.

    Returns
    -------
    str
        One of `FORMATS`.

    Raises
    ------
    RequestError
        If the suffix is not one of `FORMATS`.
    """
    kind = local_path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        formats = ", .".join(FORMATS)
        raise RequestError(f"{os.fspath(path)!r}: the name must end in .{formats}")
    return kind
