"""Bands stored as the sensor saw them against bands stored at 10 m: warm, cold, in little memory.

    python benchmarks/scripts/native.py FOLDER [--patches N] [--rounds N] [--only PART ...]

FOLDER is made, with the same patches twice: 13 bands of Sentinel-2, 512 x 512, of which 509 x 509
are valid, int16, and a label.  In one form every band is stored at 10 m; in the other six bands and
the label are stored at 20 m and three bands at 60 m, each patch with its own phases.

- warm: batches of random crops of both forms; and numpy and torch, which repeat the pixels of the
  native form;
- cold: both forms, whose pages are dropped before each read;
- limit: passes over all patches in a memory cgroup that holds the native form alone (root).

Answers are compared with numpy's before the clock starts; those from the disk with each other.
Candidates take turns.  Each warm turn reads other patches than the one before, so that no cache
holds them.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import _path  # noqa: F401
import numpy as np
from memory_limit import cgroup

import cloudio
from cloudio._utils import machine, tables
from cloudio._utils.threads import available_cpus
from cloudio.bench.page_cache import EvictableFiles, usage
from cloudio.bench.timing import (
    Candidate,
    Timing,
    check,
    interleave,
    round_order,
    with_threads,
)

# The resolution of each band, in pixels of 10 m.
REPEATS = dict.fromkeys(("B2", "B3", "B4", "B8"), 1)
REPEATS |= dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), 2)
REPEATS |= dict.fromkeys(("B1", "B9", "B10"), 6)
BANDS = [f"B{k}" for k in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 10, 11, 12)]
LABEL, LABEL_REPEAT = "classes", 2
PATCH, VALID = 512, cloudio.Window(1, 1, 509, 509)
CORNER = np.array((VALID.row, VALID.col))
SCALE, BATCH = np.float32(1e-4), 32
FORMS = "10 m", "native"
PARTS = "warm", "cold", "limit"
# What the limit leaves for the process itself: the interpreter, numpy, one output.
OWN_BYTES, SMALL_BATCH, PASSES = 400 << 20, 8, 4


# ---- the two forms -------------------------------------------------------------------------------


def layout(form: str) -> cloudio.Layout:
    def keys(repeat: int) -> dict[str, object]:
        if form == "10 m" or repeat == 1:
            return {}
        return {"repeat": repeat, "phase": "phases/{name}.npy"}

    bands = [cloudio.Band(name, dtype="int16", scale=1e-4, **keys(REPEATS[name])) for name in BANDS]
    label = cloudio.Band(LABEL, kind="label", dtype="uint8", **keys(LABEL_REPEAT))
    maps = {LABEL: {"all": cloudio.LabelMap({k: k % 4 for k in range(12)})}}
    patch = (PATCH, PATCH)
    return cloudio.Layout("Sentinel-2", patch, VALID, (*bands, label), label_maps=maps)


def expanded(stored: np.ndarray, repeat: int, phase: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Pixels of one patch: ``window`` is row, column and size, from the corner of valid pixels."""
    row, col, size = window
    first, skip = np.divmod((row + phase[0], col + phase[1]), repeat)
    last = (np.array((row, col)) + size - 1 + phase) // repeat + 1
    part = stored[first[0] : last[0], first[1] : last[1]]
    wide = np.repeat(np.repeat(part, repeat, axis=1), repeat, axis=0)
    return wide[skip[0] : skip[0] + size, skip[1] : skip[1] + size]


def write(root: Path, n: int) -> None:
    """Random pixels, as the sensor saw them and repeated."""
    rng = np.random.default_rng(0)
    for form in FORMS:
        (root / form / "phases").mkdir(parents=True)
    whole = np.array((0, 0, VALID.height))
    for name in (*BANDS, LABEL):
        repeat = REPEATS.get(name, LABEL_REPEAT)
        dtype, most = ("u1", 12) if name == LABEL else ("<i2", 10_000)
        side = PATCH if repeat == 1 else -(-(VALID.height + repeat - 1) // repeat)
        phases = rng.integers(0, repeat, (n, 2), np.int32)
        if repeat > 1:
            np.save(root / "native" / "phases" / f"{name}.npy", phases)
        patch = np.zeros((PATCH, PATCH), dtype)
        inside = patch[VALID.row : VALID.row + VALID.height, VALID.col : VALID.col + VALID.width]
        with (
            (root / "native" / f"{name}.dat").open("wb") as native,
            (root / "10 m" / f"{name}.dat").open("wb") as full,
        ):
            for phase in phases:
                stored = rng.integers(0, most, (side, side), np.uint16).astype(dtype)
                if repeat == 1:
                    patch[:] = stored
                else:
                    inside[:] = expanded(stored, repeat, phase, whole)
                stored.tofile(native)
                patch.tofile(full)


@dataclass(frozen=True)
class Native:
    """The native form, for numpy and torch."""

    arrays: list[np.ndarray]
    repeats: list[int]
    phases: list[np.ndarray]

    def corner(self, band: int) -> int:
        """Where the valid window begins in what is stored."""
        return VALID.row if self.repeats[band] == 1 else 0


def natives(root: Path) -> Native:
    arrays, phases, repeats = [], [], []
    for name in (*BANDS, LABEL):
        path, repeat = root / "native" / f"{name}.dat", REPEATS.get(name, LABEL_REPEAT)
        side = PATCH if repeat == 1 else -(-(VALID.height + repeat - 1) // repeat)
        flat = np.memmap(path, "u1" if name == LABEL else "<i2", "c")  # torch wants it writable
        arrays.append(np.asarray(flat).reshape(-1, side, side))
        repeats.append(repeat)
        place = root / "native" / "phases" / f"{name}.npy"
        phases.append(np.load(place) if repeat > 1 else np.zeros((len(arrays[-1]), 2), int))
    return Native(arrays, repeats, phases)


# ---- candidates ----------------------------------------------------------------------------------

Windows = tuple[np.ndarray, np.ndarray]  # patches, and origins from the corner of valid pixels
Case = tuple[str, int, str | None]  # the element type, the crop, and the label


def by_repeat(data: Native, band: int, patch: int, row: int, col: int, size: int) -> np.ndarray:
    """np.repeat, of no more than the window needs."""
    corner = data.corner(band)
    window = np.array((row + corner, col + corner, size))
    if data.repeats[band] == 1:
        return data.arrays[band][patch, window[0] : window[0] + size, window[1] : window[1] + size]
    stored = data.arrays[band][patch]
    return expanded(stored, data.repeats[band], data.phases[band][patch], window)


def by_index(data: Native, band: int, patch: int, row: int, col: int, size: int) -> np.ndarray:
    """One fancy index of rows and columns."""
    repeat, (py, px) = data.repeats[band], data.phases[band][patch]
    if repeat == 1:
        return by_repeat(data, band, patch, row, col, size)
    rows = np.arange(row + py, row + py + size) // repeat
    cols = np.arange(col + px, col + px + size) // repeat
    return data.arrays[band][patch][rows[:, None], cols]


Pixels = Callable[[Native, int, int, int, int, int], np.ndarray]
TABLE = (np.arange(256) % 4).astype(np.uint8)


def numpy_sample(
    data: Native, pixels: Pixels, windows: Windows, k: int, out: cloudio.Batch, *, size: int
) -> None:
    patch, (row, col) = windows[0][k], windows[1][k]
    half = out.image.dtype == np.float16
    for band in range(len(BANDS)):
        found = pixels(data, band, patch, row, col, size)
        if half:
            out.image[k, band] = found * SCALE
        else:
            np.multiply(found, SCALE, out=out.image[k, band], casting="unsafe")
    if out.label is not None:
        np.take(TABLE, pixels(data, len(BANDS), patch, row, col, size), out=out.label[k])


def torch_sample(
    data: Native, threads: int, windows: Windows, k: int, out: cloudio.Batch, *, size: int
) -> None:
    """interpolate(mode="nearest"), of no more than the window needs."""
    import torch
    from torch.nn.functional import interpolate

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    patch, (row, col) = windows[0][k], windows[1][k]
    image = torch.from_numpy(out.image[k])
    for band in range(len(BANDS)):
        repeat, phase = data.repeats[band], data.phases[band][patch]
        if repeat == 1:
            found = torch.from_numpy(by_repeat(data, band, patch, row, col, size))
            image[band] = found.float() * float(SCALE)
            continue
        first, skip = np.divmod((row + phase[0], col + phase[1]), repeat)
        last = (np.array((row, col)) + size - 1 + phase) // repeat + 1
        part = torch.from_numpy(
            data.arrays[band][patch, first[0] : last[0], first[1] : last[1]]
        ).float()
        wide = interpolate(part[None, None], scale_factor=repeat, mode="nearest")[0, 0]
        wide = wide[skip[0] : skip[0] + size, skip[1] : skip[1] + size]
        image[band] = wide * float(SCALE)


# ---- warm ----------------------------------------------------------------------------------------


class Turns:
    """Batches of random windows; each call of a candidate reads the next one."""

    def __init__(self, n_patches: int, size: int, n: int, seed: int = 0) -> None:
        rng = np.random.default_rng([size, seed])
        order = rng.permutation(n_patches)
        room = VALID.height - size + 1
        self.batches: list[Windows] = [
            (part, rng.integers(0, room, (n, 2)))
            for part in order[: n_patches // n * n].reshape(-1, n)
        ]
        self.calls: dict[str, int] = {}

    def next(self, name: str) -> Windows:
        self.calls[name] = self.calls.get(name, -1) + 1
        return self.batches[self.calls[name] % len(self.batches)]


def by_cloudio(
    name: str, ds: cloudio.Dataset, turns: Turns, threads: int, **settings: object
) -> Candidate:
    reader = ds.reader(BANDS, threads=threads, **settings)

    def read(out: cloudio.Batch) -> cloudio.Batch:
        index, origin = turns.next(name)
        return reader.read(index, origin + CORNER, out=out)

    return Candidate(name, threads, read)


def by_samples(
    name: str, turns: Turns, pool: ThreadPoolExecutor | None, sample: Callable[..., None]
) -> Candidate:
    def read(out: cloudio.Batch) -> cloudio.Batch:
        windows = turns.next(name)
        list((pool.map if pool else map)(lambda k: sample(windows, k, out), range(len(out.image))))
        return out

    return Candidate(name, 1, read)


def populate(sets: dict[str, cloudio.Dataset], data: Native, given: argparse.Namespace) -> None:
    """Bring every page into memory, and into every mapping."""
    for ds in sets.values():
        reader = ds.reader(BANDS, LABEL, threads=given.threads)
        for first in range(0, len(ds), given.batch):
            reader.read(range(first, min(first + given.batch, len(ds))))
    for array in data.arrays:
        for patch in array:
            patch.max()


def warm(root: Path, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Rows of ratios."""
    sets = {form: cloudio.open(root / form, layout=layout(form)) for form in FORMS}
    data = natives(root)
    populate(sets, data, given)
    cases = [("float32", 224, None), ("float32", 509, None), ("float16", 224, None)]
    cases += [("float16", 509, None), ("float32", 224, LABEL), ("float32", 509, LABEL)]
    with ThreadPoolExecutor(given.threads) as pool:
        for case in cases:
            yield from ratios(sets, data, case, pool, given)


def ratios(
    sets: dict[str, cloudio.Dataset],
    data: Native,
    case: Case,
    pool: ThreadPoolExecutor,
    given: argparse.Namespace,
) -> Iterator[tuple[str, ...]]:
    """Those of one kind of batch; numpy and torch, which are slow, have fewer rounds."""
    dtype, size, label = case
    turns = Turns(len(sets["native"]), size, given.batch)
    settings = {"size": size, "dtype": dtype, "labels": label}
    ours = [
        by_cloudio(with_threads(form, threads), sets[form], turns, threads, **settings)
        for threads in sorted({1, given.threads})
        for form in FORMS
    ]
    mine = ours[-1]
    others = numpy_and_torch(data, turns, case, pool, given)
    reader = sets["native"].reader(BANDS, **settings)
    out, wanted = reader.allocate(given.batch), reader.allocate(given.batch)
    for k in range(given.batch):
        numpy_sample(data, by_repeat, turns.batches[0], k, wanted, size=size)
    for candidate in (*ours, *others):
        check(candidate, out, wanted)
    turns.calls.clear()
    what = f"{dtype}, {size}" + (", and a label" if label else "")
    print(f"{what} ...", file=sys.stderr)
    seconds = medians(interleave(ours, out, given.rounds))
    for old, new in zip(ours[::2], ours[1::2], strict=True):
        samples = f"{given.batch / seconds[new.name]:,.0f} samples/s"
        reached = f"{seconds[old.name] / seconds[new.name]:.2f}"
        yield f"{what}: {new.name}, over the 10 m form", reached, samples
    seconds = medians(interleave([mine, *others], out, max(3, given.rounds // 3)))
    for other in others:
        reached = f"{seconds[other.name] / seconds[mine.name]:.1f}"
        yield f"{what}: {mine.name}, over {other.name}", reached, ""


def medians(timings: dict[str, Timing]) -> dict[str, float]:
    return {name: median(timing.seconds) for name, timing in timings.items()}


def numpy_and_torch(
    data: Native, turns: Turns, case: Case, pool: ThreadPoolExecutor, given: argparse.Namespace
) -> list[Candidate]:
    """They read the native form, and repeat its pixels."""
    dtype, size, label = case
    kinds = [("np.repeat", by_repeat), ("fancy index", by_index)]
    counts = sorted({1, given.threads})
    found = [
        by_samples(
            with_threads(name, threads),
            turns,
            pool if threads > 1 else None,
            partial(numpy_sample, data, pixels, size=size),
        )
        for name, pixels in kinds
        for threads in counts
    ]
    if dtype == "float32" and label is None and not given.no_torch:
        found += [
            by_samples(
                with_threads("torch interpolate", threads),
                turns,
                None,
                partial(torch_sample, data, threads, size=size),
            )
            for threads in counts
        ]
    return found


# ---- cold ----------------------------------------------------------------------------------------


def cold(root: Path, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Rows of ratios."""
    paths = [path for form in FORMS for path in (root / form).glob("*.dat")]
    n_patches = len(natives(root).arrays[0])
    with EvictableFiles(paths) as files:
        for size, io in itertools.product((224, 509), ("mmap", "pread")):
            found: dict[str, list[tuple[float, int]]] = {form: [] for form in FORMS}
            for k in range(given.rounds):
                windows = Turns(n_patches, size, given.batch, seed=k).batches[0]
                images = {}
                for form in round_order(FORMS, k):
                    image, *figures = cold_read(root / form, form, io, size, windows, files, given)
                    found[form].append(tuple(figures))
                    images[form] = image
                assert np.array_equal(*images.values()), "the two forms differ"
            seconds, n_bytes = (
                {form: median(row[j] for row in rows) for form, rows in found.items()}
                for j in range(2)
            )
            what = f"from the disk, {io}, {size}"
            samples = f"{given.batch / seconds['native']:,.0f} samples/s"
            yield (
                f"{what}: over the 10 m form",
                f"{seconds['10 m'] / seconds['native']:.2f}",
                samples,
            )
            if n_bytes["10 m"]:
                megabytes = f"{n_bytes['native'] / 1e6:,.0f} MB"
                reached = f"{n_bytes['native'] / n_bytes['10 m']:.2f}"
                yield f"{what}: bytes, of those of the 10 m form", reached, megabytes


def cold_read(
    path: Path,
    form: str,
    io: str,
    size: int,
    windows: Windows,
    files: EvictableFiles,
    given: argparse.Namespace,
) -> tuple[np.ndarray, float, int]:
    """One batch; the image, seconds, and bytes from the disk."""
    with cloudio.open(path, layout=layout(form), io=io) as ds:
        reader = ds.reader(BANDS, size=size, threads=given.threads)
        out = reader.allocate(given.batch)
        out.image.fill(0)
        files.evict()
        before, begin = usage(), time.perf_counter()
        reader.read(windows[0], windows[1] + CORNER, out=out)
        seconds = time.perf_counter() - begin
        return out.image, seconds, usage().since(before).read_bytes


# ---- little memory -------------------------------------------------------------------------------


def limited(root: Path, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Passes over all patches, in random order, in a cgroup; the first one reads the disk."""
    sizes = {form: sum(p.stat().st_size for p in (root / form).glob("B*.dat")) for form in FORMS}
    limit = sizes["native"] + OWN_BYTES
    found: dict[str, list[dict[str, list[float]]]] = {form: [] for form in FORMS}
    paths = [path for form in FORMS for path in (root / form).glob("*.dat")]
    for k in range(given.limit_rounds):
        for form in round_order(FORMS, k):
            with EvictableFiles(paths) as files:
                files.evict()
            with cgroup(limit) as group:
                enter = lambda: (group / "cgroup.procs").write_text(str(os.getpid()))  # noqa: E731
                command = [sys.executable, __file__, str(root), "--pass", form]
                found[form].append(json.loads(subprocess.check_output(command, preexec_fn=enter)))
    for form in FORMS:
        later = [rate for each in found[form] for rate in each["rates"][1:]]
        read = [n_bytes for each in found[form] for n_bytes in each["read"][1:]]
        yield (
            f"limit {limit / 1e6:,.0f} MB, {form} ({sizes[form] / 1e6:,.0f} MB), from pass 2 on",
            f"{median(later):,.0f} samples/s",
            f"{median(read) / 1e6:,.0f} MB from the disk",
        )


def passes(root: Path, form: str, batch: int) -> dict[str, list[float]]:
    """Samples per second and bytes from the disk, of each pass."""
    ds = cloudio.open(root / form, layout=layout(form))
    reader = ds.reader(BANDS)
    out = reader.allocate(batch)
    rates, read = [], []
    for k in range(PASSES):
        order = np.random.default_rng(k).permutation(len(ds))
        before, begin = usage(), time.perf_counter()
        for first in range(0, len(order) - batch + 1, batch):
            reader.read(order[first : first + batch], out=out)
        rates.append(len(order) // batch * batch / (time.perf_counter() - begin))
        read.append(usage().since(before).read_bytes)
    return {"rates": rates, "read": read}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patches", type=int, default=321)  # odd: no other type fits
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--rounds", type=int, default=21, help="runs of each (default: 21)")
    parser.add_argument("--limit-rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=available_cpus()[0])
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--pass", dest="form", choices=FORMS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.form:
        print(json.dumps(passes(given.folder, given.form, SMALL_BATCH)))
        return
    if given.patches < given.batch:
        parser.error(f"--patches {given.patches}; a batch of {given.batch} needs as many")
    if not given.folder.exists():
        write(given.folder, given.patches)
    print(tables.text(list(machine.facts().items())))
    print(f"\n13 bands as 4 + 6 + 3; medians of {given.rounds} interleaved rounds\n")
    kinds = {"warm": warm, "cold": cold, "limit": limited}
    found = [row for part in given.only for row in kinds[part](given.folder, given)]
    print(tables.text([("native form", "reached", ""), *found], {1, 2}))


if __name__ == "__main__":
    main()
