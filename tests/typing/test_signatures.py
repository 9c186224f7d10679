"""Signatures that repeat another one have the same parameters, defaults and types."""

import importlib.util
import inspect
from typing import get_type_hints

import pytest

import cloudio
import cloudio.splits
import cloudio.stats
from cloudio.loading.arguments import LoaderOptions
from cloudio.reading.arguments.options import NamedReaderSettings, ReaderSettings


def parameters(called, *without):
    """Return the parameters by name, without some of them."""
    found = dict(inspect.signature(called).parameters)
    return {name: parameter for name, parameter in found.items() if name not in without}


def test_the_reader_of_a_data_set_takes_what_a_reader_takes():
    assert parameters(cloudio.Dataset.reader, "self") == parameters(cloudio.Reader, "dataset")


def test_the_settings_of_the_overloads_are_those_of_a_reader():
    shared = parameters(cloudio.Reader, "dataset", "bands", "labels", "valid", "keys")
    hints = {name: p.annotation for name, p in shared.items()}
    assert get_type_hints(NamedReaderSettings) == hints
    assert get_type_hints(ReaderSettings) == {**hints, "keys": type(None)}


def test_a_loader_of_tensors_takes_what_a_loader_takes():
    pytest.importorskip("torch")
    torch = cloudio.torch
    own = "pin_memory", "device", "scale_on", "process_group"
    base = parameters(cloudio.Loader, "reader")
    assert parameters(torch.Loader, "reader", *own) == base
    assert parameters(torch.Dataset)["keys"] == base["keys"]
    for name in ("batch_size", "columns", "keys", "transform"):  # overloads have these
        base.pop(name)
    assert get_type_hints(LoaderOptions) == {name: p.annotation for name, p in base.items()}
    for name in ("crop", "symmetry", "seed"):
        assert parameters(torch.Dataset)[name] == base[name]


def test_modules_list_their_public_names_and_nothing_else():
    modules = [cloudio.stats, cloudio.splits]
    for extra, room in (("matplotlib", "plot"), ("torch", "torch")):
        pytest.importorskip(extra)
        modules.append(getattr(cloudio, room))
    rooms = {"plot", "splits", "stats", "torch"}
    if any(map(importlib.util.find_spec, ("lightning", "pytorch_lightning"))):
        modules.append(cloudio.lightning)
        rooms.add("lightning")
    for room in ("dask", "xarray"):
        if importlib.util.find_spec(room):
            modules.append(getattr(cloudio, room))
            rooms.add(room)
    for module in modules:
        assert dir(module) == sorted(module.__all__), module
    assert dir(cloudio) == sorted({*cloudio.__all__, *rooms, "__version__"})


def test_a_data_module_takes_what_readers_and_loaders_take():
    pytest.importorskip("lightning", reason="lightning is an extra")
    from cloudio.integrations.lightning import options

    own = parameters(cloudio.lightning.DataModule)
    taken = get_type_hints(options.DataModuleOptions)
    assert taken.keys() == {*options.READER, *options.TRAIN, *options.ALL_LOADERS}
    shared = {**parameters(cloudio.torch.Loader), **parameters(cloudio.Reader)}
    not_taken = {"reader", "dataset", "shuffle", "index", "rank", "world_size", "mean", "std"}
    not_taken |= {"device", "scale_on", "process_group"}  # Lightning has its own
    assert shared.keys() - own.keys() - taken.keys() == not_taken
    for name, hint in taken.items():
        assert hint == shared[name].annotation, name
