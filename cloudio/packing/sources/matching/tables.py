"""A table of paths, with a row for each sample: CSV, JSON, GeoJSON or Parquet."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...._utils.files import open_bytes
from ...._utils.json_files import read_json
from ...._utils.paths import exists, is_file, is_folder, not_found
from ...._utils.text import counted, listed, shown, suggest
from ....errors import ReadError, RequestError
from ....storage.metadata.csv_file import read_columns
from ...decoders.packages import need_package, reason_of
from ..channels import IMAGE, Role
from ..files import FileRow, FileRows, FileTable
from .options import MASK, Named, check_distinct, named

SPLIT = "split"
_JSON, _PARQUET = (".json", ".geojson"), (".parquet", ".geoparquet", ".pq")
Columns = Mapping[str, Sequence[Any]]


def pair_rows(
    root: Path,
    path: Path,
    images: str | None,
    masks: Named | None,
    bands: Named | Sequence[str] | None,
    *,
    split: str,
    skip_missing: bool,
) -> FileTable:
    """Return the samples that the rows of a table name, in their order.

    ``images``, ``masks`` and ``bands`` are columns, as `file_source` says.  A path is one from
    ``root``, if a file is there, else one from the folder of the table; absolute ones and ``..``
    are followed, because the table is the caller's.  The column ``split`` has the split of each
    row, ``split`` that of rows which have none; other columns go to the metadata.  RequestError if
    files are missing, without ``skip_missing``, or if two rows have the same files.
    """
    columns = read_table(path)
    roles = _roles(path, columns, images, masks, bands)
    base = root if is_folder(root) else root.parent
    finder = _Finder(base, path.parent)
    rows: dict[tuple[str, ...], int] = {}
    missing: list[tuple[str, str]] = []
    n = len(next(iter(columns.values()), ()))
    for k in range(n):
        paths, lost = finder.find([columns[column][k] for _, column in roles])
        if lost:
            missing.append((f"row {k + 1}", lost))
            continue
        if (other := rows.setdefault(paths, k)) != k:
            reason = f"has the same files in rows {other + 1} and {k + 1}: {listed(paths)}"
            raise RequestError.about(path, f"{reason}; remove one of them")
    if missing and not skip_missing:
        some = listed((f"{row} {reason}" for row, reason in missing), "; ")
        raise RequestError.about(
            path,
            f"has {counted(len(missing), 'row')} without all files: {some}. Paths are those from "
            f"{base} or {path.parent.absolute()}; skip_missing=True (--skip-missing) leaves these "
            "rows out",
        )
    if not rows:
        raise RequestError.about(path, "has no row whose files exist" if n else "has no rows")
    own = {column for _, column in roles} | {SPLIT}
    others = {name: values for name, values in columns.items() if name not in own}
    splits = columns.get(SPLIT, [None] * n)
    samples = (
        FileRow(paths, _text(splits[k]) or split, tuple(values[k] for values in others.values()))
        for paths, k in rows.items()
    )
    return FileTable(
        tuple(role for role, _ in roles),
        FileRows(samples),
        tuple(others),
        columns_from="table",
        left_out=tuple((f"{path}, {row}", reason) for row, reason in missing),
    )


def _roles(
    path: Path,
    columns: Columns,
    images: str | None,
    masks: Named | None,
    bands: Named | Sequence[str] | None,
) -> list[tuple[Role, str]]:
    """Return the roles of files, each with its column; RequestError if one is not there."""
    found: list[tuple[Role, str]] = []
    if images is not None or (bands is None and IMAGE in columns):
        found.append((Role(IMAGE, "image"), images or IMAGE))
    if bands is not None:
        names = [bands] if isinstance(bands, str) else bands
        of_bands = names if isinstance(names, Mapping) else {name: name for name in names}
        of_bands = named("bands", of_bands, "")
        found += [(Role(name, "band"), column) for name, column in of_bands.items()]
    if not found:
        raise RequestError.about(
            path,
            f"has no column {IMAGE}; name that of the images with images= (--images), or those of "
            f"bands with bands= (--bands). Its columns are {listed(columns)}",
        )
    if masks is not None:
        found += [(Role(n, "label"), column) for n, column in named("masks", masks, MASK).items()]
    elif MASK in columns:
        found.append((Role(MASK, "label"), MASK))
    for _, column in found:
        if column not in columns:
            reason = f"has no column {column!r}; its columns are {listed(columns)}"
            raise RequestError.about(path, f"{reason}{suggest(column, columns)}")
    check_distinct([role.name for role, _ in found])
    return found


class _Finder:
    """Finds the files that cells of a table name."""

    def __init__(self, root: Path, beside: Path) -> None:
        self._root, self._beside = root, beside

    def find(self, cells: Sequence[Any]) -> tuple[tuple[str, ...], str]:
        """Return the paths, from the root or absolute, and what is wrong with one, or ""."""
        paths = []
        for cell in cells:
            if not (text := _text(cell)):
                return (), "has no path"
            text = os.path.expanduser(text)
            if is_file(self._root / text):
                paths.append(text)
            elif is_file(beside := self._beside / text):
                paths.append(os.path.abspath(beside))
            else:
                return (), f"names {text}, which is no file"
        return tuple(paths), ""


def _text(cell: Any) -> str:
    """Return a cell as text; "" for nothing, which tables also have as NaN."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    return str(cell)


# ---- formats -------------------------------------------------------------------------------------


def read_table(path: Path) -> Columns:
    """Return the columns of a table; RequestError or LayoutError if it is none."""
    if not exists(path):
        raise not_found(path, "table")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return read_columns(path)
    if suffix in _JSON:
        return _from_json(path)
    if suffix in _PARQUET:
        return _from_parquet(path)
    raise RequestError.about(
        path, f"has the ending {suffix!r}; a table is .csv, .json, .geojson or .parquet"
    )


def _from_json(path: Path) -> Columns:
    held = read_json(path, "is no JSON")
    if isinstance(held, Mapping) and held.get("type") == "FeatureCollection":
        records = [_properties(path, feature) for feature in held.get("features") or ()]
    elif isinstance(held, list):
        records = held
    elif isinstance(held, Mapping):
        records = [
            {"key": key, **record} if isinstance(record, Mapping) else record
            for key, record in held.items()
        ]
    else:
        records = [held]
    for record in records:
        if not isinstance(record, Mapping):
            raise RequestError.about(
                path,
                f"has the entry {shown(record)}; a table in JSON is a list of records such as "
                '[{"image": "a.tif", "mask": "b.tif"}], or a mapping of keys to such records',
            )
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _properties(path: Path, feature: Any) -> dict[str, Any]:
    """Return the properties of a feature, with its own id."""
    held = feature.get("properties") if isinstance(feature, Mapping) else None
    if not isinstance(held, Mapping):
        raise RequestError.about(path, f"has the feature {shown(feature)} without properties")
    return {"id": feature["id"], **held} if "id" in feature else dict(held)


def _from_parquet(path: Path) -> Columns:
    parquet = need_package("pyarrow.parquet", path, "a Parquet file")
    arrow = need_package("pyarrow", path, "a Parquet file")
    try:
        with open_bytes(path) as file:
            held = parquet.ParquetFile(file).read()
    except arrow.ArrowException as error:
        reason = f"is no Parquet file, or is damaged: {reason_of(error)}"
        raise ReadError.about(path, reason) from None
    # Columns of bytes, such as outlines, are no text of metadata.csv.
    kinds = arrow.types
    return {
        field.name: held.column(field.name).to_pylist()
        for field in held.schema
        if not (kinds.is_binary(field.type) or kinds.is_large_binary(field.type))
    }
