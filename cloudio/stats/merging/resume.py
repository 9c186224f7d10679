"""A pass in chunks that can be interrupted: what is counted is saved, and counted only once.

A chunk is a part of the patches.  Chunks are merged, so the result is that of one pass.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from ..._utils.files import write_file
from ..._utils.json_files import read_json
from ..._utils.numbers import in_default_floats
from ..._utils.paths import exists, local_path
from ..._utils.progress import progress_bar
from ..._utils.text import listed
from ...errors import RequestError
from ...layouts.digest import layout_digest
from ...reading import scan
from ...reading.dataset import Dataset
from ...reading.selection import select_bands, select_labels
from ..band_stats import BandStats
from ..compute_agreement import agreement
from ..compute_bands import bands, lower_halves
from ..compute_classes import classes
from ..provenance import Provenance
from ..result import Result, ResultSet, result_from_plain
from ..serialize import to_plain
from .merge import merge

R = TypeVar("R", bound=Result)

_KIND = "Unfinished"
_WRONG = (
    "does not hold unfinished statistics; cloudio stats --resume FILE writes such a file: give "
    "another file name"
)
# Bytes of the pixels of a chunk.  A pass over a chunk costs some ms besides reading.
_CHUNK_BYTES = 256 << 20
# The name of the second round of bands in a file.
_SECOND_ROUND = "percentiles"
_COUNTS: dict[str, Callable[..., Result]] = {
    "bands": bands,
    "classes": classes,
    "agreement": agreement,
}
# Seconds between two saves; and a save may take this share of the time.
_SAVE_SECONDS, _SAVE_SHARE = 5.0, 0.1


def count_in_chunks(
    path: str | os.PathLike[str],
    ds: Dataset,
    requests: Mapping[str, Mapping[str, Any]],
    threads: int | None,
    progress: bool,
) -> ResultSet[Any]:
    """Return results by name, each of ``bands``, ``classes`` or ``agreement``.

    ``requests`` are their arguments.  ``path`` is the file that keeps what is counted; it is there
    afterwards.
    """
    results: dict[str, Result] = {}
    arrays = {name: _arrays(ds, name, request) for name, request in requests.items()}
    total = sum(scan.bytes_to_read(ds, name) for names in arrays.values() for name in names)
    with (
        ResumablePass(path, ds, requests) as passes,
        progress_bar(total, shown=progress, what="stats") as advance,
    ):
        for name, request in requests.items():
            counting = partial(_COUNTS[name], **request, threads=threads)
            found = passes.count(name, arrays[name], counting, advance)
            if isinstance(found, BandStats) and found.pending:
                wanted = found.second_round()
                second = partial(lower_halves, wanted=wanted, threads=threads)
                lower = passes.count(_SECOND_ROUND, wanted.names, second, advance)
                found = found.finish(lower)
            results[name] = found
    return ResultSet(results)


def _arrays(ds: Dataset, name: str, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arrays that a result reads, each as often as it reads it."""
    if name == "bands":
        names = select_bands(ds, request["bands"])
        n_rounds = 1 + bool(len(request["percentiles"]))
        return tuple(
            each for each in names for _ in range(n_rounds if ds.dtype(each).kind == "f" else 1)
        )
    labels = [*select_labels(ds, request["source" if name == "agreement" else "labels"]).label_maps]
    if name == "classes":
        return tuple(labels)
    return (*labels, *[ds.find(request["reference"])] * len(labels))


class ResumablePass:
    """Counts a data set in chunks, and keeps what is counted in a file.

    As a context manager it saves at the end, also after an error or an interrupt.  ``request``
    describes what is counted; a file of another request, or of files that have changed, is refused.
    """

    def __init__(
        self, path: str | os.PathLike[str], ds: Dataset, request: Mapping[str, Any]
    ) -> None:
        self._path, self._ds = local_path(path, "resume"), ds
        self._request = json.loads(json.dumps(dict(request) | _identity(ds), default=list))
        # Of each result the parts that follow each other; the first may be what was merged before.
        self._parts: dict[str, list[Result]] = {}
        self._is_saved = True
        self._next_save = time.monotonic() + _SAVE_SECONDS
        if exists(self._path):
            self._parts = {name: [part] for name, part in self._read().items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._save()

    def count(
        self,
        name: str,
        arrays: tuple[str, ...],
        count: Callable[[Dataset], R],
        advance: Callable[[int], object],
    ) -> R:
        """Return the result of ``count`` of the whole data set, chunk by chunk.

        ``arrays`` are those that it reads, which say how many patches are a chunk.
        """
        n = len(self._ds)
        parts: Any = self._parts.get(name, [])
        n_done = sum(map(_n_counted, parts))
        patch_bytes = sum(scan.bytes_to_read(self._ds, array) for array in arrays) // max(1, n)
        step = max(1, _CHUNK_BYTES // max(1, patch_bytes))
        advance(n_done * patch_bytes)
        while not parts or n_done < n:
            stop = min(n_done + step, n)
            parts.append(count(self._ds.subset(range(n_done, stop))))
            advance((stop - n_done) * patch_bytes)
            n_done, self._parts[name], self._is_saved = stop, parts, False
            if time.monotonic() >= self._next_save:
                self._save()
        return cast(R, _merged(parts))

    def _save(self) -> None:
        if self._is_saved:
            return
        start = time.monotonic()
        parts = {name: to_plain(_merged(parts)) for name, parts in self._parts.items()}
        entries = {"kind": _KIND, "request": self._request, "parts": parts}
        write_file(self._path, json.dumps(entries, allow_nan=False), force=True, check=self._check)
        self._is_saved = True
        now = time.monotonic()
        self._next_save = now + max(_SAVE_SECONDS, (now - start) / _SAVE_SHARE)

    def _check(self, path: Path) -> None:
        """Raise RequestError if another file is to be replaced."""
        if exists(path):
            self._read()

    @in_default_floats
    def _read(self) -> dict[str, Result]:
        entries = read_json(self._path, _WRONG)
        if not isinstance(entries, dict) or entries.get("kind") != _KIND:
            raise RequestError.about(self._path, _WRONG)
        request = entries.get("request")
        if request != self._request:
            given = request if isinstance(request, dict) else {}
            names = [key for key, value in self._request.items() if given.get(key) != value]
            raise RequestError.about(
                self._path,
                f"holds statistics of another request, which differs in: {listed(names)}; give the "
                "same options, or remove the file to begin again",
            )
        try:
            parts = {name: result_from_plain(part) for name, part in entries["parts"].items()}
            for part in parts.values():
                _n_counted(part)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            raise RequestError.about(self._path, _WRONG) from None
        return parts


def _merged(parts: list[Result]) -> Result:
    """Return the result of all parts, which takes their place.

    It is not done after each chunk: it takes time for each patch that is counted so far.
    """
    if len(parts) > 1:
        parts[:] = [merge(parts)]
    return parts[0]


def _n_counted(result: Result) -> int:
    """Return how many patches are counted: the first ones."""
    if isinstance(result, ResultSet):
        first = next(iter(result.values()), None)
        if first is None:
            raise ValueError("it is empty")
        return _n_counted(first)
    covers = result.of.covers
    n = sum(result.of.splits.values())
    if covers is None or covers.runs.tolist() != [[0, n]][: min(n, 1)]:
        raise ValueError("it does not count the first patches")
    return n


def _identity(ds: Dataset) -> dict[str, Any]:
    """Return what must not change: the patches, the layout, and the files."""
    arrays = [array for split in ds.stored_splits for array in split.arrays.values()]
    files = {}
    for path in sorted({path for array in arrays for path in array.paths}):
        status = path.stat()
        files[str(path.resolve())] = [status.st_size, status.st_mtime_ns]
    of = Provenance.of(ds, ())
    return {
        "patches": to_plain(of),
        "layout": layout_digest(ds.layout),
        "files": files,
    }
