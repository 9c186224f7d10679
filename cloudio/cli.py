"""The command line: words to arguments, errors to sentences. What it prints is made elsewhere."""

import argparse
import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .errors import CloudioError, CloudioWarning, RequestError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 where it did its work, 2 where it could not."""
    arguments = _parser().parse_args(argv)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        with _warnings_as_sentences():
            status = command(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CloudioError, CloudioWarning, OSError) as error:
        print(f"cloudio: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


@contextlib.contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, CloudioWarning):
            print(f"cloudio: warning: {message}", file=sys.stderr)
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudio",
        description="Satellite patches from flat memmap files to training batches.",
    )
    parser.add_argument("--version", action="version", version=f"cloudio {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser(
        "info", help="what a data set holds; or, alone, what this machine is"
    )
    info.add_argument("path", nargs="?", type=Path, help="a split folder, or a folder of splits")
    info.add_argument(
        "--layout",
        type=Path,
        metavar="FILE",
        help="what its files are (default: its cloudio.toml)",
    )
    info.add_argument("--toml", action="store_true", help="print what was found as such a FILE")
    info.set_defaults(command=_info)

    synth = commands.add_parser("synth", help="write a data set in the true on-disk form")
    synth.add_argument("path", type=Path, help="the folder to make; it must not exist")
    synth.add_argument(
        "--patches",
        nargs="+",
        metavar="SPLIT=N",
        default=["train=8", "val=2", "test=2"],
        help="patches of each split, 24.6 MB each (default: train=8 val=2 test=2)",
    )
    synth.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default: 0)")
    synth.set_defaults(command=_synth)

    bench = commands.add_parser("bench", help="time the main job against numpy, on this machine")
    bench.add_argument("path", nargs="?", type=Path, help="a data set; none: one made for the day")
    bench.add_argument(
        "--cold", action="store_true", help="from the disk: every page evicted before each run"
    )
    bench.add_argument("--threads", type=int, help="threads to use (default: all CPUs)")
    bench.add_argument("--rounds", type=int, help="times each is run (default: 9; cold: 5)")
    bench.add_argument("--json", action="store_true", help="print results as JSON")
    bench.set_defaults(command=_bench)

    stats = commands.add_parser(
        "stats", help="mean, deviation and percentiles of bands, pixels of classes, agreement"
    )
    stats.add_argument("path", type=Path, help="a split folder, or a folder of splits")
    stats.add_argument("--split", metavar="NAME", help="of this split alone (default: of all)")
    stats.add_argument(
        "--bands",
        type=_words,
        metavar="NAMES",
        help="presets or bands, comma between; 'all' (default: the first preset there is)",
    )
    stats.add_argument("--raw", action="store_true", help="numbers as stored, without scale")
    stats.add_argument("--no-bands", action="store_true", help="leave bands out")
    stats.add_argument(
        "--labels", type=_words, metavar="NAMES", help="labels to count (default: manual_hq)"
    )
    stats.add_argument("--no-labels", action="store_true", help="leave labels out")
    stats.add_argument(
        "--agreement", type=_words, metavar="NAMES", help="labels to compare with the reference"
    )
    stats.add_argument("--reference", metavar="NAME", help="with this label (default: manual_hq)")
    stats.add_argument(
        "--percentiles", type=_words, metavar="PERCENTS", help="such as 1,50,99; 'none'"
    )
    stats.add_argument("--layout", type=Path, metavar="FILE", help="what its files are")
    stats.add_argument("--threads", type=int, help="threads to use (default: all CPUs)")
    stats.add_argument("--json", action="store_true", help="print results as JSON")
    stats.add_argument("-o", "--output", type=Path, metavar="FILE", help="write that JSON there")
    stats.set_defaults(command=_stats)
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _info(arguments: argparse.Namespace) -> int:
    from . import info

    if arguments.path is None:
        if arguments.toml or arguments.layout:
            raise RequestError("--toml and --layout are about a folder; name one")
        print(info.machine())
    elif arguments.toml:
        print(info.toml(arguments.path, arguments.layout), end="")
    else:
        print(info.dataset(arguments.path, arguments.layout))
    return 0


def _synth(arguments: argparse.Namespace) -> int:
    from .synth import parse_patches, synthesize

    # As after Ctrl-C: what is half-written is removed on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    patches = parse_patches(arguments.patches)
    synthesize(arguments.path, patches, seed=arguments.seed, progress=True)
    print(f"{arguments.path}: {', '.join(f'{name} {n}' for name, n in patches.items())} patches")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from . import bench, cold

    run = cold.run if arguments.cold else bench.run
    rounds = {} if arguments.rounds is None else {"rounds": arguments.rounds}
    report = run(arguments.path, threads=arguments.threads, **rounds)
    print(report.json() if arguments.json else report)
    return 0


def _stats(arguments: argparse.Namespace) -> int:
    from . import stats_command

    results, hints = stats_command.run(arguments)
    if arguments.output:
        results.save(arguments.output)
    print(results.json() if arguments.json else "\n\n".join([str(results), *hints]))
    return 0
