"""The counts of `python -m benchmarks.instructions`: what is counted, and what fails."""

import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cloudio

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")

from benchmarks.instructions import bytecodes, callgrind, limits

#: As callgrind writes it. The first number after a "calls" is what the called function costs.
COUNTS = """\
# callgrind format
version: 1
desc: Trigger: Client Request: read 8

events: Ir
summary: 1075


ob={modules}/executor.abi3.so
fl=???
fn=execute
0 40
cob={modules}/runtime.abi3.so
cfi=???
cfn=rows_in_use
calls=3 0
0 7
0 5

ob=/usr/lib/libc.so.6
fl=???
fn=memcpy
0 1000
cob={modules}/executor.abi3.so
cfn=execute
calls=1 0
0 47

ob={modules}/runtime.abi3.so
fl=???
fn=rows_in_use
0 7
"""


def test_what_modules_cost_themselves_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "counts.1"
    path.write_text(COUNTS.format(modules=callgrind.MODULES))
    assert callgrind.read_counts(path) == ("read 8", 40 + 5 + 7)


@pytest.mark.parametrize(
    ("comments", "name"),
    [
        (b"\0GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\0", "gcc-12"),
        (b"\0GCC: (GNU) 4.8.5\0Debian clang version 19.1.7 (3)\0", "clang-19"),
        (b"\0", "a compiler that left no name"),
    ],
)
def test_the_compiler_of_a_module_is_known(tmp_path: Path, comments: bytes, name: str) -> None:
    path = tmp_path / "module.so"
    path.write_bytes(b"\x7fELF" + comments)
    assert callgrind.compiler_of(path) == name


def test_modules_of_two_compilers_have_no_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.so").write_bytes(b"GCC: (x) 1%d.2.0" % (name == "a"))
    monkeypatch.setattr(callgrind, "MODULES", tmp_path)
    with pytest.raises(callgrind.MissingError, match="were built by gcc-10, gcc-11"):
        callgrind.compiler()


@pytest.mark.parametrize(
    ("counted", "limit", "said", "passes"),
    [
        (1020, 1000, "", True),
        (980, 1000, "", True),
        (1021, 1000, "SLOWER", False),
        (979, 1000, "faster: lower the limit", True),
        (1000, None, "HAS NO LIMIT", False),
    ],
)
def test_a_count_is_compared_with_its_limit(
    counted: int,
    limit: int | None,
    said: str,
    passes: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "limits.toml"
    line = "" if limit is None else f'"read 8" = {limit}'
    path.write_text(f"[instructions.gcc-12]\nother = 5\n{line}\n")
    monkeypatch.setattr(limits, "PATH", path)
    assert limits.compare("instructions", "gcc-12", {"read 8": counted, "other": 5}) == passes
    table, _, changed = capsys.readouterr().out.partition("What was counted:")
    (row,) = (row for row in table.splitlines() if row.startswith("read 8"))
    assert row.endswith(said or ("0" if limit else ""))
    # What is printed can be written to the file as it stands.
    assert tomllib.loads(changed) == (
        {"instructions": {"gcc-12": {"read 8": counted}}} if said else {}
    )


def test_another_compiler_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert limits.compare("instructions", "gcc-1", {"read 8": 1234})
    said, _, lines = capsys.readouterr().out.partition(" They would be:")
    assert said == "instructions: skipped, limits.toml has no limits for gcc-1."
    assert tomllib.loads(lines) == {"instructions": {"gcc-1": {"read 8": 1234}}}


def test_tables_of_limits_have_the_same_calls() -> None:
    tables = tomllib.loads(limits.PATH.read_text())
    names = [list(table) for tables in tables.values() for table in tables.values()]
    assert len(names) >= 2
    assert all(each == names[0] for each in names)


def nothing() -> None:
    np.zeros(3).sum()


def smaller() -> object:
    return cloudio.Window(0, 0, 3, 3).size


@pytest.mark.parametrize(("call", "counts"), [(nothing, False), (smaller, True)])
def test_bytecodes_of_cloudio_are_counted(call: Callable[[], object], counts: bool) -> None:
    before = sys.gettrace()
    n = bytecodes.count(call)
    assert (n > 0) == counts
    assert bytecodes.count(call) == n
    assert sys.gettrace() is before


def test_without_valgrind_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(callgrind.MissingError, match="valgrind is not installed"):
        callgrind.count(tmp_path, tmp_path, ["read 8"])
