"""Options of several commands."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RequestError

if TYPE_CHECKING:
    from ..reading.dataset import Dataset


def whole(text: str) -> int:
    """Return the whole number of an option that must be 1 or more; the library checks the limit."""
    return _int(text, "a whole number, 1 or more")


def seed(text: str) -> int:
    """Return the whole number of an option that must be 0 or more."""
    return _int(text, "a whole number, 0 or more")


def _int(text: str, needed: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; it must be {needed}") from None


def number(text: str) -> float:
    """Return the number of an option."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; it must be a number") from None


def add_dataset(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add PATH, the data set."""
    parser.add_argument(
        "path",
        nargs=None if required else "?",
        metavar="PATH",
        help="a split folder, or a folder whose sub-folders are splits",
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layout",
        type=Path,
        metavar="FILE",
        help="a TOML file that describes the arrays (default: cloudio.toml of PATH, of its root "
        "or of its splits, else CloudSEN12)",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=whole,
        metavar="N",
        help="number of threads (default: CLOUDIO_THREADS, else OMP_NUM_THREADS, else one per CPU)",
    )


def one_split(ds: "Dataset", name: str | None) -> "Dataset":
    """Return the split that --split names; the whole data set without it."""
    if name is None:
        return ds
    if "," in name and name not in ds.splits:
        raise RequestError(f"--split {name!r}; it takes one split; leave it out for all splits")
    return ds.split(name)


def parse_index(words: Sequence[str], n_patches: int) -> list[int]:
    """Return the patches of words such as ``3``, ``3,7`` and ``0:6``."""
    index: list[int] = []
    for word in words:
        if re.fullmatch(r"-?\d+", word):
            index.append(int(word))
        elif ends := re.fullmatch(r"(\d+):(\d+)", word):
            if int(ends[2]) > n_patches:
                raise RequestError(
                    f"--index {word} ends too late; there are {n_patches} patches, so "
                    f"give {ends[1]}:{n_patches} or less"
                )
            index += range(int(ends[1]), int(ends[2]))
        else:
            raise RequestError(f"--index {word!r}; it must be a number, or a range such as 0:6")
    if not index:
        raise RequestError(f"--index {' '.join(words)} selects no patch")
    return index
