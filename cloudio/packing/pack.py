"""`cloudio.pack`: what the caller gives, as a source, a plan and a run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from .._utils.files import check_new_folder
from .._utils.keywords import explain_unknown
from .._utils.numbers import check_bool, check_whole, in_default_floats, is_number
from .._utils.paths import free_bytes, local_path
from .._utils.text import shown
from .._utils.threads import default_threads
from ..errors import RequestError
from ..layouts.layout import Layout
from .arguments import check_channel_names, check_choice, check_mapping, check_texts, type_names
from .choosing import SourceOptions, choose_source
from .plan import Plan
from .planning import Choices, ChosenSource, first_samples, make_plan
from .result import DryRun, PackResult, describe_arrays
from .running.engine import Rows
from .running.run import Options, pack_source
from .running.stream import pack_stream
from .sample import Source
from .sources.samples import Stream
from .splits import check_split

FilePath = str | os.PathLike[str]
_KEYWORDS = {
    **dict.fromkeys(("transform", "transforms"), "pack stores pixels as they are"),
    **dict.fromkeys(("force", "overwrite"), "remove the folder first: pack replaces nothing"),
    "num_workers": "workers=",
    "dtype": "dtypes={'mask': 'uint8'}",
}


@in_default_floats
@explain_unknown(_KEYWORDS)
def pack(
    samples: Any,
    dest: FilePath,
    *,
    layout: Layout | FilePath | None = None,
    split: str = "train",
    workers: int | None = None,
    resume: bool = False,
    images: str | None = None,
    masks: str | Mapping[str, str] | None = None,
    bands: str | Sequence[str] | Mapping[str, str] | None = None,
    table: FilePath | None = None,
    dataset: str | Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    take: Sequence[str] | str | None = None,
    labels: Sequence[str] | None = None,
    classes: Mapping[Any, Any] | FilePath | None = None,
    channel_axis: Literal["first", "last"] | None = None,
    skip_missing: bool = False,
    ignore: str | Sequence[str] | None = None,
    tile: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    min_valid: float | None = None,
    pad: bool = False,
    resample: Literal["nearest"] | None = None,
    crop: Literal["valid"] | int | tuple[int, int] | None = None,
    dtypes: str | Mapping[str, str] | None = None,
    lossy: bool = False,
    scale: float | Mapping[str, float] | None = None,
    nodata: float | Mapping[str, float] | None = None,
    stack: bool = False,
    flat: bool = False,
    key: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    verify: bool = False,
    dry_run: bool = False,
    progress: bool | None = False,
) -> PackResult | DryRun:
    """Write samples of any form as a data set that `cloudio.open` reads.

    Parameters
    ----------
    samples : path, Dataset, sequence, iterable or mapping
        What to pack:

        - a folder of files, with ``images``, ``masks``, ``bands`` or ``table``;
        - an HDF5, Zarr, .npz or .npy file whose first axis is the patch, with ``dataset``;
        - a data set of cloudio: its path, or a `Dataset`, such as a subset;
        - a sequence or iterable of mappings such as ``{"B4": array, "mask": array, "id": 7}``:
          arrays are (row, column) or (channel, row, column), everything else is a column of the
          metadata;
        - a mapping of splits to any of these, such as ``{"train": one, "val": other}``.
    dest : str or path
        The folder to create.  It must not exist.
    layout : Layout, str or path, optional
        Kind, scale, unit, wavelength and no-data number of arrays of these names.
    split : str
        The split of samples that do not say theirs.
    workers : int, optional
        How many processes read files, by default one for each CPU; or how many threads read a
        sequence, by default one, because not every sequence allows more.
    resume : bool
        Whether to go on with a run that was ended: packed samples are not read again.
    images, masks, bands : str, or mapping
        Patterns of files in the folder, such as ``"{split}/images/{id}.tif"``: the files of one
        sample agree in their fields.  ``masks`` may map names of labels to patterns.  ``bands`` has
        a field ``{band}``, for one file per band.  With ``table`` they are columns instead.
    table : str or path, optional
        A CSV, JSON, GeoJSON or Parquet file with a row for each sample.
    dataset : str or mapping of str to str, optional
        Names of datasets in a container, array -> dataset; with ``images`` those in each file.
    fields : mapping of str to str, optional
        Columns of the metadata from one-dimensional datasets of a container; ``split`` is the
        split of each patch.
    names : sequence of str, or mapping, optional
        Names for the channels of the image, in their order; ``"-"`` leaves one out.
    take : sequence of str, optional
        The arrays to pack, in this order.  By default all.
    labels : sequence of str, optional
        Which arrays of mappings or containers are labels; by default those named mask, masks,
        label, labels or annotation.
    classes : mapping, str or path, optional
        The class of each color of masks that are RGB or have a palette, such as
        ``{"255,0,0": 1}``, or a file with them.
    channel_axis : {"first", "last"}, optional
        Where the channels are in arrays of three dimensions; needed if the shape does not show it.
    skip_missing : bool
        Whether to leave out samples that lack a file.
    ignore : str or sequence of str, optional
        Files and folders that are not looked at, such as ``"*_preview.png"``; ``*`` stands for any
        text, with folders.
    tile, stride : int or (height, width), optional
        Cut large scenes into tiles, ``stride`` apart; by default side by side.
    min_valid : float, optional
        The least share of pixels of a tile that are not no-data.
    pad : bool
        Whether tiles at the right and lower edge are filled up with no-data, not left out.
    resample : {"nearest"}, optional
        Repeat the pixels of coarser bands, so that all bands have the finest grid.
    crop : {"valid"}, int or (height, width), optional
        Of a data set of cloudio: pack the valid window, or a window of that size in its center.
    dtypes : str or mapping of str to str, optional
        The type to store all bands in, or some arrays.  By default their own type; for others the
        smallest one that holds the numbers of the first samples.  Each number is checked.
    lossy : bool
        Whether numbers may be rounded: float64 to float32, and as ``dtypes`` says.
    scale, nodata : float or mapping of str to float, optional
        For all bands, or for some arrays: the unit of a stored number, and the stored number that
        means no data.  By default what files say.
    stack : bool
        Whether bands of one type share a file (patch, channel, row, column).
    flat : bool
        Whether files are flat (``.dat``) and not ``.npy``.
    key : str, optional
        The column by which an iterable is resumed; by default the number of the sample.
    on_error : {"stop", "skip"}
        What to do if a sample cannot be read: stop, or leave it out and list it.
    verify : bool
        Whether to read all sources again at the end, and compare them with what is stored.
    dry_run : bool
        Whether to write nothing, and only read some samples.
    progress : bool, optional
        Whether to show a progress bar on stderr; None shows one on a terminal.

    Returns
    -------
    PackResult
        The folder, the number of patches of each split, and the samples that were left out.  With
        ``dry_run`` a `DryRun`.  ``str()`` shows it.

    Raises
    ------
    RequestError
        If an argument is wrong, samples do not agree with each other, or an array would lose
        something.  The message names the sample.
    ReadError, LayoutError
        If a file cannot be read.
    WriteError
        If ``dest`` exists, which is a FileExistsError too, or the disk is too full.

    Notes
    -----
    The folder appears when everything is in it: arrays, ``cloudio.toml``, a ``metadata.csv`` for
    each split, and ``manifest.json`` with checksums for `verify`.  Until then, and after an error,
    it is ``DEST.packing``; ``resume`` goes on from there.
    """
    dest = local_path(dest, "dest")
    choices = Choices(
        dtypes=type_names(dtypes),
        scale=_numbers("scale", scale),
        nodata=_numbers("nodata", nodata),
        layout=layout if layout is None or isinstance(layout, Layout) else _read_layout(layout),
        stack=check_bool("stack", stack),
        flat=check_bool("flat", flat),
        lossy=check_bool("lossy", lossy),
    )
    check_choice("on_error", on_error, ("stop", "skip"))
    check_choice("channel_axis", channel_axis, ("first", "last", None))
    check_choice("resample", resample, ("nearest", None))
    if not (key is None or (isinstance(key, str) and key)):
        raise RequestError(f"key={shown(key)}; it must be the name of a column")
    check_choice("progress", progress, (True, False, None))
    check_split(split)
    options = SourceOptions(
        split=split,
        images=images,
        masks=masks,
        bands=bands,
        table=table,
        dataset=dataset,
        fields=check_mapping("fields", fields, '{"cover": "cloud_cover"}'),
        names=None if names is None else check_channel_names(names),
        take=None if take is None else check_texts("take", take),
        labels=None if labels is None else check_texts("labels", labels, empty=True),
        classes=classes,
        channel_axis=channel_axis,
        skip_missing=check_bool("skip_missing", skip_missing),
        ignore=ignore,
        tile=tile,
        stride=stride,
        min_valid=min_valid,
        pad=check_bool("pad", pad),
        resample=resample,
        crop=crop,
        key=key,
        nodata=choices.nodata,
    )
    check_new_folder(dest)
    source = choose_source(samples, options)
    run = Options(
        n_workers=_n_workers(workers, source),
        resume=check_bool("resume", resume),
        verify=check_bool("verify", verify),
        skip_errors=on_error == "skip",
        progress=progress,
        hints=_hints(source),
    )
    if isinstance(source, Stream):
        if dry_run or verify:
            given = "dry_run" if dry_run else "verify"
            raise RequestError(f"{given}=True, but the samples are an iterable, read only once")
        return pack_stream(source, choices, dest, run)
    source = ChosenSource(source, choices)
    first, seconds = first_samples(source, skip_errors=run.skip_errors)
    plan = make_plan({source.name_of(k): sample for k, sample in first.items()}, choices)
    if check_bool("dry_run", dry_run):
        return _dry_run(source, plan, dest, seconds / run.n_workers)
    return pack_source(source, plan, dest, run)


def _numbers(option: str, given: float | Mapping[str, float] | None) -> dict[str, float]:
    """Return a number for each array, or for all under ""."""
    numbers = given if isinstance(given, Mapping) else {} if given is None else {"": given}
    for name, number in numbers.items():
        if not is_number(number):
            of = f" of {name}" if name else ""
            raise RequestError(f"{option}={shown(number)}{of}; it must be a number")
    return dict(numbers)


def _read_layout(path: FilePath) -> Layout:
    return Layout.from_toml(local_path(path, "layout"))


def _n_workers(workers: int | None, source: Source | Stream) -> int:
    if workers is not None:
        return check_whole("workers", workers, 1)
    if isinstance(source, Stream) or source.in_threads:
        return 1
    return default_threads()[0]


def _hints(source: Source | Stream) -> Layout | None:
    """Return the layout of a source that has one."""
    say = getattr(source, "layout_hints", None)
    return None if say is None else cast(Layout | None, say())


def _dry_run(source: ChosenSource, plan: Plan, dest: Path, seconds: float) -> DryRun:
    patches = Rows.of(source).counts
    n = sum(patches.values())
    return DryRun(
        path=dest,
        patches=patches,
        arrays=describe_arrays(plan),
        patch=plan.patch,
        n_bytes=n * plan.patch_bytes,
        free_bytes=free_bytes(dest.parent) or 0,
        seconds=n * seconds,
        notes=tuple(source.summary()),
    )
