"""Checks of arrays of lower resolution: the phases of their patches."""

from collections.abc import Iterator

from ...errors import CloudioError, error_reason
from ...storage.discovery import Split
from ...storage.phases import PhaseFile
from ..file_names import file_name
from ..report import Finding, make_finding


def check_phases(split: Split) -> Iterator[Finding]:
    """Report phases that are out of range, and exceptions that do not exist."""
    files = (array.native.phase for array in split.arrays.values() if array.native is not None)
    for table in dict.fromkeys(each for each in files if isinstance(each, PhaseFile)):
        file = file_name(table.path, split.folder)
        try:
            rows = table.read()
        except (CloudioError, OSError) as error:
            yield make_finding("phases", split.name, file, (), error_reason(error))
            continue
        if len(wrong := table.wrong_patches(rows)):
            k = int(wrong[0])
            yield make_finding("phases", split.name, file, wrong, table.wrong_row(k, rows[k]))
