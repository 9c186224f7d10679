"""Build the extension modules of ``cloudio/_core``; everything else is in pyproject.toml."""

import os
import sys
import sysconfig
import tempfile
from glob import glob
from pathlib import Path

import setuptools
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError

TOOLS = "pip install 'cython>=3.1' 'setuptools>=77'; or leave out --no-build-isolation"
try:
    import Cython
    from Cython.Build import cythonize
except ModuleNotFoundError:
    sys.exit(f"error: cloudio is built with Cython, which is not installed: {TOOLS}")
for tool, found, needed in (
    ("Cython", Cython.__version__, (3, 1)),
    ("setuptools", setuptools.__version__, (77, 0)),
):
    if tuple(map(int, found.split(".")[:2])) < needed:
        sys.exit(f"error: cloudio cannot be built with {tool} {found}: {TOOLS}")

# Free-threaded Pythons have no stable ABI yet, so they get a module of their own.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")

LINK_FLAGS: list[str] = []
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
    # A write past the end of an array on the stack, or of one whose size the compiler knows, ends
    # the process. Sanitizers find more, and replace the functions that fortification checks.
    FLAGS += ["-fstack-protector-strong", "-U_FORTIFY_SOURCE"]
    if "-fsanitize" not in os.environ.get("CFLAGS", ""):
        FLAGS.append("-D_FORTIFY_SOURCE=2")
    if sys.platform == "linux":
        # Addresses of functions are resolved when a module is loaded, and then read-only.
        LINK_FLAGS = ["-Wl,-z,relro", "-Wl,-z,now"]

# The C that a module is linked with, where it is linked with any. What keeps state (thread_pool,
# scratch, background) belongs to one module alone: each module gets a copy of its own.
SOURCES = {
    "files": ["file"],
    "plans": ["file"],
    "runtime": ["dispatch", "rows_*", "stores"],
    "executor": ["file", "histogram", "scratch", "stores", "thread_pool"],
    "kernels": ["background", "file"],
}


COMPILER = (
    "cloudio needs a C compiler, and {} does not work here. Debian, Ubuntu: apt install "
    "build-essential; Fedora: dnf install gcc; macOS: xcode-select --install; Windows: Build Tools "
    "for Visual Studio, with C++; another one: set CC"
)
HEADERS = (
    "cloudio needs the headers of Python, and the compiler finds no Python.h in {}. Debian, "
    "Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel"
)


class Build(build_ext):
    """Builds the modules; where that fails, the last line says what is missing."""

    def run(self) -> None:
        try:
            super().run()
        except (BaseError, CCompilerError) as error:
            if not self.compiles("#include <stdio.h>"):
                command = getattr(self.compiler, "compiler_so", None) or ["the one of this system"]
                raise CompileError(COMPILER.format(command[0])) from error
            if not self.compiles("#include <Python.h>"):
                raise CompileError(HEADERS.format(sysconfig.get_path("include"))) from error
            raise

    def build_extensions(self) -> None:
        # Python's own flags may name the folder of its library: modules need none, and in a wheel a
        # folder of the machine that built it would be searched first.
        if linker := getattr(self.compiler, "linker_so", None):
            self.compiler.linker_so = [
                flag for flag in linker if not flag.startswith(("-Wl,-rpath", "-Wl,-R"))
            ]
        super().build_extensions()

    def compiles(self, line: str) -> bool:
        """Return whether a program of this line, and of nothing else, can be compiled."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "program.c")
            source.write_text(f"{line}\nint main(void) {{ return 0; }}\n")
            try:
                self.compiler.compile([str(source)], folder, include_dirs=self.include_dirs)
            except (AttributeError, BaseError, CCompilerError):  # no compiler was even found
                return False
        return True


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
        extra_link_args=LINK_FLAGS,
        libraries=[] if sys.platform == "win32" else ["m"],
    )


setup(
    # Rooms are found, not listed. The headers are shipped for those who build against them.
    packages=[*find_packages(include=["cloudio", "cloudio.*"]), "cloudio.include"],
    package_dir={"cloudio.include": "csrc"},
    package_data={
        "": ["py.typed", "*.pyi", "*.pxd"],
        "cloudio.include": ["background.h", "checksum.h", "cloudio.h", "files.h", "histogram.h"],
    },
    ext_modules=cythonize(
        [module(path) for path in sorted(Path("cloudio/_core").glob("*.pyx"))],
        compiler_directives={
            "language_level": 3,
            "cdivision": True,
            "freethreading_compatible": True,
        },
    ),
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
