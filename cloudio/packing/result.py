"""What `pack` returns: what has been packed, or what would be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._utils.tables import text
from .._utils.text import counted, gigabytes
from .plan import Plan


@dataclass(frozen=True)
class PackResult:
    """A data set that `pack` has written.

    Attributes
    ----------
    path : Path
        The folder, which `cloudio.open` reads.
    patches : mapping of str to int
        The number of patches of each split.
    n_bytes : int
        The bytes of all arrays.
    left_out : tuple of (str, str)
        The samples that are not in it, each with the reason.
    notes : tuple of str
        What is not packed: parts of scenes that are cut into tiles, other splits of a container.
    seconds : float
        How long it took.
    """

    path: Path
    patches: Mapping[str, int]
    n_bytes: int
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {n:,}" for name, n in self.patches.items())
        lines = [
            f"{self.path}: {splits} patches, {gigabytes(self.n_bytes)} GB, in {self.seconds:.1f} s"
        ]
        lines += self.notes
        if self.left_out:
            n_files = sum(reason == UNMATCHED for _, reason in self.left_out)
            n_samples = len(self.left_out) - n_files
            both = [counted(n_samples, "sample")] * bool(n_samples)
            both += [counted(n_files, "file")] * bool(n_files)
            lines.append(f"{' and '.join(both)} left out:")
            lines += [f"  {name}: {reason}" for name, reason in self.left_out[:_N_SHOWN]]
            if (more := len(self.left_out) - _N_SHOWN) > 0:
                lines.append(f"  and {more:,} more")
        return "\n".join(lines)


def summarize(
    path: Path,
    plan: Plan,
    kept: Mapping[str, np.ndarray],
    left_out: tuple[tuple[str, str], ...],
    notes: tuple[str, ...],
    seconds: float,
) -> PackResult:
    """Return the result for the samples that were kept, by split."""
    patches = {split: len(samples) for split, samples in kept.items() if len(samples)}
    n_bytes = sum(patches.values()) * plan.patch_bytes
    return PackResult(path, patches, n_bytes, left_out, notes, seconds)


@dataclass(frozen=True)
class DryRun:
    """What `pack` would write; ``str()`` shows it.

    Attributes
    ----------
    path : Path
        The folder that it would write.
    patches : mapping of str to int
        The number of samples of each split; some may be left out.
    arrays : sequence of (str, str, str, str, str)
        Of each array: its name, kind, type in the source, type as stored, and file.
    patch : (height, width)
        The pixels of a patch.
    n_bytes, free_bytes : int
        The bytes that are needed, and those that are free on the disk.
    seconds : float
        About how long it would take, from the samples that were read.
    notes : sequence of str
        How files are put together, and what is left out.
    """

    path: Path
    patches: Mapping[str, int]
    arrays: Sequence[tuple[str, ...]]
    patch: tuple[int, int]
    n_bytes: int
    free_bytes: int
    seconds: float
    notes: Sequence[str]

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {n:,}" for name, n in self.patches.items())
        height, width = self.patch
        rows = [("array", "kind", "source", "stored", "file"), *self.arrays]
        return "\n".join(
            [
                f"{self.path}: {splits} patches of {height} x {width}",
                f"{gigabytes(self.n_bytes)} GB are needed, {gigabytes(self.free_bytes)} GB are "
                f"free; about {_duration(self.seconds)}",
                "",
                text(rows),
                "",
                *self.notes,
                "nothing is written: this is a dry run",
            ]
        )


#: Why a file is left out that is in no sample.
UNMATCHED = "no pattern matches it"
_N_SHOWN = 12


def describe_arrays(plan: Plan) -> list[tuple[str, ...]]:
    """Return the rows of `DryRun.arrays`."""
    return [
        (array.name, array.info.kind, array.source, array.stored, array.file)
        for array in plan.arrays
    ]


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
