"""What is printed: any name, on any terminal; wrapped on a terminal; in the words of options."""

import io
import json
import os
import signal
import sys

import numpy as np
import processes
import pytest

from cloudio.cli import main
from cloudio.cli.terminal import in_options, write

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names and files")


TOML = """name = "Donn\\u00e9es"
patch = [16, 16]
[[arrays]]
name = "B4"
dtype = "int16"
"""


def data_set(folder):
    """Make a small data set with its layout; its name may be bytes."""
    os.makedirs(folder)
    folder = os.fsdecode(folder)
    random_numbers().tofile(os.path.join(folder, "B4.dat"))
    with open(os.path.join(folder, "cloudio.toml"), "w", encoding="utf-8") as file:
        file.write(TOML)
    return folder


def random_numbers():
    return np.random.default_rng(0).integers(0, 9999, (3, 16, 16)).astype("<i2")


def cloudio(*words, **options):
    environment = os.environ | {"PYTHONUTF8": "0"} | options.pop("env", {})
    return processes.run([sys.executable, "-m", "cloudio", *words], env=environment, **options)


@POSIX
@pytest.mark.parametrize("command", [["info"], ["verify"], ["stats"], ["info", "--toml"]])
@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii", "latin-1"])
@pytest.mark.parametrize("name", [b"donn\xe9es", "données".encode(), b"plain"])
def test_names_that_the_terminal_cannot_print_are_printed_as_escapes(
    tmp_path, command, encoding, name
):
    folder = data_set(os.fsencode(tmp_path) + b"/" + name)
    done = cloudio(*command, folder, env={"PYTHONIOENCODING": encoding}, encoding="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@POSIX
def test_a_layout_that_ascii_cannot_hold_is_printed_as_toml_still_reads_it(tmp_path):
    import tomllib

    folder = data_set(str(tmp_path / "x"))
    done = cloudio("info", "--toml", folder, env={"PYTHONIOENCODING": "ascii"})
    assert tomllib.loads(done.stdout)["name"] == "Données"


@POSIX
@pytest.mark.parametrize("command", [["info"], ["verify"], ["verify", "--quick"], ["stats"]])
def test_no_name_reaches_the_terminal_as_an_escape_sequence(tmp_path, command):
    folder = data_set(str(tmp_path / "x\x1b[2J\ny"))
    np.zeros((3, 16, 16), "i2").tofile(f"{folder}/\x1b]0;pwned\x07\nnothing found.dat")
    done = cloudio(command[0], folder, *command[1:])
    assert "\x1b" not in done.stdout + done.stderr
    assert "nothing found.dat" not in done.stdout.splitlines()


@POSIX
@pytest.mark.parametrize("words", [["info"], ["verify", "x"], ["info", "nowhere"]])
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path, words, closed):
    data_set(str(tmp_path / "x"))
    line = f"{sys.executable} -m cloudio {' '.join(words)} {closed}"
    done = processes.run(["bash", "-c", line], cwd=tmp_path)
    assert done.returncode == (2 if "nowhere" in words else 0)
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(tmp_path):
    data_set(str(tmp_path / "x"))
    with open("/dev/full", "w") as full:
        done = cloudio("info", str(tmp_path / "x"), stdout=full)
    assert done.returncode == 2
    assert done.stderr == "cloudio: the output cannot be written: No space left on device\n"


@POSIX
@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_commands_work_without_assertions_and_docstrings(tmp_path, flag):
    data_set(str(tmp_path / "x"))
    for command in ("info", "verify", "stats"):
        words = [sys.executable, flag, "-m", "cloudio", command, str(tmp_path / "x")]
        done = processes.run(words)
        assert (done.returncode, done.stderr) == (0, ""), command


# ---- wrapping ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_lines_are_wrapped_on_a_terminal_and_nowhere_else(monkeypatch, stream):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stdout", stream())
    text = "short\n  " + "word " * 40 + "\n" + "x" * 80
    write(text.rstrip())
    lines = sys.stdout.getvalue().splitlines()
    if stream is Terminal:
        assert lines[0] == "short"
        assert all(len(line) <= 60 for line in lines[:-1])
        assert lines[2].startswith("      word")
        assert sum(line.split().count("word") for line in lines) == 40
        assert lines[-1] == "x" * 80  # a name is not cut
    else:
        assert [line.rstrip() for line in lines] == [line.rstrip() for line in text.splitlines()]


# ---- words of options ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "options", "expected"),
    [
        ("threads=0; threads must be 1 or more", ["threads"], "--threads 0; --threads must be 1"),
        ("size=(9, 9); 8 x 8, so size must be", ["size"], "--size 9; 8 x 8, so --size must be"),
        ("percentiles=['a', 'b']; x", ["percentiles"], "--percentiles a,b; x"),
        ("index[2] = 9; there are 3", ["index"], "--index 9; there are 3"),
        ("channel_axis=3; x", ["channel_axis"], "--channel-axis 3; x"),
        ("fields={'a': '/b', 'c': 'd'}, but", ["fields"], "--fields a=/b c=d, but"),
        ("nodata={'a': 0, 'b': -1.5}; x", ["nodata"], "--nodata a=0 b=-1.5; x"),
        ("fields={'a': '/b', ...; x", ["fields"], "--fields {'a': '/b', ...; x"),
        (
            "such as dataset={'image': '{split}/images'}, channel_axis='last' (--dataset "
            "image={split}/images --channel-axis last), or 'first'",
            ["dataset", "channel_axis", "images"],
            "such as --dataset image={split}/images --channel-axis last, or 'first'",
        ),
        (
            "dtypes={'B': 'float32'} with lossy=True (--dtype B=float32 --lossy) rounds it",
            ["dtype", "lossy"],
            "--dtype B=float32 --lossy rounds it",
        ),
        ("cut them with tile= (--tile)", ["tile"], "cut them with tile= (--tile)"),
        ("pass reader(scale=...)", ["scale"], "pass reader(scale=...)"),
        ("`cloudio synth --patches train=3`", ["patches"], "`cloudio synth --patches train=3`"),
        ("x exists; force=True or --force replaces it", [], "x exists; --force replaces it"),
        ("manifest='m' with full=False", ["manifest"], "--manifest 'm' with --quick"),
        (
            "X follows 'card': why. To confirm, write labels={'X': 'card'}",
            ["labels", "policy"],
            "X follows 'card': why. To confirm, give --labels X --policy card",
        ),
        (
            "X follows 'card': why. To confirm, write labels={'X': 'card'}",
            ["labels"],
            "X follows 'card': why.",
        ),
        (
            "X is named without a policy and follows 'card': why. "
            "To confirm, write labels={'X': 'card'}",
            [],
            "X follows the policy 'card': why.",
        ),
    ],
)
def test_messages_are_in_the_words_of_the_command_line(message, options, expected):
    assert in_options(message, options).startswith(expected)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("there is no folder split=b in /x; did you mean split=a?", ["split"]),
        ("/x/threads=4/y/B4.dat ends within patch 3", ["threads"]),
        ("there is no split 'index=3'", ["index"]),
        ("there are no files in /x y/a split=b or its sub-folders", ["split"]),
    ],
)
def test_names_with_an_equals_sign_stay_as_they_are(message, options):
    assert in_options(message, options, ["split=b", "/x y/a split=b", "x"]) == message


def test_a_folder_named_like_an_option_is_named_in_errors(tmp_path):
    (tmp_path / "split=train").mkdir()
    done = cloudio("stats", "split=train", cwd=tmp_path)
    assert done.returncode == 2
    assert f"files in {tmp_path}/split=train or" in done.stderr


# ---- exit status and JSON ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "failing"),
    [
        ("note", {"note"}),
        ("warning", {"note", "warning", "default"}),
        ("error", {"note", "warning", "error", "default"}),
    ],
)
def test_fail_on_says_which_findings_make_the_status_1(tmp_path, severity, failing, capsys):
    folder = data_set(str(tmp_path / "x"))
    if severity == "note":
        random_numbers()[::-1].tofile(f"{folder}/own.dat")  # no layout knows it
    elif severity == "warning":
        numbers = np.fromfile(f"{folder}/B4.dat", "<i2")
        numbers[:9] = -5
        numbers.tofile(f"{folder}/B4.dat")
    else:
        (tmp_path / "x" / "metadata.csv").write_text("a\n1\n")  # three patches
    for least in ("error", "warning", "note", "never"):
        assert main(["verify", folder, "--fail-on", least]) == int(least in failing), least
    assert main(["verify", folder]) == int("default" in failing)


def test_info_has_everything_as_json(tmp_path, capsys):
    folder = data_set(str(tmp_path / "x"))
    assert main(["info", folder, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layout"] == "Données"
    assert (found["patches"], found["patch"], found["valid"]) == (3, [16, 16], [0, 0, 16, 16])
    assert found["splits"] == [{"name": "x", "patches": 3, "metadata": [], "folder": folder}]
    (array,) = found["arrays"]
    assert array == {
        "name": "B4", "dtypes": ["int16"], "bytes": 1536, "kind": "band", "scale": 1.0,
        "offset": 0.0, "nodata": None, "unit": None, "wavelength": None,
        "size": [16, 16], "repeat": [1, 1], "exceptions": 0,
    }  # fmt: skip
    assert found["warnings"] == []
    assert main(["info", "--json"]) == 0
    assert "CPU" in json.loads(capsys.readouterr().out)
    assert main(["info", folder, "--json", "--toml"]) == 2
    assert "--toml and --json contradict each other" in capsys.readouterr().err


@POSIX
def test_an_interrupt_has_its_status_and_no_traceback(tmp_path):
    code = (
        "import os, signal, sys, time\n"
        "from cloudio.cli import command, main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def arrange(*a): os.kill(os.getpid(), signal.SIGINT), time.sleep(30)\n"
        "command.arrange = arrange\n"
        "sys.exit(main(['info', 'x']))"
    )
    done = processes.run([sys.executable, "-c", code], cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")
