"""What is known of a run: which samples are packed or left out, told by its journal."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..plan import Plan
from .engine import MOST_CODES, Outcome
from .journal import JOURNAL, Journal

#: The phase in which rows may be moved, headers are written, and the data get their name.
FINISHING = "finishing"


class State:
    """The samples that are done, by the journal in ``folder``.

    ``codes``: the numbers of each label so far, None if they are too many for classes.
    ``left_out``: sample -> why.  ``phases``: the parts of the end that have begun.
    """

    def __init__(self, folder: Path, head: dict[str, Any], n_arrays: int, *, new: bool) -> None:
        self._journal = Journal(folder / JOURNAL, new=new)
        self.codes: dict[str, set[int] | None] = {}
        self.left_out: dict[int, str] = {}
        self.phases: set[str] = set()
        self.n_done = 0
        self._first: dict[str, int] = {}  # the sample that has a column first
        self._sums = np.zeros((0, n_arrays), np.uint64)
        self._offsets = np.zeros(0, np.int64)
        try:
            for offset, entry in self._journal.begin(head, new=new):
                self._note(entry, offset)
        except BaseException:
            self.close()
            raise

    def commit(self, outcomes: Iterable[Outcome]) -> None:
        """Tell the journal of samples whose rows are on the disk."""
        entries = [_entry(outcome) for outcome in outcomes]
        for entry, offset in zip(entries, self._journal.append(entries), strict=True):
            self._note(entry, offset)

    def begin(self, phase: str) -> None:
        """Tell the journal that a part of the end begins: ``phases`` has it from now on."""
        self._journal.append([{"phase": phase}])
        self.phases.add(phase)

    def _note(self, entry: dict[str, Any], offset: int) -> None:
        if "phase" in entry:
            self.phases.add(entry["phase"])
            return
        k = entry["k"]
        self._grow(k + 1)
        self.n_done += int(self._offsets[k] < 0)
        self._offsets[k] = offset
        if "left" in entry:
            self.left_out[k] = entry["left"]
            return
        self._sums[k] = [int(digits, 16) for digits in entry["sums"]]
        for name in entry["fields"]:
            self._first[name] = min(k, self._first.get(name, k))
        for name, codes in entry["codes"].items():
            known = self.codes.setdefault(name, set())
            if not codes or (known is not None and len(known | set(codes)) > MOST_CODES):
                self.codes[name] = None
            elif known is not None:
                known |= set(codes)

    def _grow(self, n: int) -> None:
        if n > len(self._offsets):
            more = max(n, 2 * len(self._offsets)) - len(self._offsets)
            self._offsets = np.concatenate([self._offsets, np.full(more, -1)])
            self._sums = np.concatenate([self._sums, np.zeros((more, self._sums.shape[1]), "u8")])

    def is_done(self, k: int) -> bool:
        """Return whether a sample is packed or left out."""
        return k < len(self._offsets) and bool(self._offsets[k] >= 0)

    def packed(self, samples: Iterable[int]) -> list[int]:
        """Return those of the samples that are packed."""
        return [k for k in samples if self.is_done(k) and k not in self.left_out]

    def checksums(self, samples: np.ndarray) -> np.ndarray:
        """Return (sample, array) the checksums of packed samples."""
        found: np.ndarray = self._sums[samples]
        return found

    def fields(self, samples: Iterable[int]) -> Iterator[dict[str, str]]:
        """Yield the columns of packed samples, read from the journal again."""
        for k in samples:
            yield self._journal.entry_at(int(self._offsets[k]))["fields"]

    def values(self, column: str) -> set[str]:
        """Return the values of a column in all packed samples."""
        packed = self.packed(range(self.n_done))
        return {fields.get(column, "") for fields in self.fields(packed)}

    def column_order(self) -> list[str]:
        """Return the columns in the order in which samples have them first."""
        first = self.fields(sorted(set(self._first.values())))
        return list(dict.fromkeys(name for fields in first for name in fields))

    def close(self) -> None:
        self._journal.close()


def opener(head: Mapping[str, Any], plan: Plan) -> Callable[[Path, bool], State]:
    """Return what opens the state of a run that packs by a plan, for `open_run`."""
    return lambda folder, new: State(folder, dict(head), len(plan.arrays), new=new)


def _entry(outcome: Outcome) -> dict[str, Any]:
    if outcome.left_out is not None:
        return {"k": outcome.k, "left": outcome.left_out}
    return {
        "k": outcome.k,
        "sums": [f"{number:016x}" for number in outcome.checksums],
        "fields": outcome.fields or {},
        "codes": outcome.codes or {},
    }
