"""The commands as a person types them."""

import importlib
import os
import re
import signal
import subprocess
import sys
import warnings

import builders
import processes
import pytest
from residents import soon

import cloudio
from cloudio import stats
from cloudio.cli import command, main


def test_synth_then_info(tmp_path, capsys):
    path = tmp_path / "made"
    assert main(["synth", str(path), "--patches", "train=1", "high=1", "--seed", "3"]) == 0
    assert capsys.readouterr().out == f"{path}: train 1, high 1 patches\n"
    assert len(cloudio.open(path)) == 2
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "2 patches, 49 arrays" in out
    assert "LABEL_qa60" in out
    assert "no warnings" in out


def test_info_alone_tells_what_a_bug_report_needs(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for word in (cloudio.__version__, "instruction set", "threads", "Python", "numpy"):
        assert word in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info", "nowhere"], "cloudio: there is no folder nowhere"),
        (["synth", "{tmp}"], "cloudio: .* exists already; give the path of a new folder"),
        (
            ["synth", "{tmp}/x", "--patches", "train=0"],
            "cloudio: --patches 'train=0'; it must be SPLIT=N",
        ),
        (
            ["synth", "{tmp}/x", "--seed", "-1"],
            "cloudio: --seed -1; --seed must be a whole number, 0 or more",
        ),
        (["bench", "nowhere"], "cloudio: there is no folder nowhere"),
        (
            ["bench", "{tmp}", "--rounds", "0"],
            "cloudio: --rounds 0; --rounds must be a whole number, 1 or more",
        ),
        (
            ["bench", "{tmp}", "--threads", "0"],
            "cloudio: --threads 0; --threads must be a whole number, 1 or more",
        ),
        (["info", "{tmp}"], r"cloudio: there are no \.dat or \.npy files in"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_2(tmp_path, capsys, words, message):
    assert main([word.format(tmp=tmp_path) for word in words]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.count("\n") == 1
    assert re.search(message, caught.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inof", "data"], "there is no command 'inof'; commands are info, .*did you mean info?"),
        (["verify", "x", "--quik"], "there is no option --quik; .*did you mean --quick?"),
        (["stats", "x", "--bnads=rgb"], "there is no option --bnads; .*did you mean --bands?"),
        (["info", "x", "y"], "'y' is extra; cloudio info takes one PATH"),
        (["info", "x", "--zzz=1"], "there is no option --zzz; cloudio info --help lists all\n"),
        (["info", "x", "--tomls"], "there is no option --tomls; .*did you mean --toml?"),
        (["show", "x", "--indx", "3"], "there is no option --indx; .*did you mean --index?"),
        (
            ["stats", "--policy", "x"],
            "no option --policy; .*; in Python give a policy with the label: {'sen2cor'",
        ),
        (
            ["info", "x", "--io", "pread"],
            "no option --io; .*; in Python it is cloudio.open(path,",
        ),
        (["--layout", "x.toml", "info", "x"], "; give the command first: cloudio info --layout x"),
        (["data", "info"], "no command 'data'; give the command first: cloudio info data\n"),
        (["--verison"], "there is no option --verison; did you mean --version?"),
        (["-v"], "there is no option -v; did you mean --version?"),
        (["help"], "no command 'help'; cloudio --help shows the help"),
        (["help", "info"], "no command 'help'; cloudio info --help shows the help"),
        (["verify", "x", "-q"], "no option -q; .*; did you mean --quick?"),
        (["info", "-x"], "there is no option -x; cloudio info --help lists all"),
        (["show", "x", "--index", "0", "--index", "1"], "twice; give it once: --index 0 1\n"),
        (["show", "x", "--index", "0,1,,2"], "--index '0,1,,2' has an empty entry"),
        (["synth", "x", "--seed", "abc"], "--seed 'abc'; it must be a whole number, 0 or more"),
        (["stats", "x", "--threads", "a"], "--threads 'a'; it must be a whole number, 1 or more"),
        (["bench", "--compute", "x"], "--compute 'x'; it must be a number"),
        (
            ["verify", "x", "--fail-on", "y"],
            "--fail-on 'y'; it must be one of error, warning",
        ),
        (["info", "x", "--layout"], "--layout needs a value: --layout FILE"),
        ([], "commands:"),
    ],
)
def test_a_wrong_word_is_named_with_the_most_similar_one(capsys, words, message):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), caught.err)


def test_a_path_may_begin_with_dashes(capsys):
    assert main(["stats", "--", "--no"]) == 2
    assert "there is no folder --no" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="closes a pipe as POSIX systems do")
def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    builders.write_split(tmp_path, 1, cloudio.CLOUDSEN12, names=["L1C_B4"])
    command = f"{sys.executable} -m cloudio info {tmp_path} | true; exit ${{PIPESTATUS[0]}}"
    run = processes.run(["bash", "-c", command])
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGTERM")
def test_a_synth_that_is_terminated_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "cloudio", "synth", str(tmp_path / "x"), "--patches", "a=100"]
    with processes.started(command, stderr=subprocess.DEVNULL) as process:
        assert soon(lambda: any(tmp_path.rglob("*.dat")))  # it is in the midst of writing
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_with_something_unusual_says_so(tmp_path, capsys):
    names = ["L1C_B4", "LABEL_manual_hq"]
    builders.write_split(
        tmp_path, 1, cloudio.CLOUDSEN12, names=names, dtypes={"LABEL_manual_hq": "int16"}
    )
    assert main(["info", str(tmp_path)]) == 0
    assert "LABEL_manual_hq.dat is int16 by its size, but the layout CloudSEN12 says uint8" in (
        capsys.readouterr().out
    )


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "cloudio", "--version"]
    assert processes.printed(command) == f"cloudio {cloudio.__version__}\n"


@pytest.fixture
def shown_by_python(monkeypatch):
    """The warnings that Python shows as it usually does."""
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda *given: shown.append(str(given[0])))
        yield shown


@pytest.mark.parametrize("name", command.COMMANDS)
def test_only_warnings_of_cloudio_become_sentences(name, monkeypatch, capsys, shown_by_python):
    def warn(arguments):
        warnings.warn("of somebody else", DeprecationWarning, stacklevel=1)
        warnings.warn("of ours", cloudio.CloudioWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(importlib.import_module(f"cloudio.cli.commands.{name}"), "run", warn)
    two = {command: ["x", "y"] for command in ("pack", "compact", "unpack")}
    words = {"info": [], "bench": [], "show": ["x", "--index", "0"], **two}.get(name, ["x"])
    assert main([name, *words]) == 0
    assert capsys.readouterr().err == "cloudio: warning: of ours\n"
    assert shown_by_python == ["of somebody else"]


def test_stats_counts_and_leaves_warnings_of_others_to_python(
    tmp_path, monkeypatch, capsys, shown_by_python
):
    builders.write_split(tmp_path, 1, cloudio.CLOUDSEN12, names=["L1C_B4"])
    count = stats.bands

    def warn(*positional, **named):
        warnings.warn("of somebody else", DeprecationWarning, stacklevel=1)
        return count(*positional, **named)

    monkeypatch.setattr(stats, "bands", warn)
    assert main(["stats", str(tmp_path), "--bands", "L1C_B4", "--no-labels"]) == 0
    assert capsys.readouterr().err == ""
    assert shown_by_python == ["of somebody else"]


def test_a_command_imports_the_library_only_when_it_runs():
    code = (
        "import sys; before = set(sys.modules); from cloudio.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in set(sys.modules) - before if 'matplotlib' in m or 'tqdm' in m\n"
        "       or m.startswith(('cloudio.bench.', 'cloudio.plot.', 'cloudio.stats.'))])"
    )
    assert processes.printed([sys.executable, "-c", code]).splitlines()[-1] == "[]"


def test_help_names_every_command():
    help = processes.printed([sys.executable, "-m", "cloudio", "--help"])
    for name in ("info", "synth", "verify", "show", "bench", "stats"):
        assert f"    {name} " in help


def test_a_closed_pipe_does_not_make_findings_clean(tmp_path):
    """As `cloudio verify data | head -1` under pipefail."""
    cloudio.synthesize(tmp_path / "data", {"train": 1}, arrays=["L1C_B4", "LABEL_qa60"])
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        command = [sys.executable, "-m", "cloudio", "verify", os.fspath(tmp_path / "data")]
        done = processes.run(command, stdout=pipe)
    assert (done.returncode, done.stderr) == (1, "")
