"""The data module and loaders under real trainers of Lightning, in one process."""

import re
import textwrap

import loading
import numpy as np
import processes
import pytest

import cloudio
from cloudio import CloudioWarning, RequestError

pl = pytest.importorskip("lightning.pytorch", reason="lightning is an extra")
import lightning_runs as runs  # noqa: E402
import torch  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Lightning's own
    pytest.mark.filterwarnings("error::cloudio.CloudioWarning"),
]
#: Batches of an epoch.
STEPS = 11


@pytest.fixture(autouse=True)
def quiet():
    runs.quiet()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two epochs: its folder, with data and a checkpoint after each step, and model."""
    folder = tmp_path_factory.mktemp("lightning")
    runs.write(folder / "data")
    model = runs.Model()
    data = runs.data_module(folder / "data")
    runs.trainer(callbacks=[runs.checkpoints(folder / "kept")]).fit(model, data)
    return folder, model


def fit(folder, kept=None, *, model=None, options=None, **of_trainer):
    """Return a model after a run, from a checkpoint or from the beginning."""
    model = model or runs.Model()
    path = None if kept is None else folder / "kept" / f"{kept}.ckpt"
    data = runs.data_module(folder / "data", **(options or {}))
    runs.trainer(**of_trainer).fit(model, data, ckpt_path=path)
    return model


# ---- what is trained on --------------------------------------------------------------------------


def test_each_epoch_is_that_of_a_loader(whole):
    folder, model = whole
    train = loading.open_set(folder / "data").split("train")
    stats = cloudio.stats.bands(train, loading.BANDS)
    reader = loading.make_reader(train, mean=stats.mean, std=stats.std)
    loader = cloudio.torch.Loader(reader, 2, **loading.DRAWN)
    wanted = [(epoch, k, runs.digests(batch)) for epoch in (0, 1) for k, batch in enumerate(loader)]
    assert model.seen["train"] == wanted
    assert model.patches("val") == 2 * [0, 1, 2, 3, 4]
    for epoch in 0, 1:
        assert sorted(model.patches(epoch=epoch)) == list(range(runs.N["train"]))


@pytest.mark.parametrize(
    ("options", "batches", "validations"),
    [
        ({"limit_train_batches": 3}, [0, 1, 2, 11, 12, 13], 2),
        ({"reload_dataloaders_every_n_epochs": 1}, range(2 * STEPS), 2),
        ({"val_check_interval": 4}, range(2 * STEPS), 4),
        ({"val_check_interval": 0.5}, range(2 * STEPS), 4),
        ({"accumulate_grad_batches": 4, "limit_val_batches": 0}, range(2 * STEPS), 0),
        ({"num_sanity_val_steps": 0}, range(2 * STEPS), 2),
        ({"max_epochs": -1, "max_steps": 13}, range(13), 1),
    ],
    ids=lambda given: ",".join(given) if isinstance(given, dict) else "",
)
def test_options_of_the_trainer_mean_what_they_mean_for_a_dataloader(
    whole, options, batches, validations
):
    folder, model = whole
    seen = fit(folder, **options).seen
    wanted = [model.seen["train"][k] for k in batches]
    assert [batch for _, _, batch in seen["train"]] == [batch for _, _, batch in wanted]
    assert len(seen["val"]) == 3 * validations


def test_a_quick_run_takes_one_batch_of_each(whole):
    folder, model = whole
    seen = fit(folder, fast_dev_run=True).seen
    assert seen["train"] == model.seen["train"][:1]
    assert seen["val"] == model.seen["val"][:1]


def test_the_batches_to_overfit_are_the_same_in_each_epoch(whole):
    folder, _ = whole
    options = {"weights": np.arange(1, 23), "symmetry": None}
    model = fit(folder, overfit_batches=2, options=options)
    assert model.patches() == [0, 1, 2, 3] * 2
    ordered = loading.make_reader(loading.open_set(folder / "data" / "train"))
    loader = cloudio.torch.Loader(ordered, 2, shuffle=False)
    model = runs.Model()
    runs.trainer(overfit_batches=1).fit(model, loader)
    assert model.patches() == [0, 1, 0, 1]


def test_batches_are_dicts_where_keys_say_so(whole):
    folder, _ = whole
    data = runs.data_module(folder / "data", keys={"image": "x", "label": "y", "index": "n"})
    batch = next(iter(data.train_dataloader()))
    assert list(batch) == ["x", "y", "n"]
    data.predict_on = [4, 2]
    assert [list(batch) for batch in data.predict_dataloader()] == [["x", "n"]]
    for keys in None, "torchgeo":
        data = runs.data_module(folder / "data", keys=keys, valid=True)
        batch = next(iter(data.train_dataloader()))
        moved = runs.trainer().strategy.batch_to_device(batch, torch.device("meta"))
        assert type(moved) is type(batch)
        parts = moved.values() if keys else moved
        assert {part.device.type for part in parts} == {"meta"}


def test_the_batch_size_may_be_changed_as_a_tuner_does(whole):
    folder, _ = whole
    data = runs.data_module(folder / "data")
    data.batch_size = 4
    assert len(data.train_dataloader()) == 6
    assert len(data.val_dataloader()) == 2


# ---- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("estimates", [False, True])
@pytest.mark.parametrize("step", [1, 5, STEPS, STEPS + 2])
def test_a_run_goes_on_after_the_batch_of_its_checkpoint(whole, step, estimates):
    folder, model = whole
    resumed = fit(folder, step, model=runs.Model(estimates=estimates))
    assert resumed.seen["train"] == model.seen["train"][step:]


def test_a_run_goes_on_when_all_epochs_are_done(whole):
    folder, model = whole
    for options in {"max_epochs": 3}, {"max_epochs": -1, "max_steps": 3 * STEPS}:
        resumed = fit(folder, 2 * STEPS, **options)
        assert sorted(resumed.patches()) == list(range(runs.N["train"]))
        assert resumed.seen["train"][0][2] not in [batch for _, _, batch in model.seen["train"]]


@pytest.mark.parametrize("stop_at", [0, 3, STEPS, STEPS + 2])
def test_a_batch_that_was_not_finished_is_not_lost(whole, tmp_path, stop_at):
    """The batch of an error was handed out: a loader's own state would be after it."""
    folder, model = whole
    from lightning.pytorch.callbacks import OnExceptionCheckpoint

    keep = OnExceptionCheckpoint(tmp_path, filename="error")
    with pytest.raises(KeyError, match="stopped"):
        fit(folder, model=runs.Model(stop_at=stop_at), callbacks=[keep])
    resumed = runs.Model()
    data = runs.data_module(folder / "data")
    runs.trainer().fit(resumed, data, ckpt_path=tmp_path / "error.ckpt")
    assert resumed.seen["train"] == model.seen["train"][stop_at:]


@pytest.mark.parametrize(("batch_size", "numbers"), [(1, (8, 22)), (3, (3, 8)), (4, (2, 6))])
def test_the_rest_of_an_epoch_has_other_batches_and_the_same_patches(whole, batch_size, numbers):
    folder, model = whole
    resumed = fit(folder, 4, options={"batch_size": batch_size})
    assert resumed.patches(epoch=0) == model.patches(epoch=0)[8:]
    assert resumed.patches(epoch=1) == model.patches(epoch=1)
    assert [k for epoch, k, _ in resumed.seen["train"] if epoch == 0] == list(range(*numbers))
    assert resumed.patches("val") == model.patches("val")  # once after each epoch


def test_a_state_is_not_resumed_by_a_run_that_begins(whole):
    folder, model = whole
    path = folder / "kept" / "5.ckpt"
    options = {"path": loading.open_set(folder / "data"), "bands": loading.BANDS}
    options |= {"labels": runs.LABELS, "size": 6, "batch_size": 2, **loading.DRAWN}
    data = cloudio.lightning.DataModule.load_from_checkpoint(path, **options)
    assert data.state_dict()["normalization"]["bands"] == loading.BANDS  # of the checkpoint
    begun = runs.Model()
    runs.trainer(max_epochs=1).fit(begun, data)
    assert begun.seen["train"] == model.seen["train"][:STEPS]


def test_a_data_module_is_used_again(whole):
    folder, model = whole
    data = runs.data_module(folder / "data")
    resumed, again = runs.Model(), runs.Model()
    runs.trainer(max_epochs=1).fit(resumed, data, ckpt_path=folder / "kept" / "5.ckpt")
    assert resumed.seen["train"] == model.seen["train"][5:STEPS]
    trainer = runs.trainer(max_epochs=1)
    trainer.fit(again, data)
    trainer.fit_loop.max_epochs = 2
    trainer.fit(again, data)
    assert again.seen["train"] == model.seen["train"]


def test_a_test_has_the_normalization_of_its_checkpoint(whole, tmp_path):
    folder, _ = whole
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test").symlink_to(folder / "data" / "test")
    (tmp_path / "kept").symlink_to(folder / "kept")
    first, model = runs.data_module(folder / "data"), runs.Model()
    runs.trainer().test(model, first)
    alone, tested = runs.data_module(tmp_path / "data"), runs.Model()
    path = tmp_path / "kept" / "7.ckpt"
    runs.trainer().test(tested, alone, ckpt_path=path)
    assert tested.seen["test"] == model.seen["test"]
    assert tested.patches("test") == [0, 1, 2]
    assert alone.normalization == first.normalization
    runs.trainer().predict(tested, runs.data_module(tmp_path / "data"), ckpt_path=path)
    assert tested.patches("predict") == [0, 1, 2]
    says = "needs the training patches, but .*has no split 'train', only test.*ckpt_path= of the tr"
    with pytest.raises(RequestError, match=says):
        runs.trainer().test(tested, runs.data_module(tmp_path / "data"))


def test_states_of_other_bands_or_numbers_are_told(whole):
    folder, _ = whole
    state = runs.data_module(folder / "data", normalize=(1, 2)).state_dict()
    assert state["normalization"] == {"bands": loading.BANDS, "mean": 1.0, "std": 2.0}
    with pytest.raises(RequestError, match="normalization of B0, B1; this DataModule has B1"):
        runs.data_module(folder / "data", bands="B1").load_state_dict(state)
    with pytest.warns(CloudioWarning, match="trained with another normalize than this DataModule"):
        runs.data_module(folder / "data", normalize=None).load_state_dict(state)
    runs.data_module(folder / "data", normalize=(1, 2)).load_state_dict(state)
    for wrong, says in {
        "state": "'state' is not a state of a cloudio DataModule",
        ("version", 2): "is not a state of a cloudio DataModule of this version",
        ("normalization", 3): "the state has normalization=3, which has no numbers",
    }.items():
        given = wrong if isinstance(wrong, str) else {**state, wrong[0]: wrong[1]}
        with pytest.raises(RequestError, match=says):
            runs.data_module(folder / "data").load_state_dict(given)


# ---- splits and arguments ------------------------------------------------------------------------


def test_splits_are_names_or_numbers_of_patches(whole):
    folder, _ = whole
    patches = {"train": [3, 1, 4], "val": np.arange(6)}
    data = runs.data_module(folder / "data", splits=patches, size=4, val_size=6, predict="val")
    assert len(data.train_dataloader().dataset) == 3
    assert data.train_dataloader().reader.size == (4, 4)
    assert data.val_dataloader().reader.size == (6, 6)
    assert data.test_dataloader() == []
    assert [batch.index.tolist() for batch in data.predict_dataloader()] == [[0, 1], [2, 3], [4]]
    assert str(data).endswith(": train 3 patches, val 6 patches, test None, batches of 2>")
    model = fit(folder, options={"splits": ("train", None, None)})
    assert model.patches("val") == []


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"splits": ("train", "val")}, RequestError, "such as ('train', 'val', None)"),
        ({"splits": {"training": "train"}}, RequestError, "splits must be what to train"),
        ({"normalize": "imagenet"}, RequestError, "normalize must be 'dataset', (mean, std) or"),
        ({"batch_size": 0}, RequestError, "batch_size"),
        ({"even_batches": 1}, RequestError, "even_batches"),
        ({"mean": 1}, TypeError, "argument 'mean'; pass normalize=(mean, std)"),
        ({"num_workers": 4}, TypeError, "one thread reads whole batches with all CPUs"),
        ({"rank": 0}, TypeError, "the ranks of the trainer are found"),
        ({"prefetsch": 4}, TypeError, "'prefetsch'; did you mean prefetch?"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(whole, options, error, says):
    folder, _ = whole
    with pytest.raises(error, match=re.escape(says)):
        runs.data_module(folder / "data", **options)


def test_a_split_that_is_not_there_is_refused_before_the_run(whole):
    folder, _ = whole
    with pytest.raises(RequestError, match=r"no split 'valid', only .*; name them by splits="):
        fit(folder, options={"splits": ("train", "valid", None)})
    data = runs.data_module(folder / "data", splits=(None, "val", None))
    with pytest.raises(RequestError, match="there is nothing to train on; name it by splits="):
        data.train_dataloader()


def test_an_old_lightning_or_none_is_named(tmp_path):
    for name in "lightning", "pytorch_lightning":
        (tmp_path / name).mkdir()
    code = """
        import sys
        from pathlib import Path
        folder = Path(sys.argv[1])
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        import cloudio
        missing = "raise ModuleNotFoundError('missing', name=__name__)"
        for versions in ("1.9.5", ""), ("", "2.1.0rc1"), ("2.10.0", ""), ("", ""):
            for name, version in zip(("lightning", "pytorch_lightning"), versions):
                text = f"__version__ = {version!r}" if version else missing
                (folder / name / "__init__.py").write_text(text)
                (folder / name / "pytorch.py").write_text(text)
                for part in name, f"{name}.pytorch":
                    sys.modules.pop(part, None)
            try:
                cloudio.lightning
            except (ImportError, AttributeError) as error:
                print(error)
    """
    first, second, new, none = processes.in_subprocess(textwrap.dedent(code), tmp_path).splitlines()
    needs = "cloudio.lightning needs Lightning"
    assert first == f"{needs} >= 2.2; found 1.9.5: pip install 'cloudio[lightning]'"
    assert second == f"{needs} >= 2.2; found 2.1.0rc1: pip install 'cloudio[lightning]'"
    assert "LightningDataModule" in new  # new enough, but not the real one
    assert none == f"{needs}: pip install 'cloudio[lightning]'"


# ---- loaders without a data module ---------------------------------------------------------------


def test_a_loader_is_resumed_in_its_epoch_and_after_it(whole, tmp_path):
    folder, _ = whole
    reader = loading.make_reader(loading.open_set(folder / "data" / "train"))

    def run(**options):
        model = runs.Model()
        path = options.pop("ckpt_path", None)
        loader = cloudio.torch.Loader(reader, 2, **loading.DRAWN)
        runs.trainer(**options).fit(model, loader, ckpt_path=path)
        return [(epoch, batch) for epoch, _, batch in model.seen["train"]]

    wanted = run(max_epochs=3)
    assert run(callbacks=[runs.checkpoints(tmp_path)]) == wanted[: 2 * STEPS]
    for step in 4, STEPS, STEPS + 4:
        assert run(ckpt_path=tmp_path / f"{step}.ckpt") == wanted[step : 2 * STEPS]
    each_epoch = {"every_n_epochs": 1, "save_on_train_epoch_end": True}
    run(callbacks=[runs.checkpoints(tmp_path / "ends", **each_epoch)])
    for step in STEPS, 2 * STEPS:
        assert run(ckpt_path=tmp_path / "ends" / f"{step}.ckpt", max_epochs=3) == wanted[step:]
