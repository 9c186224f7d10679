# The compiled module has nothing for Python; tests/test_source.py compares the two.
