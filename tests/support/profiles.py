"""How much the long tests do: enough to notice for people, all there is to try for the gate.

``CLOUDIO_TEST_PROFILE=thorough`` is the gate's; it takes minutes more.  ``explore`` does the same
with other examples each time: what it finds becomes a test, and no run of the gate depends on luck.
"""

import os
from typing import TypeVar

from hypothesis import HealthCheck, settings

_PROFILE = os.environ.get("CLOUDIO_TEST_PROFILE")
THOROUGH = _PROFILE in ("thorough", "explore")

_T = TypeVar("_T")


def scaled(short: _T, thorough: _T) -> _T:
    """Return what holds for the profile: examples to draw, children to fork, shapes to try."""
    return thorough if THOROUGH else short


def load() -> None:
    """Have hypothesis draw the same examples each time, except where it explores.

    How long an example takes says nothing on a machine that others use too.
    """
    settings.register_profile(
        "cloudio",
        deadline=None,
        derandomize=_PROFILE != "explore",
        max_examples=scaled(25, 100),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("cloudio")
