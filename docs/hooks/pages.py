"""What mkdocs does for this site besides its plugins.

- Pages of files that stand elsewhere: CONTRIBUTING.md, CHANGELOG.md, the report of the newest
  benchmark run, and the tutorial, executed.
- Links that work on GitHub work on the site too: a link to another file of the repository leads to
  its page here, or else to the repository.
- The pages of decisions are listed under the subjects of their index.

api.py beside it is about the API reference, chart.py draws the figures of speed.
"""

import functools
import posixpath
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
REPOSITORY = "https://github.com/cloudio-dev/cloudio/blob/main/"
#: Files of the repository, and the page of the site that each becomes.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/tutorial.ipynb": "tutorial.md",
}
NOTEBOOK = "docs/tutorial.ipynb"
#: The folder of benchmark results, and the page that shows the newest of them.
RESULTS, REPORT = "benchmarks/results/", "benchmark-report.html"

_FENCE = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2 *$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")


# ---- navigation ----------------------------------------------------------------------------------


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the decisions under the headings of docs/decisions/index.md."""
    text = Path(config.docs_dir, "decisions", "index.md").read_text(encoding="utf-8")
    sections: list[Any] = ["decisions/index.md"]
    for section in text.split("\n## ")[1:]:
        title = section.partition("\n")[0]
        if pages := re.findall(r"^- \[.+?\]\((.+?\.md)\)", section, re.MULTILINE):
            sections.append({title: [f"decisions/{page}" for page in pages]})
    config.nav = [
        {"Decisions": sections} if "Decisions" in entry else entry for entry in config.nav or []
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of files elsewhere."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == NOTEBOOK:
            text = _execute(text)
        content = _lead_here(text, source)
        files.append(File.generated(config, page, content=content))
    newest = max((ROOT / RESULTS).glob("*.html"), key=lambda path: path.name)
    files.append(File.generated(config, REPORT, abs_src_path=str(newest)))
    return files


# ---- links ---------------------------------------------------------------------------------------


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files outside docs/ lead to their pages, or to the repository."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation", "toc"]
    if page.file.src_uri in PAGES.values():
        return markdown
    return _lead_here(markdown, f"docs/{page.file.src_uri}")


def _lead_here(text: str, source: str) -> str:
    """Return a page with links as they must be on the site; ``source`` is its file."""
    here = posixpath.dirname(PAGES.get(source, source.removeprefix("docs/")))

    def lead(match: re.Match[str]) -> str:
        path, mark, anchor = match[2].partition("#")
        if not path or re.match(r"[a-z][a-z0-9+.-]*:", path):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if path.endswith("/"):
            target += "/"
        if target in PAGES:
            target = f"docs/{PAGES[target]}"
        if target == RESULTS:
            target = f"docs/{REPORT}"
        if target.startswith("docs/"):
            target = posixpath.relpath(target.removeprefix("docs/"), here or ".")
        else:
            target = REPOSITORY + target
        return f"{match[1]}{target}{mark}{anchor}{match[3]}"

    return _outside_code(text, lambda prose: _LINK.sub(lead, prose))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return a page with its prose changed and its code blocks left as they are."""
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


# ---- the tutorial --------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _execute(text: str) -> str:
    """Return a notebook as Markdown with the outputs of its cells; an error of a cell is raised."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=300, resources=resources).execute()
    cells = [
        cell.source if cell.cell_type == "markdown" else _code_cell(cell) for cell in notebook.cells
    ]
    # As on the other pages, whose blocks run in a temporary folder too.
    return "\n\n".join(cells).replace(str(Path(folder).resolve()), "...") + "\n"


def _code_cell(cell: Any) -> str:
    parts = [f"```python\n{cell.source}\n```"]
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(f"```text\n{output.text.rstrip()}\n```")
        elif image := output.data.get("image/png"):
            parts.append(f"![output of the cell](data:image/png;base64,{image.strip()})")
        elif text := output.data.get("text/plain"):
            parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts)
