"""`cloudio.ray.Datasource` and `read`: what a reader reads, as a data set of Ray Data."""

import inspect
from typing import Any

import numpy as np
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from ..._utils.keywords import explain_unknown
from ..._utils.numbers import check_bool, check_whole
from ..._utils.types import Crop, Index, KeyNames, Symmetries
from ...errors import RequestError
from ...loading.loader import Loader
from ...loading.sampling.sampler import check_epoch
from ...reading.arguments.keys import arrays_reader, keys_of
from ...reading.reader import Reader, check_reader
from ..sources import whole_reader
from .blocks import (
    MOST_BYTES,
    Columns,
    Epoch,
    ReadBlocks,
    Rows,
    bytes_of_row,
    example,
    schema_of,
)
from .nodes import check_selector
from .source import make_source


class Datasource(ray.data.Datasource):
    """What a reader reads, for ``ray.data.read_datasource``: scaled, cropped, labels as classes.

    Parameters
    ----------
    reader : Reader
        What to read of each patch.
    index : sequence of int or bool array, optional
        The patches of the reader, numbers or a mask.  By default all.
    seed : int, optional
        From 0 to 2**64 - 1, for what is random.  By default nothing is.
    crop : "random", "center" or (row, col), optional
        As in `cloudio.Loader`.  By default "center", the reader's own origin.
    symmetry : {"d4", "flip", None}
        As in `cloudio.Loader`.
    patches_per_block : int, optional
        The patches of a block.  By default Ray's number of tasks decides, and a block has 128 MiB
        at most.
    keys : {"torchgeo", "transformers"} or mapping, optional
        The names of the columns, as in `Reader`; by default those of the reader, else image, label,
        index and valid.
    shuffle : bool, optional
        Whether the order depends on ``seed`` and the epoch.  By default True with a seed.
    epoch : int, optional
        The epoch of all passes.  By default the first pass is epoch 0, and each further pass over
        the same Ray data set is the next epoch; ``take`` and ``count`` are passes too.

    Raises
    ------
    RequestError
        If an argument is wrong.

    Notes
    -----
    Order, crops and symmetries are those of ``cloudio.Loader(reader, shuffle=..., seed=...)`` in
    that epoch.  Ray hands the blocks out in this order if ``preserve_order`` of its
    ``execution_options`` is set; `cloudio.ray.read` sets it.

    A task carries the path of the data set and numbers: positions of an epoch, or of subsets some
    32 bytes per patch.  It reads with one thread, unless the reader was made with ``threads``.
    Nodes need the files at the same path.
    """

    @explain_unknown()
    def __init__(
        self,
        reader: Reader[Any],
        index: Index | None = None,
        *,
        seed: int | None = None,
        crop: Crop | None = None,
        symmetry: Symmetries = None,
        patches_per_block: int | None = None,
        keys: KeyNames | None = None,
        shuffle: bool | None = None,
        epoch: int | None = None,
    ) -> None:
        super().__init__()
        check_reader(reader)
        shuffle = seed is not None if shuffle is None else check_bool("shuffle", shuffle)
        crop = "center" if crop is None else crop
        if seed is None:
            _check_fixed(shuffle, crop, symmetry)
        drawn: dict[str, Any] = {
            "shuffle": shuffle,
            "seed": 0 if seed is None else seed,
            "crop": crop,
            "symmetry": symmetry,
            "prefetch": 0,
            "rank": 0,
            "world_size": 1,
        }
        self._epoch = None if epoch is None else check_epoch(epoch)
        self._loader: Loader[Any] = Loader(reader, 1, index=index, **drawn)
        self._n_rows = self._loader.num_samples
        whole = whole_reader(reader)
        named = keys_of(whole, keys)
        bare = arrays_reader(whole, named)
        self._carries = reader.dataset.is_subset or index is not None
        loader = None if self._carries else Loader(bare, 1, **drawn)
        columns = Columns(bare, named, loader)
        row = example(columns)
        self._schema, self._row_bytes = schema_of(row), bytes_of_row(row)
        self._rows_of_block = _check_rows(patches_per_block, self._row_bytes)
        self._source = make_source(reader.dataset, columns)

    @property
    def n_blocks(self) -> int | None:
        """How many blocks ``patches_per_block`` makes; None if Ray decides."""
        return None if self._rows_of_block is None else -(-self._n_rows // self._rows_of_block)

    def get_name(self) -> str:
        """Return what Ray calls the read."""
        return "cloudio"

    def estimate_inmemory_data_size(self) -> int:
        """Return the bytes of all blocks."""
        return self._n_rows * self._row_bytes

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: Any = None,
    ) -> list[ReadTask]:
        """Return the tasks of a pass, in the order of the epoch.

        Parameters
        ----------
        parallelism : int
            At most so many tasks.
        per_task_row_limit : int, optional
            At most so many rows of each task are needed.
        data_context : ray.data.DataContext, optional
            It counts the passes, and has a limit for the size of blocks.

        Returns
        -------
        list of ray.data.ReadTask
            Each reads patches that follow each other in the epoch.
        """
        per_block = self._rows_of_block
        n_tasks = max(1, min(parallelism, self._n_rows))
        if per_block is None:
            most = getattr(data_context, "target_max_block_size", None) or MOST_BYTES
            fitting = max(1, min(most, MOST_BYTES) // self._row_bytes)
            per_block = min(fitting, -(-self._n_rows // n_tasks))
        n_blocks = -(-self._n_rows // per_block)
        n_tasks = min(n_tasks, n_blocks)
        epoch = self._epoch
        if epoch is None:
            # What `ray.data.FileShuffleConfig` counts its passes by.
            epoch = getattr(data_context, "_execution_idx", 0)
        bounds = [min(self._n_rows, n_blocks * k // n_tasks * per_block) for k in range(n_tasks)]
        ends = [*bounds[1:], self._n_rows]
        return [
            self._task(first, last, epoch, per_block, per_task_row_limit)
            for first, last in zip(bounds, ends, strict=True)
        ]

    def _task(
        self, first: int, last: int, epoch: int, per_block: int, row_limit: int | None
    ) -> ReadTask:
        n_rows = last - first
        read = ReadBlocks(self._source, self._samples(first, last, epoch), n_rows, per_block)
        metadata = BlockMetadata(
            num_rows=n_rows,
            size_bytes=n_rows * self._row_bytes,
            input_files=None,
            exec_stats=None,
        )
        return ReadTask(read, metadata, schema=self._schema, per_task_row_limit=row_limit)

    def _samples(self, first: int, last: int, epoch: int) -> Rows | Epoch:
        if not self._carries:
            return Epoch(first, last, epoch)
        samples = self._loader.samples(np.arange(first, last), epoch)
        ds = self._loader.reader.dataset
        stored = ds.stored_index(samples.index) if ds.is_subset else samples.index
        return Rows(stored, *samples)


def read(
    reader: Reader[Any],
    index: Index | None = None,
    *,
    label_selector: dict[str, str] | None = None,
    num_cpus: float | None = None,
    concurrency: int | None = None,
    override_num_blocks: int | None = None,
    preserve_order: bool = True,
    **options: Any,
) -> ray.data.Dataset:
    """Return what a reader reads as a data set of Ray Data, in the order of our epochs.

    Parameters
    ----------
    reader, index
        As in `Datasource`.
    label_selector : dict, optional
        Labels of the nodes that read, such as those that hold the files.
    num_cpus, concurrency, override_num_blocks
        As in ``ray.data.read_datasource``.
    preserve_order : bool
        Whether blocks come in the order of the epoch; else as they are ready.
    **options
        The other arguments of `Datasource`.

    Returns
    -------
    ray.data.Dataset
        Nothing is read yet.  Its columns are image, label, index and valid, as far as the reader
        has them, or those of ``keys``.

    Raises
    ------
    RequestError
        If an argument is wrong.
    """
    nodes = check_selector(label_selector)
    source = Datasource(reader, index, **options)
    if override_num_blocks is None:
        override_num_blocks = source.n_blocks  # else Ray would split them
    resources: dict[str, Any] = {"num_cpus": num_cpus}
    if "label_selector" in inspect.signature(ray.data.read_datasource).parameters:
        resources |= nodes
    elif nodes:  # older versions
        resources["ray_remote_args"] = nodes
    made: ray.data.Dataset = ray.data.read_datasource(
        source, concurrency=concurrency, override_num_blocks=override_num_blocks, **resources
    )
    made.context.execution_options.preserve_order = check_bool("preserve_order", preserve_order)
    return made


def _check_fixed(shuffle: bool, crop: Any, symmetry: Any) -> None:
    """Raise RequestError for what needs a seed."""
    given = {
        "shuffle=True": shuffle,
        "crop='random'": isinstance(crop, str) and crop == "random",
        f"symmetry={symmetry!r}": symmetry is not None,
    }
    if name := next((name for name, is_random in given.items() if is_random), None):
        raise RequestError(f"{name} without a seed; pass seed=, from 0 to 2**64 - 1")


def _check_rows(patches_per_block: Any, row_bytes: int) -> int | None:
    if patches_per_block is None:
        return None
    most = max(1, MOST_BYTES // row_bytes)
    needed = f"a whole number from 1 to {most}, since a block has at most 128 MiB"
    return check_whole("patches_per_block", patches_per_block, 1, most, needed=needed)
