"""What the program around cloudio may have changed, and what must not change with it.

    python tests/support/environments.py FOLDER ENVIRONMENT

prints a digest of each operation, twice: the environment is changed before an operation makes what
it uses ("made"), or after ("used").
"""

import contextlib
import ctypes
import decimal
import hashlib
import json
import locale
import os
import platform
import random
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cloudio
from cloudio import stats
from cloudio.layouts.toml_writer import to_toml

# ---- environments --------------------------------------------------------------------------------

# Of <fenv.h>: where a fenv_t has its control register, and bits of that, by machine.
REGISTERS = {
    "x86_64": (28, {"up": 0x4000, "down": 0x2000, "zero": 0x6000, "flush": 0x8040}),
    "aarch64": (0, {"up": 1 << 22, "down": 2 << 22, "zero": 3 << 22, "flush": 1 << 24}),
}


def set_floats(mode: str) -> None:
    """Let this thread round otherwise, or take subnormal numbers for 0, as some libraries do."""
    at, bits = REGISTERS[platform.machine()]
    libm, environment = ctypes.CDLL("libm.so.6"), ctypes.create_string_buffer(64)
    libm.fegetenv(environment)
    register = ctypes.c_uint32.from_buffer(environment, at)
    register.value |= bits[mode]
    libm.fesetenv(environment)


def _decimals() -> None:
    context = decimal.getcontext()
    context.prec, context.rounding = 3, decimal.ROUND_UP
    context.traps[decimal.Inexact] = True


def _locale() -> None:
    locale.setlocale(locale.LC_ALL, "")
    assert locale.localeconv()["decimal_point"] == ","


def _recursion() -> None:
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + 150)


#: What each does to this process; more is in its variables.
ENVIRONMENTS: dict[str, Callable[[], object]] = {
    "as it is": lambda: None,
    "rounds up": lambda: set_floats("up"),
    "rounds down": lambda: set_floats("down"),
    "rounds to zero": lambda: set_floats("zero"),
    "flushes": lambda: set_floats("flush"),
    "numpy raises": lambda: np.seterr(all="raise"),
    "numpy prints": lambda: np.set_printoptions(precision=2, suppress=True, threshold=1),
    "decimals": _decimals,
    "locale": _locale,
    "warnings": lambda: warnings.simplefilter("error"),
    "recursion": _recursion,
    "digits": lambda: sys.set_int_max_str_digits(640),
    "hashes": lambda: None,
    "time zone": lambda: None,
    "rights": lambda: os.umask(0o077),
    "folder": lambda: os.chdir(os.sep),
}
VARIABLES = {"hashes": {"PYTHONHASHSEED": "7"}, "time zone": {"TZ": "Asia/Kathmandu"}}

# ---- operations ----------------------------------------------------------------------------------

SIDE = 24
TOML = """
name = "Around"
patch = [24, 24]
valid = [1, 1, 22, 22]
[[arrays]]
names = ["A", "B"]
dtype = "int16"
scale = 0.0001
offset = 7
nodata = -1
[[arrays]]
names = ["F"]
dtype = "float32"
scale = 1.0
[[arrays]]
names = ["L", "M"]
dtype = "uint8"
kind = "label"
[label_maps.L.ours]
classes = ["clear", "cloud", "shadow"]
[label_maps.M.ours]
classes = ["clear", "cloud", "shadow"]
"""


def make_data(folder: Path) -> None:
    """Write data whose numbers show how they are rounded, some of them subnormal."""
    folder.mkdir(parents=True)
    (folder / "cloudio.toml").write_text(TOML)
    n, numbers = 12, np.arange(12 * SIDE * SIDE)
    shape = n, SIDE, SIDE
    for k, name in enumerate("AB"):
        (numbers * 40_503 + k).reshape(shape).astype("<i2").tofile(folder / f"{name}.dat")
    with np.errstate(all="ignore"):
        floats = (np.sin(numbers) * 10.0 ** (numbers % 90 - 45)).astype(np.float32)
    floats.tofile(folder / "F.dat")
    for k, name in enumerate("LM"):
        (numbers * (k + 3) // 7 % 3).astype(np.uint8).tofile(folder / f"{name}.dat")
    rows = [f"{k},roi{k // 3},{k / 7:.3f},202{k % 4}-0{k % 9 + 1}-11T10:20:30" for k in range(n)]
    (folder / "metadata.csv").write_text("\n".join(["id,roi_id,cover,date", *rows]) + "\n")


Operation = Callable[[], Any]


def _reads(folder: Path) -> Operation:
    ds = cloudio.open(folder)
    settings = {"mean": [0.1, 0.3], "std": [0.3, 0.7], "clip": (-0.1, 0.7), "fill": 0.1}
    readers = [ds.reader(["A", "B"], "L", size=9, dtype=x, **settings) for x in _DTYPES]
    readers += [ds.reader(["A", "B"], scale=1e-43), ds.reader("F"), ds.reader("F", scale=1e-30)]
    return lambda: [x.read([3, 1, 11], symmetry=5) for x in readers]


# Computed before an environment changes: numbers of the caller.
_DTYPES, _THIRD = ("float32", "float16"), 1 / 3
_WEIGHTS = [1 / (k + 3) for k in range(12)]


def _gathers(folder: Path) -> Operation:
    array, floats = cloudio.open(folder)["A"], cloudio.open(folder)["F"]
    return lambda: [
        cloudio.gather([array], [0, 3], scale=_THIRD, offset=-0.1),
        cloudio.gather([array], [0, 3], scale=3e-45, size=7),
        cloudio.gather([floats], [1], scale=1e-7, dtype="float16"),
    ]


def _remaps(folder: Path) -> Operation:
    array = cloudio.open(folder)["L"]
    return lambda: cloudio.remap(array, [0, 5], {0: 2, 1: 1, 2: 0}, symmetry=3, ignore=9)


def _epochs(folder: Path) -> Operation:
    reader = cloudio.open(folder).reader(["A"], "L", size=5)
    loaders = [
        cloudio.Loader(reader, 5, seed=4, symmetry="d4", columns=["roi_id", "cover"]),
        cloudio.Loader(reader, 5, seed=4, prefetch=0),
        cloudio.Loader(reader, 5, seed=4, weights=_WEIGHTS),
        cloudio.Loader(reader, 5, seed=4, weights=_WEIGHTS, replacement=False),
    ]
    return lambda: [[list(loader), loader.state_dict()] for loader in loaders]


def _statistics(folder: Path) -> Operation:
    ds, file = cloudio.open(folder), folder.resolve().parent / "saved.json"

    def run() -> list[Any]:
        results = [
            stats.bands(ds, ["A", "F"], progress=False),
            stats.classes(ds, "L", progress=False),
            stats.agreement(ds, "L", "M", progress=False),
        ]
        texts = []
        for result in results:
            file.unlink(missing_ok=True)
            result.save(file)
            texts += [str(result), file.read_text(), str(stats.load(file))]
        return [
            *texts,
            [results[0].mean, results[0].std, results[0].nodata],
            [results[1].weights(), results[1].weights("effective", beta=0.99), results[1].share],
            [results[2].iou, results[2].kappa, results[2].balanced_accuracy],
        ]

    return run


def _verifies(folder: Path) -> Operation:
    folder = folder.resolve()
    manifest = folder.parent / "manifest.json"

    def run() -> list[Any]:
        report = cloudio.verify(folder, progress=False, manifest=manifest, force=True)
        found = json.loads(report.json())
        found.pop("seconds")
        return [json.dumps(found), manifest.read_text()]

    return run


def _splits(folder: Path) -> Operation:
    ds = cloudio.open(folder)

    def run() -> list[Any]:
        made = cloudio.make_splits(
            ds, {"train": 0.65, "val": 0.15, "test": 0.2}, group="id", stratify="cover"
        )
        return [dict(made), str(made)]

    return run


def _layouts(folder: Path) -> Operation:
    layout = cloudio.Layout.from_toml(folder / "cloudio.toml")
    scaled = cloudio.Band("X", scale_factor=0.1, add_offset=_THIRD)
    other = cloudio.Layout("Other", (4, 4), cloudio.Window(0, 0, 4, 4), [scaled])
    folder = folder.resolve()
    file = folder.parent / "written.toml"

    def run() -> list[Any]:
        texts = [to_toml(cloudio.Layout.from_toml(folder / "cloudio.toml"))]
        for made in (layout, other, cloudio.CLOUDSEN12):
            file.write_text(to_toml(made))
            again = cloudio.Layout.from_toml(file)
            texts += [to_toml(made), str(again == made)]
            texts += [float(x).hex() for band in again.bands for x in band.factors or ()]
        return texts

    return run


def _synthetic(folder: Path) -> Operation:
    folder = folder.resolve()

    def run() -> list[Any]:
        made = folder.parent / "synthetic"
        arrays = ["L1C_B2", "S1_VV", "LABEL_manual_hq", "EXTRA_elevation"]
        cloudio.synthesize(made, {"val": 1}, seed=3, arrays=arrays)
        found = [x.read_bytes() for x in sorted(made.rglob("*.*"))]
        shutil.rmtree(made)
        return found

    return run


def _metadata(folder: Path) -> Operation:
    ds = cloudio.open(folder)
    return lambda: [
        *ds.metadata.values(),
        repr(ds),
        ds.subset(cover=0.143).metadata["id"],
        ds._repr_html_(),
    ]


OPERATIONS: dict[str, Callable[[Path], Operation]] = {
    "reads": _reads,
    "gather": _gathers,
    "remap": _remaps,
    "epochs": _epochs,
    "statistics": _statistics,
    "verify": _verifies,
    "splits": _splits,
    "layouts": _layouts,
    "synthesize": _synthetic,
    "metadata": _metadata,
}


def digest(value: Any) -> str:
    """Return a hash of arrays, texts and numbers, however they are nested."""
    hashed = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, np.ndarray):
            hashed.update(f"{value.dtype}{value.shape}".encode())
            hashed.update(value.tobytes() if value.dtype != object else repr(value).encode())
        elif isinstance(value, dict):
            add([[name, part] for name, part in value.items()])
        elif isinstance(value, (list, tuple)):
            hashed.update(f"{len(value)}".encode())
            for part in value:
                add(part)
        elif isinstance(value, bytes):
            hashed.update(value)
        else:
            hashed.update(f"{value}".encode())

    add(value)
    return hashed.hexdigest()[:16]


# ---- one process ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Undo most of an environment, which digests are not made in."""
    libm, floats = None, ctypes.create_string_buffer(64)
    if platform.machine() in REGISTERS and sys.platform == "linux":
        libm = ctypes.CDLL("libm.so.6")
        libm.fegetenv(floats)
    limit, numpy_errors, printing = sys.getrecursionlimit(), np.geterr(), np.get_printoptions()
    here = os.getcwd()
    with warnings.catch_warnings(), decimal.localcontext():
        try:
            yield
        finally:
            if libm is not None:
                libm.fesetenv(floats)
            os.chdir(here)
            sys.setrecursionlimit(limit)
            np.seterr(**numpy_errors)
            np.set_printoptions(**printing)


def outcomes(folder: Path, name: str, phase: str) -> dict[str, str]:
    """Return the digest of each operation, or what it raised."""
    found = {}
    for operation, make in OPERATIONS.items():
        before = random.getstate()[1], str(np.random.get_state())  # noqa: NPY002
        with _restored():
            try:
                if phase == "made":
                    ENVIRONMENTS[name]()
                # A relative path, which means something else later.
                named = Path(os.path.relpath(folder)) if name == "folder" else folder
                run = make(named if phase == "used" else folder)
                if phase == "used":
                    ENVIRONMENTS[name]()
                value = run()
            except Exception as error:
                value = None
                found[operation] = f"{type(error).__name__}: {error}"
        if value is not None:
            found[operation] = digest(value)
        if (random.getstate()[1], str(np.random.get_state())) != before:  # noqa: NPY002
            found[operation] += ", and the global random state changed"
    return found


if __name__ == "__main__":
    found = {phase: outcomes(Path(sys.argv[1]), sys.argv[2], phase) for phase in ("made", "used")}
    print(json.dumps(found))
