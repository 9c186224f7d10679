"""``cloudio pack``: any data as a data set that cloudio reads."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import RequestError
from .. import options
from ..terminal import write
from ..words import Words

if TYPE_CHECKING:
    from ...packing.result import PackResult

HELP = "pack files of any form as a data set that cloudio reads"
USAGE = "SOURCE DEST [options]"
EXAMPLE = "cloudio pack data/ small/ --take rgb manual_hq --crop valid"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="SOURCE",
        help="a folder of image files, an HDF5, Zarr, .npz or .npy file, or a data set of cloudio",
    )
    parser.add_argument("dest", type=Path, metavar="DEST", help="the folder to create")
    _add_files(parser)
    _add_arrays(parser)
    _add_tiles(parser)
    _add_run(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("which files are a sample")
    files.add_argument(
        "--images",
        metavar="PATTERN",
        help='files with the bands of a patch, such as "{split}/images/{id}.tif"; with --table, '
        "the column (default: none)",
    )
    files.add_argument(
        "--masks",
        metavar="[NAME=]PATTERN",
        action="append",
        help='files with a label, such as "{split}/masks/{id}.png"; give it once for each label '
        "(default: none)",
    )
    files.add_argument(
        "--bands",
        action=Words,
        commas=False,
        metavar="PATTERN",
        help='files with one band each, such as "{split}/{id}/{band}.tif"; with --table, columns '
        "(default: none)",
    )
    files.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="a CSV, JSON, GeoJSON or Parquet file with a row for each sample (default: none)",
    )
    files.add_argument(
        "--dataset",
        action=Words,
        metavar="[NAME=]DATASET",
        help="datasets of an HDF5, Zarr or .npz file, such as image=/images mask=/labels; "
        "{split} in a name is the split (default: none)",
    )
    files.add_argument(
        "--fields",
        action=Words,
        metavar="COLUMN=DATASET",
        help="columns of the metadata, from datasets with one number or text for each patch; "
        "split=DATASET is the split of each (default: none)",
    )
    files.add_argument(
        "--split",
        metavar="NAME",
        default="train",
        help="the split of files without one (default: train)",
    )
    files.add_argument(
        "--skip-missing", action="store_true", help="leave out samples that lack a file"
    )
    files.add_argument(
        "--ignore",
        action="append",
        metavar="PATTERN",
        help='files and folders that are not looked at, such as "*_preview.png"; may be given '
        "several times (default: none)",
    )


def _add_arrays(parser: argparse.ArgumentParser) -> None:
    arrays = parser.add_argument_group("arrays")
    arrays.add_argument(
        "--names",
        action=Words,
        metavar="NAME",
        help="names of the bands of an image, in its order; - leaves one out "
        "(default: those of the file)",
    )
    arrays.add_argument(
        "--take", action=Words, metavar="NAME", help="the arrays to pack (default: all)"
    )
    arrays.add_argument(
        "--labels",
        action=Words,
        metavar="NAME",
        help="which datasets of a container are labels (default: mask, label and the like)",
    )
    arrays.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="the class of each color of masks that are RGB or have a palette: a CSV, TOML or JSON "
        "file (default: masks have codes)",
    )
    arrays.add_argument(
        "--channel-axis",
        choices=["first", "last"],
        help="where channels are in arrays (default: first, if the shape allows no other)",
    )
    arrays.add_argument(
        "--layout",
        type=Path,
        metavar="FILE",
        help="a TOML file that describes these arrays (default: what the files say)",
    )
    arrays.add_argument(
        "--dtype",
        action=Words,
        metavar="[NAME=]TYPE",
        help="the type to store an array in, such as mask=uint8; every number is checked "
        "(default: its own, else the smallest that holds it)",
    )
    arrays.add_argument(
        "--lossy", action="store_true", help="numbers may be rounded by a conversion"
    )
    arrays.add_argument(
        "--scale",
        action=Words,
        metavar="[NAME=]N",
        help="the unit of a stored number (default: that of the files, else 1)",
    )
    arrays.add_argument(
        "--nodata",
        action=Words,
        metavar="[NAME=]N",
        help="the stored number that means no data (default: that of the files)",
    )
    arrays.add_argument(
        "--stack", action="store_true", help="bands of one type share a file for each split"
    )
    arrays.add_argument("--flat", action="store_true", help="flat files (.dat), not .npy")


def _add_tiles(parser: argparse.ArgumentParser) -> None:
    tiles = parser.add_argument_group("large scenes, bands of several resolutions, crops")
    tiles.add_argument(
        "--tile",
        type=options.whole,
        metavar="N",
        help="cut scenes into tiles of N x N pixels (default: whole files)",
    )
    tiles.add_argument(
        "--stride", type=options.whole, metavar="N", help="pixels from tile to tile (default: N)"
    )
    tiles.add_argument(
        "--min-valid",
        type=options.number,
        metavar="SHARE",
        help="leave out tiles with a lower share of pixels that are data, such as 0.5 (default: 0)",
    )
    tiles.add_argument(
        "--pad", action="store_true", help="fill tiles at the right and lower edge with no-data"
    )
    tiles.add_argument(
        "--resample",
        choices=["nearest"],
        help="repeat pixels of coarser bands to the finest grid (default: they are refused)",
    )
    tiles.add_argument(
        "--crop",
        metavar="valid|N",
        help="of a data set of cloudio: the valid window, or N x N pixels in its center "
        "(default: whole patches)",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("the run")
    run.add_argument(
        "--workers", type=options.whole, metavar="N", help="processes (default: one per CPU)"
    )
    run.add_argument("--resume", action="store_true", help="go on with a run that was ended")
    run.add_argument(
        "--on-error",
        choices=["stop", "skip"],
        default="stop",
        help="what to do if a file cannot be read: stop, or leave the sample out and list it "
        "(default: stop)",
    )
    run.add_argument(
        "--verify", action="store_true", help="read all files again at the end, and compare"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="write nothing; show what would be packed"
    )


def run(arguments: argparse.Namespace) -> int:
    from ..._utils.progress import on_terminal
    from ...packing.pack import pack
    from ...packing.result import PackResult
    from ...packing.running.unfinished import unfinished_folder

    keywords: dict[str, Any] = dict(vars(arguments))
    for name in ("command", "run", "path", "dest", "dtype"):
        del keywords[name]
    keywords |= {
        "masks": _masks(arguments.masks),
        "dataset": _datasets(arguments.dataset),
        "fields": _pairs("--fields", arguments.fields),
        "dtypes": _by_array("--dtype", arguments.dtype, "type"),
        "scale": _numbers("--scale", arguments.scale),
        "nodata": _numbers("--nodata", arguments.nodata),
        "crop": _crop(arguments.crop),
    }
    try:
        result = pack(arguments.path, arguments.dest, progress=on_terminal(), **keywords)
    except KeyboardInterrupt:
        folder = unfinished_folder(arguments.dest)
        if folder.exists():
            write(f"stopped; {folder} has what is packed. The same command with --resume goes on")
        raise
    write(str(result))
    if isinstance(result, PackResult):
        write(f"to read it: {_reading(result)}")
    return 0


def _reading(result: "PackResult") -> str:
    """Return the line of Python that makes a reader of what has been packed."""
    from ...reading.dataset import open as open_dataset

    with open_dataset(result.path) as ds:
        layout, split = ds.layout, next(iter(ds.splits))
        bands = [band.name for band in layout.bands if band.kind == "band"]
        labels = [band.name for band in layout.bands if band.kind == "label"]
    names = [*layout.presets, *bands][:1] + labels[:1]
    given = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    where = json.dumps(os.fspath(result.path), ensure_ascii=False)
    opened = f"cloudio.open({where}).split({json.dumps(split)})"
    return f"{opened}.reader({given})" if bands else opened


# ---- values of options ---------------------------------------------------------------------------


def _masks(words: Sequence[str] | None) -> str | dict[str, str] | None:
    """Return the pattern of the masks, or those of labels by name."""
    if words is None:
        return None
    named = [_name_and_rest(word) for word in words]
    if len(named) == 1 and named[0][0] is None:
        return named[0][1]
    patterns: dict[str, str] = {}
    for name, pattern in named:
        if name is None or name in patterns:
            raise RequestError(
                f"--masks {pattern!r}; give each label a name of its own: --masks NAME=PATTERN"
            )
        patterns[name] = pattern
    return patterns


def _name_and_rest(word: str) -> tuple[str | None, str]:
    """Return what stands before the first ``=``, unless that is within a pattern; and the rest."""
    name, equals, rest = word.partition("=")
    return (name, rest) if equals and name.isidentifier() else (None, word)


def _datasets(words: Sequence[str] | None) -> str | dict[str, str] | None:
    """Return the dataset of each array; one without a name is named by its last part."""
    from ...packing.sources.container_advice import array_name

    if words is None:
        return None
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, dataset = word.partition("=")
        if not equals:
            name, dataset = array_name(word), word
        if not name or not dataset or name in pairs:
            raise RequestError(
                f"--dataset {word!r}; give each array a name of its own: --dataset NAME=DATASET"
            )
        pairs[name] = dataset
    return pairs


def _pairs(option: str, words: Sequence[str] | None) -> dict[str, str] | None:
    """Return the values by their names, from words such as ``mask=uint8``."""
    if words is None:
        return None
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value or name in pairs:
            raise RequestError(f"{option} {word!r}; it must be NAME=VALUE, and each name once")
        pairs[name] = value
    return pairs


def _by_array(option: str, words: Sequence[str] | None, noun: str) -> dict[str, str] | None:
    """Return values by the names of arrays, from words such as ``mask=uint8`` or ``float32``.

    One without a name is for all bands; its name is "".
    """
    if words is None:
        return None
    bare = [word for word in words if "=" not in word]
    if len(bare) > 1:
        raise RequestError(
            f"{option} {' '.join(bare)}; one {noun} is for all bands, the others need names: "
            f"{option} {bare[0]} NAME={bare[1]}"
        )
    named = _pairs(option, [word for word in words if "=" in word]) or {}
    return ({"": bare[0]} if bare else {}) | named


def _numbers(option: str, words: Sequence[str] | None) -> dict[str, float] | None:
    values = _by_array(option, words, "number")
    if values is None:
        return None
    return {name: _number(option, value) for name, value in values.items()}


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f"{option} {text!r}; it must be a number") from None


def _crop(text: str | None) -> str | int | None:
    if text is None or text == "valid":
        return text
    if not text.isdecimal():
        raise RequestError(f"--crop {text!r}; it must be valid, or a number of pixels")
    return int(text)
