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
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import _path  # noqa: F401
import numpy as np
from memory_limit import cgroup, charged

import cloudio
from cloudio._utils import machine, tables
from cloudio._utils.threads import available_cpus
from cloudio.bench.page_cache import EvictableFiles, usage
from cloudio.bench.timing import Candidate, check, interleave, round_order, with_threads

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
    data: Native, pixels: Pixels, windows: Windows, k: int, size: int, out: cloudio.Batch
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
    data: Native, windows: Windows, k: int, size: int, out: cloudio.Batch, threads: int
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

    def __init__(self, n_patches: int, size: int, n: int) -> None:
        rng = np.random.default_rng(size)
        order = rng.permutation(n_patches)
        room = VALID.height - size + 1
        self.batches: list[Windows] = [
            (part, rng.integers(0, room, (n, 2)))
            for part in np.array_split(order, n_patches // n)
            if len(part) == n
        ]
        self.calls: dict[str, int] = {}

    def next(self, name: str) -> Windows:
        self.calls[name] = self.calls.get(name, -1) + 1
        return self.batches[self.calls[name] % len(self.batches)]


def expected(data: Native, turns: Turns, size: int, out: cloudio.Batch) -> None:
    for k in range(len(out.image)):
        numpy_sample(data, by_repeat, turns.batches[0], k, size, out)


def by_cloudio(
    name: str,
    sets: dict[str, cloudio.Dataset],
    form: str,
    turns: Turns,
    threads: int,
    **more: object,
) -> Candidate:
    reader = sets[form].reader(BANDS, threads=threads, **more)

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
        for dtype, size, label in cases:
            turns = Turns(len(sets["native"]), size, given.batch)
            settings = {"size": size, "dtype": dtype, "labels": label}
            candidates = [
                by_cloudio(form, sets, form, turns, given.threads, **settings) for form in FORMS
            ]
            lone = [
                by_cloudio(f"{form}, 1 thread", sets, form, turns, 1, **settings) for form in FORMS
            ]
            others = [
                by_samples(
                    with_threads(name, threads),
                    turns,
                    pool if threads > 1 else None,
                    lambda windows, k, out, pixels=pixels, size=size: numpy_sample(
                        data, pixels, windows, k, size, out
                    ),
                )
                for name, pixels in (("np.repeat", by_repeat), ("fancy index", by_index))
                for threads in sorted({1, given.threads})
            ]
            if dtype == "float32" and label is None and not given.no_torch:
                others += [
                    by_samples(
                        with_threads("torch interpolate", threads),
                        turns,
                        None,
                        lambda windows, k, out, size=size, threads=threads: torch_sample(
                            data, windows, k, size, out, threads
                        ),
                    )
                    for threads in sorted({1, given.threads})
                ]
            everyone = [*candidates, *lone, *others]
            reader = sets["native"].reader(BANDS, label, size=size, dtype=dtype)
            out, wanted = reader.allocate(given.batch), reader.allocate(given.batch)
            expected(data, turns, size, wanted)
            for candidate in everyone:
                check(candidate, out, wanted)
            turns.calls.clear()
            timings = interleave(everyone, out, given.rounds)
            seconds = {name: median(timing.seconds) for name, timing in timings.items()}
            what = f"{dtype}, {size}" + (", and a label" if label else "")
            mine, alone = seconds["native"], seconds["native, 1 thread"]
            samples = f"{given.batch / mine:,.0f} samples/s"
            yield f"{what}: over the 10 m form", f"{seconds['10 m'] / mine:.2f}", samples
            yield (
                f"{what}: over the 10 m form, both in 1 thread",
                f"{seconds['10 m, 1 thread'] / alone:.2f}",
                "",
            )
            for candidate in others:
                yield f"{what}: over {candidate.name}", f"{seconds[candidate.name] / mine:.1f}", ""


# ---- cold ----------------------------------------------------------------------------------------


def cold(root: Path, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    paths = [path for form in FORMS for path in (root / form).glob("*.dat")]
    n = len(natives(root).arrays[0])
    with EvictableFiles(paths) as files:
        for size in (224, 509):
            for io in ("mmap", "pread"):
                found: dict[str, list[tuple[float, int]]] = {form: [] for form in FORMS}
                for k in range(given.rounds):
                    rng = np.random.default_rng([k, size])
                    index = rng.permutation(n)[: given.batch]
                    origin = rng.integers(0, VALID.height - size + 1, (len(index), 2)) + CORNER
                    images = []
                    for form in round_order(FORMS, k):
                        with cloudio.open(root / form, layout=layout(form), io=io) as ds:
                            reader = ds.reader(BANDS, size=size, threads=given.threads)
                            out = reader.allocate(len(index))
                            out.image.fill(0)
                            files.evict()
                            before, begin = usage(), time.perf_counter()
                            reader.read(index, origin, out=out)
                            seconds = time.perf_counter() - begin
                            n_bytes = usage().since(before).read_bytes
                        found[form].append((seconds, n_bytes))
                        images.append(out.image)
                    assert np.array_equal(*images), "the two forms differ"
                seconds = {form: median(s for s, _ in rows) for form, rows in found.items()}
                n_bytes = {form: median(b for _, b in rows) for form, rows in found.items()}
                what = f"cold, io={io!r}, {size}"
                samples = f"{given.batch / seconds['native']:,.0f} samples/s"
                yield f"{what}: over the 10 m form", speed_up(seconds), samples
                fraction = n_bytes["native"] / n_bytes["10 m"] if n_bytes["10 m"] else float("nan")
                yield f"{what}: bytes from the disk", f"{fraction:.2f}", f"{n_bytes['native']:,.0f}"


def speed_up(seconds: dict[str, float]) -> str:
    return f"{seconds['10 m'] / seconds['native']:.2f}"


# ---- little memory -------------------------------------------------------------------------------


def limited(root: Path, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Passes over all patches, in random order, in a cgroup; the first one reads the disk."""
    sizes = {form: sum(p.stat().st_size for p in (root / form).glob("B*.dat")) for form in FORMS}
    limit = sizes["native"] + OWN_BYTES
    found: dict[str, list[dict[str, list[float]]]] = {form: [] for form in FORMS}
    peaks = dict.fromkeys(FORMS, 0.0)
    paths = [path for form in FORMS for path in (root / form).glob("*.dat")]
    for k in range(given.limit_rounds):
        for form in round_order(FORMS, k):
            with EvictableFiles(paths) as files:
                files.evict()
            with cgroup(limit) as group:
                enter = lambda: (group / "cgroup.procs").write_text(str(os.getpid()))  # noqa: E731
                command = [sys.executable, __file__, str(root), "--pass", form]
                found[form].append(json.loads(subprocess.check_output(command, preexec_fn=enter)))
                peaks[form] = max(peaks[form], charged(group)["peak"])
    for form in FORMS:
        later = [rate for each in found[form] for rate in each["rates"][1:]]
        read = [n_bytes for each in found[form] for n_bytes in each["read"][1:]]
        yield (
            f"limit {limit / 1e6:,.0f} MB, {form} ({sizes[form] / 1e6:,.0f} MB), from pass 2 on",
            f"{median(later):,.0f} samples/s",
            f"{median(read) / 1e6:,.0f} MB from the disk",
        )


def passes(root: Path, form: str, batch: int) -> dict[str, list[float]]:
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
    if not given.folder.exists():
        write(given.folder, given.patches)
    print(tables.text(list(machine.facts().items())))
    print(f"\n13 bands as 4 + 6 + 3; medians of {given.rounds} interleaved rounds\n")
    kinds = {"warm": warm, "cold": cold, "limit": limited}
    found = [row for part in given.only for row in kinds[part](given.folder, given)]
    print(tables.text([("native form", "reached", ""), *found], {1, 2}))


if __name__ == "__main__":
    main()
