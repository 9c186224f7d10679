"""``cloudio compact``: store bands whose pixels are repeated as the sensor saw them."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import RequestError
from .. import options
from ..terminal import write, write_data
from ..words import Words

HELP = "write a data set with bands of 20 m and 60 m stored as the sensor saw them, not repeated"
USAGE = "SOURCE DEST [options]"
EXAMPLE = "cloudio compact data/ compacted/"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="SOURCE",
        help="a split folder, or a folder whose sub-folders are splits",
    )
    parser.add_argument(
        "dest", type=Path, metavar="DEST", help="the folder to create; it must not exist"
    )
    parser.add_argument(
        "--repeat",
        action=Words,
        like=r"([^=]+=)?\d+(x\d+)?",
        metavar="R",
        help="repeats to try: 2, 1x2 for rows and columns, or B11=2 for one band, and B11=1 for "
        "none (default: 6 3 2)",
    )
    parser.add_argument(
        "--exceptions",
        type=options.number,
        metavar="SHARE",
        default=0.05,
        help="the largest share of a band's patches that may be no repetition (default: 0.05)",
    )
    parser.add_argument(
        "--labels",
        action="store_true",
        help="store labels so too, where they are repetitions",
    )
    parser.add_argument(
        "--workers",
        type=options.whole,
        metavar="N",
        help="number of threads (default: that of readers)",
    )
    options.add_layout(parser)
    parser.add_argument("--resume", action="store_true", help="go on with a run that was ended")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing; show what would be saved, by some patches",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    from ..._utils.progress import on_terminal
    from ...packing.compacting.compact import compact
    from ...packing.running.unfinished import unfinished_folder

    try:
        result = compact(
            arguments.path,
            arguments.dest,
            layout=arguments.layout,
            repeat=parse_repeats(arguments.repeat),
            exceptions=arguments.exceptions,
            labels=arguments.labels,
            workers=arguments.workers,
            resume=arguments.resume,
            dry_run=arguments.dry_run,
            progress=on_terminal(),
        )
    except KeyboardInterrupt:
        folder = unfinished_folder(arguments.dest)
        if folder.exists():
            write(f"stopped; {folder} has what is done. The same command with --resume goes on")
        raise
    if arguments.json:
        write_data(result.json())
    else:
        write(str(result))
    return 0


def parse_repeats(words: Sequence[str] | None) -> Any:
    """Return the repeats for `compact`, from words such as ``6``, ``1x2`` or ``B11=2``."""
    if words is None:
        return None
    common: list[int | tuple[int, int]] = []
    own: dict[str, list[int | tuple[int, int]]] = {}
    for word in words:
        name, equals, number = word.rpartition("=")
        found = re.fullmatch(r"([0-9]{1,6})(?:x([0-9]{1,6}))?", number)
        if found is None or (equals and not name):
            raise RequestError(
                f"--repeat {word!r}; it must be a number such as 2, rows and columns such as 1x2, "
                "or one of these for a band, such as B11=2"
            )
        repeat = int(found[1]) if found[2] is None else (int(found[1]), int(found[2]))
        (own.setdefault(name, []) if equals else common).append(repeat)
    if own and common:
        raise RequestError(
            f"--repeat {' '.join(words)}; give numbers for all bands, or NAME=NUMBER for some"
        )
    return own or common
