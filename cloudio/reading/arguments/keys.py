"""The argument ``keys``: names for the parts of a batch, which make it a dict."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..._utils.text import listed, shown, suggest
from ...errors import RequestError
from ..batch import MaskedBatch
from ..copies import R, with_settings

#: What a batch consists of.
PARTS = MaskedBatch._fields
#: What other packages call the parts; their labels are int64.
PRESETS = {
    "torchgeo": {"image": "image", "label": "mask"},
    "transformers": {"image": "pixel_values", "label": "labels"},
}
_EXAMPLE = "such as {'image': 'x', 'label': 'y'}"


class HasMetadata(Protocol):
    """What is needed of a data set."""

    @property
    def metadata_names(self) -> tuple[str, ...]: ...

    def metadata_columns(self, names: Sequence[str]) -> Mapping[str, np.ndarray]: ...


class Keys:
    """Names of parts and metadata columns, checked; they make a dict of a batch.

    Attributes
    ----------
    setting : str or dict
        The preset or the mapping, as it was given.
    names : dict
        The key of each part that is named.
    columns : dict
        The key of each metadata column that is named.
    """

    def __init__(
        self,
        setting: str | dict[str, str],
        names: dict[str, str],
        columns: dict[str, str],
        dataset: HasMetadata,
    ) -> None:
        self.setting, self.names, self.columns = setting, names, columns
        self._dataset = dataset

    @property
    def all(self) -> tuple[str, ...]:
        """All keys, in their order."""
        return *self.names.values(), *self.columns.values()

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """The values of each metadata column, for all patches, by its key."""
        found = self._dataset.metadata_columns(tuple(self.columns)) if self.columns else {}
        return {key: found[column] for column, key in self.columns.items()}

    def name(self, batch: Any, index: np.ndarray, column: Any = None) -> dict[str, Any]:
        """Return the dict of a batch of the patches ``index``.

        ``column``: makes what the dict holds of a column's values; None keeps the array.
        """
        named = {key: getattr(batch, part) for part, key in self.names.items()}
        for key, values in self.values.items():
            named[key] = values[index] if column is None else column(values[index])
        return named

    def __reduce__(self) -> tuple[Any, ...]:
        return Keys, (self.setting, self.names, self.columns, self._dataset)

    def __repr__(self) -> str:
        return str(self.setting)


def parse_keys(keys: Any, dataset: HasMetadata, has_label: bool, has_mask: bool) -> Keys | None:
    """Return ``keys`` checked; RequestError if a name is wrong, or names what is not read."""
    if keys is None:
        return None
    if isinstance(keys, str):
        if keys not in PRESETS:
            raise RequestError(
                f"keys={shown(keys)}; the presets are {' and '.join(map(repr, PRESETS))}"
                f"{suggest(keys, PRESETS)}; for other names pass a mapping, {_EXAMPLE}"
            )
        names = dict(PRESETS[keys])
        if not has_label:
            del names["label"]
        return Keys(keys, names, {}, dataset)
    if not isinstance(keys, Mapping) or not keys:
        raise RequestError(
            f"keys={shown(keys)}; keys must be {' or '.join(map(repr, PRESETS))}, or map parts of "
            f"a batch to names, {_EXAMPLE}"
        )
    _check_entries(keys, dataset)
    if "label" in keys and not has_label:
        raise RequestError(
            "keys names label, but no labels are read; pass labels= to ds.reader, or leave it out"
        )
    if "valid" in keys and not has_mask:
        raise RequestError(
            "keys names valid, but no mask is read; pass valid=True to ds.reader, or leave it out"
        )
    names = {part: str(name) for part, name in keys.items() if part in PARTS}
    columns = {column: str(name) for column, name in keys.items() if column not in PARTS}
    return Keys({**names, **columns}, names, columns, dataset)


def _check_entries(keys: Mapping[Any, Any], dataset: HasMetadata) -> None:
    taken: dict[str, Any] = {}
    for part, name in keys.items():
        if part not in PARTS and part not in dataset.metadata_names:
            known = [*PARTS, *dataset.metadata_names]
            hint = suggest(part, known)
            if isinstance(name, str) and name in known:
                hint = f"; the part comes first: {{{name!r}: {shown(part)}}}"
            raise RequestError(
                f"keys: a batch has no part {shown(part)}; the parts are {listed(PARTS)}, and "
                f"the metadata columns {listed(dataset.metadata_names) or '(none)'}{hint}"
            )
        if not isinstance(name, str) or not name:
            raise RequestError(
                f"keys: the name of {part} is {shown(name)}; it must be a text, {_EXAMPLE}"
            )
        if name in taken:
            raise RequestError(
                f"keys gives the name {name!r} to {taken[name]} and to {part}; each part needs a "
                "name of its own"
            )
        taken[name] = part


def keys_of(reader: Any, keys: Any) -> Keys | None:
    """Return ``keys`` checked, for batches of a reader; None is those of the reader."""
    if keys is None:
        own: Keys | None = reader.batch_keys
        return own
    return parse_keys(keys, reader.dataset, reader.label_shape is not None, reader.valid)


def label_dtype(keys: Any, dtype: Any) -> Any:
    """Return the type of labels: int64 for a preset, else what the reader was told."""
    return "int64" if isinstance(keys, str) else dtype


def arrays_reader(reader: R, keys: Keys | None) -> R:
    """Return the reader whose batches ``keys`` names: without keys, and of what they name."""
    if keys is None:
        return reader
    given: Any = reader
    if keys is not given.batch_keys:
        return _reader_of_named(reader, keys)
    if given._arrays_reader is None:
        given._arrays_reader = _reader_of_named(reader, keys)
    own: R = given._arrays_reader
    return own


def _reader_of_named(given: R, keys: Keys) -> R:
    reader: Any = given
    settings = reader.settings
    changes: dict[str, Any] = {}
    if settings["keys"] is not None:
        changes["keys"] = None
    if reader.label_shape is not None and "label" not in keys.names:
        changes["labels"] = None
    elif settings["label_dtype"] != (dtype := label_dtype(keys.setting, settings["label_dtype"])):
        changes["label_dtype"] = dtype
    if reader.valid and "valid" not in keys.names:
        changes["valid"] = False
    return with_settings(given, **changes) if changes else given
