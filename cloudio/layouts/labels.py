"""Label codes to classes: tables (LUTs) that have a class for every code.

cloudsen12.py knows which codes the arrays of CloudSEN12 hold.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._utils.numbers import check_whole
from .._utils.tensors import numpy_name
from .._utils.text import listed
from .._utils.warn import warn_once
from ..errors import RequestError
from .codes.bit_fields import BitField, first_matches, parse_bit_field
from .codes.class_names import check_each_class, parse_class_colors, parse_class_names

# A map of two classes with fewer codes is one of codes, not of probabilities.
_PERCENT = 10
_LARGEST_CODE = 65_535


class LabelMap:
    """A map from stored label codes to classes.

    `from_fields` makes a map of bit fields, `threshold` one of probabilities.

    Parameters
    ----------
    classes : mapping of int to int or None, or sequence of str
        Code -> class; None means the reader's ``ignore``.  In an array of one byte per pixel, -1
        and 255 are the same bits and so the same code.  A sequence of names: the codes 0, 1, ...
        are the classes of these names.
    unlisted : int, optional
        The class of all other codes.  By default the reader's ``ignore``.
    names : sequence of str, optional
        The names of the classes 0, 1, ..., for statistics and figures.
    colors : sequence of str, optional
        Their colors, each as ``"#rrggbb"``.

    Raises
    ------
    RequestError
        If a code or class is not a whole number, or a class has no name or color among those given.

    Notes
    -----
    A map is immutable, hashable, and equal to another map with the same entries, names and colors.

    Examples
    --------
    >>> cloudio.LabelMap({0: 0, 1: 1, 2: 1, 9: None}).of(2)
    1
    >>> cloudio.LabelMap(["land", "water"]).names
    ('land', 'water')
    """

    __slots__ = ("_classes", "_colors", "_fields", "_names", "_unlisted")

    def __init__(
        self,
        classes: Mapping[int, int | None] | Sequence[str],
        *,
        unlisted: int | None = None,
        names: Sequence[str] | None = None,
        colors: Sequence[str] | None = None,
    ) -> None:
        if isinstance(classes, (list, tuple)) and all(isinstance(x, str) for x in classes):
            if names is not None:
                raise RequestError("classes and names both name the classes; give one of them")
            names = parse_class_names(classes)
            classes = {k: k for k in range(len(names))}
        if not isinstance(classes, Mapping):
            raise RequestError(
                f"classes={classes!r}; classes must be a mapping of codes to classes, or a list of "
                "names"
            )
        self._classes = {
            check_whole("code", code): None if to is None else check_whole("class", to)
            for code, to in classes.items()
        }
        self._fields: tuple[BitField, ...] = ()
        self._unlisted = None if unlisted is None else check_whole("class", unlisted)
        self._set_names(names, colors)

    def _set_names(self, names: Sequence[str] | None, colors: Sequence[str] | None) -> None:
        self._names = () if names is None else parse_class_names(names)
        self._colors = () if colors is None else parse_class_colors(colors)
        if self._names or self._colors:
            given = [to for to in reachable_classes(self) if to is not None]
            check_each_class("names", self._names, given)
            check_each_class("colors", self._colors, given)

    def with_names(
        self, names: Sequence[str] | None, colors: Sequence[str] | None = None
    ) -> "LabelMap":
        """Return the same map with other names and colors of its classes.

        Parameters
        ----------
        names : sequence of str or None
            The names of the classes 0, 1, ...; None for no names.
        colors : sequence of str, optional
            Their colors, each as ``"#rrggbb"``.  By default none.

        Returns
        -------
        LabelMap
            A new map.

        Raises
        ------
        RequestError
            If a class has no name or color among those given.

        Examples
        --------
        >>> cloudio.LabelMap.threshold(40).with_names(["clear", "cloud"]).names
        ('clear', 'cloud')
        """
        named = object.__new__(LabelMap)
        named._classes, named._fields = self._classes, self._fields
        named._unlisted = self._unlisted
        named._set_names(names, colors)
        return named

    @classmethod
    def from_fields(
        cls, fields: Sequence[Mapping[str, Any]], *, unlisted: int | None = None
    ) -> "LabelMap":
        """Return a map of bit fields, for masks such as QA_PIXEL of Landsat.

        Parameters
        ----------
        fields : sequence of mapping
            Each with ``"bits"``, a bit or several from the lowest up, counted from 0; ``"equals"``,
            the number that these bits hold, by default all ones; and ``"class"``, where None
            means the reader's ``ignore``.  The first field that a code matches gives its class.
        unlisted : int, optional
            The class of codes that match no field.  By default the reader's ``ignore``.

        Returns
        -------
        LabelMap
            A map for codes of one or two bytes.

        Raises
        ------
        RequestError
            If a field is wrong: bits must be 0 to 15 and ascend.

        Examples
        --------
        >>> qa60 = [{"bits": 10, "class": 1}, {"bits": 11, "class": 2}]
        >>> cloudio.LabelMap.from_fields(qa60, unlisted=0).of(2048)
        2
        """
        if isinstance(fields, (str, Mapping)) or not isinstance(fields, Sequence) or not fields:
            raise RequestError(f"fields={fields!r}; fields must be a sequence of bit fields")
        label_map = cls({}, unlisted=unlisted)  # `with_names` names its classes
        label_map._fields = tuple(parse_bit_field(field) for field in fields)
        return label_map

    @classmethod
    def threshold(cls, at: int, *, top: int = 100) -> "LabelMap":
        """Return a map of probabilities to two classes.

        Parameters
        ----------
        at : int
            Codes from ``at`` to ``top`` become class 1, codes from 0 to ``at - 1`` class 0.
        top : int
            The largest probability; other codes are ignored.

        Returns
        -------
        LabelMap
            A map that lists the codes 0 to ``top``.

        Raises
        ------
        RequestError
            Unless 0 < ``at`` <= ``top`` <= 65,535, the largest code of two bytes.
        """
        at, top = check_whole("threshold", at), check_whole("top", top, 1, _LARGEST_CODE)
        if not 0 < at <= top:
            raise RequestError(f"threshold={at}; threshold must be 1..{top}")
        label_map = cls({})
        label_map._classes = {code: int(code >= at) for code in range(top + 1)}
        return label_map

    @property
    def classes(self) -> dict[int, int | None]:
        """The listed codes and their classes, in a new dict; None means ``ignore``.

        A map of bit fields lists no codes.
        """
        return dict(self._classes)

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The bit fields, as `from_fields` takes them; empty for other maps."""
        return [field.as_mapping() for field in self._fields]

    @property
    def unlisted(self) -> int | None:
        """The class of every code that is not listed or matches no field; None means ``ignore``."""
        return self._unlisted

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes 0, 1, ...; empty if they have none."""
        return self._names

    @property
    def colors(self) -> tuple[str, ...]:
        """The colors of the classes 0, 1, ... as ``"#rrggbb"``; empty if they have none."""
        return self._colors

    def table(
        self, stored: np.dtype[Any], dtype: np.dtype[Any], ignore: int, name: str
    ) -> np.ndarray:
        """Return the class of every code as a look-up table.

        Parameters
        ----------
        stored : dtype
            The element type of the label array, of one or two bytes.
        dtype : dtype
            The element type of the classes.
        ignore : int
            The class of ignored codes.
        name : str
            The label's name, for messages.

        Returns
        -------
        ndarray of ``dtype``, (256,) or (65536,)
            By the bits of a code read as unsigned.

        Raises
        ------
        RequestError
            If a class does not fit ``dtype``, or two codes with the same bits have different
            classes.

        Notes
        -----
        A warning says if the map lists a code that ``stored`` cannot hold, because the array is
        then not what the map is for.
        """
        stored, dtype = np.dtype(numpy_name(stored)), np.dtype(numpy_name(dtype))
        table = make_class_lut(self, stored, dtype, ignore, name)
        if lost := self.beyond(stored):
            text = cannot_hold(name, stored, lost)
            warn_once((text,), f"{text}, so no pixel gets their classes")
        return table

    def beyond(self, stored: np.dtype[Any]) -> list[int]:
        """Return the listed codes, or those of bit fields, that an array cannot hold.

        Parameters
        ----------
        stored : dtype
            The element type of the array.

        Returns
        -------
        list of int
            In the order of the map.
        """
        n_codes = 256 ** np.dtype(stored).itemsize
        codes = [*self._classes] or [field.code for field in self._fields]
        return [code for code in codes if not -n_codes // 2 <= code < n_codes]

    @property
    def as_threshold(self) -> tuple[int, int] | None:
        """The (at, top) with which `threshold` makes this map; None if it cannot."""
        top = len(self._classes) - 1
        at = sum(to == 0 for to in self._classes.values())
        if not (top >= _PERCENT and 0 < at <= top):
            return None
        made = self.with_names(None) == LabelMap.threshold(at, top=top)
        return (at, top) if made else None

    def of(self, code: int) -> int | None:
        """Return the class of a code.

        Parameters
        ----------
        code : int
            A code, as it is written in ``classes``.

        Returns
        -------
        int or None
            None means ``ignore``.
        """
        if code in self._classes:
            return self._classes[code]
        matching = (field.to for field in self._fields if field.matches(code))
        return next(matching, self._unlisted)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelMap):
            return NotImplemented
        own, others = (
            (x._classes, x._fields, x._unlisted, x._names, x._colors) for x in (self, other)
        )
        return own == others

    def __hash__(self) -> int:
        return hash((frozenset(self._classes.items()), self._fields, self._unlisted))

    def __repr__(self) -> str:
        unlisted = "" if self._unlisted is None else f", unlisted={self._unlisted}"
        names = f", names={[*self._names]}" if self._names else ""
        names += f", colors={[*self._colors]}" if self._colors else ""
        if self._fields:
            named = f".with_names({[*self._names] or None}, {[*self._colors] or None})"
            return f"LabelMap.from_fields({self.fields}{unlisted}){named if names else ''}"
        return f"LabelMap({self.classes}{unlisted}{names})"


def reachable_classes(label_map: LabelMap) -> set[int | None]:
    """Return the classes that a map can give; None means ``ignore``."""
    of_fields = (field.to for field in label_map._fields)
    return {*label_map._classes.values(), *of_fields, label_map.unlisted}


def notable_codes(label_map: LabelMap) -> list[int]:
    """Return codes that a map treats each in its own way: listed ones, or those of its fields."""
    if label_map._fields:
        return [0, *(field.code for field in label_map._fields)]
    return list(label_map.classes)


def make_class_lut(
    label_map: LabelMap, stored: np.dtype[Any], dtype: np.dtype[Any], ignore: int, name: str
) -> np.ndarray:
    """Return the table of a map, as `LabelMap.table` does, without the warning."""
    n_codes = 256 ** np.dtype(stored).itemsize
    unlisted = ignore if label_map.unlisted is None else label_map.unlisted
    table = np.full(n_codes, check_class(unlisted, dtype, name), dtype)
    lost = set(label_map.beyond(stored))
    given: dict[int, int] = {}
    for code, to in label_map.classes.items():
        to = ignore if to is None else to
        if code in lost:
            continue
        check_class(to, dtype, name)
        if given.setdefault(code % n_codes, to) != to:
            raise RequestError(
                f"{name}: codes {code % n_codes} and {code % n_codes - n_codes} are the same "
                f"bits; they cannot become {given[code % n_codes]} and {to}"
            )
        table[code % n_codes] = to
    if label_map._fields:
        matched = first_matches(label_map._fields, n_codes)
        for k, field in enumerate(label_map._fields):
            to = ignore if field.to is None else field.to
            table[matched == k] = check_class(to, dtype, name)
    return table


def cannot_hold(name: str, stored: np.dtype[Any], lost: list[int]) -> str:
    """Return the beginning of a sentence about codes that an array's type cannot hold."""
    n_bytes, codes = np.dtype(stored).itemsize, listed(lost)
    unit = "byte" if n_bytes == 1 else "bytes"
    return f"{name} is stored in {n_bytes} {unit} per pixel, which cannot hold the codes {codes}"


def make_raw_lut(stored: np.dtype[Any], dtype: np.dtype[Any], name: str) -> np.ndarray:
    """Return the table that keeps codes as stored, read as the array's own type."""
    codes = np.arange(256 ** np.dtype(stored).itemsize, dtype=f"u{np.dtype(stored).itemsize}")
    if np.dtype(dtype).itemsize < codes.itemsize:
        raise RequestError(
            f"{name} holds codes of {codes.itemsize} bytes, which {np.dtype(dtype)} cannot; "
            "label_dtype='int64' can"
        )
    return codes.view(stored).astype(dtype)


def check_class(value: int, dtype: np.dtype[Any], name: str) -> int:
    """Return the class; RequestError if ``dtype`` cannot hold it."""
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise RequestError(
            f"{name}: class {value} does not fit {np.dtype(dtype)} ({limits.min}..{limits.max}); "
            "int64 holds any class: label_dtype='int64' for readers, dtype='int64' for remap"
        )
    return value
