"""Checks of the names of files, and of what their sizes and headers say."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..._utils.text import listed
from ...layouts.layout import Layout
from ...storage.discovery import Split
from ...storage.errors import FileProblem
from ..file_names import array_file_name
from ..report import Finding, make_finding

# Of presets that are compared with each other.
_MOST_GROUPS = 200


def check_names(
    splits: Sequence[Split], problems: Sequence[FileProblem], layout: Layout
) -> Iterator[Finding]:
    """Report arrays that are missing, and files that the layout does not know."""
    # An array whose file has a problem is not missing.
    with_problem: defaultdict[str, set[str]] = defaultdict(set)
    for problem in problems:
        with_problem[problem.split].update(problem.arrays)
    present = {split.name: set(split.arrays) | with_problem[split.name] for split in splits}
    anywhere = set().union(*present.values())
    for split in splits:
        absent = anywhere - present[split.name]
        for band in layout.bands:
            if band.name in absent:
                yield _missing(band.name, split, splits, present)
        for name, array in split.arrays.items():
            if layout.band(name) is None:
                file = array_file_name(array, split.folder)
                yield make_finding("unknown", split.name, file, (), f"read as {array.dtype}")
        for left_out in split.left_out:
            file = left_out.path.relative_to(split.folder).as_posix()
            yield make_finding("left-out", split.name, file, (), left_out.reason)
    yield from _incomplete(anywhere, layout)


def _missing(
    name: str, split: Split, splits: Sequence[Split], present: dict[str, set[str]]
) -> Finding:
    with_array = [other for other in splits if name in other.arrays]
    others = listed(other for other, names in present.items() if name in names)
    file = name
    if with_array:
        file = array_file_name(with_array[0].arrays[name], with_array[0].folder)
    return make_finding("missing", split.name, file, (), f"{name} is only in {others}")


def _incomplete(names: set[str], layout: Layout) -> Iterator[Finding]:
    """Report groups of which more than half is present; a smaller part is likely a choice.

    Groups that are part of a larger one are left out, such as the three colors of all bands.
    """
    groups = [(name, group) for name, choices in layout.presets.items() for group in choices]
    groups = groups[:_MOST_GROUPS]
    sets = [set(group) for _, group in groups]
    for (preset, group), members in zip(groups, sets, strict=True):
        lacking = [name for name in group if name not in names]
        if not 0 < len(lacking) * 2 < len(group) or any(members < other for other in sets):
            continue
        message = f"{preset} has {len(group) - len(lacking)} of {len(group)} arrays; it lacks "
        yield make_finding("incomplete", "", "", (), message + listed(lacking))


def check_types(splits: Sequence[Split], layout: Layout) -> Iterator[Finding]:
    """Report element types, by sizes or headers, that are not the layout's."""
    for split in splits:
        for name, array in split.arrays.items():
            band = layout.band(name)
            if band is None or array.dtype == band.dtype:
                continue
            by = "header" if array.start else "size"
            message = f"{array.dtype} by its {by}, but {band.dtype} in {layout.name}"
            check = "label-type" if band.kind == "label" else "type"
            file = array_file_name(array, split.folder)
            yield make_finding(check, split.name, file, (), message)


def check_layout(split: Split) -> Iterator[Finding]:
    """Report a layout that may not be that of the files."""
    if split.doubt is not None:
        yield make_finding("layout", split.name, "", (), split.doubt)


def check_sizes(split: Split) -> Iterator[Finding]:
    """Report sizes that allow two numbers of patches."""
    if split.ambiguity is not None:
        yield make_finding("ambiguous", split.name, "", (), split.ambiguity)
