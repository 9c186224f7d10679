"""Build the extension modules of ``cloudio/_core``; everything else is in pyproject.toml."""

import os
import sys
import sysconfig
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

# Free-threaded Pythons have no stable ABI yet, so they get a module of their own.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")

if sys.platform == "win32":
    FLAGS = ["/O2", "/std:c11", "/experimental:c11atomics", "/fp:precise"]
else:
    # Two roundings per pixel on every CPU: a fused multiply-add would change 30 % of all values.
    FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fvisibility=hidden"]
    # Short loops differ by up to a third in speed with where they lie in a cache line. It must not
    # depend on what else a module is linked from.
    FLAGS += ["-falign-functions=64", "-falign-loops=32"]
    # Debug information, which Python's own flags ask for, would be nine tenths of the wheel.
    if "-g" not in os.environ.get("CFLAGS", "").split():
        FLAGS.append("-g0")

# The C that a module is linked with, where it is linked with any. What keeps state (thread_pool,
# scratch, background) belongs to one module alone: each module gets a copy of its own.
SOURCES = {
    "files": ["file"],
    "plans": ["file"],
    "runtime": ["dispatch", "rows_*", "stores"],
    "executor": ["file", "histogram", "scratch", "stores", "thread_pool"],
    "kernels": ["background", "file"],
}


def module(path: Path) -> Extension:
    sources = [c for name in SOURCES.get(path.stem, []) for c in sorted(glob(f"csrc/{name}.c"))]
    return Extension(
        f"cloudio._core.{path.stem}",
        [path.as_posix(), *sources],
        include_dirs=["csrc"],
        depends=glob("csrc/*.h"),
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE else [],
        py_limited_api=STABLE,
        extra_compile_args=FLAGS,
        libraries=[] if sys.platform == "win32" else ["m"],
    )


setup(
    # Rooms are found, not listed. The headers are shipped for those who build against them.
    packages=[*find_packages(include=["cloudio", "cloudio.*"]), "cloudio.include"],
    package_dir={"cloudio.include": "csrc"},
    package_data={
        "": ["py.typed", "*.pyi", "*.pxd"],
        "cloudio.include": ["background.h", "cloudio.h", "files.h", "histogram.h"],
    },
    ext_modules=cythonize(
        [module(path) for path in sorted(Path("cloudio/_core").glob("*.pyx"))],
        compiler_directives={
            "language_level": 3,
            "cdivision": True,
            "freethreading_compatible": True,
        },
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
