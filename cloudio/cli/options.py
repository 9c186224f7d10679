"""Options of several commands."""

import argparse
from pathlib import Path


def whole(text: str) -> int:
    """Return the whole number of an option."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """Return the number of an option."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


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
