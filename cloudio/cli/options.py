"""Options of several commands, and lists that are written in one word."""

import argparse
from pathlib import Path


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
        type=int,
        metavar="N",
        help="number of threads (default: CLOUDIO_THREADS, else OMP_NUM_THREADS, else one per CPU)",
    )


def split_at_commas(text: str) -> list[str]:
    """Return the items of a list such as ``B4,B3``."""
    return [item.strip() for item in text.split(",")]
