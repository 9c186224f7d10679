"""Build the three extension modules; everything else is in pyproject.toml."""

import os
import sys
import sysconfig
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

# Free-threaded Pythons have no stable ABI yet, so they get a module of their own.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")

if sys.platform == "win32":
    FLAGS = ["/O2", "/std:c11", "/experimental:c11atomics", "/fp:precise"]
else:
    # Two roundings per pixel on every CPU: a fused multiply-add would change 30 % of all values.
    FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fvisibility=hidden"]
    # Debug information, which Python's own flags ask for, would be nine tenths of the wheel.
    if "-g" not in os.environ.get("CFLAGS", "").split():
        FLAGS.append("-g0")


def module(name: str, sources: list[str]) -> Extension:
    return Extension(
        f"cloudio.{name}",
        [f"cloudio/{name}.pyx", *sources],
        include_dirs=["csrc"],
        depends=glob("csrc/*.h"),
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE else [],
        py_limited_api=STABLE,
        extra_compile_args=FLAGS,
        libraries=[] if sys.platform == "win32" else ["m"],
    )


setup(
    ext_modules=cythonize(
        [
            module("_pool", []),
            module("_files", ["csrc/file.c"]),
            module("_plans", ["csrc/file.c"]),
            module("_kernels", sorted(glob("csrc/*.c"))),
        ],
        compiler_directives={
            "language_level": 3,
            "cdivision": True,
            "freethreading_compatible": True,
        },
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
