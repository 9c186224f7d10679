"""What is known of a run of `compact`, told by its journal: choices, patches, and copied parts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...verification.repetition.phases import Pair
from ..running.journal import JOURNAL, Journal

#: The place of a patch that is no repetition, and of one that has not been looked at.
EXCEPTION, UNKNOWN = -1, -2
#: What is decided of an array: its repeat, or None if it stays as it is.
Choice = Mapping[str, Pair | None]


@dataclass(slots=True)
class Found:
    """What was found in consecutive patches of one array.

    ``places``: the phase of each as one number, row x columns of the repeat + column.  ``exact``:
    the repeats by which it is exact, a bit for each.
    """

    split: str
    name: str
    first: int
    places: list[int] = field(default_factory=list)
    exact: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Done:
    """One task that is done: its part of a unit of a round, and what was found."""

    key: tuple[int, int, int]
    n_bytes: int
    found: list[Found] = field(default_factory=list)


class CompactState:
    """The choices and the tasks that are done, by the journal in ``folder``.

    ``rounds``: the choice of each round; later ones hold only arrays that changed.  ``shares``: how
    many of the patches that were looked at are no repetition, of each array.
    """

    def __init__(
        self,
        folder: Path,
        head: dict[str, Any],
        sizes: Mapping[tuple[str, str], int],
        *,
        new: bool,
    ) -> None:
        self._journal = Journal(folder / JOURNAL, new=new)
        self.rounds: list[dict[str, Pair | None]] = []
        self.shares: dict[str, float] = {}
        self.phases: set[str] = set()
        self.done: set[tuple[int, int, int]] = set()
        self.places = {key: np.full(n, UNKNOWN, np.int32) for key, n in sizes.items()}
        self.exact = {key: np.zeros(n, np.uint32) for key, n in sizes.items()}
        try:
            for _, entry in self._journal.begin(head, new=new):
                self._note(entry)
        except BaseException:
            self.close()
            raise

    @property
    def n_done(self) -> int:
        return len(self.done)

    @property
    def choice(self) -> dict[str, Pair | None]:
        """The latest choice of each array."""
        return {name: repeat for each in self.rounds for name, repeat in each.items()}

    def decide(self, choice: Choice, shares: Mapping[str, float]) -> None:
        """Tell the journal of a choice, which begins a round."""
        pairs = {name: repeat and list(repeat) for name, repeat in choice.items()}
        entry = {"choice": pairs, "shares": dict(shares)}
        self._journal.append([entry])
        self._note(entry)

    def begin(self, phase: str) -> None:
        """Tell the journal that a part of the end begins: ``phases`` has it from now on."""
        self._journal.append([{"phase": phase}])
        self.phases.add(phase)

    def commit(self, done: Iterable[Done]) -> None:
        """Tell the journal of tasks whose bytes are on the disk."""
        entries = [
            {
                "task": list(each.key),
                "found": [[f.split, f.name, f.first, f.places, f.exact] for f in each.found],
            }
            for each in done
        ]
        self._journal.append(entries)
        for entry in entries:
            self._note(entry)

    def _note(self, entry: dict[str, Any]) -> None:
        if "phase" in entry:
            self.phases.add(entry["phase"])
        elif "choice" in entry:
            pairs = {name: r and (r[0], r[1]) for name, r in entry["choice"].items()}
            self.rounds.append(pairs)
            self.shares |= entry["shares"]
        else:
            row, unit, task = entry["task"]
            self.done.add((row, unit, task))
            for split, name, first, places, exact in entry["found"]:
                self.places[split, name][first : first + len(places)] = places
                self.exact[split, name][first : first + len(exact)] = exact

    def close(self) -> None:
        self._journal.close()
