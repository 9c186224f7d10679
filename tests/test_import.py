"""What `import cloudio` gives."""

import pytest
from processes import in_subprocess

import cloudio


def test_the_names_of_the_package_can_all_be_read():
    """help() and inspect.getmembers read them, with and without the extras."""
    code = """
        import importlib.util, inspect, sys
        find = importlib.util.find_spec
        if sys.argv[1] == "without":
            lost = ("torch", "matplotlib")
            importlib.util.find_spec = lambda name, *a: None if name in lost else find(name, *a)
        import cloudio
        names = {name for name, _ in inspect.getmembers(cloudio)}
        assert {*cloudio.__all__, "stats", "splits", "__version__"} <= names
        print("torch" in names or "plot" in names)
    """
    assert in_subprocess(code, "without") == "False"
    in_subprocess(code, "with")


@pytest.mark.parametrize(
    ("name", "hint"), [("opne", "; did you mean open[?]"), ("zzz", ""), ("__path_", "")]
)
def test_a_misspelled_name_is_an_error_with_the_most_similar_one(name, hint):
    with pytest.raises(AttributeError, match=f"^module 'cloudio' has no attribute '{name}'{hint}$"):
        getattr(cloudio, name)
