"""Data sets of nothing but metadata, and what splits of them look like."""

import csv
import tempfile
import warnings
from pathlib import Path

import numpy as np
from builders import SMALL

from cloudio import make_splits
from cloudio.reading.dataset import Dataset
from cloudio.storage.discovery import Split
from cloudio.storage.metadata.csv_file import MetadataFile

CARD = {"train": 0.849, "val": 0.0535, "test": 0.0975}

HALVES = {"a": 0.5, "b": 0.5}


def metadata_only(*parts, **columns):
    """A data set of nothing but metadata: one split of these columns, or a split for each part."""
    with tempfile.TemporaryDirectory() as root:
        splits = []
        for name, fields in parts or [("train", columns)]:
            path = Path(root, f"{name}.csv")
            with open(path, "w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, quoting=csv.QUOTE_ALL)
                rows.writerows([fields, *zip(*fields.values(), strict=True)])
            metadata = MetadataFile.inspect(path) if fields else None
            n = len(next(iter(fields.values())))
            splits.append(Split(name, Path(name), n, {}, metadata, Path(name, "x.csv")))
        ds = Dataset(Path("somewhere"), SMALL, splits, open_files=None)
        # The columns are kept when they have been read, and those of each split too.
        for part in (ds, *map(ds.split, ds.splits)):
            assert part.metadata is not None
        return ds


def release_columns(n, *, seed=0):
    """Columns as the release has them: places of five dates, scenes that two places share."""
    pick = np.random.default_rng(seed).integers
    return {
        "index": [str(7 * k % 1009) for k in range(n)],
        "roi_id": [f"ROI_{k // 5:04d}" for k in range(n)],
        "s2_id": [f"S2_{k % 5}_{k // 10}" if k % 3 else f"S2_{k}" for k in range(n)],
        "s2_date": [f"2019-{1 + k % 12:02d}-17" for k in range(n)],
        "land_cover": [str(10 * (1 + x)) for x in pick(0, 4, n)],
    }


def splits_without_warnings(*args, **options):
    """The splits, whether or not one is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_splits(*args, **options)


def split_per_patch(splits):
    """The name of each patch's split, in patch order."""
    names = {int(k): name for name, which in splits.items() for k in which}
    return [names[k] for k in range(len(names))]


def components(n, columns):
    """Sets of patches that a value connects, joined value by value."""
    groups = [{k} for k in range(n)]
    for fields in columns:
        for value in {field.strip() for field in fields} - {""}:
            which = {k for k in range(n) if fields[k].strip() == value}
            joined = [group for group in groups if group & which]
            groups = [group for group in groups if not group & which] + [set().union(*joined)]
    return groups
