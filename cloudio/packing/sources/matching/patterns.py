"""Patterns of paths with named fields, such as ``{split}/images/{id}.tif``.

A pattern is compared with a path folder by folder, as the folders are walked.  Names are divided by
`str.find` and a note of what has failed, because a regular expression may take years for some.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

from ...._utils.text import shown
from ....errors import RequestError

#: One value for each field of a pattern; "" where none is known yet, for no name is empty.
Values = tuple[str, ...]
#: The component of a pattern that comes next, and the values so far.
State = tuple[int, Values]

# Fields that are as short as possible where a name can be divided in several ways: nobody has a
# band or a split with a separator in its name, but many have an id with some.
_SHORT = frozenset(("split", "band"))
_STAR = -1
# A pattern has a field or two for each folder.
_MOST_FIELDS, _MOST_COMPONENTS, _MOST_DEEP = 32, 64, 3
# Ways in which one name can be divided, and comparisons to find them.
_MOST_WAYS, _MOST_STEPS = 1000, 200_000
_DEEP = "**"


class Pattern:
    """A pattern of paths below a folder.

    ``{name}`` stands for one or more characters of one folder's or file's name, ``*`` for any
    number of them, and ``**`` for any number of folders.  All else is literal; ``{{`` and ``}}``
    are braces.  A field that occurs twice has the same value each time.  Where a name can be
    divided in several ways, fields are as long as possible, from left to right; ``{split}`` and
    ``{band}`` are as short as possible.  Names that begin with a dot are found only by a literal
    dot.

    ``what`` is the option that messages name.  RequestError if the pattern is wrong.
    """

    def __init__(self, text: str, what: str = "pattern") -> None:
        self.text, self.what = text, what
        parts = _split_path(text, what)
        parsed = [None if part == _DEEP else _parse(part, self) for part in parts]
        names = [x.name for part in parsed if part for x in part if isinstance(x, _Field)]
        #: The names of the fields, in order, each once.
        self.fields = tuple(dict.fromkeys(names))
        if len(names) > _MOST_FIELDS:
            raise self.error(f"has {len(names)} fields; {_MOST_FIELDS} are the most")
        #: How many characters are literal: of two patterns, the one with more is more exact.
        self.n_literal = sum(
            len(x) for part in parsed if part for x in part if isinstance(x, str)
        ) + len(parts)
        numbers = {name: k for k, name in enumerate(self.fields)}
        self._components = [None if part is None else _Component(part, numbers) for part in parsed]
        later: set[int] = set()
        for component in reversed(self._components):
            if component is not None:
                component.needs_all_ways = len(component.variables) > 1 and bool(
                    later.intersection(component.variables)
                )
                later.update(component.variables)

    def error(self, reason: str) -> RequestError:
        """Return an error about the pattern."""
        return RequestError(f"{self.what}={shown(self.text, 120)} {reason}")

    @property
    def suffix(self) -> str:
        """The ending of the files, with its dot; "" if a field or ``*`` is in it."""
        suffix = PurePath(self.text).suffix
        return "" if any(mark in suffix for mark in "{}*") else suffix

    # ---- matching, folder by folder --------------------------------------------------------------

    def start(self) -> list[State]:
        """Return the states in the folder itself."""
        return self._skipped([(0, ("",) * len(self.fields))])

    def enter(self, states: Sequence[State], folder: str) -> list[State]:
        """Return the states in a folder of that name; none if no file below it can match."""
        entered: list[State] = []
        for at, values in states:
            component = self._components[at]
            if component is None:
                if not folder.startswith("."):
                    entered.append((at, values))
            elif at + 1 < len(self._components):
                ways = component.ways(folder, values)
                n = _MOST_WAYS + 1 if component.needs_all_ways else 1
                entered += [(at + 1, found) for found in islice(ways, n)]
        if len(entered) > _MOST_WAYS:
            raise self.error(f"divides the path to the folder {shown(folder)} in too many ways")
        return self._skipped(entered)

    def match(self, states: Sequence[State], file: str) -> Values | None:
        """Return the values of the fields for a file of that name; None if it does not match."""
        last = len(self._components) - 1
        for at, values in states:
            if at == last and (component := self._components[at]) is not None:
                for found in component.ways(file, values):
                    return found
        return None

    def match_path(self, path: str) -> dict[str, str] | None:
        """Return the fields of a path with ``/``; None if it does not match."""
        states = self.start()
        *folders, file = path.split("/")
        for folder in folders:
            states = self.enter(states, folder)
        values = self.match(states, file)
        return None if values is None else dict(zip(self.fields, values, strict=True))

    def _skipped(self, states: list[State]) -> list[State]:
        """Return states and those after ``**``, which may be no folder, each once.

        The latter come first: ``**`` is as short as possible.
        """
        every: dict[State, None] = {}
        for at, values in states:
            last = at
            while self._components[last] is None:
                last += 1
            for k in range(last, at - 1, -1):
                every[k, values] = None
        return list(every)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


class _Component:
    """The part of a pattern for one folder or file: literals with variables between them.

    ``variables`` are numbers of fields, or `_STAR`.
    """

    def __init__(self, parts: Sequence["str | _Field | None"], numbers: dict[str, int]) -> None:
        self.variables: list[int] = []
        literals = [""]
        self._short: list[bool] = []
        for part in parts:
            if isinstance(part, str):
                literals[-1] = part
            else:
                self.variables.append(_STAR if part is None else numbers[part.name])
                self._short.append(part is None or part.name in _SHORT)
                literals.append("")
        self._prefix, *self._after = literals
        self._suffix = self._after[-1] if self._after else ""
        named = [x for x in self.variables if x != _STAR]
        self._has_twin = len(named) > len(set(named))
        self.needs_all_ways = False

    def ways(self, text: str, values: Values) -> Iterator[Values]:
        """Yield the values of all fields for each way to divide a name, the best one first."""
        stop = len(text) - len(self._suffix)
        begin = len(self._prefix)
        if not text.startswith(self._prefix) or (text[0] == "." and not begin):
            return
        if not self.variables:
            if len(text) == begin:
                yield values
        elif stop < begin or not text.endswith(self._suffix):
            return
        elif len(self.variables) == 1 and (at := self.variables[0]) != _STAR and not values[at]:
            if stop > begin:
                yield (*values[:at], text[begin:stop], *values[at + 1 :])
        else:
            yield from _Search(self, text, stop).ways(0, begin, values)

    def ends(self, k: int, text: str, begin: int, stop: int, value: str) -> Iterator[int]:
        """Yield where the variable ``k`` can end that begins there, the best one first."""
        if value:
            end = begin + len(value)
            is_last = k == len(self.variables) - 1
            fits = end == stop if is_last else text.startswith(self._after[k], end)
            if fits and end <= stop and text.startswith(value, begin):
                yield end
            return
        first = begin + (self.variables[k] != _STAR)
        if k == len(self.variables) - 1:
            if first <= stop:
                yield stop
            return
        literal = self._after[k]
        if self._short[k]:
            end = text.find(literal, first, stop)
            while end >= 0:
                yield end
                end = text.find(literal, end + 1, stop)
        else:
            end = text.rfind(literal, first, stop)
            while end >= 0:
                yield end
                end = text.rfind(literal, first, end + len(literal) - 1)

    def after(self, k: int, end: int) -> int:
        """Return where the next variable begins."""
        return end + len(self._after[k])

    @property
    def may_forget(self) -> bool:
        """Whether what fails once at a place always fails there."""
        return not self._has_twin


class _Search:
    """A search for the ways to divide one name."""

    def __init__(self, component: _Component, text: str, stop: int) -> None:
        self._component, self._text, self._stop = component, text, stop
        self._failed: set[tuple[int, int]] = set()
        self._n_steps = 0

    def ways(self, k: int, begin: int, values: Values) -> Iterator[Values]:
        """Yield the ways to divide the rest of the name into the variables from ``k`` on."""
        component = self._component
        variable = component.variables[k]
        held = "" if variable == _STAR else values[variable]
        is_last = k == len(component.variables) - 1
        found = False
        for end in component.ends(k, self._text, begin, self._stop, held):
            self._n_steps += 1
            if self._n_steps > _MOST_STEPS:
                raise RequestError(f"the name {shown(self._text)} takes too long to divide")
            now = values
            if variable != _STAR and not held:
                now = (*values[:variable], self._text[begin:end], *values[variable + 1 :])
            if is_last:
                found = True
                yield now
            elif (k + 1, (after := component.after(k, end))) not in self._failed:
                for way in self.ways(k + 1, after, now):
                    found = True
                    yield way
        if not found and component.may_forget:
            self._failed.add((k, begin))


# ---- parsing -------------------------------------------------------------------------------------


def _split_path(text: str, what: str) -> list[str]:
    """Return the components of a pattern; RequestError if it can match no file below a folder."""
    if not isinstance(text, str):
        raise RequestError(f"{what} is of type {type(text).__name__}; it must be a text")
    quoted = f"{what}={shown(text, 120)}"
    if not text or "\0" in text:
        raise RequestError(f"{quoted}; it must be a pattern such as '{{split}}/images/{{id}}.tif'")
    if PurePath(text).is_absolute():
        raise RequestError(f"{quoted} is an absolute path; write it from the folder that is packed")
    if text.endswith("/"):
        raise RequestError(
            f"{quoted} is a folder; end it with the names of files, such as {{id}}.tif"
        )
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise RequestError(f"{quoted} leaves the folder with '..'; pack the folder above it")
    if parts[-1:] in ([], [_DEEP]):
        raise RequestError(f"{quoted} ends without the name of a file, such as {{id}}.tif")
    if len(parts) > _MOST_COMPONENTS or parts.count(_DEEP) > _MOST_DEEP:
        raise RequestError(
            f"{quoted}; it may have {_MOST_COMPONENTS} folders, and {_DEEP} {_MOST_DEEP} times"
        )
    return [x for k, x in enumerate(parts) if x != _DEEP or parts[k + 1] != _DEEP]


def _parse(part: str, pattern: Pattern) -> list["str | _Field | None"]:
    """Return literals, fields and None for ``*``, of one component; RequestError if it is wrong."""
    found: list[str | _Field | None] = []
    literal, k = "", 0
    while k < len(part):
        mark, is_double = part[k], part[k : k + 2] == 2 * part[k]
        if mark not in "{}*" or (mark != "*" and is_double):
            literal += mark
            k += 1 + (mark in "{}")
            continue
        if mark == "*" and is_double:
            raise pattern.error("has ** beside other characters; ** stands for whole folders")
        if mark == "}":
            raise pattern.error("has a } without {; a brace that is meant is written twice: }}")
        if not literal and found:
            raise pattern.error(
                "has two fields or * with nothing between them, so that their ends are unknown; "
                "write a separator between them, such as {a}_{b}"
            )
        if literal:
            found.append(literal)
        literal = ""
        if mark == "*":
            found.append(None)
            k += 1
        else:
            end = part.find("}", k)
            found.append(_field(part[k + 1 : end] if end > 0 else None, pattern))
            k = end + 1
    return [*found, literal] if literal else found


def _field(name: str | None, pattern: Pattern) -> _Field:
    if name is None:
        raise pattern.error("has a { without }; a brace that is meant is written twice: {{")
    if not name.isidentifier():
        raise pattern.error(
            f"has a field {{{name}}}; a field has a name of letters, digits and _, such as {{id}}"
        )
    return _Field(name)
