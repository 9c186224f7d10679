"""The counts of a part of a data set as plain values that JSON holds, and back.

Arrays are text: their bytes, compressed, in base64.
"""

import base64
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..._utils.json_files import refuse
from ...errors import LayoutError
from ...layouts.layout import Layout
from ...layouts.toml_writer import to_toml
from ...reading.scan import RECORD
from ..part_counts import ArrayPart, PartCounts, SparseCounts
from .values import MOST_PATCHES, numbers_of, runs_of, seconds, text, whole

# Numbers of two bytes or less are counted each, and floats by their upper half.
_HISTOGRAMS = 256, 65_536
_COLUMN = np.dtype("<u4")


def counts_to_plain(counts: PartCounts) -> dict[str, Any]:
    """Return counts as dicts, lists, numbers and texts."""
    layout = counts.layout
    return {
        "path": counts.path,
        "layout": {"toml": to_toml(layout)} if isinstance(layout, Layout) else layout,
        "stored": dict(counts.stored),
        "rows": {split: runs_of(numbers) for split, numbers in counts.rows.items()},
        "arrays": [
            {"split": split, "name": name, **_array_to_plain(part)}
            for (split, name), part in counts.arrays.items()
        ],
        "n_bytes": counts.n_bytes,
        "seconds": counts.seconds,
        "digest": counts.digest,
    }


def counts_from_plain(entries: Mapping[str, Any]) -> PartCounts:
    """Return the counts that the parsed JSON describes; ValueError and the like if it does not."""
    stored = {name: whole(n) for name, n in entries["stored"].items()}
    too_many = sum(stored.values()) > MOST_PATCHES
    refuse(min(stored.values(), default=0) < 0 or too_many, "no number of patches")
    rows = {}
    for split, runs in entries["rows"].items():
        rows[split] = numbers = numbers_of(runs)
        refuse(not len(numbers) or bool((np.diff(numbers) < 1).any()), "patches in no order")
        refuse(numbers[0] < 0 or numbers[-1] >= stored[split], "patches that do not exist")
    arrays = {}
    for each in entries["arrays"]:
        split, name = text(each["split"]), text(each["name"])
        arrays[split, name] = _array_from_plain(name, each, len(rows[split]))
    layout = entries["layout"]
    return PartCounts(
        path=text(entries["path"]),
        layout=layout if layout is None else _layout_from_plain(layout),
        stored=stored,
        rows=rows,
        arrays=arrays,
        n_bytes=whole(entries["n_bytes"]),
        seconds=seconds(entries["seconds"]),
        digest=None if (digest := entries.get("digest")) is None else text(digest),
    )


# ---- arrays --------------------------------------------------------------------------------------


def _array_to_plain(part: ArrayPart) -> dict[str, Any]:
    counts = part.counts
    if counts is None:
        return {"error": part.error}
    return {
        "dtype": counts.dtype.str,
        "patches": _packed(counts.patches, RECORD),
        "histogram": {
            "size": counts.size,
            "numbers": _packed(counts.numbers, np.dtype("<u2")),
            "counts": _packed(counts.times, np.dtype("<i8")),
        },
        "columns": {str(k): _packed(column, _COLUMN) for k, column in part.columns.items()},
    }


def _array_from_plain(name: str, entries: Mapping[str, Any], n_patches: int) -> ArrayPart:
    if "error" in entries:
        error = entries["error"]
        if error is None:
            return ArrayPart(None, {})
        reason, patch = error
        return ArrayPart(None, {}, (text(reason), None if patch is None else whole(patch)))
    dtype = np.dtype(text(entries["dtype"]))
    refuse(dtype.kind not in "iuf", "an array of no numbers")
    columns = {int(k): _unpacked(v, _COLUMN, n_patches) for k, v in entries["columns"].items()}
    patches = _unpacked(entries["patches"], RECORD, n_patches)
    counts = SparseCounts(name, dtype, patches, *_histogram(entries["histogram"]))
    return ArrayPart(counts, columns)


def _histogram(entries: Mapping[str, Any]) -> tuple[int, np.ndarray, np.ndarray]:
    size = whole(entries["size"])
    refuse(size not in _HISTOGRAMS, "a histogram of another size")
    numbers = _unpacked(entries["numbers"], np.dtype("<u2"))
    refuse(bool((np.diff(numbers.astype(np.int64)) < 1).any()), "numbers in no order")
    refuse(bool((numbers >= size).any()), "numbers that its type cannot hold")
    return size, numbers, _unpacked(entries["counts"], np.dtype("<i8"), len(numbers))


def _packed(array: np.ndarray, dtype: np.dtype) -> str:
    data = array.astype(dtype.newbyteorder("<"), copy=False).tobytes()
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def _unpacked(entry: Any, dtype: np.dtype, n: int | None = None) -> np.ndarray:
    """Return an array of ``n`` entries; of up to 65,536 if None."""
    most = (_HISTOGRAMS[-1] if n is None else n) * dtype.itemsize
    inflating = zlib.decompressobj()
    try:
        data = inflating.decompress(base64.b64decode(text(entry), validate=True), most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    wrong = len(data) > most or not inflating.eof if n is None else len(data) != most
    refuse(wrong, "an array of another size")
    found = np.frombuffer(data, dtype.newbyteorder("<"))
    return found.astype(dtype.newbyteorder("="))


def _layout_from_plain(entry: Any) -> Layout | str:
    if isinstance(entry, str):
        return entry
    with tempfile.TemporaryDirectory(prefix="cloudio-") as folder:
        path = Path(folder, "layout.toml")
        path.write_text(text(entry["toml"]), encoding="utf-8")
        try:
            return replace(Layout.from_toml(path))  # not of this file, which is removed
        except LayoutError as error:
            raise ValueError(str(error)) from None
