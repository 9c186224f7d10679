"""Where the tests lie: in a checkout, or copied beside an installed package."""

from pathlib import Path

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parent.parent
