"""The data set that is drawn."""

import figures
import pytest


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Its arrays by name, and the data set; see `figures.write_small`."""
    return figures.write_small(tmp_path_factory.mktemp("plot"))
