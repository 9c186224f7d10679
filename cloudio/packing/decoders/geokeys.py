"""What TIFF tags say of the ground, without GDAL: transform, reference system, and bands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

from ...errors import LayoutError
from .georeference import Georeference, Transform, transform_or_none

_PIXEL_IS_POINT = 2
_OWN_SYSTEM = 32767
_CODES = range(1024, _OWN_SYSTEM)
_ESCAPES = {"&quot;": '"', "&apos;": "'"}
_MOST_METADATA = 1 << 20


def georeference_of(path: Path, keys: Mapping[str, Any]) -> Georeference:
    """Return the reference system and the transform that the GeoTIFF keys of a file give."""
    return Georeference(_crs_of(path, keys), _transform_of(keys))


def _transform_of(keys: Mapping[str, Any]) -> Transform | None:
    """Return a transform as GDAL reads it; None if there is none, or if it is control points."""
    matrix: Sequence[float] | None = keys.get("ModelTransformation")
    scale: Sequence[float] | None = keys.get("ModelPixelScale")
    points: Sequence[float] | None = keys.get("ModelTiepoint")
    if scale is not None and points is not None and len(points) >= 6:
        col, row, _, x, y, _ = map(float, points[:6])
        dx, dy = float(scale[0]), -abs(float(scale[1]))
        x0, rx, y0, ry = x - col * dx, 0.0, y - row * dy, 0.0
    elif matrix is not None:
        flat = list(map(float, matrix))
        dx, rx, x0, ry, dy, y0 = flat[0], flat[1], flat[3], flat[4], flat[5], flat[7]
    else:
        return None
    if keys.get("GTRasterTypeGeoKey") == _PIXEL_IS_POINT:  # the point is the pixel's center
        x0, y0 = x0 - (dx * 0.5 + rx * 0.5), y0 - (ry * 0.5 + dy * 0.5)
    return transform_or_none((x0, dx, rx, y0, ry, dy))


def _crs_of(path: Path, keys: Mapping[str, Any]) -> str | None:
    projected, geographic = keys.get("ProjectedCSTypeGeoKey"), keys.get("GeographicTypeGeoKey")
    if projected is None and geographic is None and keys.get("GTModelTypeGeoKey") is None:
        return None
    code = geographic if projected is None else projected
    if code is not None and int(code) in _CODES and "VerticalCSTypeGeoKey" not in keys:
        return f"EPSG:{int(code)}"
    reason = "has a reference system without a number, which rasterio reads: pip install rasterio"
    raise LayoutError.about(path, f"{reason}, or 'cloudio[rasterio]'")


def metadata_items(text: str | None) -> dict[int | None, dict[str, str]]:
    """Return what the tag GDAL_METADATA says: band from 0, or None for the file -> name -> text.

    The name is the role of what GDAL knows, such as "scale"; else "domain:name".
    """
    found: dict[int | None, dict[str, str]] = {}
    # Without declarations of entities, which can grow without end.
    if not text or len(text) > _MOST_METADATA or "<!" in text:
        return found
    try:
        items = list(ElementTree.fromstring(text.rstrip("\0 \n")).iter("Item"))
    except ElementTree.ParseError:
        return found
    for item in items:
        sample, domain = item.get("sample"), item.get("domain")
        name = item.get("role") or f"{domain + ':' if domain else ''}{item.get('name', '')}"
        if sample is None or sample.isdecimal():
            band = None if sample is None else int(sample)
            # GDAL escapes the text, and then what it writes.
            found.setdefault(band, {})[name] = unescape(item.text or "", _ESCAPES)
    return found
