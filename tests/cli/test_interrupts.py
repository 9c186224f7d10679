"""Commands that are interrupted at any moment, and what handles the signals."""

import random
import signal
import subprocess
import sys

import interrupted
import processes
import pytest
from profiles import scaled
from residents import soon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc of commands")
NAMES = ["info", "show", "stats", "verify --manifest", "synth", "unpack", "bench"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted") / "data"
    interrupted.make_data(folder)
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_command_leaves_nothing_and_says_nothing(name, number, data):
    if name == "show":
        pytest.importorskip("matplotlib")
    if name == "unpack":
        pytest.importorskip("rasterio", reason="GeoTIFFs need cloudio[rasterio]")
    drawn = random.Random(f"{name} {number}")
    for _ in range(scaled(2, 10)):
        delay = drawn.random() * 0.8
        outcome = interrupted.interrupt(interrupted.COMMANDS[name], data, delay, number)
        assert outcome.status in interrupted.GOOD[number], outcome
        assert (outcome.said, outcome.left) == ("", ()), outcome


BEGIN = """
import os, signal, sys, time
from cloudio.cli.process import run_alone
signal.signal(signal.SIGINT, signal.default_int_handler)

def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)
    time.sleep(0.1)  # a signal of its own process is there by now
"""


def run(code, *arguments):
    """How a program ends, and what it prints."""
    command = processes.python(BEGIN + code, *arguments, flags=["-W", "error"])
    done = processes.run(command, env=processes.environment())
    return done.returncode, done.stdout.split(), done.stderr


def test_a_signal_waits_until_an_import_is_done(tmp_path):
    """An import that is interrupted may turn the exception into another, or lose it."""
    (tmp_path / "slow.py").write_text(
        "import __main__\n"
        "try: __main__.send()\n"
        "except BaseException as error: print(type(error).__name__)\n"
        "print('imported')\n"
    )
    code = """
sys.path.insert(0, sys.argv[1])
def command():
    import slow
    time.sleep(60)
sys.exit(run_alone(command))
"""
    assert run(code, tmp_path) == (130, ["imported"], "")


def test_a_signal_waits_until_an_object_is_gone():
    """Python prints an exception of ``__del__``, and goes on."""
    code = """
class Object:
    def __del__(self):
        send()
        print("gone")
def command():
    thing = Object()
    del thing
    time.sleep(60)
sys.exit(run_alone(command))
"""
    assert run(code) == (130, ["gone"], "")


def test_a_second_signal_does_not_wait(tmp_path):
    (tmp_path / "slow.py").write_text("import __main__; __main__.send(); __main__.send(); 1 / 0")
    code = """
sys.path.insert(0, sys.argv[1])
def command():
    import slow
sys.exit(run_alone(command))
"""
    assert run(code, tmp_path) == (130, [], "")


def test_an_impatient_second_signal_does_not_interrupt_the_cleaning():
    code = """
def command():
    try:
        send()
    finally:
        send()
        print("cleaned")
sys.exit(run_alone(command))
"""
    assert run(code) == (130, ["cleaned"], "")


def test_an_interrupt_that_became_another_error_is_still_one():
    code = """
def command():
    try:
        send()
    except KeyboardInterrupt:
        raise ImportError("something is wrong with numpy") from None
sys.exit(run_alone(command))
"""
    assert run(code) == (130, [], "")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_after_the_work_does_not_change_the_status(number):
    code = f"""
status = run_alone(lambda: 7)
send(signal.{number})
sys.exit(status)
"""
    assert run(code) == (7, [], "")


def test_what_the_caller_ignores_stays_ignored():
    """As under nohup, and in background jobs of a shell."""
    code = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
def command():
    send(signal.SIGHUP)
    send(signal.SIGINT)
    return 3
sys.exit(run_alone(command))
"""
    assert run(code) == (3, [], "")


def test_an_error_without_a_signal_is_raised():
    status, printed, said = run("run_alone(lambda: 1 / 0)")
    assert (status, printed) == (1, [])
    assert said.endswith("ZeroDivisionError: division by zero\n")


def test_a_terminal_that_closes_ends_the_command(tmp_path):
    command = [sys.executable, "-m", "cloudio", "synth", str(tmp_path / "x"), "--patches", "a=100"]
    with processes.started(command, stderr=subprocess.PIPE) as process:
        assert soon(lambda: any(tmp_path.rglob("*.dat")))
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=60) == (None, b"")
        assert process.returncode == 128 + signal.SIGHUP
    assert list(tmp_path.iterdir()) == []
