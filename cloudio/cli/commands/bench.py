"""``cloudio bench``: time cloudio against other ways to load the same samples."""

import argparse
from collections.abc import Callable
from typing import Any

from ...errors import RequestError
from .. import options
from ..terminal import write, write_data

HELP = "measure how fast this machine reads, compared with numpy"
USAGE = "[PATH] [options]"
EXAMPLE = "cloudio bench data/ --rounds 3"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="a data set (default: a temporary synthetic one)",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="evict every page before each run, so that reads come from the disk",
    )
    parser.add_argument(
        "--train",
        action="store_true",
        help="time loaders for a consumer that computes on every batch",
    )
    parser.add_argument(
        "--size",
        type=options.whole,
        metavar="PIXELS",
        help="side of the square crops (needs --train; default: 224)",
    )
    parser.add_argument(
        "--batch",
        type=options.whole,
        metavar="N",
        help="samples per batch (needs --train; default: 32)",
    )
    parser.add_argument(
        "--compute",
        type=options.number,
        metavar="MS",
        help="milliseconds that the consumer computes per batch (needs --train; default: as long "
        "as a read takes)",
    )
    options.add_layout(parser)
    options.add_threads(parser)
    parser.add_argument(
        "--rounds",
        type=options.whole,
        metavar="N",
        help="number of runs of each candidate (default: 9; with --cold 5, with --train 3)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    from ...bench import cold, train, warm

    keywords = {"rounds": "rounds", "batch": "batch_size", "size": "size", "compute": "compute"}
    given: dict[str, Any] = {
        keyword: getattr(arguments, option)
        for option, keyword in keywords.items()
        if getattr(arguments, option) is not None
    }
    if not arguments.train and given.keys() - {"rounds"}:
        raise RequestError("--size, --batch and --compute need --train")
    if arguments.path is None and arguments.layout:
        raise RequestError("--layout needs a data set; give its PATH")
    measure: Callable[..., Any] = cold.run if arguments.cold else warm.run
    if arguments.train:
        measure, given["evicted"] = train.run, arguments.cold
    given |= {"layout": arguments.layout, "threads": arguments.threads}
    report = measure(arguments.path, **given)
    if arguments.json:
        write_data(report.json())
    else:
        write(str(report))
    return 0
