"""``cloudio info``: what a data set has; without a path, facts about this machine."""

import argparse
import json
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import RequestError
from .. import options
from ..terminal import write, write_data

if TYPE_CHECKING:
    from ...layouts.band import Band
    from ...reading.dataset import Dataset
    from ..inventory import ArraySummary

HELP = "show what a data set has; without PATH, facts about this machine"
USAGE = "[PATH] [options]"
EXAMPLE = "cloudio info data/"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_dataset(parser, required=False)
    options.add_layout(parser)
    parser.add_argument(
        "--toml", action="store_true", help="print a layout file (TOML) that describes the data set"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(arguments: argparse.Namespace) -> int:
    from ..._utils import machine

    if arguments.path is None:
        if arguments.toml or arguments.layout:
            raise RequestError("--toml and --layout need a data set; give its path")
        if arguments.json:
            write_data(json.dumps(machine.facts(), indent=1))
        else:
            write(machine.describe())
    elif arguments.toml and arguments.json:
        raise RequestError("--toml and --json contradict each other; give one of them")
    elif arguments.toml:
        write_data(format_layout(arguments.path, arguments.layout).removesuffix("\n"))
    elif arguments.json:
        write_data(json.dumps(as_dict(arguments.path, arguments.layout), indent=1))
    else:
        write(describe(arguments.path, arguments.layout))
    return 0


def describe(path: str | os.PathLike[str], layout: str | os.PathLike[str] | None = None) -> str:
    """Return what `cloudio.open` finds at ``path``: splits, arrays, geometry, and all warnings.

    Raises the errors of `cloudio.open`.
    """
    from ..._utils import tables
    from ..._utils.text import escape_controls, gigabytes
    from ..._utils.warn import suppressed
    from ...reading.dataset import open
    from ..inventory import summarize_arrays

    with suppressed():  # all warnings are listed below
        ds = open(path, layout=layout)
    arrays = summarize_arrays(ds)
    height, width = ds.layout.patch
    valid = ds.valid_window
    total = sum(array.n_bytes for array in arrays)
    splits = [_split_row(name, ds.split(name)) for name in ds.splits]
    return "\n".join(
        [
            f"{escape_controls(f'{ds.path}: {ds.layout.name}')}, {len(ds):,} patches, "
            f"{len(arrays)} arrays, {gigabytes(total)} GB",
            f"patches of {height} x {width}; valid window {valid.height} x {valid.width} "
            f"from ({valid.row}, {valid.col})",
            "",
            tables.text([("split", "patches", "metadata", "folder"), *splits], {1}),
            "",
            _array_table(arrays),
            *_class_lines(ds, arrays),
            "",
            *(ds.warnings or ["no warnings"]),
        ]
    )


def as_dict(
    path: str | os.PathLike[str], layout: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Return what `describe` shows, and the presets, as JSON holds it; NaN is "nan".

    Infinity is "inf".
    """
    from ..._utils.warn import suppressed
    from ...reading.dataset import open
    from ..inventory import effective_layout, summarize_arrays

    with suppressed():
        ds = open(path, layout=layout)
    valid = ds.valid_window
    return {
        "path": os.fspath(ds.path),
        "layout": ds.layout.name,
        "patches": len(ds),
        "patch": list(ds.layout.patch),
        "valid": [valid.row, valid.col, *valid.size],
        "splits": [_split_entry(name, ds.split(name)) for name in ds.splits],
        "arrays": [_array_entry(array) for array in summarize_arrays(ds)],
        "presets": {k: [*map(list, v)] for k, v in effective_layout(ds).presets.items()},
        "warnings": list(ds.warnings),
    }


def _split_entry(name: str, split: "Dataset") -> dict[str, Any]:
    return {
        "name": name,
        "patches": len(split),
        "metadata": list(split.metadata_names),
        "folder": os.fspath(split.folders[name]),
    }


def _array_entry(array: "ArraySummary") -> dict[str, Any]:
    band = array.band
    entry: dict[str, Any] = {"name": array.name, "dtypes": array.dtypes, "bytes": array.n_bytes}
    entry |= {"size": list(array.size), "repeat": list(array.repeats)}
    entry |= {"exceptions": array.n_exceptions}
    if band is None:
        return entry
    nodata = band.nodata if band.nodata is None or math.isfinite(band.nodata) else str(band.nodata)
    numbers = {"scale": band.scale, "offset": band.offset, "nodata": nodata}
    known = {"unit": band.unit, "wavelength": band.wavelength}
    return entry | {"kind": band.kind} | ({} if band.kind == "label" else numbers | known)


def format_layout(
    path: str | os.PathLike[str], layout: str | os.PathLike[str] | None = None
) -> str:
    """Return what `cloudio.open` finds at ``path`` as a TOML file that describes it."""
    from ...layouts.toml_writer import to_toml
    from ...reading.dataset import open
    from ..inventory import effective_layout

    return to_toml(effective_layout(open(path, layout=layout)))


def _split_row(name: str, split: "Dataset") -> tuple[str, str, str, str]:
    columns = f"{len(split.metadata_names)} columns" if split.metadata_names else "none"
    return name, f"{len(split):,}", columns, os.fspath(split.folders[name])


def _array_table(arrays: "Sequence[ArraySummary]") -> str:
    """Return a table with a row per array.

    Repeat and size, offset, unit and nodata are shown only where an array has one.
    """
    from ..._utils import tables
    from ..._utils.text import gigabytes
    from ...layouts.band import Band

    bands = [array.band or Band(array.name, scale=None) for array in arrays]
    columns: dict[str, list[str]] = {
        "array": [array.name for array in arrays],
        "kind": [band.kind for band in bands],
        "stored": ["/".join(array.dtypes) for array in arrays],
    }
    if any(band.is_native for band in bands):
        columns["size"] = [_by(array.size) for array in arrays]
        columns["repeat"] = [_by(band.repeats) if band.is_native else "-" for band in bands]
        counts = [f"{array.n_exceptions:,}" for array in arrays]
        if any(array.n_exceptions for array in arrays):
            columns["exceptions"] = [
                n if band.is_native else "-" for n, band in zip(counts, bands, strict=True)
            ]
    columns["scale"] = [_format_scale(band) for band in bands]
    if any(band.offset for band in bands):
        columns["offset"] = [f"{band.offset:g}" if band.offset else "-" for band in bands]
    if any(band.unit for band in bands):
        columns["unit"] = [band.unit or "-" for band in bands]
    if any(band.nodata is not None for band in bands):
        columns["nodata"] = ["-" if band.nodata is None else f"{band.nodata:g}" for band in bands]
    columns["GB"] = [gigabytes(array.n_bytes) for array in arrays]
    rows = zip(*columns.values(), strict=True)
    return tables.text([tuple(columns), *rows], range(3, len(columns)))


def _class_lines(ds: "Dataset", arrays: "Sequence[ArraySummary]") -> list[str]:
    """Return an empty line, then one for each list of class names, by the first policies."""
    from ..._utils.text import counted, escape_controls, listed

    labels: dict[tuple[str, ...], list[str]] = {}
    for array in arrays:
        label_map = next(iter(ds.layout.label_maps.get(array.name, {}).values()), None)
        if label_map is not None and label_map.names:
            labels.setdefault(label_map.names, []).append(array.name)
    lines = []
    for classes, (first, *others) in labels.items():
        more = f" and {counted(len(others), 'other label')}" if others else ""
        numbered = listed(f"{k} {name}" for k, name in enumerate(classes))
        lines.append(f"classes of {escape_controls(first)}{more}: {numbered}")
    return ["", *lines] if lines else []


def _by(pair: tuple[int, int]) -> str:
    return " x ".join(map(str, pair))


def _format_scale(band: "Band") -> str:
    if band.kind == "label":
        return "-"
    return "unknown" if band.scale is None else f"{band.scale:g}"
