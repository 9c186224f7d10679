"""What does a call cost: one 64 x 64 crop of 3 bands, against numpy called three times?"""

import pytest
from conftest import Timed
from small_candidates import small_reads

from cloudio import Dataset
from cloudio.bench import warm as bench
from cloudio.bench.candidates import SCALINGS, Work, check


@pytest.mark.parametrize("way", [*SCALINGS, "cloudio"])
def test_one_small_crop(timed: Timed, data: Dataset, way: str) -> None:
    work = Work(data, bench.bands_of(data)[:3], None, (64, 64), 1)
    work.warm()
    contender = next(contender for contender in small_reads(work) if contender.name == way)
    out = work.allocate()
    check(contender, out, work.expected())
    timed(f"one 64 x 64 crop, {len(work.bands)} bands", contender, out)
