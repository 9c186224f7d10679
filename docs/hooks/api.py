"""What mkdocs does for the API reference, besides mkdocstrings.

- Names such as `Reader.read` or, within a class, `close` lead to their entry; names of pages to
  the page.
- A class that people do not make themselves, such as `Dataset`, is shown without its signature.
"""

import re
from itertools import pairwise

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_HEADING = re.compile(r'<h\d id="(cloudio[\w.]*)"')
_NAME = re.compile(r"(?<!<pre>)(?<!<b>)<code>((?:cloudio\.)?[A-Za-z][\w.]*)</code>")
_PAGE = re.compile(r"\bdocs/([\w/-]+\.md)\b")
_SIGNATURE = re.compile(r'<div class="[^"]*doc-signature.*?</pre></div>', re.DOTALL)
_STARS = re.compile(r"(<b><code>\*\*?\w+</code></b>)\s*\(.*?\n\)(?=\s*\N{EN DASH})", re.DOTALL)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the content of a page, of the API reference with links and fewer signatures."""
    if not page.file.src_uri.startswith("api/"):
        return html

    def page_link(match: re.Match[str]) -> str:
        file = files.get_file_from_path(match[1])
        if file is None:
            return match[0]
        return f'<a href="{file.url_relative_to(page.file)}">{file.page.title}</a>'

    entries = _entries(html)
    known = {name for name, _ in entries}
    html = "".join(_signature_if_called(_link_names(part, name, known)) for name, part in entries)
    html = _STARS.sub(r"\1", html)  # "(Any, default: {})" says nothing about **options
    return _PAGE.sub(page_link, html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Take away the tooltips of names that lead nowhere."""
    return re.sub(r'<span title="cloudio\.[\w.]*">(<code>[\w.]+</code>)</span>', r"\1", output)


def _entries(html: str) -> list[tuple[str, str]]:
    """Return the text before the first entry, and each entry with its full name."""
    starts = [(match.start(), match[1]) for match in _HEADING.finditer(html)]
    bounds = [(0, ""), *starts, (len(html), "")]
    return [(name, html[start:end]) for (start, name), (end, _) in pairwise(bounds)]


def _link_names(part: str, entry: str, known: set[str]) -> str:
    """Return the text of an entry with links from names in it."""

    def link(match: re.Match[str]) -> str:
        name = match[1].removeprefix("cloudio.")
        for scope in (entry, entry.rpartition(".")[0]):
            if f"{scope}.{name}" in known - {entry, f"cloudio.{name}"}:
                return f'<a href="#{scope}.{name}">{match[0]}</a>'
        return f'<autoref identifier="cloudio.{name}" optional>{match[0]}</autoref>'

    return _NAME.sub(link, part)


def _signature_if_called(part: str) -> str:
    """Return an entry, of a class without parameters in its docstring without a signature."""
    is_class = "doc-symbol-class" in part.partition("</h")[0]
    if is_class and ">Parameters:<" not in part:
        return _SIGNATURE.sub("", part, count=1)
    return part
