"""The examples of a page, and what they need that may not be installed."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

_EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", re.DOTALL)


def sections(page: Path) -> dict[str, str]:
    """The text under each heading of the second level, and what stands before them as ''."""
    first, *others = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": first} | {text.split("\n", 1)[0]: text for text in others}


def examples(text: str) -> list[tuple[str, str]]:
    """The Python blocks, and of each the block after it, which is what it prints."""
    return _EXAMPLE.findall(text)


def skip_without_what_it_imports(code: str) -> None:
    """Skip the test where a package is not installed; none is imported here."""
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for package in {name.split(".")[0] for name in names} - sys.stdlib_module_names:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed, and the example imports it")
