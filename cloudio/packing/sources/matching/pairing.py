"""Files that patterns find, put together as samples by the fields that the patterns share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...._utils.text import counted, listed
from ....errors import RequestError
from ....storage.opening.joining import natural_key
from ...result import UNMATCHED
from ...splits import split_rank
from ..channels import IMAGE, Role
from ..files import FileRow, FileRows, FileTable
from .hints import explain_no_match
from .listing import Listing, list_folder
from .options import check_distinct
from .patterns import Pattern, Values

BAND, SPLIT = "band", "split"
_N_REASONS = 4
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilePattern:
    """A pattern of files and their role; None for one with ``{band}``, whose files name theirs."""

    pattern: Pattern
    role: Role | None


@dataclass
class _Problems:
    """What keeps files from being samples."""

    doubled: list[str] = field(default_factory=list)
    incomplete: dict[str, list[str]] = field(default_factory=dict)

    def lack(self, path: str, lost: Sequence[str]) -> None:
        self.incomplete.setdefault(listed(lost), []).append(path)


def pair_files(
    root: Path,
    patterns: Sequence[FilePattern],
    *,
    split: str,
    take: Sequence[str] | None = None,
    skip_missing: bool = False,
    ignore: Sequence[str] = (),
) -> FileTable:
    """Return the samples that files of a folder make, in natural order by split.

    ``split`` is that of files whose pattern has no ``{split}``.  Of bands and labels only those in
    ``take`` are needed, if it is given.  RequestError if files are doubled; and, without
    ``skip_missing``, if samples lack a file or images are left over.
    """
    files = _Files(patterns)
    listing = list_folder(root, [each.pattern for each in patterns], files.take, ignore)
    if listing.twice:
        raise _matched_twice(patterns, listing.twice)
    for k, each in enumerate(patterns):
        if not files.n_found[k]:
            raise explain_no_match(root, each.pattern)
    problems = _Problems()
    roles, every = files.roles(take), files.roles(None)
    samples = list(_samples(roles, every, files.fields, split, problems))
    samples.sort(key=lambda each: _order(each.split, each.key))
    _refuse(root, listing, problems, skip_missing=skip_missing)
    if not samples:
        raise RequestError(f"no sample of {root} has all its files: {_incomplete(problems)}")
    names = [name for name in samples[0].fields if name != SPLIT]
    incomplete = problems.incomplete.items()
    reasons = [(path, f"has no {lost}") for lost, some in incomplete for path in some]
    reasons.sort(key=lambda each: _natural(each[0]))
    reasons += [(path, UNMATCHED) for path in listing.others]
    reasons += [(path, "is no file") for path in listing.broken]
    rows = (
        FileRow(each.paths, each.split, tuple(each.fields[name] for name in names))
        for each in samples
    )
    kinds = tuple(each.role for each in roles)
    return FileTable(kinds, FileRows(rows), tuple(names), left_out=tuple(reasons))


def _natural(text: str) -> tuple[Any, ...]:
    """Return what sorts texts as people do: img_2 is before img_10; img_02 is before img_2."""
    return natural_key(text), text


def _order(split: str, key: Key) -> tuple[Any, ...]:
    return split_rank(split), _natural(split), [_natural(value) for value in key]


# ---- roles ---------------------------------------------------------------------------------------


@dataclass
class _RoleFiles:
    """The files of a role: a path for each key, of the fields ``shared``, and other fields of it.

    There may be millions, so that each has little beside its path.
    """

    role: Role
    fields: tuple[str, ...]
    shared: tuple[str, ...]
    paths: dict[Key, str] = field(default_factory=dict)
    doubled: dict[Key, list[str]] = field(default_factory=dict)
    own: dict[Key, dict[str, str]] = field(default_factory=dict)
    used: set[Key] = field(default_factory=set)


class _Files:
    """The files that patterns find, by role.  ``fields`` are those that name a sample."""

    def __init__(self, patterns: Sequence[FilePattern]) -> None:
        self._patterns = patterns
        data = [each for each in patterns if each.role is None or each.role.kind != "label"]
        first = max(data, key=lambda each: len(_fields(each)))
        self.fields = _fields(first)
        self.n_found = [0] * len(patterns)
        self._keys: dict[Key, Key] = {}
        self._roles: dict[tuple[int, str], _RoleFiles] = {}
        self._places: list[tuple[tuple[int, ...], int | None]] = []
        of_bands = [each for each in patterns if each.role is None]
        for each in of_bands[1:]:
            if set(_fields(each)) != set(_fields(of_bands[0])):
                raise each.pattern.error(
                    f"has other fields than {of_bands[0].pattern.text!r}; all must have the same"
                )
        for k, each in enumerate(patterns):
            pattern = each.pattern
            shared = [name for name in self.fields if name in pattern.fields]
            if self.fields and not shared:
                raise RequestError(
                    f"{pattern.what} has no field of {first.pattern.what}, which are "
                    f"{listed(f'{{{name}}}' for name in self.fields)}: the files of one sample are "
                    "found by the fields that they share"
                )
            band = pattern.fields.index(BAND) if each.role is None else None
            self._places.append((tuple(pattern.fields.index(name) for name in shared), band))
            if each.role is not None:
                self._role(k, each.role)

    def _role(self, k: int, role: Role) -> _RoleFiles:
        """Return the files of a role; bands of several patterns are the same."""
        number = -1 if self._patterns[k].role is None else k
        found = self._roles.get((number, role.name))
        if found is None:
            fields = _fields(self._patterns[k])
            shared = tuple(name for name in self.fields if name in fields)
            found = self._roles[number, role.name] = _RoleFiles(role, fields, shared)
        return found

    def take(self, k: int, path: str, values: Values) -> None:
        """Take a file that pattern ``k`` matches."""
        self.n_found[k] += 1
        places, band = self._places[k]
        given = self._patterns[k].role
        role = self._role(k, given or Role(values[band or 0], "band"))
        key = tuple([values[at] for at in places])
        key = self._keys.setdefault(key, key)
        if (other := role.paths.setdefault(key, path)) is not path:
            role.doubled.setdefault(key, [other]).append(path)
        elif len(role.fields) > len(places):
            every = zip(self._patterns[k].pattern.fields, values, strict=True)
            role.own[key] = {name: x for name, x in every if name not in (BAND, *role.shared)}

    def roles(self, take: Sequence[str] | None) -> list[_RoleFiles]:
        """Return the roles whose arrays are taken: the image, bands in natural order, labels.

        Bands of patterns of their own are in the order in which these are given.  Which channels of
        the image are taken is not known, because they have names of their own.
        """
        rank = {"image": 0, "band": 1, "label": 2}
        found = [each for (number, _), each in self._roles.items() if number < 0]
        found.sort(key=lambda each: _natural(each.role.name))
        every = [*(each for (number, _), each in self._roles.items() if number >= 0), *found]
        every.sort(key=lambda each: rank[each.role.kind])
        check_distinct([each.role.name for each in every])
        if take is None:
            return every
        needed = [each for each in every if each.role.kind == "image" or each.role.name in take]
        others = {each.role.name for each in needed if each.role.kind != "image"}
        if others.issuperset(take):  # nothing is taken of the image
            needed = [each for each in needed if each.role.kind != "image"]
        return needed or every


def _fields(each: FilePattern) -> tuple[str, ...]:
    """Return the fields of a pattern without the band."""
    return tuple(name for name in each.pattern.fields if each.role is not None or name != BAND)


# ---- samples -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sample:
    key: Key
    split: str
    paths: tuple[str, ...]
    fields: Mapping[str, str]


def _samples(
    roles: Sequence[_RoleFiles],
    every: Sequence[_RoleFiles],
    fields: tuple[str, ...],
    split: str,
    problems: _Problems,
) -> Iterator[_Sample]:
    """Yield the samples that have all files; note what is wrong with the others.

    A sample is named by all ``fields``, which a role of ``every`` has.
    """
    full = [role for role in roles if role.shared == fields]
    full = full or [role for role in every if role.shared == fields]
    keys = dict.fromkeys(key for role in full for key in role.paths)
    places = [[fields.index(name) for name in role.shared] for role in roles]
    for key in keys:
        paths: list[str] = []
        values = dict(zip(fields, key, strict=True))
        lost: list[str] = []
        for role, at in zip(roles, places, strict=True):
            own = key if role.shared == fields else tuple([key[k] for k in at])
            path = role.paths.get(own)
            if path is None:
                lost.append(role.role.name)
                continue
            role.used.add(own)
            paths.append(path)
            if role.own:
                values |= role.own[own]
        if lost:
            problems.lack(paths[0], lost)
        else:
            yield _Sample(key, values.get(SPLIT, split), tuple(paths), values)
    for role in roles:
        for some in role.doubled.values():
            problems.doubled.append(f"{listed(some)} ({role.role.name})")
    data = next((role.role.name for role in roles if role.role.kind != "label"), IMAGE)
    for role in roles:
        for own, path in role.paths.items():
            if own not in role.used:
                problems.lack(path, [data])


# ---- what is wrong -------------------------------------------------------------------------------


def _matched_twice(
    patterns: Sequence[FilePattern], twice: Sequence[tuple[str, int, int]]
) -> RequestError:
    path, one, two = twice[0]
    first, second = patterns[one].pattern, patterns[two].pattern
    more = len(twice) - 1
    files = f"{path} and {counted(more, 'other file')} are" if more else f"{path} is"
    return RequestError(
        f"{files} matched both by {first.what}={first.text!r} and by {second.what}={second.text!r}"
        f"; write what distinguishes them, such as {{id}}_mask.tif"
    )


def _refuse(
    root: Path,
    listing: Listing,
    problems: _Problems,
    *,
    skip_missing: bool,
) -> None:
    """Raise RequestError if files are doubled; without ``skip_missing`` for all that is wrong."""
    if problems.doubled:
        raise RequestError(
            f"several files of {root} are the same file of one sample: "
            f"{'; '.join(problems.doubled[:_N_REASONS])}{_more(problems.doubled)}; the "
            "values of the fields must be others: write a field where their paths differ"
        )
    if skip_missing:
        return
    reasons = [_incomplete(problems)] if problems.incomplete else []
    if listing.broken:
        n = counted(len(listing.broken), "name")
        reasons.append(f"{n} of no file ({listed(listing.broken)})")
    if listing.others:
        n = counted(len(listing.others), "image")
        reasons.append(
            f"{n} that no pattern matches ({listed(listing.others)}), which ignore= (--ignore) can "
            "name"
        )
    if reasons:
        raise RequestError(
            f"files of {root} do not make complete samples: {'; '.join(reasons)}. "
            "skip_missing=True (--skip-missing) leaves these out"
        )


def _incomplete(problems: _Problems) -> str:
    """Return which samples lack what; the paths are of files that they have."""
    groups = sorted(problems.incomplete.items(), key=lambda group: -len(group[1]))
    texts = []
    for lost, paths in groups[:_N_REASONS]:
        paths.sort(key=_natural)
        texts.append(f"{counted(len(paths), 'sample')} without {lost} ({listed(paths)})")
    return "; ".join(texts) + _more(groups)


def _more(entries: Sequence[object]) -> str:
    more = len(entries) - _N_REASONS
    return f" and {more:,} more" if more > 0 else ""
