"""Scenes that have been cut into tiles: which tiles each has, and which tile has a pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._utils.text import counted, listed, shown
from ...errors import LayoutError, RequestError
from ...layouts.band import Window
from ..decoders.georeference import Georeference, Transform
from .contents import Content
from .patches import Patches
from .places import Place

COLUMNS = "scene", "scene_row", "scene_col", "scene_height", "scene_width"
# How far the corners of a scene may lie apart that follow from its tiles, in pixels.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Scene:
    """A scene of (height, width): its tiles, and the pixel of the scene where each begins.

    ``tiles`` are numbers of patches, in their order; ``corners`` (tile, 2) are row and column.
    """

    name: str
    shape: tuple[int, int]
    tiles: np.ndarray
    corners: np.ndarray
    place: Georeference


@dataclass(frozen=True)
class Tiling:
    """What each tile of a scene has of it: the rectangle top, left, bottom, right (tile, 4).

    Tiles may stick out of the scene.
    """

    shape: tuple[int, int]
    edges: np.ndarray

    @classmethod
    def of(cls, scene: Scene, content: Content) -> "Tiling":
        """Return the tiling of what is written of each tile."""
        windows = [content.pixels.window(int(k)) for k in scene.tiles]
        corners = scene.corners + np.array([(w.row, w.col) for w in windows])
        sizes = np.array([w.size for w in windows])
        return cls(scene.shape, np.hstack([corners, corners + sizes]))

    def within(self, block: Window) -> np.ndarray:
        """Return the tiles that have pixels of a block."""
        top, left, bottom, right = self.edges.T
        return np.flatnonzero(
            (top < block.row + block.height)
            & (bottom > block.row)
            & (left < block.col + block.width)
            & (right > block.col)
        )

    def owners(self, block: Window, tiles: np.ndarray) -> np.ndarray:
        """Return the tile of each pixel of a block, (row, column), -1 where there is none.

        It is the one whose center is the nearest, of several the first.
        """
        owners = np.full(block.size, -1)
        nearest = np.full(block.size, np.iinfo(np.int64).max)
        # In half pixels, so that all are whole numbers.
        rows = 2 * np.arange(block.row, block.row + block.height) + 1
        cols = 2 * np.arange(block.col, block.col + block.width) + 1
        for tile in tiles.tolist():
            top, left, bottom, right = self.edges[tile].tolist()
            part = np.s_[
                max(top - block.row, 0) : bottom - block.row,
                max(left - block.col, 0) : right - block.col,
            ]
            down, across = (rows[part[0]] - top - bottom) ** 2, (cols[part[1]] - left - right) ** 2
            distance = down[:, None] + across
            closer = distance < nearest[part]
            np.copyto(nearest[part], distance, where=closer)
            np.copyto(owners[part], tile, where=closer)
        return owners

    @property
    def n_uncovered(self) -> int:
        """The number of pixels of the scene that no tile has."""
        height, width = self.shape
        edges = np.clip(self.edges, 0, [height, width, height, width])
        ys = np.unique([0, height, *edges[:, 0], *edges[:, 2]])
        xs = np.unique([0, width, *edges[:, 1], *edges[:, 3]])
        is_covered = np.zeros((len(ys) - 1, len(xs) - 1), bool)
        rows, cols = np.searchsorted(ys, edges[:, ::2]), np.searchsorted(xs, edges[:, 1::2])
        for (top, bottom), (left, right) in zip(rows.tolist(), cols.tolist(), strict=True):
            is_covered[top:bottom, left:right] = True
        areas = np.diff(ys)[:, None] * np.diff(xs)
        return int(areas[~is_covered].sum())


def find_scenes(patches: Patches, places: Sequence[Place]) -> list[Scene]:
    """Return the scenes of all patches, in the order of their first tiles.

    RequestError if a patch is of no scene; LayoutError if tiles of a scene disagree.
    """
    tiles: dict[str, list[int]] = {}
    for k in range(len(patches)):
        name = patches.text(k, "scene")
        if not name:
            raise RequestError(_no_scene(patches, k))
        tiles.setdefault(name, []).append(k)
    return [_scene(name, ks, patches, places) for name, ks in tiles.items()]


def _no_scene(patches: Patches, k: int) -> str:
    missing = [name for name in COLUMNS if not patches.text(k, name)]
    return (
        f"{patches.csv(k)} has no {listed(missing)} of patch {patches.rows[k]}, and a mosaic needs "
        "them: they are its place in a scene, as pack writes it for tiles. Write a GeoTIFF for "
        "each patch, and join these with gdalbuildvrt or rio merge"
    )


def _scene(name: str, tiles: Sequence[int], patches: Patches, places: Sequence[Place]) -> Scene:
    """Return a scene, after a check that its tiles agree."""
    shapes, corners = [], []
    for k in tiles:
        row, col, height, width = (_whole(patches, k, column) for column in COLUMNS[1:])
        shapes.append((height, width))
        corners.append((row, col))
        if min(height, width) < 1 or not (row < height and col < width):
            raise patches.error(
                k, f"begins at row {row}, column {col} of a scene of {height} x {width}"
            )
    first: dict[tuple[int, int], int] = {}
    for k, shape, corner in zip(tiles, shapes, corners, strict=True):
        if shape != shapes[0]:
            is_, was = (f"{height} x {width}" for height, width in (shape, shapes[0]))
            raise _disagree(patches, name, k, tiles[0], f"says that it has {is_}", was)
        if (other := first.setdefault(corner, k)) != k:
            raise _disagree(patches, name, k, other, "begins at the same row and column", "")
    place = _place_of_scene(name, tiles, corners, patches, places)
    return Scene(name, shapes[0], np.array(tiles), np.array(corners), place)


def _whole(patches: Patches, k: int, column: str) -> int:
    text = patches.text(k, column)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise patches.error(
            k,
            f"has {column} {shown(text)}; it must be a whole number, 0 or more, as pack writes it",
        )
    return int(text)


def _disagree(patches: Patches, name: str, k: int, other: int, what: str, was: str) -> LayoutError:
    found = f"{patches.csv(other)} patch {patches.rows[other]}"
    return patches.error(
        k,
        f"of the scene {name} {what}; {found} "
        + (f"says {was}" if was else "does too")
        + ". Choose tiles of one scene only: index=, split=, or Dataset.subset",
    )


def _place_of_scene(
    name: str,
    tiles: Sequence[int],
    corners: Sequence[tuple[int, int]],
    patches: Patches,
    places: Sequence[Place],
) -> Georeference:
    """Return the georeference of a scene, from that of the tile that is nearest its corner."""
    first = min(range(len(tiles)), key=lambda k: (sum(corners[k]), k))
    found = _corner(places[tiles[first]], corners[first])
    for k, corner in zip(tiles, corners, strict=True):
        own = _corner(places[k], corner)
        if own.crs != found.crs:
            raise _disagree(
                patches, name, k, tiles[first], f"has crs {shown(own.crs)}", shown(found.crs)
            )
        if not _agree(own.transform, found.transform):
            raise _disagree(
                patches,
                name,
                k,
                tiles[first],
                f"has a geotransform by which it begins at {_origin(own.transform)}",
                _origin(found.transform),
            )
    return found


def _corner(place: Place, corner: tuple[int, int]) -> Georeference:
    """Return the georeference of the scene of which a patch begins at a row and column."""
    return place.at(-corner[0], -corner[1])


def _agree(own: Transform | None, other: Transform | None) -> bool:
    if own is None or other is None:
        return own is other
    sides = own[1:3] + own[4:], other[1:3] + other[4:]
    side = max(map(abs, sides[1]))
    if any(abs(a - b) > 1e-9 * side for a, b in zip(*sides, strict=True)):
        return False
    # Coordinates are doubles: in degrees a pixel may be few of their steps.
    return all(
        abs(own[k] - other[k]) <= _TOLERANCE * side + 8 * np.spacing(abs(other[k])) for k in (0, 3)
    )


def _origin(transform: Transform | None) -> str:
    if transform is None:
        return "no place"
    return f"({transform[0]!r}, {transform[3]!r}), with pixels of {transform[1]!r}"


def check_covered(scenes: Sequence[Scene], contents: Sequence[Content], path: Path) -> None:
    """Raise RequestError if pixels that no tile has could be no number."""
    for content in contents:
        if content.nodata is not None:
            continue
        for scene in scenes:
            if n := Tiling.of(scene, content).n_uncovered:
                height, width = scene.shape
                raise RequestError(
                    f"{path}: {counted(n, 'pixel')} of the {height} x {width} of scene "
                    f"{scene.name} are in no tile, and {listed(content.channels)} has no number "
                    "for no data; give nodata="
                )
