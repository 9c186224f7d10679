"""The report of `cloudio.verify`: its findings, as text, HTML and JSON."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from .._utils import tables
from .._utils.files import write_file
from .._utils.json_files import check_replaceable, load_json
from .._utils.text import counted, escape_controls, format_ranges, gigabytes
from ..reading.dataset import Dataset
from ..storage.discovery import Split
from .check_table import CHECKS, SEVERITIES, Severity
from .meaning import SkippedCheck
from .part_counts import PartCounts
from .patch_numbers import MOST_LISTED, compact
from .repetition.report import Repetition, describe
from .saved.fields import fields_from_plain, fields_to_plain
from .saved.values import numbers_of, runs_of, text

# Rows of one check that are printed.
_MAX_ROWS = 12
# What a file of a report begins with, and what is wrong with another one.
_KIND = "Report"
_HEAD = f'{{"kind": "{_KIND}"'.encode()
_NO_REPORT = "does not hold a report; save() of what cloudio.verify returns writes such a file"


@dataclass(frozen=True)
class Finding:
    """One thing that `cloudio.verify` found.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        "error": the data cannot be trusted.  "warning": it gives wrong numbers unless it is
        handled. "note": worth knowing.
    check : str
        The name of the check; docs/checks.md lists them.
    split : str
        The split, or "" if it concerns several.
    file : str
        The file, relative to the split's folder, or "" if it concerns several.  A channel of a
        stacked file is ``name[channel]``.
    patches : sequence of int
        Patch numbers in the split, if it concerns certain patches: a tuple, or if there are more
        than 10,000 a sequence that takes less memory.
    message : str
        What was found.
    advice : str
        What to do.
    """

    severity: Severity
    check: str
    split: str
    file: str
    patches: Sequence[int]
    message: str
    advice: str


def _finding_entries(finding: Finding) -> dict[str, Any]:
    """Return a finding for JSON, which lists no more than `MOST_LISTED` patches."""
    n_patches = len(finding.patches)
    if n_patches <= MOST_LISTED:
        return asdict(finding)
    entries = asdict(replace(finding, patches=tuple(finding.patches[:MOST_LISTED])))
    return entries | {"n_patches": n_patches}


def make_finding(
    check: str, split: str, file: str, patches: Iterable[int], message: str, advice: str = ""
) -> Finding:
    """Return a finding with the severity of its check, and its advice unless one is given."""
    row = CHECKS[check]
    advice = advice or row.advice
    return Finding(row.severity, check, split, file, compact(patches), message, advice)


@dataclass(frozen=True, repr=False)
class Report:
    """The findings of `cloudio.verify`.  ``print`` shows them for people, `json` for programs.

    Attributes
    ----------
    path : Path
        The folder of the data set.
    layout : str
        The name of its layout.
    full : bool
        Whether every byte was read.
    splits : dict of str to int
        The number of patches of each split; of a part of a data set those that were checked.
    n_arrays, n_files : int
        The number of different arrays, and of files that hold them.
    n_bytes : int
        The number of bytes that were read; 0 without ``full``.
    seconds : float
        The time that it took.
    findings : tuple of Finding
        The most severe first, then in the order of the checks.
    skipped : tuple of SkippedCheck
        The checks that were skipped for some arrays: with ``check``, ``split``, ``file`` and
        ``reason``.  What they found can be meant, or the layout does not say enough.
    native : tuple of Repetition, optional
        With ``native`` how the pixels of each array are repeated: ``array``, ``repeat``,
        ``stored``, ``n_patches``, ``n_exact``, ``n_phases`` and ``exceptions``.  Else None.
    counts : PartCounts, optional
        What `cloudio.merge_reports` needs of the report of a part of a data set.  Else None.
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
    skipped: tuple[SkippedCheck, ...] = ()
    native: tuple[Repetition, ...] | None = None
    counts: PartCounts | None = field(default=None, compare=False)

    @property
    def missing(self) -> dict[str, tuple[int, ...]]:
        """The patches of each split that were not checked: numbers in the split.

        It is empty if all were checked, or no pixels at all.
        """
        return {} if self.counts is None else self.counts.missing()

    @property
    def ok(self) -> bool:
        """Whether there are no findings at all, not even notes."""
        return not self.findings

    def json(self) -> str:
        """Return the report as JSON.

        Returns
        -------
        str
            An object with the attributes of the report and ``ok``.  A finding of more than 10,000
            patches has the first 10,000 of them, and ``n_patches``, their number.  The report of a
            part of a data set has ``n_missing``, the patches of each split that were not checked.
        """
        findings = [_finding_entries(finding) for finding in self.findings]
        entries = asdict(replace(self, findings=(), native=None, counts=None))
        entries["findings"] = findings
        del entries["counts"]
        if missing := self.missing:
            entries["n_missing"] = {split: len(numbers) for split, numbers in missing.items()}
        if self.native is not None:
            entries["native"] = [each.entries() for each in self.native]
        return json.dumps(entries | {"path": os.fspath(self.path), "ok": self.ok}, indent=1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a file, which `load` reads.

        Parameters
        ----------
        path : str or path
            The file, as JSON.  One that already holds a report is replaced.

        Raises
        ------
        RequestError
            If the file exists and holds something else.
        WriteError
            If the file cannot be written.  It is written completely or not at all.

        Notes
        -----
        The report of a part keeps what `cloudio.merge_reports` needs: some 60 to 160 bytes for each
        patch of each array.  `json` is for other programs, and has less.
        """
        write_file(path, json.dumps(_to_plain(self)), force=True, check=_check_savable)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Report":
        """Return the report that `save` wrote to a file.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        Report
            Equal to the one that was saved; that of a part merges as that one does.

        Raises
        ------
        RequestError
            If the file holds no report that `save` wrote.
        OSError
            If the file cannot be read.
        """
        return load_json(path, "report", _NO_REPORT, _from_plain)

    def __repr__(self) -> str:
        path = escape_controls(os.fspath(self.path))
        return f"<cloudio.Report of {path}: {self._totals()}>"

    def __str__(self) -> str:
        lines = [escape_controls(x) for x in (self._scope(), *self._skips(), self._totals())]
        found = [] if self.native is None else [describe(self.native)]
        return "\n".join([*lines, *map(_group_text, self._groups()), *found])

    def _repr_html_(self) -> str:
        head = ("severity", "check", "split", "file", "patches", "what", "what to do")
        rows = [row for group in self._groups() for row in _html_rows(group)]
        caption = "; ".join([f"{self._scope()}: {self._totals()}", *self._skips()])
        return tables.html([head, *rows], caption=caption)

    def _scope(self) -> str:
        """Return what was read."""
        stored = self.splits if self.counts is None else self.counts.stored
        parts = ", ".join(
            f"{name} {n:,}" if n == stored[name] else f"{name} {n:,} of {stored[name]:,}"
            for name, n in self.splits.items()
        )
        read = (
            f"every byte of {gigabytes(self.n_bytes)} GB in {self.seconds:,.1f} s"
            if self.full
            else f"names, sizes and metadata in {self.seconds:,.1f} s; no pixels"
        )
        return (
            f"{os.fspath(self.path)}: {self.layout}, {parts} patches, "
            f"{self.n_arrays} arrays in {self.n_files} files; {read}"
        )

    def _skips(self) -> list[str]:
        """Return which checks were skipped, as at most one line."""
        checks: dict[tuple[str, ...], list[str]] = {}
        for check, reason in dict.fromkeys((s.check, s.reason) for s in self.skipped):
            skips = [s for s in self.skipped if (s.check, s.reason) == (check, reason)]
            files = tuple(dict.fromkeys(s.file for s in skips))
            checks.setdefault((reason, *files), []).append(check)
        parts = [
            f"{', '.join(names)} of {_join_files(files)} ({reason})"
            for (reason, *files), names in checks.items()
        ]
        return [f"skipped: {'; '.join(parts)}"] if parts else []

    def _totals(self) -> str:
        """Return the number of findings of each severity."""
        counts = Counter(finding.severity for finding in self.findings)
        listed = [
            counted(counts[severity], severity) for severity in SEVERITIES if counts[severity]
        ]
        return ", ".join(listed) or "nothing found"

    def _groups(self) -> list[list[Finding]]:
        """Findings with the same check and advice, together."""
        in_order = sorted(self.findings, key=lambda finding: (*_rank(finding), finding.advice))
        groups = groupby(in_order, lambda finding: (finding.check, finding.advice))
        return [list(group) for _, group in groups]


def _to_plain(report: Report) -> dict[str, Any]:
    """Return a report as plain values that JSON holds: all of it, unlike `Report.json`."""
    findings = [vars(each) | {"patches": runs_of(each.patches)} for each in report.findings]
    return {"kind": _KIND, **fields_to_plain(vars(report)), "findings": findings}


def _from_plain(entries: dict[str, Any]) -> Report:
    """Return the report that the parsed JSON describes; any of `MALFORMED` if none."""
    if entries["kind"] != _KIND:
        raise ValueError("it is of another kind")
    findings = tuple(map(_finding_from_plain, entries["findings"]))
    return Report(findings=findings, **fields_from_plain(entries))


def _finding_from_plain(entries: dict[str, Any]) -> Finding:
    patches = compact(numbers_of(entries["patches"]))
    texts = {name: text(value) for name, value in entries.items() if name != "patches"}
    finding = Finding(**{**texts, "patches": patches})  # type: ignore[arg-type]
    _rank(finding)  # its severity and check exist
    return finding


def _check_savable(path: Path) -> None:
    """Raise RequestError if a file is there that holds no report."""
    check_replaceable(path, [_HEAD], "report")


def report_of(
    ds: Dataset,
    splits: Sequence[Split],
    found: tuple[Iterable[Finding], Iterable[SkippedCheck]],
    n_bytes: int,
    seconds: float,
    *,
    n_by_split: dict[str, int] | None = None,
    **more: Any,
) -> Report:
    """Return the report of a data set.

    ``found`` are findings and skipped checks, ``more`` the fields that are not the same for all.
    """
    findings, skipped = found
    arrays = [array for split in splits for array in split.arrays.values()]
    return Report(
        path=ds.path,
        layout=ds.layout.name,
        n_arrays=len({name for split in splits for name in split.arrays}),
        n_files=len({path for array in arrays for path in array.paths}),
        n_bytes=n_bytes,
        seconds=seconds,
        findings=sort_findings(findings),
        skipped=tuple(skipped),
        splits=n_by_split or {split.name: split.n_patches for split in splits},
        **{"full": True, **more},
    )


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by severity, then by the order of the checks; the order of equals stays."""
    return tuple(sorted(findings, key=_rank))


def _rank(finding: Finding) -> tuple[int, int]:
    return SEVERITIES.index(finding.severity), list(CHECKS).index(finding.check)


def _group_text(group: Sequence[Finding]) -> str:
    first = group[0]
    files: dict[tuple[str, str, str], list[str]] = {}
    for split, file, patches, message in map(_cells, group):
        files.setdefault((split, patches, message), []).append(file)
    rows = [(cells[0], _join_files(names), *cells[1:]) for cells, names in files.items()]
    lines = [f"\n{first.severity}: {CHECKS[first.check].title} [{first.check}]"]
    lines += [f"  {line}" for line in tables.text(rows[:_MAX_ROWS]).splitlines()]
    if len(rows) > _MAX_ROWS:
        lines.append(f"  and {len(rows) - _MAX_ROWS:,} more; --json has them all")
    return "\n".join([*lines, f"  -> {escape_controls(first.advice)}"])


def _html_rows(group: Sequence[Finding]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (finding.severity, finding.check, *_cells(finding), finding.advice)
        for finding in group[:_MAX_ROWS]
    ]
    if more := len(group) - len(rows):
        rows.append((*rows[0][:2], "", "", "", f"and {more:,} more; json() has them all", ""))
    return rows


def _join_files(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1:,} more"


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    return finding.split, finding.file, format_ranges(finding.patches), finding.message
