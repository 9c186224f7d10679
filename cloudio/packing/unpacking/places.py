"""Where patches lie on the ground, from columns of metadata.csv."""

import json
import math
import re
from dataclasses import dataclass

from ..._utils.text import shown
from ..decoders.georeference import Georeference, Transform
from .patches import Patches


@dataclass(frozen=True, slots=True)
class Place:
    """A georeference, and the pixel of the stored patch that its first pixel is."""

    georeference: Georeference
    row: int = 0
    col: int = 0

    def at(self, row: int, col: int) -> Georeference:
        """Return the georeference of a window of the patch that begins at (row, col)."""
        return self.georeference.moved(row - self.row, col - self.col)


class Places:
    """The places of patches.

    Columns ``crs`` and ``geotransform`` as `pack` writes them are those of the stored patch.
    Without them ``proj:epsg``, ``proj:transform`` and ``proj:shape`` of STAC are taken, also with
    ``_`` for the colon.  They are those of the valid window, unless the shape is that of the
    patch.
    """

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        layout = patches.ds.layout
        self._patch, self._valid = layout.patch, layout.valid

    def __getitem__(self, k: int) -> Place:
        """Return the place of patch k; LayoutError if a column is wrong."""
        patches = self._patches
        text, column = self._text(k, "geotransform"), "geotransform"
        row = col = 0
        if text:
            transform = _gdal_transform(text)
        else:
            text, column = self._stac(k, "transform")
            transform = _stac_transform(text)
            if text:
                row, col = self._corner(k)
        if text and transform is None:
            wanted = "six numbers, x0 dx rx y0 ry dy" if column == "geotransform" else "[a, b, ...]"
            raise patches.error(k, f"has {column} {shown(text)}; it must be {wanted}")
        if transform is not None and not _has_area(transform):
            raise patches.error(k, f"has {column} {shown(text)}, whose pixels have no area")
        return Place(Georeference(self._crs(k), transform), row, col)

    def _crs(self, k: int) -> str | None:
        if text := self._text(k, "crs"):
            return text
        text, column = self._stac(k, "epsg")
        if not text:
            text, column = self._stac(k, "code")
        if not text:
            return None
        found = re.fullmatch(r"(?:EPSG:)?(\d{1,9})(?:\.0)?", text, re.IGNORECASE)
        if found is None:
            raise self._patches.error(k, f"has {column} {shown(text)}; it must be an EPSG code")
        return f"EPSG:{found[1]}"

    def _corner(self, k: int) -> tuple[int, int]:
        """Return the pixel of the patch at which a STAC transform begins."""
        valid = self._valid
        text, column = self._stac(k, "shape")
        sides = [int(x) for x in re.findall(r"\d{1,9}", text)]
        shape = (sides * 2)[:2] if len(sides) == 1 else sides
        if not text or shape == [*valid.size]:
            return valid.row, valid.col
        if shape != [*self._patch]:
            (height, width), (rows, cols) = self._patch, valid.size
            raise self._patches.error(
                k,
                f"has {column} {shown(text)}, and its transform is of so many pixels; it must be "
                f"that of the stored patch, {height} x {width}, or of its valid window, {rows} x "
                f"{cols}",
            )
        return 0, 0

    def _text(self, k: int, name: str) -> str:
        return self._patches.text(k, name)

    def _stac(self, k: int, name: str) -> tuple[str, str]:
        """Return a field of STAC's projection, and the name of its column."""
        for column in (f"proj:{name}", f"proj_{name}"):
            if text := self._text(k, column):
                return text, column
        return "", ""


def _gdal_transform(text: str) -> Transform | None:
    """Return six numbers that spaces or commas separate; None if it is something else."""
    return _six(re.split(r"[\s,]+", text.strip("[]() ")))


def _stac_transform(text: str) -> Transform | None:
    """Return a transform whose rows are written one after the other; None if it is none.

    The last row, [0, 0, 1], may be missing.
    """
    try:
        numbers = json.loads(text)
    except ValueError:
        numbers = re.split(r"[\s,]+", text.strip("[]() "))
    if not isinstance(numbers, list):
        return None
    if len(numbers) == 9 and [str(x) for x in numbers[6:]] in (
        ["0", "0", "1"],
        ["0.0"] * 2 + ["1.0"],
    ):
        numbers = numbers[:6]
    found = _six(numbers)
    if found is None:
        return None
    dx, rx, x0, ry, dy, y0 = found
    return x0, dx, rx, y0, ry, dy


def _six(numbers: list[object]) -> Transform | None:
    try:
        a, b, c, d, e, f = (float(str(x)) for x in numbers)
    except ValueError:
        return None
    found = a, b, c, d, e, f
    return found if all(map(math.isfinite, found)) else None


def _has_area(transform: Transform) -> bool:
    _, dx, rx, _, ry, dy = transform
    return dx * dy - rx * ry != 0
