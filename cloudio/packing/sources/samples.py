"""Samples that are objects of Python: mappings of names to arrays and to columns of metadata."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..._utils.tensors import as_host_array, check_not_masked
from ..._utils.text import counted, listed, shown, suggest
from ...errors import RequestError
from ..sample import ArrayInfo, Sample, channel_names

# Arrays that are labels, unless the caller names them.
LABEL_NAMES = frozenset(("mask", "masks", "label", "labels", "annotation"))
# An axis that is longer than this is one of pixels.
_MOST_CHANNELS = 32


class Items(Protocol):
    """What ``len()`` and ``[k]`` work on."""

    def __len__(self) -> int: ...
    def __getitem__(self, k: int, /) -> Any: ...


def _is_utf8(text: str) -> bool:
    """Return whether UTF-8 can hold a text: not half a character."""
    return not any("\ud800" <= x <= "\udfff" for x in text)


class SampleMaker:
    """Makes samples of mappings.

    ``names``: array -> names of its channels, "-" for one that is left out.  ``labels``: arrays
    that are labels, None for those of the usual names.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str]],
        labels: Iterable[str] | None,
        take: Sequence[str] | None,
        channel_axis: str,
        split: str,
    ) -> None:
        self._names, self._take, self._split = dict(names), take, split
        labels = None if labels is None else tuple(labels)
        self._labels = LABEL_NAMES if labels is None else frozenset(labels)
        self._last = channel_axis == "last"
        # What the caller says of arrays, which each sample must have.
        self._said = {"names": tuple(self._names), "labels": tuple(labels or ())}

    def digest(self) -> str:
        """Return a text that is another one if other arrays are made of the same items."""
        names = {name: list(some) for name, some in sorted(self._names.items())}
        take = None if self._take is None else list(self._take)
        return repr((names, sorted(self._labels), take, self._last))

    def make(self, item: Any, what: str) -> Sample:
        """Return the sample of an item; RequestError, which begins with ``what``, if it is none."""
        if not isinstance(item, Mapping):
            raise RequestError(
                f"{what} is of type {type(item).__name__}; it must be a mapping of names to arrays "
                'and columns, such as {"image": image, "mask": mask, "id": 7}'
            )
        sample = Sample({})
        for name, value in item.items():
            if not (isinstance(name, str) and name and _is_utf8(name)):
                raise RequestError(f"{what} has the key {shown(name)}; keys must be text")
            pixels = self._pixels(value, f"{what}, {name}")
            if pixels is None:
                sample.attributes[name] = value
            else:
                self._add(sample, name, pixels, what)
        for option, some in self._said.items():
            if lost := [name for name in some if name not in item]:
                raise RequestError(
                    f"{option}: {what} has no array {lost[0]!r}; it has {listed(item)}"
                    f"{suggest(lost[0], [*item])}"
                )
        if not sample.arrays:
            raise RequestError(f"{what} has no arrays; it has {listed(item) or 'nothing'}")
        split = sample.attributes.pop("split", self._split)
        if split != self._split:
            raise RequestError(
                f"{what} has split {shown(split)}, but is packed as {self._split!r}; give the "
                'samples of each split: {"train": samples, "val": others}'
            )
        return self._taken(sample, what)

    def _pixels(self, value: Any, what: str) -> np.ndarray | None:
        """Return the array; None if it is a column of metadata."""
        if value is None or isinstance(value, (str, bytes, int, float, Mapping, np.generic)):
            return None
        check_not_masked(what, value)
        if type(value) is not np.ndarray:
            value = as_host_array(what, value)
        if not isinstance(value, np.ndarray) or value.ndim == 0:
            return None
        if value.dtype.kind not in "biuf":
            raise RequestError(f"{what} is an array of {value.dtype}; it must be of numbers")
        if value.ndim not in (2, 3) or 0 in value.shape:
            raise RequestError(
                f"{what} has shape {value.shape}; it must be (row, column) or (channel, row, "
                "column)"
            )
        return value

    def _add(self, sample: Sample, name: str, pixels: np.ndarray, what: str) -> None:
        info = ArrayInfo(kind="label" if name in self._labels else "band")
        if pixels.ndim == 2:
            planes = pixels[None]
        else:
            planes = np.moveaxis(pixels, -1, 0) if self._last else pixels
            n, *size = planes.shape
            if n > _MOST_CHANNELS and min(size) <= _MOST_CHANNELS and name not in self._names:
                other = "first" if self._last else "last"
                raise RequestError(
                    f"{what}, {name} has shape {pixels.shape}, so {n} channels; if its channels "
                    f"come {other}, give channel_axis={other!r} (--channel-axis {other})"
                )
        names = self._names.get(name, channel_names(name, len(planes)))
        if len(names) != len(planes):
            raise RequestError(
                f"{what}, {name} has {counted(len(planes), 'channel')}, but names= gives "
                f"{len(names)}: {listed(names)}"
            )
        for each, plane in zip(names, planes, strict=True):
            if each in sample.arrays:
                raise RequestError(f"{what} has two arrays named {each}; give others with names=")
            if each != "-":
                sample.arrays[each], sample.infos[each] = plane, info

    def _taken(self, sample: Sample, what: str) -> Sample:
        if self._take is None:
            return sample
        if lost := [name for name in self._take if name not in sample.arrays]:
            raise RequestError(
                f"take: {what} has no array {lost[0]!r}; it has {listed(sample.arrays)}"
            )
        arrays = {name: sample.arrays[name] for name in self._take}
        return Sample(arrays, {k: sample.infos[k] for k in arrays}, sample.attributes)


class SequenceSource:
    """A sequence of mappings, or a map-style data set of PyTorch; threads of this process read."""

    in_threads = True

    def __init__(self, items: Items, maker: SampleMaker, split: str) -> None:
        self._items, self._maker, self._split = items, maker, split

    def __len__(self) -> int:
        return len(self._items)

    def name_of(self, k: int) -> str:
        return f"samples[{k}]"

    def split_of(self, k: int) -> str:
        return self._split

    def digest(self) -> str:
        return f"{self._split}: a sequence of {len(self)}: {self._maker.digest()}"

    def read(self, k: int) -> Sample:
        return self._maker.make(self._items[k], self.name_of(k))

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        return {}


class Stream:
    """An iterable of mappings whose number is not known; it is read once, in its order.

    With ``key`` a run is resumed by the values of that column; else by the number of samples.
    """

    def __init__(
        self, items: Iterable[Any], maker: SampleMaker, split: str, key: str | None
    ) -> None:
        self._items, self._maker, self.split, self.key = iter(items), maker, split, key
        self._n_taken = 0
        self._first: Any = None

    def digest(self) -> str:
        """Return a text that is another one for samples that are resumed otherwise."""
        return f"{self.split}: an iterable, by {self.key or 'number'}: {self._maker.digest()}"

    def first(self) -> Sample:
        """Return the first sample, which `samples` yields again; RequestError if there is none."""
        try:
            self._first = next(self._items)
        except StopIteration:
            raise RequestError("there is no sample to pack: the iterable is empty") from None
        self._n_taken = 1
        return self._maker.make(self._first, "sample 0")

    def samples(self, skip: int) -> Iterator[tuple[int, Sample]]:
        """Yield samples with their numbers, after the first ``skip``, which are not looked at.

        RequestError if an item is no sample.
        """
        if self._n_taken and not skip:
            yield 0, self._maker.make(self._first, "sample 0")
        self._first = None
        for k, item in enumerate(self._items, self._n_taken):
            if k >= skip:
                yield k, self._maker.make(item, f"sample {k}")
