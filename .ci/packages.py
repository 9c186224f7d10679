"""Check what is shipped: `packages.py SDIST WHEEL`, in a checkout that git knows.

An sdist holds the source and nothing generated; a wheel holds every package of the checkout, what
other Cython code needs, and stays small.
"""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

LARGEST = 1_000_000
GENERATED = {".c", ".so", ".pyd", ".pyc"}


def of_git(*patterns: str) -> set[PurePosixPath]:
    command = ["git", "ls-files", *patterns]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {PurePosixPath(line) for line in lines}


def suffixed(paths: set[PurePosixPath], *suffixes: str) -> set[PurePosixPath]:
    return {path for path in paths if path.suffix in suffixes}


def rooms(paths: set[PurePosixPath]) -> set[PurePosixPath]:
    return {path.parent for path in suffixed(paths, ".py") if path.parts[0] == "cloudio"}


def faults_of_sdist(file: str, checkout: set[PurePosixPath]) -> list[str]:
    with tarfile.open(file) as archive:
        names = [PurePosixPath(member.name) for member in archive if member.isfile()]
    held = {PurePosixPath(*name.parts[1:]) for name in names}
    package = {path for path in held if path.parts[0] == "cloudio"}
    needed = suffixed(checkout, ".py", ".pyx", ".pxd", ".pyi", ".c", ".h")
    return [
        *(f"the sdist lacks {path}" for path in sorted(needed - held)),
        *(f"the sdist holds {path}" for path in sorted(suffixed(package, *GENERATED))),
        *(f"the sdist holds {path}" for path in sorted(suffixed(held, ".so", ".pyc"))),
    ]


def faults_of_wheel(file: str, checkout: set[PurePosixPath]) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        held = {PurePosixPath(name) for name in archive.namelist()}
    package = {path for path in checkout if path.parts[0] == "cloudio"}
    needed = suffixed(package, ".py", ".pxd", ".pyi") | {PurePosixPath("cloudio/py.typed")}
    modules = {path.stem for path in suffixed(package, ".pyx")}
    built = {path.name.split(".")[0] for path in suffixed(held, ".so", ".pyd")}
    found = [
        *(f"the wheel lacks the package {room}" for room in sorted(rooms(package) - rooms(held))),
        *(f"the wheel lacks {path}" for path in sorted(needed - held)),
        *(f"the wheel lacks the module {name}" for name in sorted(modules - built)),
        *(f"the wheel holds {path}" for path in sorted(suffixed(held, ".c", ".pyx"))),
    ]
    n_bytes = os.path.getsize(file)
    if n_bytes >= LARGEST:
        found.append(f"the wheel holds {n_bytes:,} bytes; {LARGEST:,} are too many")
    return found


def main() -> int:
    sdist, wheel = sys.argv[1:]
    checkout = of_git("cloudio", "csrc", "tests")
    faults = [*faults_of_sdist(sdist, checkout), *faults_of_wheel(wheel, checkout)]
    n_bytes = os.path.getsize(wheel)
    print("\n".join(faults) or f"sdist and wheel hold what they should; {wheel}: {n_bytes:,} bytes")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
