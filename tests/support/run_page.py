"""Runs the blocks of a page, as somebody would who pastes them one after another.

``python run_page.py BLOCKS RESULTS`` in a fresh folder.  Both are JSON: a list of blocks, as of
pages.py, and for each what went wrong, or None.  Python shares one namespace, commands the folder.

What a block prints is what the page shows.  ``...`` in a line stands for anything in that line, and
a line of nothing else for any lines.  ``# ->`` behind a statement shows its value or what it
prints.  Warnings count as printed, without their place: ``CloudioWarning: text``.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import re
import shlex
import subprocess
import sys
import tokenize
import tomllib
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

_MARK = "\1status "


class PageError(Exception):
    """A block does not do what the page says."""


def same(printed: str, shown: str) -> bool:
    """Whether a page shows what was printed."""
    pattern = ""
    for line in _lines(shown):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(map(re.escape, line.split("..."))) + r"\n"
    text = "".join(f"{line}\n" for line in _lines(printed))
    return re.fullmatch(pattern, text) is not None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def check(printed: str, shown: str) -> None:
    if not same(printed, shown):
        raise PageError(f"the page shows\n{shown.strip() or '(nothing)'}\n--- printed was\n{printed}")


# ---- Python --------------------------------------------------------------------------------------


class Python:
    """The one namespace of a page."""

    def __init__(self, page: str) -> None:
        self.page = page
        main = ModuleType("__main__")
        self.names = vars(main)
        sys.path.insert(0, os.getcwd())

    def run(self, code: str, line: int, prints: str | None) -> None:
        """Run a block, statement by statement; check what each of them shows."""
        name = f"{self.page}, line {line}"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        body = ast.parse(code).body
        ends = [statement.lineno for statement in body[1:]] + [1 << 30]
        comments = _shown_values(code)
        rest = ""
        for statement, end in zip(body, ends, strict=True):
            shown = [text for at, text in comments if statement.lineno <= at < end]
            with printed() as stream:
                value = self._execute(statement, name)
            if shown:
                text = stream.getvalue() + ("" if value is None else f"{value!r}\n")
                check(text, "\n".join(shown))
            else:
                rest += stream.getvalue()
        check(rest, prints or "")

    def _execute(self, statement: ast.stmt, name: str) -> Any:
        if isinstance(statement, ast.Expr):
            return eval(compile(ast.Expression(statement.value), name, "eval"), self.names)
        return exec(compile(ast.Module([statement], []), name, "exec"), self.names)


def _shown_values(code: str) -> list[tuple[int, str]]:
    """Return the comments that begin with ``->``, each with its line."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    comments = [(token.start[0], token.string) for token in tokens if token.type == 55 or token.string[:1] == "#"]
    return [(at, text[4:].strip()) for at, text in comments if text.startswith("# ->")]


@contextlib.contextmanager
def printed() -> Iterator[io.StringIO]:
    """What is printed meanwhile, and each warning that people would see."""
    stream = io.StringIO()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        stream.write(f"{category.__name__}: {message}\n")

    before = warnings.showwarning
    warnings.showwarning = show
    try:
        with contextlib.redirect_stdout(stream):
            yield stream
    finally:
        warnings.showwarning = before


# ---- commands ------------------------------------------------------------------------------------


def run_console(code: str, *_: Any) -> None:
    """Run each command after ``$`` and compare what it prints, errors included, with what follows."""
    commands: list[list[str]] = []
    shown: list[str] = []
    for line in code.splitlines():
        if line.startswith("$ "):
            commands.append([line[2:]])
            shown.append("")
        elif commands and commands[-1][-1].endswith("\\"):
            commands[-1].append(line.removeprefix("> "))
        elif commands:
            shown[-1] += f"{line}\n"
        else:
            raise PageError(f"no $ before {line!r}")
    done = _bash(["\n".join(command) for command in commands])
    for k, (text, status) in enumerate(done):
        check(text, shown[k])
        asked = k + 1 < len(commands) and "$?" in commands[k + 1][0]
        if status and not asked:
            raise PageError(f"status {status} of {commands[k]}\n{text}")


def run_sh(code: str, _: int, prints: str | None) -> None:
    """Run commands that a page shows without what they print, or with a text block behind them."""
    ((text, status),) = _bash([f"set -e\n{code}"])
    if status:
        raise PageError(f"status {status}\n{text}")
    if prints is not None:
        check(text, prints)


def _bash(commands: list[str]) -> list[tuple[str, int]]:
    """Run commands in one shell; return what each prints, and its status."""
    end = f"status=$?; printf '\\n{_MARK}%s\\n' $status; (exit $status)"
    script = "exec 2>&1\n" + "".join(f"{command}\n{end}\n" for command in commands)
    done = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, env=os.environ)
    parts = re.split(rf"\n{_MARK}(\d+)\n", done.stdout)
    found = [(text, int(status)) for text, status in zip(parts[:-1:2], parts[1::2], strict=True)]
    if len(found) < len(commands):
        found.append((parts[-1], done.returncode or 1))
    if len(found) < len(commands):
        raise PageError(f"the shell has ended after {commands[: len(found)]}\n{done.stdout}")
    return found


def programs(folder: Path) -> None:
    """Have ``python`` and ``cloudio`` mean this interpreter and its cloudio."""
    folder.mkdir()
    python = shlex.quote(sys.executable)
    for name, command in {
        "python": python,
        "cloudio": f"{python} -m cloudio",
        "torchrun": f"{python} -m torch.distributed.run",
    }.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])


# ---- a page --------------------------------------------------------------------------------------


def main(blocks_file: str, results_file: str) -> None:
    task = json.loads(Path(blocks_file).read_text(encoding="utf-8"))
    programs(Path(task["programs"]))
    python = Python(task["page"])
    runners: dict[str, Callable[[str, int, str | None], None]] = {
        "python": python.run,
        "console": run_console,
        "sh": run_sh,
        "toml": lambda code, *_: tomllib.loads(code) and None,
        "json": lambda code, *_: json.loads(code) and None,
        "text": lambda *_: None,
    }
    results: list[str | None] = []
    for block in task["blocks"]:
        error = None
        if not block["skipped"]:
            try:
                if block["title"]:
                    with open(block["title"], "a", encoding="utf-8") as file:
                        file.write(block["code"])
                else:
                    runners[block["language"]](block["code"], block["line"], block["prints"])
            except PageError as failure:
                error = str(failure)
            except BaseException:
                error = traceback.format_exc()
        results.append(error)
    Path(results_file).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
