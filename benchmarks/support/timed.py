"""The type of the fixture ``timed``, by which every benchmark times its candidates."""

from collections.abc import Callable
from typing import Any

from cloudio.bench.timing import Candidate

#: Called with the group of results, a candidate, and the output it writes to.
Timed = Callable[[str, Candidate, Any], None]
