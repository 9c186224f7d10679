"""The help of every command: its usage and its example work as they are printed."""

import argparse
import importlib
import shlex
from functools import cache

import pytest

import cloudio
from cloudio.cli import command, main

EXAMPLES = {
    name: importlib.import_module(f"cloudio.cli.commands.{name}").EXAMPLE
    for name in command.COMMANDS
}
each_command = pytest.mark.parametrize("name", command.COMMANDS)


@cache
def parser_of(name: str) -> argparse.ArgumentParser:
    return command._build_parsers()[1][name]


@each_command
def test_help_has_usage_description_defaults_and_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.startswith(f"usage: cloudio {name} ")
    assert EXAMPLES[name] in printed
    assert EXAMPLES[name].startswith(f"cloudio {name} ")
    for action in parser_of(name)._actions:
        assert action.help, action.dest
        takes_value = action.option_strings and action.nargs != 0 and not action.required
        if takes_value and action.dest not in ("manifest", "against", "output"):
            assert "default: " in action.help, action.dest


@each_command
def test_the_usage_has_the_path_before_options_that_take_several_words(name):
    usage = parser_of(name).usage
    words = usage.removeprefix(f"cloudio {name} ").split()
    path = words[0].strip("[]")
    assert path in ("PATH", "SOURCE", "DATA")
    for action in parser_of(name)._actions:
        assert not action.required or (action.option_strings or [action.metavar])[0] in words
    filled = {path: "data", "[PATH]": "data", "K": "0", "[K": "1", "...]": "", "[options]": ""}
    arguments = [filled.get(word, word) for word in words if filled.get(word, word)]
    assert str(parser_of(name).parse_args(arguments).path) == "data"


def test_every_example_is_understood():
    for name, example in EXAMPLES.items():
        assert parser_of(name).parse_args(shlex.split(example)[2:]), name


@pytest.mark.parametrize("name", [name for name in command.COMMANDS if name != "bench"])
def test_an_example_does_its_work_on_synthetic_data(name, tmp_path, monkeypatch, capsys):
    if name == "show":
        pytest.importorskip("matplotlib", reason="matplotlib is an extra")
    if name == "unpack":
        pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")
    monkeypatch.chdir(tmp_path)
    if name != "synth":
        cloudio.synthesize("data", {"train": 4})
    assert main(shlex.split(EXAMPLES[name])[1:]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
