"""Arrays whose first axis is the patch, in one HDF5, Zarr, .npz or .npy file, as a source."""

import hashlib
import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..._utils.paths import local_path
from ..._utils.types import FilePath
from ...errors import LayoutError
from ..decoders.containers import Container, open_container
from ..sample import ArrayInfo, Sample, file_state

# Bytes of one array that are decoded at a time and kept.
_MOST_BYTES = 256 << 20
# Samples of a task if no chunk has several of them, and the most.
_TASK_SIZE, _LARGEST_TASK = 8, 4096


@dataclass(frozen=True, slots=True)
class PatchArray:
    """A dataset of a container, and the arrays that its channels are.

    ``axis``: where the channels are; None for (patch, row, column).  ``planes`` are the arrays by
    their channels, of which channels ``first`` to ``last`` are read.  ``dtype`` is the type that
    the numbers have, which may be unsigned where the container has signed ones.  ``block`` patches
    are decoded together.
    """

    dataset: str
    shape: tuple[int, ...]
    axis: Literal["first", "last"] | None
    planes: Mapping[str, int]
    infos: Mapping[str, ArrayInfo]
    dtype: np.dtype[Any]
    block: int
    codes: Mapping[int, str]

    def only(self, names: Sequence[str]) -> "PatchArray | None":
        """Return the dataset with some of its arrays; None if it has none of them."""
        planes = {name: channel for name, channel in self.planes.items() if name in names}
        infos = {name: self.infos[name] for name in planes}
        return replace(self, planes=planes, infos=infos) if planes else None

    @property
    def rest(self) -> tuple[slice, ...]:
        """The part of the axes of an entry that is read."""
        if self.axis is None:
            return ()
        channels = slice(min(self.planes.values()), max(self.planes.values()) + 1)
        return (channels,) if self.axis == "first" else (slice(None), slice(None), channels)

    @property
    def n_together(self) -> int:
        """The patches that are decoded at a time, so that they need no more than `_MOST_BYTES`."""
        entry = math.prod(self.shape[1:]) * self.dtype.itemsize
        return max(1, min(self.block, _MOST_BYTES // max(entry, 1), self.shape[0]))

    def planes_of(self, entry: np.ndarray) -> dict[str, np.ndarray]:
        """Return the arrays of one entry, of which `rest` has been read."""
        if self.axis is None:
            return dict.fromkeys(self.planes, entry)
        first = min(self.planes.values())
        entry = entry if self.axis == "first" else np.moveaxis(entry, -1, 0)
        return {name: entry[channel - first] for name, channel in self.planes.items()}


class ContainerSource:
    """The patches of a container, read as they are stored; `container_source` makes it.

    A chunk is decoded once for consecutive patches, and kept until others are read.  ``task_size``
    is a multiple of the patches that share a chunk, so that no two workers decode the same one.
    Each process opens the container itself.  ``split`` is that of all patches, or of each one.
    """

    in_threads = False
    #: What people should know of what is packed.
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        path: FilePath,
        arrays: Sequence[PatchArray],
        names: Sequence[str],
        fields: Mapping[str, str],
        split: str | Sequence[str],
    ) -> None:
        self._path = local_path(path)
        self._arrays, self._names = tuple(arrays), tuple(names)
        self._fields = dict(fields)
        self._split = split if isinstance(split, str) else tuple(split)
        blocks = [array.n_together for array in self._arrays]
        together = math.lcm(*blocks)
        together = together if together <= _LARGEST_TASK else max(blocks)
        self.task_size = together * -(-_TASK_SIZE // together)
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()  # threads share the kept blocks
        self._opened: Container | None = None
        self._process = 0
        self._blocks: dict[str, tuple[int, np.ndarray]] = {}
        self._columns: dict[str, list[object]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        own = ("_lock", "_opened", "_process", "_blocks", "_columns")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()

    def __len__(self) -> int:
        return self._arrays[0].shape[0]

    def name_of(self, k: int) -> str:
        """Return the path of the container, and the number of a patch."""
        return f"{self._path}, patch {k}"

    def split_of(self, k: int) -> str:
        """Return the split of a patch."""
        return self._split if isinstance(self._split, str) else self._split[k]

    def digest(self) -> str:
        """Return a text that changes with the file or the metadata of the store, and the arrays."""
        found = hashlib.sha256(
            repr((self._arrays, self._names, self._fields, self._split)).encode()
        )
        paths = [self._path]
        for array in self._arrays:
            folder = self._path / array.dataset.strip("/")
            paths += [folder / name for name in (".zarray", ".zattrs", "zarr.json")]
        for path in paths:
            found.update(repr((os.fspath(path), file_state(path))).encode())
        return found.hexdigest()

    def read(self, k: int) -> Sample:
        """Return a patch; a ReadError names the container and the dataset."""
        planes: dict[str, np.ndarray] = {}
        infos: dict[str, ArrayInfo] = {}
        with self._lock:
            container = self._container()
            for array in self._arrays:
                start, block = self._block(container, array, k)
                planes |= array.planes_of(block[k - start].view(array.dtype))
                infos |= array.infos
            if self._columns is None:
                self._columns = self._read_columns(container)
        attributes: dict[str, object] = {"file": self._path.name, "index": k}
        attributes |= {name: column[k] for name, column in self._columns.items()}
        return Sample({name: planes[name] for name in self._names}, infos, attributes)

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        """Return the names of codes that the container has for labels."""
        return {
            name: array.codes
            for array in self._arrays
            for name, info in array.infos.items()
            if info.kind == "label" and array.codes
        }

    def close(self) -> None:
        """Close the container; the next read opens it again."""
        with self._lock:
            self._blocks.clear()
            if self._opened is not None and self._process == os.getpid():
                self._opened.close()
                self._opened = None

    def _container(self) -> Container:
        """Return the container as this process has opened it: a fork must not use its parent's."""
        if self._opened is None or self._process != os.getpid():
            self._blocks.clear()
            self._opened, self._process = open_container(self._path), os.getpid()
        return self._opened

    def _block(self, container: Container, array: PatchArray, k: int) -> tuple[int, np.ndarray]:
        """Return the patches that are decoded together with patch k, and the first one's number."""
        n = array.n_together
        start = k // n * n
        kept = self._blocks.get(array.dataset)
        if kept is None or kept[0] != start:
            self._blocks.pop(array.dataset, None)  # before more memory is needed
            stop = min(start + n, len(self))
            block = container.read(array.dataset, start, stop, array.rest)
            native = block.astype(block.dtype.newbyteorder("="), copy=False)
            if len(block) < stop - start:
                raise LayoutError.about(
                    self._path, f"{array.dataset} has fewer patches than before"
                )
            kept = self._blocks[array.dataset] = start, native
        return kept

    def _read_columns(self, container: Container) -> dict[str, list[object]]:
        columns = {}
        for name, dataset in self._fields.items():
            values = container.read(dataset, 0, len(self))
            columns[name] = [field_of(value) for value in values]
        return columns


def field_of(value: Any) -> object:
    """Return an entry of a column as text or a number."""
    if isinstance(value, (bytes, np.bytes_)):
        return value.decode("utf-8", "replace").rstrip("\0")
    if isinstance(value, (np.datetime64, np.float32, np.float16)):
        # The shortest text that is the same number; as a float it would have more digits.
        return None if value != value else str(value)
    return value.item() if isinstance(value, np.generic) else value
