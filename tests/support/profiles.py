"""How much the long tests do: enough to notice for people, all there is to try for the gate.

``CLOUDIO_TEST_PROFILE=thorough`` is the gate's; it takes minutes more.
"""

import os
from typing import TypeVar

from hypothesis import HealthCheck, settings

THOROUGH = os.environ.get("CLOUDIO_TEST_PROFILE") == "thorough"

_T = TypeVar("_T")


def scaled(short: _T, thorough: _T) -> _T:
    """Return what holds for the profile: examples to draw, children to fork, shapes to try."""
    return thorough if THOROUGH else short


def load() -> None:
    """Have hypothesis draw the same examples each time for people, and others for the gate.

    How long an example takes says nothing on a machine that others use too.
    """
    settings.register_profile(
        "cloudio",
        deadline=None,
        derandomize=not THOROUGH,
        max_examples=scaled(25, 100),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("cloudio")
