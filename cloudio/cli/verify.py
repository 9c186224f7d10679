"""``cloudio verify``: validate a data set."""

import argparse
from pathlib import Path

from . import options
from .terminal import discard_output

HELP = "check a data set; the exit status is 1 if anything is found"
USAGE = "PATH [options]"
EXAMPLE = "cloudio verify data/ --quick"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_dataset(parser)
    parser.add_argument(
        "--quick", action="store_true", help="check only names, sizes and metadata.csv, no pixels"
    )
    options.add_layout(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="write the sizes and checksums of all arrays to FILE",
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with a FILE that --manifest wrote"
    )
    parser.add_argument(
        "--force", action="store_true", help="let --manifest replace an existing FILE"
    )
    options.add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    from ..verification.verify import verify

    report = verify(
        arguments.path,
        full=not arguments.quick,
        layout=arguments.layout,
        manifest=arguments.manifest,
        against=arguments.against,
        force=arguments.force,
        threads=arguments.threads,
    )
    try:
        print(report.json() if arguments.json else report, flush=True)
    except BrokenPipeError:  # the exit status still shows whether anything was found
        discard_output()
    return 0 if report.ok else 1
