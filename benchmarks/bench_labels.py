"""How fast are the codes of 262,144 pixels looked up, on every instruction set this CPU has?

The codes, the table and the classes fit the cache together: this times the loop, not the memory.
"""

import numpy as np
import pytest
from lookups import label_and_table, look_ups, using
from timed import Timed

from cloudio._core import runtime
from cloudio.bench.candidates import LOOK_UPS


@pytest.mark.parametrize("name", [*LOOK_UPS, *runtime.available()])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_look_up(timed: Timed, dtype: str, name: str) -> None:
    codes, table = label_and_table(dtype)
    candidates = {candidate.name: candidate for candidate in look_ups(codes, table)}
    candidate = candidates.get(name, candidates["cloudio"])
    out = np.zeros(codes.shape, dtype)
    with using(name if name in runtime.available() else runtime.isa()):
        assert np.array_equal(candidate.run(out), table[codes])
        timed(f"look-up of {codes.size:,} codes of uint8, to {dtype}", candidate, out)
