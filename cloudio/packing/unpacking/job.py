"""What is written where: the files of each patch, or of each scene, in a new folder."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._utils.files import new_folder
from ..._utils.progress import progress_bar
from ...errors import RequestError
from ..decoders.georeference import Georeference
from .contents import Content
from .geotiff import TiffOptions, encode, parse_crs
from .mosaic import n_blocks
from .names import distinct, patch_stems, scene_stems
from .patches import Patches
from .places import Place, Places
from .result import UnpackResult
from .scenes import check_covered, find_scenes
from .writing import Target, check_room, run_all, write_patch, write_scene

_COLUMNS = "file", "id", "scene_row", "scene_col"
# Patches that are compressed to see how large the files become.
_N_SAMPLED = 3


@dataclass(frozen=True)
class Job:
    """What is written where."""

    dest: Path
    patches: Patches
    contents: tuple[Content, ...]
    options: TiffOptions | None
    workers: int
    progress: bool | None

    @property
    def suffixes(self) -> list[str]:
        return [content.suffix for content in self.contents]

    def write_patches(self) -> UnpackResult:
        """Write the files of each patch."""
        n = len(self.patches)
        places = self._places()
        n_unplaced = sum(_is_unplaced(place.georeference) for place in places)
        stems = self._stems()
        self._check_room(n * sum(c.n_bytes(_n_pixels(c)) for c in self.contents))
        done: list[tuple[str, int]] = []
        with (
            new_folder(self.dest) as folder,
            progress_bar(n, shown=self.progress, in_bytes=False, leave=True) as advance,
        ):
            target = Target(folder, self.dest)

            def write(k: int) -> list[tuple[str, int]]:
                own = [_part(places[k], content, k) for content in self.contents]
                return write_patch(target, stems[k], k, self.contents, own, self.options)

            for parent in {os.path.dirname(stem) for stem in stems}:
                with target.errors(parent):
                    (folder / parent).mkdir()
            for files in run_all(range(n), write, self.workers):
                done += files
                advance(1)
        return self._result(done, 0, n_unplaced)

    def write_scenes(self) -> UnpackResult:
        """Write the files of each scene."""
        options = self.options
        assert options is not None
        scenes = find_scenes(self.patches, self._places())
        check_covered(scenes, self.contents, self.patches.ds.path)
        stems = scene_stems([scene.name for scene in scenes], self.suffixes)
        n_pixels = sum(scene.shape[0] * scene.shape[1] for scene in scenes)
        self._check_room(sum(content.n_bytes(n_pixels) for content in self.contents))
        n_steps = sum(n_blocks(scene.shape) for scene in scenes) * len(self.contents)
        done: list[tuple[str, int]] = []
        with (
            new_folder(self.dest) as folder,
            progress_bar(n_steps, shown=self.progress, in_bytes=False, leave=True) as advance,
        ):
            target = Target(folder, self.dest)
            for stem, scene in zip(stems, scenes, strict=True):
                done += write_scene(
                    target, stem, scene, self.contents, options, self.workers, advance
                )
        n_unplaced = sum(_is_unplaced(scene.place) for scene in scenes)
        return self._result(done, len(scenes), n_unplaced)

    def _places(self) -> list[Place]:
        """Return the place of each patch; LayoutError if one is wrong."""
        found = Places(self.patches)
        places = []
        for k in range(len(self.patches)):
            place = found[k]
            if self.options is not None and place.georeference.crs is not None:
                try:
                    parse_crs(place.georeference.crs)
                except RequestError as error:
                    raise self.patches.error(k, f"has a wrong crs: {error}") from None
            places.append(place)
        return places

    def _stems(self) -> list[str]:
        """Return the path of each patch's files below the folder, without their suffixes."""
        splits = self.patches.ds.stored_splits
        folders = distinct(split.name for split in splits)
        stems = {
            which: patch_stems(
                {name: self.patches.column(which, name) for name in _COLUMNS},
                splits[which].n_patches,
                self.suffixes,
            )
            for which in set(self.patches.which.tolist())
        }
        chosen = zip(self.patches.which.tolist(), self.patches.rows.tolist(), strict=True)
        return [f"{folders[which]}/{stems[which][row]}" for which, row in chosen]

    def _check_room(self, n_bytes: int) -> None:
        """Raise WriteError if the disk is too full for files of pixels of so many bytes."""
        if self.options is None or self.options.compress is None:
            check_room(self.dest, n_bytes, about=False)
            return
        share = 0.0
        for k in {*np.linspace(0, len(self.patches) - 1, _N_SAMPLED).astype(int).tolist()}:
            for content in self.contents:
                pixels = content.read(k)
                size = len(encode(content, pixels, Georeference(), self.options))
                share = max(share, size / pixels.nbytes)
        check_room(self.dest, int(n_bytes * share), about=True)

    def _result(
        self, done: Sequence[tuple[str, int]], n_scenes: int, n_unplaced: int
    ) -> UnpackResult:
        return UnpackResult(
            self.dest,
            tuple(self.dest / name for name, _ in done),
            len(self.patches),
            n_scenes,
            sum(size for _, size in done),
            n_unplaced,
        )


def _part(place: Place, content: Content, k: int) -> Georeference:
    """Return the georeference of what is written of patch k."""
    window = content.pixels.window(k)
    return place.at(window.row, window.col)


def _n_pixels(content: Content) -> int:
    window = content.pixels.window(0)
    return window.height * window.width


def _is_unplaced(place: Georeference) -> bool:
    return place.crs is None or place.transform is None
