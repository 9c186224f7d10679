"""Which datasets of a container are packed: what the caller says, checked against what is there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..._utils.paths import local_path
from ..._utils.text import counted, listed, shown, suggest
from ..._utils.types import FilePath
from ...errors import LayoutError, RequestError
from ...storage.opening.series import has_channels_last
from ..decoders.containers import Container, open_container
from ..decoders.containers.container import StoredArray
from ..decoders.containers.conventions import class_names, read_infos, stored_type
from ..sample import Source, channel_names
from ..splits import check_splits, split_rank
from .container_advice import SPLIT as _SPLIT
from .container_advice import array_name, describe_datasets, not_packed
from .containers import ContainerSource, PatchArray, field_of
from .joined import JoinedSource
from .samples import LABEL_NAMES

ChannelAxis = Literal["first", "last"]
# The field that is the split of each patch.
_SPLIT_FIELD = "split"


def container_source(
    path: FilePath,
    dataset: str | Mapping[str, str] | None = None,
    *,
    names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    take: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    split: str = "train",
    fields: Mapping[str, str] | None = None,
) -> Source:
    """Return the patches of an HDF5, Zarr, .npz or .npy file as a source.

    Parameters
    ----------
    path : str or path
        The file, or the folder of a Zarr store.
    dataset : str or mapping of str to str, optional
        Array -> name of a dataset (patch, row, column) or (patch, channel, row, column); or one
        name.  ``{split}`` in a name is the split: ``"/{split}/images"``.  A .npy file needs none.
    names : sequence of str, or mapping of str to sequence of str, optional
        The names of the channels, of the array that has several or of each array; "-" leaves one
        out.  By default ``image_1``, ``image_2``, ...
    take : sequence of str, optional
        The arrays to take, in this order.
    labels : sequence of str, optional
        The arrays that are labels.  By default those of the usual names, such as "mask", and those
        whose codes have names (flag_values and flag_meanings).
    channel_axis : {"first", "last"}, optional
        Where the channels of arrays of four axes are.  By default first, and it is an error if a
        shape looks otherwise.
    split : str
        The split of all patches, unless a name has ``{split}``.
    fields : mapping of str to str, optional
        Column of the metadata -> dataset with an entry for each patch.  ``split`` is the split of
        each patch; an empty one has that of ``split``.

    Returns
    -------
    Source
        It pickles to the path.  The attributes _FillValue, missing_value, scale_factor, add_offset,
        units, _Unsigned, flag_values and flag_meanings are taken as CF means them.

    Raises
    ------
    RequestError, LayoutError
        If a dataset does not exist or cannot be packed, or datasets do not fit together.  Without
        ``dataset`` the message lists what the container has.
    """
    where = local_path(path)
    if channel_axis not in (None, "first", "last"):
        raise RequestError(f"channel_axis={shown(channel_axis)}; it must be 'first' or 'last'")
    with open_container(where) as container:
        chosen = _datasets(container, dataset)
        columns = dict(fields or {})
        maker = _Maker(container, names, take, labels, channel_axis)
        if not any(_SPLIT in name for name in (*chosen.values(), *columns.values())):
            source = maker.make(chosen, columns, split)
            source.notes = not_packed(container, [*chosen.values()])
            return source
        if _SPLIT_FIELD in columns:
            raise RequestError(
                f"fields={shown(columns)}, but the datasets have {{split}}: a patch has one split; "
                "leave out the field split"
            )
        parts: dict[str, Source] = {}
        for each in _splits(container, [*chosen.values(), *columns.values()]):
            own, its = (
                {k: name.replace(_SPLIT, each) for k, name in some.items()}
                for some in (chosen, columns)
            )
            parts[each] = maker.make(own, its, each)
    return JoinedSource(parts)


def _datasets(container: Container, given: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return the name of each dataset by that of its array; RequestError if none is given."""
    if given is None:
        arrays = container.arrays()
        if len(arrays) == 1 and container.path.suffix.lower() == ".npy":
            return {arrays[0].name: arrays[0].name}
        raise RequestError.about(container.path, describe_datasets(arrays))
    if isinstance(given, str):
        given = {array_name(given): given}
    if (
        not isinstance(given, Mapping)
        or not given
        or not all(isinstance(text, str) and text for pair in given.items() for text in pair)
    ):
        raise RequestError(
            f"dataset={shown(given)}; it must map names of arrays to datasets, such as "
            "{'image': '/images', 'mask': '/labels'}"
        )
    return dict(given)


def _splits(container: Container, patterns: Sequence[str]) -> list[str]:
    """Return the splits for which there is a dataset of every pattern; RequestError if none."""
    names = container.names()
    found: list[list[str]] = []
    for pattern in patterns:
        if _SPLIT not in pattern:
            raise RequestError(
                f"dataset {pattern!r} has no {{split}}, but others have; all or none must have it"
            )
        begin, *ends = map(re.escape, pattern.strip("/").split(_SPLIT))
        expression = f"{begin}(?P<split>[^/]+){'(?P=split)'.join(ends)}"
        matches = (re.fullmatch(expression, name.strip("/")) for name in names)
        found.append([match["split"] for match in matches if match])
        if not found[-1]:
            raise RequestError.about(
                container.path,
                f"has no dataset {pattern!r} for any split; it has {listed(container.arrays())}",
            )
    every = list(dict.fromkeys(split for some in found for split in some))
    for pattern, some in zip(patterns, found, strict=True):
        if lost := [split for split in every if split not in some]:
            raise RequestError.about(
                container.path,
                f"has no dataset {pattern.replace(_SPLIT, lost[0])!r}, but others "
                f"of {lost[0]}; each split needs all of them",
            )
    return sorted(every, key=lambda split: (split_rank(split), split))


class _Maker:
    """Makes sources of one container, with the caller's choices."""

    def __init__(
        self,
        container: Container,
        names: Sequence[str] | Mapping[str, Sequence[str]] | None,
        take: Sequence[str] | None,
        labels: Sequence[str] | None,
        channel_axis: ChannelAxis | None,
    ) -> None:
        self._container, self._names, self._take = container, names, take
        self._labels, self._axis = labels, channel_axis

    @property
    def _path(self) -> Path:
        return self._container.path

    def make(
        self, datasets: Mapping[str, str], fields: Mapping[str, str], split: str
    ) -> ContainerSource:
        """Return the source of these datasets."""
        stored = {array: self._patches(name) for array, name in datasets.items()}
        first = next(iter(stored.values()))
        for other in stored.values():
            if other.shape[0] != first.shape[0]:
                raise LayoutError.about(
                    self._path,
                    f"has {counted(first.shape[0], 'patch')} in {first.name}, but "
                    f"{other.shape[0]:,} in {other.name}; each patch must be in all of them",
                )
        for column, name in fields.items():
            self._check_field(column, self._container.find(name), first)
        arrays = [*self._arrays(stored)]
        taken = self._taken(arrays)
        kept = [own for array in arrays if (own := array.only(taken)) is not None]
        others = dict(fields)
        dataset = others.pop(_SPLIT_FIELD, None)
        splits = split if dataset is None else self._splits(dataset, first.shape[0], split)
        return ContainerSource(self._path, kept, taken, others, splits)

    def _splits(self, dataset: str, n: int, default: str) -> list[str]:
        """Return the split of each patch, from a dataset with their names."""
        values = (field_of(value) for value in self._container.read(dataset, 0, n))
        splits = [default if value in (None, "") else str(value) for value in values]
        try:
            check_splits(dict.fromkeys(splits))
        except RequestError as error:
            raise RequestError.about(self._path, f"{dataset}: {error}") from None
        return splits

    def _patches(self, name: str) -> StoredArray:
        """Return a dataset of patches; LayoutError if it cannot be one."""
        found = self._container.find(name)
        found.check_numeric(self._path)
        if len(found.shape) not in (3, 4) or 0 in found.shape:
            raise LayoutError.about(
                self._path,
                f"{found.name} has shape {found.shape}; it must be (patch, row, column) or (patch, "
                "channel, row, column)",
            )
        looks_last = len(found.shape) == 4 and has_channels_last(found.shape)
        if looks_last and self._axis is None:
            raise LayoutError.about(
                self._path,
                f"{found.name} has shape {found.shape}, whose channels may be last: give "
                "channel_axis='last' (--channel-axis last), or 'first' if its patches have "
                f"{found.shape[1]} channels of {found.shape[2]} x {found.shape[3]} pixels",
            )
        return found

    def _check_field(self, column: str, field: StoredArray, patches: StoredArray) -> None:
        if field.shape != patches.shape[:1]:
            raise LayoutError.about(
                self._path,
                f"{field.name} has shape {field.shape}; as the column {column} it must have "
                f"{patches.shape[0]:,} entries, one for each patch of {patches.name}",
            )
        if field.dtype is None or not (
            field.is_numeric or field.type_name == "text" or field.dtype.kind == "M"
        ):
            raise LayoutError.about(
                self._path, f"{field.name} holds {field.type_name}; a column is text or numbers"
            )

    def _arrays(self, stored: Mapping[str, StoredArray]) -> Iterator[PatchArray]:
        labels = LABEL_NAMES if self._labels is None else frozenset(self._labels)
        channels = {array: self._channels(each) for array, each in stored.items()}
        names = self._names_of(stored, channels)
        taken: dict[str, str] = {}
        for array, each in stored.items():
            codes = class_names(self._path, each)
            is_label = array in labels or (self._labels is None and bool(codes))
            infos = read_infos(self._path, each, "label" if is_label else "band", channels[array])
            planes = {name: k for k, name in enumerate(names[array]) if name != "-"}
            for name in names[array]:
                if name in taken:
                    raise RequestError(
                        f"{taken[name]} and {each.name} both have an array named {name}; give "
                        "others with names="
                    )
                taken |= {name: each.name} if name != "-" else {}
            if not planes:
                continue
            yield PatchArray(
                dataset=each.name,
                shape=each.shape,
                axis=None if len(each.shape) == 3 else self._axis or "first",
                planes=planes,
                infos={name: infos[k] for name, k in planes.items()},
                dtype=stored_type(each),
                block=each.block,
                codes=codes,
            )
        if self._labels and (lost := [name for name in self._labels if name not in stored]):
            raise RequestError(
                f"labels: there is no array {lost[0]!r}; dataset= names {listed(stored)}"
                f"{suggest(lost[0], stored)}"
            )

    def _channels(self, stored: StoredArray) -> int:
        if len(stored.shape) == 3:
            return 1
        return stored.shape[3 if self._axis == "last" else 1]

    def _names_of(
        self, stored: Mapping[str, StoredArray], channels: Mapping[str, int]
    ) -> dict[str, Sequence[str]]:
        """Return the names of the channels of each array."""
        given = self._names
        if given is not None and not isinstance(given, Mapping):
            several = [array for array, n in channels.items() if n > 1] or [*channels]
            if "image" not in channels and len(several) > 1:
                raise RequestError(
                    f"names={shown(given)}; {listed(several)} have channels: give a mapping, such "
                    f"as {{{several[0]!r}: [...]}}"
                )
            given = {"image" if "image" in channels else several[0]: given}
        given = dict(given or {})
        if lost := [array for array in given if array not in stored]:
            raise RequestError(f"names: there is no array {lost[0]!r}; there are {listed(stored)}")
        found: dict[str, Sequence[str]] = {}
        for array, n in channels.items():
            own: Any = given.get(array, channel_names(array, n))
            own = [own] if isinstance(own, str) else list(own)
            if len(own) != n:
                raise RequestError(
                    f"names: {stored[array].name} has {counted(n, 'channel')}, but {array} has "
                    f"{counted(len(own), 'name')}: {listed(own)}"
                )
            found[array] = own
        return found

    def _taken(self, arrays: Sequence[PatchArray]) -> list[str]:
        """Return the names of the arrays that are taken, in the caller's order."""
        names = [name for array in arrays for name in array.planes]
        if not names:
            raise RequestError("names= leaves out all channels; name one at least")
        if self._take is None:
            return names
        if lost := [name for name in self._take if name not in names]:
            raise RequestError(
                f"take: there is no array {lost[0]!r}; {self._path} gives {listed(names)}"
                f"{suggest(lost[0], names)}"
            )
        return [*dict.fromkeys(self._take)]
