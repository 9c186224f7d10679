"""The Python environments of rivals: the running one, or virtual ones that are made on demand.

What installs together is pinned in requirements.txt, and lives in the running environment if all of
it is there, else in one that is called "main".  A rival that needs an environment of its own has
its packages in environments/NAME.txt.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudio

from .rival import Rival

BENCHMARKS = Path(__file__).parents[1]
MAIN = "main"
#: Where environments are made.
FOLDER = BENCHMARKS / ".environments"
INSTALL_SECONDS = 420
#: In a file of requirements: what follows is all that is needed, and nothing else is installed.
NO_DEPENDENCIES = "# Without what they depend on:"
_VERSIONS = """import json, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))"""


class InstallError(Exception):
    """Packages that are not there and could not be installed, in words for a table."""


class Environments:
    """Where each rival runs, under ``folder``.  ``install``: what is missing is installed there."""

    def __init__(
        self, folder: Path, install: bool, tell: Callable[[str], None], seconds: float | None = None
    ) -> None:
        self.folder, self.install, self.tell = folder, install, tell
        self.seconds = seconds or INSTALL_SECONDS
        self._pythons: dict[str, Path] = {}
        self._versions: dict[str, dict[str, str | None]] = {}
        self._failures: dict[str, str] = {}

    def prepare(self, rivals: Iterable[Rival]) -> None:
        """Make the environments that these rivals need; what fails is known afterwards."""
        needed: dict[str, set[str]] = {}
        for rival in rivals:
            needed.setdefault(rival.environment, set()).update(rival.packages)
        here = _versions(Path(sys.executable), needed.get(MAIN, ()))
        self._pythons[MAIN], self._versions[MAIN] = Path(sys.executable), here
        wanted = [name for name in needed if name != MAIN or not all(here.values())]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._make, wanted))
        for name in wanted:
            if name in self._pythons:
                self._versions[name] = _versions(self._pythons[name], needed[name])

    def python(self, rival: Rival) -> Path:
        """Return the Python that a rival runs in; InstallError if it cannot."""
        name = rival.environment
        if name not in self._pythons:
            raise InstallError(
                self._failures.get(name)
                or f"it needs the environment {name}; run without --no-install"
            )
        missing = [one for one in rival.packages if not self._versions[name].get(one)]
        if missing:
            why = self._failures.get(name, "run without --no-install" if not self.install else "")
            raise InstallError(f"no {', '.join(missing)}" + (f"; {why}" if why else ""))
        return self._pythons[name]

    def _make(self, name: str) -> None:
        """Find an environment of the same requirements, or make it if that is allowed."""
        file = BENCHMARKS / ("requirements.txt" if name == MAIN else f"environments/{name}.txt")
        if not file.is_file():
            self._failures[name] = f"there is no benchmarks/environments/{name}.txt"
            return
        folder = self.folder.absolute() / name
        python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
        wanted = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()
        if not (stamp.is_file() and stamp.read_text() == wanted):
            if not self.install:
                return
            self.tell(f"installing the environment {name}")
            start = time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
            failure = _run([sys.executable, "-m", "venv", str(folder)], self.seconds)
            failure = failure or self._install(name, python, file)
            took = f"{time.monotonic() - start:.0f} s"
            if failure is None:
                self.tell(f"installed the environment {name} in {took}")
                stamp.write_text(wanted)
            else:
                self.tell(f"the environment {name} failed after {took}: {failure}")
                self._failures[name] = failure
                if name != MAIN:
                    return
        if name == MAIN:
            _link_cloudio(python)
        self._pythons[name] = python

    def _install(self, name: str, python: Path, file: Path) -> str | None:
        """Install a file of requirements; return in words what failed, or None."""
        # What is imported is compiled then; most is not.
        pip = [str(python), "-m", "pip", "install", "-q", "--no-compile"]
        pip += ["--disable-pip-version-check"]
        parts = file.read_text().split(NO_DEPENDENCIES)
        failure = _run([*pip, *_requirements(parts[0])], self.seconds)
        for part in parts[1:]:
            failure = failure or _run([*pip, "--no-deps", *_requirements(part)], self.seconds)
        if failure is None or name != MAIN:
            return failure
        self.tell(f"{failure}; trying the packages one by one")
        failures = [_run([*pip, one], self.seconds) for one in _requirements(parts[0])]
        return "; ".join(filter(None, failures)) or None


def _requirements(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _run(command: list[str], seconds: float) -> str | None:
    """Run a command; return the end of its words if it fails, or takes longer than ``seconds``."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return f"pip took more than {seconds:g} s"
        raise
    if process.returncode == 0:
        return None
    return reason(printed.decode(errors="replace").splitlines())


def reason(lines: list[str]) -> str:
    """Return the line that says most: an exception of a build, or pip's own error."""
    for pattern in (r"\s*\w*(Error|Exception): ", "ERROR: ", r"\S"):
        if found := [line.strip() for line in lines if re.match(pattern, line)]:
            return found[-1][:200]
    return "pip failed and said nothing"


def _versions(python: Path, packages: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of packages in an environment, None for those that are not there."""
    command = [str(python), "-c", _VERSIONS, *packages]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def _link_cloudio(python: Path) -> None:
    """Let another environment of the same Python import the cloudio that runs now."""
    (site,) = (python.parents[1] / "lib").glob("python3*/site-packages")
    link = site / "cloudio"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(cloudio.__file__).parent)
