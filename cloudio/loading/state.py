"""States of a loader, and the checks of a state before it is loaded."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._utils.files import read_chunks
from .._utils.numbers import is_whole
from .._utils.paths import exists
from .._utils.text import counted, listed, shown
from ..errors import RequestError
from ..reading.collection import Collection
from ..storage.metadata.csv_file import METADATA_CSV
from .sampling.sampler import check_epoch

#: The version of what `Loader.state_dict` returns.
VERSION = 1
# What a state without these numbers has: each patch comes once in an epoch.
_PLAIN = {"crops_per_patch": 1, "replacement": 0, "weights": 0}


def fingerprint(dataset: Collection, index: np.ndarray | None) -> int:
    """Return a number of the patches: of each split's metadata or name, and of ``index``."""
    digest = hashlib.blake2b(_layout(dataset).encode(), digest_size=8)
    for name, patches in dataset.splits.items():
        digest.update(_metadata(dataset, name, name) + len(patches).to_bytes(8, "little"))
    digest.update(_stored_index(dataset, index))
    return int.from_bytes(digest.digest(), "little") >> 1


def data_facts(dataset: Collection, index: np.ndarray | None) -> dict[str, str]:
    """Return what `fingerprint` is a number of, by name, for messages about a difference."""
    splits = dataset.splits
    metadata = b"".join(_metadata(dataset, name, "") for name in splits)
    lengths = [f"{name} {len(patches):,}" for name, patches in splits.items()]
    if len(splits) == 1:  # its folder may have another name elsewhere
        lengths = [counted(len(dataset), "patch")]
    return {
        "layout": _layout(dataset),
        "splits": listed(lengths),
        METADATA_CSV: f"digest {hashlib.blake2b(metadata, digest_size=8).hexdigest()}",
        "index": f"digest {hashlib.blake2b(_stored_index(dataset, index)).hexdigest()}",
    }


def _layout(dataset: Collection) -> str:
    return f"{dataset.layout.name} {dataset.layout.patch}"


def _metadata(dataset: Collection, split: str, missing: str) -> bytes:
    """Return a digest of a split's metadata.csv, or of another text if it has none."""
    table = dataset.folders[split] / METADATA_CSV
    digest = hashlib.blake2b()
    other = [missing.encode("utf-8", "surrogateescape")]
    for chunk in read_chunks(table) if exists(table) else other:
        digest.update(chunk)
    return digest.digest()


def _stored_index(dataset: Collection, index: np.ndarray | None) -> bytes:
    """Return the numbers of the patches as stored; nothing if they are all."""
    if not dataset.is_subset and index is None:
        return b""
    index = np.arange(len(dataset)) if index is None else index.copy()
    stored_index = dataset.stored_index(index) if dataset.is_subset else index
    return stored_index.astype("<i8").tobytes()


def is_state_number(given: Any) -> bool:
    """Return whether a state may hold that: a whole number of 64 bits, with or without a sign."""
    return is_whole(given) and -(2**64) < given < 2**64


def check_state(state: Any, own: Mapping[str, int], n_samples: int) -> tuple[int, int]:
    """Return the epoch and position of ``state``; RequestError if ``own`` is of other samples.

    ``n_samples``: of an epoch, over all ranks.
    """
    if not isinstance(state, Mapping) or not is_whole(state.get("version")):
        raise RequestError(f"{shown(state)} is not the state of a loader; state_dict() returns one")
    if state["version"] != VERSION:
        raise RequestError(
            f"the state has version {shown(state['version'])}; this cloudio reads version {VERSION}"
        )
    given, wanted = {**_PLAIN, **state}, {**_PLAIN, **own}
    if given.keys() != wanted.keys() or not all(map(is_state_number, given.values())):
        raise RequestError(
            f"{shown(state)} is not the state of a loader; it must have whole numbers for "
            f"{listed(own)}"
        )
    for name in ("seed", "shuffle", "patches", "crops_per_patch", "replacement"):
        if given[name] != wanted[name]:
            raise RequestError(
                f"the state has {name}={given[name]}, but this loader has {name}={wanted[name]}"
            )
    if given["weights"] != wanted["weights"]:
        theirs = "other weights" if given["weights"] else "a loader without weights"
        ours = "" if wanted["weights"] else "; this one has none"
        raise RequestError(f"the state belongs to {theirs}{ours}")
    if given["data"] != wanted["data"]:
        raise RequestError(
            f"the state belongs to {own['patches']} other patches, or to another order: layout, "
            "splits, metadata.csv, subset or index differ"
        )
    epoch, position = check_epoch(state["epoch"]), state["position"]
    if not 0 <= position <= n_samples:
        noun = "patches" if n_samples == own["patches"] else "samples in an epoch"
        raise RequestError(
            f"position={position}; with {n_samples} {noun} position must be 0..{n_samples}"
        )
    return epoch, int(position)
