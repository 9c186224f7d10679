"""The files are written: one job for each patch or scene, all of them in a new folder."""

import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import numpy as np

from ..._utils.paths import free_bytes
from ..._utils.progress import Advance
from ...errors import CloudioError, write_error
from ..ahead import in_order
from ..decoders.georeference import Georeference
from ..decoders.packages import gdal_reason
from .contents import Content
from .geotiff import TiffOptions, encode, open_scene, scene_file
from .mosaic import assemble, blocks_of, slices_of
from .scenes import Scene, Tiling

Job = TypeVar("Job")
Done = TypeVar("Done")
# Free bytes that are as good as none.
_NOTHING = 1 << 20


@dataclass(frozen=True)
class Target:
    """Where files go: the folder that is being made, and the one that it becomes."""

    folder: Path
    dest: Path

    def write(self, name: str, content: bytes) -> None:
        """Write a file; WriteError, which names it, if the system refuses."""
        with self.errors(name), open(self.folder / name, "xb") as file:
            file.write(content)

    @contextmanager
    def errors(self, name: str) -> Iterator[None]:
        """Make errors in the block WriteErrors about a file, also those of GDAL."""
        try:
            yield
        except (CloudioError, MemoryError):
            raise
        except Exception as error:
            code, reason = self._describe(error)
            raise write_error(code, f"cannot be written: {reason}", self.dest / name) from None

    def _describe(self, error: Exception) -> tuple[int, str]:
        """Return the system's number of an error, and what it says."""
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno, error.strerror or str(error)
        free = free_bytes(self.folder)
        if free is not None and free < _NOTHING:
            return errno.ENOSPC, os.strerror(errno.ENOSPC)
        return errno.EIO, gdal_reason(error)


def check_room(dest: Path, n_bytes: int, *, about: bool) -> None:
    """Raise WriteError if the disk is too full; ``about``: the files may be smaller."""
    free = free_bytes(dest.parent)
    if free is not None and free < (n_bytes // 2 if about else n_bytes):
        some = "about " if about else ""
        why = f"the disk is too full: {some}{n_bytes:,} bytes are needed, {free:,} are free"
        raise write_error(errno.ENOSPC, f"cannot be written: {why}", dest)


# ---- patches -------------------------------------------------------------------------------------


def npy_bytes(content: Content, pixels: np.ndarray) -> bytes:
    """Return a .npy file: (channel, row, column) of an image, (row, column) of a label."""
    file = io.BytesIO()
    np.save(file, pixels if content.is_image else pixels[0], allow_pickle=False)
    return file.getvalue()


def write_patch(
    target: Target,
    stem: str,
    k: int,
    contents: Sequence[Content],
    places: Sequence[Georeference],
    options: TiffOptions | None,
) -> list[tuple[str, int]]:
    """Write the files of patch k; return their names and bytes.

    ``places`` has that of each file.  Without ``options`` they are .npy files.
    """
    done = []
    for content, place in zip(contents, places, strict=True):
        name = f"{stem}{content.suffix}.{'npy' if options is None else 'tif'}"
        pixels = content.read(k)
        with target.errors(name):
            file = (
                npy_bytes(content, pixels)
                if options is None
                else encode(content, pixels, place, options)
            )
        target.write(name, file)
        done.append((name, len(file)))
    return done


# ---- scenes --------------------------------------------------------------------------------------


def write_scene(
    target: Target,
    stem: str,
    scene: Scene,
    contents: Sequence[Content],
    options: TiffOptions,
    n_threads: int,
    advance: Advance,
) -> list[tuple[str, int]]:
    """Write the files of a scene block by block; return their names and bytes."""
    done = []
    for content in contents:
        name = f"{stem}{content.suffix}.tif"
        path, tiling = target.folder / name, Tiling.of(scene, content)
        with (
            target.errors(name),
            scene_file(path, content, scene.shape, scene.place, options, n_threads) as file,
        ):
            checksums = []
            for block in blocks_of(scene.shape):
                pixels = assemble(scene, content, tiling, block)
                checksums.append(crc32(pixels.data))
                file.write(pixels, window=slices_of(block))
                advance(1)
        with target.errors(name):
            _check_written(path, scene, checksums)
        done.append((name, path.stat().st_size))
    return done


def _check_written(path: Path, scene: Scene, checksums: Sequence[int]) -> None:
    """Raise an OSError if a file has not the blocks with these checksums.

    GDAL does not report every error of the disk, and none of its own threads.
    """
    try:
        with open_scene(path) as file:
            is_whole = all(
                crc32(file.read(window=slices_of(block)).data) == checksum
                for block, checksum in zip(blocks_of(scene.shape), checksums, strict=True)
            )
    except MemoryError:
        raise
    except Exception:  # RasterioErrors, and GDAL's own of a class that is private
        is_whole = False
    if not is_whole:
        raise OSError("parts of it did not reach the disk, which may be full or failing")


# ---- workers -------------------------------------------------------------------------------------


def run_all(jobs: Iterable[Job], work: Callable[[Job], Done], workers: int) -> Iterator[Done]:
    """Yield what ``work`` returns of each job, in their order.

    After an error, or an interrupt, jobs that have not begun do not begin, and the others end.
    """
    if workers == 1:
        yield from map(work, jobs)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cloudio-unpack")
    try:
        yield from in_order(lambda job: pool.submit(work, job), jobs, 4 * workers + 1)
    finally:
        pool.shutdown(cancel_futures=True)
