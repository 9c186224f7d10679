"""How fast are the codes of 262,144 pixels looked up, on every instruction set this CPU has?

The codes, the table and the classes fit the cache together: this is the loop, not the memory.
"""

import numpy as np
import pytest
from conftest import Timed
from small_candidates import label_and_table, look_ups, using

from cloudio._core import kernels
from cloudio.bench.candidates import LOOK_UPS


@pytest.mark.parametrize("way", [*LOOK_UPS, *kernels.available()])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_look_up(timed: Timed, dtype: str, way: str) -> None:
    codes, table = label_and_table(dtype)
    contenders = {contender.name: contender for contender in look_ups(codes, table)}
    contender = contenders.get(way, contenders["cloudio"])
    out = np.zeros(codes.shape, dtype)
    with using(way if way in kernels.available() else kernels.isa()):
        assert np.array_equal(contender.run(out), table[codes])
        timed(f"look-up of {codes.size:,} codes of uint8, to {dtype}", contender, out)
