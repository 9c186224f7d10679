"""The rows of metadata.csv of a synthetic data set."""

from datetime import datetime, timedelta
from typing import Any

from .scene import SKIES, VALID, Scene

#: Bytes of a row, at most; the longest of 10,000 has 597.
ROW_BYTES = 1024


def describe_patch(scene: Scene, split: str, number: int, n_splits: int) -> dict[str, Any]:
    """Return the row of a patch of split ``number``, in the order of the release's columns."""
    # Places come in pairs, each pair with a tile that no other split has.
    pair = scene.place // 2 * n_splits + number
    zone, belt, tile = _tile(pair)
    day, height, tilt = scene.random.numbers("when", scene.scene, 3)
    annotator, hard = scene.random.numbers("annotator", scene.patch, 2)
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
        "annotator_name": f"annotator_{int(annotator * 14) + 1:02d}",
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
    """Return UTM zone, belt of 8 degrees from 40 degrees south, and name of a pair's own tile."""
    belts = "HJKLMNPQRSTUV"
    columns, rows = "ABCDEFGHJKLMNPQRSTUVWXYZ", "ABCDEFGHJKLMNPQRSTUV"
    squares = len(columns) * len(rows)
    # 155,921 and the number of tiles have no common factor: every pair has its own tile, and
    # neighbors in number are far apart on Earth.
    belt_zone, square = divmod(pair * 155_921 % (60 * len(belts) * squares), squares)
    belt, zone = divmod(belt_zone, 60)
    column, row = divmod(square, len(rows))
    return zone + 1, belt, f"T{zone + 1:02d}{belts[belt]}{columns[column]}{rows[row]}"


def _footprint(scene: Scene, zone: int, belt: int) -> dict[str, Any]:
    """Return where a place lies, near the middle of its zone and belt."""
    east, north = (10 * int(part * 6000) for part in scene.random.numbers("where", scene.place, 2))
    south, extent = -36 + 8 * belt + north / 110_574, 10 * VALID.height
    # Meters in a degree of longitude; near enough to the cosine, and the same on every machine.
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
