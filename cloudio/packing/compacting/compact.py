"""`cloudio.compact`: a data set with bands stored as the sensor saw them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._utils.files import check_new_folder
from ..._utils.keywords import explain_unknown
from ..._utils.numbers import check_bool, check_whole, in_default_floats
from ..._utils.paths import local_path
from ..._utils.threads import default_threads
from ..._utils.types import FilePath
from ...errors import RequestError
from ...layouts.layout import Layout
from ...reading.dataset import Dataset
from ...reading.dataset import open as open_dataset
from ..arguments import check_choice
from .arguments import make_rules
from .choosing import N_SAMPLED, Rules, choose_by_sample, sample, sampled_patches
from .result import CompactedArray, CompactResult, collect, reason, staying
from .run import Options, compact_source
from .source import SourceSet, survey_source
from .units import stored_bytes

_Repeat = int | tuple[int, int] | list[int | tuple[int, int]]
_KEYWORDS = {
    **dict.fromkeys(("force", "overwrite"), "remove the folder first: compact replaces nothing"),
    **dict.fromkeys(("threads", "num_workers"), "workers="),
    **dict.fromkeys(("repeats", "factor"), "repeat="),
    **dict.fromkeys(("bands", "take", "arrays"), "pack with take= first, and compact the result"),
}


@in_default_floats
@explain_unknown(_KEYWORDS)
def compact(
    source: FilePath | Dataset,
    dest: FilePath,
    *,
    layout: Layout | FilePath | None = None,
    repeat: _Repeat | Mapping[str, _Repeat] | None = None,
    exceptions: float = 0.05,
    labels: bool = False,
    workers: int | None = None,
    resume: bool = False,
    dry_run: bool = False,
    progress: bool | None = False,
) -> CompactResult:
    """Write a data set again, with bands of repeated pixels stored as the sensor saw them.

    Bands of 20 m and 60 m that were repeated to 10 m are found by their pixels, patch by patch.
    What is read of the valid window stays the same, bit for bit.

    Parameters
    ----------
    source : str, path or Dataset
        The data set: a path as in `cloudio.open`, or a `Dataset`, such as one split, but no subset.
    dest : str or path
        The folder to create.  It must not exist.
    layout : Layout, str or path, optional
        The layout, as in `cloudio.open`, if ``source`` is a path.
    repeat : int, (int, int), list or mapping, optional
        The repeats that are tried: a number, (rows, columns), or a list of these; a mapping has
        those of some bands by name, 1 for none.  By default 6, 3 and 2.
    exceptions : float
        The largest share of a band's patches that may be no repetition; these are kept whole.  A
        band with more of them stays as it is.
    labels : bool
        Whether labels are stored so too, where they are repetitions.  By default they stay as they
        are.
    workers : int, optional
        How many threads work, by default one for each CPU.
    resume : bool
        Whether to go on with a run that was ended.
    dry_run : bool
        Whether to write nothing, and only look at some patches.
    progress : bool, optional
        Whether to show a progress bar on stderr; None shows one on a terminal.

    Returns
    -------
    CompactResult
        How each array is stored, its exceptions, and the bytes that are saved.  ``str()`` shows it.

    Raises
    ------
    RequestError
        If an argument is wrong, or the source has changed since the run that is resumed.
    LayoutError, OSError
        If the source cannot be opened or read.
    WriteError
        If ``dest`` exists, which is a FileExistsError too, or the disk is too full.

    Notes
    -----
    Of each band the largest repeat is taken by which few enough patches are exceptions.  Pixels are
    compared by their bits.  Every patch is compared with the source before it is written.  Outside
    the valid window such a band reads as 0.

    Of a stacked file only the channels that the layout names are kept, if one of them is stored so.
    Other files of the folders are not copied.

    The folder appears when everything is in it.  Until then, and after an error, it is
    ``DEST.packing``; ``resume`` goes on from there.
    """
    start = time.perf_counter()
    dest = local_path(dest, "dest")
    check_choice("progress", progress, (True, False, None))
    labels, dry_run = check_bool("labels", labels), check_bool("dry_run", dry_run)
    n_workers = default_threads()[0] if workers is None else check_whole("workers", workers, 1)
    options = Options(n_workers, check_bool("resume", resume), progress)
    check_new_folder(dest)
    with _opened(source, layout) as ds:
        _check_apart(ds, dest)
        found = survey_source(ds, labels=labels)
        rules = make_rules(found, repeat, exceptions)
        if dry_run:
            return _dry_run(found, rules, dest, n_workers, start)
        return compact_source(found, rules, dest, options)


@contextmanager
def _opened(source: Any, layout: Layout | FilePath | None) -> Iterator[Dataset]:
    """Give the data set; RequestError if it is a subset, or a layout is given for one."""
    if not isinstance(source, Dataset):
        with open_dataset(local_path(source, "source"), layout=layout, io="pread") as ds:
            yield ds
        return
    if layout is not None:
        raise RequestError("layout= is for a path; the data set has a layout already")
    if source.is_subset:
        raise RequestError(
            "source is a subset, and files are compacted whole; pack it first: "
            "cloudio.pack(source, dest)"
        )
    yield source


def _check_apart(ds: Dataset, dest: Path) -> None:
    """Raise RequestError if the new folder would become a part of the source."""
    inside = ds.path.resolve()
    if inside == dest.resolve() or inside in dest.resolve().parents:
        raise RequestError(f"dest={str(dest)!r} is in {ds.path}; give a folder beside it")


def _dry_run(
    source: SourceSet, rules: Rules, dest: Path, n_workers: int, start: float
) -> CompactResult:
    chosen, shares = choose_by_sample(source, rules, n_workers)
    arrays: list[CompactedArray] = []
    for name, array in source.arrays.items():
        if (repeat := chosen[name]) is None:
            arrays.append(staying(array, reason(array, rules, shares.get(name, 1.0))))
            continue
        exact = sample(source, name, rules)[:, rules.of(name).index(repeat)]
        exceptions: dict[str, tuple[int, ...]] = {}
        for (split, row), is_exact in zip(sampled_patches(source, name), exact, strict=True):
            if not is_exact:
                exceptions[split.name] = (*exceptions.get(split.name, ()), row)
        before = array.total * array.patch_bytes
        n_whole = round((1 - exact.mean()) * array.total)  # as many of all as of those seen
        n_bytes = array.total * stored_bytes(source, name, repeat) + n_whole * array.patch_bytes
        one: Any = repeat[0] if repeat[0] == repeat[1] else repeat
        arrays.append(CompactedArray(name, one, None, exceptions, array.total, before, n_bytes, ""))
    return collect(dest, source, arrays, time.perf_counter() - start, N_SAMPLED)
