"""Is a data set what it is taken for: its files, and every byte of them.

What is looked at is in verify_files.py, verify_types.py, verify_frame.py and verify_pixels.py; what
is said of it in findings.py.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .._utils.machine import resolve_threads
from .._utils.progress import progress_bar
from ..errors import CloudioError, RequestError
from ..layouts.band import Band
from ..layouts.layout import Layout
from ..reading import scan
from ..reading.dataset import Dataset, open_partial
from ..storage.discovery import Split
from ..storage.inference import ArrayFile, FileProblem
from . import manifest as manifests
from .dtypes import halves, swapped
from .files import (
    file_name,
    holes,
    of_access,
    of_faults,
    of_holes,
    of_metadata,
    of_names,
    of_sizes,
    of_types,
)
from .padding import frames, of_array, of_split, patch_of, spread
from .pixels import Subject, codes_of, of_band, of_label, of_repeats
from .report import Finding, Report, finding, ordered

_TYPES_BY = 3  # patches of an array that its element type is told by


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
) -> Report:
    """Look for everything that is wrong with a data set, or that gives wrong numbers.

    ``full``: every byte of every array is read once; else names, sizes and metadata.csv alone.
    ``layout`` is what `cloudio.open` takes; what that refuses is reported here, and the rest is
    looked at.  ``manifest``: a file to write the sizes and checksums of all arrays to, of which
    nothing is written before the end, nor over another file without ``force``; ``against``: such
    a file, to compare with.  ``progress`` is shown on a terminal.

    Nothing else is written.  RequestError where a manifest is none, needs ``full`` or is to be
    written over the one compared with; OSError or LayoutError, as of `cloudio.open`, where not even
    one array can be opened.  docs/verify.md lists the checks.
    """
    begun = time.perf_counter()
    n_threads = resolve_threads(threads)
    if manifest is not None:
        if not full:
            raise RequestError(f"manifest={manifest!r} with full=False; checksums need every byte")
        compared = None if against is None else Path(against)
        manifests.check_target(Path(manifest), force=force, against=compared)
    ds, splits, faults = open_partial(path, layout=layout)
    before = None if against is None else manifests.read(Path(against), ds.layout.name)
    with ds:
        findings = list(_quick(ds, splits, faults))
        sums: dict[tuple[str, str], np.ndarray] = {}
        n_bytes = 0
        if full:
            shown = None if progress else False
            with progress_bar(_bytes_to_read(ds, splits), shown=shown, leave=True) as advance:
                findings = _full(ds, splits, findings, sums, n_threads, advance)
            n_bytes = advance.done
        if manifest is not None or before is not None:
            now = manifests.describe(ds.path, ds.layout.name, splits, sums)
            if before is not None:
                findings += manifests.compare(before, now, findings, ds.path)
            if manifest is not None:
                manifests.write(Path(manifest), now, force=force)
    arrays = [array for split in splits for array in split.arrays.values()]
    return Report(
        path=ds.path,
        layout=ds.layout.name,
        full=full,
        splits={split.name: split.n_patches for split in splits},
        n_arrays=len({name for split in splits for name in split.arrays}),
        n_files=len({array.path for array in arrays}),
        n_bytes=n_bytes,
        seconds=time.perf_counter() - begun,
        findings=ordered(findings),
    )


def _quick(
    ds: Dataset, splits: Sequence[Split], faults: Sequence[FileProblem]
) -> Iterator[Finding]:
    yield from of_faults(faults, splits, ds.path)
    yield from of_names(splits, faults, ds.layout)
    yield from of_types(splits, ds.layout)
    yield from of_metadata(splits, faults)
    for split in splits:
        yield from of_sizes(split)
        yield from of_access(split)
        yield from of_holes(split, ds.layout)


def _bytes_to_read(ds: Dataset, splits: Sequence[Split]) -> int:
    """The bytes of all arrays, which a full pass reads."""
    return sum(
        scan.bytes_to_read(ds.split(split.name), name, whole=True)
        for split in splits
        for name in split.arrays
    )


# ---- every byte ----------------------------------------------------------------------------------


def _full(
    ds: Dataset,
    splits: Sequence[Split],
    findings: list[Finding],
    sums: dict[tuple[str, str], np.ndarray],
    threads: int,
    advance: Callable[[int], object],
) -> list[Finding]:
    """``findings`` and what pixels add to them; ``sums`` gets the checksums of every array."""
    repeats: dict[str, dict[str, np.ndarray]] = {}
    files: dict[tuple[str, str], str] = {}
    unreadable = {(f.split, f.file) for f in findings if f.check == "unreadable"}
    for split in splits:
        part = ds.split(split.name)
        found: list[Finding] = []
        for name in part.names:
            files[split.name, name] = file = file_name(split.arrays[name], split.folder)
            if (split.name, file.partition("[")[0]) in unreadable:
                continue
            try:
                records, of_it = _of_array(part, split, name, threads, advance)
            except (CloudioError, OSError) as error:
                found.append(_unread(split, name, error))
                continue
            found += of_it
            sums[split.name, name] = records["checksum"].copy()
            if _is_picture(ds.layout, part.band(name)):
                # What is the same everywhere is the same as others by nature.
                varies = ~(records["minimum"] == records["maximum"]) & (records["data"] > 0)
                repeats.setdefault(split.name, {})[name] = records["checksum"] * varies
        halved = [f for f in found if f.check == "halves"]
        by_halves = not split.metadata and 2 * len(halved) > len(split.arrays)
        unsure = split.ambiguity is not None
        if unsure:  # pixels settle it
            findings = [f for f in findings if (f.check, f.split) != ("ambiguous", split.name)]
        if by_halves:
            findings = [f for f in findings if f.split != split.name or not _is_of_size(f)]
        if halved and (unsure or by_halves):
            # The number of patches is wrong, and nothing else of the split can be judged.
            found = halved
            repeats.pop(split.name, None)
        elif not unsure and not any(f.check == "frame" for f in found):
            found += _inner(ds.layout, part, split)
        findings += found
    return findings + list(of_repeats(repeats, files))


def _is_of_size(found: Finding) -> bool:
    """Whether a file does not fit the number of patches; of a .npy file its header tells."""
    return found.check in ("cut", "too-long") and not found.file.lower().endswith(".npy")


def _of_array(
    part: Dataset, split: Split, name: str, threads: int, advance: Callable[[int], object]
) -> tuple[np.ndarray, list[Finding]]:
    """The counts of an array's patches, and what is wrong with its pixels."""
    layout, array, band = part.layout, split.arrays[name], part.band(name)
    is_label = band.kind == "label" and array.dtype.kind != "f"
    codes = codes_of(layout.label_maps.get(name, {}), array.dtype) if is_label else None
    counts = scan.count_array(
        part,
        name,
        whole=True,
        checksum=True,
        class_lut=None if codes is None else codes.fold,
        threads=threads,
        advance=advance,
    )
    file = file_name(array, split.folder)
    unwritten = frozenset(holes(array, layout.band(name)))
    subject = Subject(layout, band, split.name, file, unwritten)
    found = list(_of_type(subject, array, split))
    if not found:
        around = frames(layout, array, counts.patches)
        if codes is None:
            found += of_band(subject, counts)
        else:
            found += of_label(subject, counts, codes, around)
        if not any(f.check == "byte-order" for f in found):
            least = counts.patches["padding_minimum"]
            found += of_array(layout, around, least, band.nodata, split.name, file)
    return counts.patches, found


def _of_type(subject: Subject, array: ArrayFile, split: Split) -> Iterator[Finding]:
    """What patches look like that are not of the type they are read as."""
    looked = [patch_of(array, k) for k in spread(array.shape[0], _TYPES_BY)]
    varied = [patch for patch in looked if (patch != patch[0, 0]).any()]
    everywhere = range(array.shape[0])
    # Bytes may be those of labels; only where the size says so too, they are halves.
    unsure = array.dtype.itemsize == 2 or split.ambiguity is not None
    if not varied:
        return
    if not array.start and unsure and all(map(halves, varied)):
        kind = "float32" if array.dtype.itemsize == 2 else "int16"
        message = f"read as {array.dtype}, and looks like halves of {kind}"
        yield from subject.found("halves", everywhere, message)
    elif subject.band.kind == "band" and all(map(swapped, varied)):
        message = f"{array.dtype} looks like noise as it is read, and not the other way round"
        yield from subject.found("byte-order", everywhere, message)


def _is_picture(layout: Layout, band: Band) -> bool:
    """Whether patches that agree in an array, and in all others like it, are the same patch.

    Radar, terrain and land cover of a place can be the same on other days; reflectance cannot.
    """
    if any(known.wavelength is not None for known in layout.bands):
        return band.wavelength is not None
    return band.kind == "band"


def _inner(layout: Layout, part: Dataset, split: Split) -> Iterator[Finding]:
    """Padding that reaches into the valid window."""
    bands = {name: part.band(name) for name in part.names}
    measured = [name for name, band in bands.items() if band.wavelength is not None] or [
        name for name, band in bands.items() if band.kind == "band" and band.dtype == "float32"
    ]
    try:
        message = of_split(layout, [(split.arrays[n], bands[n].nodata) for n in measured])
    except OSError:  # told where all of it was read
        return
    if message is not None:
        yield finding("frame", split.name, "", (), message)


def _unread(split: Split, name: str, error: Exception) -> Finding:
    """Where an array could not be read; the patch is where the message says."""
    array = split.arrays[name]
    where = re.search(r": patch (\d+)", str(error))
    patches = [int(where[1])] if where else []
    why = str(error).replace(f"{split.folder}{os.sep}", "").removeprefix(f"{array.path.name} ")
    return finding("read", split.name, file_name(array, split.folder), patches, why)
