"""Readers made of readers: from a pickle, with other settings, in a worker of torch's DataLoader.

A subclass keeps its class, and the attributes that it adds.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from .._utils.warn import suppressed

# A reader.  Its module is above this one.
R = TypeVar("R")

#: What `Reader` itself sets.  A pickle has settings in place of it.
OWN_NAMES = frozenset((
    "dataset", "bands", "size", "image_shape", "dtype_name", "dtype", "valid", "label_dtype",
    "labels", "label_maps", "policies", "label_shape", "_n_patches", "_is_subset", "_origin",
    "_threads", "_evict", "_factors", "_plans", "_allocate", "_check_out", "_settings",
    "_worker_reader", "_arrays_reader", "batch_keys",
))  # fmt: skip


def description(reader: Any) -> tuple[Any, ...]:
    """Return the class, data set and settings of a reader, and what a subclass has added."""
    added = {name: value for name, value in vars(reader).items() if name not in OWN_NAMES}
    return type(reader), reader.dataset, dict(reader.settings), added


def restore(cls: type[R], dataset: Any, settings: Mapping[str, Any], added: Mapping[str, Any]) -> R:
    """Return the reader of a description."""
    reader: Any = cls.__new__(cls)
    with suppressed():  # the process that made the reader has warned
        reader._init_reader(dataset, **settings)
    vars(reader).update(added)
    made: R = reader
    return made


def with_settings(reader: R, **changes: Any) -> R:
    """Return a reader of the same class and data set with these settings changed."""
    cls, dataset, settings, added = description(reader)
    made: R = restore(cls, dataset, {**settings, **changes}, added)
    return made


def worker_reader(reader: R) -> R:
    """Return the reader; in a worker process of torch's DataLoader, one that uses one thread.

    If ``threads`` or CLOUDIO_THREADS is set, the reader itself is used there too.
    """
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is None or torch_data.get_worker_info() is None:
        return reader
    given: Any = reader
    if given.settings["threads"] or os.environ.get("CLOUDIO_THREADS"):
        return reader
    if given._worker_reader is None:
        given._worker_reader = with_settings(reader, threads=1)
    own: R = given._worker_reader
    return own
