"""One array of one split, with everything that the checks of pixels need."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._utils.progress import Advance
from ..errors import TruncatedError
from ..layouts.band import Band
from ..layouts.layout import Layout
from ..reading import scan
from ..reading.dataset import Dataset
from ..storage.arrays import ArrayFile
from ..storage.discovery import Split
from .file_checks.disk import patches_in_holes
from .file_names import array_file_name
from .meaning import SkippedCheck, why_not_measured
from .report import Finding, make_finding


@dataclass(frozen=True)
class CheckedArray:
    """An array of a split, resolved once.

    ``dataset`` is the data set of its split only.  ``band`` is the layout's row, corrected by what
    the file says.  ``file`` is the name in findings.
    """

    dataset: Dataset
    split: Split
    name: str
    stored: ArrayFile
    band: Band
    file: str

    @classmethod
    def resolve(cls, dataset: Dataset, split: Split, name: str) -> "CheckedArray":
        stored = split.arrays[name]
        file = array_file_name(stored, split.folder)
        return cls(dataset, split, name, stored, dataset.band(name), file)

    @property
    def layout(self) -> Layout:
        return self.dataset.layout

    @property
    def dtype(self) -> np.dtype:
        return self.stored.dtype

    @property
    def n_patches(self) -> int:
        return self.stored.shape[0]

    @property
    def n_pixels(self) -> int:
        """The number of pixels of a valid window."""
        height, width = self.layout.valid.size
        return height * width

    @cached_property
    def why_not_measured(self) -> str | None:
        """Why patches of one number can be natural in this array; None if they are not."""
        known = self.layout.band(self.name)
        return why_not_measured(self.layout, None if known is None else self.band)

    @cached_property
    def holes(self) -> frozenset[int]:
        """Patches that were never written to the disk."""
        measured = why_not_measured(self.layout, self.layout.band(self.name)) is None
        return frozenset(patches_in_holes(self.stored, measured=measured))

    def count(
        self, class_lut: np.ndarray | None, threads: int, advance: Advance
    ) -> scan.ArrayCounts:
        """Read every byte, and count what the checks need."""
        return scan.count_array(
            self.dataset,
            self.name,
            whole=True,
            checksum=True,
            class_lut=class_lut,
            threads=threads,
            advance=advance,
        )

    def read_patch(self, k: int) -> np.ndarray:
        """Return a stored patch, (row, column), by plain reads; TruncatedError past the end."""
        height, width = self.stored.shape[-2:]
        plane_bytes = height * width * self.dtype.itemsize
        n_channels = self.stored.shape[1] if len(self.stored.shape) == 4 else 1
        plane = k * n_channels + (self.stored.channel or 0)
        with open(self.stored.path, "rb") as file:
            file.seek(self.stored.start + plane_bytes * plane)
            held = file.read(plane_bytes)
        if len(held) < plane_bytes:
            raise TruncatedError.about(self.stored.path, f"ends within patch {k}", patch=k)
        return np.frombuffer(held, self.dtype).reshape(height, width)

    def skipped(self, check: str, reason: str) -> SkippedCheck:
        return SkippedCheck(check, self.split.name, self.file, reason)

    def found(
        self, check: str, patches: Iterable[int], message: str, advice: str = ""
    ) -> Iterator[Finding]:
        """Yield one finding, unless there are no such patches."""
        numbers = tuple(patches)
        if numbers:
            yield make_finding(check, self.split.name, self.file, numbers, message, advice)


def sample_numbers(n: int, most: int) -> list[int]:
    """Return up to ``most`` of the numbers 0..n-1, evenly, with the first and the last."""
    if not n:
        return []
    return sorted(set(np.linspace(0, n - 1, min(n, most)).astype(int).tolist()))
