"""Imported first by each script: finds benchmarks/support, as pyproject.toml does for pytest."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
