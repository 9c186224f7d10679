"""Check what is shipped: `packages.py SDIST WHEEL`, in a checkout that git knows.

An sdist holds the source and nothing generated; a wheel holds every package of the checkout, what
other Cython code needs, and stays small. Its modules are hardened.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

LARGEST = 1_400_000
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


def faults_of_module(path: Path) -> list[str]:
    """What a compiled module for Linux lacks: see FLAGS and LINK_FLAGS in setup.py."""
    said = subprocess.run(
        ["readelf", "-W", "-d", "-l", "--dyn-syms", path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout
    needed = {
        "RELRO": "GNU_RELRO" in said,
        "BIND_NOW": "BIND_NOW" in said or "Flags: NOW" in said,
        "a stack protector": "__stack_chk_" in said,
    }
    return [
        *(f"{path.name} has no {what}" for what, is_there in needed.items() if not is_there),
        *(f"{path.name} has a {word}" for word in ("RPATH", "RUNPATH") if f"({word})" in said),
    ]


def faults_of_modules(wheel: str) -> list[str]:
    if sys.platform != "linux" or shutil.which("readelf") is None:
        return []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        modules = sorted(Path(folder).rglob("*.so"))
        return [fault for module in modules for fault in faults_of_module(module)]


def main() -> int:
    sdist, wheel = sys.argv[1:]
    checkout = of_git("cloudio", "csrc", "tests")
    faults = [*faults_of_sdist(sdist, checkout), *faults_of_wheel(wheel, checkout)]
    faults += faults_of_modules(wheel)
    n_bytes = os.path.getsize(wheel)
    print("\n".join(faults) or f"sdist and wheel hold what they should; {wheel}: {n_bytes:,} bytes")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
