"""Options that several commands have, and how lists are written in one word."""

import argparse
from pathlib import Path


def add_dataset(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add PATH, the data set."""
    parser.add_argument(
        "path",
        nargs=None if required else "?",
        type=Path,
        help="a split folder, or a folder of splits",
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layout",
        type=Path,
        metavar="FILE",
        help="a TOML file that describes the arrays (default: the data set's cloudio.toml)",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, help="threads to use (default: all CPUs)")


def split_at_commas(text: str) -> list[str]:
    """Return the items of a list such as ``B4,B3``."""
    return [item.strip() for item in text.split(",")]
