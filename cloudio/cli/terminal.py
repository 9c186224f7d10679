"""What commands write to the terminal: results, errors and warnings, as it can show them."""

import contextlib
import os
import re
import shutil
import sys
import textwrap
import warnings
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, TextIO

from .._utils.text import escape_controls
from ..errors import CloudioWarning

_RULES = "a LabelMap, a mapping of codes to classes, or None for codes as stored"
# Python's words in messages, and those of the command line.
_PHRASES = (
    ("with full=False", "with --quick"),
    ("use full=True (no --quick)", "leave out --quick"),
    ("force=True or --force", "--force"),
    ("open the data set with io='pread'", "in Python, open the data set with io='pread'"),
    ("layout must be a cloudio.Layout or the path of a TOML file", "give the path of a TOML file"),
    ("; pass scale=, such as scale=None for numbers as stored", "; --raw counts them as stored"),
    (
        "pass scale=, such as scale=0.0001, or scale=None for numbers as stored",
        "give --raw, which counts numbers as stored",
    ),
    ("or (low, high), with", "or LOW,HIGH, with"),
    (f"them, {_RULES}", "them or codes"),
    (_RULES, "--policy codes"),
)
# Of a label without a map.
_MAP = re.compile(
    r" Give \{'[^']*': None\} for codes as stored, or \{.*?\}\} for classes; or write "
)
# Where a command has no --policy, neither of these helps.
_GIVE_CODES = ". Give --policy codes"
_CONFIRM = re.compile(r"\s*To confirm, write labels=\{'(?P<label>[^']*)': '(?P<policy>[^']*)'\}")
# Arguments as Python has them, and in parentheses as options.
_BRACES = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_ARGUMENT = rf"\b[a-z_]+=(?:{_BRACES}|\[[^\]]*\]|'[^']*'|[^\s,(){{\['][^\s,()]*)"
_BOTH = re.compile(rf"{_ARGUMENT}(?:(?:, | with ){_ARGUMENT})* \((--[^()]+)\)")
_UNNAMED = " is named without a policy and follows "
_NARROWEST = 40


# ---- results -------------------------------------------------------------------------------------


def write(text: str) -> None:
    """Print a result; what the terminal cannot print in names becomes an escape.

    On a terminal long lines are wrapped between words.  In files and pipes they stay whole.
    """
    _print(_shown(text, sys.stdout))


def write_data(text: str) -> None:
    """Print JSON or TOML as it is; characters that stdout cannot print become its escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    _print("".join(map(partial(_escaped, encoding), text)) if not text.isascii() else text)


def _escaped(encoding: str, character: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        n = ord(character)
        return f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}"
    return character


def _print(text: str) -> None:
    """Print to stdout; nothing if it is closed, or if its reader (such as ``head``) has left."""
    if sys.stdout is None:  # closed by the shell, as by >&-
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        raise OSError(f"the output cannot be written: {error.strerror}") from None


def _shown(text: str, stream: TextIO | None) -> str:
    lines = [escape_controls(line) for line in text.split("\n")]
    if stream is not None and stream.isatty():
        width = max(_NARROWEST, shutil.get_terminal_size().columns)
        lines = [part for line in lines for part in _wrapped(line, width)]
    return "\n".join(lines)


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line as several; those after the first are indented."""
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


@contextlib.contextmanager
def printable() -> Iterator[None]:
    """Let stdout and stderr print any name: what their encoding lacks becomes an escape."""
    streams = [s for s in (sys.stdout, sys.stderr) if hasattr(s, "reconfigure")]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            with contextlib.suppress(ValueError):  # it is closed
                stream.reconfigure(errors=errors)


def _discard_output() -> None:
    """Discard what stdout still holds: Python would try to write it at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# ---- messages ------------------------------------------------------------------------------------


def write_error(
    message: object, options: Collection[str] = (), paths: Collection[str] = ()
) -> None:
    """Print an error on stderr; ``options`` are those of the command, without dashes."""
    text = str(message)
    if isinstance(message, OSError) and message.errno is not None and message.filename is not None:
        text = f"{os.fsdecode(message.filename)}: {message.strerror}"
    _to_stderr(f"cloudio: {in_options(text, options, paths)}")


def _to_stderr(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(_shown(text, sys.stderr), file=sys.stderr)


def in_options(message: str, options: Collection[str], paths: Collection[str] = ()) -> str:
    """Return a message in the words of the command line: ``--threads 0`` for ``threads=0``.

    Names of folders, such as ``split=train``, stay as they are; ``paths`` are those of the command.
    """
    # Only these can be taken for options; a path such as "data" is also a word.
    kept = sorted({path for path in paths if "=" in path}, key=len, reverse=True)
    if not kept:
        return _reworded(message, options)
    parts = re.split(f"({'|'.join(map(re.escape, kept))})", message)
    return "".join(part if k % 2 else _reworded(part, options) for k, part in enumerate(parts))


def _reworded(message: str, options: Collection[str]) -> str:
    confirmed = "policy" in options
    if confirmed:
        message = _CONFIRM.sub(r" To confirm, give --labels \g<label> --policy \g<policy>", message)
    else:
        message = _CONFIRM.sub("", message)
        message = message.replace(_UNNAMED, " follows the policy ")
    message = _MAP.sub(" Give --policy codes, or write " if confirmed else " Write ", message)
    for python, words in _PHRASES:
        message = message.replace(python, words)
    if not confirmed:
        message = message.replace(_GIVE_CODES, "")
    parts = _BOTH.split(message)
    return "".join(part if k % 2 else _in_dashes(part, options) for k, part in enumerate(parts))


def _in_dashes(message: str, options: Collection[str]) -> str:
    if options:
        names = "|".join(sorted(map(re.escape, options), key=len, reverse=True))
        # What follows a slash or a quote is a name, and so is a similar one.
        before = r"(?<!did you mean )(?<![\w.(\-/\\'\"])"
        message = re.sub(
            rf"{before}({names})=(?=\S)", lambda name: f"--{name[1].replace('_', '-')} ", message
        )
        message = re.sub(rf"(; |, so )({names})(?= must )", r"\1--\2", message)
        message = re.sub(r"(--size) \((\d+), \2\)", r"\1 \2", message)
        message = re.sub(r"\bindex\[\d+\] = ", "--index ", message)
        message = re.sub(r"(--[a-z-]+) \[([^\]]*)\]", _as_words, message)
        message = re.sub(rf"(--[a-z-]+) ({_BRACES})", _as_pairs, message)
    return message


def _as_words(found: re.Match[str]) -> str:
    """Return the option and its words, for a list such as ``['B4', 'B3']``."""
    return f"{found[1]} {found[2].replace(chr(39), '').replace(', ', ',')}"


def _as_pairs(found: re.Match[str]) -> str:
    """Return the option and its words, for a mapping such as ``{'mask': 'uint8'}``."""
    pair = r"'([^']*)': (?:'([^']*)'|([^\s,{}']+))"
    if not re.fullmatch(rf"\{{{pair}(?:, {pair})*\}}", found[2]):
        return found[0]
    pairs = re.findall(pair, found[2])
    return " ".join([found[1], *(f"{name}={text or other}" for name, text, other in pairs)])


@contextlib.contextmanager
def warnings_as_sentences(
    options: Collection[str] = (), paths: Collection[str] = ()
) -> Iterator[None]:
    """Print cloudio's own warnings as one line each; other warnings look as Python shows them."""
    show_others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *position: Any, **more: Any) -> None:
        if issubclass(category, CloudioWarning):
            _to_stderr(f"cloudio: warning: {in_options(str(message), options, paths)}")
        else:
            show_others(message, category, *position, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = show_others
