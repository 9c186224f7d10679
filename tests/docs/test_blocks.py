"""Every code block of README.md, CONTRIBUTING.md and docs/ runs, and prints what the page shows.

tests/support/run_page.py runs a page in a fresh folder and interpreter; each block is a test.
"""

import codeop
import functools
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import processes
import profiles
import pytest
from pages import Block, blocks, skip_reasons
from paths import ROOT, SUPPORT
from run_page import PageError, check

import cloudio

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if page.is_file()]
# Whose commands take seconds each, and have tests of their own.
_LONG = ("commands/show.md", "commands/stats.md", "guides/verify.md")
_QUICK = {"CFLAGS": "-O0", "JAX_PLATFORMS": "cpu"}
# Of the environment, which would change what is printed.
_OURS = ("CLOUDIO_", "COLUMNS", "LINES", "RANK", "WORLD_SIZE", "OMP_", "LOCAL_", "TORCHELASTIC_")

pytestmark = [
    pytest.mark.skipif(not DOCS.is_dir(), reason="the tests run without the docs"),
    pytest.mark.skipif(os.name != "posix", reason="commands are for bash"),
]


@functools.cache
def page_blocks(page: Path) -> list[Block]:
    return blocks(page.read_text(encoding="utf-8"))


@functools.cache
def reasons(page: Path) -> list[str | None]:
    if not profiles.THOROUGH and page in [DOCS / name for name in _LONG]:
        return ["takes long; CLOUDIO_TEST_PROFILE=thorough runs it"] * len(page_blocks(page))
    return skip_reasons(page_blocks(page), thorough=profiles.THOROUGH)


@functools.cache
def results(page: Path) -> list[str | None]:
    """Run a page; return what went wrong with each block, or None."""
    parts = [
        {**asdict(block), "needs": sorted(block.needs), "skipped": reason is not None}
        for block, reason in zip(page_blocks(page), reasons(page), strict=True)
    ]
    with tempfile.TemporaryDirectory() as root:
        folder, task, found = Path(root, "folder"), Path(root, "task"), Path(root, "results")
        folder.mkdir()
        programs = os.path.join(root, "programs")
        text = json.dumps({"page": page.name, "programs": programs, "blocks": parts})
        task.write_text(text, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = [str(Path(cloudio.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        processes.printed(
            [sys.executable, SUPPORT / "run_page.py", task, found],
            cwd=folder,
            env=kept | {"PYTHONPATH": os.pathsep.join(filter(None, path))} | _QUICK,
            seconds=600,  # Ray starts services, which takes minutes on a busy machine
        )
        return json.loads(found.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("page", "number"),
    [
        pytest.param(page, k, id=f"{page.relative_to(ROOT).as_posix()}:{block.line}")
        for page in PAGES
        for k, block in enumerate(page_blocks(page))
    ],
)
def test_a_block_runs_and_prints_what_the_page_shows(page: Path, number: int) -> None:
    if reason := reasons(page)[number]:
        pytest.skip(reason)
    if error := results(page)[number]:
        pytest.fail(error, pytrace=False)


# ---- pasting -------------------------------------------------------------------------------------


def unfinished(code: str) -> list[str]:
    """Push lines as an interpreter before Python 3.13 gets them; return what it still waits for."""
    lines: list[str] = []
    for line in code.splitlines():
        lines.append(line)
        if codeop.compile_command("\n".join(lines), symbol="single") is not None:
            lines = []
    return lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_can_be_pasted_into_an_interpreter(page: Path) -> None:
    for block in page_blocks(page):
        if block.language == "python" and not block.title:
            try:
                rest = unfinished(block.code)
            except SyntaxError as error:
                pytest.fail(f"the block at line {block.line}, pasted: {error.msg}")
            assert page.name != "README.md" or not rest, f"the interpreter waits after {rest}"


@pytest.mark.parametrize("code", ["for k in []:\n    k\nk = 1", "def f():\n    1\n\n    2\n"])
def test_a_block_without_the_right_blank_lines_cannot_be_pasted(code: str) -> None:
    with pytest.raises(SyntaxError):
        unfinished(code)


# ---- that nothing gets round it ------------------------------------------------------------------


def test_every_block_has_a_language_that_is_run_or_a_file_that_is_used() -> None:
    for page in PAGES:
        found = page_blocks(page)
        for k, block in enumerate(found):
            where = f"{page.name}, line {block.line}"
            if block.title:
                later = "".join(other.code for other in found[k + 1 :] if other is not block)
                assert Path(block.title).stem in later, f"{where}: nothing uses {block.title}"
            else:
                assert block.language in ("python", "console", "sh", "toml", "text"), where
            assert block.drawing or block.language != "text", f"{where}: what prints this?"


def test_few_blocks_need_a_network_or_much_time() -> None:
    counts = Counter(need for page in PAGES for block in page_blocks(page) for need in block.needs)
    assert counts["network"] <= 6
    assert counts["time"] <= 2
    assert sum(block.drawing for page in PAGES for block in page_blocks(page)) <= 4


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a 1\nb", "a 1\nb\n"),
        ("a ... c", "a b c"),
        ("a\n...\nz", "a\nb\nc\nz"),
        ("a\n...\nz", "a\nz"),
        (None, ""),
    ],
)
def test_what_is_shown_is_what_was_printed(shown: str | None, printed: str) -> None:
    check(printed, shown)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [("a 1", "a 2"), ("a", "a\nb"), ("a ... c", "a b\nc"), ("", "a"), (None, "a"), ("a.c", "abc")],
)
def test_what_is_not_shown_is_an_error(shown: str | None, printed: str) -> None:
    with pytest.raises(PageError, match="the page shows"):
        check(printed, shown)


def test_measurements_may_have_other_numbers_and_no_other_words() -> None:
    check("read  1,204.5 MB/s at 7%", "read 33 MB/s at 12%", numbers_vary=True)
    with pytest.raises(PageError):
        check("read 33 MB/s", "wrote 33 MB/s", numbers_vary=True)
