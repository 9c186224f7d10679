"""Data sets, readers and batches as a person sees them, in a terminal and in a notebook.

No pixel is read for it, and no file opened.
"""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from . import tables

if TYPE_CHECKING:
    from .dataset import Dataset
    from .reader import Reader

# Of a batch's index, numbers that are worth reading.
_FEW = 8


def dataset_text(ds: "Dataset") -> str:
    """Splits in one line, then the window, arrays by group, and all that is unusual."""
    parts = ", ".join(f"{name} {len(which):,}" for name, which in ds.splits.items())
    return "\n".join(
        [
            f"<cloudio.Dataset {ds.layout.name} at {ds.path}: {len(ds):,} patches "
            f"({parts}), {len(ds.names)} arrays>",
            _geometry(ds),
            tables.text(_groups(ds), {1, 3}),
            *(f"warning: {said}" for said in ds.warnings),
        ]
    )


def dataset_html(ds: "Dataset") -> str:
    """The same as HTML."""
    splits = [(name, f"{len(which):,}", str(ds.folders[name])) for name, which in ds.splits.items()]
    title = f"cloudio.Dataset {ds.layout.name}: {len(ds):,} patches, {len(ds.names)} arrays"
    said = "".join(f"<li>{escape(warning)}</li>" for warning in ds.warnings)
    return "\n".join(
        [
            f"<div><strong>{escape(title)}</strong><br>{escape(_geometry(ds))}",
            tables.html([("split", "patches", "folder"), *splits], {1}),
            tables.html(_groups(ds), {1, 3}),
            f"warnings<ul>{said}</ul></div>" if said else "no warnings</div>",
        ]
    )


def reader_text(reader: "Reader") -> str:
    """What is read from what in one line, then how."""
    labels = f", labels {', '.join(reader.labels)}" if reader.labels else ""
    return (
        f"<cloudio.Reader of {len(reader):,} patches: {reader.image_shape} {reader.dtype}, "
        f"bands {', '.join(reader.bands)}{labels}>\n{tables.text(_decisions(reader))}"
    )


def reader_html(reader: "Reader") -> str:
    """The same as HTML."""
    title = f"cloudio.Reader of {len(reader):,} patches"
    head = [("image", f"{reader.image_shape} {reader.dtype}"), ("bands", ", ".join(reader.bands))]
    rows = [*head, *_decisions(reader)]
    return f"<div><strong>{escape(title)}</strong>\n{tables.html(rows, header=False)}</div>"


def batch_text(batch: Any) -> str:
    """A batch's fields by type and shape; of few patches, their numbers."""
    fields = ", ".join(
        f"{name}={_brief(name, part)}" for name, part in zip(batch._fields, batch, strict=True)
    )
    return f"{type(batch).__name__}({fields})"


def _brief(name: str, part: Any) -> str:
    shape = getattr(part, "shape", None)
    if shape is None:
        return repr(part)
    if name == "index" and len(shape) == 1 and shape[0] <= _FEW:
        return repr(part.tolist())
    return f"{part.dtype} {tuple(shape)}"


def _geometry(ds: "Dataset") -> str:
    (height, width), valid = ds.layout.patch, ds.valid_window
    return (
        f"patches of {height} x {width}, valid window {valid.height} x {valid.width} from "
        f"({valid.row}, {valid.col}); io {ds.io}"
    )


def _groups(ds: "Dataset") -> list[Sequence[str]]:
    """Arrays by the group their names begin with: how many, of which types, how much."""
    height, width = ds.layout.patch
    parts = [ds.split(name) for name in ds.splits]
    found: dict[str, list[str]] = {}
    for name in ds.names:
        group = next((p for p in ds.layout.prefixes if name.startswith(p)), "")
        found.setdefault(group, []).append(name)
    rows: list[Sequence[str]] = [("group", "arrays", "stored", "GB", "names")]
    for group, names in found.items():
        stored = {f"{part.dtype(name)}" for name in names for part in parts}
        n_bytes = sum(
            len(part) * height * width * part.dtype(name).itemsize
            for name in names
            for part in parts
        )
        short = " ".join(name.removeprefix(group) for name in names)
        row = group.rstrip("_") or "-", str(len(names)), "/".join(sorted(stored))
        rows.append((*row, f"{n_bytes / 1e9:.3f}", short))
    return rows


def _decisions(reader: "Reader") -> list[tuple[str, str]]:
    """Of a reader, what its shapes do not show, one row each."""
    how, ds = reader.settings, reader.dataset
    rows = [
        ("size", f"{reader.size[0]} x {reader.size[1]}, {how['layout']}"),
        ("scale", "as stored" if how["scale"] is None else _short(how["scale"])),
    ]
    if reader.dtype_name in ("int16", "uint16", "uint8"):
        rows[1] = "scale", "as stored"
    for name in ("mean", "std", "clip", "fill"):
        if how[name] is not None:
            rows.append((name, _short(how[name])))
    for name, label_map in reader.label_maps.items():
        rule = "codes as stored"
        if label_map is not None:
            rule = reader.policies[name] or _short(label_map)
            rule += f", else {how['ignore']}" if label_map.unlisted is None else ""
        rows.append((name, f"{rule}, {reader.label_dtype}"))
    return [*rows, ("data set", f"{ds.layout.name} at {ds.path}, io {ds.io}")]


def _short(given: Any) -> str:
    words = str(given)
    return words if len(words) <= 80 else f"{words[:77]}..."
