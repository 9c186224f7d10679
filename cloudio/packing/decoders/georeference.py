"""Where an image lies on the ground, and when it was taken: columns of metadata.csv."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

#: x0, dx, rx, y0, ry, dy, as GDAL orders them: x = x0 + column * dx + row * rx, and
#: y = y0 + column * ry + row * dy.
Transform = tuple[float, float, float, float, float, float]
IDENTITY: Transform = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

# Tags that say when an image was taken, the surest first.  TIFF's own is the date of the file,
# which products set to that of the image.
_DATE_TAGS = (
    "ACQUISITIONDATETIME",
    "ACQUISITION_DATETIME",
    "ACQUISITION_DATE",
    "ACQUISITION_TIME",
    "DATE_ACQUIRED",
    "SENSING_TIME",
    "DATETIME",
    "TIFFTAG_DATETIME",
)
# "2020:06:25 10:20:30" of TIFF and EXIF.
_TIFF_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d)(?: (\d\d:\d\d:\d\d))?")


@dataclass(frozen=True, slots=True)
class Georeference:
    """The coordinate reference system as text, and the transform; None where a file has none."""

    crs: str | None = None
    transform: Transform | None = None

    def moved(self, row: int, col: int) -> "Georeference":
        """Return that of a window whose first pixel is (row, col)."""
        if self.transform is None:
            return self
        x0, dx, rx, y0, ry, dy = self.transform
        moved = (x0 + col * dx + row * rx, dx, rx, y0 + col * ry + row * dy, ry, dy)
        return Georeference(self.crs, moved)

    def refined(self, factor: int) -> "Georeference":
        """Return that of a grid on which each pixel is ``factor`` x ``factor`` pixels."""
        if self.transform is None or factor == 1:
            return self
        x0, dx, rx, y0, ry, dy = self.transform
        fine = (x0, dx / factor, rx / factor, y0, ry / factor, dy / factor)
        return Georeference(self.crs, fine)

    def attributes(self, height: int, width: int) -> dict[str, object]:
        """Return the columns crs, geotransform, left, bottom, right and top of an image."""
        found: dict[str, object] = {}
        if self.crs is not None:
            found["crs"] = self.crs
        if self.transform is not None:
            found["geotransform"] = " ".join(repr(float(x) + 0.0) for x in self.transform)
            x0, dx, rx, y0, ry, dy = self.transform
            corners = [(0, 0), (0, width), (height, 0), (height, width)]
            xs = [x0 + col * dx + row * rx for row, col in corners]
            ys = [y0 + col * ry + row * dy for row, col in corners]
            found |= {"left": min(xs), "bottom": min(ys), "right": max(xs), "top": max(ys)}
        return found


def transform_or_none(values: Iterable[float]) -> Transform | None:
    """Return six numbers in GDAL's order; None for the identity, which says nothing."""
    x0, dx, rx, y0, ry, dy = map(float, values)
    transform = (x0, dx, rx, y0, ry, dy)
    return None if transform == IDENTITY else transform


def date_of(tags: Mapping[str, object]) -> str | None:
    """Return the date in ISO form that tags of an image give; None if none does."""
    if not tags:
        return None
    known = {name.upper(): value for name, value in tags.items()}
    for name in _DATE_TAGS:
        if name in known and (found := iso_date(str(known[name]))) is not None:
            return found
    return None


def iso_date(text: str) -> str | None:
    """Return a date or time in ISO form, times with a zone in UTC; None if it is neither."""
    text = text.strip().rstrip("\0")
    if match := _TIFF_DATE.fullmatch(text):
        year, month, day, time = match.groups()
        text = f"{year}-{month}-{day}" + (f"T{time}" if time else "")
    try:
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return moment.isoformat()
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
