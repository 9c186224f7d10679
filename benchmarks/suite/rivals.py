"""The rivals that there are: every file of benchmarks/rivals/, and files that are named besides."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudio._utils.text import listed, suggest
from cloudio.errors import RequestError

from .limits import LIMITS
from .rival import Rival
from .worker import rivals_of

FOLDER = Path(__file__).parents[1] / "rivals"
# Files of ours begin so.
_OURS = "cloudio_"


@dataclass(frozen=True)
class Entry:
    """A rival and its file.  ``kind`` is "cloudio", "rival" or "limit"."""

    rival: Rival
    file: Path
    kind: str
    limit: str | None = None

    @property
    def name(self) -> str:
        return self.rival.name


def find(also: Iterable[Path], chosen: Sequence[str] = ()) -> tuple[list[Entry], dict[str, str]]:
    """Return the rivals, those of cloudio first; and the files that cannot be imported, with why.

    ``chosen`` are names of files without .py, or parts of names of rivals.
    """
    entries, broken = [], {}
    for file in (*sorted(FOLDER.glob("[!_]*.py")), *(path.resolve() for path in also)):
        kind = "cloudio" if file.name.startswith(_OURS) else "rival"
        try:
            entries += [Entry(rival, file, kind) for rival in rivals_of(file).values()]
        except Exception as error:
            words = traceback.format_exception_only(error)[-1].strip()
            broken[file.stem] = f"failed: {file.name} cannot be imported: {words}"
    entries.sort(key=lambda entry: entry.kind != "cloudio")
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RequestError(f"two rivals have the same name: {listed(twice)}")
    return _chosen(entries, broken, chosen)


def _chosen(
    entries: list[Entry], broken: dict[str, str], chosen: Sequence[str]
) -> tuple[list[Entry], dict[str, str]]:
    if not chosen:
        return entries, broken
    stems = {entry.file.stem for entry in entries} | set(broken)
    for word in chosen:
        if word not in stems and not any(word.lower() in one.name.lower() for one in entries):
            raise RequestError(
                f"--rivals {word}: no rival and no file of that name"
                f"{suggest(word, sorted(stems))}; there are {listed(sorted(stems))}"
            )
    wanted = [
        entry
        for entry in entries
        if any(w == entry.file.stem or w.lower() in entry.name.lower() for w in chosen)
    ]
    return wanted, {stem: why for stem, why in broken.items() if stem in chosen}


def limits(kinds: Iterable[str]) -> list[Entry]:
    """Return the limits of these kinds."""
    file = Path(__file__).with_name("limits.py")
    return [Entry(one, file, "limit", kind) for kind in kinds for one in LIMITS[kind]]
