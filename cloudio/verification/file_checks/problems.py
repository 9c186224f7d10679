"""Findings for what `cloudio.open` refuses."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...storage.discovery import Split
from ...storage.errors import FileProblem
from ...storage.listing import split_name
from ...storage.metadata.csv_file import count_rows
from ..report import Finding, make_finding


def check_problems(
    problems: Iterable[FileProblem], splits: Sequence[Split], root: Path
) -> Iterator[Finding]:
    """Report why `cloudio.open` refuses the folder."""
    folders = {split.name: split.folder for split in splits}
    n_patches = {split.name: split.n_patches for split in splits}
    for problem in problems:
        folder = folders.get(problem.split) or _split_folder(problem, root)
        path = problem.path.relative_to(folder if problem.path.is_relative_to(folder) else root)
        # Findings name files relative to the folder of their split.
        message = problem.reason.replace(f"{folder}{os.sep}", "")
        patches: Iterable[int] = problem.patches
        if problem.kind == "rows":
            n_rows = count_rows(problem.path)
            n = n_patches.get(problem.split, 0)
            message = f"{n_rows:,} rows; the files hold {n:,} patches"
            patches = ()
        yield make_finding(problem.kind, problem.split, path.as_posix(), patches, message)


def _split_folder(problem: FileProblem, root: Path) -> Path:
    """Return the folder of a split that has no array left: the one in ``root`` with its name."""
    if problem.kind != "folder" and problem.path.is_relative_to(root):
        parts = problem.path.relative_to(root).parts
        if len(parts) > 1 and split_name(parts[0]) == problem.split:
            return root / parts[0]
    return root
