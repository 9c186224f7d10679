"""The kinds of output a reader has beside plain float32: a table, the answers, and our reads.

numpy's implementations are in kinds_numpy.py, torch's in kinds_torch.py; kinds_compare.py times
them side by side.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import cloudio
from cloudio import Dataset
from cloudio.bench.timing import Candidate, first_difference, with_threads
from cloudio.bench.workload import N_SAMPLES, Workload, bands_of, n_samples_that_fit
from cloudio.reading.arguments.outputs import allocate_aligned, image_shape, numpy_dtype

#: Arrays that the mixed kind takes beside int16 ones; a made-up data set needs them too.
FLOAT_BANDS = ("S1_VV", "S1_VH", "S1_angle")
SIZES = (509, 224)
# Where the mask begins: after the image, at a cache line.
_LINE = 64


@dataclass(frozen=True)
class Kind:
    """What is asked of a reader, and the goals: as defaults, plain float32 of int16 bands.

    ``of_plain``: the least fraction of the speed of plain float32, in samples/s, or for ``mixed``
    in bytes/s, read and written.  ``of_others``: the least multiple of the best of numpy and torch.
    """

    name: str
    dtype: str = "float32"
    layout: str = "NCHW"
    symmetry: int = 0
    normalized: bool = False
    clip: tuple[float, float] | None = None
    fill: float | None = None
    valid: bool = False
    mixed: bool = False
    of_plain: float | None = None
    of_others: float | None = None

    @property
    def is_stored(self) -> bool:
        return self.dtype == "int16"

    @property
    def needs_nodata(self) -> bool:
        return self.fill is not None or self.valid


PLAIN = Kind("float32")
KINDS = (
    PLAIN,
    Kind("float16", dtype="float16", of_plain=1.3, of_others=3),
    Kind("bfloat16", dtype="bfloat16", of_plain=1.3, of_others=3),
    Kind("int16 as stored", dtype="int16"),
    Kind("NHWC", layout="NHWC", of_plain=0.6, of_others=3),
    Kind("NHWC float16", layout="NHWC", dtype="float16", of_others=3),
    Kind("symmetry 1", symmetry=1, of_plain=0.6, of_others=3),
    Kind("symmetry 2", symmetry=2, of_plain=0.9, of_others=3),
    Kind("symmetry 3", symmetry=3, of_plain=0.6, of_others=3),
    Kind("symmetry 4", symmetry=4, of_plain=0.9, of_others=3),
    Kind("symmetry 5", symmetry=5, of_plain=0.6, of_others=3),
    Kind("symmetry 6", symmetry=6, of_plain=0.9, of_others=3),
    Kind("symmetry 7", symmetry=7, of_plain=0.6, of_others=3),
    Kind("mean and std", normalized=True, of_plain=0.95, of_others=3),
    Kind("clip", clip=(0.1, 0.3), of_plain=0.95, of_others=3),
    Kind("fill", fill=-1.0),
    Kind("mixed int16 and float32", mixed=True, of_plain=0.9, of_others=3),
    Kind("valid=True", valid=True),
)


class Outputs(NamedTuple):
    """An image, and a mask or None."""

    image: np.ndarray
    mask: np.ndarray | None


class KindWorkload:
    """One kind of output of one batch: random windows of the same patches for every kind.

    A candidate's ``run(memory)`` writes to what `outputs` makes of that memory, which all kinds
    share: none touches pages for the first time, and all write to the same ones.
    """

    def __init__(self, data: Dataset, kind: Kind, size: int, n: int | None = None) -> None:
        self.kind, bands = kind, bands_of(data)
        n = n_samples_that_fit((size, size), len(bands)) if n is None else n
        if kind.mixed:
            bands = (*bands[: -len(FLOAT_BANDS)], *FLOAT_BANDS)
        if kind.needs_nodata:
            data = _with_nodata(data, bands)
        self.batch = Workload(data, bands, None, (size, size), n)
        self.nodata = [data.band(name).nodata for name in bands]
        self.mean = self.std = None
        scales = [data.band(name).scale or 1.0 for name in bands]
        mean, std = np.zeros(len(bands)), np.ones(len(bands))
        if kind.normalized:
            mean, std = np.linspace(0.1, 0.3, len(bands)), np.linspace(0.05, 0.1, len(bands))
            self.mean, self.std = mean, std
        self.scale = [np.float32(x) for x in scales / std]
        self.offset = [np.float32(x) for x in -mean / std]
        self.shape = len(self.batch), *image_shape(kind.layout, len(bands), self.batch.size)
        self.dtype = numpy_dtype(kind.dtype)

    @property
    def bytes_moved(self) -> int:
        """Read and written, but for the mask."""
        image = int(np.prod(self.shape)) * self.dtype.itemsize
        return self.batch.bytes_read + image

    def outputs(self, memory: np.ndarray) -> Outputs:
        n_bytes = int(np.prod(self.shape)) * self.dtype.itemsize
        image = memory[:n_bytes].view(self.dtype).reshape(self.shape)
        if not self.kind.valid:
            return Outputs(image, None)
        first = n_bytes + -n_bytes % _LINE
        shape = len(self.batch), *self.batch.size
        return Outputs(image, memory[first : first + int(np.prod(shape))].reshape(shape))

    def expected(self) -> Outputs:
        """The answer, in the plainest numpy, one sample at a time."""
        image = np.empty(self.shape, self.dtype)
        mask = np.ones((len(self.batch), *self.batch.size), np.uint8)
        for k, window in enumerate(self.batch.windows):
            stored = [array[window] for array in self.batch.maps]
            planes = [turned(self._pixels(x, b), self.kind.symmetry) for b, x in enumerate(stored)]
            image[k] = np.stack(planes, axis=0 if self.kind.layout == "NCHW" else -1)
            for x, nodata in zip(stored, self.nodata, strict=True):
                if self.kind.valid:
                    mask[k] &= x != nodata
        return Outputs(image, mask if self.kind.valid else None)

    def _pixels(self, stored: np.ndarray, b: int) -> np.ndarray:
        kind = self.kind
        if kind.is_stored:
            return stored
        pixels = stored.astype(np.float32) * self.scale[b]
        if kind.normalized:
            pixels = pixels + self.offset[b]
        if kind.clip is not None:
            least, most = np.float32(kind.clip)
            pixels = np.where(pixels < least, least, pixels)
            pixels = np.where(pixels > most, most, pixels)
        if kind.fill is not None:
            pixels = np.where(stored == self.nodata[b], np.float32(kind.fill), pixels)
        return pixels

    def check(self, candidates: Sequence[Candidate], memory: np.ndarray) -> None:
        """AssertionError where an answer has another bit than numpy's."""
        expected = self.expected()
        for candidate in candidates:
            for output in self.outputs(memory):
                if output is not None:
                    output.view(np.uint8).fill(0xA5)
            found = candidate.run(memory)
            for what, given, wanted in zip(Outputs._fields, found, expected, strict=True):
                if wanted is not None and (k := first_difference(given, wanted)) is not None:
                    raise AssertionError(
                        f"{self.kind.name}: {candidate.name}: the {what} of sample {k} differs "
                        "from numpy's; its time would mean nothing"
                    )


def memory_for(data: Dataset) -> np.ndarray:
    """Memory for the output of any kind, all of its pages mapped."""
    n_pixels = N_SAMPLES * max(SIZES) ** 2
    memory = allocate_aligned(
        (n_pixels * (4 * len(bands_of(data)) + 1) + _LINE,), np.dtype(np.uint8)
    )
    memory.fill(0)
    return memory


def kinds_of(data: Dataset) -> list[Kind]:
    """Those that the arrays of a data set allow."""
    have_floats = set(FLOAT_BANDS) <= set(data.names)
    return [kind for kind in KINDS if have_floats or not kind.mixed]


def turned(plane: np.ndarray, symmetry: int) -> np.ndarray:
    """A symmetry of a plane, as a view."""
    return np.rot90(np.fliplr(plane) if symmetry >= 4 else plane, symmetry % 4)


def by_cloudio(workload: KindWorkload, threads: int) -> Candidate:
    kind, batch = workload.kind, workload.batch
    reader = batch.dataset.reader(
        batch.bands, size=batch.size, dtype=kind.dtype, layout=kind.layout, mean=workload.mean,
        std=workload.std, clip=kind.clip, fill=kind.fill, valid=kind.valid, threads=threads,
    )  # fmt: skip
    symmetry = kind.symmetry or None

    def run(memory: np.ndarray) -> Outputs:
        image, mask = workload.outputs(memory)
        out: Any = image if mask is None else cloudio.MaskedBatch(image, None, 0, mask)
        reader.read(batch.index, batch.origin, symmetry, out)
        return Outputs(image, mask)

    return Candidate(with_threads("cloudio", threads), threads, run)


def _with_nodata(data: Dataset, bands: tuple[str, ...]) -> Dataset:
    """The same arrays, where a number of each one's first patch is declared to be no data."""
    nodata = {name: int(np.median(data[name][0])) for name in bands}
    described = tuple(
        dataclasses.replace(band, nodata=nodata[band.name]) if band.name in nodata else band
        for band in data.layout.bands
    )
    layout = dataclasses.replace(data.layout, bands=described)
    (split,) = data.splits
    return cloudio.open(data.path, layout=layout).split(split)
