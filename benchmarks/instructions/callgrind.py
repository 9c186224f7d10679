"""Instructions of cloudio's compiled modules, counted by callgrind, and who compiled them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cloudio._core import executor

HERE = Path(__file__).resolve().parent
ROOT, PROGRAM = HERE.parents[1], f"{__package__}.counted"
#: Where cloudio's compiled modules are.
MODULES = Path(executor.__file__).parent
#: callgrind knows no AVX-512. One seed for all hashes: what Python does is the same each time.
SETTINGS = {"CLOUDIO_ISA": "avx2", "PYTHONHASHSEED": "0"}
#: What compilers leave in a module; that of clang first, because its modules have parts of gcc's.
COMMENTS = {"clang": rb"clang version (\d+)", "gcc": rb"GCC: \([^)]*\) (\d+)"}


class MissingError(Exception):
    """What is needed to count is not there."""


def compiler() -> str:
    """Return what compiled the modules, such as "gcc-12"."""
    found = {compiler_of(path) for path in MODULES.glob("*.so")}
    if len(found) != 1:
        raise MissingError(f"the modules in {MODULES} were built by {', '.join(sorted(found))}")
    return found.pop()


def compiler_of(module: Path) -> str:
    """Return what compiled a module."""
    content = module.read_bytes()
    for name, comment in COMMENTS.items():
        if match := re.search(comment, content):
            return f"{name}-{match[1].decode()}"
    return "a compiler that left no name"


def count(data: Path, folder: Path, names: Sequence[str]) -> dict[str, int]:
    """Return the instructions of each case; files are written to ``folder``."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise MissingError("valgrind is not installed")
    out = folder / "counts"
    options = "--instr-atstart=no --dump-line=no --compress-strings=no --compress-pos=no"
    callgrind = valgrind, "-q", "--tool=callgrind", f"--callgrind-out-file={out}", *options.split()
    program = sys.executable, "-m", PROGRAM, str(data), str(_marks(folder)), *names
    run = subprocess.run(
        [*callgrind, *program],
        cwd=ROOT,
        env={**os.environ, **SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if run.returncode:
        # Among what valgrind says of system calls that it does not know.
        said = [line for line in run.stdout.splitlines() if not line.startswith(("==", "--"))]
        sys.exit("\n".join(["valgrind, or the program that it runs, failed:", *said]))
    found = dict(read_counts(path) for path in folder.glob("counts.*"))
    return {name: found[name] for name in names}


def _marks(folder: Path) -> Path:
    """Compile marks.c."""
    marks = folder / "marks.so"
    command = shlex.split(os.environ.get("CC", "cc"))
    options = "-shared", "-fPIC", "-o", str(marks), str(HERE / "marks.c")
    try:
        run = subprocess.run([*command, *options], capture_output=True, text=True)
    except FileNotFoundError:
        raise MissingError(f"there is no compiler {command[0]}") from None
    if run.returncode:
        raise MissingError("valgrind/callgrind.h, of valgrind's headers, cannot be compiled")
    return marks


def read_counts(path: Path) -> tuple[str, int]:
    """Return a case and the instructions of cloudio's modules, from a file of callgrind."""
    lines = path.read_text().splitlines()
    (name,) = (line.rpartition("Client Request: ")[2] for line in lines if "Client Request" in line)
    return name, sum(_costs(lines))


def _costs(lines: Sequence[str]) -> Iterator[int]:
    """What functions of cloudio's modules cost themselves, without those that they call."""
    is_ours = is_call = False
    for line in lines:
        if line.startswith("ob="):
            is_ours = line.startswith(f"ob={MODULES}{os.sep}")
        elif line.startswith("calls="):
            is_call = True
        elif line[:1].isdigit():
            if is_ours and not is_call:
                yield int(line.split()[1])
            is_call = False
