"""Pages of docs/ that list what the package has: options of commands, public names, rows
of benchmarks; and the tutorial in git.
"""

import argparse
import ast
import importlib
import json
import re
import runpy
from pathlib import Path

import pytest
from paths import ROOT

import cloudio
from cloudio.cli.command import COMMANDS

DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the tests run without the docs")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_a_command_lists_its_options(command: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"cloudio.cli.commands.{command}").add_options(parser)
    options = {tuple(action.option_strings) or (action.dest,) for action in parser._actions}
    page = (DOCS / "commands" / f"{command}.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.+?`) \|", page.partition("## Options")[2], re.MULTILINE)
    listed = {
        tuple(name.split()[0] for name in re.findall(r"`([^`]+)`", cell.strip())) for cell in cells
    }
    assert listed == options


def test_every_command_has_a_page_and_a_row() -> None:
    index = (DOCS / "commands" / "index.md").read_text(encoding="utf-8")
    pages = re.findall(r"^\| \[`cloudio (\w+)`\]\(\1\.md\)", index, re.MULTILINE)
    assert sorted(pages) == sorted(COMMANDS)


def public_names(room: str) -> list[str]:
    """Return `__all__` of a room, which is read and not imported: its extra may be missing."""
    text = Path(cloudio.__path__[0], room, "__init__.py").read_text(encoding="utf-8")
    (names,) = (
        ast.literal_eval(line.value)
        for line in ast.parse(text).body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__"
    )
    room = room.removeprefix("integrations/")
    return [f"{room}.{name}".lstrip(".") for name in names]


def test_each_public_name_is_in_the_api_reference_once() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    # An entry with its docstring, or a row of a table.
    entries = re.findall(r"^(?:::: |\| `)cloudio\.([\w.]+)", pages, re.MULTILINE)
    known = ("dask", "lightning", "ray", "xarray")
    doors = [f"integrations/{name}" for name in known]
    rooms = "", *doors, "plot", "splits", "stats", "torch"
    names = [name for room in rooms for name in public_names(room)]
    bound_twice = {"splits.Splits", "splits.make_splits"}  # the same as in cloudio itself
    # The module has the name of its function.
    entries = [re.sub(r"^torch\.collate\.collate$", "torch.collate", name) for name in entries]
    entries = [name.removeprefix("integrations.") for name in entries]
    assert sorted(entries) == sorted(set(names) - bound_twice)


def test_the_script_that_makes_the_tables_of_benchmarks_has_their_rows() -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "scripts" / "tables.py"))
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    section = page.partition("\n## Outputs\n")[2].partition("\n## ")[0]
    section = re.sub(r"<!-- benchmarks: .*?<!-- end -->", "", section, flags=re.DOTALL)
    _, _, *cells = re.findall(r"^\| ?(.+?) ?\|", section, re.MULTILINE)
    assert cells == list(script["OUTPUTS"])


def test_the_tutorial_lies_in_git_without_outputs() -> None:
    notebook = json.loads((DOCS / "tutorial.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 8
    for cell in cells:
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
