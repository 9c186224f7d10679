"""The command `cloudio verify`, and arguments that are refused."""

import json
import signal
import sys

import processes
import pytest
from clean import TINY, verify_tiny
from defects import PLANTED

from cloudio import RequestError
from cloudio.cli import main
from cloudio.layouts import toml_writer


def test_the_exit_status_is_1_with_findings(tiny, tmp_path, capsys):
    layout = tmp_path / "tiny.toml"
    layout.write_text(toml_writer.to_toml(TINY), encoding="utf-8")
    command = ["verify", str(tiny), "--layout", str(layout)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("nothing found\n")
    PLANTED["radar_has_nan"][0](tiny)
    assert main([*command, "--quick"]) == 0
    assert "no pixels" in capsys.readouterr().out
    assert main([*command, "--threads", "1", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["check"] == "nan"
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    assert main([*command, "--threads", "0"]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "--threads 0" in caught.err


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_ends_the_command_without_a_traceback(synthetic):
    code = (
        "import os, signal, sys, time\n"
        "from cloudio.reading import scan\n"
        "from cloudio.cli import main\n"
        # What runs in the background of a shell ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def array(*a, **k): os.kill(os.getpid(), signal.SIGINT), time.sleep(30)\n"
        "scan.count_array = array\n"
        f"sys.exit(main(['verify', {str(synthetic)!r}]))"
    )
    run = processes.run([sys.executable, "-c", code])
    assert run.returncode == 128 + signal.SIGINT
    assert (run.stdout, run.stderr.strip()) == ("", "")


@pytest.mark.parametrize("bad", ["no", 0, -1])
def test_a_wrong_number_of_threads_is_refused(tiny, bad):
    with pytest.raises(RequestError, match="threads"):
        verify_tiny(tiny, threads=bad)
