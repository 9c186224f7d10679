"""Every source of batches that `cloudio bench --train` times delivers numpy's."""

from dataclasses import replace

import numpy as np
import pytest
from benching import TRAIN_BANDS, TRAIN_LAYOUT

import cloudio
from cloudio.bench import page_cache
from cloudio.bench.cold_workload import file_array
from cloudio.bench.train_candidates import _memmap, train_candidates
from cloudio.bench.train_workload import run_consumer

pytestmark = pytest.mark.skipif(
    not hasattr(page_cache.os, "posix_fadvise"), reason="memory is read from Linux's /proc"
)


@pytest.mark.parametrize("form", ["flat", "npy", "stacked"])
def test_the_usual_memmap_is_the_array(tmp_path, form):
    """Also where it is one of the channels of a file."""
    rng = np.random.default_rng(0)
    both = rng.integers(-9, 9, (3, 2, 40, 48), np.int16)
    layout = TRAIN_LAYOUT
    if form == "stacked":
        bands = [
            replace(band, file="both.dat", channel=k, channels=2)
            for k, band in enumerate(TRAIN_BANDS)
        ]
        layout = replace(layout, bands=tuple(bands))
        both.tofile(tmp_path / "both.dat")
    else:
        for k, band in enumerate(TRAIN_BANDS):
            if form == "npy":
                np.save(tmp_path / f"{band.name}.npy", both[:, k])
            else:
                both[:, k].tofile(tmp_path / f"{band.name}.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    for k, band in enumerate(TRAIN_BANDS):
        mapped = _memmap(file_array(ds, band.name))
        assert isinstance(mapped, np.memmap)
        assert np.array_equal(mapped, both[:, k])


@pytest.mark.parametrize("name", [candidate.name for candidate in train_candidates(True)])
def test_every_candidate_gives_the_answer(consumed, name):
    """Those with workers are otherwise as those without."""
    (chosen,) = (candidate for candidate in train_candidates(True) if candidate.name == name)
    if "torch" in name or "DataLoader" in name:
        pytest.importorskip("torch", reason="torch is an extra")
    if chosen.n_workers > 2:
        pytest.skip("as with 2 workers")
    assert len(run_consumer(chosen, consumed).consumed) == 2
