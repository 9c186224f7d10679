"""Every implementation that `cloudio bench` times gives numpy's answer."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from benching import warm_workload

from cloudio.bench.candidates import all_candidates, by_numpy, recipes, unit_step
from cloudio.bench.timing import check


@pytest.mark.parametrize("label", ["LABEL_manual_hq", None])
def test_every_recipe_of_numpy_gives_the_answer(warm_folder, label):
    workload = warm_workload(warm_folder, label=label)
    out, expected = workload.allocate(), workload.expected()
    with ThreadPoolExecutor(5) as pool:
        for recipe in recipes(workload):
            check(by_numpy(workload, recipe), out, expected)
            check(by_numpy(workload, recipe, pool, 5), out, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_candidate_gives_the_answer(warm_folder, threads):
    workload = warm_workload(warm_folder)
    out, expected = workload.allocate(), workload.expected()
    with ThreadPoolExecutor(threads) as pool:
        candidates = all_candidates(workload, recipes(workload)[0], pool, threads)
        assert len({candidate.name for candidate in candidates}) == 3 if threads == 1 else 5
        for candidate in candidates:
            check(candidate, out, expected)


def test_people_divide_by_whole_numbers():
    assert unit_step([np.float32(1e-4)] * 2) == (np.divide, 10000)
    divide, units = unit_step([np.float32(1e-4), np.float32(2e-4)])
    assert (divide, units.tolist()) == (np.divide, [[[10000]], [[5000]]])
    assert unit_step([np.float32(2.75e-5)]) == (np.multiply, np.float32(2.75e-5))
