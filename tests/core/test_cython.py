"""Other packages can build against this one: what docs/cython.md shows, built and run."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import numpy as np
import processes
import pytest
from paths import ROOT

import cloudio

pytest.importorskip("Cython", reason="builds an extension with Cython")
pytest.importorskip("setuptools", reason="builds an extension with setuptools")

PAGE = ROOT / "docs" / "cython.md"

SETUP = """
import cloudio
from Cython.Build import cythonize
from setuptools import Extension, setup

extension = Extension("consumer", ["consumer.pyx"], include_dirs=[cloudio.get_include()])
setup(ext_modules=cythonize([extension]))
"""

# Every name that other packages may cimport, by both ways to cimport it.
EVERY_NAME = """
from libc.string cimport memset
from cloudio cimport _csrc as c
from cloudio cimport _kernels
from cloudio._kernels cimport end_line, rows_in_use, store_fence, team_run

cdef void add_items(void *context, size_t begin, size_t end, int slot) noexcept nogil:
    cdef size_t k
    for k in range(begin, end):
        (<int *>context)[k] += 1

def copy(const unsigned char[::1] src, unsigned char[::1] dst):
    cdef c.cio_line line
    cdef size_t n = src.shape[0]
    memset(&line, 0, sizeof(line))
    with nogil:
        rows_in_use().copy[c.CIO_STREAMED](&src[0], &dst[0], n, &line)
        end_line(&line)
        store_fence()

def count_items(int[::1] items, int n_threads):
    cdef c.cio_task task = add_items
    with nogil:
        team_run(task, &items[0], items.shape[0], 7, n_threads)
        _kernels.team_run(task, &items[0], items.shape[0], 7, n_threads)

def isa():
    return _kernels.rows_in_use().isa.decode()
"""


def build(folder: Path, pyx: str, setup: str):
    """Build ``consumer.pyx`` as another package does; returns the module."""
    (folder / "consumer.pyx").write_text(pyx, encoding="utf-8")
    # In an editable install the package is not on Cython's path.
    path = str(Path(cloudio.__file__).parent.parent)
    setup = setup.replace(
        "cythonize([extension])", f"cythonize([extension], include_path=[{path!r}])"
    )
    (folder / "setup.py").write_text(setup, encoding="utf-8")
    built = processes.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder,
        # Optimising what Cython generates would take most of the time.
        env={**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} -O0"},
    )
    if "gcc" in built.stderr and "No such file" in built.stderr:
        pytest.skip("no C compiler")
    assert built.returncode == 0, built.stdout + built.stderr
    (module,) = [p for p in folder.glob("consumer*") if p.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location("consumer", module)
    consumer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(consumer)
    return consumer


def test_the_header_is_where_it_is_said_to_be():
    header = Path(cloudio.get_include(), "cloudio.h").read_text(encoding="utf-8")
    assert "typedef struct cio_rows" in header


@pytest.mark.skipif(not PAGE.exists(), reason="the tests run without the docs")
def test_a_consumer_of_ten_lines_builds_and_computes_the_same(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    pyx, setup = (
        re.search(rf'```\w+ title="{name}"\n(.*?)```', text, re.DOTALL)[1]
        for name in ("consumer.pyx", "setup.py")
    )
    consumer = build(tmp_path, pyx, setup)
    stored = np.arange(-500, 501, dtype=np.int16)
    out = np.empty(stored.shape, np.float32)
    consumer.reflectance(stored, out)
    assert out.tobytes() == (stored.astype(np.float32) * np.float32(1e-4)).tobytes()


def test_every_name_that_others_may_cimport_works(tmp_path):
    from cloudio._core import executor, runtime

    consumer = build(tmp_path, EVERY_NAME, SETUP)
    assert consumer.isa() == runtime.isa()
    src = np.arange(1000).astype(np.uint8)
    dst = np.zeros_like(src)
    consumer.copy(src, dst)
    assert np.array_equal(src, dst)
    items = np.zeros(1000, np.int32)
    consumer.count_items(items, 3)
    assert (items == 2).all()
    # It is the pool of the readers, not one of the consumer's own.
    assert executor.n_workers() >= 2
