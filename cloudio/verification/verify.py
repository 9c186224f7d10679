"""`cloudio.verify`: run all checks on a data set and report what they find.

Checks of files are in file_checks/, checks of pixels in pixel_checks/, the table of all checks in
check_table.py.
"""

import os
import time
from collections.abc import Iterator, Sequence

from .._utils.keywords import explain_unknown
from .._utils.machine import resolve_threads
from .._utils.numbers import check_bool, in_default_floats
from .._utils.paths import local_path
from .._utils.progress import progress_bar
from ..errors import RequestError
from ..layouts.layout import Layout
from ..reading.dataset import Dataset, open_partial
from ..storage.discovery import Split
from ..storage.errors import FileProblem
from .file_checks.disk import check_access, check_formats, check_holes, check_links
from .file_checks.metadata import check_metadata
from .file_checks.names import check_layout, check_names, check_sizes, check_types
from .file_checks.phases import check_phases
from .file_checks.problems import check_problems
from .full_pass import Checksums, bytes_to_read, check_every_byte
from .manifest import check_target, describe, write_manifest
from .manifest_diff import compare
from .manifest_reader import read_manifest
from .meaning import SkippedCheck
from .repetition.report import Repetition
from .repetition.survey import find_repetitions, window_bytes
from .report import Finding, Report, sort_findings

_KEYWORDS = {
    "quick": "full=False checks no pixels",
    **dict.fromkeys(("split", "splits"), "give the folder of a split as the path"),
}


@in_default_floats
@explain_unknown(_KEYWORDS)
def verify(
    path: str | os.PathLike[str],
    *,
    full: bool = True,
    layout: Layout | str | os.PathLike[str] | None = None,
    manifest: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    force: bool = False,
    threads: int | None = None,
    progress: bool = True,
    native: bool = False,
) -> Report:
    """Check a data set and return a report of everything that is wrong or unusual.

    Parameters
    ----------
    path : str or path
        A split folder, or a root whose sub-folders are splits.
    full : bool
        Whether to read every byte of every array, once.  Without it only names, sizes and
        metadata.csv are checked.
    layout : Layout, str or path, optional
        The layout, as in `cloudio.open`.
    manifest : str or path, optional
        A file to write: the sizes and checksums of all arrays, as JSON.  It is written at the end
        and needs ``full``.
    against : str or path, optional
        A manifest to compare with.
    force : bool
        Whether ``manifest`` may replace an existing file.
    threads : int, optional
        As ``threads`` of `Reader`.
    progress : bool
        Whether to show a progress bar if stderr is a terminal.
    native : bool
        Whether to look in every patch for pixels that are repeated, as those of bands of 20 m and
        60 m are in patches of 10 m; `compact` stores such bands smaller.

    Returns
    -------
    Report
        What was found.  Files that `cloudio.open` refuses are findings too, and the other files are
        checked.

    Raises
    ------
    RequestError
        If ``manifest`` is given without ``full`` or is the file of ``against``, or ``against`` is
        not a manifest of such a data set.
    WriteError
        If ``manifest`` exists and ``force`` is False, which is a FileExistsError too, or if it
        cannot be written.
    LayoutError, OSError
        If no array of the data set can be opened.

    Notes
    -----
    Nothing is written except ``manifest``.  docs/checks.md lists the checks.
    """
    start = time.perf_counter()
    n_threads, native = resolve_threads(threads), check_bool("native", native)
    manifest = None if manifest is None else local_path(manifest, "manifest")
    against = None if against is None else local_path(against, "against")
    if manifest is not None:
        if not full:
            raise RequestError(
                f"manifest={os.fspath(manifest)!r} with full=False; a manifest has checksums of "
                "every byte, so use full=True (no --quick)"
            )
        check_target(manifest, force=force, against=against)
    ds, splits, problems = open_partial(path, layout=layout)
    before = None if against is None else read_manifest(against, ds.layout.name)
    with ds:
        findings = list(_check_files(ds, splits, problems))
        checksums: Checksums = {}
        skipped: list[SkippedCheck] = []
        n_bytes = 0
        if full:
            shown = None if progress else False
            with progress_bar(bytes_to_read(ds, splits), shown=shown, leave=True) as advance:
                result = check_every_byte(ds, splits, findings, n_threads, advance)
            findings, checksums, skipped = result.findings, result.checksums, result.skipped
            n_bytes = advance.done
        repetitions = _find_repetitions(ds, splits, n_threads, progress) if native else None
        if manifest is not None or before is not None:
            now = describe(ds.path, ds.layout.name, splits, checksums)
            if before is not None:
                findings += compare(before, now, findings, ds.path)
            if manifest is not None:
                write_manifest(manifest, now, force=force)
    arrays = [array for split in splits for array in split.arrays.values()]
    return Report(
        path=ds.path,
        layout=ds.layout.name,
        full=full,
        splits={split.name: split.n_patches for split in splits},
        n_arrays=len({name for split in splits for name in split.arrays}),
        n_files=len({path for array in arrays for path in array.paths}),
        n_bytes=n_bytes,
        seconds=time.perf_counter() - start,
        findings=sort_findings(findings),
        skipped=tuple(skipped),
        native=repetitions,
    )


def _find_repetitions(
    ds: Dataset, splits: Sequence[Split], n_threads: int, progress: bool
) -> tuple[Repetition, ...]:
    shown = None if progress else False
    total = window_bytes(splits, ds.layout)
    with progress_bar(total, shown=shown, what="native", leave=True) as advance:
        return find_repetitions(splits, ds.layout, n_threads, advance)


def _check_files(
    ds: Dataset, splits: Sequence[Split], problems: Sequence[FileProblem]
) -> Iterator[Finding]:
    """Run the checks that read no pixels."""
    yield from check_problems(problems, splits, ds.path)
    yield from check_names(splits, problems, ds.layout)
    yield from check_types(splits, ds.layout)
    yield from check_metadata(splits, problems)
    for split in splits:
        yield from check_layout(split)
        yield from check_sizes(split)
        yield from check_access(split)
        yield from check_formats(split)
        yield from check_phases(split)
        yield from check_links(split, ds.path)
        yield from check_holes(split, ds.layout)
