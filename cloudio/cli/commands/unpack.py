"""``cloudio unpack``: write patches or predictions as GeoTIFFs, or as mosaics of scenes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import RequestError
from .. import options
from ..terminal import write
from ..words import Words

if TYPE_CHECKING:
    from ...reading.dataset import Dataset

HELP = "write patches, or predictions for them, as GeoTIFFs"
USAGE = "DATA DEST [options]"
EXAMPLE = "cloudio unpack data/ geotiffs/ --split train --index 0:2 --arrays rgb manual_hq"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="DATA",
        help="a split folder, or a folder whose sub-folders are splits",
    )
    parser.add_argument(
        "dest", type=Path, metavar="DEST", help="the folder to create; it must not exist"
    )
    parser.add_argument(
        "--split", metavar="NAME", help="write the patches of this split (default: all splits)"
    )
    parser.add_argument(
        "--index",
        action=Words,
        like=r"[-\d:,]+",
        metavar="K",
        help="patches to write: 12, or 3,7,12, or 0:10 for the first ten (default: all)",
    )
    parser.add_argument(
        "--arrays",
        action=Words,
        metavar="NAMES",
        help="arrays to write and presets, separated by commas (default: all arrays)",
    )
    parser.add_argument(
        "--format",
        choices=("tif", "npy"),
        default="tif",
        help="GeoTIFFs, or .npy files (default: tif)",
    )
    _add_predictions(parser)
    parser.add_argument(
        "--mosaic",
        action="store_true",
        help="write a file per scene, for tiles that cloudio pack has cut from scenes",
    )
    parser.add_argument(
        "--nodata",
        type=options.number,
        metavar="N",
        help="the number that means no data, where the layout has none, such as 255 or nan "
        "(default: none)",
    )
    parser.add_argument(
        "--compress",
        choices=("deflate", "lzw", "zstd", "none"),
        default="deflate",
        help="how GeoTIFFs are compressed, always without loss (default: deflate)",
    )
    parser.add_argument(
        "--workers",
        type=options.whole,
        metavar="N",
        help="number of threads (default: that of readers)",
    )
    options.add_layout(parser)


def _add_predictions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="write this .npy file instead of the arrays: (patch, row, column), or (patch, "
        "channel, row, column), with an entry for each patch of --index (default: the arrays)",
    )
    parser.add_argument(
        "--name",
        default="prediction",
        help="what files of predictions are called (default: prediction)",
    )
    parser.add_argument(
        "--origin",
        metavar="ROW,COL",
        help="where predictions of another size begin in a stored patch; 'center' is where "
        "readers crop (default: they have the size of the valid window or of the patch)",
    )


def run(arguments: argparse.Namespace) -> int:
    from ..._utils.files import check_new_folder
    from ..._utils.progress import on_terminal
    from ...packing.unpacking.unpack import unpack
    from ...reading.dataset import open

    check_new_folder(arguments.dest)
    with open(arguments.path, layout=arguments.layout) as ds:
        result = unpack(
            options.one_split(ds, arguments.split),
            arguments.dest,
            index=_index(ds, arguments),
            arrays=arguments.arrays,
            format=arguments.format,
            predictions=arguments.predictions,
            name=arguments.name,
            origin=_origin(arguments.origin),
            nodata=arguments.nodata,
            mosaic=arguments.mosaic,
            compress=None if arguments.compress == "none" else arguments.compress,
            workers=arguments.workers,
            progress=on_terminal(),
        )
    write(str(result))
    return 0


def _index(ds: "Dataset", arguments: argparse.Namespace) -> list[int] | None:
    if arguments.index is None:
        return None
    return options.parse_index(arguments.index, len(options.one_split(ds, arguments.split)))


def _origin(word: str | None) -> Any:
    """Return what ``--origin`` says: "center", or row and column."""
    if word is None or word == "center":
        return word
    numbers = word.split(",")
    if len(numbers) != 2 or not all(x.strip().isdecimal() for x in numbers):
        raise RequestError(f"--origin {word!r}; it must be 'center' or ROW,COL, such as 16,16")
    return tuple(map(int, numbers))
