"""The end of a run: a layout, metadata and a manifest beside the arrays; then the data appear."""

import csv
import errno
import glob
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..._utils.text import counted
from ...errors import RequestError, error_reason, write_error
from ...layouts.band import Band, Window
from ...layouts.labels import LabelMap
from ...layouts.layout import Layout
from ...layouts.toml_writer import to_toml
from ...reading.dataset import open_partial
from ...verification.manifest import describe, write_manifest
from ..plan import PackedArray, Plan
from .engine import Rows
from .row_files import RowFiles
from .state import FINISHING, State
from .unfinished import appear, data_folder

MANIFEST = "manifest.json"
_RGB = ("red", "green", "blue")


def finish(
    dest: Path,
    plan: Plan,
    rows: Rows,
    kept: Mapping[str, np.ndarray],
    files: RowFiles,
    state: State,
    class_names: Mapping[str, Mapping[int, str]],
    hints: Layout | None,
) -> None:
    """Make what is packed the data set ``dest``; ``kept`` are the samples of each split.

    A run that is ended here is resumed here: each step may be done again.
    """
    folder = data_folder(dest)
    if not any(len(samples) for samples in kept.values()):
        why = next(iter(state.left_out.values()), "there are no samples")
        n = counted(len(state.left_out), "sample")
        raise RequestError(f"nothing is packed: {n} left out, the first because: {why}")
    if FINISHING not in state.phases:
        state.begin(FINISHING)
    files.finish({split: [rows[int(k)][1] for k in samples] for split, samples in kept.items()})
    files.close()  # they are flushed with the folder
    for split in [split for split, samples in kept.items() if not len(samples)]:
        shutil.rmtree(folder / split, ignore_errors=True)
    kept = {split: samples for split, samples in kept.items() if len(samples)}
    columns = state.column_order()
    for split, samples in kept.items():
        write_metadata(folder, split, columns, state.fields(samples.tolist()))
    write_layout(folder, make_layout(dest.name, plan, state.codes, class_names, hints))
    write_checksums(folder, plan, state, kept)
    appear(dest)


def make_layout(
    name: str,
    plan: Plan,
    codes: Mapping[str, Iterable[int] | None],
    class_names: Mapping[str, Mapping[int, str]],
    hints: Layout | None,
) -> Layout:
    """Return the layout of what has been packed.

    ``codes``: the numbers of each label, which become its classes; None if they are too many.
    ``hints``: a layout of arrays of the same names, from which the rest is taken.
    """
    bands = tuple(
        _band(array, None if hints is None else hints.band(array.name)) for array in plan.arrays
    )
    maps = {
        array.name: {"codes": _label_map(array, found, class_names.get(array.name, {}))}
        for array in plan.arrays
        if (found := codes.get(array.name)) and array.info.kind == "label"
    }
    presets = _presets([band.name for band in bands if band.kind == "band"])
    if hints is None:
        return Layout(name, plan.patch, Window(0, 0, *plan.patch), bands, presets, maps)
    return replace(
        hints,
        name=name,
        bands=bands,
        presets=hints.presets or presets,
        label_maps=maps | {label: dict(some) for label, some in hints.label_maps.items()},
    )


def _band(array: PackedArray, hint: Band | None) -> Band:
    """Return the entry of an array; what only a layout can say is that of ``hint``."""
    info, suffix = array.info, Path(array.file).suffix
    is_plain = array.file == f"{array.name}{suffix}"
    band = Band(
        array.name,
        kind=info.kind,
        dtype=array.stored,
        nodata=info.nodata,
        wavelength=info.wavelength,
        unit=info.unit,
        file="{name}" + suffix if is_plain else glob.escape(array.file),
        channel=array.channel,
        channels=array.channels,
        scale_factor=info.scale_factor,
        add_offset=info.add_offset,
    )
    same = hint is not None and hint.dtype == band.dtype
    if hint is None or not same or (hint.factors not in (None, band.factors)):
        return band
    if hint.factors is None and band.factors != (1.0, 0.0):
        return band
    # The same numbers, as the layout of the source writes them.
    own = {key: getattr(hint, key) for key in ("scale", "offset", "scale_factor", "add_offset")}
    return replace(band, **own)


def _label_map(array: PackedArray, codes: Iterable[int], names: Mapping[int, str]) -> LabelMap:
    """Return the map of codes to themselves; no data is ignored.

    Codes without a name are named by their number, if others have names.
    """
    nodata = array.info.nodata
    codes = sorted(codes)
    classes = {code: None if code == nodata or not 0 <= code < 255 else code for code in codes}
    numbers = [code for code in {*names, *classes.values()} if code is not None and code < 255]
    if names and numbers:
        listed = [names.get(code, str(code)) for code in range(max(numbers) + 1)]
        if len(set(listed)) == len(listed):
            return LabelMap(classes, names=tuple(listed))
    return LabelMap(classes)


def _presets(bands: Sequence[str]) -> dict[str, tuple[tuple[str, ...], ...]]:
    presets: dict[str, tuple[tuple[str, ...], ...]] = {}
    if len(bands) > 1 and "image" not in bands:
        presets["image"] = (tuple(bands),)
    if set(_RGB) <= set(bands) and "rgb" not in bands:
        presets["rgb"] = (_RGB,)
    return presets


def write_metadata(
    folder: Path, split: str, columns: Sequence[str], rows: Iterable[Mapping[str, str]]
) -> None:
    """Write the metadata.csv of a split: its name, and the columns of each patch."""
    names = ["split", *(name for name in columns if name != "split")]
    with open(folder / split / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows({**row, "split": split} for row in rows)


def write_layout(folder: Path, layout: Layout) -> None:
    """Write cloudio.toml."""
    (folder / "cloudio.toml").write_text(to_toml(layout), encoding="utf-8", newline="\n")


def write_checksums(folder: Path, plan: Plan, state: State, kept: Mapping[str, np.ndarray]) -> None:
    """Write the manifest, with the checksums that the rows had when they were written.

    The data set is opened as users will open it; WriteError if that is impossible.
    """
    ds, splits, problems = open_partial(folder)
    with ds:
        for problem in problems:  # of the disk: the files are as they must be
            reason = f"cannot be opened after it was written: {error_reason(problem.error)}"
            raise write_error(errno.EIO, reason, folder)
        folders = {split.folder.name: split.name for split in splits}
        checksums = {
            (folders[split], array.name): state.checksums(samples)[:, k]
            for split, samples in kept.items()
            for k, array in enumerate(plan.arrays)
        }
        manifest = describe(ds.path, ds.layout.name, splits, checksums)
        # Beside the data: what a run that is killed here leaves does not become a part of them.
        write_manifest(folder.with_name(MANIFEST), manifest, force=True)
        os.replace(folder.with_name(MANIFEST), folder / MANIFEST)
