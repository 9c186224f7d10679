"""Label codes to classes: total tables, so that no code can fall through.

Which codes an array of CloudSEN12 holds is in cloudsen12.py.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import RequestError

#: Names of the target classes 0..3 of CloudSEN12.
CLASSES = ("clear", "thick cloud", "thin cloud", "cloud shadow")
# Below, a map of two classes is one of codes, not of probabilities.
_PERCENT = 10


class LabelMap:
    """Which class each stored code becomes.

    ``classes`` maps codes to classes, or to None for the reader's ``ignore``; a code it does not
    list becomes ``unlisted``, by default ``ignore`` too.  Codes are whole numbers as people write
    them: in an array of one byte a pixel -1 and 255 are the same bits and so the same code.
    Immutable, hashable, and equal to another with the same entries.
    """

    __slots__ = ("_classes", "_unlisted")

    def __init__(self, classes: Mapping[int, int | None], *, unlisted: int | None = None) -> None:
        if not isinstance(classes, Mapping):
            raise RequestError(f"{classes!r} is no mapping of codes to classes")
        self._classes = tuple(
            (_whole(code, "code"), None if to is None else _whole(to, "class"))
            for code, to in classes.items()
        )
        self._unlisted = None if unlisted is None else _whole(unlisted, "class")

    @classmethod
    def threshold(cls, at: int, *, top: int = 100) -> "LabelMap":
        """Probabilities 0..``top``: 1 from ``at`` on, 0 below; codes past ``top`` are ignored."""
        at, top = _whole(at, "threshold"), _whole(top, "top")
        if not 0 < at <= top:
            raise RequestError(f"threshold {at}; 1..{top} is needed")
        return cls({code: int(code >= at) for code in range(top + 1)})

    @property
    def classes(self) -> dict[int, int | None]:
        """The codes that are listed, and what they become."""
        return dict(self._classes)

    @property
    def unlisted(self) -> int | None:
        """What every other code becomes; None for ``ignore``."""
        return self._unlisted

    @property
    def limits(self) -> tuple[int, int] | None:
        """(at, top) where this is ``threshold(at, top=top)``, however it was made; else None.

        A ``top`` below 10 is none, for then the codes are classes and no probabilities.
        """
        top = max(self.classes, default=0)
        at = sum(to == 0 for to in self.classes.values())
        if top < _PERCENT or not 0 < at <= top or self != LabelMap.threshold(at, top=top):
            return None
        return at, top

    @property
    def is_threshold(self) -> bool:
        """Whether the codes are probabilities, of which this is a threshold: see `limits`."""
        return self.limits is not None

    def table(
        self, stored: np.dtype[Any], dtype: np.dtype[Any], ignore: int, name: str
    ) -> np.ndarray:
        """The class of every code of ``stored``, one or two bytes, by its bits read as unsigned.

        256 or 65,536 entries of ``dtype``.  RequestError, naming the array, where a class does
        not fit or two codes with the same bits differ; a warning where the array cannot hold a
        code that the map lists, for then it does not hold what the map is about.
        """
        n_bytes = np.dtype(stored).itemsize
        n_codes = 256**n_bytes
        lost = [code for code, _ in self._classes if not -n_codes // 2 <= code < n_codes]
        if lost:
            warnings.warn(
                f"{name} is stored in {n_bytes} byte a pixel, which cannot hold the codes "
                f"{', '.join(map(str, lost))}: no pixel will be given their classes",
                stacklevel=5,  # who calls Dataset.reader
            )
        unlisted = ignore if self._unlisted is None else self._unlisted
        table = np.full(n_codes, fitting(unlisted, dtype, name), dtype)
        given: dict[int, int] = {}
        for code, to in self._classes:
            to = ignore if to is None else to
            if code in lost:
                continue
            fitting(to, dtype, name)
            if given.setdefault(code % n_codes, to) != to:
                raise RequestError(
                    f"{name}: codes {code % n_codes} and {code % n_codes - n_codes} are the same "
                    f"bits; they cannot become {given[code % n_codes]} and {to}"
                )
            table[code % n_codes] = to
        return table

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelMap):
            return NotImplemented
        return (dict(self._classes), self._unlisted) == (dict(other._classes), other._unlisted)

    def __hash__(self) -> int:
        return hash((frozenset(self._classes), self._unlisted))

    def __repr__(self) -> str:
        unlisted = "" if self._unlisted is None else f", unlisted={self._unlisted}"
        return f"LabelMap({self.classes}{unlisted})"


def raw_table(stored: np.dtype[Any], dtype: np.dtype[Any], name: str) -> np.ndarray:
    """The table that leaves codes as they are stored, read as the array's own type."""
    codes = np.arange(256 ** np.dtype(stored).itemsize, dtype=f"u{np.dtype(stored).itemsize}")
    if np.dtype(dtype).itemsize < codes.itemsize:
        raise RequestError(
            f"{name} holds codes of {codes.itemsize} bytes, which {np.dtype(dtype)} cannot; "
            "label_dtype='int64' can"
        )
    return codes.view(stored).astype(dtype)


def fitting(value: int, dtype: np.dtype[Any], name: str) -> int:
    """The class itself; RequestError where ``dtype`` cannot hold it."""
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise RequestError(
            f"{name}: class {value} does not fit {np.dtype(dtype)} ({limits.min}..{limits.max}); "
            "label_dtype='int64' holds any class"
        )
    return value


def _whole(number: Any, what: str) -> int:
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
        raise RequestError(f"{what} {number!r}; a whole number is needed")
    return int(number)
