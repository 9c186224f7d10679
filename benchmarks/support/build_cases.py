"""What compare_builds.py times, by the public API of cloudio alone, so that any two builds have it.

Each case is prepared once: from a data set and a number of threads to a function that is timed,
and one whose arrays are the answer, which both builds must give bit for bit.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import cloudio

Prepare = Callable[["Data"], "Prepared"]
# Samples of a batch of whole patches and of crops: both outputs outgrow the cache.
N_WHOLE, N_CROPS = 16, 32
CROP, SMALL = 224, 64


class Prepared(NamedTuple):
    """What is timed, and the arrays of its answer."""

    run: Callable[[], object]
    answer: Callable[[], Iterator[Any]]


class Data:
    """The largest split of a data set, and the number of threads that each case may use."""

    def __init__(self, path: str, threads: int, io: str = "mmap") -> None:
        self.path, self.threads = path, threads
        self.whole = cloudio.open(path, io=io)
        name = max(self.whole.splits, key=lambda name: len(self.whole.splits[name]))
        self.ds = self.whole.split(name)
        self.bands = list(self.ds.layout.presets["L1C"][0])
        self.label = next(name for name in self.ds.layout.label_maps if name in self.ds.names)

    def windows(self, size: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Random patches and origins; patches repeat where there are fewer."""
        rng, valid = np.random.default_rng(seed), self.ds.valid_window
        index = np.resize(rng.permutation(len(self.ds)), n)
        room = valid.height - size + 1, valid.width - size + 1
        return index, np.add(rng.integers(0, room, (n, 2)), (valid.row, valid.col))


def arrays_of(batch: Any) -> Iterator[Any]:
    """The image, the label and the index of a batch, where it has them."""
    yield from (array for array in batch if array is not None)


# ---- reads ---------------------------------------------------------------------------------------


def read(
    size: int | None,
    n: int,
    *,
    io: str = "mmap",
    bands: int = 13,
    label: bool = False,
    symmetry: bool = False,
    **options: Any,
) -> Prepare:
    """`Reader.read` of a batch into the same output."""

    def prepare(data: Data) -> Prepared:
        if io != "mmap":
            data = Data(data.path, data.threads, io)
        index, origin = data.windows(size or CROP, n)
        reader = data.ds.reader(
            data.bands[:bands], data.label if label else None, size=size,
            **{"threads": data.threads, **options},
        )  # fmt: skip
        out, symmetries = reader.allocate(n), np.arange(n) % 8 if symmetry else None

        def run() -> Any:
            return reader.read(index, None if size is None else origin, symmetries, out)

        return Prepared(run, lambda: arrays_of(run()))

    return prepare


def sample(data: Data) -> Prepared:
    """``reader[k]``: one sample in new memory, as torch's DataLoader takes it."""
    reader = data.ds.reader(data.bands[:3], size=SMALL, threads=data.threads)
    return Prepared(lambda: reader[0], lambda: arrays_of(reader[0]))


def gather(size: int, n: int, bands: int = 13) -> Prepare:
    """`cloudio.gather` of the arrays of a data set."""

    def prepare(data: Data) -> Prepared:
        index, origin = data.windows(size, n)
        arrays = [data.ds[name] for name in data.bands[:bands]]
        out = np.zeros((n, len(arrays), size, size), np.float32)

        def run() -> Any:
            return cloudio.gather(
                arrays, index, size=size, origin=origin, scale=1e-4, out=out, threads=data.threads
            )

        return Prepared(run, lambda: iter([run()]))

    return prepare


def remap(size: int | None, dtype: str) -> Prepare:
    """`cloudio.remap` of the codes of a label."""

    def prepare(data: Data) -> Prepared:
        valid = data.ds.valid_window
        height, width = (size, size) if size else (valid.height, valid.width)
        index, origin = data.windows(min(height, width), N_CROPS)
        origin = origin if size else np.array([valid.row, valid.col])
        codes = data.ds[data.label]
        card = data.ds.layout.label_maps[data.label]["card"]
        table = card.table(codes.dtype, np.dtype(dtype), 255, data.label)
        out = np.zeros((N_CROPS, height, width), dtype)

        def run() -> Any:
            return cloudio.remap(
                codes, index, table, size=(height, width), origin=origin, dtype=dtype, out=out,
                threads=data.threads,
            )  # fmt: skip

        return Prepared(run, lambda: iter([run()]))

    return prepare


# ---- passes --------------------------------------------------------------------------------------


def epoch(size: int | None, batch_size: int, n_batches: int, bands: int, label: bool) -> Prepare:
    """A shuffled epoch of random crops and symmetries."""

    def prepare(data: Data) -> Prepared:
        reader = data.ds.reader(
            data.bands[:bands], data.label if label else None, size=size, threads=data.threads
        )
        index = np.resize(np.arange(len(data.ds)), batch_size * n_batches)

        def loader() -> Any:
            return cloudio.Loader(reader, batch_size, index=index, symmetry="d4")

        timed = loader()

        def run() -> None:
            for _ in timed:
                pass

        return Prepared(run, lambda: (array for batch in loader() for array in arrays_of(batch)))

    return prepare


def stats_bands(data: Data) -> Prepared:
    from cloudio import stats

    def run() -> Any:
        return stats.bands(data.ds, data.bands, threads=data.threads)

    return Prepared(run, lambda: (getattr(run(), name) for name in ("mean", "std", "min", "max")))


def stats_classes(data: Data) -> Prepared:
    from cloudio import stats

    def run() -> Any:
        return stats.classes(data.ds, data.label, threads=data.threads)

    return Prepared(run, lambda: iter([run().per_patch]))


def stats_agreement(data: Data) -> Prepared:
    """Of the first label and the last."""
    from cloudio import stats

    labels = [name for name in data.ds.layout.label_maps if name in data.ds.names]
    maps = {labels[-1]: next(iter(data.ds.layout.label_maps[labels[-1]]))}

    def run() -> Any:
        return stats.agreement(data.ds, maps, labels[0], threads=data.threads)[labels[-1]]

    return Prepared(run, lambda: iter([run().matrix]))


def verify(data: Data) -> Prepared:
    """Every byte; texts may differ between builds, so the number of findings is the answer."""

    def run() -> Any:
        return cloudio.verify(data.path, threads=data.threads, progress=False)

    def answer() -> Iterator[Any]:
        report = run()
        yield np.array([report.ok, len(report.findings)])

    return Prepared(run, answer)


def open_and_plan(data: Data) -> Prepared:
    """`cloudio.open` and a reader: what happens before the first batch."""

    def run() -> Any:
        with cloudio.open(data.path) as ds:
            return ds.reader(data.bands, data.label, size=CROP).image_shape

    return Prepared(run, lambda: iter([np.array(run())]))


CASES: dict[str, Prepare] = {
    "read 509, 13 bands": read(None, N_WHOLE),
    "read 509, 13 bands, 1 thread": read(None, N_WHOLE, threads=1),
    "read 509, 13 bands and a label": read(None, N_WHOLE, label=True),
    "read 509, NHWC": read(None, N_WHOLE, layout="NHWC"),
    "read 509, float16": read(None, N_WHOLE, dtype="float16"),
    "read 224, 13 bands": read(CROP, N_CROPS),
    "read 224, 13 bands, 1 thread": read(CROP, N_CROPS, threads=1),
    "read 224, 13 bands and a label": read(CROP, N_CROPS, label=True),
    "read 224, 13 bands, pread": read(CROP, N_CROPS, io="pread"),
    "read 224, NHWC": read(CROP, N_CROPS, layout="NHWC"),
    "read 224, float16": read(CROP, N_CROPS, dtype="float16"),
    "read 224, NHWC float16": read(CROP, N_CROPS, layout="NHWC", dtype="float16"),
    "read 224, int16 as stored": read(CROP, N_CROPS, dtype="int16", scale=None),
    "read 224, eight symmetries": read(CROP, N_CROPS, symmetry=True),
    "read 64, 3 bands, one sample": read(SMALL, 1, bands=3),
    "reader[k], 64, 3 bands": sample,
    "gather 224, 13 bands": gather(CROP, N_CROPS),
    "gather 64, 3 bands, one sample": gather(SMALL, 1, 3),
    "remap 509 to uint8": remap(None, "uint8"),
    "remap 224 to int64": remap(CROP, "int64"),
    "Loader epoch, 224 x 224 x 16, 13 bands and a label": epoch(CROP, 16, 8, 13, True),
    "Loader epoch, 64 x 64 x 8, 3 bands": epoch(SMALL, 8, 400, 3, False),
    "Loader epoch, 64 x 64 x 8, 13 bands and a label": epoch(SMALL, 8, 150, 13, True),
    "Loader epoch, 509 x 509 x 16, 13 bands": epoch(None, 16, 4, 13, False),
    "stats.bands, 13 bands": stats_bands,
    "stats.classes": stats_classes,
    "stats.agreement": stats_agreement,
    "verify": verify,
    "open and reader": open_and_plan,
}


# ---- from the disk -------------------------------------------------------------------------------


def cold_read(size: int | None, io: str) -> Callable[[str, int, int], tuple[Data, Prepared]]:
    """A batch of patches that other rounds have not read, by a data set that is opened for it."""

    def prepare(path: str, threads: int, seed: int) -> tuple[Data, Prepared]:
        data = Data(path, threads, io)
        n = min(len(data.ds), N_CROPS)
        index, origin = data.windows(size or CROP, n, seed)
        reader = data.ds.reader(data.bands, size=size, threads=threads)
        out = reader.allocate(n)
        out.image.fill(0)

        def run() -> Any:
            return reader.read(index, None if size is None else origin, None, out)

        return data, Prepared(run, lambda: arrays_of(out))

    return prepare


COLD_CASES = {
    "cold 509, 13 bands, mmap": cold_read(None, "mmap"),
    "cold 509, 13 bands, pread": cold_read(None, "pread"),
    "cold 224, 13 bands, mmap": cold_read(CROP, "mmap"),
    "cold 224, 13 bands, pread": cold_read(CROP, "pread"),
}
