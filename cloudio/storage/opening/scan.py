"""The splits of the folder that is opened, and whether its layout may be taken for theirs."""

import os
from dataclasses import replace

from ...layouts.layout import Layout
from ..discovery import Split, scan_folder
from ..errors import FileProblem
from .assumption import check_assumption
from .contents import describe_contents
from .location import Location, locate


def scan_path(
    path: str | os.PathLike[str],
    layout: Layout | str | os.PathLike[str] | None,
    *,
    check_rows: bool = False,
) -> tuple[Location, list[Split], list[FileProblem]]:
    """Return the folder and its layout, the splits that fit together, and what is wrong.

    There is a problem if there is no split.  ``check_rows`` is that of `scan_folder`.
    """
    location = locate(path, layout)
    splits, problems = scan_folder(location.root, location.layout, check_rows=check_rows)
    root, layout, doubts = location.root, location.layout, dict(location.doubts)
    if location.assumed:
        splits, problems = check_assumption(root, layout, splits, problems)
    else:
        splits = [replace(split, doubt=doubts.get(split.folder)) for split in splits]
        if not splits and problems[0].kind == "nothing":
            problems = [problems[0].with_text(f". {describe_contents(root, propose_layout=False)}")]
    return location, splits, problems
