"""Which source reads what the caller gives."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from .._utils.paths import is_file, local_path, not_found, status_of
from .._utils.text import listed, shown
from ..errors import RequestError
from ..reading.dataset import Dataset
from ..storage.opening.pack_command import IMAGE_ENDINGS
from .sample import Source
from .sources.samples import Items, SampleMaker, SequenceSource, Stream
from .splits import check_splits

FilePath = str | os.PathLike[str]
_PATTERNS = "images", "masks", "bands", "table"


@dataclass(frozen=True)
class SourceOptions:
    """The arguments of `pack` that say what is read."""

    split: str
    images: str | None
    masks: str | Mapping[str, str] | None
    bands: str | Sequence[str] | Mapping[str, str] | None
    table: FilePath | None
    dataset: str | Mapping[str, str] | None
    fields: Mapping[str, str]
    names: Sequence[str] | Mapping[str, Sequence[str]] | None
    take: Sequence[str] | None
    labels: Sequence[str] | None
    classes: Mapping[Any, Any] | FilePath | None
    channel_axis: Literal["first", "last"] | None
    skip_missing: bool
    ignore: str | Sequence[str] | None
    tile: int | tuple[int, int] | None
    stride: int | tuple[int, int] | None
    min_valid: float | None
    pad: bool
    resample: Literal["nearest"] | None
    crop: Literal["valid"] | int | tuple[int, int] | None
    key: str | None
    nodata: Mapping[str, float]

    def given(self) -> dict[str, Any]:
        """Return the arguments that the caller has given, without the split."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del values["split"], values["nodata"]
        absent = (None, False)
        return {
            name: value
            for name, value in values.items()
            if not (any(value is each for each in absent) or (name == "fields" and not value))
        }

    def refuse(self, what: str, *allowed: str) -> None:
        """Raise RequestError for an argument that has no meaning for that kind of samples."""
        for name in self.given():
            if name not in allowed:
                raise RequestError(f"{name}= is for other sources, not for {what}; leave it out")


def choose_source(samples: Any, options: SourceOptions) -> Source | Stream:
    """Return what reads the samples; RequestError if they are of no form that is known."""
    if isinstance(samples, (str, os.PathLike)):
        return _of_path(local_path(samples, "samples"), options)
    if isinstance(samples, Dataset):
        return _of_dataset(samples, options)
    if hasattr(samples, "in_threads") and hasattr(samples, "split_of"):
        return cast(Source, samples)
    if isinstance(samples, Mapping):
        return _of_splits(samples, options)
    is_sequence = hasattr(samples, "__getitem__") and hasattr(samples, "__len__")
    if isinstance(samples, np.ndarray) or not (is_sequence or isinstance(samples, Iterable)):
        raise RequestError(
            f"samples is of type {type(samples).__name__}; it must be a path, a Dataset, or a "
            'sequence or iterable of mappings such as {"image": image, "mask": mask}'
        )
    return _of_objects(samples, options)


def _of_objects(samples: Any, options: SourceOptions) -> Source | Stream:
    options.refuse("objects of Python", "names", "take", "labels", "channel_axis", "key")
    names = options.names
    if names is not None and not isinstance(names, Mapping):
        names = {"image": names}
    maker = SampleMaker(
        names or {}, options.labels, options.take, options.channel_axis or "first", options.split
    )
    if hasattr(samples, "__len__") and hasattr(samples, "__getitem__"):
        if options.key is not None:
            raise RequestError("key= is for an iterable; a sequence is resumed by numbers")
        return SequenceSource(cast(Items, samples), maker, options.split)
    return Stream(samples, maker, options.split, options.key)


def _of_splits(samples: Mapping[Any, Any], options: SourceOptions) -> Source:
    from .sources.joined import JoinedSource

    if any(isinstance(value, np.ndarray) for value in samples.values()):
        raise RequestError(
            f"samples maps {listed(samples)} to arrays; it must be a sequence of samples, or map "
            "each split to one: {'train': [{'image': image}]}"
        )
    check_splits(samples)
    if "split" in options.fields:
        raise RequestError(
            f"fields={shown(options.fields)}, but samples maps splits to samples: a patch has one "
            "split; leave out the field split"
        )
    parts: dict[str, list[Source]] = {}
    for split, given in samples.items():
        several = given if isinstance(given, list) and _are_sources(given) else [given]
        for each in several:
            source = choose_source(each, replace(options, split=split))
            if isinstance(source, Stream):
                raise RequestError(
                    f"the samples of {split!r} have no length; give a sequence, or pack them alone"
                )
            parts.setdefault(split, []).append(source)
    if not parts:
        raise RequestError("samples is empty; it must map each split to its samples")
    return JoinedSource(parts)


def _are_sources(given: list[Any]) -> bool:
    return bool(given) and all(isinstance(each, (str, os.PathLike, Dataset)) for each in given)


def _of_dataset(ds: Dataset, options: SourceOptions) -> Source:
    from .sources.datasets import DatasetSource

    options.refuse("a data set of cloudio", "take", "crop")
    return DatasetSource(ds, take=options.take, crop=options.crop)


def _of_path(path: Path, options: SourceOptions) -> Source:
    from .decoders.containers import container_kind

    if status_of(path) is None:
        raise not_found(path, "folder or file")
    has_patterns = any(getattr(options, name) is not None for name in _PATTERNS)
    if container_kind(path) is not None or (options.dataset is not None and not has_patterns):
        return _of_container(path, options)
    if has_patterns or (is_file(path) and path.suffix.lower() in IMAGE_ENDINGS):
        return _of_files(path, options)
    from .sources.recognize import open_given

    return _of_dataset(open_given(path), options)


def _of_files(path: Path, options: SourceOptions) -> Source:
    from .sources.matching.source import file_source
    from .sources.tiles import TiledSource

    own = (
        *(*_PATTERNS, "dataset", "names", "take", "classes", "channel_axis"),
        *("skip_missing", "ignore", "resample"),
    )
    cut = "stride", "min_valid", "pad"
    options.refuse("files", *own, *cut, "tile")
    files = file_source(path, split=options.split, **{key: getattr(options, key) for key in own})
    if options.tile is not None:
        given = {key: getattr(options, key) for key in cut}
        return TiledSource(files, options.tile, nodata=options.nodata, **given)
    for name in cut:
        if name in options.given():
            raise RequestError(f"{name}= is for tiles; give tile= (--tile) too")
    return files


def _of_container(path: Path, options: SourceOptions) -> Source:
    from .sources.container_choices import container_source

    own = "dataset", "fields", "names", "take", "labels", "channel_axis"
    options.refuse(f"{path}, which holds arrays", *own)
    return container_source(
        path, split=options.split, **{key: getattr(options, key) for key in own}
    )
