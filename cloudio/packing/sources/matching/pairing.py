"""Files that patterns find, put together as samples by the fields that the patterns share."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...._utils.text import counted, listed
from ....errors import RequestError
from ..channels import IMAGE, Role
from ..files import FileRow, FileRows, FileTable
from .hints import explain_no_match
from .listing import Listing, list_folder
from .patterns import Pattern

BAND, SPLIT = "band", "split"
# Splits in the order in which people have them; others come after these.
_SPLITS = ("train", "val", "test")
_DIGITS = re.compile(r"([0-9]+)")
_N_REASONS = 4
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilePattern:
    """A pattern of files and their role; None for one with ``{band}``, whose files name theirs."""

    pattern: Pattern
    role: Role | None


@dataclass
class _RoleFiles:
    """The files of a role: ``found`` by the values of all ``fields``, and those by ``shared``."""

    role: Role
    option: str
    fields: tuple[str, ...]
    found: list[tuple[str, Key]] = field(default_factory=list)
    shared: tuple[str, ...] = ()
    by_key: dict[Key, list[tuple[str, Key]]] = field(default_factory=dict)
    used: set[Key] = field(default_factory=set)


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
) -> FileTable:
    """Return the samples that files of a folder make, in natural order by split.

    ``split`` is that of files whose pattern has no ``{split}``.  Of bands and labels only those in
    ``take`` are needed, if it is given.  RequestError if files are doubled; and, without
    ``skip_missing``, if samples lack a file or images are left over.
    """
    listing = list_folder(root, [each.pattern for each in patterns])
    if listing.twice:
        path, one, two = listing.twice[0]
        first, second = patterns[one].pattern, patterns[two].pattern
        raise RequestError(
            f"{path} is matched by {first.what}={first.text!r} and {second.what}={second.text!r} "
            f"alike{_more(listing.twice)}; write what distinguishes them, such as {{id}}_mask.tif"
        )
    for each, found in zip(patterns, listing.found, strict=True):
        if not found:
            raise explain_no_match(root, each.pattern)
    problems = _Problems()
    roles = _needed(_by_role(patterns, listing), take)
    key = _join_fields(roles)
    samples = sorted(
        _samples(roles, key, split, problems), key=lambda each: _order(each.split, each.key)
    )
    _refuse(root, listing, problems, skip_missing=skip_missing)
    if not samples:
        raise RequestError(f"no sample of {root} has all its files: {_incomplete(problems)}")
    names = [name for name in samples[0].fields if name != SPLIT]
    reasons = [
        (path, f"is without {lost}") for lost, some in problems.incomplete.items() for path in some
    ]
    reasons.sort(key=lambda each: natural_key(each[0]))
    reasons += [(path, "no pattern matches it") for path in listing.others]
    reasons += [(path, "is no file") for path in listing.broken]
    rows = (
        FileRow(each.paths, each.split, tuple(each.fields[name] for name in names))
        for each in samples
    )
    kinds = tuple(each.role for each in roles)
    return FileTable(kinds, FileRows(rows), tuple(names), left_out=tuple(reasons))


def natural_key(text: str) -> tuple[Any, ...]:
    """Return what sorts texts as people do: img_2 is before img_10."""
    parts = _DIGITS.split(text)
    return tuple(int(part) if k % 2 else part for k, part in enumerate(parts)), text


def _order(split: str, key: Key) -> tuple[Any, ...]:
    rank = _SPLITS.index(split) if split in _SPLITS else len(_SPLITS)
    return rank, natural_key(split), [natural_key(value) for value in key]


# ---- roles ---------------------------------------------------------------------------------------


def _by_role(patterns: Sequence[FilePattern], listing: Listing) -> list[_RoleFiles]:
    """Return the files of each role: the image, bands in natural order or as given, labels."""
    roles: list[_RoleFiles] = []
    of_bands: dict[str, _RoleFiles] = {}
    for each, found in zip(patterns, listing.found, strict=True):
        pattern = each.pattern
        if each.role is not None:
            roles.append(_RoleFiles(each.role, pattern.what, pattern.fields, list(found)))
            continue
        at = pattern.fields.index(BAND)
        fields = (*pattern.fields[:at], *pattern.fields[at + 1 :])
        for path, values in found:
            name, rest = str(values[at]), (*values[:at], *values[at + 1 :])
            role = of_bands.setdefault(name, _RoleFiles(Role(name, "band"), pattern.what, fields))
            if role.fields != fields:
                raise pattern.error(
                    f"has the fields {listed(fields)}, but another pattern of the band {name} has "
                    f"{listed(role.fields)}; all must have the same"
                )
            role.found.append((path, rest))
    bands = [of_bands[name] for name in sorted(of_bands, key=natural_key)]
    labels = [role for role in roles if role.role.kind == "label"]
    every = [*(role for role in roles if role.role.kind != "label"), *bands, *labels]
    names = [role.role.name for role in every]
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise RequestError(f"two arrays have the name {twice[0]!r}; give one of them another name")
    return every


def _needed(roles: list[_RoleFiles], take: Sequence[str] | None) -> list[_RoleFiles]:
    """Return the roles whose arrays are taken; channels of the image have names of their own."""
    if take is None:
        return roles
    needed = [role for role in roles if role.role.kind == "image" or role.role.name in take]
    others = {role.role.name for role in needed if role.role.kind != "image"}
    if others.issuperset(take):  # nothing is taken of the image
        needed = [role for role in needed if role.role.kind != "image"]
    return needed or roles


def _join_fields(roles: Sequence[_RoleFiles]) -> tuple[str, ...]:
    """Return the fields that name a sample, and set those by which each role is joined to it."""
    data = [role for role in roles if role.role.kind != "label"] or roles
    first = max(data, key=lambda role: len(role.fields))
    for role in roles:
        role.shared = tuple(name for name in first.fields if name in role.fields)
        if first.fields and not role.shared:
            raise RequestError(
                f"{role.option} has no field of {first.option}, which are "
                f"{listed(f'{{{name}}}' for name in first.fields)}: the files of one sample are "
                "found by the fields that they share"
            )
        places = [role.fields.index(name) for name in role.shared]
        for path, values in role.found:
            key = tuple(values[at] for at in places)
            role.by_key.setdefault(key, []).append((path, values))
    return first.fields


# ---- samples -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sample:
    key: Key
    split: str
    paths: tuple[str, ...]
    fields: Mapping[str, str]


def _samples(
    roles: Sequence[_RoleFiles], fields: tuple[str, ...], split: str, problems: _Problems
) -> Iterator[_Sample]:
    """Yield the samples that have all files; note what is wrong with the others."""
    keys = dict.fromkeys(key for role in roles if role.shared == fields for key in role.by_key)
    places = [[fields.index(name) for name in role.shared] for role in roles]
    for key in keys:
        paths: list[str] = []
        values = dict(zip(fields, key, strict=True))
        lost: list[str] = []
        for role, at in zip(roles, places, strict=True):
            own = tuple(key[k] for k in at)
            found = role.by_key.get(own, [])
            if not found:
                lost.append(role.role.name)
                continue
            if len(found) > 1 and own not in role.used:
                names = listed(path for path, _ in found)
                problems.doubled.append(f"{names} ({role.role.name})")
            role.used.add(own)
            path, some = found[0]
            paths.append(path)
            values = {**dict(zip(role.fields, some, strict=True)), **values}
        if lost:
            problems.lack(paths[0], lost)
        else:
            yield _Sample(key, values.get(SPLIT, split), tuple(paths), values)
    data = next((role.role.name for role in roles if role.role.kind != "label"), IMAGE)
    for role in roles:
        for own, found in role.by_key.items():
            if own not in role.used:
                problems.lack(found[0][0], [data])


# ---- what is wrong -------------------------------------------------------------------------------


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
            f"{'; '.join(problems.doubled[:_N_REASONS])}{_more(problems.doubled, _N_REASONS)}; the "
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
        reasons.append(f"{n} that no pattern matches ({listed(listing.others)})")
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
        paths.sort(key=natural_key)
        texts.append(f"{counted(len(paths), 'sample')} without {lost} ({listed(paths)})")
    return "; ".join(texts) + _more(groups, _N_REASONS)


def _more(entries: Sequence[object], n_shown: int = 1) -> str:
    more = len(entries) - n_shown
    return f" and {more:,} more" if more > 0 else ""
