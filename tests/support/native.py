"""Bands stored as the sensor saw them: what reads of them must equal, and data sets of them.

Nothing here asks cloudio how such bands are read. Pixels are repeated by `np.repeat`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import builders
import numpy as np

from cloudio import Band, Layout, Window

# A phase of each axis for all patches, or one per patch: (patch, 2), where (-1, e) is exception e.
Phase = int | tuple[int, int] | np.ndarray

PHASES, EXCEPTIONS = "phases/{name}.npy", "exceptions/{name}.npy"

# What is stored coarser in the small data set: for all patches alike, or patch by patch.
KEYS: dict[str, dict[str, Any]] = {
    "L1C_B3": {"repeat": 2, "phase": PHASES},
    "L1C_B4": {"repeat": 2, "phase": PHASES, "exceptions": EXCEPTIONS},
    "L1C_B8A": {"repeat": 3, "phase": (1, 2)},
    "L2A_B4": {"repeat": 6, "phase": PHASES, "exceptions": EXCEPTIONS},
    "L2A_AOT": {"repeat": 6},
    "S1_VV": {"repeat": (1, 2), "phase": (0, 1)},
    "S1_VH": {"repeat": (3, 2), "phase": PHASES, "exceptions": EXCEPTIONS},
    "EXTRA_count": {"repeat": 2, "phase": 1},
    "EXTRA_cover": {"repeat": 6, "phase": PHASES},
    "EXTRA_slope": {"repeat": 3, "phase": PHASES, "exceptions": EXCEPTIONS},
    "LABEL_hq": {"repeat": 2, "phase": PHASES, "exceptions": EXCEPTIONS},
    "LABEL_percent": {"repeat": (3, 2), "phase": (2, 0)},
}

# Arrays that share a file where files are stacked: how many channels, and which each array is.
STACKS: dict[str, tuple[int, dict[str, int]]] = {
    "twenty.npy": (3, {"L1C_B4": 2, "L1C_B3": 0}),
    "sixty.dat": (2, {"L2A_B4": 0, "L2A_AOT": 1}),
    "ten.dat": (2, {"L1C_B2": 1}),
}

# The same arrays where every pixel is stored.
FULL = dataclasses.replace(
    builders.SMALL,
    name="Full",
    bands=(*builders.SMALL.bands, Band("EXTRA_slope", dtype="int8", scale=0.5)),
)


def pair(number: int | Sequence[int]) -> tuple[int, int]:
    """One number for both axes, or one for each, as two."""
    rows, cols = (number, number) if isinstance(number, int) else number
    return rows, cols


def stored_size(size: tuple[int, int], repeat: int | tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that cover so many pixels in every phase."""
    ry, rx = pair(repeat)
    return -(-(size[0] + ry - 1) // ry), -(-(size[1] + rx - 1) // rx)


def phase_rows(phase: Phase, n: int) -> np.ndarray:
    """The phase of each of n patches, (patch, 2)."""
    if not isinstance(phase, np.ndarray):
        phase = np.array(pair(phase))
    return np.broadcast_to(phase, (n, 2))


def expand(
    stored: np.ndarray,
    repeat: int | tuple[int, int],
    phase: Phase = 0,
    patch: tuple[int, int] | None = None,
    window: Window | None = None,
    exceptions: np.ndarray | None = None,
) -> np.ndarray:
    """Return patches with every pixel, (patch, row, column); 0 outside the window.

    ``patch`` is the window's size by default, ``window`` the whole patch.  One of them is needed.
    Patches of ``exceptions`` are taken as they are.
    """
    ry, rx = pair(repeat)
    if window is None:
        window = Window(0, 0, *patch)
    patch = patch or window.size
    out = np.zeros((len(stored), *patch), stored.dtype)
    inside = np.s_[window.row : window.row + window.height, window.col : window.col + window.width]
    for k, (py, px) in enumerate(phase_rows(phase, len(stored)).tolist()):
        if py == -1:
            out[k] = exceptions[px]
            continue
        pixels = np.repeat(np.repeat(stored[k], ry, axis=0), rx, axis=1)
        out[k][inside] = pixels[py : py + window.height, px : px + window.width]
    return out


def shrink(
    full: np.ndarray,
    repeat: int | tuple[int, int],
    phase: Phase = 0,
    window: Window | None = None,
) -> np.ndarray:
    """Return what is stored of patches with every pixel; zeros for patches that are exceptions.

    Stored pixels that no pixel of the window shows are 0.
    """
    ry, rx = pair(repeat)
    window = window or Window(0, 0, *full.shape[1:])
    rows, cols = stored_size(window.size, repeat)
    out = np.zeros((len(full), rows, cols), full.dtype)
    for k, (py, px) in enumerate(phase_rows(phase, len(full)).tolist()):
        if py == -1:
            continue
        y, x = np.arange(window.height), np.arange(window.width)
        inside = full[k][np.ix_(window.row + y, window.col + x)]
        out[k][np.ix_((y + py) // ry, (x + px) // rx)] = inside
    return out


def random_phases(
    rng: np.random.Generator, n: int, repeat: int | tuple[int, int], n_exceptions: int = 0
) -> np.ndarray:
    """Any phase per patch, (patch, 2); (-1, e) for so many patches, in any order of e."""
    ry, rx = pair(repeat)
    phases = np.column_stack([rng.integers(0, ry, n), rng.integers(0, rx, n)])
    chosen = rng.permutation(n)[:n_exceptions]
    phases[chosen] = np.column_stack([np.full(len(chosen), -1), rng.permutation(len(chosen))])
    return phases.astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Stored:
    """One array of one split in the native form."""

    pixels: np.ndarray
    repeat: tuple[int, int]
    phase: Phase
    exceptions: np.ndarray | None

    def expanded(self, patch: tuple[int, int], window: Window) -> np.ndarray:
        """Every pixel of every patch."""
        return expand(self.pixels, self.repeat, self.phase, patch, window, self.exceptions)


def random_patches(
    name: str,
    n: int,
    dtype: Any,
    keys: Mapping[str, Any],
    patch: tuple[int, int],
    window: Window,
    seed: int = 0,
) -> Stored:
    """Patches of random pixels, stored as ``keys`` say: repeat, phase and exceptions.

    Stored pixels are random everywhere, also where no window shows them.  A third of the patches
    are exceptions where they may be; these are 0 outside the window.
    """
    rng = np.random.default_rng([seed, len(name), *name.encode()])
    repeat = pair(keys.get("repeat", 1))
    pixels = builders.pixels(name, (n, *stored_size(window.size, repeat)), dtype, seed)
    phase, whole = keys.get("phase", 0), None
    if isinstance(phase, str):
        n_whole = -(-n // 3) if keys.get("exceptions") else 0
        phase = random_phases(rng, n, repeat, n_whole)
        if n_whole:
            inner = builders.pixels(name, (n_whole, *window.size), dtype, seed + 99)
            whole = expand(inner, 1, 0, patch, window)
    return Stored(pixels, repeat, phase, whole)


def native_layout(keys: Mapping[str, Mapping[str, Any]] = KEYS, stacked: str | None = None) -> Any:
    """The layout of the native form; ``stacked``: "first" or "last" is where channels are."""
    entries = {band.name: dict(keys.get(band.name, {})) for band in FULL.bands}
    for file, (n, names) in STACKS.items() if stacked else ():
        for name, k in names.items():
            entries[name] |= {"file": file, "channel": k, "channels": n, "channel_axis": stacked}
    bands = tuple(dataclasses.replace(band, **entries[band.name]) for band in FULL.bands)
    return dataclasses.replace(FULL, name="Native", bands=bands)


def layout_text(layout: Layout, keys: Mapping[str, Mapping[str, Any]] = KEYS) -> str:
    """A layout as TOML, with what ``keys`` say of the native form."""
    lines = [f'name = "{layout.name}"', f"patch = {list(layout.patch)}"]
    window = layout.valid
    lines.append(f"valid = {[window.row, window.col, window.height, window.width]}")
    lines.append(f"prefixes = {quoted(list(layout.prefixes))}")
    for band in layout.bands:
        entry = {"name": band.name, "kind": band.kind, "dtype": band.dtype}
        entry |= {"nodata": band.nodata, "file": band.file, "channel": band.channel}
        entry |= {"channels": band.channels, **keys.get(band.name, {})}
        if band.kind == "band":
            entry["scale"] = band.scale
        if band.channels:
            entry["channel_axis"] = band.channel_axis
        lines += ["", "[[arrays]]"]
        lines += [f"{key} = {quoted(value)}" for key, value in entry.items() if value is not None]
    for name, maps in layout.label_maps.items():
        for policy, label_map in maps.items():
            classes = {k: "ignore" if v is None else v for k, v in label_map.classes.items()}
            lines += ["", f"[label_maps.{name}.{policy}]"]
            if label_map.unlisted is not None:
                lines.append(f"unlisted = {label_map.unlisted}")
            inner = ", ".join(f"{code} = {quoted(to)}" for code, to in classes.items())
            lines.append(f"classes = {{ {inner} }}")
    return "\n".join(lines) + "\n"


def quoted(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(quoted, value))}]"
    return str(value)


@dataclasses.dataclass(frozen=True)
class Roots:
    """The same patches twice: native, and with every pixel stored.

    ``arrays`` holds every pixel, over all splits in a data set's order; ``stored`` what is stored
    in the native form, by split and name.
    """

    native: Path
    full: Path
    arrays: dict[str, np.ndarray] = dataclasses.field(repr=False)
    stored: dict[tuple[str, str], Stored] = dataclasses.field(repr=False)


def write_roots(
    folder: Path,
    patches: Mapping[str, int],
    keys: Mapping[str, Mapping[str, Any]] = KEYS,
    *,
    seed: int = 0,
    stacked: str | None = None,
    toml: bool = False,
    metadata: bool = True,
) -> Roots:
    """Write a native data set and its 10 m form, ``folder``/native and ``folder``/full.

    Every second flat file is a ``.npy``.  ``toml``: each root gets its cloudio.toml.
    """
    roots = Roots(folder / "native", folder / "full", {}, {})
    patch, window = FULL.patch, FULL.valid
    for s, (split, n) in enumerate(patches.items()):
        for band in FULL.bands:
            stored = random_patches(
                band.name, n, band.dtype, keys.get(band.name, {}), patch, window, seed + s
            )
            if stored.repeat == (1, 1):  # it has numbers in its padding too
                whole = builders.pixels(band.name, (n, *patch), band.dtype, seed + s)
                stored = dataclasses.replace(stored, pixels=whole)
            roots.stored[split, band.name] = stored
        write_split(roots, split, keys, stacked)
        if metadata:
            for root in (roots.native, roots.full):
                builders.write_metadata(root / split / "metadata.csv", n, seed=seed + s)
    order = [name for name in ("train", "val", "test") if name in patches]
    order += sorted(set(patches).difference(order))
    for band in FULL.bands:
        parts = [full_pixels(roots.stored[split, band.name]) for split in order]
        roots.arrays[band.name] = np.concatenate(parts)
    if toml:
        text = layout_text(native_stacked(stacked), keys)
        (roots.native / "cloudio.toml").write_text(text, encoding="utf-8")
        (roots.full / "cloudio.toml").write_text(layout_text(FULL, {}), encoding="utf-8")
    return roots


def full_pixels(stored: Stored) -> np.ndarray:
    """Every pixel of an array of the small data set."""
    if stored.repeat == (1, 1):
        return stored.pixels
    return stored.expanded(FULL.patch, FULL.valid)


def native_stacked(stacked: str | None) -> Layout:
    """The native layout without what is new in it: files and channels only."""
    return native_layout({}, stacked)


def write_split(
    roots: Roots, split: str, keys: Mapping[str, Mapping[str, Any]], stacked: str | None
) -> None:
    """Write the files of one split in both forms."""
    native, full = roots.native / split, roots.full / split
    for folder in (full, native / "phases", native / "exceptions"):
        folder.mkdir(parents=True, exist_ok=True)
    shared = {name for _, names in STACKS.values() for name in names} if stacked else set()
    for k, band in enumerate(FULL.bands):
        stored = roots.stored[split, band.name]
        write_array(full / f"{band.name}.dat", full_pixels(stored))
        if band.name not in shared:
            suffix = ".npy" if k % 2 else ".dat"
            write_array(native / f"{band.name}{suffix}", stored.pixels)
        if isinstance(keys.get(band.name, {}).get("phase"), str):
            np.save(native / PHASES.format(name=band.name), stored.phase)
        if stored.exceptions is not None:
            np.save(native / EXCEPTIONS.format(name=band.name), stored.exceptions)
    for file, (n, names) in STACKS.items() if stacked else ():
        arrays = {k: roots.stored[split, name].pixels for name, k in names.items()}
        some = next(iter(arrays.values()))
        channels = [arrays.get(k, some[::-1]) for k in range(n)]
        pixels = np.stack(channels, 1 if stacked == "first" else -1)
        write_array(native / file, pixels)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as its file's name says: .npy, or flat in little-endian order."""
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        array.astype(array.dtype.newbyteorder("<")).tofile(path)
