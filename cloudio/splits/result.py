"""The splits that `make_splits` returns, and the table that they print."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._utils.text import escape_controls


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one split: as requested, and as it is.

    Attributes
    ----------
    asked : float
        The requested share of all patches.
    got : float
        The share that the split has.
    n_patches : int
        The number of patches of the split.
    n_groups : int
        The number of groups of the split.
    """

    asked: float
    got: float
    n_patches: int
    n_groups: int


class Splits(Mapping[str, np.ndarray]):
    """The patch numbers of each split: a read-only mapping of split name to array.

    `cloudio.make_splits` returns it.  Each array is int64, ascending and read-only;
    `Dataset.subset` takes it.  ``print`` shows a table of the shares.

    Parameters
    ----------
    index : mapping of str to ndarray
        The patch numbers of each split.
    shares : mapping of str to Share
        The requested and the actual share of each split.
    largest : int
        The number of patches of the largest group.
    strata : mapping of str to mapping
        Value of ``stratify`` -> split name -> number of patches; empty without ``stratify``.
    """

    def __init__(
        self,
        index: Mapping[str, np.ndarray],
        shares: Mapping[str, Share],
        largest: int,
        strata: Mapping[str, Mapping[str, int]],
    ) -> None:
        self._index = dict(index)
        for positions in self._index.values():
            positions.setflags(write=False)
        self.shares = dict(shares)
        self.largest = largest
        self.strata = {value: dict(counts) for value, counts in strata.items()}

    @property
    def n_groups(self) -> int:
        """The number of groups of patches that were kept together."""
        return sum(share.n_groups for share in self.shares.values())

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the patch numbers of a split."""
        return self._index[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the splits."""
        return iter(self._index)

    def __len__(self) -> int:
        """Return the number of splits."""
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` is a mapping of the same names to the same positions."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(positions, other[name]) for name, positions in self.items()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Splits, (self._index, self.shares, self.largest, self.strata)

    def __repr__(self) -> str:
        wide = max(5, *map(len, self))
        lines = [f"{'split':{wide}}    asked      got  patches   groups"]
        lines += (
            f"{name:{wide}}  {share.asked:7.4f}  {share.got:7.4f}  {share.n_patches:7,}  "
            f"{share.n_groups:7,}"
            for name, share in self.shares.items()
        )
        n_patches = sum(share.n_patches for share in self.shares.values())
        lines.append(
            f"{n_patches:,} patches in {self.n_groups:,} groups, the largest of {self.largest:,}"
        )
        if self.strata:
            deviation, value, name = self._largest_deviation()
            lines.append(
                f"{len(self.strata):,} values; the share of one in a split is off by "
                f"{deviation:.4f} at most ({value or 'empty'} in {name})"
            )
        return "\n".join(map(escape_controls, lines))

    def _largest_deviation(self) -> tuple[float, str, str]:
        """Return the largest deviation of a value's share in a split from its share in all patches.

        The value and the split come with it.
        """
        n_patches = {name: share.n_patches for name, share in self.shares.items()}
        return max(
            (
                abs(count / n_patches[name] - sum(counts.values()) / sum(n_patches.values())),
                value,
                name,
            )
            for value, counts in self.strata.items()
            for name, count in counts.items()
            if n_patches[name]
        )
