"""What `import cloudio` gives."""

import sysconfig

import pytest
from processes import in_subprocess

import cloudio


def test_the_names_of_the_package_can_all_be_read():
    """help() and inspect.getmembers read them, with and without the extras."""
    code = """
        import importlib.util, inspect, sys
        find = importlib.util.find_spec
        if sys.argv[1] == "without":
            lost = ("torch", "matplotlib", "lightning", "pytorch_lightning", "dask", "xarray")
            importlib.util.find_spec = lambda name, *a: None if name in lost else find(name, *a)
        import cloudio
        names = {name for name, _ in inspect.getmembers(cloudio)}
        assert {*cloudio.__all__, "stats", "splits", "__version__"} <= names
        print(not names.isdisjoint({"torch", "plot", "lightning", "dask", "xarray"}))
    """
    assert in_subprocess(code, "without") == "False"
    in_subprocess(code, "with")


def test_importing_cloudio_imports_no_engine():
    """Each is an extra, and takes longer to import than all of cloudio."""
    code = """
        import sys
        import cloudio
        print(*{"dask", "pandas", "ray", "torch", "xarray"}.intersection(sys.modules))
    """
    assert in_subprocess(code) == ""


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_importing_cloudio_leaves_the_gil_off(monkeypatch):
    """A module that is not declared safe without it turns it on, with a warning."""
    monkeypatch.delenv("PYTHON_GIL", raising=False)
    code = "import sys, cloudio, cloudio.stats, cloudio.splits; print(sys._is_gil_enabled())"
    assert in_subprocess(code) == "False"


@pytest.mark.parametrize(
    ("name", "hint"), [("opne", "; did you mean open[?]"), ("zzz", ""), ("__path_", "")]
)
def test_a_misspelled_name_is_an_error_with_the_most_similar_one(name, hint):
    with pytest.raises(AttributeError, match=f"^module 'cloudio' has no attribute '{name}'{hint}$"):
        getattr(cloudio, name)
