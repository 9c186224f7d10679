"""Compares the loaders of several ranks before their first batch: they must share one epoch.

The first rank to come writes what its loader is into the store of torch.distributed, and the others
compare.  No rank waits for another.
"""

import hashlib
import json
import os
import socket
import threading
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
_ARGUMENTS = "batch_size", "seed", "shuffle", "drop_last", "even_batches"
# How many loaders of this process have a number, for each group.
_n_numbered: Counter[tuple[int, str]] = Counter()
# Reentrant: a signal may come while it is held.
_lock = threading.RLock()
# The default group that this process was forked with.  It belongs to the parent, and so does its
# connection to the store: the answers would be mixed up.
_parents_group: Any = None


def compare_ranks(membership: Membership, ranks: Ranks, loader: Any, start: Any) -> None:
    """Raise RequestError if the loader of another rank, begun as the same one, differs.

    ``start``: the progress that the first iteration begins with.
    """
    distributed = process_group()
    if distributed is None or not membership.is_shared(ranks):
        return
    if _parents_group is not None and distributed.group.WORLD is _parents_group:
        return
    with _lock:  # threads may begin one loader at once
        if membership.compared_in != os.getpid():
            _compare(distributed, membership, ranks, loader, start)
            membership.compared_in = os.getpid()


def _compare(
    distributed: Any, membership: Membership, ranks: Ranks, loader: Any, start: Any
) -> None:
    group = "all"
    if membership.group is not None:
        group = ",".join(map(str, distributed.get_process_group_ranks(membership.group)))
    process, number = membership.number or (None, 0)
    if process != os.getpid():  # else it is begun again after an error, in this rank only
        _n_numbered[os.getpid(), group] += 1
        number = _n_numbered[os.getpid(), group]
        membership.number = os.getpid(), number
    own = {
        "rank": distributed.get_rank(),
        "where": f"{socket.gethostname()}:{loader.reader.dataset.path}",
        "facts": _facts(ranks, loader, start),
    }
    digest = hashlib.blake2b(group.encode(), digest_size=8).hexdigest()
    first = _exchange(distributed, f"cloudio/{digest}/{number}", own)
    if first is not None:
        _check(own, first)


def _after_fork() -> None:
    global _lock, _parents_group
    _lock, distributed = threading.RLock(), process_group()
    _parents_group = None if distributed is None else distributed.group.WORLD


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


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
        **{name: getattr(loader, name) for name in _ARGUMENTS},
        "crop": str(loader.crop),
        "symmetry": str(loader.symmetry),
        # Not its state: a subclass may add what belongs to one rank.
        "patches": loader.n_patches,
        **loader._sampler.order.settings,
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
    plain_reader = with_settings(
        reader, size=size, dtype="float32", layout="NCHW", valid=False, threads=1, **plain
    )
    stored = Reader.read(plain_reader, some)  # a subclass may add noise
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
    advice = (
        "Give all ranks the same data and arguments; a loader that only some ranks use, or whose "
        "index= is a share, needs rank=0, world_size=1"
    )
    if "index is a share" in names:  # the rest follows from it
        sharing = own if ours["index is a share"] else first
        told = [f"index= is the share of rank {sharing['rank']} and not that of the other"]
        advice = (
            "If all ranks are to share this index, pass rank= and world_size=; an index that is "
            "a share needs rank=0, world_size=1"
        )
    else:
        told = [_difference(name, ours.get(name), theirs.get(name)) for name in names]
    raise RequestError(
        f"the loaders of rank {own['rank']} ({own['where']}) and rank {first['rank']} "
        f"({first['where']}) differ: {listed(told)}. {advice}"
    )


def _difference(name: str, ours: Any, theirs: Any) -> str:
    if name == "weights" or str(ours).startswith("digest "):
        return name
    return f"{name} is {shown(ours)} and {shown(theirs)}"
