"""The code blocks of a page of the documentation.

A block has a language, and may have a title, the file that holds it: ``python title="train.py"``.
A text block right after another block is what that one prints.  A comment before a block has notes,
separated by semicolons:

``needs: network`` or ``needs: time``   it runs nowhere, or only in the thorough profile
``needs: torch``                        a package that the block does not show to be needed
``numbers vary``                        it prints measurements
``drawing``                             a text block that nothing prints
"""

import ast
import importlib.util
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

_FENCE = re.compile(
    r"(?:^ *<!-- *(?P<note>(?:drawing|needs:|numbers vary)[^>]*?) *-->\n+)?"
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$\n?",
    re.DOTALL | re.MULTILINE,
)
#: What a page may need that no package brings.
CONDITIONS = ("network", "time")
# The package that a part of cloudio or a command needs.
_EXTRAS = {
    "cloudio.torch": "torch",
    "cloudio.lightning": "lightning",
    "cloudio.ray": "ray",
    "cloudio.dask": "dask",
    "cloudio.plot": "matplotlib",
    "cloudio show": "matplotlib",
}


@dataclass(frozen=True)
class Block:
    """``line``: that of its first line of code.  ``prints`` is None where no text block follows."""

    line: int
    language: str
    title: str | None
    needs: frozenset[str]
    code: str
    prints: str | None = None
    drawing: bool = False
    numbers_vary: bool = False


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page; a text block after another block is what that prints."""
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        block = _block(text, match)
        follows = found and not text[end : match.start()].strip() and not block.drawing
        end = match.end()
        if follows and block.language == "text" and found[-1].language != "text":
            found[-1] = replace(found[-1], prints=block.code)
        else:
            found.append(block)
    return found


def _block(text: str, match: re.Match[str]) -> Block:
    language, _, rest = match["info"].strip().partition(" ")
    title = re.search(r'title="([^"]+)"', rest)
    notes = [note.strip() for note in (match["note"] or "").split(";")]
    needs = next((note for note in notes if note.startswith("needs:")), "")
    return Block(
        line=text.count("\n", 0, match.start("text")) + 1,
        language=language or "text",
        title=title[1] if title else None,
        needs=frozenset(filter(None, re.split(r"[,\s]+", needs.removeprefix("needs:")))),
        code=textwrap.dedent(match["text"]),
        drawing="drawing" in notes,
        numbers_vary="numbers vary" in notes,
    )


# ---- what a block needs --------------------------------------------------------------------------


def packages(code: str) -> set[str]:
    """Return the packages that Python code imports, those behind cloudio's extras included."""
    found = {package for part, package in _EXTRAS.items() if part in code}
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.split(".")[0] for name in names} - sys.stdlib_module_names
    return found


def missing(names: set[str]) -> str | None:
    """Return the first package that is not installed; nothing is imported."""
    return next((name for name in sorted(names) if importlib.util.find_spec(name) is None), None)


def skip_without_what_it_imports(code: str) -> None:
    """Skip the test where a package is not installed."""
    if package := missing(packages(code)):
        pytest.skip(f"{package} is not installed, and the example imports it")


def skip_reasons(found: list[Block], *, thorough: bool) -> list[str | None]:
    """Return for each block why it cannot run here, or None.

    A block that uses a name or a file of one that cannot run cannot run either.
    """
    reasons: list[str | None] = []
    lost: dict[str, str] = {}  # names and files that are not there, each with the reason
    made = {Path(block.title).stem for block in found if block.title}
    for block in found:
        reason = _own_reason(block, made, thorough=thorough)
        if reason is None and (used := sorted(_uses(block) & lost.keys())):
            reason = lost[used[0]]
        if reason is not None:
            lost |= dict.fromkeys(_makes(block), reason)
        reasons.append(reason)
    return reasons


def _own_reason(block: Block, made: set[str], *, thorough: bool) -> str | None:
    if "network" in block.needs:
        return "it needs a network"
    if "time" in block.needs and not thorough:
        return "it takes long; CLOUDIO_TEST_PROFILE=thorough runs it"
    needed = set(block.needs.difference(CONDITIONS))
    if block.language == "python":
        needed |= packages(block.code)
    if block.language in ("console", "sh"):
        needed |= {package for part, package in _EXTRAS.items() if part in block.code}
    package = missing(needed - made)
    return None if package is None else f"{package} is not installed"


def _uses(block: Block) -> set[str]:
    if block.language == "python":
        return {node.id for node in ast.walk(ast.parse(block.code)) if isinstance(node, ast.Name)}
    return set(re.findall(r"[\w./-]+", block.code))


def _makes(block: Block) -> Iterator[str]:
    if block.title:
        yield block.title
    elif block.language == "python":
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
