"""``cloudio bench``: time cloudio against other ways to load the same samples."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import RequestError
from . import options

HELP = "time the main job against numpy, on this machine"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", nargs="?", type=Path, help="a data set (default: a temporary synthetic one)"
    )
    parser.add_argument(
        "--cold", action="store_true", help="read from the disk: evict every page before each run"
    )
    parser.add_argument(
        "--train", action="store_true", help="loaders and DataLoaders, for a consumer that computes"
    )
    parser.add_argument("--size", type=int, help="side of the crops (--train only; default: 224)")
    parser.add_argument("--batch", type=int, help="samples of a batch (--train only; default: 32)")
    parser.add_argument(
        "--compute",
        type=float,
        metavar="MS",
        help="time the consumer takes for a batch (--train only; default: as long as a read)",
    )
    options.add_threads(parser)
    parser.add_argument(
        "--rounds", type=int, help="how often each runs (default: 9; --cold 5, --train 3)"
    )
    parser.add_argument("--json", action="store_true", help="print results as JSON")


def run(arguments: argparse.Namespace) -> int:
    from ..bench import cold, train, warm

    keywords = {"rounds": "rounds", "batch": "batch_size", "size": "size", "compute": "compute"}
    given: dict[str, Any] = {
        keyword: getattr(arguments, option)
        for option, keyword in keywords.items()
        if getattr(arguments, option) is not None
    }
    if not arguments.train and given.keys() - {"rounds"}:
        raise RequestError("--size, --batch and --compute need --train")
    measure: Callable[..., Any] = cold.run if arguments.cold else warm.run
    if arguments.train:
        measure, given["evicted"] = train.run, arguments.cold
    report = measure(arguments.path, threads=arguments.threads, **given)
    print(report.json() if arguments.json else report)
    return 0
