"""Build the parser of all commands, run one of them, and print errors as one line each."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from .._version import __version__
from ..errors import CloudioError, CloudioWarning
from .terminal import discard_output, warnings_as_sentences

#: Every command, in the order of the help.  Each is the module of this folder of that name.
COMMANDS = ("info", "synth", "verify", "show", "bench", "stats")


class Command(Protocol):
    """The contents of a command's module, which imports the library only when it runs."""

    #: What the command does, in one line.
    HELP: str
    #: What is typed after the command's name: PATH first, then options that are required.  An
    #: option that takes several words would take a PATH after it too.
    USAGE: str
    #: A command that works with the synthetic data set of ``cloudio synth data/``.
    EXAMPLE: str

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add arguments and options to the command's parser."""

    @staticmethod
    def run(arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0: the command did its work.  1: ``verify`` found something.  2: the command could not do its
    work, and one line on stderr says why.  130: it was interrupted.
    """
    arguments = _build_parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        with warnings_as_sentences():
            status = run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        discard_output()
        return 0
    except (CloudioError, CloudioWarning, OSError) as error:
        print(f"cloudio: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudio",
        usage="cloudio COMMAND ...",
        description="Load crops of memory-mapped satellite images into training batches.",
        epilog="cloudio COMMAND --help shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"cloudio {__version__}")
    subparsers = parser.add_subparsers(
        required=True, metavar="COMMAND", title="commands", prog="cloudio"
    )
    for name in COMMANDS:
        command = cast(Command, importlib.import_module(f"{__package__}.{name}"))
        subparser = subparsers.add_parser(
            name,
            help=command.HELP,
            usage=f"cloudio {name} {command.USAGE}",
            description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=f"example: {command.EXAMPLE}",
        )
        command.add_options(subparser)
        subparser.set_defaults(run=command.run)
    return parser
