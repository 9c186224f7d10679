"""Pages of docs/ that list what the package has: options of commands; and the tutorial in git."""

import argparse
import importlib
import json
import re

import pytest
from paths import ROOT

from cloudio.cli.command import COMMANDS

DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the tests run without the docs")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_a_command_lists_its_options(command: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"cloudio.cli.{command}").add_options(parser)
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


def test_the_tutorial_lies_in_git_without_outputs() -> None:
    notebook = json.loads((DOCS / "tutorial.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 8
    for cell in cells:
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
