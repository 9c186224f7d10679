"""Other packages can build against this one: what docs/cython.md shows, built and run."""

import importlib.util
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


def test_the_header_is_where_it_is_said_to_be():
    header = Path(cloudio.get_include(), "cloudio.h").read_text(encoding="utf-8")
    assert "typedef struct cio_rows" in header


@pytest.mark.skipif(not PAGE.exists(), reason="the tests run without the docs")
def test_a_consumer_of_ten_lines_builds_and_computes_the_same(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    pyx, setup = (
        re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]
        for language in ("cython", "python")
    )
    (tmp_path / "consumer.pyx").write_text(pyx, encoding="utf-8")
    # In an editable install the package is not on Cython's path.
    path = str(Path(cloudio.__file__).parent.parent)
    setup = setup.replace(
        "cythonize([extension])", f"cythonize([extension], include_path=[{path!r}])"
    )
    (tmp_path / "setup.py").write_text(setup, encoding="utf-8")
    built = processes.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=tmp_path
    )
    if "gcc" in built.stderr and "No such file" in built.stderr:
        pytest.skip("no C compiler")
    assert built.returncode == 0, built.stdout + built.stderr
    (module,) = [p for p in tmp_path.glob("consumer*") if p.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location("consumer", module)
    consumer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(consumer)
    stored = np.arange(-500, 501, dtype=np.int16)
    out = np.empty(stored.shape, np.float32)
    consumer.reflectance(stored, out)
    assert out.tobytes() == (stored.astype(np.float32) * np.float32(1e-4)).tobytes()
