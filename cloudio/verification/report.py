"""What `cloudio.verify` can find: every check, and the report of what was found.

How it is found is verify.py's.  docs/verify.md has the same table for people.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from .._utils import tables
from .._utils.text import counted, gigabytes

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_LINES = 12  # of one check that a person is shown


class Check(NamedTuple):
    """``title`` says what is wrong, ``advice`` what to do."""

    severity: Severity
    title: str
    advice: str


_ANEW = "copy or download it anew"
CHECKS: dict[str, Check] = {
    # files: by names, sizes and metadata.csv alone
    "unreadable": Check("error", "files that cannot be read", f"{_ANEW}, or remove it"),
    "cut": Check("error", "files that end before their last patch", f"{_ANEW}"),
    "too-long": Check(
        "error",
        "files that hold more than the patches there are",
        "find out what the rest is: two files joined, or one of another type or shape",
    ),
    "shape": Check(
        "error", ".npy files of another shape", "describe it in a layout, or save it anew"
    ),
    "doubled": Check("error", "two files of one array", "keep the one that is right"),
    "folder": Check("error", "folders that are no split", "move what does not belong there"),
    "missing": Check(
        "warning", "arrays that are not there", "copy them, or read the splits one by one"
    ),
    "incomplete": Check(
        "note",
        "groups of arrays that lack a few",
        "copy them; or name the arrays you read, for the name of the group is refused",
    ),
    "unknown": Check(
        "note",
        "files that the layout does not know",
        "correct the name, or describe it in a layout: its type was guessed from its size",
    ),
    "left-out": Check("note", "files that are no patches, and left out", "nothing, if they are"),
    "type": Check(
        "warning",
        "arrays of another type than the layout's",
        "no scale is known of them: give reader(scale=...), or describe them in a layout; "
        "np.memmap of the layout's type reads them without an error, and wrongly",
    ),
    "label-type": Check(
        "note",
        "labels of another type than the layout's",
        "cloudio reads them; np.memmap of the layout's type would read halves of them",
    ),
    "ambiguous": Check(
        "warning",
        "sizes that allow two numbers of patches",
        "put a metadata.csv with a row per patch beside the files; a full verify looks at pixels",
    ),
    "holes": Check(
        "warning",
        "patches that were never written to the disk, wholly or in part, and read as zeros",
        f"{_ANEW}, unless it was made by a tool that leaves out zeros (cp --sparse)",
    ),
    "metadata": Check("error", "metadata.csv that cannot be used", "correct it, or copy it anew"),
    "rows": Check(
        "error",
        "metadata.csv with a row too many or too few",
        "correct it: row k describes patch k, and from some row on it no longer does",
    ),
    "no-metadata": Check("warning", "splits without metadata.csv, which others have", "copy it"),
    "columns": Check(
        "warning",
        "columns of metadata.csv that another split has",
        "add them: ds.metadata leaves out what is not in every split",
    ),
    "index": Check(
        "warning",
        "rows of metadata.csv with the same index",
        "find out which row is right; patches are numbered by row, not by index",
    ),
    "shared-roi": Check(
        "warning",
        "places that are in several splits",
        "a model has seen the ground it is tested on: make splits that keep roi_id whole",
    ),
    "shared-scene": Check(
        "warning",
        "satellite scenes that are in several splits",
        "a model has seen the sky it is tested on: make splits that keep s2_id whole",
    ),
    # pixels: every byte
    "read": Check("error", "arrays that could not be read to their end", f"{_ANEW}"),
    "halves": Check(
        "error",
        "float32 files that are taken for two-byte numbers",
        "describe them as float32 in a layout, or put a metadata.csv with a row per patch there",
    ),
    "byte-order": Check(
        "error",
        "numbers whose bytes are in the other order",
        "write them anew, little-endian: array.byteswap()",
    ),
    "frame": Check(
        "warning",
        "real pixels that lie elsewhere than in the valid window",
        "describe the data set in a layout with its own window (valid)",
    ),
    "frame-value": Check(
        "note",
        "frames of another value than 0",
        "nothing, where patches are read within the valid window, as they are by default",
    ),
    "codes": Check(
        "warning",
        "label codes outside their map",
        "give a LabelMap that lists them, if they mean something",
    ),
    "unlabelled": Check("note", "pixels that nobody has labelled", "nothing: they are ignored"),
    "label-empty": Check(
        "warning",
        "patches of which no pixel is labelled",
        "leave them out: ds.subset(...); a model learns nothing from them",
    ),
    "label-zeros": Check(
        "warning",
        "labels that are 0 in every pixel of every patch",
        "do not train on it: this is a placeholder, and 0 often means clear; take another label",
    ),
    "label-constant": Check(
        "warning",
        "labels with the same code in every pixel of every patch",
        "do not train on it: this looks like a placeholder",
    ),
    "label-binary": Check(
        "warning",
        "probabilities in percent that are nothing but 0 and 1",
        "it is a mask: a threshold makes all of it 0, so give LabelMap({0: 0, 1: 1})",
    ),
    "constant": Check(
        "warning", "patches of one value", "leave them out, or find out what overwrote them"
    ),
    "saturated": Check(
        "warning",
        "patches with many pixels at the largest number of their type",
        "what was brighter is lost: mask them, or take the product anew as uint16 or float32",
    ),
    "negative": Check(
        "warning",
        "reflectance below zero",
        "find out whether it is no data, needs an offset in the layout, or is uint16 read as int16",
    ),
    "nodata": Check(
        "warning",
        "patches that are partly no data",
        "reader(fill=...) replaces it and valid=True masks it; else its number enters every mean",
    ),
    "empty": Check(
        "warning",
        "patches without a single number that is data",
        "leave them out: ds.subset(...), or reader(fill=..., valid=True)",
    ),
    "nan": Check(
        "warning",
        "patches with pixels that are NaN",
        "reader(fill=...) replaces no data of the layout: describe them there as nodata = nan",
    ),
    "infinite": Check(
        "warning", "patches with infinite pixels", "reader(clip=...), or write them anew"
    ),
    "duplicate": Check(
        "warning",
        "patches that are there more than once",
        "keep one: between splits it is a leak, within one a weight",
    ),
    "copied": Check(
        "error",
        "arrays that hold the same bytes as another",
        f"{_ANEW}: one is a copy of the other",
    ),
    # against a manifest
    "manifest-missing": Check("error", "arrays of the manifest that are gone", f"{_ANEW}"),
    "manifest-new": Check("note", "files that the manifest does not have", "write a new manifest"),
    "manifest-size": Check(
        "error", "files of another size or type than in the manifest", f"{_ANEW}"
    ),
    "manifest-bytes": Check("error", "bytes that are not those of the manifest", f"{_ANEW}"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    ``severity``: "error", the data cannot be trusted; "warning", it gives wrong numbers unless it
    is handled; "note", worth knowing.  ``check``: its name in docs/verify.md.  ``split`` and
    ``file``: where, "" where that is several; a channel of a stacked file is ``name[channel]``.
    ``patches``: numbers in the split, where it is about some.
    """

    severity: Severity
    check: str
    split: str
    file: str
    patches: tuple[int, ...]
    message: str
    advice: str


def finding(
    check: str, split: str, file: str, patches: Iterable[int], message: str, advice: str = ""
) -> Finding:
    """A finding with the severity of its check, and its advice unless another one is given."""
    known = CHECKS[check]
    numbers = tuple(int(patch) for patch in patches)
    return Finding(known.severity, check, split, file, numbers, message, advice or known.advice)


@dataclass(frozen=True, repr=False)
class Report:
    """What `cloudio.verify` has found; ``str()`` is for people, ``json()`` for programs.

    ``findings``: the most severe first, then in the order of the checks.  ``full``: whether pixels
    were looked at.  ``n_bytes`` were read, of ``n_files`` files with ``n_arrays`` arrays.
    """

    path: Path
    layout: str
    full: bool
    splits: dict[str, int]
    n_arrays: int
    n_files: int
    n_bytes: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing at all was found."""
        return not self.findings

    def json(self) -> str:
        """Everything as JSON."""
        entries = asdict(self) | {"path": os.fspath(self.path), "ok": self.ok}
        return json.dumps(entries, indent=1)

    def __repr__(self) -> str:
        return f"<cloudio.Report of {self.path}: {self._counted()}>"

    def __str__(self) -> str:
        return "\n".join([self._what(), self._counted(), *map(_text, self._groups())])

    def _what(self) -> str:
        parts = ", ".join(f"{name} {n:,}" for name, n in self.splits.items())
        looked = (
            f"every byte of {gigabytes(self.n_bytes)} GB in {self.seconds:,.1f} s"
            if self.full
            else f"names, sizes and metadata in {self.seconds:,.1f} s; no pixels"
        )
        return (
            f"{self.path}: {self.layout}, {parts} patches, {self.n_arrays} arrays in "
            f"{self.n_files} files; {looked}"
        )

    def _counted(self) -> str:
        counts = Counter(found.severity for found in self.findings)
        listed = [
            counted(counts[severity], severity) for severity in SEVERITIES if counts[severity]
        ]
        return ", ".join(listed) or "nothing found"

    def _groups(self) -> list[list[Finding]]:
        """Findings of one check that call for the same, together."""
        ordered = sorted(self.findings, key=lambda found: (*_rank(found), found.advice))
        return [list(g) for _, g in groupby(ordered, lambda found: (found.check, found.advice))]

    def _repr_html_(self) -> str:
        head = ("severity", "check", "split", "file", "patches", "what", "what to do")
        rows = [row for group in self._groups() for row in _cells(group)]
        return tables.html([head, *rows], caption=f"{self._what()}: {self._counted()}")


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The most severe first, then in the order of the checks; else as they come."""
    return tuple(sorted(findings, key=_rank))


def _rank(found: Finding) -> tuple[int, int]:
    return SEVERITIES.index(found.severity), list(CHECKS).index(found.check)


def _text(group: Sequence[Finding]) -> str:
    first = group[0]
    alike: dict[tuple[str, str, str], list[str]] = {}
    for split, file, patches, message in map(_row, group):
        alike.setdefault((split, patches, message), []).append(file)
    rows = [(where[0], _files(files), *where[1:]) for where, files in alike.items()][:_LINES]
    lines = [f"\n{first.severity}: {CHECKS[first.check].title} [{first.check}]"]
    lines += [f"  {line}" for line in tables.text(rows).splitlines()]
    if more := len(alike) - len(rows):
        lines.append(f"  and {more:,} more; --json has them all")
    return "\n".join([*lines, f"  -> {first.advice}"])


def _cells(group: Sequence[Finding]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (f.severity, f.check, *_row(f), f.advice) for f in group[:_LINES]
    ]
    if more := len(group) - len(rows):
        rows.append((*rows[0][:2], "", "", "", f"and {more:,} more; json() has them all", ""))
    return rows


def _files(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1:,} more"


def _row(found: Finding) -> tuple[str, str, str, str]:
    return found.split, found.file, shortened(found.patches), found.message


def shortened(patches: Sequence[int], most: int = 4) -> str:
    """Numbers as runs: ``3, 7..12 and 48 more``."""
    runs: list[list[int]] = []
    for patch in patches:
        if runs and patch == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], patch]
        else:
            runs.append([patch])
    shown = [".".join(map(str, run)).replace(".", "..") for run in runs[:most]]
    more = sum(run[-1] - run[0] + 1 for run in runs[most:])
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
