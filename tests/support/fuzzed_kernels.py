"""Random calls of the compiled modules and of what stands right above them.

    python tests/support/fuzzed_kernels.py --seed 1 --calls 1000000

No call may end the process, write outside its outputs, or return other numbers than numpy. Calls
that are right and calls that are wrong in some argument come in turn; wrong ones must raise one of
`REFUSALS`. A seed always makes the same calls. Among
them are all faults that were found by other means.
"""

import argparse
import ctypes
import gc
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from array import array as python_array
from pathlib import Path
from queue import SimpleQueue

import native
import numpy as np

import cloudio
from cloudio import Window
from cloudio._core import buffers, files, kernels, plans, pool, runtime

REFUSALS = (
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    BufferError,
    OSError,
    MemoryError,
    AttributeError,
)
HUGE = (2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63), 2**63, -1, 0, 1, 2**40)
N, H, W, C = 5, 12, 16, 9
DTYPES = ("uint8", "int8", "int16", "uint16", "float32")
C_TYPES = {
    "uint8": ctypes.c_uint8, "int8": ctypes.c_int8, "int16": ctypes.c_int16,
    "uint16": ctypes.c_uint16, "float32": ctypes.c_float,
}  # fmt: skip
CANARY = 0xA5


class FindingError(Exception):
    """A call that returned other numbers than numpy, or wrote outside its output."""


class Lying(list):
    """A sequence that has other elements each time."""

    def __init__(self, *answers):
        super().__init__(answers[0])
        self._answers, self._asked = answers, 0

    def _next(self):
        self._asked += 1
        return self._answers[self._asked % len(self._answers)]

    def __iter__(self):
        return iter(self._next())

    def __getitem__(self, k):
        return self._next()[k]

    def __len__(self):
        return len(self._next())


class Number:
    """A number that is another one each time."""

    def __init__(self, *answers):
        self._answers, self._asked = answers, 0

    def _next(self):
        self._asked += 1
        return self._answers[self._asked % len(self._answers)]

    def __index__(self):
        return self._next()

    def __int__(self):
        return self._next()

    def __float__(self):
        return float(self._next())

    def __gt__(self, other):
        return True

    __lt__ = __ge__ = __le__ = __gt__


class BiggerFile(files.File):
    """A file that says that it holds more than it does."""

    n_bytes = 2**62


def in_ctypes(values):
    """The same numbers in an array of ctypes, whose buffer has no strides."""
    kind = C_TYPES[values.dtype.name]
    for side in reversed(values.shape):
        kind = kind * side
    return kind.from_buffer_copy(np.ascontiguousarray(values).tobytes())


class Fuzzer:
    """Calls, drawn from a seed, over some arrays and files that are made once."""

    def __init__(self, seed, folder):
        self.rng = random.Random(seed)
        self.folder = Path(folder)
        numbers = np.random.default_rng(seed)
        self.values = {dtype: numbers.integers(0, 120, (N, H, W)).astype(dtype) for dtype in DTYPES}
        # The same types with nine channels in each pixel.
        self.pixels = {
            dtype: numbers.integers(0, 120, (N, H, W, C)).astype(dtype) for dtype in DTYPES
        }
        # Some more rows and columns than a patch has, for arrays whose pixels are repeated.
        self.coarse = {
            dtype: numbers.integers(0, 120, (N, H + 6, W + 6)).astype(dtype) for dtype in DTYPES
        }
        kinds = {"": self.values, "-pixels": self.pixels, "-coarse": self.coarse}
        for kind, arrays in kinds.items():
            for dtype, values in arrays.items():
                values.tofile(self.folder / f"{dtype}{kind}.dat")
        self.open = {
            (dtype + kind, mapped): self.file(dtype + kind, mapped)
            for kind in kinds
            for dtype in DTYPES
            for mapped in (True, False)
        }
        self.n_right = self.n_refused = 0
        self.kept = []
        self.data, self.stored = self.data_set(numbers)

    # ---- what calls are made of ------------------------------------------------------------------

    def file(self, dtype, mapped, n_bytes=None, kind=files.File):
        path = self.folder / f"{dtype}.dat"
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return kind(
                descriptor, path, path.stat().st_size if n_bytes is None else n_bytes, mapped,
                self.rng.random() < 0.3,
            )  # fmt: skip
        except TypeError:
            os.close(descriptor)
            raise

    def data_set(self, numbers):
        """Three readers of a small folder, two engines, and the numbers that it stores."""
        stored = {name: numbers.integers(0, 900, (N, H, W)).astype("int16") for name in "ab"}
        stored["q"] = numbers.integers(0, 5, (N, H, W)).astype("uint8")
        folder = self.folder / "set"
        folder.mkdir()
        for name, values in stored.items():
            values.tofile(folder / f"{name}.dat")
        bands = [cloudio.Band(name, dtype=stored[name].dtype.name, scale=1.0) for name in stored]
        layout = cloudio.Layout("Fuzzed", (H, W), cloudio.Window(0, 0, H, W), bands)
        opened = [cloudio.open(folder, layout=layout, io=io) for io in ("mmap", "pread")]
        return [ds.reader(["a", "b"], size=(8, 8), threads=2) for ds in opened], stored

    def one_of(self, *choices):
        return self.rng.choice(choices)

    def odd(self):
        """Something that is seldom an argument."""
        return self.one_of(
            None, True, "x", b"x", (), [], {}, object(), 1.5, float("nan"), Number(0, 2**62),
            np.zeros(3), np.zeros((0, 3), np.int64), bytearray(8), python_array("q", [1, 2]),
            ctypes.c_int64(3), (ctypes.c_int64 * 2)(), memoryview(b""), 10**400, *HUGE,
        )  # fmt: skip

    def plane(self, dtype):
        """An array as one split has it, its file, and what it holds."""
        values = self.values[dtype]
        form = self.rng.randrange(18)
        if form > 13:
            return self.repeated(dtype, self.one_of(None, None, True, False))
        if form > 8:
            return self.channel(dtype, form)
        if form == 0:
            return in_ctypes(values), None, values
        if form == 1:
            return values[::-1, ::-1], None, values[::-1, ::-1]
        if form == 2:
            return memoryview(np.ascontiguousarray(values)), None, values
        if form == 3:
            one = values[:1]
            return np.broadcast_to(one, (N, H, W)), None, np.broadcast_to(one, (N, H, W))
        if form < 6:
            item = values.itemsize
            spec = values.dtype.char, 0, (N, H, W), (H * W * item, W * item, item)
            return spec, self.open[dtype, form == 4], values
        return values, None, values

    def channel(self, dtype, form):
        """One of the channels of pixels, in memory or in a file."""
        pixels, k = self.pixels[dtype], self.rng.randrange(C)
        values, item = pixels[..., k], pixels.itemsize
        if form == 9:
            step = self.one_of(-3, -1, 2, 5)
            wide = np.repeat(self.values[dtype], abs(step), 2)[:, :, ::step]
            return wide, None, wide
        if form > 11:
            return values, None, values
        strides = tuple(C * item * n for n in (H * W, W, 1))
        spec = values.dtype.char, k * item, (N, H, W), strides
        return spec, self.open[f"{dtype}-pixels", form == 10], values

    def repeated(self, dtype, mapped, spoil=False):
        """An array whose pixels are repeated, in memory (``mapped`` is None) or in a file.

        ``spoil``: one of its arguments is wrong, or was right.
        """
        ry, rx = repeat = self.one_of((1, 1), (2, 2), (3, 3), (6, 6), (2, 1), (1, 5), (40, 3))
        row, col = self.rng.randrange(H), self.rng.randrange(W)
        window = Window(row, col, self.rng.randint(1, H - row), self.rng.randint(1, W - col))
        places = [self.rng.randrange(-N, ry * rx) for _ in range(N)]
        if one := self.rng.random() < 0.3:
            places = [self.rng.randrange(ry * rx)] * N
        phases = np.array([(-1, -1 - p) if p < 0 else divmod(p, rx) for p in places])
        rows, cols = (
            -(-(side + r - 1) // r) + self.one_of(0, 0, 1)
            for side, r in zip(window.size, repeat, strict=True)
        )
        stored, whole = self.coarse[dtype], self.values[dtype]
        values = stored[:, :rows, :cols]
        held = native.expand(values, repeat, phases, (H, W), window, whole)
        array, exceptions, file, whole_file = values, whole, None, None
        if mapped is not None:
            file, whole_file = self.open[f"{dtype}-coarse", mapped], self.open[dtype, mapped]
            array, exceptions = (
                (part.dtype.char, 0, part.shape, part.strides) for part in (values, whole)
            )
        elif self.rng.random() < 0.2:
            array, exceptions = in_ctypes(values), in_ctypes(whole)
        given = {"repeat": repeat, "patch": (H, W), "exceptions": exceptions}
        given["window"] = (window.row, window.col, window.height, window.width)
        given["places"] = places[0] if one else np.array(places, np.int32)
        if whole_file is not None:
            given["exceptions_file"] = whole_file
        if spoil:
            array, file = self.spoil_repeated(given, array, file, dtype)
        return plans.Repeated(array, **given), file, held

    def spoil_repeated(self, given, array, file, dtype):
        """Do something wrong to the arguments of a repeated array; return it and its file."""
        name = self.one_of(*given)
        huge = self.one_of(*HUGE)
        form = self.rng.randrange(6)
        if form == 0:
            given[name] = self.odd()
        elif form == 1 and isinstance(given[name], tuple) and name != "exceptions":
            sides = list(given[name])
            sides[self.rng.randrange(len(sides))] = huge
            given[name] = self.one_of(tuple(sides), Lying(sides, given[name], sides * 2, []))
        elif form == 2:
            places = self.one_of(
                np.array([0, 2**31 - 1, 0], np.int32),
                np.full(N, self.one_of(-(2**31), -N - 1, 10**6), np.int32),
                np.zeros(self.one_of(0, 1, N + 1), np.int32),
                np.zeros(2 * N, np.int32)[::2],
                np.zeros(N, np.int64),
                huge,
            )
            given["places"] = places
        elif form == 3:
            given["exceptions"], given["exceptions_file"] = self.bad_plane(dtype)
        elif form == 4:
            return self.bad_plane(dtype)
        else:
            return array, self.one_of(None, self.odd(), self.open[dtype, True])
        return array, file

    def bad_plane(self, dtype):
        """An array that no plan may take, or whose sizes are only claimed."""
        values, file = self.values[dtype], self.open[dtype, self.one_of(True, False)]
        item = values.itemsize
        huge = self.one_of(*HUGE)
        spec = [values.dtype.char, 0, [N, H, W], [H * W * item, W * item, item]]
        if self.rng.random() < 0.3:  # the last channel, and what lies past it
            file = self.open[f"{dtype}-pixels", self.one_of(True, False)]
            spec[1], spec[3] = (C - 1) * item, [C * item * n for n in (H * W, W, 1)]
        form = self.rng.randrange(9)
        if form == 0:
            spec[1] = huge
        elif form == 1:
            spec[2][self.rng.randrange(3)] = huge
        elif form == 2:
            spec[3][self.rng.randrange(3)] = huge
        elif form == 3:
            spec[0] = self.one_of("Bb", "", "q", "é", None, 3, b"h")
        elif form == 4:
            claimed = self.file(dtype, False, self.one_of(2**63 - 1, 2**62, 2**40, 1, 0, -1))
            big = (2**63 - 1) // 4
            spec[2], spec[3] = [self.one_of(1, N, big), 1, 1], [item, item, item]
            return tuple(spec), claimed
        elif form == 5:
            spec[2] = [10**9, H, W]
            return tuple(spec), self.file(dtype, True, kind=BiggerFile)
        elif form == 6:
            as_strided = np.lib.stride_tricks.as_strided
            return as_strided(values, (1, 1, W), (huge % 2**63 // item * item, 0, item)), None
        elif form == 7:
            return self.one_of(
                values[:, :, ::2], values[0], values.astype("f8"), values[:, :0]
            ), None
        else:
            return self.odd(), self.one_of(None, file, self.odd())
        return tuple(spec), file

    def arrays(self, n_arrays, n_splits, types=DTYPES):
        """Rows of arrays and files of a plan, and what each array holds over all splits."""
        rows, file_rows, held = [], [], []
        for _ in range(n_arrays):
            dtype = self.rng.choice(types)
            planes = [self.plane(dtype) for _ in range(n_splits)]
            rows.append([plane[0] for plane in planes])
            file_rows.append([plane[1] for plane in planes])
            held.append(np.concatenate([plane[2] for plane in planes]))
        return rows, file_rows, held

    def spoil(self, rows, file_rows):
        """Do something wrong to the arrays of a plan."""
        a, s = self.rng.randrange(len(rows)), self.rng.randrange(len(rows[0]))
        form = self.rng.randrange(6)
        if form < 2:
            rows[a][s], file_rows[a][s] = self.bad_plane(self.one_of(*DTYPES))
        elif form == 2:
            mapped = self.one_of(None, True, False)
            rows[a][s], file_rows[a][s], _ = self.repeated(self.one_of(*DTYPES), mapped, True)
        elif form == 3:
            rows[a] = Lying(rows[a], rows[a] * 3, [])
        elif form == 4:
            return Lying(rows, rows * 50, rows[:0]), Lying(file_rows, file_rows[:0], file_rows * 9)
        else:
            file_rows[a] = self.one_of([], [None] * 9, None, 3)
        return rows, file_rows

    def plan(self):
        """A plan, what it holds, and how to make its oracle; or a refusal."""
        n_arrays, n_splits = self.one_of(1, 1, 2, 3), self.one_of(1, 1, 2, 3)
        kind = self.one_of("gather", "gather", "stored", "remap", "mask", "histogram")
        codes = kind in ("remap", "histogram")
        types = (
            ("uint8", "int8") if codes else (self.one_of(*DTYPES),) if kind == "stored" else DTYPES
        )
        if kind == "histogram":
            n_arrays = self.one_of(1, 2)
        rows, file_rows, held = self.arrays(n_arrays, n_splits, types)
        wrong = self.rng.random() < 0.3
        if wrong:
            rows, file_rows = self.spoil(rows, file_rows)
        numbers = [float(self.one_of(0, 1, 2, -3, 0.5)) for _ in range(n_arrays)]
        settings = {}
        window = (1, 2, H - 3, W - 5)
        if wrong and self.rng.random() < 0.5:
            numbers = self.one_of(
                Lying(numbers, numbers * 9, []), [Number(1, 2**62)] * n_arrays, None, [1e300] * 9
            )
            window = self.one_of(
                (0, 0, *self.rng.sample(HUGE, 2)), (*self.rng.sample(HUGE, 2), 1, 1), "abcd", None,
                Lying(window, (0, 0, 2**62, 2**62)))  # fmt: skip
        if kind == "stored":
            made = plans.Gather(rows, file_rows, None, None)
        elif kind == "gather":
            settings["interleaved"] = self.one_of(True, False)
            settings["to"] = self.one_of("float32", "float32", "float16", "bfloat16")
            if wrong:
                settings["to"] = self.one_of("float64", None, 3, "float32")
                settings["clip"] = self.one_of((None, None), (3, 1), Lying((0, 1), (5, 2)), None)
            made = plans.Gather(rows, file_rows, numbers, [0.0] * n_arrays, **settings)
            settings["scale"] = numbers
        elif kind == "remap":
            table = np.arange(256)[::-1].astype(self.one_of("uint8", "int64"))
            tables = [table] * n_arrays
            if wrong:
                tables = self.one_of(
                    Lying(tables, [table[:3]] * n_arrays),
                    [table[:255]] * n_arrays,
                    [in_ctypes(table.astype("uint8"))] * n_arrays,
                    [self.odd()] * n_arrays,
                    tables,
                )
            made = plans.Remap(rows, file_rows, tables, [(0, 0, H, W)] * n_arrays, 7)
            settings["table"] = table
        elif kind == "mask":
            made = plans.Mask(rows, file_rows, [None] * n_arrays, window)
        else:
            lut = self.one_of(
                None,
                np.zeros(256, np.uint8),
                in_ctypes(np.ones(256, np.uint8)),
                np.arange(512).astype(np.uint8) // 2,
            )
            made = plans.Histogram(rows, file_rows, window, class_lut=lut)
        if wrong:
            kind, held = "unknown", None
        return made, kind, held, settings

    def output(self, shape, dtype):
        """An output between canaries."""
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = np.full(n_bytes + 512, CANARY, np.uint8)
        return memory, memory[256 : 256 + n_bytes].view(dtype).reshape(shape)

    # ---- calls -----------------------------------------------------------------------------------

    def run(self):
        made, kind, held, settings = self.plan()
        if self.rng.random() < 0.05:
            self.meddle(made)
        n = self.one_of(0, 1, 2, 3, 7)
        square = self.one_of(True, False)
        height = self.rng.randint(1, H)
        width = height if square else self.rng.randint(1, W)
        index = np.array([self.rng.randrange(-N, N) for _ in range(n)], np.int64)
        origin = np.array(
            [self.rng.randint(0, H - height), self.rng.randint(0, W - width)], np.int64
        )
        symmetry = np.array(
            [self.rng.randrange(8) if square else 2 * self.rng.randrange(4) for _ in range(n)],
            np.int64)  # fmt: skip
        if isinstance(made, plans.Histogram):
            return self.count(made, index, origin, height, width)
        to = settings.get("to", "float32")
        if kind == "stored":
            dtype = held[0].dtype
        elif isinstance(made, plans.Gather):
            dtype = {"float16": "float16", "bfloat16": "uint16"}.get(to, "float32")
        else:
            dtype = "int64" if getattr(made, "class_type", 0) else "uint8"
        shape = [n, made.n_arrays, height, width]
        if isinstance(made, plans.Mask):
            shape = [n, height, width]
        elif getattr(made, "interleaved", False):
            shape = [n, height, width, made.n_arrays]
        memory, out = self.output(shape, dtype)
        arguments = [[made], [out], index.copy(), origin, symmetry, self.one_of(1, 1, 2)]
        wrong = kind == "unknown" or self.rng.random() < 0.3
        if wrong:
            self.spoil_run(arguments, made, out)
        evict = self.rng.random() < 0.02
        try:
            if self.rng.random() < 0.2:
                kernels.prefetch(arguments[0], arguments[2], arguments[3], height, width)
            fault = kernels.run(*arguments, evict)
        finally:
            if (memory[:256] != CANARY).any() or (memory[-256:] != CANARY).any():
                raise FindingError(f"{made} wrote outside its output: {arguments}")
        if wrong or fault is not None:
            return None
        self.compare(kind, held, settings, out, index, origin, symmetry)
        return None

    def compare(self, kind, held, settings, out, index, origin, symmetry):
        row, col = origin
        height, width = out.shape[1:3] if settings.get("interleaved") else out.shape[-2:]
        if kind not in ("stored", "remap") and settings.get("to") != "float32":
            return
        for k, (i, s) in enumerate(zip(index, symmetry, strict=True)):
            for a, values in enumerate(held):
                wanted = values[i, row : row + height, col : col + width]
                wanted = np.rot90(np.fliplr(wanted) if s >= 4 else wanted, s % 4)
                got = out[k, ..., a] if settings.get("interleaved") else out[k, a]
                if kind == "gather":
                    wanted = wanted.astype(np.float32) * np.float32(settings["scale"][a])
                elif kind == "remap":
                    wanted = settings["table"][wanted.view("uint8")]
                if wanted.astype(out.dtype).tobytes() != np.ascontiguousarray(got).tobytes():
                    raise FindingError(f"{kind} of array {a}, sample {k}: {got}, not {wanted}")

    def spoil_run(self, arguments, made, out):
        """Do something wrong to the arguments of a run."""
        form = self.rng.randrange(8)
        if form == 0:
            arguments[self.rng.randrange(6)] = self.odd()
        elif form == 1:
            arguments[0] = self.one_of(
                [made] * 4,
                [None],
                [plans.BasePlan],
                Lying([made], [made] * 3, []),
                (),
                iter([made]),
            )
        elif form == 2:
            arguments[1] = self.one_of(
                [out[..., ::2]],
                [out, out],
                Lying([out], [out] * 3),
                [out.T],
                [bytes(64)],
                [(ctypes.c_float * 5)()],
                [out.astype("f8")],
                [out[:0]],
            )
        elif form == 3:
            arguments[2] = self.one_of(
                (ctypes.c_int64 * 3)(),
                np.array([self.one_of(*HUGE[:4])]),
                np.zeros((2, 2), np.int64),
                np.zeros(4, np.int64)[::2],
                np.zeros(len(out), np.int32),
                memoryview(bytearray(24)),
            )
        elif form == 4:
            arguments[3] = self.one_of(
                np.array(self.rng.sample(HUGE[:5], 2)),
                np.zeros(0, np.int64),
                (ctypes.c_int64 * 2)(),
                np.full((len(out), 2), -1),
                np.zeros((len(out) + 1, 2), np.int64),
            )
        elif form == 5:
            arguments[4] = self.one_of(
                np.array(8),
                np.array(self.one_of(*HUGE[:5])),
                np.zeros(9, np.int64),
                ctypes.c_int64(self.one_of(0, 1, 8)),
                (ctypes.c_int64 * len(out))(),
            )
        elif form == 6:
            arguments[5] = self.one_of(*HUGE)
        else:
            self.kept.append(made)
            arguments[0] = [self.rng.choice(self.kept)]
            del self.kept[:-20]

    def meddle(self, made):
        """Try to change what a plan keeps."""
        for kept in gc.get_referents(made):
            if isinstance(kept, list):
                kept.clear()
        for name in ("files", "n_arrays", "n_patches", "kind"):
            try:
                setattr(made, name, [])
            except AttributeError:
                continue
            raise FindingError(f"{name} of {made} can be set")

    def count(self, made, index, origin, height, width):
        counts = np.zeros(made.n_counts, np.int64)
        classes = np.zeros((len(index), made.n_classes), np.int64) if made.n_classes else None
        arguments = [made, None, counts, classes, index, origin, height, width, self.one_of(1, 2)]
        if wrong := self.rng.random() < 0.3:
            arguments[self.rng.randrange(9)] = self.odd()
            if self.rng.random() < 0.2:
                counts[:] = 2**63 - 1
        fault = kernels.count(*arguments)
        if not wrong and fault is None and counts.sum() > len(index) * height * width:
            raise FindingError(f"{counts.sum()} pixels were counted of {len(index)} windows")

    def crowd(self):
        """Run while another thread changes the sequences, the index, and closes the file."""
        dtype = self.one_of(*DTYPES)
        file = self.file(dtype, self.one_of(True, False))
        values = self.values[dtype]
        item = values.itemsize
        spec = values.dtype.char, 0, (N, H, W), (H * W * item, W * item, item)
        given = [plans.Gather([[spec]], [[file]], [1.0], [0.0])]
        n = 200
        index, out = np.arange(n) % N, np.zeros((n, 1, H, W), np.float32)
        started = threading.Event()

        def change():
            started.set()
            for _ in range(20):
                index[:] = 2**62
                index[:] = 0
            given.clear()
            file.close()

        thread = threading.Thread(target=change)
        thread.start()
        started.wait()
        try:
            for _ in range(5):
                kernels.prefetch(given, np.arange(N), np.zeros(2, np.int64), H, W)
                kernels.run(given, [out], index, np.zeros(2, np.int64), None, 2)
        finally:
            thread.join()

    def of_file(self):
        dtype = self.one_of(*DTYPES)
        n_bytes = self.one_of(None, None, 1, *HUGE)
        file = self.file(
            dtype, self.one_of(True, False), n_bytes, self.one_of(files.File, BiggerFile)
        )
        for _ in range(4):
            offset, size = (self.one_of(0, 1, 5, 4096, *HUGE) for _ in "ab")
            call = self.one_of("resident", "evict", "size", "close", "fileno", "closed", "mapped")
            try:
                if call in ("resident", "evict"):
                    getattr(file, call)(offset, size)
                elif call in ("closed", "mapped"):
                    getattr(file, call)
                else:
                    getattr(file, call)()
            except REFUSALS:
                self.n_refused += 1

    def of_pool(self):
        returned = SimpleQueue()
        sizes = self.one_of(
            (64,), (64, 8), (0,), Lying([8], [8, 9]), [Number(8, 2**40)], self.odd()
        )
        made = pool.Pool(sizes, self.one_of(0, 1, 3, *HUGE), bytearray, returned)
        if self.rng.random() < 0.3:
            made.begun = self.one_of(*HUGE)
        leases = [
            pool.Lease(made, self.one_of(0, 1, -1, *HUGE), self.one_of(bytearray(99), self.odd()))
        ]
        leases += made.lend()
        views = [np.frombuffer(lease, np.uint8) for lease in leases]
        del leases
        token = pool.CancellationToken(made)
        token.cancel()
        for view in views:
            if view.size:
                view[-1] = 1

    def of_runtime(self):
        call = self.rng.randrange(4)
        if call == 0:
            runtime.use(self.one_of(*runtime.ISAS, self.odd()))
        elif call == 1:
            name = self.one_of(*runtime.tune())
            runtime.tune(**{name: self.one_of(1, 64, 4096, 1 << 20, *HUGE, Number(1, -5))})
        elif call == 2:
            buffers.address(
                self.one_of(self.odd(), self.values["int16"], in_ctypes(self.values["int8"]))
            )
        else:
            kernels.resolve(self.one_of(np.arange(3), self.odd()), self.one_of(3, *HUGE))

    def of_reader(self):
        """The public API: right calls are compared with numpy."""
        reader = self.rng.choice(self.data)
        n = self.one_of(1, 2, 5)
        index = [self.rng.randrange(-N, N) for _ in range(n)]
        origin = self.rng.randint(0, H - 8), self.rng.randint(0, W - 8)
        if self.rng.random() < 0.4:
            index = self.one_of(index, self.odd(), Lying([0], [0] * 99), [Number(0, 10**6)])
            origin = self.one_of(origin, self.odd(), Lying((0, 0), (99, 99)))
            call = self.one_of("read", "prefetch", "gather", "remap")
            if call == "gather":
                cloudio.gather(self.one_of([self.stored["a"]], self.odd()), index, origin=origin)
            elif call == "remap":
                cloudio.remap(
                    self.stored["q"], index, self.one_of({1: 2}, self.odd()), origin=origin
                )
            else:
                getattr(reader, call)(index, origin)
            return
        got = reader.read(index, origin).image
        row, col = origin
        for a, name in enumerate("ab"):
            wanted = self.stored[name][index, row : row + 8, col : col + 8].astype(np.float32)
            if not np.array_equal(got[:, a], wanted):
                raise FindingError(f"band {name} of {index} at {origin}")

    def of_loader(self):
        """Loaders and readers with odd arguments; an epoch of right ones has every patch once."""
        reader = self.rng.choice(self.data)
        given = {
            "shuffle": self.one_of(True, False),
            "drop_last": False,
            "prefetch": self.one_of(0, 1, 2),
            "seed": self.one_of(0, 7, 2**63 - 1),
            "symmetry": self.one_of(None, "d4", "flip"),
            "crop": self.one_of("random", "center", (0, 0)),
            "index": self.one_of(None, [0, 2], np.arange(N)[::-1]),
            "rank": self.one_of(0, 0, 1),
            "world_size": 2,
        }
        batch_size = self.one_of(1, 2, 9)
        wrong = self.rng.random() < 0.6
        if wrong:
            for _ in range(self.one_of(1, 2)):
                given[self.one_of(*given, "weights", "transform")] = self.odd()
            batch_size = self.one_of(batch_size, self.odd())
        loader = cloudio.Loader(reader, batch_size, **given)
        loader.set_epoch(self.one_of(0, 1, 2**62, self.odd()) if wrong else 1)
        batches = [batch.index for batch in itertools.islice(loader, 4)]
        if not wrong:
            patches = range(N) if given["index"] is None else list(given["index"])
            if not {*np.concatenate(batches).tolist()} <= {*map(int, patches)}:
                raise FindingError(f"{batches} of {given}")
            loader.load_state_dict(loader.state_dict())

    def of_dataset(self):
        """A reader of a data set, by arguments of which some are odd, and a read of it."""
        ds = self.rng.choice(self.data).dataset
        given = {"bands": self.one_of("a", ["a", "b"], ["b"]), "scale": None}
        for name in self.rng.sample(
            ("bands", "labels", "size", "dtype", "layout", "scale", "mean", "std", "ignore", "clip",
             "label_dtype", "threads", "fill", "valid", "evict"), self.one_of(0, 1, 2),
        ):  # fmt: skip
            given[name] = self.one_of(
                *(self.odd(), 1, 5, (3, 4), "float16", "NHWC", ["q"], "q", {"q": None}, (0, 9)),
                *("int16", True, 0.5, [1.0, 2.0], 10**400),
            )
        reader = ds.reader(**given)
        if max(reader.image_shape) <= max(H, W):
            reader.read([0, N - 1])
            reader.read(self.one_of(0, [-1], [N]), symmetry=self.one_of(None, 2, self.odd()))

    def of_public(self, draw):
        """The public API, which refuses by errors of its own and Python's IndexError."""
        try:
            if draw < 0.97:
                self.of_reader()
            elif draw < 0.985:
                self.of_dataset()
            else:
                self.of_loader()
        except (ValueError, TypeError, OverflowError, AttributeError, MemoryError) as error:
            if isinstance(error, cloudio.CloudioError):
                raise
            raise FindingError(f"a call ends in {error!r}") from error

    def call(self):
        """Make one call; count whether it was refused."""
        draw = self.rng.random()
        try:
            if draw < 0.72:
                self.run()
            elif draw < 0.80:
                self.of_file()
            elif draw < 0.88:
                self.of_pool()
            elif draw < 0.92:
                self.of_runtime()
            elif draw < 0.9985:
                self.of_public(draw)
            else:
                self.crowd()
            self.n_right += 1
        except REFUSALS:
            self.n_refused += 1


def fuzz(seed, calls, seconds=None):
    """Make so many calls; return how many were right and how many were refused."""
    tuning, isa = runtime.tune(), runtime.isa()
    end = None if seconds is None else time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(seed, folder)
        for k in range(calls):
            fuzzer.call()
            if k % 200 == 0:
                runtime.tune(**tuning)
            if end is not None and k % 256 == 0 and time.monotonic() > end:
                break
    runtime.tune(**tuning)
    runtime.use(isa)
    return fuzzer.n_right, fuzzer.n_refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=100_000)
    given = parser.parse_args()
    sys.setswitchinterval(1e-5)
    right, refused = fuzz(given.seed, given.calls)
    print(f"seed {given.seed}: {right:,} calls were right, {refused:,} were refused, 0 findings")
