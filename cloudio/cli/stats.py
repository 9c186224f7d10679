"""What ``cloudio stats`` counts in a folder: which bands and labels, where nobody named any."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from .. import stats
from ..errors import RequestError
from ..reading.dataset import Dataset, open
from ..reading.selection import select_bands
from ..stats.class_tables import resolve_label_maps
from ..stats.serialize import Result, ResultSet, writable

_LABEL = "manual_hq"


def run(arguments: argparse.Namespace) -> tuple[ResultSet[Any], list[str]]:
    """The results by what they are of, and what else a person could ask for."""
    for what in ("bands", "labels"):
        if getattr(arguments, what) and getattr(arguments, f"no_{what}"):
            raise RequestError(f"--{what} and --no-{what}; one of them")
    if arguments.reference and not arguments.agreement:
        raise RequestError("--reference is what --agreement compares with; name its labels")
    if arguments.output:
        writable(arguments.output)
    with warnings.catch_warnings(), open(arguments.path, layout=arguments.layout) as whole:
        warnings.showwarning = _say  # type: ignore[assignment]  # takes any arguments
        ds = whole if arguments.split is None else whole.split(arguments.split)
        return _results(ds, arguments), _hints(ds, arguments)


def _say(message: Warning | str, *_: Any) -> None:
    print(f"cloudio: {message}", file=sys.stderr)


def _results(ds: Dataset, arguments: argparse.Namespace) -> ResultSet[Any]:
    bands = [] if arguments.no_bands else _bands(ds, arguments.bands, raw=arguments.raw)
    labels = [] if arguments.no_labels else _labels(ds, arguments.labels)
    compared, reference = arguments.agreement or [], arguments.reference or _LABEL
    # Before anything is read: a pass over bands can take minutes.
    for names in filter(None, (labels, compared, [reference] if compared else [])):
        resolve_label_maps(ds, names)
    settings: dict[str, Any] = {"threads": arguments.threads, "progress": sys.stderr.isatty()}
    found: dict[str, Result] = {}
    if bands:
        percents = arguments.percentiles
        percents = (
            () if percents == ["none"] else stats.PERCENTILES if percents is None else percents
        )
        found["bands"] = stats.bands(
            ds,
            bands,
            percentiles=percents,
            scale=None if arguments.raw else "reflectance",
            **settings,
        )
    if labels:
        found["classes"] = stats.classes(ds, _one_or_more(labels), **settings)
    if compared:
        found["agreement"] = stats.agreement(ds, _one_or_more(compared), reference, **settings)
    if not found:
        raise RequestError(f"nothing to count in {ds.path}; it has {', '.join(ds.names)}")
    return ResultSet(found)


def _bands(ds: Dataset, asked: Sequence[str] | None, *, raw: bool) -> list[str]:
    """As asked; else the first preset there is, in CloudSEN12 L1C, else every band."""
    if asked is not None and asked != ["all"]:
        return list(asked)
    if asked is None and (there := _presets(ds)):
        return there[:1]
    unknown = () if raw else _unscaled(ds)
    return [n for n in ds.names if ds.band(n).kind == "band" and n not in unknown]


def _unscaled(ds: Dataset) -> list[str]:
    """Bands whose scale nobody knows."""
    return [name for name in ds.names if ds.band(name).scale is None]


def _presets(ds: Dataset) -> list[str]:
    return [
        preset
        for preset, choices in ds.layout.presets.items()
        if any(all(name in ds.names for name in choice) for choice in choices)
    ]


def _labels(ds: Dataset, asked: Sequence[str] | None) -> list[str]:
    """As asked; else manual_hq, else the first label that has a map, if there is one."""
    if asked is not None:
        return list(asked)
    named = ds.layout.matches(_LABEL, ds.names)
    return (named or [name for name in ds.layout.label_maps if name in ds.names])[:1]


def _one_or_more(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _hints(ds: Dataset, arguments: argparse.Namespace) -> list[str]:
    hints = []
    if arguments.bands == ["all"] and not arguments.raw and (unknown := _unscaled(ds)):
        hints.append(f"of unknown scale: {', '.join(unknown)}; --raw counts numbers as stored")
    if arguments.bands is None and not arguments.no_bands and (there := _presets(ds)):
        shown = set(select_bands(ds, there[0]))
        if more := [name for name in there if not shown.issuperset(select_bands(ds, name))]:
            hints.append(f"also there: --bands {','.join(more)}, or --bands all")
    if len(ds.splits) > 1 and "train" in ds.splits and not arguments.no_bands:
        hints.append("mean and std to train with are those of the training split: --split train")
    return ["\n".join(hints)] if hints else []
