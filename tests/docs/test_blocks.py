"""Every code block of README.md, CONTRIBUTING.md and docs/ runs, and prints what the page shows.

tests/support/run_page.py runs a page in a fresh folder and interpreter; each block is a test.
"""

import functools
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import processes
import profiles
import pytest
from pages import Block, blocks, skip_reasons
from paths import ROOT, SUPPORT

import cloudio

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if page.is_file()]

pytestmark = [
    pytest.mark.skipif(not DOCS.is_dir(), reason="the tests run without the docs"),
    pytest.mark.skipif(os.name != "posix", reason="commands are for bash"),
]


@functools.cache
def page_blocks(page: Path) -> list[Block]:
    return blocks(page.read_text(encoding="utf-8"))


@functools.cache
def reasons(page: Path) -> list[str | None]:
    return skip_reasons(page_blocks(page), thorough=profiles.THOROUGH)


@functools.cache
def results(page: Path) -> list[str | None]:
    """Run a page; return for each block what went wrong, or None."""
    parts = [
        {
            "language": block.language,
            "title": block.title,
            "code": block.code,
            "line": block.line,
            "prints": block.prints,
            "skipped": reason is not None,
        }
        for block, reason in zip(page_blocks(page), reasons(page), strict=True)
    ]
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "folder")
        folder.mkdir()
        task = {"page": page.name, "programs": f"{root}/programs", "blocks": parts}
        files = Path(root, "blocks.json"), Path(root, "results.json")
        files[0].write_text(json.dumps(task), encoding="utf-8")
        ours = ("CLOUDIO_", "COLUMNS", "LINES", "RANK", "WORLD_SIZE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        path = [str(Path(cloudio.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        environment = kept | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "JAX_PLATFORMS": "cpu"}
        processes.printed(
            [sys.executable, SUPPORT / "run_page.py", *files], cwd=folder, env=environment
        )
        return json.loads(files[1].read_text(encoding="utf-8"))


EVERY_BLOCK = [
    pytest.param(page, k, id=f"{page.relative_to(ROOT).as_posix()}:{block.line}")
    for page in PAGES
    for k, block in enumerate(page_blocks(page))
]


@pytest.mark.parametrize(("page", "number"), EVERY_BLOCK)
def test_a_block_runs_and_prints_what_the_page_shows(page: Path, number: int) -> None:
    if reason := reasons(page)[number]:
        pytest.skip(reason)
    if error := results(page)[number]:
        pytest.fail(error, pytrace=False)
