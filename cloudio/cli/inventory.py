"""The arrays of a whole data set over all splits, and the layout that describes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..layouts.band import Band
from ..layouts.layout import Layout
from ..reading.dataset import Dataset


@dataclass(frozen=True)
class ArraySummary:
    """One array over the splits that have it.

    ``band`` is None if splits store different types and the layout does not know the array.
    """

    name: str
    band: Band | None
    dtypes: tuple[str, ...]
    n_bytes: int
    repeats: tuple[int, int] = (1, 1)
    size: tuple[int, int] = (0, 0)  # rows and columns of a patch in the files
    n_exceptions: int = 0  # patches that are stored whole, where ``repeats`` are not 1


def summarize_arrays(ds: Dataset) -> list[ArraySummary]:
    """Return every array that any split has: those of the layout in its order, then by name."""
    order = {band.name: k for k, band in enumerate(ds.layout.bands)}
    splits = [ds.split(name) for name in ds.splits]
    names = {name for split in splits for name in split.names}
    return [
        _summarize(name, ds.layout, [split for split in splits if name in split.names])
        for name in sorted(names, key=lambda name: (order.get(name, len(order)), name))
    ]


def _summarize(name: str, layout: Layout, splits: Sequence[Dataset]) -> ArraySummary:
    known = layout.band(name)
    files = [part.arrays[name] for split in splits for part in split.stored_splits]
    exceptions = [file.native.exceptions for file in files if file.native is not None]
    whole = [each for each in exceptions if each is not None]
    height, width = size = files[0].size
    dtypes = {split.dtype(name): split for split in splits}
    n_bytes = sum(len(s) * height * width * s.dtype(name).itemsize for s in splits)
    return ArraySummary(
        name,
        band=splits[0].band(name) if len(dtypes) == 1 else known,
        dtypes=tuple(dtype.name for dtype in dtypes),
        n_bytes=n_bytes + sum(file.exception_bytes for file in files),
        repeats=(1, 1) if known is None else known.repeats,
        size=size,
        n_exceptions=sum(each.shape[0] for each in whole),
    )


def effective_layout(ds: Dataset) -> Layout:
    """Return the layout of the arrays that some split has, with the types of their files.

    An array that the layout does not know and whose type differs between splits is left out: no
    layout can describe it.
    """
    known = ds.layout
    bands = {array.name: array.band for array in summarize_arrays(ds) if array.band is not None}
    labels = {name for name, band in bands.items() if band.kind == "label"}
    presets = {
        name: tuple(choice for choice in choices if bands.keys() >= {*choice})
        for name, choices in known.presets.items()
    }
    return Layout(
        name=known.name,
        patch=known.patch,
        valid=known.valid,
        bands=tuple(bands.values()),
        presets={name: choices for name, choices in presets.items() if choices},
        label_maps={name: maps for name, maps in known.label_maps.items() if name in labels},
        aliases={alias: name for alias, name in known.aliases.items() if name in bands},
        prefixes=tuple(p for p in known.prefixes if any(n.startswith(p) for n in bands)),
    )
