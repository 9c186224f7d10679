"""A path that is given without options: a data set of cloudio, or what to give instead."""

from pathlib import Path

from ..._utils.text import escape_lines
from ...errors import LayoutError, RequestError
from ...reading.dataset import Dataset
from ...reading.dataset import open as open_dataset
from ...storage.opening.contents import propose_packing


def open_given(path: Path) -> Dataset:
    """Return the data set of a folder.

    RequestError, with the command that packs them, if it holds images; else the error of
    `cloudio.open`.
    """
    try:
        return open_dataset(path)
    except LayoutError:
        if text := propose_packing(path.absolute()):
            error = RequestError(path=path)
            # Set afterwards, because a message of several lines is made one by the class.
            error.args = (escape_lines(f"{path} is no data set of cloudio. {text}"),)
            raise error from None
        raise
