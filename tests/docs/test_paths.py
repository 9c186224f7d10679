"""What README.md, CONTRIBUTING.md, docs/ and comments point to exists: files, pages, anchors."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

from cloudio._core import runtime

DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the tests run without the docs")

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
SOURCES = ("cloudio", "csrc", "tests", "benchmarks", "examples")
SUFFIXES = {".py", ".pyi", ".pyx", ".pxd", ".c", ".h"}

FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
ROOM = re.compile(r"(?:cloudio|csrc|tests|benchmarks|docs|examples|\.ci)/")


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


def code(text: str) -> Iterator[str]:
    """The blocks and spans of code of a page."""
    yield from (match[0] for match in FENCE.finditer(text))
    yield from (match[2] for match in SPAN.finditer(FENCE.sub("", text)))


def named_files(text: str) -> Iterator[str]:
    """What looks like a file or folder of this repository; ``<name>`` stands for any name."""
    for part in code(text):
        for word in re.split(r"[\s\"'`(),;=]+", part):
            name = word.removeprefix("./").rstrip(".:")
            if ROOM.match(name):
                yield re.sub(r"<[^>]*>", "*", re.sub(r"::.*|:\d.*|#.*", "", name))


def links(text: str) -> Iterator[str]:
    """Where the relative links and pictures of a page lead."""
    prose = SPAN.sub("`code`", FENCE.sub("", text))
    for match in LINK.finditer(prose):
        if not re.match(r"[a-z][a-z0-9+.-]*:", match[1]):
            yield match[1]


def anchors(text: str) -> set[str]:
    """Where a link may lead within a page: its headings, as Python-Markdown names them."""
    found: set[str] = set(re.findall(r"\b(?:id|name)=[\"']([^\"']+)", text))
    for title in re.findall(r"^#+ +(.+?)(?: +#+)? *$", FENCE.sub("", text), re.MULTILINE):
        if explicit := re.search(r"\{ *#([\w-]+)[^}]*\}$", title):
            found.add(explicit[1])
            continue
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
        name = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
        twin, n = name, 0
        while twin in found:
            n += 1
            twin = f"{name}_{n}"
        found.add(twin)
    return found


def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = {name for name in named_files(text) if not any(ROOT.glob(name))}
    assert missing == set()


def leads_somewhere(anchor: str, text: str) -> bool:
    """Whether a page has a heading of that anchor, or documents the name or what it belongs to.

    Which members a class has, the strict build of the site knows.
    """
    documented = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    return anchor in anchors(text) or any(f"{anchor}.".startswith(f"{n}.") for n in documented)


def test_every_relative_link_leads_to_a_page_and_its_anchor(page: Path) -> None:
    broken = []
    for target in links(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        is_text = there.suffix in (".md", ".ipynb") and there.is_file()
        text = there.read_text(encoding="utf-8") if is_text else ""
        if not there.exists() or (anchor and not leads_somewhere(anchor, text)):
            broken.append(target)
    assert broken == []


def test_every_page_that_the_source_names_exists() -> None:
    missing = []
    for path in (path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*"))):
        generated = path.with_suffix(".pyx").exists() and path.suffix == ".c"
        if path.suffix in SUFFIXES and not generated:
            missing += [
                (path.relative_to(ROOT).as_posix(), name)
                for name in re.findall(r"docs/[\w./-]+?\.md", path.read_text(encoding="utf-8"))
                if not (ROOT / name).exists()
            ]
    assert missing == []


# ---- decisions -----------------------------------------------------------------------------------


def test_the_index_lists_every_decision_once_by_its_title() -> None:
    listed = re.findall(
        r"^- \[(.+)\]\((.+\.md)\)$", (DECISIONS / "index.md").read_text(encoding="utf-8"), re.M
    )
    titles = {
        path.name: path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        for path in DECISIONS.glob("*.md")
        if path.name != "index.md"
    }
    assert sorted((name, title) for title, name in listed) == sorted(titles.items())


def test_every_decision_has_its_four_parts() -> None:
    parts = ["Choice", "Reason", "Price", "What would change our mind"]
    for path in DECISIONS.glob("*.md"):
        if path.name != "index.md":
            text = path.read_text(encoding="utf-8")
            assert re.findall(r"^## (.+)$", text, re.M) == parts, path.name


def test_the_page_of_tuning_constants_has_those_of_the_kernels() -> None:
    text = (DECISIONS / "tuning-constants.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+)(?: (KiB|MiB))? \|", text, re.M)
    unit = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}
    assert {name: int(number) * unit[of] for name, number, of in rows} == runtime.tune()


def test_the_page_of_rooms_has_the_layers_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = re.findall(
        r"^\| (`cloudio/.*?) \|", (DECISIONS / "rooms.md").read_text(encoding="utf-8"), re.M
    )
    shown = [re.findall(r"`cloudio/(\w+)(?:\.py)?`", row) for row in rows]
    assert [sorted(layer) for layer in shown] == [sorted(layer.split(" | ")) for layer in layers]
