"""What a bug report needs: this machine, and what a data set holds, as lines for people.

The facts of `facts` go into every benchmark's results as well.
"""

import os
from collections.abc import Sequence

from .._utils import tables
from .._utils.warn import suppressed
from ..layouts.band import Band
from ..layouts.layout import Layout
from ..layouts.toml_writer import to_toml
from ..reading.dataset import Dataset, open


def dataset(path: str | os.PathLike[str], layout: str | os.PathLike[str] | None = None) -> str:
    """What `cloudio.open` finds at ``path``: splits, arrays, geometry, and all that is unusual.

    Raises what `cloudio.open` raises.
    """
    with suppressed():  # all is listed below
        whole = open(path, layout=layout)
    parts = {name: whole.split(name) for name in whole.splits}
    arrays = _arrays(whole, list(parts.values()))
    height, width = whole.layout.patch
    valid = whole.valid_window
    total = sum(n_bytes for *_, n_bytes in arrays)
    return "\n".join(
        [
            f"{whole.path}: {whole.layout.name}, {len(whole):,} patches, "
            f"{len(arrays)} arrays, {_gigabytes(total)} GB",
            f"patches of {height} x {width}; valid window {valid.height} x {valid.width} "
            f"from ({valid.row}, {valid.col})",
            "",
            tables.text(
                [("split", "patches", "metadata", "folder"), *map(_split, parts.items())], {1}
            ),
            "",
            _table_of_arrays(arrays),
            "",
            *(whole.warnings or ["no warnings"]),
        ]
    )


def toml(path: str | os.PathLike[str], layout: str | os.PathLike[str] | None = None) -> str:
    """What `cloudio.open` finds at ``path``, as a TOML file by which it would find the same."""
    return to_toml(understood(open(path, layout=layout)))


def understood(whole: Dataset) -> Layout:
    """The layout of what is there: arrays that some split has, of the types of their files.

    An array that the layout does not know and whose type differs between splits stays unknown,
    for no layout could say that.
    """
    known = whole.layout
    arrays = _arrays(whole, [whole.split(name) for name in whole.splits])
    bands = {band.name: band for band, *_ in arrays if band is not None}
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


def _split(part: tuple[str, Dataset]) -> tuple[str, str, str, str]:
    name, split = part
    columns = f"{len(split.metadata)} columns" if split.metadata else "none"
    return name, f"{len(split):,}", columns, os.fspath(split.folders[name])


def _arrays(whole: Dataset, parts: Sequence[Dataset]) -> list[tuple[Band | None, str, str, int]]:
    """Of every array that any split has: what is known of it, name, stored type and bytes.

    Nothing is known of one that the layout does not have and that splits store differently.
    """
    order = {band.name: k for k, band in enumerate(whole.layout.bands)}
    names = {name for part in parts for name in part.names}
    height, width = whole.layout.patch
    found: list[tuple[Band | None, str, str, int]] = []
    for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        having = [part for part in parts if name in part.names]
        dtypes = {part.dtype(name): part for part in having}
        band = having[0].band(name) if len(dtypes) == 1 else whole.layout.band(name)
        n_bytes = sum(len(part) * height * width * part.dtype(name).itemsize for part in having)
        found.append((band, name, "/".join(dtype.name for dtype in dtypes), n_bytes))
    return found


def _table_of_arrays(arrays: Sequence[tuple[Band | None, str, str, int]]) -> str:
    """Offset and no-data value have a column where an array has one."""
    bands = [Band(name, scale=None) if band is None else band for band, name, *_ in arrays]
    columns: dict[str, list[str]] = {
        "array": [name for _, name, *_ in arrays],
        "kind": [band.kind for band in bands],
        "stored": [stored for *_, stored, _ in arrays],
        "scale": [
            "-" if band.kind == "label" else "unknown" if band.scale is None else f"{band.scale:g}"
            for band in bands
        ],
    }
    if any(band.offset for band in bands):
        columns["offset"] = [f"{band.offset:g}" if band.offset else "-" for band in bands]
    if any(band.nodata is not None for band in bands):
        columns["nodata"] = ["-" if band.nodata is None else f"{band.nodata:g}" for band in bands]
    columns["GB"] = [_gigabytes(n_bytes) for *_, n_bytes in arrays]
    rows = zip(*columns.values(), strict=True)
    return tables.text([tuple(columns), *rows], range(3, len(columns)))


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3f}"
