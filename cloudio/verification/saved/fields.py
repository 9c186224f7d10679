"""The fields of a report, apart from its findings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..._utils.json_files import refuse
from ..meaning import SkippedCheck
from ..repetition.report import Repetition
from .counts import counts_from_plain, counts_to_plain
from .values import seconds, text, whole


def fields_to_plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a report as plain values."""
    native, counts = fields["native"], fields["counts"]
    return {
        **fields,
        "path": str(fields["path"]),
        "skipped": [vars(each) for each in fields["skipped"]],
        "native": None if native is None else [each.entries() for each in native],
        "counts": None if counts is None else counts_to_plain(counts),
    }


def fields_from_plain(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the parsed JSON describes; ValueError and the like if it does not."""
    native, counts = entries["native"], entries["counts"]
    splits = {name: whole(n) for name, n in entries["splits"].items()}
    counts = None if counts is None else counts_from_plain(counts)
    refuse(counts is not None and splits != counts.n_by_split(), "other patches than it counts")
    refuse(not isinstance(entries["full"], bool), "another value than true or false")
    return {
        **{name: whole(entries[name]) for name in ("n_arrays", "n_files", "n_bytes")},
        "path": Path(text(entries["path"])),
        "layout": text(entries["layout"]),
        "full": entries["full"],
        "splits": splits,
        "seconds": seconds(entries["seconds"]),
        "skipped": tuple(
            SkippedCheck(**{name: text(value) for name, value in each.items()})
            for each in entries["skipped"]
        ),
        "native": None if native is None else tuple(map(Repetition.of_entries, native)),
        "counts": counts,
    }
