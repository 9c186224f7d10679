"""The workload of benchmarks: a data set, its bands and label, and a batch of random windows.

The candidates that read it are in candidates.py; timing.py times them.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# numpy imports it when first used, and loses a Ctrl-C that comes meanwhile.
import numpy.random

from .._utils.progress import on_terminal
from .._utils.text import counted, escape_controls
from ..errors import RequestError
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.labels import LabelMap, reachable_classes
from ..layouts.layout import Layout
from ..reading.batch import Batch
from ..reading.dataset import Dataset, open
from ..reading.reader import Reader
from ..reading.selection import all_bands, complete_preset, select_bands
from ..synth.writer import synthesize

N_SAMPLES = 32
CROP = 224
IGNORE = 255
# A number that no image has, and a class that no label has.
_POISON = np.float32(-2.718e33), IGNORE - 1
# More bands of a data set without presets say nothing more.
_MOST_BANDS = 13
# A quarter of the free memory holds four outputs: the shared one, the expected one, and the two
# that the baseline allocates.
_SHARES = 4 * 4


# ---- the data set --------------------------------------------------------------------------------


@contextmanager
def open_data(
    path: Path | None, extra: Sequence[str] = (), *, layout: Layout | Path | None = None
) -> Iterator[tuple[Dataset, str]]:
    """Give the largest split of a data set and its description; without a path, a synthetic one.

    A synthetic data set is removed at the end.  It holds the bands of the first preset of
    CloudSEN12, the first label, and ``extra``.
    """
    if path is not None:
        whole = open(path, layout=layout)
        name = max(whole.splits, key=lambda name: len(whole.splits[name]))
        split = whole.split(name)
        yield split, escape_controls(f"{path}: split {name}, {counted(len(split), 'patch')}")
        return
    with tempfile.TemporaryDirectory(prefix="cloudio-bench-") as folder:
        made = Path(folder, "data")
        bands = next(iter(CLOUDSEN12.presets.values()))[0]
        arrays = [*bands, next(iter(CLOUDSEN12.label_maps)), *extra]
        synthesize(made, {"train": N_SAMPLES}, arrays=arrays, progress=on_terminal())
        yield open(made).split("train"), f"{N_SAMPLES} synthetic patches, made for this run"


def bands_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the bands of the first preset that is complete, else the first bands.

    Bands with a repeat are left out: numpy, with which others are compared, cannot view them.
    """
    preset = complete_preset(dataset)
    names = all_bands(dataset) if preset is None else select_bands(dataset, preset)
    bands = [name for name in names if not dataset.band(name).is_native]
    if not bands:
        raise RequestError(
            f"every band of {dataset.path} has a repeat; benchmarks need bands whose pixels are "
            "all stored, because they compare reads with those of numpy"
        )
    return tuple(bands if preset is not None else bands[:_MOST_BANDS])


def which_bands(dataset: Dataset, bands: Sequence[str]) -> str:
    """Return the bands in words; without a preset, also how many there are."""
    names, n = escape_controls(", ".join(bands)), len(all_bands(dataset))
    words = f"{counted(len(bands), 'band')} ({names})"
    if any(dataset.band(name).is_native for name in all_bands(dataset)):
        return f"{words}, without those that have a repeat"
    some = complete_preset(dataset) is None and len(bands) < n
    return f"{words}, the first of {n}" if some else words


def label_of(dataset: Dataset) -> str | None:
    """Return the first label of the data set whose first map gives classes of a byte, or None."""
    for name, policies in dataset.layout.label_maps.items():
        if name not in dataset.names or dataset.band(name).is_native or not policies:
            continue
        if _fits_byte(next(iter(policies.values()))):
            return name
    return None


def _fits_byte(label_map: LabelMap) -> bool:
    classes = reachable_classes(label_map) - {None}
    return all(to is not None and 0 <= to < _POISON[1] for to in classes)


def crop_of(dataset: Dataset) -> tuple[int, int]:
    """Return 224 x 224, or the valid window if that is smaller."""
    height, width = dataset.valid_window.size
    return min(CROP, height), min(CROP, width)


# ---- how much of it ------------------------------------------------------------------------------


def n_samples_that_fit(size: tuple[int, int], n_bands: int, most: int | None = None) -> int:
    """Return how many samples fit into the free memory with all arrays at once: at most 32."""
    sample = size[0] * size[1] * (4 * n_bands + 1)
    return max(1, min(N_SAMPLES if most is None else most, free_bytes() // (_SHARES * sample)))


def free_bytes() -> int:
    """Return the memory that this process may still use, from Linux; elsewhere 8 GB are assumed."""
    words = {"MemAvailable:": 8_000_000_000}
    meminfo, limit = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            name, n, *unit = line.split()
            words[name] = int(n) * (1024 if unit else 1)
    limited = limit.read_text().strip() if limit.exists() else "max"
    return min(words["MemAvailable:"], int(limited) if limited.isdecimal() else 1 << 62)


# ---- a batch -------------------------------------------------------------------------------------


class Workload:
    """One batch to read from a data set of one split: random windows of random patches.

    ``maps`` are the arrays of ``bands``, ``scales`` their factors.  ``codes`` is None, or the
    array of ``label``, its bits as unsigned numbers, and the table of their classes.  Patches
    repeat where there are fewer than ``n``; windows lie in the valid window; the same seed gives
    the same batch.  ``at``: patches and origins to read instead of random ones.
    """

    def __init__(
        self,
        dataset: Dataset,
        bands: Sequence[str],
        label: str | None,
        size: tuple[int, int],
        n: int,
        *,
        seed: int = 0,
        at: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.dataset, self.bands, self.label, self.size = dataset, tuple(bands), label, size
        for name in (*bands, *([] if label is None else [label])):
            if dataset.band(name).is_native:
                raise RequestError(f"{name} has a repeat, so numpy has no view of its patches")
        self.index, self.origin = at or _random(dataset, size, n, seed)
        self.windows = [
            (int(patch), slice(row, row + size[0]), slice(col, col + size[1]))
            for patch, (row, col) in zip(self.index, self.origin.tolist(), strict=True)
        ]
        self.maps = [dataset[name] for name in self.bands]
        self.scales = [np.float32(dataset.band(name).scale or 1) for name in self.bands]
        self.codes = None if label is None else _codes_and_table(dataset, label)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def bytes_read(self) -> int:
        return self._n_pixels * sum(array.itemsize for array in self._arrays)

    @property
    def bytes_written(self) -> int:
        return self._n_pixels * (4 * len(self.bands) + (self.label is not None))

    @property
    def _n_pixels(self) -> int:
        return len(self) * self.size[0] * self.size[1]

    @property
    def _arrays(self) -> list[np.ndarray]:
        return [*self.maps, *([] if self.codes is None else self.codes[:1])]

    def reader(self, threads: int | None) -> Reader:
        return self.dataset.reader(
            self.bands, self.label, size=self.size, scale=self.scales, threads=threads
        )

    def allocate(self) -> Batch[np.ndarray]:
        """Return an output whose pages are all mapped."""
        out = self.reader(1).allocate(len(self))
        poison(out)
        return out

    def expected(self) -> Batch[np.ndarray]:
        """Return the answer, by plain numpy."""
        out = self.allocate()
        for k, window in enumerate(self.windows):
            for b, (array, scale) in enumerate(zip(self.maps, self.scales, strict=True)):
                out.image[k, b] = array[window].astype(np.float32) * scale
            if self.codes is not None and out.label is not None:
                codes, table = self.codes
                out.label[k] = table[codes[window]]
        return out

    def warm(self) -> None:
        """Bring every page of these patches into memory."""
        for array in self._arrays:
            for patch in np.unique(self.index):
                array[patch].max()


def _random(
    dataset: Dataset, size: tuple[int, int], n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng, valid = np.random.default_rng(seed), dataset.valid_window
    index = np.resize(rng.permutation(len(dataset)), n)
    room = np.subtract(valid.size, size) + 1
    return index, np.add(rng.integers(0, room, (n, 2)), (valid.row, valid.col))


def _codes_and_table(dataset: Dataset, label: str) -> tuple[np.ndarray, np.ndarray]:
    array = dataset[label]
    label_map = next(iter(dataset.layout.label_maps[label].values()))
    table = label_map.table(array.dtype, np.dtype(np.uint8), IGNORE, label)
    return array.view(f"u{array.itemsize}"), table


def warm_patches(dataset: Dataset, bands: Sequence[str], patches: np.ndarray) -> None:
    """Bring every page of whole patches into memory."""
    at = patches, np.zeros((len(patches), 2), np.int64)
    Workload(dataset, bands, None, dataset.layout.patch, len(patches), at=at).warm()


def poison(out: Batch[np.ndarray]) -> None:
    """Fill an output with values that no answer holds."""
    out.image.fill(_POISON[0])
    if out.label is not None:
        out.label.fill(_POISON[1])
