"""``cloudio stats``: statistics of the bands and labels that a data set has."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._utils.text import listed
from ..._utils.types import Scale
from ..._utils.warn import warn_once
from ...errors import RequestError
from .. import options
from ..terminal import write, write_data
from ..words import Words

if TYPE_CHECKING:
    from ...reading.dataset import Dataset
    from ...stats import ResultSet

HELP = "compute statistics of bands, class counts and label agreement"
USAGE = "PATH [options]"
EXAMPLE = "cloudio stats data/ --split train --bands rgb --percentiles 2,50,98"


def add_options(parser: argparse.ArgumentParser) -> None:
    names: dict[str, Any] = {"action": Words, "metavar": "NAMES"}
    options.add_dataset(parser)
    parser.add_argument(
        "--split", metavar="NAME", help="count only this split (default: all splits)"
    )
    parser.add_argument(
        "--bands",
        help="presets or bands, separated by commas, or 'all' (default: the first preset)",
        **names,
    )
    parser.add_argument("--raw", action="store_true", help="use numbers as stored, not scaled")
    parser.add_argument("--no-bands", action="store_true", help="count no bands")
    parser.add_argument(
        "--labels",
        help="labels to count, separated by commas, or 'all' (default: the first with a map)",
        **names,
    )
    parser.add_argument("--no-labels", action="store_true", help="count no labels")
    parser.add_argument(
        "--agreement",
        help="labels to compare with the reference, separated by commas (default: none)",
        **names,
    )
    parser.add_argument(
        "--reference", metavar="NAME", help="label to compare with (default: the first with a map)"
    )
    parser.add_argument(
        "--percentiles",
        action=Words,
        like=r"[\d.,e]+|none",
        metavar="PERCENTS",
        help="percentiles of bands, such as 1,50,99, or 'none' (default: 1,2,5,25,50,75,95,98,99)",
    )
    options.add_layout(parser)
    options.add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="also write the results as JSON to FILE"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="keep what is counted in FILE until all is counted, and go on from such a FILE "
        "(default: none)",
    )


def run(arguments: argparse.Namespace) -> int:
    from ..._utils.files import check_writable, write_file
    from ...reading.dataset import open
    from ...stats.result import check_savable

    _check(arguments)
    if arguments.output:
        check_writable(arguments.output, force=arguments.force)
        check_savable(arguments.output)
    if arguments.resume:
        check_writable(arguments.resume, force=True)
    with open(arguments.path, layout=arguments.layout) as whole:
        ds = options.one_split(whole, arguments.split)
        try:
            results, hints = _compute(ds, arguments), _hints(ds, arguments)
        except KeyboardInterrupt:
            if arguments.resume and arguments.resume.exists():
                write(f"stopped; {arguments.resume} has what is counted. The same command goes on")
            raise
    if arguments.output:
        # Not `save`, which replaces a result: the file may be a new one of another process.
        write_file(arguments.output, results.json(), force=arguments.force, check=check_savable)
    if arguments.json:
        write_data(results.json())
    else:
        write("\n\n".join([str(results), *hints]))
    if arguments.resume:
        arguments.resume.unlink(missing_ok=True)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for name in ("bands", "labels"):
        if getattr(arguments, name) and getattr(arguments, f"no_{name}"):
            raise RequestError(f"--{name} and --no-{name} contradict each other; give one of them")
    if arguments.no_bands and arguments.no_labels and not arguments.agreement:
        raise RequestError(
            "--no-bands and --no-labels leave nothing to count; drop one, or give --agreement"
        )
    for name in ("labels", "agreement"):
        for label in getattr(arguments, name) or ():
            if ":" in label:
                found, _, policy = label.partition(":")
                raise RequestError(
                    f"--{name} {label!r}; this command has no policies; in Python, "
                    f"cloudio.stats.classes(ds, {{{found!r}: {policy!r}}}) has"
                )
    kept, output = arguments.resume, arguments.output
    if kept and output and kept.resolve() == output.resolve():
        raise RequestError("--resume and -o name one file; --resume removes its file in the end")
    if arguments.reference and not arguments.agreement:
        raise RequestError("--reference needs --agreement, the labels to compare with it")


def _compute(ds: "Dataset", arguments: argparse.Namespace) -> "ResultSet[Any]":
    from ... import stats
    from ..._utils.progress import on_terminal
    from ...reading.selection import default_label
    from ...stats.labels.class_tables import resolve_label_maps
    from ...stats.merging.resume import count_in_chunks
    from ...stats.result import ResultSet

    bands = [] if arguments.no_bands else _choose_bands(ds, arguments.bands, raw=arguments.raw)
    labels = [] if arguments.no_labels else _choose_labels(ds, arguments.labels)
    compared, reference = arguments.agreement or [], arguments.reference
    # Before anything is read: a pass over bands can take minutes.
    if compared and reference is None:
        reference = default_label(ds)
    counted = _with_codes(ds, labels)
    for names in filter(None, (counted, compared, [reference] if compared else [])):
        resolve_label_maps(ds, names)
    requests: dict[str, dict[str, Any]] = {}
    if bands:
        _warn_of_labels(ds, bands)
        scale: Scale = None if arguments.raw else "reflectance"
        percents = _choose_percentiles(arguments.percentiles)
        requests["bands"] = {"bands": bands, "percentiles": percents, "scale": scale}
    if labels:
        requests["classes"] = {"labels": _name_or_names(counted)}
    if compared:
        requests["agreement"] = {"source": _name_or_names(compared), "reference": reference}
    if not requests:
        unknown = "" if arguments.no_bands or arguments.raw else listed(_unscaled(ds))
        hint = f"the scale of {unknown} is unknown: --raw counts numbers as stored; else "
        raise RequestError(
            f"there is nothing to count in {ds.path}, which has {listed(ds.names)}; "
            f"{hint if unknown else ''}give --bands, --labels or --agreement"
        )
    if arguments.resume is not None:
        return count_in_chunks(arguments.resume, ds, requests, arguments.threads, on_terminal())
    settings: dict[str, Any] = {"threads": arguments.threads, "progress": on_terminal()}
    return ResultSet(
        {name: getattr(stats, name)(ds, **each, **settings) for name, each in requests.items()}
    )


def _warn_of_labels(ds: "Dataset", bands: Sequence[str]) -> None:
    """Warn of class codes that are counted as measurements."""
    from ...reading.selection import select_bands

    for name in select_bands(ds, bands):
        if ds.band(name).kind == "label":
            warn_once(
                (str(ds.path), "label as band", name),
                f"{name} is a label, and its mean is that of codes; count classes with "
                f"--labels {name}",
            )


def _choose_bands(ds: "Dataset", given: Sequence[str] | None, *, raw: bool) -> list[str]:
    """Return the given bands; else the first complete preset, L1C in CloudSEN12; else all."""
    if given is not None and given != ["all"]:
        return list(given)
    if given is None and (presets := _presets(ds)):
        return presets[:1]
    unknown = () if raw else _unscaled(ds)
    return [n for n in ds.names if ds.band(n).kind == "band" and n not in unknown]


def _choose_labels(ds: "Dataset", given: Sequence[str] | None) -> list[str]:
    """Return the given labels; else the first with a map, else the first."""
    if given == ["all"]:
        return [name for name in ds.names if ds.band(name).kind == "label"]
    if given is not None:
        return list(given)
    mapped = [name for name in ds.layout.label_maps if name in ds.names]
    return (mapped or [name for name in ds.names if ds.band(name).kind == "label"])[:1]


def _choose_percentiles(given: Sequence[str] | None) -> Any:
    from ...stats import PERCENTILES

    if given is None:
        return PERCENTILES
    return () if given == ["none"] else given


def _unscaled(ds: "Dataset") -> list[str]:
    """Return the arrays whose scale is unknown."""
    return [name for name in ds.names if ds.band(name).scale is None]


def _presets(ds: "Dataset") -> list[str]:
    """Return the presets whose bands all exist."""
    present = set(ds.names)
    return [
        preset
        for preset, choices in ds.layout.presets.items()
        if any(present.issuperset(choice) for choice in choices)
    ]


def _with_codes(ds: "Dataset", labels: list[str]) -> Any:
    """Return the labels; those of which the layout has no map are counted by their codes."""
    policies = {name: _first_policy(ds, name) for name in labels}
    return labels if all(policies.values()) else policies


def _first_policy(ds: "Dataset", label: str) -> str | None:
    """Return what a reader takes for a label; for a band, whose error names it, any name."""
    found = next(iter(ds.layout.label_maps.get(ds.find(label), {})), None)
    return found or (None if ds.band(label).kind == "label" else "map")


def _name_or_names(names: Any) -> Any:
    return names[0] if isinstance(names, list) and len(names) == 1 else names


def _hints(ds: "Dataset", arguments: argparse.Namespace) -> list[str]:
    """Return suggestions of what else to count, as at most one paragraph."""
    from ...reading.selection import select_bands

    hints = []
    if arguments.bands == ["all"] and not arguments.raw and (unknown := _unscaled(ds)):
        hints.append(
            f"left out, because their scale is unknown: {listed(unknown)}; --raw counts numbers "
            "as stored"
        )
    if arguments.bands is None and not arguments.no_bands and (presets := _presets(ds)):
        shown = set(select_bands(ds, presets[0]))
        if more := [name for name in presets if not shown.issuperset(select_bands(ds, name))]:
            hints.append(f"count more bands with --bands {','.join(more)}, or --bands all")
    if len(ds.splits) > 1 and "train" in ds.splits and not arguments.no_bands:
        hints.append("for training, use mean and std of the training split: --split train")
    return ["\n".join(hints)] if hints else []
