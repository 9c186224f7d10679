"""What a data set says of itself: its window and its arrays, in words and rows."""

import math
from collections.abc import Sequence

from .._utils.text import gigabytes
from .collection import Collection


def describe_window(ds: Collection) -> str:
    (height, width), valid = ds.layout.patch, ds.valid_window
    return (
        f"patches of {height} x {width}, valid window {valid.height} x {valid.width} from "
        f"({valid.row}, {valid.col}); io {ds.io}"
    )


def group_rows(ds: Collection) -> list[Sequence[str]]:
    """Return a row per group of arrays, with a header: count, types, GB and names."""
    parts = [ds.split(name) for name in ds.splits]
    found: dict[str, list[str]] = {}
    for name in ds.names:
        group = next((p for p in ds.layout.prefixes if name.startswith(p)), "")
        found.setdefault(group, []).append(name)
    rows: list[Sequence[str]] = [("group", "arrays", "stored", "GB", "names")]
    for group, names in found.items():
        stored = {f"{part.dtype(name)}" for name in names for part in parts}
        sizes = {name: math.prod(ds.layout.stored_size(ds.layout.band(name))) for name in names}
        n_bytes = sum(
            len(part) * sizes[name] * part.dtype(name).itemsize for name in names for part in parts
        )
        short = " ".join(name.removeprefix(group) for name in names)
        row = group.rstrip("_") or "-", str(len(names)), "/".join(sorted(stored))
        rows.append((*row, gigabytes(n_bytes), short))
    return rows
