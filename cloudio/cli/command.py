"""Build the parser of all commands, run one of them, and print errors as one line each."""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol, cast

from .._utils.machine import warn_about_variables
from .._utils.text import suggest
from .._version import __version__
from ..errors import CloudioError, CloudioWarning
from .process import run_alone
from .terminal import printable, warnings_as_sentences, write_error
from .words import arrange, positionals

_OF_ALL = ("--help", "--version")
# Options that commands lack and Python has.
_IN_PYTHON = {
    "io": "; in Python it is cloudio.open(path, io=...)",
    "policy": "; in Python give a policy with the label: {'sen2cor': 'authors'}",
}
#: Every command, in the order of the help.  Each is the module of that name in ``commands/``.
COMMANDS = ("info", "synth", "pack", "compact", "verify", "show", "bench", "stats", "unpack")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors begin with the option and what was given for it."""

    def error(self, message: str) -> NoReturn:
        found = re.fullmatch(r"argument (?:-\w/)?(--?[\w-]+): (.*)", message, re.DOTALL)
        if found is None:
            super().error(message)
        option, reason = found.groups()
        action = self._option_string_actions.get(option)
        if reason.startswith("expected") and action is not None:
            name = action.metavar or action.dest.upper()
            reason = f"needs a value: {option} {name}"
        elif (wrong := re.match(r"invalid choice: ('.*?') ", reason)) and action is not None:
            reason = f"{wrong[1]}; it must be one of {', '.join(action.choices or ())}"
        super().error(f"{option} {reason}")


class Command(Protocol):
    """The contents of a command's module, which imports the library only when it runs."""

    #: What the command does, in one line.
    HELP: str
    #: What is typed after the command's name: PATH first, then options that are required.
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

    0: the command did its work.  1: ``verify`` found what ``--fail-on`` names.  2: the command
    could not do its work, and one line on stderr says why.  130: it was interrupted.  128 plus the
    number of another signal: that signal ended it.

    Without ``argv`` the words are those of this process, which ends after the command; then it
    handles signals.
    """
    if argv is None:
        return run_alone(lambda: main(sys.argv[1:]))
    try:
        with printable():
            return _run(_parse(argv))
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int] = arguments.run
    others = ("run", "command", "path", "dest")
    given = {name: value for name, value in vars(arguments).items() if name not in others}
    options = [name for name, value in given.items() if not isinstance(value, bool)]
    words = [str(x) for x in vars(arguments).values() if isinstance(x, (str, Path))]
    paths = [*words, *map(os.path.abspath, words)]
    try:
        with warnings_as_sentences(options, paths):
            warn_about_variables()
            return run(arguments)
    except (CloudioError, CloudioWarning, OSError) as error:
        write_error(error, options, paths)
    except MemoryError:
        write_error("there is not enough memory")
    return 2


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command; what is wrong with them ends the process with status 2."""
    parser, of_command = _build_parsers()
    if not argv:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    if argv[0] not in COMMANDS:
        _check_first(parser, argv)
    if argv[0] in COMMANDS:
        _check_options(of_command[argv[0]], argv[1:])
        argv = [argv[0], *arrange(of_command[argv[0]], argv[1:])]
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(of_command[arguments.command], unknown[0])
    return arguments


def _check_first(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Exit if the first word is neither a command nor an option of all commands."""
    first = words[0]
    later = next((word for word in words if word in COMMANDS), None)
    if first == "help":
        of_one = "" if later is None else f" {later}"
        parser.error(f"there is no command 'help'; cloudio{of_one} --help shows the help")
    if first.startswith("-"):
        if first == "-h" or (len(first) > 2 and any(x.startswith(first) for x in _OF_ALL)):
            return
        what, hint = f"there is no option {first} before the command", ""
        if later is None:
            what = f"there is no option {first}"
            short = {"-v": "--version", "-V": "--version", "-?": "--help"}.get(first)
            hint = f"; did you mean {short}?" if short else suggest(first, _OF_ALL)
    else:
        what = f"there is no command {first!r}"
        hint = f"; commands are {', '.join(COMMANDS)}{suggest(first, COMMANDS)}"
    if later is not None:
        others = list(words)
        others.remove(later)
        hint = f"; give the command first: cloudio {later} {' '.join(others)}"
    parser.error(f"{what}{hint or '; cloudio --help lists all'}")


def _refuse(parser: argparse.ArgumentParser, word: str) -> NoReturn:
    """Exit for a word that a command does not take."""
    if not word.startswith("-"):
        takes = " and ".join(names) if len(names := positionals(parser)) > 1 else f"one {names[0]}"
        parser.error(f"{word!r} is extra; {parser.prog} takes {takes}")
    known = re.findall(r"--([a-z][a-z-]*)", parser.format_help())
    hint = suggest(word.lstrip("-"), known)
    if len(word) == 2:
        alike = [name for name in known if name[0] == word[1] and name != "help"]
        hint = f"; did you mean {alike[0]}?" if alike else ""
    hint = hint.replace("mean ", "mean --")
    if os.path.exists(word):
        hint = f"; for the folder of that name give ./{word}"
    parser.error(f"there is no option {word}; {parser.prog} --help lists all{hint}")


def _check_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Exit for an option that the command does not have.

    argparse would report a missing PATH first, or an option that is required.
    """
    known = re.findall(r"--([a-z][a-z-]*)", parser.format_help())
    for word in words:
        if word == "--":
            return
        name = word.partition("=")[0].removeprefix("--")
        # Options may be shortened.
        if word.startswith("--") and not any(option.startswith(name) for option in known):
            hint = suggest(name, known).replace("mean ", "mean --") or _IN_PYTHON.get(name, "")
            parser.error(f"there is no option --{name}; {parser.prog} --help lists all{hint}")


def _build_parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command line, and that of each command."""
    parser = _Parser(
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
        command = cast(Command, importlib.import_module(f"{__package__}.commands.{name}"))
        subparser = subparsers.add_parser(
            name,
            help=command.HELP,
            usage=f"cloudio {name} {command.USAGE}",
            description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=f"example: {command.EXAMPLE}",
        )
        command.add_options(subparser)
        subparser.set_defaults(run=command.run, command=name)
    return parser, dict(subparsers.choices)
