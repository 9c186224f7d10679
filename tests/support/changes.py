"""What is done to files while they are read, and what may then be returned.

**Right** is a batch in which each array is what its opened file held, all at once, at some moment
between the read's begin and its end:

- cut: what it held before, and once the cut is done nothing past its new end;
- cut and restored, touched, deleted, replaced: what it held when it was opened;
- cut to nothing and extended: all of it as before, or all zeros, and not both;
- rewritten: the old generation, the new one, or the new up to some page and the old from there,
  for it is written from front to back.  An old page before a new one never was;
- an array of another file: what that always held;
- a mask: that of the returned pixels.

What was before the change is right only if the read began before the change was done; what is after
it, only if the read ended after it had begun.

An error must have the file as `path`, and by pread a TruncatedError `patch` and `offset` too.  A
**false alarm** is one that comes before anything was done, or for a file that was deleted or
replaced, which leaves the opened one alone; and a TruncatedError for a file that was never shorter.
"""

import itertools
import mmap
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import cloudio

N_PATCHES, SIDE = 24, 128
BANDS = tuple(f"B{k}" for k in range(1, 9))
NAMES = (*BANDS, "LABEL")
LAYOUT = cloudio.Layout(
    name="Changing",
    patch=(SIDE, SIDE),
    valid=cloudio.Window(0, 0, SIDE, SIDE),
    bands=(
        *(cloudio.Band(name, dtype="int16", scale=1.0, nodata=0) for name in BANDS),
        cloudio.Band("LABEL", kind="label", dtype="uint8"),
    ),
)
# Batches of 0.3 to 13 MB, so on both sides of the size from which mmap asks again after the copy.
READER_OPTIONS: tuple[dict[str, Any], ...] = (
    {"dtype": "int16"},
    {"dtype": "float32", "valid": True},
    {"dtype": "float32", "layout": "NHWC", "size": 64},
)
PAGE = mmap.PAGESIZE
# What a pixel is: no data, of the first generation, or of the second.
HOLE, OLD, NEW = range(3)
# How far the change of a trial has come.
WAITING, BEGUN, DONE, OVER = range(4)
# How bad an outcome is, its name, and what there is to say.
RIGHT, REFUSED, BAD = range(3)
Outcome = tuple[int, str, str]


class Change(IntEnum):
    """How much of an opened file is changed."""

    NOTHING = 0
    TIME = 1
    BYTES = 2
    LENGTH = 3


# ---- the data set --------------------------------------------------------------------------------


@cache
def pixels(name: str, generation: int) -> np.ndarray:
    """An array, (patch, row, column): its generation in the upper bits, noise in the lower."""
    dtype, low = (np.uint8, 4) if name == "LABEL" else (np.int16, 12)
    noise = np.random.default_rng(NAMES.index(name)).integers(
        1 << low, size=(N_PATCHES, SIDE, SIDE), dtype=dtype
    )
    return noise | dtype(generation << low) if generation else np.zeros_like(noise)


@cache
def content(name: str, generation: int) -> bytes:
    return pixels(name, generation).tobytes()


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.dat"


def restore(folder: Path, name: str) -> None:
    """Write a file anew, as an inode of its own: nothing that was done to the last one stays."""
    path_of(folder, name).unlink(missing_ok=True)
    path_of(folder, name).write_bytes(content(name, OLD))


# ---- what is done to a file ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trial:
    """What seed and number of a trial settle."""

    action: str
    name: str  # of the array whose file is changed
    length: int  # in bytes, of what is left of it
    options: dict[str, Any]  # of the reader
    index: list[int]
    skip: int  # reads before the one that is met
    moment: float  # of the change, and the pause within it, in lengths of a read
    pause: float

    @classmethod
    def drawn(cls, seed: int, number: int) -> "Trial":
        draw = random.Random(f"{seed}/{number}")
        action, name = list(ACTIONS)[number % len(ACTIONS)], draw.choice(NAMES)
        size = pixels(name, OLD).nbytes
        lengths = {
            "cut to nothing": [0],
            "cut at a page": [draw.randrange(0, size, PAGE)],
            "cut in the last page": [size - draw.randrange(1, PAGE)],
            "cut anywhere": [draw.randrange(size)],
        }
        return cls(
            action,
            name,
            draw.choice(lengths.get(action) or list(itertools.chain(*lengths.values()))),
            draw.choice(READER_OPTIONS),
            draw.choices(range(N_PATCHES), k=4)
            if draw.random() < 0.3
            else draw.sample(range(N_PATCHES), N_PATCHES),
            draw.randrange(3),
            draw.random(),
            draw.choice((0.0, draw.random(), 2 * draw.random())),
        )


def cut(path: Path, trial: Trial, pause: float) -> None:
    os.truncate(path, trial.length)


def cut_and_restore(path: Path, trial: Trial, pause: float) -> None:
    cut(path, trial, pause)
    time.sleep(pause)
    write(path, trial.length, content(trial.name, OLD)[trial.length :])


def rewrite(path: Path, trial: Trial, pause: float) -> None:
    write(path, 0, content(trial.name, NEW))


def rewrite_in_pieces(path: Path, trial: Trial, pause: float) -> None:
    new = content(trial.name, NEW)
    for start in range(0, len(new), 16 * PAGE):
        write(path, start, new[start : start + 16 * PAGE])
        time.sleep(pause / 12)


def make_holes(path: Path, trial: Trial, pause: float) -> None:
    os.truncate(path, 0)
    os.truncate(path, pixels(trial.name, OLD).nbytes)


def delete(path: Path, trial: Trial, pause: float) -> None:
    path.unlink()


def replace(path: Path, trial: Trial, pause: float) -> None:
    new = content(trial.name, NEW)
    shorter = trial.action == "replaced by a shorter one"
    other = path.with_suffix(".new")
    other.write_bytes(new[: trial.length] if shorter else new)
    other.replace(path)


def touch(path: Path, trial: Trial, pause: float) -> None:
    os.utime(path)


def write(path: Path, start: int, what: bytes) -> None:
    """Write in place, in one call of the system."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(start)
        if file.write(what) != len(what):
            raise OSError(f"{path} could not be written")


@dataclass(frozen=True, slots=True)
class Action:
    """Something done to a file, after which the opened one holds ``becomes``, or what is left.

    ``changes`` is what of the opened file does, if only for a while: its length, bytes or time.
    """

    do: Callable[[Path, Trial, float], None]
    changes: Change
    becomes: int = OLD

    @property
    def cuts(self) -> bool:
        return self.do is cut


ACTIONS = {
    "cut anywhere": Action(cut, Change.LENGTH),
    "cut at a page": Action(cut, Change.LENGTH),
    "cut in the last page": Action(cut, Change.LENGTH),
    "cut to nothing": Action(cut, Change.LENGTH),
    "cut and restored": Action(cut_and_restore, Change.LENGTH),
    "emptied and extended": Action(make_holes, Change.LENGTH, HOLE),
    "rewritten": Action(rewrite, Change.BYTES, NEW),
    "rewritten in pieces": Action(rewrite_in_pieces, Change.BYTES, NEW),
    "touched": Action(touch, Change.TIME),
    "deleted": Action(delete, Change.NOTHING),
    "replaced": Action(replace, Change.NOTHING),
    "replaced by a shorter one": Action(replace, Change.NOTHING),
}
NO_ACTION = Action(touch, Change.NOTHING)


# ---- what is right -------------------------------------------------------------------------------

# Image (sample, band, row, column), label (sample, row, column), and a mask if there is one.
Parts = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the batches of a trial can hold of one array, and at which byte of its file that is."""

    name: str
    kinds: tuple[np.ndarray, np.ndarray, np.ndarray]
    at: np.ndarray


def window_of(trial: Trial) -> tuple[slice, slice]:
    size = trial.options.get("size", SIDE)
    side = slice((SIDE - size) // 2, (SIDE + size) // 2)
    return side, side


def wanted(trial: Trial) -> list[Wanted]:
    window, found = window_of(trial), []
    for name in NAMES:
        stored = [pixels(name, kind) for kind in (HOLE, OLD, NEW)]
        at = np.arange(stored[OLD].size).reshape(stored[OLD].shape) * stored[OLD].itemsize
        hole, old, new, at = (x[trial.index][:, *window] for x in (*stored, at))
        found.append(Wanted(name, (hole, old, new), at))
    return found


def wrong(trial: Trial, before: int, after: int, arrays: list[Wanted], found: Parts) -> str | None:
    """What is wrong with a batch that was read while the change came from one stage to another."""
    image, label, valid = found
    stored = [*image.astype(np.int16, copy=False).swapaxes(0, 1), label]
    for array, got in zip(arrays, stored, strict=True):
        if fault := wrong_array(trial, before, after, array, got):
            return fault
    masked = valid is not None and not np.array_equal(valid, (image != 0).all(axis=1))
    return "the mask is not that of the pixels" if masked else None


def wrong_array(
    trial: Trial, before: int, after: int, array: Wanted, got: np.ndarray
) -> str | None:
    action = ACTIONS[trial.action] if array.name == trial.name else NO_ACTION
    unchanged = np.array_equal(got, array.kinds[OLD])
    if unchanged and not action.cuts and (action.becomes == OLD or before < DONE):
        return None
    masks = [got == kind for kind in array.kinds]
    if not np.logical_or.reduce(masks).all():
        return f"{array.name}: neither old, new nor zero"
    allowed = {action.becomes} if after >= BEGUN else set()
    if action.becomes == OLD or before < DONE:
        allowed.add(OLD)
    present = {kind for kind, mask in enumerate(masks) if mask.any()}
    if not present <= allowed:
        return f"{array.name}: {named(present)} pixels, where the file held {named(allowed)}"
    if action.cuts and before == DONE and array.at.max() >= trial.length:
        return f"{array.name}: bytes past its end at {trial.length}"
    if len(present) == 1:
        return None
    if action.becomes != NEW:
        return f"{array.name}: {named(present)} pixels at once"
    # Within a page the order in which bytes are written, and read, is the CPU's affair.
    old, new = array.at[masks[OLD]].min(), array.at[masks[NEW]].max()
    if new // PAGE <= old // PAGE:
        return None
    return f"{array.name}: still old at byte {old:,}, new at {new:,}"


def named(kinds: set[int]) -> str:
    return " and ".join(("zero", "old", "new")[kind] for kind in sorted(kinds)) or "nothing"


def refusal(trial: Trial, after: int, error: OSError, path: Path, io: str) -> Outcome:
    """An error as an outcome; ``after`` is how far the change had come."""
    truncated = isinstance(error, cloudio.TruncatedError)
    kind, text = "TruncatedError" if truncated else "OSError", str(error)
    needed = Change.LENGTH if truncated else Change.TIME
    if after == WAITING or ACTIONS[trial.action].changes < needed:
        return BAD, "false alarm", f"{kind}: {text}"
    if not isinstance(error, cloudio.ReadError) or error.path != path or str(path) not in text:
        return BAD, "vague error", f"{kind}: {text}"
    if io == "pread" and truncated and (error.patch is None or error.offset is None):
        return BAD, "vague error", f"{kind}: {text}"
    return REFUSED, kind, text
