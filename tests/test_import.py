"""What `import cloudio` gives."""

from processes import in_subprocess


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


def test_a_misspelled_name_is_known_to_the_traceback():
    """Python 3.11 and later suggest a name from ``name`` and ``obj`` of the error."""
    code = """
        import cloudio
        try:
            cloudio.opne
        except AttributeError as error:
            print(error.name, error.obj is cloudio)
    """
    assert in_subprocess(code) == "opne True"
