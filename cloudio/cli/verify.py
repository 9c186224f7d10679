"""``cloudio verify``: validate a data set."""

import argparse
from pathlib import Path

from . import options
from .terminal import discard_output

HELP = "validate a data set; the exit status is 1 if anything is found"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_dataset(parser)
    parser.add_argument(
        "--quick", action="store_true", help="check names, sizes and metadata.csv, but no pixels"
    )
    options.add_layout(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="write sizes and checksums of all arrays"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with a file that --manifest wrote"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the manifest's file if it exists"
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
    except BrokenPipeError:  # the status still tells whether anything was found
        discard_output()
    return 0 if report.ok else 1
