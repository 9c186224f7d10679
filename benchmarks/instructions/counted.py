"""The program that valgrind runs: calls each case, and then counts another call of it.

    python -m benchmarks.instructions.counted DATA MARKS [CASE ...]

MARKS is marks.c, compiled.
"""

import ctypes
import gc
import sys
from pathlib import Path

from .cases import cases

#: Calls before the one that counts: what is made once has been made.
CALLS_BEFORE = 2


def main() -> None:
    data, marks, *names = sys.argv[1:]
    valgrind = ctypes.CDLL(marks)
    calls = cases(Path(data))
    gc.disable()
    # From here on, not from case to case: callgrind counts short what it begins in the middle of.
    valgrind.begin()
    for name in names or calls:
        for _ in range(CALLS_BEFORE):
            calls[name]()
        gc.collect()
        valgrind.reset()
        calls[name]()
        valgrind.write_counts(name.encode())


if __name__ == "__main__":
    main()
