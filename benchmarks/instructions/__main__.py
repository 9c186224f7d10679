"""Has a call become slower?  No clock is used: its instructions and bytecodes are counted.

    python -m benchmarks.instructions [CASE ...]

Callgrind counts the instructions of cloudio's compiled modules, with AVX2 and one thread; Python
counts the bytecodes of cloudio's own Python.  Both repeat to the unit.  They are compared with
limits.toml: more than 2 % above a limit fails, and 2 % below says to lower the limit.

The limits are for one compiler, and for one version of Python.  For others, and without valgrind,
a message says so and nothing fails.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from . import bytecodes, callgrind
from .cases import cases, make_data
from .limits import compare


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.instructions", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases of cases.py (default: all)")
    names = parser.parse_args().cases
    with tempfile.TemporaryDirectory(prefix="cloudio-instructions-") as folder:
        data = Path(folder, "data")
        data.mkdir()
        make_data(data)
        calls = cases(data)
        if unknown := set(names) - set(calls):
            sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(calls)}")
        chosen = names or list(calls)
        counted = {name: bytecodes.count(calls[name]) for name in chosen}
        passed = compare("bytecodes", bytecodes.python(), counted)
        try:
            if platform.system() != "Linux" or platform.machine() != "x86_64":
                raise callgrind.MissingError("the limits are for Linux on x86-64")
            compiler = callgrind.compiler()
            counted = callgrind.count(data, Path(folder), chosen)
        except callgrind.MissingError as missing:
            print(f"instructions: skipped, {missing}")
        else:
            passed &= compare("instructions", compiler, counted)
    sys.exit(not passed)


if __name__ == "__main__":
    main()
