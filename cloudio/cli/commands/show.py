"""``cloudio show``: write a picture of patches and their labels."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._utils.text import listed, suggest
from ...errors import RequestError
from .. import options
from ..terminal import write
from ..words import Words

if TYPE_CHECKING:
    from ...reading.dataset import Dataset

HELP = "write a picture of patches and their labels"
USAGE = "PATH --index K [K ...] [options]"
EXAMPLE = "cloudio show data/ --index 0:4 --labels manual_hq -o sheet.png"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_dataset(parser)
    parser.add_argument(
        "--index",
        action=Words,
        like=r"[-\d:,]+",
        required=True,
        metavar="K",
        help="patches to show: 12, or 3 7 12, or 3,7,12, or 0:6 for the first six (required)",
    )
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="count patches within this split (default: across all splits)",
    )
    _add_content(parser)
    options.add_layout(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a .png, .jpg, .pdf or .svg (default: a .png in this folder, named after the patches)",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def _add_content(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose what the picture shows of a patch."""
    parser.add_argument(
        "--bands",
        action=Words,
        metavar="NAMES",
        help="a preset, a band, three bands as red,green,blue, or several panels, separated by "
        "commas (default: the preset rgb, else three bands of the first preset or of all bands)",
    )
    parser.add_argument(
        "--labels",
        action=Words,
        metavar="NAMES",
        help="labels, separated by commas, such as manual_hq,sen2cor (default: none)",
    )
    parser.add_argument(
        "--policy",
        metavar="NAME",
        help="the policy that maps label codes to classes; 'codes' shows codes as stored "
        "(default: the layout's first policy; probabilities are not classified)",
    )
    parser.add_argument(
        "--classes",
        action=Words,
        metavar="NAMES",
        help="names of the classes 0, 1, ..., separated by commas (default: those of the layout)",
    )
    parser.add_argument(
        "--window",
        action="store_true",
        help="show the whole stored patch, with the valid window outlined",
    )
    parser.add_argument(
        "--stretch",
        default="fixed",
        help="fixed, patch, or LOW,HIGH in scaled units, such as 0,0.3 (default: fixed)",
    )
    parser.add_argument(
        "--flat", action="store_true", help="show classes without the image below them"
    )
    parser.add_argument(
        "--columns",
        type=options.whole,
        metavar="N",
        help="number of patches side by side (default: chosen to fit)",
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        from ... import plot
    except ImportError as error:  # its message says what to install
        raise RequestError(str(error)) from None
    from ..._utils.files import check_writable
    from ..._utils.text import counted
    from ...plot.band_panels import default_bands
    from ...reading.arguments.indexing import resolve_index
    from ...reading.dataset import open

    ds = open(arguments.path, layout=arguments.layout)
    ds = options.one_split(ds, arguments.split)
    try:
        index = resolve_index(options.parse_index(arguments.index, len(ds)), len(ds)).tolist()
    except IndexError as error:
        hint = ""
        if arguments.split is not None:
            hint = f" within {arguments.split}; without --split, patches count over all splits"
        raise RequestError(f"{error}{hint}") from None
    output = arguments.output or _default_output(ds.path.name, arguments.split, index)
    plot.format_of(output)
    check_writable(output, force=arguments.force)
    try:
        bands: Any = _one_or_several(arguments.bands) or default_bands(ds)
    except RequestError as error:
        hint = f"; --bands {ds.names[0]} shows its codes" if ds.names else ""
        raise RequestError(f"{error}{hint}") from None
    figure = plot.patch(ds, index, bands=bands, **_plot_options(ds, arguments))
    plot.save(figure, output, force=arguments.force)
    # What nobody asked for is named, unless it is true color.
    note = "" if arguments.bands or isinstance(bands, str) else _default_note(bands)
    write(f"{output}: {counted(len(index), 'patch')}{note}")
    return 0


def _one_or_several(names: list[str] | None) -> str | list[str] | None:
    return names[0] if names and len(names) == 1 else names


def _default_note(bands: Sequence[str] | Sequence[tuple[str]]) -> str:
    """Return what is shown of data whose layout has no preset of true color."""
    names = [band if isinstance(band, str) else band[0] for band in bands]
    how = " as red, green, blue" if isinstance(bands[0], str) else " in gray"
    return (
        f", {'band' if len(names) == 1 else 'bands'} {','.join(names)}{how}; --bands shows others"
    )


def _choose_labels(ds: "Dataset", arguments: argparse.Namespace) -> Any:
    """Return the labels and their policy, if one is given; codes are for those without a map."""
    for option in ("policy", "classes", "flat"):
        if getattr(arguments, option) and not arguments.labels:
            raise RequestError(f"--{option} needs --labels, the labels to show")
    if arguments.policy:
        _check_policy(ds, arguments)
        policy = None if arguments.policy == "codes" else arguments.policy
        return dict.fromkeys(arguments.labels, policy)
    found = [ds.find(name) for name in arguments.labels or ()]
    if any(ds.band(k).kind == "label" and not ds.layout.label_maps.get(k) for k in found):
        policies = {name: [*ds.layout.label_maps.get(name, ())] for name in found}
        return {name: names[0] if names else None for name, names in policies.items()}
    return arguments.labels


def _check_policy(ds: "Dataset", arguments: argparse.Namespace) -> None:
    """Raise RequestError, in words of the command, for a policy that a label does not have."""
    for name in map(ds.find, arguments.labels):
        policies = ds.layout.label_maps.get(name, {})
        if arguments.policy not in (*policies, "codes"):
            names = f"{listed(map(repr, policies))} or 'codes'" if policies else "'codes'"
            raise RequestError(
                f"--policy {arguments.policy!r}; for {name} it must be {names} (codes shows the "
                "stored numbers)"
                f"{suggest(arguments.policy, [*policies, 'codes'])}"
            )


def _plot_options(ds: "Dataset", arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `cloudio.plot.patch`."""
    from ...plot import OVERLAY

    return {
        "labels": _choose_labels(ds, arguments),
        "window": arguments.window,
        "stretch": _parse_stretch(arguments.stretch),
        "overlay": None if arguments.flat else OVERLAY,
        "classes": arguments.classes,
        "columns": arguments.columns,
    }


def _default_output(folder: str, split: str | None, index: Sequence[int]) -> Path:
    """Return a file name in the current folder, with the numbers of the patches."""
    numbers = [str(k) for k in index]
    if len(numbers) > 4:
        numbers[1:-1] = ["to"]
    return Path("-".join([*filter(None, (folder, split)), *numbers]) + ".png")


def _parse_stretch(word: str) -> str | tuple[float, float]:
    if word in ("fixed", "patch"):
        return word
    try:
        low, high = map(float, word.split(","))
    except ValueError:
        raise RequestError(
            f"--stretch {word!r}; it must be fixed, patch or LOW,HIGH, such as 0,0.3"
        ) from None
    if not low < high:
        raise RequestError(f"--stretch {word}; LOW must be below HIGH")
    return low, high
