"""What does a call cost: one 64 x 64 crop of 3 bands, against numpy called three times?"""

import pytest
from small_reads import small_reads
from timed import Timed

from cloudio import Dataset
from cloudio.bench.candidates import SCALINGS
from cloudio.bench.timing import check
from cloudio.bench.workload import Workload, bands_of


@pytest.mark.parametrize("name", [*SCALINGS, "cloudio"])
def test_one_small_crop(timed: Timed, data: Dataset, name: str) -> None:
    workload = Workload(data, bands_of(data)[:3], None, (64, 64), 1)
    workload.warm()
    candidate = next(one for one in small_reads(workload) if one.name == name)
    out = workload.allocate()
    check(candidate, out, workload.expected())
    timed(f"one 64 x 64 crop, {len(workload.bands)} bands", candidate, out)
