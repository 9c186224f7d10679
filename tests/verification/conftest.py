"""A clean data set with its manifest."""

import pytest
from clean import verify_tiny


@pytest.fixture
def with_manifest(tiny, tmp_path):
    """A clean set, and its manifest."""
    manifest = tmp_path / "manifest.json"
    assert verify_tiny(tiny, manifest=manifest).ok
    return tiny, manifest
