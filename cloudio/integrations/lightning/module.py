"""Lightning's data module: the loaders of a training run, its normalization, and their state."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import numpy as np

from ... import stats
from ..._utils.numbers import check_bool
from ..._utils.text import counted, listed, shown
from ..._utils.types import FilePath, Index, KeyNames, Numbers, Size, Symmetries
from ..._utils.warn import warn_once
from ...errors import RequestError
from ...loading.arguments import check_count
from ...loading.ranks import find_ranks
from ...reading.dataset import Dataset, open
from ...reading.selection import Bands, Labels, select_bands
from ...torch import Loader
from .loader import TrainLoader
from .options import (
    ALL_LOADERS,
    READER,
    STAGES,
    TRAIN,
    DataModuleOptions,
    check_normalize,
    check_options,
    check_splits,
    check_state,
)
from .package import find_lightning

LightningDataModule: Any = find_lightning().LightningDataModule


class DataModule(LightningDataModule):
    """The data of a Lightning training run: loaders of all splits, normalization, and their state.

    Pass it to a trainer: ``trainer.fit(model, datamodule)``.

    Parameters
    ----------
    path : str, path or Dataset
        A folder for `cloudio.open`, opened when it is first needed, or what that returned.
    bands, labels
        As in `Dataset.reader`.
    size : int or (int, int), optional
        The size of training crops, as in `Reader`.
    batch_size : int
        Patches per batch and rank.
    splits : sequence of str, index or None
        What to train, validate and test on: the name of a split, or numbers of patches of the data
        set.  None: there is none.
    normalize : "dataset", (mean, std) or None
        "dataset": with mean and standard deviation of the bands over the training patches.  They
        are computed once, and are in the checkpoint.
    val_size : int or (int, int), optional
        The size to validate, test and predict with; by default ``size``.
    predict : str or index, optional
        What to predict, as in ``splits``; by default what to test on.  No labels are read.
    seed, symmetry
        As in `cloudio.Loader`, for training.
    keys : {"torchgeo", "transformers"} or mapping, optional
        Names that make dicts of batches, as in `cloudio.Loader`.  The prediction has no label.
    even_batches : bool, optional
        Whether ranks have the same number of batches in validation, test and prediction, so that
        some patches come twice.  By default only in the validation of a fit.
    **options
        For training ``crop``, ``drop_last``, ``weights``, ``replacement``, ``num_samples`` and
        ``crops_per_patch``, and for all loaders ``prefetch``, ``allocate``, ``columns``,
        ``transform`` and ``pin_memory``, as in `cloudio.torch.Loader`; ``dtype``, ``layout``,
        ``scale``, ``label_dtype``, ``ignore``, ``threads``, ``clip``, ``fill``, ``evict`` and
        ``valid`` as in `Reader`.

    Raises
    ------
    RequestError
        If an argument is wrong.

    Notes
    -----
    Training batches are shuffled and cropped at random.  The other batches are in order, cropped at
    the center.  Ranks share each epoch.  With ``overfit_batches`` of the trainer nothing is
    shuffled or weighted.

    A checkpoint has the position in the epoch after the last batch that was trained on.  A trainer
    that resumes goes on there, also with another batch size or number of ranks.
    """

    def __init__(
        self,
        path: FilePath | Dataset,
        bands: Bands | None,
        labels: Labels | None,
        size: Size,
        batch_size: int,
        *,
        splits: Sequence[str | Index | None] = STAGES,
        normalize: Literal["dataset"] | tuple[Numbers, Numbers] | None = "dataset",
        val_size: Size = None,
        predict: str | Index | None = None,
        seed: int = 0,
        symmetry: Symmetries = None,
        keys: KeyNames | None = None,
        even_batches: bool | None = None,
        **options: Unpack[DataModuleOptions],
    ) -> None:
        super().__init__()
        # A rank may have no batch, with fewer patches than ranks and without even_batches.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.path, self.bands, self.labels, self.size = path, bands, labels, size
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.splits = check_splits(splits)
        self.normalize = check_normalize(normalize)
        self.val_size, self.predict_on = size if val_size is None else val_size, predict
        self.seed, self.symmetry, self.keys = seed, symmetry, keys
        if even_batches is not None:
            check_bool("even_batches", even_batches)
        self.even_batches = even_batches
        self.options = check_options(dict(options))
        self._dataset: Dataset | None = None
        self._statistics: dict[str, Any] | None = None
        self._train: TrainLoader | None = None
        self._loaded: Mapping[str, int] | None = None

    # ---- data --------------------------------------------------------------------------------

    @property
    def dataset(self) -> Dataset:
        """The data set, opened."""
        if self._dataset is None:
            path = self.path
            self._dataset = path if isinstance(path, Dataset) else open(path)
        return self._dataset

    def _part(self, stage: str) -> Dataset:
        """Return the patches of a stage."""
        which = self.splits[stage]
        if which is None:
            raise RequestError(f"there is nothing to {stage} on; name it by splits=")
        return self._patches(which, "name them by splits=, such as ('train', 'val', None)")

    def _patches(self, which: Any, advice: str) -> Dataset:
        if not isinstance(which, str):
            return self.dataset.subset(which)
        if which not in self.dataset.splits:
            raise RequestError(
                f"{self.dataset.path} has no split {which!r}, only {listed(self.dataset.splits)}; "
                f"{advice}"
            )
        return self.dataset.split(which)

    def setup(self, stage: str) -> None:
        """Open the data set, and look for the patches of a stage of the trainer.

        Parameters
        ----------
        stage : str
            "fit", "validate", "test" or "predict".
        """
        if stage == "fit":
            self._train = self._loaded = None
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}
        for name in needed.get(stage, ()):
            if self.splits[name] is not None:
                self._part(name)

    # ---- normalization -----------------------------------------------------------------------

    @property
    def normalization(self) -> tuple[Any, Any] | None:
        """Mean and standard deviation of the bands, as readers get them; None without.

        They are computed when they are first needed.  With several ranks all ranks must ask.
        """
        if self.normalize != "dataset":
            told: tuple[Any, Any] | None = self.normalize
            return told
        if self._statistics is None:
            # All ranks count, with their share of the CPUs: while one counted alone, the others
            # would wait longer than their group may allow.  The first rank's numbers are taken.
            found, trainer = self._compute(), self.trainer
            if trainer is not None and trainer.world_size > 1:
                found = trainer.strategy.broadcast(found)
            self._statistics = found
        return self._statistics["mean"], self._statistics["std"]

    def _compute(self) -> dict[str, Any]:
        try:
            train = self._part("train")
        except RequestError as error:
            raise RequestError(
                f"normalize='dataset' needs the training patches, but {error}. Or pass a "
                "checkpoint, by ckpt_path= of the trainer, or normalize=(mean, std)"
            ) from None
        found = stats.bands(
            train,
            self.bands,
            percentiles=(),
            scale=self.options.get("scale", "reflectance"),
            threads=self.options.get("threads"),
        )
        numbers = {name: getattr(found, name).tolist() for name in ("mean", "std")}
        return {"bands": list(found.names), **numbers}

    # ---- loaders -----------------------------------------------------------------------------

    def train_dataloader(self) -> Loader:
        """Return the loader of training batches.

        Returns
        -------
        Loader
            A `cloudio.torch.Loader` that counts batches as the trainer does.
        """
        reader = self._reader(self._part("train"), self.labels, self.size)
        chosen = {name: self.options[name] for name in TRAIN if name in self.options}
        if self.trainer is not None and self.trainer.overfit_batches > 0:
            drawn = "weights", "replacement"
            chosen = {name: value for name, value in chosen.items() if name not in drawn}
            chosen["shuffle"] = False
        loader = TrainLoader(
            reader,
            self.batch_size,
            seed=self.seed,
            symmetry=self.symmetry,
            **chosen,
            **self._for_all(),
        )
        if self.trainer is not None:
            loader.follow(self.trainer)
        if self._loaded is not None:
            loader.load_state_dict(self._loaded)
        self._train = loader
        return loader

    def val_dataloader(self) -> Any:
        """Return the loader of validation batches; an empty list if there is no such split.

        Returns
        -------
        Loader or list
            A `cloudio.torch.Loader` of batches in order, cropped at the center.
        """
        return self._plain("val")

    def test_dataloader(self) -> Any:
        """Return the loader of test batches; an empty list if there is no such split.

        Returns
        -------
        Loader or list
            A `cloudio.torch.Loader` of batches in order, cropped at the center.
        """
        return self._plain("test")

    def predict_dataloader(self) -> Loader:
        """Return the loader of the batches to predict, without labels.

        Returns
        -------
        Loader
            A `cloudio.torch.Loader` of batches in order, cropped at the center.
        """
        if self.predict_on is None:
            return self._ordered(self._part("test"), None)
        advice = "predict= takes one of them, or numbers of patches"
        return self._ordered(self._patches(self.predict_on, advice), None)

    def _plain(self, stage: str) -> Any:
        return [] if self.splits[stage] is None else self._ordered(self._part(stage), self.labels)

    def _ordered(self, part: Dataset, labels: Any) -> Loader:
        """Return a loader of patches in order, cropped at the center."""
        even = self.even_batches
        if even is None:
            # In a fit the model is wrapped, and may exchange its buffers in each batch.
            even = self.trainer is not None and self.trainer.state.fn == "fit"
        return Loader(
            self._reader(part, labels, self.val_size),
            self.batch_size,
            shuffle=False,
            crop="center",
            even_batches=even,
            **self._for_all(labels is not None),
        )

    def _reader(self, part: Dataset, labels: Any, size: Any) -> Any:
        mean, std = self.normalization or (None, None)
        settings = {name: self.options[name] for name in READER if name in self.options}
        return part.reader(self.bands, labels, size=size, mean=mean, std=std, **settings)

    def _for_all(self, has_label: bool = True) -> dict[str, Any]:
        """Return the arguments of all loaders."""
        chosen = {name: self.options[name] for name in ALL_LOADERS if name in self.options}
        chosen["keys"] = self.keys
        if isinstance(self.keys, Mapping) and not has_label:
            chosen["keys"] = {part: key for part, key in self.keys.items() if part != "label"}
        if self.trainer is not None:
            shares = self.trainer.distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}
            rank, world_size = shares["rank"], shares["num_replicas"]
            # Ranks that the loader finds itself are compared before the first batch.
            if find_ranks()[:2] != (rank, world_size):
                chosen |= {"rank": rank, "world_size": world_size}
        return chosen

    # ---- state -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the normalization, and the state of the training loader.

        Returns
        -------
        dict
            Lightning puts it into checkpoints.  It has numbers, lists and dicts only.
        """
        state: dict[str, Any] = {"version": 1}
        numbers = self._own_numbers()
        if numbers is not None:
            state["normalization"] = numbers
        train = self._loaded if self._train is None else self._train.state_dict()
        if train is not None:
            state["train"] = dict(train)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the normalization of a state, and go on at its position.

        Parameters
        ----------
        state : mapping
            From `state_dict`.

        Raises
        ------
        RequestError
            If it is not such a state, or is of other bands.
        """
        numbers, train = check_state(state)
        if numbers is not None:
            if self.normalize == "dataset":
                self._take(numbers)
            elif self._own_numbers() != numbers:
                warn_once(
                    ("lightning", "normalize", id(self)),
                    "the checkpoint was trained with another normalize than this DataModule has, "
                    "whose numbers are used; normalize='dataset' takes those of the checkpoint",
                )
        if self.trainer is not None and self.trainer.state.fn == "fit":
            self._loaded = train
            if train is not None and self._train is not None:
                self._train.load_state_dict(train)

    def _take(self, numbers: dict[str, Any]) -> None:
        bands = list(select_bands(self.dataset, self.bands))
        if numbers["bands"] != bands:
            raise RequestError(
                f"the checkpoint has the normalization of {listed(numbers['bands'])}; this "
                f"DataModule has {listed(bands)}"
            )
        self._statistics = numbers

    def _own_numbers(self) -> dict[str, Any] | None:
        """Return the normalization as states have it, if it is known."""
        if self.normalize == "dataset" or self.normalize is None:
            return self._statistics
        mean, std = (np.asarray(numbers, float).tolist() for numbers in self.normalize)
        bands = list(select_bands(self.dataset, self.bands))
        return {"bands": bands, "mean": mean, "std": std}

    # ---- what people see -----------------------------------------------------------------------

    def __repr__(self) -> str:
        parts = ", ".join(f"{stage} {_named(which)}" for stage, which in self.splits.items())
        path = getattr(self.path, "path", self.path)
        return f"<cloudio.lightning.DataModule of {path}: {parts}, batches of {self.batch_size}>"

    __str__ = __repr__  # Lightning's makes all loaders, to count patches


def _named(which: Any) -> str:
    return shown(which) if which is None or isinstance(which, str) else counted(len(which), "patch")
