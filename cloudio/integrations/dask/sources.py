"""Data sets and readers as tasks of Dask carry them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import cloudpickle
from dask.tokenize import tokenize

from ...layouts.digest import layout_digest
from ...layouts.labels import LabelMap
from ...reading.copies import description
from ...reading.dataset import Dataset
from ...reading.reader import Reader
from ..sources import Source as OpenedOnce
from ..sources import file_states, whole_dataset, whole_reader


class Source(OpenedOnce):
    """A data set or a reader that tasks share; equal ones have equal keys in any process."""

    __slots__ = ()

    @classmethod
    def of_dataset(cls, ds: Dataset) -> "Source":
        """Return the whole data set of which ``ds`` is one or a subset; patches as stored."""
        return cls(cloudpickle.dumps(whole_dataset(ds)), _digest(ds))

    @classmethod
    def of_reader(cls, reader: Reader[Any]) -> "Source":
        """Return a reader of the whole data set, with one thread if no number was chosen."""
        whole = whole_reader(reader)
        kind, _, settings, added = description(whole)
        return cls(cloudpickle.dumps(whole), _digest(reader.dataset, kind, _plain(settings), added))

    def __dask_tokenize__(self) -> str:
        return self.key


def _digest(ds: Dataset, *settings: Any) -> str:
    counts = {split.name: split.n_patches for split in ds.stored_splits}
    parts = str(ds.path), layout_digest(ds.layout), counts, file_states(ds), settings
    return hashlib.sha256(tokenize(*parts).encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Return settings without pickles, whose bytes can differ where values are equal."""
    if isinstance(value, Mapping):
        return [(key, _plain(entry)) for key, entry in value.items()]
    if isinstance(value, LabelMap):
        fields = [_plain(field) for field in value.fields or ()]
        return [sorted(value.classes.items()), value.unlisted, fields, value.names, value.colors]
    return value
