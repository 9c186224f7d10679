"""What do channels that are last cost, and when does a packed copy pay?

    python benchmarks/scripts/channels_last.py [--rounds N] [--only WORD ...] [--threads N]

The same pixels lie in two files, (patch, channel, row, column) and (patch, row, column, channel),
both in memory.  All bands, or one of them, are read from each as float32, in random crops.  Answers
are compared with numpy's before the clock starts; candidates take turns.  Printed is the time of
the packed file over that of the other.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import _path  # noqa: F401
import numpy as np

import cloudio
from cloudio._utils import machine, tables
from cloudio._utils.threads import available_cpus
from cloudio.bench.timing import Candidate, check, interleave

N_BYTES = 400 << 20  # of a file: more than any cache holds
N_SAMPLES = 32


class Case(NamedTuple):
    n_channels: int
    dtype: str
    side: int
    crop: int

    @property
    def name(self) -> str:
        return f"{self.n_channels} channels of {self.dtype}, {self.crop} of {self.side}"


CASES = [
    Case(n, dtype, side, crop)
    for n, dtype in ((3, "uint8"), (3, "uint16"), (4, "uint16"), (13, "uint16"), (4, "float32"))
    for side, crop in ((256, 224), (512, 224), (512, 512))
]


def write(root: Path, case: Case) -> tuple[np.ndarray, dict[str, cloudio.Dataset]]:
    """Random pixels (patch, channel, row, column), and the two data sets of a case with them."""
    shape = (case.n_channels, case.side, case.side)
    n = max(N_SAMPLES, N_BYTES // int(np.prod(shape)) // np.dtype(case.dtype).itemsize)
    pixels = np.random.default_rng(0).integers(0, 200, (n, *shape), "u1").astype(case.dtype)
    found = {}
    for axis, array in (("first", pixels), ("last", np.moveaxis(pixels, 1, -1))):
        folder = root / axis
        folder.mkdir()
        np.save(folder / "x.npy", np.ascontiguousarray(array))
        bands = tuple(
            cloudio.Band(
                f"x{k}",
                dtype=case.dtype,
                file="x.npy",
                channel=k,
                channels=case.n_channels,
                channel_axis=axis,
            )
            for k in range(case.n_channels)
        )
        patch = (case.side, case.side)
        layout = cloudio.Layout("x", patch, cloudio.Window(0, 0, *patch), bands)
        found[axis] = cloudio.open(folder, layout=layout)
    return pixels, found


def read(reader: cloudio.Reader, index: np.ndarray, origin: np.ndarray, out: object) -> object:
    return reader.read(index, origin, out=out)


def by_numpy(
    pixels: np.ndarray, index: np.ndarray, origin: np.ndarray, crop: int, axes: str
) -> np.ndarray:
    """What readers return of some channels."""
    windows = zip(index, origin, strict=True)
    crops = np.stack([pixels[k, :, r : r + crop, c : c + crop] for k, (r, c) in windows])
    return (crops if axes == "NCHW" else np.moveaxis(crops, 1, -1)).astype(np.float32)


def ratios(case: Case, threads: int, rounds: int) -> Iterator[tuple[str, float]]:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        pixels, data = write(Path(folder), case)
        index = rng.integers(0, len(data["last"]), N_SAMPLES)
        origin = rng.integers(0, case.side - case.crop + 1, (N_SAMPLES, 2))
        names = data["last"].names
        for words, part in (("all bands", slice(None)), ("one band", slice(1, 2))):
            bands = names[part]
            for axes in ("NCHW", "NHWC") if len(bands) > 1 else ("NCHW",):
                readers = {
                    axis: ds.reader(bands, size=case.crop, layout=axes, threads=threads)
                    for axis, ds in data.items()
                }
                out = readers["last"].allocate(N_SAMPLES)
                candidates = [
                    Candidate(axis, threads, partial(read, reader, index, origin))
                    for axis, reader in readers.items()
                ]
                wanted = by_numpy(pixels[:, part], index, origin, case.crop, axes)
                for candidate in candidates:
                    check(candidate, out, cloudio.Batch(wanted, None, index))
                seconds = {
                    name: median(timing.seconds)
                    for name, timing in interleave(candidates, out, rounds).items()
                }
                yield f"{case.name}, {words}, {axes}", seconds["first"] / seconds["last"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=21, help="runs of each (default: 21)")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose names have one")
    parser.add_argument("--threads", type=int, default=available_cpus()[0])
    given = parser.parse_args()
    found = [
        (name, f"{ratio:.2f}")
        for case in CASES
        if not given.only or any(word in case.name for word in given.only)
        for name, ratio in ratios(case, given.threads, given.rounds)
    ]
    print(tables.text(list(machine.facts().items())))
    print(f"\nwarm; medians of {given.rounds} interleaved rounds\n")
    print(tables.text([("float32 of channels that are last", "of packed speed"), *found], {1}))


if __name__ == "__main__":
    main()
