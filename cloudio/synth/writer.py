"""Made-up data sets in the true on-disk form of CloudSEN12, for tests, benchmarks and first steps.

What the pixels show is scene.py's; here they become files, each patch with its row of metadata.
"""

import csv
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .._utils.files import check_new_folder, new_folder
from .._utils.numbers import check_whole
from .._utils.progress import progress_bar
from ..errors import RequestError
from ..layouts.band import Band
from ..layouts.cloudsen12 import CLOUDSEN12
from ..storage.discovery import split_name
from .scene import SIDE, SKIES, VALID, Scene, draw

_PATCHES = MappingProxyType({"train": 8, "val": 2, "test": 2})
_ROW_BYTES = 1024  # of metadata.csv; the longest of 10,000 has 597


def synthesize(
    path: str | os.PathLike[str],
    patches: Mapping[str, int] = _PATCHES,
    *,
    seed: int = 0,
    arrays: Sequence[str] | None = None,
    progress: bool = False,
) -> None:
    """Write a data set as CloudSEN12 has it: a folder of flat files per split, and metadata.csv.

    ``patches`` says how many each split has, 24.6 MB each; ``arrays`` which files to write, by
    default all.  Patch k of a split is the same whatever else is written, and no place and no
    satellite scene occurs in two splits.  ``path`` must not exist, and the folder it is to be in
    must; it appears when it is complete, and an error leaves nothing behind.
    """
    counts, bands, seed = _counts(patches), _bands(arrays), check_whole("seed", seed, 0)
    path = Path(path)
    check_new_folder(path)
    n_patches = sum(counts.values())
    n_bytes = n_patches * sum(np.dtype(band.dtype).itemsize * SIDE * SIDE for band in bands)
    with (
        _room_for(n_bytes + n_patches * _ROW_BYTES, path),
        new_folder(path) as root,
        progress_bar(n_bytes, shown=progress, leave=True) as advance,
    ):
        for number, (split, n) in enumerate(counts.items()):
            scenes = (Scene(seed, split, k) for k in range(n))
            describe = partial(_row, split=split, number=number, n_splits=len(counts))
            _write_split(root / split, scenes, describe, bands, advance)


# ---- what is asked for ---------------------------------------------------------------------------


def _counts(patches: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(patches, Mapping) or not patches:
        raise RequestError(
            f"patches={patches!r}; a number for each split is needed: {{'train': 8}}"
        )
    counts = {
        _folder_name(name): check_whole(f"patches[{name!r}]", n, 1) for name, n in patches.items()
    }
    seen: dict[str, str] = {}
    for name in counts:
        if seen.setdefault(split_name(name), name) != name:
            raise RequestError(f"{name!r} and {seen[split_name(name)]!r} name the same split")
    return counts


def _folder_name(name: object) -> str:
    """The name itself; RequestError where it could be a path, hidden, or nothing at all."""
    if isinstance(name, str) and name.isprintable() and re.fullmatch(r"(?!\.)[^/\\]+", name):
        return name
    raise RequestError(f"no split can be called {name!r}; the name of a folder is needed")


def _bands(arrays: Sequence[str] | None) -> list[Band]:
    """The arrays of these names, in the layout's order."""
    if arrays is None:
        return list(CLOUDSEN12.bands)
    if isinstance(arrays, str) or not len(arrays):
        raise RequestError(f"arrays={arrays!r}; a sequence of names is needed, or None for all")
    names = [band.name for band in CLOUDSEN12.bands]
    if unknown := [name for name in arrays if name not in names]:
        raise RequestError(f"no array {unknown[0]!r}; {CLOUDSEN12.name} has {', '.join(names)}")
    return [band for band in CLOUDSEN12.bands if band.name in arrays]


# ---- writing -------------------------------------------------------------------------------------


@contextmanager
def _room_for(n_bytes: int, path: Path) -> Iterator[None]:
    """Say how much is needed where the disk is too full, before or while it is written to."""
    free = shutil.disk_usage(path.parent).free
    if free < n_bytes:
        raise OSError(errno.ENOSPC, f"{n_bytes:,} bytes are needed; {free:,} are free", str(path))
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = f"{n_bytes:,} bytes are needed; the disk was full before, and nothing is kept"
        raise OSError(error.errno, why, str(path)) from error


def _write_split(
    folder: Path,
    scenes: Iterable["Scene"],
    describe: Callable[["Scene"], dict[str, Any]],
    bands: Sequence[Band],
    advance: Callable[[int], object],
) -> None:
    folder.mkdir()
    planes = {
        band.dtype: np.empty((SIDE, SIDE), np.dtype(band.dtype).newbyteorder("<")) for band in bands
    }
    rows = []
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / f"{band.name}.dat", "wb")) for band in bands]
        for scene in scenes:
            rows.append(describe(scene))
            for band, file in zip(bands, files, strict=True):
                plane = planes[band.dtype]
                draw(scene, band.name, plane)
                file.write(plane.data)
                advance(plane.nbytes)
    with open(folder / "metadata.csv", "w", encoding="utf-8", newline="") as text:
        table = csv.DictWriter(text, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


# ---- metadata.csv --------------------------------------------------------------------------------


def _row(scene: Scene, split: str, number: int, n_splits: int) -> dict[str, Any]:
    """The row of a patch of split ``number``, in the order of the release's columns."""
    # Places come in pairs, each pair with a tile that no other split has.
    pair = scene.place // 2 * n_splits + number
    zone, belt, tile = _tile(pair)
    day, height, tilt = scene.numbers("when", scene.scene, 3)
    who, hard = scene.numbers("annotator", scene.patch, 2)
    # A fifth of 2018-2020 for each date, and half of that for each place of the pair, so that
    # the two meet in the scene they share and in no other.
    half = scene.scene // len(SKIES) % 2
    days = scene.date * 2 % 5 * 219 + half * 109 + int(day * 109)
    seen = datetime(2018, 1, 1, 10, 30, 31) + timedelta(days, pair % 1800)
    radar = seen + timedelta(days=1, hours=7)
    when, radar_when = f"{seen:%Y%m%dT%H%M%S}", f"{radar:%Y%m%dT%H%M%S}"
    made = f"{seen + timedelta(hours=4, minutes=11):%Y%m%dT%H%M%S}"
    orbit = f"{20000 + days:06d}_{150000 + pair:06X}_{scene.patch:04X}"
    return {
        "index": 1000 + 7 * ((scene.patch ^ 3) * n_splits + number),
        "annotator_name": f"annotator_{int(who * 14) + 1:02d}",
        "roi_id": f"ROI_{1 + scene.place % 2 + 2 * pair:04d}",
        "s2_id_gee": f"{when}_{made}_{tile}",
        "s2_id": f"S2{'AB'[days % 2]}_MSIL1C_{when}_N0207_R{pair % 143 + 1:03d}_{tile}_{made}",
        "s2_date": f"{seen:%Y-%m-%d}",
        "s2_sen2cor_version": "2.8.0",
        "s2_fmask_version": "4.3.0",
        "s2_cloudless_version": "1.5.0",
        "s2_reflectance_conversion_correction": f"{0.967 + 0.066 * day:.12f}",
        "s2_aot_retrieval_accuracy": "0.0",
        "s2_water_vapour_retrieval_accuracy": "0.0",
        "s2_view_off_nadir": f"{tilt * 11:.6f}",
        "s2_view_sun_azimuth": f"{scene.azimuth / 100 - 180:.2f}",
        "s2_view_sun_elevation": f"{28 + 40 * height:.6f}",
        "s1_id": f"S1A_IW_GRDH_1SDV_{radar_when}_{radar_when}_{orbit}",
        "s1_date": f"{radar:%Y-%m-%d}",
        "s1_grd_post_processing_software_name": "Sentinel-1 IPF",
        "s1_grd_post_processing_software_version": "002.91",
        "s1_slc_processing_facility_name": "Copernicus S1 Core Ground Segment - DPA",
        "s1_slc_processing_software_version": "002.91",
        "s1_radar_coverage": f"{1 - scene.gap / VALID.width:.6f}",
        "land_cover": (20, 30, 40, 50, 60, 90, 111, 126)[scene.place % 8],
        "label_type": "high",
        "cloud_coverage": scene.sky,
        "test": int(split == "test"),
        "difficulty": "" if scene.patch % 4 == 2 else 1 + int(hard * 5),
        **_footprint(scene, zone, belt),
        "test_sr": 0,
    }


def _tile(pair: int) -> tuple[int, int, str]:
    """UTM zone, belt of eight degrees from 40 degrees south, and name of a pair's own tile."""
    belts = "HJKLMNPQRSTUV"
    columns, rows = "ABCDEFGHJKLMNPQRSTUVWXYZ", "ABCDEFGHJKLMNPQRSTUV"
    squares = len(columns) * len(rows)
    # 155,921 and the number of tiles have no common factor: every pair has its own tile, and
    # neighbours in number are far apart on Earth.
    belt_zone, square = divmod(pair * 155_921 % (60 * len(belts) * squares), squares)
    belt, zone = divmod(belt_zone, 60)
    column, row = divmod(square, len(rows))
    return zone + 1, belt, f"T{zone + 1:02d}{belts[belt]}{columns[column]}{rows[row]}"


def _footprint(scene: Scene, zone: int, belt: int) -> dict[str, Any]:
    """Where a place lies, near the middle of its zone and belt."""
    east, north = (10 * int(part * 6000) for part in scene.numbers("where", scene.place, 2))
    south, extent = -36 + 8 * belt + north / 110_574, 10 * VALID.height
    # Metres in a degree of longitude; near enough to the cosine, and the same on every machine.
    degree = 111_320 * (1 - (south / 90) ** 2)
    west = 6 * zone - 183 + east / degree
    end, top = west + extent / degree, south + extent / 110_574
    corners = ((west, south), (end, south), (end, top), (west, top), (west, south))
    upper = int(top * 11_057.4) * 10 + (10_000_000 if south < 0 else 0)
    return {
        "proj_epsg": (32600 if south >= 0 else 32700) + zone,
        "proj_geometry": f"POLYGON (({', '.join(f'{x:.6f} {y:.6f}' for x, y in corners)}))",
        "proj_shape": VALID.height,
        "proj_centroid": f"POINT ({(west + end) / 2:.6f} {(south + top) / 2:.6f})",
        "proj_transform": f"[10, 0, {500_000 + east}, 0, -10, {upper}]",
    }
