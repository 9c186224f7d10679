"""Runs the blocks of a page, as somebody would who pastes them one after another.

``python run_page.py TASK RESULTS`` in a fresh folder.  Both are JSON: the task has the blocks, as
of pages.py; the results are what went wrong with each, or None.

Python blocks share one namespace, and all blocks the folder.  What a block prints must be what the
page shows.  ``...`` in a line stands for anything in that line, and a line of nothing else for any
lines.  ``# ->`` behind a statement shows its value, or what it prints.  Warnings count as printed:
``CloudioWarning: text``.
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

Block = dict[str, Any]


class PageError(Exception):
    """A block does not do what the page shows."""


# ---- what is shown -------------------------------------------------------------------------------


def check(printed: str, shown: str | None, *, numbers_vary: bool = False) -> None:
    """Raise PageError where a page does not show what was printed."""
    before, after = _lines(shown or ""), _lines(printed)
    if numbers_vary:
        before, after = _without_numbers(before), _without_numbers(after)
    if not re.fullmatch(_pattern(before), "".join(f"{line}\n" for line in after)):
        shown = (shown or "").strip() or "(nothing)"
        raise PageError(f"the page shows\n{shown}\n--- printed was\n{printed}")


def _pattern(lines: list[str]) -> str:
    return "".join(
        r"(?:.*\n)*?"
        if line.strip() == "..."
        else ".*?".join(map(re.escape, line.split("..."))) + r"\n"
        for line in lines
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _without_numbers(lines: list[str]) -> list[str]:
    return [re.sub(r"\s+", " ", re.sub(r"\d[\d,]*(?:\.\d+)?", "0", line)) for line in lines]


# ---- Python --------------------------------------------------------------------------------------


class Namespace:
    """The one namespace of a page's Python blocks."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.names = vars(ModuleType("__main__"))

    def run(self, block: Block) -> None:
        """Run a block statement by statement, and check what each of them shows."""
        code = block["code"]
        name = f"{self.page}, block at line {block['line']}"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        body = ast.parse(code).body
        ends = [statement.lineno for statement in body[1:]] + [sys.maxsize]
        values = _shown_values(code)
        rest = ""
        for statement, end in zip(body, ends, strict=True):
            shown = [text for line, text in values if statement.lineno <= line < end]
            with printed() as stream:
                value = self._execute(statement, name)
            if shown:
                text = "" if value is None else f"{value!r}\n"
                check(stream.getvalue() + text, "\n".join(shown))
            else:
                rest += stream.getvalue()
        check(rest, block["prints"], numbers_vary=block["numbers_vary"])

    def _execute(self, statement: ast.stmt, name: str) -> Any:
        if isinstance(statement, ast.Expr):
            return eval(compile(ast.Expression(statement.value), name, "eval"), self.names)
        return exec(compile(ast.Module([statement], []), name, "exec"), self.names)


def _shown_values(code: str) -> list[tuple[int, str]]:
    """Return the comments that begin with ``->``, each with its line."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    comments = [t for t in tokens if t.type == tokenize.COMMENT and t.string.startswith("# ->")]
    return [(token.start[0], token.string.removeprefix("# ->").strip()) for token in comments]


@contextlib.contextmanager
def printed() -> Iterator[io.StringIO]:
    """Collect what is printed meanwhile, and each warning that people would see."""
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


def run_console(block: Block) -> None:
    """Run each command after ``$``; what it prints, errors too, must be what follows it."""
    commands: list[str] = []
    shown: list[str] = []
    for line in block["code"].splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
            shown.append("")
        elif commands and commands[-1].endswith("\\"):
            commands[-1] += "\n" + line.removeprefix("> ")
        elif commands:
            shown[-1] += f"{line}\n"
        else:
            raise PageError(f"a command begins with $, not as {line!r}")
    for k, (text, status) in enumerate(_bash(commands)):
        check(text, shown[k], numbers_vary=block["numbers_vary"])
        if status and "$?" not in "".join(commands[k + 1 : k + 2]):
            raise PageError(f"the exit status of {commands[k]} is {status}\n{text}")


def run_sh(block: Block) -> None:
    """Run commands; what they print must be in a text block behind them, if there is one."""
    ((text, status),) = _bash([f"set -e\n{block['code']}"])
    if status:
        raise PageError(f"the exit status is {status}\n{text}")
    if block["prints"] is not None:
        check(text, block["prints"], numbers_vary=block["numbers_vary"])


def _bash(commands: list[str]) -> list[tuple[str, int]]:
    """Run commands in one shell; return what each prints, and its exit status."""
    mark = "\1status "
    end = f"status=$?; printf '\\n{mark}%s\\n' $status; (exit $status)"
    script = "exec 2>&1\n" + "".join(f"{command}\n{end}\n" for command in commands)
    done = subprocess.run(
        ["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    parts = re.split(rf"\n{mark}(\d+)\n", done.stdout)
    found = [(text, int(status)) for text, status in zip(parts[:-1:2], parts[1::2], strict=True)]
    if len(found) < len(commands):
        found.append((parts[-1], done.returncode or 1))
    if len(found) < len(commands):
        raise PageError(f"the shell ended at {commands[len(found) - 1]}\n{done.stdout}")
    return found


def install_programs(folder: Path) -> None:
    """Have ``python``, ``cloudio`` and ``torchrun`` mean this interpreter and its packages."""
    folder.mkdir()
    python = shlex.quote(sys.executable)
    modules = {"python": "", "cloudio": "-m cloudio", "torchrun": "-m torch.distributed.run"}
    for name, module in modules.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {python} {module} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])


# ---- a page --------------------------------------------------------------------------------------


def append(block: Block) -> None:
    """Write a block to the file that its title names."""
    with open(block["title"], "a", encoding="utf-8") as file:
        file.write(block["code"])


def main(task_file: str, results_file: str) -> None:
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    install_programs(Path(task["programs"]))
    sys.path.insert(0, os.getcwd())
    runners: dict[str, Callable[[Block], Any]] = {
        "python": Namespace(task["page"]).run,
        "console": run_console,
        "sh": run_sh,
        "toml": lambda block: tomllib.loads(block["code"]),
        "text": lambda block: None,
    }
    results: list[str | None] = []
    for block in task["blocks"]:
        error = None
        try:
            if not block["skipped"]:
                (append if block["title"] else runners[block["language"]])(block)
        except PageError as failure:
            error = str(failure)
        except BaseException:
            error = traceback.format_exc()
        results.append(error)
    Path(results_file).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
