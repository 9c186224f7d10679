"""Compares the loaders of several ranks before their first batch: they must share one epoch.

The first rank to come writes what its loader is into the store of torch.distributed, and the others
compare.  No rank waits for another.
"""

import hashlib
import json
import os
import socket
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._utils.text import listed, shown
from .._utils.warn import log_once
from ..errors import RequestError
from ..reading.copies import with_settings
from ..reading.reader import Reader
from .ranks import Membership, Ranks, process_group
from .state import data_facts

#: The stored pixels of so many patches are compared, and of so many rows and columns of each.
_N_PATCHES, _N_PIXELS = 16, 16
# How many loaders of this process have been compared, for each group.
_compared: Counter[tuple[int, str]] = Counter()


def compare_ranks(membership: Membership, ranks: Ranks, loader: Any, start: Any) -> None:
    """Raise RequestError if the loader of another rank, begun as the same one, differs.

    ``start``: the progress that the first iteration begins with.
    """
    distributed = process_group()
    if distributed is None or not membership.is_shared(ranks):
        return
    group = "all"
    if membership.group is not None:
        group = ",".join(map(str, distributed.get_process_group_ranks(membership.group)))
    _compared[os.getpid(), group] += 1
    own = {
        "rank": distributed.get_rank(),
        "where": f"{socket.gethostname()}:{loader.reader.dataset.path}",
        "facts": _facts(ranks, loader, start),
    }
    number = _compared[os.getpid(), group]
    digest = hashlib.blake2b(group.encode(), digest_size=8).hexdigest()
    first = _exchange(distributed, f"cloudio/{digest}/{number}", own)
    if first is not None:
        _check(own, first)


def _exchange(distributed: Any, key: str, own: Mapping[str, Any]) -> Any:
    """Return what the first rank wrote under a key, this one if it is the first."""
    try:
        store = distributed.distributed_c10d._get_default_store()
        return json.loads(store.compare_set(key, "", json.dumps(own)))
    except (AttributeError, NotImplementedError, RuntimeError) as error:
        log_once("warning", f"the ranks' loaders cannot be compared: {error}")
        return None


def _facts(ranks: Ranks, loader: Any, start: Any) -> dict[str, Any]:
    """Return what must be the same in all ranks, by the name that a message gives it."""
    reader = loader.reader
    facts: dict[str, Any] = {
        "world_size": ranks.world_size,
        "index is a share": ranks.index_is_share,
        **{name: getattr(loader, name) for name in ("batch_size", "drop_last", "even_batches")},
        "crop": str(loader.crop),
        "symmetry": str(loader.symmetry),
        **{name: value for name, value in loader.state_dict().items() if name != "data"},
        "epoch": start.epoch,
        "position": start.position,
        "num_samples": loader.num_samples,
        "bands": listed(reader.bands),
        "labels": listed(reader.labels),
        "size": str(reader.size),
        **data_facts(reader.dataset, loader._index),
        "stored pixels": _stored_pixels(reader),
    }
    if ranks.index_is_share:
        for name in "patches", "index", "num_samples":
            del facts[name]
    return facts


def _stored_pixels(reader: Reader[Any]) -> str:
    """Return a digest of some pixels of some patches, as they are stored."""
    size = tuple(min(n, _N_PIXELS) for n in reader.size)
    plain = dict.fromkeys(("scale", "mean", "std", "clip", "fill", "keys"))
    n = len(reader)
    some = np.unique(np.linspace(0, n - 1, min(n, _N_PATCHES)).astype(np.int64))
    stored = with_settings(
        reader, size=size, dtype="float32", layout="NCHW", valid=False, threads=1, **plain
    ).read(some)
    digest = hashlib.blake2b(stored.image.tobytes(), digest_size=8)
    if stored.label is not None:
        digest.update(stored.label.tobytes())
    return f"digest {digest.hexdigest()}"


def _check(own: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Raise RequestError that names what differs."""
    ours, theirs = own["facts"], first["facts"]
    names = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    if not names:
        return
    told = [_difference(name, ours.get(name), theirs.get(name)) for name in names]
    raise RequestError(
        f"the loaders of rank {own['rank']} ({own['where']}) and rank {first['rank']} "
        f"({first['where']}) differ: {listed(told)}. Give all ranks the same data and arguments; "
        "a loader that only some ranks use, or whose index= is a share, needs rank=0, world_size=1"
    )


def _difference(name: str, ours: Any, theirs: Any) -> str:
    if str(ours).startswith("digest "):
        return name
    return f"{name} is {shown(ours)} and {shown(theirs)}"
