"""Numbers and texts do not depend on what the program around cloudio has set."""

import ctypes
import functools
import json
import platform
import shutil
import sys

import environments
import numpy as np
import processes
import pytest

needs_registers = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in environments.REGISTERS,
    reason="the floating-point environment of this machine is not known here",
)
OF_FLOATS = {"rounds up", "rounds down", "rounds to zero", "flushes"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What a program in an environment makes of some data: digests, in each phase."""
    data = tmp_path_factory.mktemp("environments") / "data"
    environments.make_data(data)

    @functools.cache
    def run(name, **more):
        variables = environments.VARIABLES.get(name, {}) | more
        command = [sys.executable, "-W", "error", environments.__file__, data, name]
        printed = processes.printed(command, env=processes.environment(**variables), cwd=data)
        return json.loads(printed)

    return run


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """The variables of a locale that writes a decimal comma."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef, which makes a locale")
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    processes.run(command)  # it also warns
    if not (folder / "de_DE.UTF-8").exists():
        pytest.skip("this system cannot make the locale de_DE")
    return {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[needs_registers] if name in OF_FLOATS else [])
        for name in environments.ENVIRONMENTS
        if name != "locale"
    ],
)
def test_nothing_depends_on_the_environment(name, outcomes):
    usual = outcomes("as it is")["made"]
    assert not [x for x in usual.values() if " " in x], "errors"
    assert outcomes(name) == {"made": usual, "used": usual}


def test_nothing_depends_on_the_locale(outcomes, german):
    usual = outcomes("as it is")["made"]
    assert outcomes("locale", **german) == {"made": usual, "used": usual}


@needs_registers
def test_the_floating_point_environments_are_what_they_say():
    """Else the tests above would show nothing."""
    one, small, smallest = np.float32([1]), np.float32([1e-10]), np.float32([1e-45])
    computed = {}
    for name in ("up", "down", "zero", "flush"):
        before = ctypes.create_string_buffer(64)
        libm = ctypes.CDLL("libm.so.6")
        libm.fegetenv(before)
        environments.set_floats(name)
        try:
            computed[name] = [one + small, small - one, smallest * one]
        finally:
            libm.fesetenv(before)
    above, below = np.nextafter(one, 2), np.nextafter(-one, 0)
    assert computed["up"] == [above, below, smallest]
    assert computed["down"] == [one, -one, smallest]
    assert computed["zero"] == [one, below, smallest]
    assert computed["flush"] == [one, -one, 0]
