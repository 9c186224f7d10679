"""Files of rivals that are wrong, crash or hang, for tests of benchmarks/suite."""

import textwrap
from pathlib import Path

#: numpy, and then what a test plants into `read(k)`, which sees k, image and label.
_FILE = """
import os, signal, subprocess, sys, time
import numpy as np
from benchmarks.suite.rival import Rival
from benchmarks.suite.task import expected
from contextlib import contextmanager

@contextmanager
def opened(task):
    def read(k):
        image, label = expected(task, k)
{planted}
        return image, label
    yield read

def convert(task, folder):
{convert}

RIVALS = [Rival({name!r}, opened, ("warm", "cold"), {packages!r}, {environment!r}{more})]
"""


def planted(
    folder: Path,
    name: str,
    code: str = "pass",
    *,
    packages: tuple[str, ...] = ("numpy",),
    environment: str = "main",
    convert: str | None = None,
) -> Path:
    """Write a rival with a line that should not be there; return its file."""
    file = folder / f"{name}.py"
    text = _FILE.format(
        planted=textwrap.indent(code, " " * 8),
        convert=textwrap.indent(convert or "pass", " " * 4),
        more=", convert=convert" if convert else "",
        name=name,
        packages=packages,
        environment=environment,
    )
    file.write_text(text, encoding="utf-8")
    return file
