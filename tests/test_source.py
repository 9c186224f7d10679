"""The shape of the code itself: one place for each thing, stubs that are true.

Which room may import which is checked by import-linter (pyproject.toml).
"""

import ast
import importlib
import importlib.metadata
import inspect
import re

import pytest
from paths import ROOT

import cloudio

PACKAGE = ROOT / "cloudio"
CORE = PACKAGE / "_core"
COMPILED = sorted(path.stem for path in CORE.glob("*.pyx"))
# What each file of Cython, .pyx and .pxd, may cimport of ours, besides the declarations of C.
BELOW = {
    "pool": set(),
    "files": set(),
    "buffers": set(),
    "checksums": {"buffers"},
    "runtime": set(),
    "job": set(),
    "tiling": {"job"},
    "boxes": {"job"},
    "job_files": {"boxes", "job"},
    "pages": {"boxes", "job", "job_files", "tiling"},
    "reads": {"job", "job_files", "tiling"},
    "prefetch": {"boxes", "job", "pages"},
    "cursors": {"boxes", "job", "tiling"},
    "spaced": {"cursors", "job", "tiling"},
    "repeated": {"boxes", "cursors", "job", "tiling"},
    "counts": {"cursors", "job", "tiling"},
    "rows": {"cursors", "job", "pages", "tiling"},
    "shapes": {"buffers", "files"},
    "places": {"buffers", "job", "shapes"},
    "tables": {"buffers"},
    "plans": {"buffers", "files", "job", "places", "shapes", "spaced", "tables"},
    "windows": {"buffers", "job", "plans"},
    "executor": {
        *("counts", "files", "job", "job_files", "pages", "plans", "reads", "repeated", "rows"),
        *("runtime", "spaced", "tiling"),
    },
    "kernels": {
        "boxes",
        "buffers",
        "executor",
        "job",
        "plans",
        "prefetch",
        "spaced",
        "tiling",
        "windows",
    },
}
# C that keeps state: a second copy would be a second thread pool, or a second queue.
STATEFUL = ("background", "scratch", "thread_pool")

pytestmark = pytest.mark.skipif(
    not (ROOT / "csrc").is_dir(), reason="the tests run without the source"
)


def test_the_kernels_import_nothing_of_ours_and_the_c_nothing_of_pythons():
    cython = [path for path in CORE.glob("*.p[yx][xd]") if path.stem != "_csrc"]
    assert {path.stem for path in cython} == set(BELOW)
    assert set(COMPILED) <= set(BELOW)
    for name, below in BELOW.items():
        paths = [path for path in cython if path.stem == name]
        text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
        ours = re.findall(r"^(?:from|import|cimport)\s.*cloudio.*$", text, re.MULTILINE)
        ours = [line for line in ours if line != "from cloudio._core cimport _csrc as c"]
        found = {re.match(r"from cloudio\._core\.(\w+) cimport", line)[1] for line in ours}
        assert found == below, name
    for path in (ROOT / "csrc").iterdir():
        included = re.findall(r"#include\s+[<\"](.+)[>\"]", path.read_text(encoding="utf-8"))
        assert not any("python" in name.lower() or "numpy" in name for name in included), path


def test_c_that_keeps_state_is_linked_into_one_module():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    table = next(
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "SOURCES"
    )
    linked = [source for sources in ast.literal_eval(table).values() for source in sources]
    assert [linked.count(name) for name in STATEFUL] == [1] * len(STATEFUL)
    # Each file is linked somewhere.
    written = {path.stem for path in (ROOT / "csrc").glob("*.c")}
    found = {path.stem for name in linked for path in (ROOT / "csrc").glob(f"{name}.c")}
    assert found == written


def test_c_is_declared_in_one_place_and_cython_stays_plain():
    for path in PACKAGE.rglob("*.p[yx]*"):
        text = path.read_text(encoding="utf-8")
        assert ("cdef extern" in text) == (path == CORE / "_csrc.pxd"), path
        assert not re.search(r"^\s*(IF|DEF)\s|prange|cimport \*", text, re.MULTILINE), path


@pytest.mark.parametrize("name", COMPILED)
def test_the_stub_says_what_the_compiled_module_has(name):
    compiled = importlib.import_module(f"cloudio._core.{name}")
    stub = ast.parse((CORE / f"{name}.pyi").read_text(encoding="utf-8"))
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
        blocks = {"__enter__", "__exit__"}
        has = {k for k in vars(module[name]) if not k.startswith("_") or k in blocks}
        assert fields | methods - {"__init__"} == has, name


def test_rooms_and_files_stay_small():
    assert all(
        len(path.read_text(encoding="utf-8").splitlines()) <= 400
        for path in PACKAGE.rglob("*.p[yx]*")
    )
    rooms = {path.parent for path in PACKAGE.rglob("*.py")}
    assert all(len(list(room.glob("*.py"))) <= 14 for room in rooms)


def test_only_the_layout_of_cloudsen12_knows_its_names():
    """Arrays, presets, aliases and classes; not columns of metadata, and examples in help."""
    layout = cloudio.CLOUDSEN12
    full = {band.name for band in layout.bands}
    short = {name[len(p) :] for p in layout.prefixes for name in full if name.startswith(p)}
    # "R" and "rgb" are anybody's.
    known = {name for name in full | short | {*layout.presets} if len(name) > 1} - {"rgb"}
    known |= {*layout.aliases, *(x for m in layout.label_maps.values() for x in m["card"].names)}
    allowed = {PACKAGE / "layouts" / "cloudsen12.py", *(PACKAGE / "synth").rglob("*.py")}
    for path in {*PACKAGE.rglob("*.py")} - allowed:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            assert text not in known, f"{path}:{node.lineno}: {text}"


def test_lists_in_messages_end_after_a_dozen_names():
    """`listed` of _utils/text writes them."""
    for path in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        raised = [node for node in nodes if isinstance(node, ast.Raise)]
        for node in (inner for statement in raised for inner in ast.walk(statement)):
            if isinstance(node, ast.Attribute) and node.attr == "join":
                between = getattr(node.value, "value", None)
                assert between not in (", ", ","), f"{path}:{node.lineno}"


def test_programs_and_children_of_tests_are_started_where_they_are_ended():
    """Else one that hangs outlives the tests."""
    tests = ROOT / "tests"
    # Programs of their own, in whose process group all is that they start.
    programs = "changing", "fault_matrix", "run_page", "slow_fs"
    apart = {tests / "support" / f"{name}.py" for name in programs}
    where = {tests / "support" / "processes.py", tests / "support" / "forks.py", *apart}
    starts = re.compile(
        r"^[^#\n]*(subprocess\.(run|call|check_\w+)|\bos\.(fork|spawn\w+|system))\(", re.M
    )
    for path in set(tests.rglob("*.py")) - where:
        assert not starts.search(path.read_text(encoding="utf-8")), path


def test_the_version_stands_in_one_place():
    assert importlib.metadata.version("cloudio") == cloudio.__version__
    assert cloudio.__version__ not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_everything_public_is_named_and_documented():
    for name in cloudio.__all__:
        thing = getattr(cloudio, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name
            assert thing.__module__.startswith("cloudio"), name
