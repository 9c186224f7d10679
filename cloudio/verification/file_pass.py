"""All checks of files, which read no pixels."""

from collections.abc import Iterator, Sequence

from ..reading.dataset import Dataset
from ..storage.discovery import Split
from ..storage.errors import FileProblem
from .file_checks.disk import check_access, check_formats, check_holes, check_links
from .file_checks.metadata import check_metadata
from .file_checks.names import check_layout, check_names, check_sizes, check_types
from .file_checks.phases import check_phases
from .file_checks.problems import check_problems
from .report import Finding


def check_files(
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
