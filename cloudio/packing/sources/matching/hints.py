"""What to write instead of a pattern that matches no file."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ...._utils.files import read_errors
from ...._utils.paths import is_folder
from ...._utils.text import closest, listed
from ....errors import RequestError
from .listing import IMAGE_SUFFIXES
from .patterns import Pattern

# Files that are compared with other patterns.
_N_FILES = 500
_N_FOLDERS = 1000
# Files in a message, and patterns that are tried with a second change.
_N_SHOWN, _N_CHANGED = 6, 20


def explain_no_match(root: Path, pattern: Pattern) -> RequestError:
    """Return the error for a pattern that matches no file: what there is, and a similar pattern."""
    files = some_files(root)
    if not files:
        return pattern.error(f"matches no file of {root}, which has no files")
    if any(pattern.match_path(path) is not None for path in files):
        return pattern.error(f"matches only files of {root} that a more exact pattern matches too")
    images = [path for path in files if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES]
    similar = _similar(root, pattern, images or files)
    hint = f"; did you mean {similar!r}?" if similar else ""
    some = listed(of_each_folder(images or files)[:_N_SHOWN])
    return pattern.error(f"matches no file of {root}, which has files such as {some}{hint}")


def of_each_folder(files: list[str]) -> list[str]:
    """Return the first of the files in each folder, and then the others."""
    first = {os.path.dirname(path): path for path in reversed(files)}
    shown = sorted(first.values(), key=files.index)
    return [*shown, *(path for path in files if path not in shown)]


def some_files(root: Path) -> list[str]:
    """Return paths of files below a folder, from the first folders in their order."""
    found: list[str] = []
    waiting = [""]
    n_folders = 0
    while waiting and len(found) < _N_FILES and n_folders < _N_FOLDERS:
        n_folders += 1
        below = waiting.pop(0)
        with read_errors(root / below), os.scandir(root / below) as entries:
            for entry in sorted(islice(entries, _N_FILES), key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir() and not entry.is_symlink():
                    waiting.append(path)
                elif entry.is_file():
                    found.append(path)
    return found


def _similar(root: Path, pattern: Pattern, files: list[str]) -> str | None:
    """Return a pattern with the same fields that matches most files; None if none does."""
    if not set("{}*").intersection(pattern.text) and is_folder(root / pattern.text):
        own = [path for path in files if path.startswith(f"{pattern.text.rstrip('/')}/")]
        suffixes = Counter(os.path.splitext(path)[1] for path in own)
        if suffixes:
            return f"{pattern.text.rstrip('/')}/{{id}}{suffixes.most_common(1)[0][0]}"
    once = list(dict.fromkeys(_changed(pattern.text, files)))
    found = _best(once, files)
    if found is None:
        twice = (text for each in once[:_N_CHANGED] for text in _changed(each, files))
        found = _best(dict.fromkeys(twice), files)
    return found


def _best(texts: Iterable[str], files: list[str]) -> str | None:
    """Return the first of the patterns that match most files; None if none matches any."""
    best: tuple[int, str | None] = (0, None)
    for text in texts:
        with suppress(RequestError):  # no pattern
            other = Pattern(text)
            n = sum(other.match_path(path) is not None for path in files)
            if n > best[0]:
                best = n, text
    return best[1]


def _changed(text: str, files: list[str]) -> Iterator[str]:
    """Yield patterns that differ in one thing: ending, a folder more or less, a name, case."""
    *folders, name = text.split("/")
    for suffix in dict.fromkeys(os.path.splitext(path)[1] for path in files):
        yield "/".join([*folders, os.path.splitext(name)[0] + suffix])
    if folders:
        yield "/".join([*folders[1:], name])
    tops = list(dict.fromkeys(path.split("/")[0] for path in files if "/" in path))
    if len(tops) > 1 and "{split}" not in text:
        yield f"{{split}}/{text}"
    for top in tops[:_N_CHANGED]:
        yield f"{top}/{text}"
    yield f"**/{text}"
    parts = list(dict.fromkeys(part for path in files for part in path.split("/")[:-1]))
    for k, folder in enumerate(folders):
        if "{" not in folder and "*" not in folder and folder not in parts:
            similar = closest(folder, parts)
            if similar is not None:
                yield "/".join([*folders[:k], similar, *folders[k + 1 :], name])
