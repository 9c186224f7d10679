"""`file_source`: patterns or a table, as a source that reads the files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ...._utils.paths import exists, is_file, local_path, not_found
from ...._utils.text import counted, listed, shown
from ....errors import RequestError
from ..channels import IMAGE, ArrayOptions, Role
from ..colors import read_classes
from ..files import FileRow, FileRows, FileSource, FileTable
from .hints import of_each_folder, some_files
from .options import MASK, Named, named
from .pairing import BAND, FilePattern, pair_files
from .patterns import Pattern
from .tables import pair_rows


def file_source(
    root: Path,
    *,
    images: str | None = None,
    masks: Named | None = None,
    bands: Named | Sequence[str] | None = None,
    table: str | Path | None = None,
    dataset: str | Mapping[str, str] | None = None,
    names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    take: Sequence[str] | None = None,
    classes: Mapping[Any, Any] | str | Path | None = None,
    channel_axis: Literal["first", "last"] | None = None,
    skip_missing: bool = False,
    ignore: str | Sequence[str] | None = None,
    split: str = "train",
    resample: Literal["nearest"] | None = None,
) -> FileSource:
    """Return a source of samples whose arrays are in files.

    Parameters
    ----------
    root : Path
        The folder of the files; or one image file, which is the only sample then.
    images : str, optional
        The pattern of files of several channels, such as ``"{split}/images/{id}.tif"``: `Pattern`
        tells what it can have.  The fields are columns of the metadata, and ``{split}`` is the
        split.  With ``table`` the column of their paths, by default ``image``.
    masks : str or mapping of str, optional
        The pattern of labels, which are called ``mask``; or a mapping of names to patterns.  With
        ``table`` columns; the default is ``mask`` if there is one.
    bands : str, sequence or mapping of str, optional
        A pattern with ``{band}``, or several, of files of one band each; or a mapping of bands to
        patterns.  With ``table`` columns, which name the bands, or a mapping of bands to columns.
    table : str or Path, optional
        A CSV, JSON, GeoJSON or Parquet file with a row for each sample; its path may begin in
        ``root``.
    dataset : str or mapping of str to str, optional
        The dataset of HDF5 files that is the image; or array -> dataset, where ``"image"`` is that
        of ``images``.  By default the only one.
    names : sequence of str, or mapping with the key "image", optional
        Names for the channels of ``images``, in their order; ``"-"`` leaves a channel out.  By
        default their own names, if all have distinct ones; else ``image_1``, ``image_2``, and
        ``image`` if there is one channel.
    take : sequence of str, optional
        The arrays that samples have, in this order.  By default all.
    classes : mapping, str or Path, optional
        The class of each color of labels that are pictures of colors: `read_classes`.
    channel_axis : {"first", "last"}, optional
        Where the channels of .npy and .npz files are.
    skip_missing : bool
        Whether to leave out samples that lack a file, and images that no pattern matches.
        `FileSource.left_out` lists them.
    ignore : str or sequence of str, optional
        Paths below the folder that are not looked at; ``*`` stands for any text.
    split : str
        The split of samples whose files or rows do not say theirs.
    resample : {"nearest"}, optional
        Let the arrays of a sample have different sizes, if they show the same extent.

    Returns
    -------
    FileSource
        The samples in natural order of their fields, by split; of a table in the order of its rows.

    Raises
    ------
    RequestError
        If an argument is wrong, or files do not make samples.  Doubled files are always refused.
    ReadError, LayoutError
        If a folder or the table cannot be read.

    Notes
    -----
    The files of one sample agree in the fields that their patterns share.  A file that several
    patterns match is that of the pattern with the most literal characters.
    """
    options = ArrayOptions(
        names=_channel_names(names),
        take=None if take is None else tuple(take),
        colors={} if classes is None else read_classes(classes),
        channel_axis=channel_axis,
        resample=resample,
        datasets={} if dataset is None else named("dataset", dataset, ""),
    )
    if not exists(root):
        raise not_found(root, "folder or file")
    ignored = [ignore] if isinstance(ignore, str) else list(ignore or ())
    if ignored and (table is not None or is_file(root)):
        raise RequestError("ignore= is for files that patterns find in a folder; leave it out")
    if table is not None:
        path = local_path(table, "table")
        if not path.is_absolute() and not exists(path) and exists(root / path):
            path = root / path
        rows = pair_rows(root, path, images, masks, bands, split=split, skip_missing=skip_missing)
        return FileSource(root, rows, options)
    if is_file(root):
        if images is not None or masks is not None or bands is not None:
            raise RequestError(f"{root} is a file; patterns are for the files of a folder")
        role = Role(IMAGE, "image")
        return FileSource(
            root.parent, FileTable((role,), FileRows([FileRow((root.name,), split, ())])), options
        )
    patterns = _patterns(root, images, masks, bands)
    pairs = pair_files(
        root,
        patterns,
        split=split,
        take=options.take,
        skip_missing=skip_missing,
        ignore=ignored,
    )
    return FileSource(root, pairs, options)


def _channel_names(
    names: Sequence[str] | Mapping[str, Sequence[str]] | None,
) -> tuple[str, ...] | None:
    if isinstance(names, Mapping):
        if wrong := [name for name in names if name != IMAGE]:
            raise RequestError(
                f"names has {listed(wrong)}; of files it names the channels of {IMAGE}"
            )
        names = names.get(IMAGE)
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise RequestError(
            f"names={shown(names)}; it must be a list of names, one for each channel"
        )
    return tuple(names)


def _patterns(
    root: Path, images: str | None, masks: Named | None, bands: Named | Sequence[str] | None
) -> list[FilePattern]:
    """Return the patterns with their roles; RequestError if they cannot make samples."""
    found: list[FilePattern] = []
    if images is not None:
        found.append(FilePattern(Pattern(images, "images"), Role(IMAGE, "image")))
    if isinstance(bands, Mapping):
        for name, text in named("bands", bands, "").items():
            found.append(FilePattern(Pattern(text, f"bands[{name!r}]"), Role(name, "band")))
    elif bands is not None:
        texts = [bands] if isinstance(bands, str) else bands
        if not (isinstance(texts, Sequence) and texts):
            raise RequestError(f"bands={shown(bands)}; it must be a pattern, or several")
        for text in texts:
            pattern = Pattern(text, "bands")
            if BAND not in pattern.fields:
                raise pattern.error("has no field {band}, which stands for the name of each band")
            found.append(FilePattern(pattern, None))
    if not found:
        raise _no_patterns(root)
    for name, text in (named("masks", masks, MASK) if masks is not None else {}).items():
        what = "masks" if name == MASK else f"masks[{name!r}]"
        found.append(FilePattern(Pattern(text, what), Role(name, "label")))
    for each in found:
        if each.role is not None and BAND in each.pattern.fields:
            raise each.pattern.error(
                "has a field {band}; files of one band each are given with bands= (--bands)"
            )
        if not each.pattern.fields and "*" in each.pattern.text.replace("**", "*"):
            raise each.pattern.error(
                "has no field; write {id} where the names of samples differ, such as {id}.tif"
            )
    return found


def _no_patterns(root: Path) -> RequestError:
    files = some_files(root)
    has = "is empty"
    if files:
        some = listed(of_each_folder(files)[:3])
        has = f"has {counted(len(files), 'file')}, such as {some}"
    return RequestError(
        f"{root} {has}; say which files are images: images='{{split}}/images/{{id}}.tif' "
        "(--images), where {id} stands for what names a sample; or bands= (--bands) with {band}, "
        "or table= (--table)"
    )
