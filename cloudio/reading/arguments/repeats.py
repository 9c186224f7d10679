"""The arguments ``repeat`` and ``phase`` of `gather` and `remap`: arrays coarser than the patch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._core.plans import Repeated
from ..._utils.numbers import is_whole, whole_numbers
from ..._utils.tensors import as_host_array
from ..._utils.text import counted, shown
from ...errors import RequestError

Pair = tuple[int, int]

# Phases of both axes are one int32 in the kernels.
_LARGEST = 32_768


def repeat_arrays(bands: Sequence[np.ndarray], repeat: Any, phase: Any) -> tuple[list[Any], Pair]:
    """Return what the kernels take of the ``arrays`` of `gather`, and the patch in pixels."""
    names = [f"arrays[{k}]" for k in range(len(bands))]
    if phase is not None and repeat is None:
        raise _no_repeat(phase)
    repeats = [_parse_repeat(what, entry) for what, entry in _entries("repeat", repeat, len(bands))]
    phases = _entries("phase", 0 if phase is None else phase, len(bands))
    return _repeated(bands, names, repeats, phases)


def repeat_array(array: np.ndarray, repeat: Any, phase: Any) -> tuple[Any, Pair]:
    """As `repeat_arrays`, for the ``array`` of `remap`."""
    if phase is not None and repeat is None:
        raise _no_repeat(phase)
    repeats = [_parse_repeat("repeat", as_host_array("repeat", repeat))]
    phases = [("phase", 0 if phase is None else phase)]
    (source,), patch = _repeated([array], ["array"], repeats, phases)
    return source, patch


def _no_repeat(phase: Any) -> RequestError:
    return RequestError(
        f"phase={shown(phase)} without repeat; pass repeat= too, or leave phase out"
    )


def _entries(what: str, given: Any, n: int) -> list[tuple[str, Any]]:
    """Return the entry of each of n arrays, with its name for messages."""
    given = as_host_array(what, given)
    is_one = isinstance(given, np.ndarray) and given.ndim == 0
    if is_one or not isinstance(given, (Sequence, np.ndarray)) or isinstance(given, (str, bytes)):
        return [(what, given)] * n
    if len(given) != n:
        hint = "" if what == "repeat" else f"; [{what}] * {n} is the same one for every array"
        raise RequestError(
            f"{what} has {len(given)} entries for {counted(n, 'array')}; give "
            f"one number, or one entry for each array{hint}"
        )
    return [(f"{what}[{k}]", entry) for k, entry in enumerate(given)]


def _parse_repeat(what: str, given: Any) -> Pair:
    """Return how many rows and columns of the patch a stored pixel fills."""
    if isinstance(given, np.ndarray):
        given = given.tolist()
    rows, cols = given if _is_pair(given) else (given, given)
    if not all(is_whole(side) and 1 <= side <= _LARGEST for side in (rows, cols)):
        raise RequestError(
            f"{what}={shown(given)}; {what} must be a whole number from 1 to {_LARGEST:,}, or two, "
            "(rows, columns)"
        )
    return int(rows), int(cols)


def _is_pair(given: Any) -> bool:
    return isinstance(given, (tuple, list)) and len(given) == 2


def _parse_phase(
    what: str, given: Any, name: str, repeat: Pair, n_patches: int
) -> tuple[Any, Pair]:
    """Return the phases as the kernels take them, and the largest of the rows and columns."""
    numbers = whole_numbers(what, given)
    if numbers.shape not in ((), (2,), (n_patches, 2)):
        raise RequestError(
            f"{what} has shape {numbers.shape}; give one number, (row, column), or an array "
            f"({n_patches}, 2) with one for each patch of {name}"
        )
    pairs = np.broadcast_to(numbers, np.broadcast_shapes(numbers.shape, (2,)))
    wrong = ((pairs < 0) | (pairs >= repeat)).any(-1)
    if wrong.any():
        found = f"{what}={shown(given)}"
        if numbers.ndim == 2:
            k = int(wrong.argmax())
            found = f"{what} is {tuple(pairs[k].tolist())} for patch {k}"
        raise RequestError(
            f"{found}; {name} has repeat {repeat}, so its phase must be from (0, 0) to "
            f"{(repeat[0] - 1, repeat[1] - 1)}"
        )
    places = pairs[..., 0] * repeat[1] + pairs[..., 1]
    if numbers.ndim < 2:
        return int(places), (int(pairs[0]), int(pairs[1]))
    rows, cols = pairs.max(0, initial=0).tolist()
    return places.astype(np.int32), (rows, cols)


def _repeated(
    arrays: Sequence[np.ndarray],
    names: Sequence[str],
    repeats: Sequence[Pair],
    phases: Sequence[tuple[str, Any]],
) -> tuple[list[Any], Pair]:
    """Return the arrays, those that are coarser as `Repeated`, and the patch that all cover."""
    places, covered = [], []
    for array, name, repeat, (what, given) in zip(arrays, names, repeats, phases, strict=True):
        place, largest = _parse_phase(what, given, name, repeat, len(array))
        places.append(place)
        rows, cols = array.shape[1:]
        covered.append((rows * repeat[0] - largest[0], cols * repeat[1] - largest[1]))
    fine = [k for k, repeat in enumerate(repeats) if repeat == (1, 1)]
    patch = covered[fine[0]] if fine else (min(h for h, _ in covered), min(w for _, w in covered))
    sources: list[Any] = []
    for k, (array, repeat) in enumerate(zip(arrays, repeats, strict=True)):
        if repeat == (1, 1):
            sources.append(array)
            continue
        _check_covers(array, names[k], repeat, covered[k], patch, names[fine[0]] if fine else "")
        window = (0, 0, *patch)
        sources.append(Repeated(array, repeat=repeat, patch=patch, window=window, places=places[k]))
    return sources, patch


def _check_covers(
    array: np.ndarray, name: str, repeat: Pair, covered: Pair, patch: Pair, fine: str
) -> None:
    """Raise RequestError if the pixels of an array, repeated, do not fill the patch."""
    rows, cols = array.shape[1:]
    held = f"{name} has patches of {rows} x {cols}; with repeat {repeat}"
    if covered[0] < max(patch[0], 1) or covered[1] < max(patch[1], 1):
        needed = f"{patch[0]} x {patch[1]}, the shape of {fine}" if fine else "1 x 1 at least"
        raise RequestError(
            f"{held} and its phases it covers {covered[0]} x {covered[1]} pixels, and it must "
            f"cover {needed}"
        )
    most = [(side + 2 * (r - 1)) // r for side, r in zip(patch, repeat, strict=True)]
    if rows > most[0] or cols > most[1]:  # most likely repeats in the order of other arrays
        whose = f"the shape of {fine}" if fine else "which is what all arrays cover"
        raise RequestError(
            f"{held} the patch of {patch[0]} x {patch[1]}, {whose}, needs {most[0]} x {most[1]} "
            "of them at most; check the order of repeat, or cut the array"
        )
