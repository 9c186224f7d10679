"""The pass over every byte: each array of each split is read once, and its pixels are checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import CloudioError, error_reason
from ..layouts.band import Band
from ..layouts.layout import Layout
from ..reading import scan
from ..reading.dataset import Dataset
from ..storage.discovery import Split
from .checked_array import CheckedArray
from .meaning import NO_LABEL_MAP, SkippedCheck, why_codes
from .part_counts import ClassColumns
from .pixel_checks.bands import check_band
from .pixel_checks.channels import find_misplaced_channels
from .pixel_checks.dtypes import check_dtype
from .pixel_checks.duplicates import check_duplicates
from .pixel_checks.label_codes import LabelCodes
from .pixel_checks.labels import check_label
from .pixel_checks.padding import check_padding, check_split_padding, measure_padding
from .report import Finding, make_finding

#: (split, array) -> (patch,): checksums of the stored bytes.
Checksums = Mapping[tuple[str, str], np.ndarray]
#: Counts an array; its second argument is the class of each code, or None.
Count = Callable[[CheckedArray, np.ndarray | None], tuple[scan.ArrayCounts, ClassColumns]]


@dataclass(frozen=True)
class FullResult:
    """What a pass found: ``findings`` of files and pixels, and the checksums of all arrays read."""

    findings: list[Finding]
    checksums: Checksums
    skipped: list[SkippedCheck]


def bytes_to_read(ds: Dataset, splits: Sequence[Split]) -> int:
    """Return the bytes of all arrays."""
    return sum(
        scan.bytes_to_read(ds.split(split.name), name, whole=True) + array.exception_bytes
        for split in splits
        for name, array in split.arrays.items()
    )


def check_every_byte(
    ds: Dataset,
    splits: Sequence[Split],
    findings: Sequence[Finding],
    count: Count,
    rows: Mapping[str, np.ndarray] | None = None,
) -> FullResult:
    """Count every array once.  Pixels settle some of ``findings``, which then are left out.

    ``rows``: the patches of each split to check, ascending; a split that is left out has none.
    None: all patches.
    """
    found = list(findings)
    unreadable = {(f.split, f.file) for f in findings if f.check in ("unreadable", "phases")}
    sums: dict[tuple[str, str], np.ndarray] = {}
    pictures: dict[str, dict[str, np.ndarray]] = {}
    files: dict[tuple[str, str], str] = {}
    skipped: list[SkippedCheck] = []
    for split in splits:
        dataset, some = ds.split(split.name), None
        if rows is not None:
            if split.name not in rows:
                continue
            some = rows[split.name]
            dataset = dataset.subset(some)
        arrays = [CheckedArray.resolve(dataset, split, name, some) for name in dataset.names]
        files |= {(split.name, array.name): array.file for array in arrays}
        readable = [
            array
            for array in arrays
            if unreadable.isdisjoint((split.name, file) for file in array.files)
        ]
        result = _check_arrays(readable, count)
        sums |= {(split.name, name): each for name, each in result.checksums.items()}
        found, is_misread = _settle(found, split, result)
        if not is_misread:
            pictures[split.name] = result.pictures
            skipped += result.skipped
            if not any(f.check == "frame" for f in result.findings):
                found += check_split_padding([a for a in arrays if a.name in result.measured])
    found += check_duplicates(pictures, files, rows)
    return FullResult(found, sums, skipped)


# ---- one split -----------------------------------------------------------------------------------


@dataclass
class _SplitResult:
    """Findings and ``checksums`` of the arrays of a split; patches are compared by ``pictures``.

    ``measured`` are the arrays with numbers that vary from pixel to pixel.
    """

    findings: list[Finding] = field(default_factory=list)
    skipped: list[SkippedCheck] = field(default_factory=list)
    measured: set[str] = field(default_factory=set)
    checksums: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)


def _check_arrays(arrays: Sequence[CheckedArray], count: Count) -> _SplitResult:
    result = _SplitResult()
    misplaced = find_misplaced_channels(arrays)
    result.findings += misplaced.values()
    for array in arrays:
        try:
            counts, found = _check_array(array, count)
        except (CloudioError, OSError) as error:
            result.findings.append(_read_error(array, error))
            continue
        records = counts.patches
        checksums = records["checksum"].copy()
        result.checksums[array.name] = checksums
        if array.stored.path in misplaced:  # of which nothing else means anything
            continue
        result.findings += [each for each in found if isinstance(each, Finding)]
        result.skipped += [each for each in found if isinstance(each, SkippedCheck)]
        codes = why_codes(array.band, counts.dtype, counts.histogram)
        if array.band.kind == "band" and not (array.why_not_measured or codes):
            result.measured.add(array.name)
        if _is_picture(array.layout, array.band):
            # Patches of one value are equal without being copies.
            varies = (records["minimum"] != records["maximum"]) & (records["data"] > 0)
            result.pictures[array.name] = checksums * varies
    return result


def _settle(
    findings: list[Finding], split: Split, result: _SplitResult
) -> tuple[list[Finding], bool]:
    """Return the findings that remain when pixels are known, and whether the split is misread.

    A misread split has a wrong number of patches, so its other findings mean nothing.
    """
    misread = [f for f in result.findings if f.check in ("halves", "not-float32")]
    most_are_misread = not split.metadata and 2 * len(misread) > len(split.arrays)
    if split.ambiguity is not None:
        findings = [f for f in findings if (f.check, f.split) != ("ambiguous", split.name)]
    if most_are_misread:
        findings = [f for f in findings if f.split != split.name or not _is_about_size(f)]
    if misread and (split.ambiguity is not None or most_are_misread):
        return findings + misread, True
    return findings + result.findings, False


def _is_about_size(finding: Finding) -> bool:
    """Return whether a flat file does not fit the number of patches; .npy files have a header."""
    return finding.check in ("cut", "too-long") and not finding.file.lower().endswith(".npy")


# ---- one array -----------------------------------------------------------------------------------


def _check_array(
    array: CheckedArray, count: Count
) -> tuple[scan.ArrayCounts, list[Finding | SkippedCheck]]:
    """Return the counts of an array's pixels, what is wrong with them, and what was skipped."""
    codes = None
    if array.band.kind == "label" and array.dtype.kind != "f":
        codes = LabelCodes.resolve(array.layout.label_maps.get(array.name, {}), array.dtype)
    counts, classes = count(array, None if codes is None else codes.class_lut)
    found: list[Finding | SkippedCheck] = list(check_dtype(array))
    if not found:
        padding = measure_padding(array, counts.patches)
        if codes is None:
            found += check_band(array, counts)
        else:
            found += check_label(array, counts, classes, codes, padding)
            if codes.default_map is None:
                found.append(array.skipped("codes", NO_LABEL_MAP))
        if not any(f.check == "byte-order" for f in found):
            found += check_padding(array, padding)
    return counts, found


def _is_picture(layout: Layout, band: Band) -> bool:
    """Return whether equal patches of this array, and all arrays like it, are copies.

    Radar, terrain and land cover of a place can be equal on other days; reflectance cannot.
    """
    if layout.has_wavelengths:
        return band.wavelength is not None
    return band.kind == "band"


def _read_error(array: CheckedArray, error: Exception) -> Finding:
    """Return the finding of an array that could not be read, with the patch if it is known."""
    patch = error.patch if isinstance(error, CloudioError) else None
    patches = [] if patch is None else [patch]
    return make_finding("read", array.split.name, array.file, patches, error_reason(error))
