"""What a source gives for each sample: arrays with what the file says of them, and metadata."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from .._utils.paths import status_of
from ..errors import CloudioError, ReadError


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What a source says of one array, beside its pixels.

    All samples must agree on it, because the layout has one entry for each array.  ``nodata`` is a
    stored number; ``scale_factor`` and ``add_offset`` are those of CF and GDAL, None if the file
    has none.  ``wavelength`` is in nm.
    """

    kind: Literal["band", "label"] = "band"
    nodata: float | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    unit: str | None = None
    wavelength: float | None = None


@dataclass(slots=True)
class Sample:
    """One patch of a source.

    ``arrays``: name -> (row, column) pixels in the type that the source has, in the order of the
    layout.  ``infos``: what is known of each; an array without an entry has a default one.
    ``attributes``: columns of metadata.csv, as text, numbers or None.
    """

    arrays: dict[str, np.ndarray]
    infos: dict[str, ArrayInfo] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)


class Source(Protocol):
    """Samples by number.  It pickles to paths and numbers: worker processes read it too."""

    #: Whether threads of this process read samples, because the source may not pickle; else
    #: processes do.
    in_threads: bool

    def __len__(self) -> int:
        """The number of samples."""

    def name_of(self, k: int) -> str:
        """Return what messages call sample k: its file, or its number."""

    def split_of(self, k: int) -> str:
        """Return the split of sample k."""

    def digest(self) -> str:
        """Return a text that is another one if the samples are others: a run is resumed by it."""

    def read(self, k: int) -> Sample:
        """Return sample k.

        Raises a CloudioError that names the file; any other exception is reported with `name_of`.
        `LeftOut` says that the sample is not packed, and why.
        """

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        """Return names of codes, label -> code -> name; mostly empty."""


def channel_names(name: str, n: int) -> list[str]:
    """Return names for ``n`` channels that have none: that of the array, or name_1, name_2, ..."""
    return [name] if n == 1 else [f"{name}_{k}" for k in range(1, n + 1)]


def file_state(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return the size and the time of a file, for `Source.digest`; None if it is not there."""
    status = status_of(path)
    return None if status is None else (status.st_size, status.st_mtime_ns)


class LeftOut(Exception):  # noqa: N818 - no error: the run goes on
    """A sample that is not packed, such as a tile with too few valid pixels."""


def describe_error(error: Exception, name: str) -> CloudioError:
    """Return the error of a sample: its name, and what is wrong."""
    if isinstance(error, CloudioError):
        if error.path is not None or name in str(error):
            return error
        return type(error)(f"{name}: {error}")
    if isinstance(error, OSError):
        return ReadError(f"{name} cannot be read: {error.strerror or error}")
    return ReadError(f"{name} cannot be read: {type(error).__name__}: {error}")
