"""Several sources as one, each as a split or a part of one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import accumulate
from typing import Any

import numpy as np

from ...errors import RequestError
from ...layouts.band import Band, Window
from ...layouts.layout import Layout
from ..sample import Sample, Source


class JoinedSource:
    """The samples of several sources, one source after the other.

    Parameters
    ----------
    parts : mapping of str to source or sequence of sources
        The split of the samples of each source, whatever split the source gives them.

    Raises
    ------
    RequestError
        If there is no source, or two say other things of an array in their layouts.
    """

    def __init__(self, parts: Mapping[str, Source | Sequence[Source]]) -> None:
        self._parts: list[tuple[str, Source]] = []
        for split, given in parts.items():
            if not isinstance(split, str) or not split:
                raise RequestError(f"there is a split {split!r}; it must be a name")
            some: Any = given if isinstance(given, (list, tuple)) else [given]
            self._parts += [(split, source) for source in some]
        if not self._parts:
            raise RequestError("there is nothing to join; give a source for each split")
        self._stops = np.array([*accumulate(len(source) for _, source in self._parts)])
        #: One source that needs threads is enough.
        self.in_threads = any(source.in_threads for _, source in self._parts)
        sizes = [getattr(source, "task_size", None) for _, source in self._parts]
        #: Samples that a worker reads one after the other, the most of all parts; None if none says
        #: so.
        self.task_size = max((size for size in sizes if size), default=None)

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """What the sources have left out, with the reasons."""
        return self._of_all("left_out")

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of the sources, each once."""
        return tuple(dict.fromkeys(self._of_all("notes")))

    def summary(self) -> list[str]:
        """Return the summaries of the sources, below their splits."""
        lines: list[str] = []
        for split, source in self._parts:
            own: list[str] = getattr(source, "summary", list)()
            lines += [f"{split}:", *(f"  {line}" for line in own)] if own else []
        return lines

    def _of_all(self, name: str) -> tuple[Any, ...]:
        return tuple(each for _, source in self._parts for each in getattr(source, name, ()))

    def __len__(self) -> int:
        return int(self._stops[-1])

    def name_of(self, k: int) -> str:
        """Return the name that its source has for a sample."""
        source, own = self._find(k)
        return source.name_of(own)

    def split_of(self, k: int) -> str:
        """Return the split of a sample."""
        return self._parts[self._part(k)][0]

    def digest(self) -> str:
        """Return a text that changes with any of the sources."""
        each = [(split, source.digest(), len(source)) for split, source in self._parts]
        return hashlib.sha256(repr(each).encode()).hexdigest()

    def read(self, k: int) -> Sample:
        """Return the sample as its source gives it."""
        source, own = self._find(k)
        return source.read(own)

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        """Return the names of codes in all sources; RequestError if two name one otherwise."""
        found: dict[str, dict[int, str]] = {}
        for _, source in self._parts:
            for label, names in source.label_names().items():
                known = found.setdefault(label, {})
                for code, name in names.items():
                    if known.setdefault(code, name) != name:
                        raise RequestError(
                            f"{label}: code {code} is {known[code]!r} in one source and {name!r} "
                            "in another; sources that are joined must have the same classes"
                        )
        return found

    def layout_hints(self) -> Layout | None:
        """Return what all sources with a layout say of the copy; None if there is no such source.

        RequestError if two say other things of an array.
        """
        hints: list[Layout] = [
            layout
            for _, source in self._parts
            if (say := getattr(source, "layout_hints", None)) and (layout := say()) is not None
        ]
        if not hints:
            return None
        first, *others = hints
        for other in others:
            _check_alike(first, other)
        if len(hints) < len(self._parts):  # samples without a layout are valid as a whole
            return replace(first, valid=Window(0, 0, *first.patch))
        return first

    def _part(self, k: int) -> int:
        return int(np.searchsorted(self._stops, k, side="right"))

    def _find(self, k: int) -> tuple[Source, int]:
        part = self._part(k)
        source: Any = self._parts[part][1]
        return source, k - int(self._stops[part] - len(source))


def _check_alike(first: Layout, other: Layout) -> None:
    """Raise RequestError if two layouts differ in an array, its classes, or the valid window."""
    if first.valid != other.valid:
        raise RequestError(
            f"the valid window is {first.valid} in one data set and {other.valid} in another; crop "
            "each to its valid window, or to a size within it"
        )
    for band in other.bands:
        known = first.band(band.name)
        if known is None or (
            known == band
            and first.label_maps.get(band.name, {}) == other.label_maps.get(band.name, {})
        ):
            continue
        entries = [entry.name for entry in fields(Band)]
        differing = [name for name in entries if getattr(known, name) != getattr(band, name)]
        what = "other label maps"
        if differing:
            own, others = (getattr(each, differing[0]) for each in (known, band))
            what = f"{differing[0]} {own}, and {others}"
        raise RequestError(
            f"{band.name} has {what} in data sets that are joined; they must agree on it"
        )
