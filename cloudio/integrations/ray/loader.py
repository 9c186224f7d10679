"""The loader that finds the rank of a worker, and keeps its state in checkpoints."""

import warnings
from typing import Any

import ray.train

from ..._utils.text import listed, shown
from ...errors import RequestError
from ...loading.ranks import Ranks, find_ranks, process_group
from ...torch import loader
from ...torch.tensors import T

# What holds the states of loaders in the metadata of a checkpoint.
_ENTRY = "cloudio"


def _find_ranks(group: Any = None) -> Ranks:
    """Return the ranks of a process group, else of Ray's worker, else as any loader finds them."""
    if group is None and process_group() is None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # older versions, outside a worker
                context = ray.train.get_context()
                rank, world_size = context.get_world_rank(), context.get_world_size()
        except (RuntimeError, UserWarning):  # no worker
            pass
        else:
            return Ranks(rank, world_size, "ray.train")
    return find_ranks(group)


class Loader(loader.Loader[T]):
    """A `cloudio.torch.Loader` for the training function of Ray Train.

    It finds its rank also where Ray sets up no process group: numbers that you pass, else
    torch.distributed, else ``ray.train.get_context()``, else as any other loader.

    Parameters
    ----------
    reader, batch_size, pin_memory, device, scale_on, process_group
        As in `cloudio.torch.Loader`.
    shuffle, seed, crop, symmetry, drop_last, index, rank, world_size, prefetch, allocate
        As in `cloudio.Loader`.
    weights, replacement, num_samples, crops_per_patch, even_batches, keys, columns, transform
        As in `cloudio.Loader`.

    Raises
    ------
    RequestError
        If an argument is wrong, or the device cannot be used.
    """

    _find_ranks = staticmethod(_find_ranks)

    def save(self, checkpoint: "ray.train.Checkpoint", name: str = "loader") -> None:
        """Add the loader's state to a checkpoint, before ``ray.train.report`` gets it.

        The state is the same in every rank.  It goes into the checkpoint's metadata, beside what is
        there.

        Parameters
        ----------
        checkpoint : ray.train.Checkpoint
            Made of a folder on this machine.
        name : str
            What this loader is called in the checkpoint, which may have several.
        """
        states = {**_states(checkpoint), name: self.state_dict()}
        checkpoint.update_metadata({_ENTRY: states})

    def restore(
        self, checkpoint: "ray.train.Checkpoint | None" = None, name: str = "loader"
    ) -> bool:
        """Go on where `save` was called; the number of workers may be another one.

        Parameters
        ----------
        checkpoint : ray.train.Checkpoint, optional
            By default that of ``ray.train.get_checkpoint()``.
        name : str
            As in `save`.

        Returns
        -------
        bool
            False if there is no checkpoint, so that training begins.

        Raises
        ------
        RequestError
            If the checkpoint has no such state, or if that is of another loader.
        """
        checkpoint = ray.train.get_checkpoint() if checkpoint is None else checkpoint
        if checkpoint is None:
            return False
        states = _states(checkpoint)
        if name not in states:
            there = f"only of {listed(map(shown, states))}" if states else "of no loader"
            raise RequestError(
                f"the checkpoint has a state {there}, not of {shown(name)}; "
                "loader.save(checkpoint) adds one before ray.train.report"
            )
        self.load_state_dict(states[name])
        return True

    def __repr__(self) -> str:
        return super().__repr__().replace("<cloudio.torch.", "<cloudio.ray.", 1)


def _states(checkpoint: Any) -> dict[str, Any]:
    if not isinstance(checkpoint, ray.train.Checkpoint):
        raise RequestError(
            f"checkpoint is a {type(checkpoint).__name__}; it must be a ray.train.Checkpoint"
        )
    states: dict[str, Any] = checkpoint.get_metadata().get(_ENTRY, {})
    return states
