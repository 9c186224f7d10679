"""The rank of this process: told to a loader, or found when it is asked for its length or batches.

agreement.py compares the loaders of ranks that were found.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._utils.numbers import check_whole
from .._utils.text import shown
from .._utils.warn import log_once
from ..errors import RequestError

_VARIABLES = "RANK", "WORLD_SIZE"
_MOST = 2**31 - 1


class Ranks(NamedTuple):
    """Number ``rank`` of ``world_size``.

    ``source``: where that was found; None if it was told.  ``index_is_share``: the caller has
    shared the patches, so that to the loader it is the only rank.
    """

    rank: int
    world_size: int
    source: str | None = None
    index_is_share: bool = False

    def __str__(self) -> str:
        numbers = f"rank {self.rank} of {self.world_size}"
        return numbers if self.source is None else f"{numbers} ({self.source})"


ALONE = Ranks(0, 1, "neither torch.distributed nor RANK and WORLD_SIZE")


def check_ranks(rank: Any, world_size: Any) -> Ranks | None:
    """Return the ranks that the caller gave, or None if they are to be found."""
    if rank is None and world_size is None:
        return None
    given = {"rank": rank, "world_size": world_size}
    for name, other in (("rank", "world_size"), ("world_size", "rank")):
        if given[name] is None:
            raise RequestError(
                f"{other}={shown(given[other])} without {name}; pass both, or neither: then "
                "they are found"
            )
    return _checked(("rank", "world_size"), rank, world_size)


def _checked(names: tuple[str, str], rank: Any, world_size: Any) -> Ranks:
    own, whole = names
    world_size = check_whole(whole, world_size, 1, _MOST, needed="a whole number, 1 or more")
    rank = check_whole(own, rank, 0, _MOST, needed="a whole number, 0 or more")
    if rank >= world_size:
        raise RequestError(
            f"{own}={rank}; with {whole}={world_size} {own} must be 0..{world_size - 1}"
        )
    return Ranks(rank, world_size)


def process_group() -> Any:
    """Return torch.distributed if this process is in a group, else None.  Nothing is imported."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed


def find_ranks(group: Any = None) -> Ranks:
    """Return the ranks of ``group``, of the initialized process group, or of the environment."""
    distributed = process_group()
    if distributed is not None:
        rank = distributed.get_rank(group)
        if rank < 0:
            raise RequestError(
                "this process is not in process_group=; make a loader in its ranks only"
            )
        where = "torch.distributed" if group is None else "process_group"
        return Ranks(rank, distributed.get_world_size(group), where)
    if group is not None:
        raise RequestError(
            "process_group= was destroyed, and torch.distributed is no longer initialized; make "
            "another loader"
        )
    given = [os.environ.get(name) for name in _VARIABLES]
    if not all(given):
        return ALONE
    ranks = _checked(_VARIABLES, *map(_number, given))
    return ranks._replace(source="RANK and WORLD_SIZE")


def _number(text: Any) -> Any:
    """Return the whole number that a text says, or the text if it says none."""
    try:
        return int(text)
    except ValueError:
        return text


class _Settled(NamedTuple):
    """What was found in a process: at last, at first, and how many batches that was.

    ``begun``: an iteration began with them.
    """

    process: int
    ranks: Ranks
    first: Ranks
    n_batches: int
    begun: bool


class Membership:
    """The ranks of one loader.  Each process finds its own, when it first needs them.

    ``told``: by the caller; they always hold.  ``index``: the patches of the loader, of
    ``n_patches``; None is all.  ``group``: the process group to find them in, or None.  ``find``:
    what finds them.
    """

    def __init__(
        self,
        told: Ranks | None,
        index: np.ndarray | None,
        n_patches: int,
        group: Any = None,
        find: Callable[[Any], Ranks] = find_ranks,
    ) -> None:
        self._told, self._index, self._n_patches = told, index, n_patches
        self.group, self._find_ranks = group, find
        self._settled: _Settled | None = None
        # For the comparison of ranks: the process and the number that it gave this loader, and the
        # process in which the loader was compared.
        self.number: tuple[int, int] | None = None
        self.compared_in: int | None = None

    @property
    def current(self) -> Ranks:
        """The ranks as told or settled, else as found now, which settles nothing."""
        if self._told is not None:
            return self._told
        if self.begun:
            assert self._settled is not None
            return self._settled.ranks
        return self._find()

    @property
    def known(self) -> Ranks | None:
        """As `current`, but None if no ranks can be found."""
        try:
            return self.current
        except RequestError:
            return None

    @property
    def begun(self) -> bool:
        """Whether an iteration has begun in this process."""
        settled = self._settled
        return settled is not None and settled.begun and settled.process == os.getpid()

    def is_shared(self, ranks: Ranks) -> bool:
        """Return whether other ranks have the rest of the epoch, and ours was found."""
        return self._told is None and (ranks.world_size > 1 or ranks.index_is_share)

    def settle(self, n_batches: Callable[[Ranks], int], begin: bool = False) -> Ranks:
        """Return the ranks, found now; RequestError if they contradict what was told before.

        ``n_batches``: how many batches a loader of some ranks has.  ``begin``: batches follow.
        """
        if self._told is not None:
            return self._told
        found, process = self._find(), os.getpid()
        n, before = n_batches(found), self._settled
        if before is None or before.process != process:
            before = _Settled(process, found, found, n, False)
        if before.begun and before.ranks[:2] != found[:2]:
            raise RequestError(
                f"this loader began as {before.ranks}, but now the process is {found}; make "
                "another loader, or pass rank= and world_size="
            )
        if begin and before.n_batches != n:
            raise RequestError(
                f"len(loader) was {before.n_batches:,} when the process was {before.first}; as "
                f"{found} it is {n:,}. Ask for the length after init_process_group, or pass rank= "
                "and world_size="
            )
        log_once("info", f"a loader of this process is {found}")
        self._settled = before._replace(ranks=found, begun=begin or before.begun)
        return found

    def _find(self) -> Ranks:
        found = self._find_ranks(self.group)
        if found.world_size == 1 or self._index is None:
            return found
        share = np.arange(found.rank, self._n_patches, found.world_size)
        if not np.array_equal(self._index, share):
            return found
        if process_group() is None:  # the ranks cannot be compared
            raise RequestError(
                f"index= is patch {found.rank} and every {found.world_size} patches after it: the "
                f"share of {found}. If it is meant so, pass rank=0, world_size=1, and it is not "
                "shared again; if not, pass rank= and world_size="
            )
        return Ranks(0, 1, f"index= is the share of {found}", index_is_share=True)

    def __getstate__(self) -> dict[str, Any]:
        if self.group is not None:
            raise RequestError(
                "a loader with process_group= cannot be pickled; pass rank= and world_size= instead"
            )
        return {**vars(self), "_settled": None, "number": None, "compared_in": None}
