"""Imports and builds that cannot work say what is needed, once and last."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from paths import ROOT
from processes import python, run

import cloudio

PACKAGE = Path(cloudio.__file__).parent
CLEAN = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CC")}


def copied(tmp_path, *, source=True):
    """A copy of the package without compiled modules, as in a checkout that was never built."""
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "cloudio", ignore=ignored)
    if source:
        (tmp_path / "setup.py").touch()
    return tmp_path


# ---- import --------------------------------------------------------------------------------------

SOURCE = (
    "this is the source of cloudio in {0}, and its compiled modules are missing or of an earlier "
    "state. To use an installed cloudio, start Python in another folder; to use the source, build "
    "it there: pip install -e . (cannot import name 'buffers' from 'cloudio._core' "
    "({0}/cloudio/_core/__init__.py))\n"
)
posix = pytest.mark.skipif(os.name != "posix", reason="paths are compared as text")


@posix
def test_importing_the_source_says_so_in_one_traceback(tmp_path):
    folder = copied(tmp_path)
    done = run(python("import cloudio"), cwd=folder, env=CLEAN)
    assert done.returncode == 1
    assert done.stderr.endswith(f"ImportError: {SOURCE.format(folder)}")
    assert done.stderr.count("Traceback") == 1
    assert "During handling" not in done.stderr


@posix
def test_running_the_source_says_so_alone(tmp_path):
    folder = copied(tmp_path)
    done = run([sys.executable, "-m", "cloudio", "info"], cwd=folder, env=CLEAN)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cloudio: {SOURCE.format(folder)}"


@posix
def test_testing_the_source_says_so(tmp_path):
    folder = copied(tmp_path)
    (folder / "conftest.py").write_text("import cloudio\n")
    done = run([sys.executable, "-m", "pytest"], cwd=folder, env=CLEAN)
    assert done.returncode != 0
    assert done.stderr.endswith(f"E   ImportError: {SOURCE.format(folder)}")
    assert done.stderr.count("ImportError: ") == 1


@posix
def test_an_installed_package_without_its_modules_is_to_be_installed_again(tmp_path):
    folder = copied(tmp_path, source=False)
    done = run(python("import cloudio"), cwd=folder, env=CLEAN)
    said = "Install it again for this Python: pip install --force-reinstall cloudio (cannot import"
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("broken", [False, True])
def test_numpy_that_is_missing_is_named(tmp_path, broken):
    """One that is there and broken has its own message."""
    hidden = tmp_path / "numpy"
    hidden.mkdir()
    missing = "no_such_module" if broken else "numpy"
    (hidden / "__init__.py").write_text(f"raise ModuleNotFoundError('lost', name={missing!r})\n")
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(PACKAGE.parent)!r}]; import cloudio"
    )
    done = run([sys.executable, "-c", code], env=CLEAN)
    last = done.stderr.splitlines()[-1]
    if broken:
        assert last == "ModuleNotFoundError: lost"
    else:
        needed = "cloudio needs numpy, which this Python does not have: pip install 'numpy>=1.26'"
        assert last == f"ImportError: {needed}"
        assert done.stderr.count("Traceback") == 1


# ---- build ---------------------------------------------------------------------------------------

source = pytest.mark.skipif(
    not (ROOT / "setup.py").is_file() or os.name != "posix",
    reason="the tests run without the source",
)


@pytest.fixture
def checkout(tmp_path):
    """The smallest part of the source that has something to compile."""
    pytest.importorskip("Cython", reason="Cython builds the modules")
    pytest.importorskip("setuptools", reason="setuptools builds the modules")
    folder = tmp_path / "checkout"
    (folder / "cloudio" / "_core").mkdir(parents=True)
    shutil.copy(ROOT / "setup.py", folder)
    shutil.copytree(ROOT / "csrc", folder / "csrc")
    shutil.copy(PACKAGE / "_core" / "pool.pyx", folder / "cloudio" / "_core")
    for package in ("cloudio", "cloudio/_core"):
        (folder / package / "__init__.py").touch()
    return folder


def build(folder, **variables):
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    return run(command, cwd=folder, env={**CLEAN, **variables})


def compiler(folder, condition):
    """A compiler that fails where a shell's condition on a file of C holds."""
    path = folder / "compiler"
    path.write_text(
        f"#!/bin/sh\nfor file; do case $file in *.c) {condition} && exit 1;; esac; done\n"
        'exec cc "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


@source
@pytest.mark.parametrize("command", ["false", "no-such-compiler"])
def test_without_a_compiler_the_last_line_says_what_is_needed(checkout, command):
    done = build(checkout, CC=command)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        f"error: cloudio needs a C compiler, and {command} does not work here. Debian, Ubuntu: apt "
        "install build-essential; Fedora: dnf install gcc; macOS: xcode-select --install; Windows:"
    )
    assert last.endswith("another one: set CC")


@source
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_without_the_headers_of_python_the_last_line_says_so(checkout):
    done = build(checkout, CC=compiler(checkout, 'grep -q Python.h "$file"'))
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert re.match(
        r"error: cloudio needs the headers of Python, and the compiler finds no Pyt", last
    )
    assert "Debian, Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel" in last


@source
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_other_errors_of_a_build_stay_as_they_are(checkout):
    done = build(checkout, CC=compiler(checkout, "test $(basename $file) = pool.c"))
    assert done.returncode != 0
    assert "returned non-zero exit status 1" in done.stderr.splitlines()[-1]


@source
@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"Cython.py": "raise ModuleNotFoundError"},
            "cloudio is built with Cython, which is not installed: pip install 'cython>=3.1' "
            "'setuptools>=77'; or leave out --no-build-isolation",
        ),
        (
            {"Cython/__init__.py": "__version__ = '3.0.12'", "Cython/Build.py": "cythonize = None"},
            "cloudio cannot be built with Cython 3.0.12: pip install",
        ),
    ],
    ids=["missing", "old"],
)
def test_without_a_cython_that_works_the_last_line_says_so(checkout, files, message):
    tools = checkout / "tools"
    for name, text in files.items():
        path = tools / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    done = build(checkout, PYTHONPATH=str(tools))
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(f"error: {message}")


# ---- compiled modules ----------------------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("readelf") is None, reason="reads ELF files"
)
@pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="the tests run without the source")
def test_compiled_modules_are_hardened(tmp_path):
    """`.ci/packages.py` looks at those of the wheel."""
    sys.path.insert(0, str(ROOT / ".ci"))
    try:
        from packages import faults_of_module
    finally:
        del sys.path[0]
    modules = sorted((PACKAGE / "_core").glob("*.so"))
    assert modules
    assert [fault for module in modules for fault in faults_of_module(module)] == []
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a module without all of it")
    (tmp_path / "plain.c").write_text("int plain(void) { return 1; }\n")
    plain = tmp_path / "plain.so"
    flags = ["-shared", "-fPIC", "-Wl,-z,norelro", "-Wl,-z,lazy", "-Wl,-rpath,/tmp"]
    assert run([compiler, *flags, tmp_path / "plain.c", "-o", plain]).returncode == 0
    assert len(faults_of_module(plain)) == 4
