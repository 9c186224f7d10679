"""The loader of training batches under a Lightning trainer: both count the same batches.

A trainer counts the batches of its epoch, and so does a loader.  A state holds both numbers.
"""

from typing import Any

from ...torch.loader import Loader


class TrainLoader(Loader[Any]):
    """A loader whose state is that of the batches that its trainer has finished.

    A batch that was taken when an error, a signal or Ctrl-C came is not in the state.
    """

    _trainer: Any = None
    # At the beginning of the trainer's epoch: the loader's position, and the trainer's count.
    _start_position = _start_count = 0

    def follow(self, trainer: Any) -> None:
        """Count as this trainer does."""
        self._trainer = trainer

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch.  Lightning calls this, of `sampler`, before the epoch's first batch."""
        super().set_epoch(epoch)
        if not self._is_counted():
            return
        self._start_count = 0
        if self._trainer.fit_loop.restarting:
            self._align_count()
            self._start_count = self._count().processed
        self._start_position = self._progress.position

    def state_dict(self) -> dict[str, int]:
        """Return the position after the batches that the trainer has finished."""
        state = super().state_dict()
        if self._is_counted() and self._progress.begun:
            finished = max(0, self._count().processed - self._start_count)
            position = self._shard.position(self._start_position, finished)
            state["position"] = min(position, state["position"])
        return state

    def _is_counted(self) -> bool:
        """Return whether the batches of the trainer are those of this loader alone."""
        return self._trainer is not None and self._trainer.train_dataloader is self

    def _count(self) -> Any:
        """The trainer's counts of batches in this epoch: begun, finished, and so on."""
        return self._trainer.fit_loop.epoch_loop.batch_progress.current

    def _align_count(self) -> None:
        """Make the trainer count as if the batches before our position were of today's size.

        A trainer that resumes goes on with the count of its checkpoint.  With another batch size or
        another number of ranks that is not the number of batches that are done, and the epoch would
        end too early or too late.
        """
        shard, count = self._settle(), self._count()
        n_batches = int(self._trainer.fit_loop.max_batches)  # with limit_train_batches
        left = shard.n_batches(self._progress.position)
        done = shard.n_batches(0) - left
        limit = self._trainer.limit_train_batches
        if self._progress.position and isinstance(limit, int):
            done = max(count.processed, n_batches - left)
        if left:
            done = min(done, n_batches - 1)
        change = min(done, n_batches) - count.processed
        for name in "ready", "started", "processed", "completed":
            setattr(count, name, getattr(count, name) + change)
        # In a checkpoint at the end of a batch, the batch is not yet completed.  Before version 2.5
        # trainers counted it twice.
        if not getattr(self._trainer.fit_loop.epoch_loop, "restarted_on_train_batch_end", False):
            count.completed = count.processed

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_trainer": None}
