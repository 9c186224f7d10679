"""``cloudio verify``: validate a data set."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from .. import options
from ..terminal import write, write_data

HELP = "check a data set; the exit status is 1 if errors or warnings are found"
USAGE = "PATH [options]"
EXAMPLE = "cloudio verify data/ --quick"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_dataset(parser)
    parser.add_argument(
        "--quick", action="store_true", help="check only names, sizes and metadata.csv, no pixels"
    )
    parser.add_argument(
        "--native",
        action="store_true",
        help="also look for pixels that are repeated, which cloudio compact stores once; with "
        "--quick nothing else is read",
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
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning", "note", "never"),
        default="warning",
        help="the least severe finding that makes the exit status 1 (default: warning)",
    )
    options.add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    from ...verification.verify import verify

    report = verify(
        arguments.path,
        full=not arguments.quick,
        layout=arguments.layout,
        manifest=arguments.manifest,
        against=arguments.against,
        force=arguments.force,
        threads=arguments.threads,
        native=arguments.native,
    )
    if arguments.json:
        write_data(report.json())
    else:
        write(str(report))
    failing = _from_severity(arguments.fail_on)
    return int(any(finding.severity in failing for finding in report.findings))


def _from_severity(least: str) -> Sequence[str]:
    """Return the severities from the most severe to ``least``; none for "never"."""
    from ...verification.check_table import SEVERITIES

    return SEVERITIES[: SEVERITIES.index(least) + 1] if least in SEVERITIES else ()
