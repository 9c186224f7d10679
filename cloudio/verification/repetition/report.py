"""What `verify` says of repeated pixels, array by array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._utils.tables import text
from ..._utils.text import format_ranges, listed
from .phases import Pair


@dataclass(frozen=True)
class Repetition:
    """How the pixels of one array are repeated, inside the valid window.

    Attributes
    ----------
    array : str
        The name of the array.
    kind : {"band", "label"}
        What it holds.  `compact` leaves labels as they are, unless ``labels`` is True.
    repeat : int or (int, int)
        The rows and columns that are repeated, as `compact` would store the array; else those that
        most patches have; 1 if no patch is a repetition.
    stored : bool
        Whether `compact` would store it so: at most a twentieth of its patches are no repetition.
    native : bool
        Whether it is stored so already; then its pixels are not read.
    n_patches, n_exact : int
        The patches of all splits, and those that are exact repetitions.
    n_phases : int
        In how many different phases they are.
    exceptions : mapping of str to tuple of int
        The patches of each split that are no repetition; empty if none is one.
    """

    array: str
    kind: str
    repeat: int | Pair
    stored: bool
    native: bool
    n_patches: int
    n_exact: int
    n_phases: int
    exceptions: Mapping[str, tuple[int, ...]]

    def entries(self) -> dict[str, Any]:
        """Return the attributes for JSON."""
        return {**vars(self), "exceptions": {k: list(v) for k, v in self.exceptions.items()}}

    @classmethod
    def of_entries(cls, entries: Mapping[str, Any]) -> "Repetition":
        """Return the repetition that parsed JSON describes.

        Parameters
        ----------
        entries : mapping
            What `entries` returned.

        Returns
        -------
        Repetition
            Equal to the one that had these entries.
        """
        repeat = entries["repeat"]
        more = {
            "repeat": tuple(repeat) if isinstance(repeat, list) else repeat,
            "exceptions": {name: tuple(ks) for name, ks in entries["exceptions"].items()},
        }
        return cls(**{**entries, **more})


def describe(found: Sequence[Repetition]) -> str:
    """Return a table of the arrays that are repeated, and the names of the others."""
    repeated = [each for each in found if each.repeat != 1 and not each.native]
    lines = ["\nrepeated pixels (cloudio compact stores such arrays as the sensor saw them):"]
    if repeated:
        head = ("array", "repeat", "patches", "phases", "compact", "no repetition")
        rows = [head, *(_row(each) for each in repeated)]
        lines += [f"  {line}" for line in text(rows, {1, 2, 3}).splitlines()]
    if native := [each.array for each in found if each.native]:
        lines.append(f"  stored so already: {listed(native)}")
    if others := [each.array for each in found if each.repeat == 1]:
        lines.append(f"  not repeated: {listed(others)}")
    return "\n".join(lines)


def _row(each: Repetition) -> tuple[str, ...]:
    repeat = each.repeat
    where = "; ".join(f"{split} {format_ranges(some)}" for split, some in each.exceptions.items())
    return (
        each.array,
        str(repeat) if isinstance(repeat, int) else f"{repeat[0]} x {repeat[1]}",
        f"{each.n_exact:,} of {each.n_patches:,}",
        f"{each.n_phases}",
        _stored(each),
        where or "-",
    )


def _stored(each: Repetition) -> str:
    if not each.stored:
        return "no, too few patches"
    return "with --labels" if each.kind == "label" else "yes"
