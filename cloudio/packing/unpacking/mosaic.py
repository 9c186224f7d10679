"""Scenes are written block by block, from their tiles."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...layouts.band import Window
from .contents import Content
from .scenes import Scene, Tiling

#: Rows and columns that are put together at a time, a multiple of those of a tile of a GeoTIFF.
BLOCK = 512


def blocks_of(shape: tuple[int, int]) -> Iterator[Window]:
    """Yield the blocks of a scene, row by row."""
    height, width = shape
    for row in range(0, height, BLOCK):
        for col in range(0, width, BLOCK):
            yield Window(row, col, min(BLOCK, height - row), min(BLOCK, width - col))


def slices_of(block: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns of a block, as rasterio takes them."""
    return (block.row, block.row + block.height), (block.col, block.col + block.width)


def n_blocks(shape: tuple[int, int]) -> int:
    """Return how many blocks a scene has."""
    height, width = shape
    return -(-height // BLOCK) * -(-width // BLOCK)


def assemble(scene: Scene, content: Content, tiling: Tiling, block: Window) -> np.ndarray:
    """Return the pixels of a block, (channel, row, column).

    Each is that of the tile whose center is the nearest, or no data.
    """
    fill: Any = 0 if content.nodata is None else content.nodata
    pixels = np.full((len(content.channels), *block.size), fill, content.dtype)
    tiles = tiling.within(block)
    owners = tiling.owners(block, tiles)
    for tile in tiles.tolist():
        is_own = owners == tile
        rows, cols = np.flatnonzero(is_own.any(axis=1)), np.flatnonzero(is_own.any(axis=0))
        if not len(rows):
            continue
        row, col = int(rows[0]), int(cols[0])
        height, width = int(rows[-1]) + 1 - row, int(cols[-1]) + 1 - col
        top, left = tiling.edges[tile, :2].tolist()
        part = Window(block.row + row - top, block.col + col - left, height, width)
        found = content.pixels.read(int(scene.tiles[tile]), part)
        target = pixels[:, row : row + height, col : col + width]
        np.copyto(target, found, where=is_own[row : row + height, col : col + width])
    return pixels
