"""The shape of the code itself: one way down, one place for each thing, a stub that is true."""

import ast
import importlib.metadata
import inspect
import re
from pathlib import Path

import pytest

import cloudio
from cloudio import _files, _kernels, _plans, _pool

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cloudio"
# Each may import what stands before it. Doors to the next floor are named.
ORDER = (
    "_pool", "_files", "_plans", "_kernels", "errors", "tables", "pictures", "request", "advice",
    "labels", "layout", "toml_table", "toml", "toml_text",
    "cloudsen12", "source", "npy", "stored", "metadata", "folder", "doubts", "reprs", "dataset",
    "scan", "names", "reader", "draws", "batches", "loader", "arrays", "splits",
    "findings", "verify_files", "verify_types", "verify_frame", "verify_pixels", "manifest",
    "verify", "scene", "synth", "tensors", "scaling", "torch_loader", "torch", "panels", "plot",
    "info", "exact", "results", "tallies", "folds", "stats", "stats_command",
    "contenders", "bench", "pages", "cold_work", "cold_ways", "cold",
    "train_work", "train_ways", "train",
    "__init__", "cli", "__main__",
)  # fmt: skip
COMPILED = {"_pool": _pool, "_files": _files, "_plans": _plans, "_kernels": _kernels}
DOORS = {("dataset", "reader"), ("layout", "toml"), ("reprs", "dataset"), ("reprs", "reader")}

pytestmark = pytest.mark.skipif(
    not (ROOT / "csrc").is_dir(), reason="the tests run without the source"
)


def imported(module: str) -> set[str]:
    """Modules of the package that a module imports, wherever in the file."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found & set(ORDER)


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(ORDER) - {*COMPILED}


@pytest.mark.parametrize("module", [name for name in ORDER if name not in COMPILED])
def test_imports_go_down(module):
    below = set(ORDER[: ORDER.index(module)])
    upward = {name for name in imported(module) - below if (module, name) not in DOORS}
    assert not upward - ({"__init__"} if module in ("cli", "info", "bench", "manifest") else set())


def test_the_kernels_import_nothing_of_ours_and_the_c_nothing_of_pythons():
    below_each = {
        "_files": set(),
        "_plans": {"_files", "_job"},
        "_kernels": {"_files", "_plans", "_job", "_pages", "_walk"},
    }
    for name, below in below_each.items():
        text = (PACKAGE / f"{name}.pyx").read_text(encoding="utf-8")
        ours = re.findall(r"^(?:from|import|cimport)\s.*cloudio.*$", text, re.MULTILINE)
        assert ours.pop(0) == "from cloudio cimport _csrc as c"
        assert {re.match(r"from cloudio\.(\w+) cimport", line)[1] for line in ours} == below
    for path in (ROOT / "csrc").iterdir():
        included = re.findall(r"#include\s+[<\"](.+)[>\"]", path.read_text(encoding="utf-8"))
        assert not any("python" in name.lower() or "numpy" in name for name in included), path


def test_c_is_declared_in_one_place_and_cython_stays_plain():
    for path in PACKAGE.glob("*.p[yx]*"):
        text = path.read_text(encoding="utf-8")
        assert ("cdef extern" in text) == (path.name == "_csrc.pxd"), path
        assert not re.search(r"^\s*(IF|DEF)\s|prange|cimport \*", text, re.MULTILINE), path


@pytest.mark.parametrize("name", COMPILED)
def test_the_stub_says_what_the_compiled_module_has(name):
    compiled = COMPILED[name]
    stub = ast.parse((PACKAGE / f"{name}.pyi").read_text(encoding="utf-8"))
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}
    module = {
        name: thing
        for name, thing in vars(compiled).items()
        if not name.startswith("_") and not inspect.ismodule(thing)
    }
    assert functions.keys() == {
        name for name, thing in module.items() if callable(thing) and not isinstance(thing, type)
    }
    assert classes == {name for name, thing in module.items() if isinstance(thing, type)}
    for name, node in functions.items():
        arguments = [*node.args.args, *filter(None, [node.args.vararg, node.args.kwarg])]
        assert list(inspect.signature(module[name]).parameters) == [a.arg for a in arguments]
    for name in classes:
        body = next(node for node in stub.body if getattr(node, "name", None) == name).body
        fields = {node.target.id for node in body if isinstance(node, ast.AnnAssign)}
        methods = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        has = {k for k in vars(module[name]) if not k.startswith("_")}
        assert fields | methods - {"__init__"} == has, name


def test_the_version_stands_in_one_place():
    assert importlib.metadata.version("cloudio") == cloudio.__version__
    assert cloudio.__version__ not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_everything_public_is_named_and_documented():
    for name in cloudio.__all__:
        thing = getattr(cloudio, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name
            assert thing.__module__.startswith("cloudio"), name
