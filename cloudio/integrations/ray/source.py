"""Data sets and readers as tasks of Ray carry them."""

import hashlib
from typing import Any

from ray import cloudpickle

from ...reading.dataset import Dataset
from ..sources import Source, file_states


def make_source(ds: Dataset, what: Any) -> Source:
    """Return a source of ``what``, which reads the files of a data set."""
    data = cloudpickle.dumps(what)
    key = hashlib.sha256(data + repr(file_states(ds)).encode()).hexdigest()[:32]
    return Source(data, key)
