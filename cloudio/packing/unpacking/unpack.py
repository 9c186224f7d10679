"""`cloudio.unpack`: patches of a data set, or predictions for them, as files of other programs."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np

from ..._utils.files import check_new_folder
from ..._utils.keywords import explain_unknown
from ..._utils.numbers import check_bool, check_whole, in_default_floats, is_real
from ..._utils.paths import local_path
from ..._utils.text import shown, suggest
from ..._utils.threads import default_threads
from ..._utils.types import FilePath, Index, Origin, SupportsArray
from ...errors import RequestError
from ...layouts.layout import Layout
from ...reading.arguments.indexing import resolve_index_or_mask
from ...reading.collection import check_dataset
from ...reading.dataset import Dataset, open
from ...reading.selection import select_bands
from .contents import Content, stored_contents
from .geotiff import COMPRESSIONS, TiffOptions, need_rasterio
from .job import Job
from .patches import Patches
from .predictions import predicted_content
from .result import UnpackResult

_KEYWORDS = {
    **dict.fromkeys(("force", "overwrite"), "remove the folder first: unpack replaces nothing"),
    **dict.fromkeys(("bands", "labels", "names"), "arrays= takes bands and labels"),
    **dict.fromkeys(("threads", "num_workers"), "workers="),
    **dict.fromkeys(("crs", "transform"), "they are columns of metadata.csv"),
}


@in_default_floats
@explain_unknown(_KEYWORDS)
def unpack(
    data: FilePath | Dataset,
    dest: FilePath,
    *,
    split: str | None = None,
    index: Index | None = None,
    arrays: str | Sequence[str] | None = None,
    format: Literal["tif", "npy"] = "tif",
    predictions: FilePath | SupportsArray | None = None,
    name: str = "prediction",
    origin: Literal["center"] | Origin | None = None,
    nodata: float | None = None,
    mosaic: bool = False,
    compress: Literal["deflate", "lzw", "zstd"] | None = "deflate",
    workers: int | None = None,
    layout: Layout | FilePath | None = None,
    progress: bool | None = False,
) -> UnpackResult:
    """Write patches, or predictions for them, as GeoTIFFs or .npy files, or as whole scenes.

    Parameters
    ----------
    data : str, path or Dataset
        The data set, or a subset of it.
    dest : str or path
        The folder to create.  It must not exist; its parent folder must.
    split : str, optional
        The split whose patches are written, and in which ``index`` counts.
    index : int, sequence of int, or bool array (patch,), optional
        Patch numbers, or a mask.  By default all patches in their order.
    arrays : str or sequence of str, optional
        Names of arrays, and presets.  By default all arrays that every split has.
    format : {"tif", "npy"}
        GeoTIFFs, which the extra ``cloudio[rasterio]`` writes, or .npy files.
    predictions : array, (patch, row, column) or (patch, channel, row, column), or path, optional
        What is written instead of the arrays, or the .npy file that has it.  Entry j is for patch
        ``index[j]``.  The size is that of the valid window, or of the stored patch, of which the
        valid window is written.
    name : str
        What the files of predictions are called.
    origin : "center" or (row, col), optional
        Where predictions of another size begin in the stored patch, for all patches or for each;
        "center" is where `Reader` reads without an origin.
    nodata : float, optional
        The stored number that means no data, of predictions and of arrays whose layout has none.
        Pixels of a scene that are in no tile become it.
    mosaic : bool
        Whether to write one file per scene instead of one per patch, for tiles that
        `cloudio.pack` has cut from scenes.
    compress : {"deflate", "lzw", "zstd"}, optional
        The lossless compression of GeoTIFFs.
    workers : int, optional
        The number of threads.  By default that of readers.
    layout : Layout, str or path, optional
        As in `cloudio.open`, for the path of a data set.
    progress : bool, optional
        Whether to show a progress bar on stderr; None shows one on a terminal.

    Returns
    -------
    UnpackResult
        The folder and its files; ``str()`` is a line about them.

    Raises
    ------
    RequestError, IndexError
        If an argument is wrong, or rasterio is missing.
    LayoutError
        If metadata.csv has a wrong place, or tiles of a scene disagree.
    ReadError
        If the data set cannot be read.
    WriteError
        If ``dest`` exists, which is a FileExistsError too, or a file cannot be written.  Nothing
        is left behind.

    Notes
    -----
    Numbers are written as they are stored, bit for bit; what the layout says of them becomes
    GDAL's name, scale, offset, unit and no-data number of each band.  Only the valid window is
    written, with a transform of its own.  The files of a patch are ``<split>/<stem>.tif`` for all
    bands of one type, and ``<split>/<stem>_<name>.tif`` for each label and for predictions.  Where
    pixels of tiles overlap, each is that of the tile whose center is the nearest.
    """
    dest = local_path(dest, "dest")
    check_new_folder(dest)
    options = _check_options(format, compress, mosaic)
    if nodata is not None and not is_real(nodata):
        raise RequestError(f"nodata={shown(nodata)}; nodata must be a number, NaN included")
    n_workers = default_threads()[0] if workers is None else check_whole("workers", workers, 1)
    with ExitStack() as stack:
        if not isinstance(data, Dataset):
            _check_data(data)
            data = stack.enter_context(open(data, layout=layout))
        elif layout is not None:
            raise RequestError("layout is for a path; this data set has its layout already")
        patches = _choose(data, split, index)
        contents = _contents(patches, arrays, predictions, name, origin, nodata, options)
        job = Job(dest, patches, contents, options, n_workers, progress)
        return job.write_scenes() if mosaic else job.write_patches()


# ---- arguments -----------------------------------------------------------------------------------


def _check_data(data: Any) -> None:
    if not isinstance(data, (str, os.PathLike)):
        check_dataset(data, "data")


def _check_options(format: str, compress: str | None, mosaic: bool) -> TiffOptions | None:
    """Return how GeoTIFFs are written, None for .npy files."""
    if format not in ("tif", "npy"):
        raise RequestError(f"format={format!r}; format must be 'tif' or 'npy'")
    if compress is not None and compress not in COMPRESSIONS:
        hint = suggest(compress, COMPRESSIONS)
        names = ", ".join(map(repr, COMPRESSIONS))
        raise RequestError(f"compress={compress!r}; compress must be {names} or None{hint}")
    if check_bool("mosaic", mosaic) and format == "npy":
        raise RequestError("format='npy' with mosaic=True; scenes are written as 'tif'")
    if format == "npy":
        return None
    need_rasterio()
    return TiffOptions(compress)


def _choose(ds: Dataset, split: str | None, index: Any) -> Patches:
    """Return the patches that split and index name, each once."""
    if split is not None:
        ds = ds.split(split)
    chosen = np.arange(len(ds)) if index is None else resolve_index_or_mask(index, len(ds))
    if not len(chosen):
        raise RequestError(f"there is no patch to unpack: {ds.path} has {len(ds)}, index chooses 0")
    patches = Patches(ds, chosen)
    unique, first = np.unique(patches.stored_index, return_index=True)
    if len(unique) < len(patches):
        k = int(np.setdiff1d(np.arange(len(patches)), first)[0])
        raise RequestError(
            f"index has patch {patches.rows[k]} of {patches.split(k).name} twice; give each once"
        )
    return patches


def _contents(
    patches: Patches,
    arrays: Any,
    predictions: Any,
    name: Any,
    origin: Any,
    nodata: float | None,
    options: TiffOptions | None,
) -> tuple[Content, ...]:
    if predictions is None:
        if origin is not None:
            raise RequestError("origin is for predictions=; arrays are written in the valid window")
        ds = patches.ds
        names = ds.names if arrays is None else tuple(dict.fromkeys(select_bands(ds, arrays)))
        if not names:
            raise RequestError(f"the splits of {ds.path} have no common array; give split=")
        return stored_contents(patches, names, nodata)
    if arrays is not None:
        raise RequestError("arrays and predictions are given; unpack writes one or the other")
    narrow = options is not None
    return (predicted_content(patches, predictions, name, origin, nodata, narrow=narrow),)
