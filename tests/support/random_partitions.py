"""Random parts, merged in random trees, by tasks of an engine: each must give the bits of one pass.

    python random_partitions.py ENGINE EXAMPLES [SEED]

ENGINE is here, dask or ray.  It prints how many examples there were, and fails at the first that
differs.
"""

import contextlib
import dataclasses
import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from clean import TINY_PATCHES, clean_synthetic, clean_tiny, verify_tiny
from counted_set import FLOATS, INTS, LAYOUT, PERCENTS, write_split
from defects import PLANTED

import cloudio
from cloudio import stats

#: Runs a function of some arguments, of which some may be what it has returned before.
Submit = Callable[..., Any]

# What is wrong with the data set that is verified.
DEFECTS = ["a_patch_is_there_twice", "a_band_is_one_number", "radar_is_infinite"]
# Examples whose tasks wait at once.
_AT_ONCE = 20


# ---- tasks ---------------------------------------------------------------------------------------


@cache
def open_set(path: str) -> cloudio.Dataset:
    return cloudio.open(path, layout=LAYOUT)


def count(path: str, numbers: Sequence[int]) -> Any:
    """Every kind of result that merges, of some patches."""
    ds = open_set(path).subset(numbers)
    return stats.ResultSet(
        {
            "bands": stats.bands(ds, INTS, percentiles=PERCENTS, threads=1),
            "classes": stats.classes(ds, {"hq": "card", "wide": None}, threads=1),
            "agreement": stats.agreement(ds, ["found", "half"], "hq", threads=1),
        }
    )


def count_floats(path: str, numbers: Sequence[int]) -> Any:
    ds = open_set(path).subset(numbers)
    return stats.bands(ds, [*FLOATS, "i16"], percentiles=PERCENTS, threads=1)


def lower_halves(path: str, numbers: Sequence[int], merged: Any) -> Any:
    """The second round of a part; None if none is needed."""
    if not merged.pending:
        return None
    return stats.lower_halves(open_set(path).subset(numbers), merged.second_round(), threads=1)


def merge(*results: Any) -> Any:
    return None if results[0] is None else stats.merge(results)


def finish(merged: Any, lower: Any) -> Any:
    return merged if lower is None else merged.finish(lower)


def merge_reports(*reports: Any) -> Any:
    return cloudio.merge_reports(reports)


def verify(path: str, numbers: Sequence[int]) -> Any:
    return verify_tiny(Path(path), index=numbers, threads=1)


def text_of(result: Any) -> str:
    """All bits of a result."""
    if isinstance(result, cloudio.Report):
        result = dataclasses.replace(result, seconds=0.0)
        return f"{result.json()}\n{result}\n{result.missing}"
    return str(result.json())


# ---- engines -------------------------------------------------------------------------------------


@contextlib.contextmanager
def here() -> Iterator[tuple[Submit, Callable[[list[Any]], list[Any]]]]:
    yield lambda function, *args: function(*args), list


@contextlib.contextmanager
def on_dask() -> Iterator[tuple[Submit, Callable[[list[Any]], list[Any]]]]:
    from distributed import Client, LocalCluster

    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**settings) as cluster, Client(cluster) as client:
        yield partial(client.submit, pure=False), client.gather


@contextlib.contextmanager
def on_ray() -> Iterator[tuple[Submit, Callable[[list[Any]], list[Any]]]]:
    import ray
    import ray_cluster

    remotes: dict[Any, Any] = {}

    def submit(function: Any, *args: Any) -> Any:
        if function not in remotes:
            remotes[function] = ray.remote(function)
        return remotes[function].remote(*args)

    with ray_cluster.cluster(1):
        yield submit, ray.get


ENGINES = {"here": here, "dask": on_dask, "ray": on_ray}


# ---- examples ------------------------------------------------------------------------------------


def draw_parts(drawn: random.Random, n: int) -> list[list[int]]:
    """Draw parts of patch numbers, each in any order."""
    numbers = drawn.sample(range(n), n)
    parts: list[list[int]] = [[] for _ in range(drawn.randint(1, n))]
    for number in numbers:
        drawn.choice(parts).append(number)
    return [part for part in parts if part]


def merge_in_a_tree(drawn: random.Random, submit: Submit, merging: Any, results: list[Any]) -> Any:
    """Merge some results at a time, until there is one."""
    results = drawn.sample(results, len(results))
    while len(results) > 1:
        some = min(len(results), drawn.randint(2, 4))
        results = [*results[some:], submit(merging, *results[:some])]
        drawn.shuffle(results)
    return submit(merging, *results)


def example(
    drawn: random.Random, submit: Submit, path: str, tiny: str, verified: Callable[..., Any]
) -> list[Any]:
    """Return what becomes the texts of all results."""
    tree = partial(merge_in_a_tree, drawn, submit)
    n = len(open_set(path))
    whole = tree(merge, [submit(count, path, part) for part in draw_parts(drawn, n)])
    floats = tree(merge, [submit(count_floats, path, part) for part in draw_parts(drawn, n)])
    rounds = [submit(lower_halves, path, part, floats) for part in draw_parts(drawn, n)]
    floats = submit(finish, floats, tree(merge, rounds))
    parts = draw_parts(drawn, sum(TINY_PATCHES.values()))
    report = tree(merge_reports, [verified(tiny, tuple(sorted(part))) for part in parts])
    return [submit(text_of, result) for result in (whole, floats, report)]


def main(engine: str, examples: int, seed: int = 0) -> None:
    drawn, start = random.Random(seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ENGINES[engine]() as (submit, wait):
        path, tiny = os.path.join(folder, "counted"), os.path.join(folder, "tiny")
        write_split(Path(path, "train"), 4)
        write_split(Path(path, "val"), 3, seed=1)
        clean_synthetic(Path(folder, "whole"), TINY_PATCHES)
        clean_tiny(Path(tiny), Path(folder, "whole"))
        for name in DEFECTS:
            PLANTED[name][0](Path(tiny))
        n = len(open_set(path))
        one_pass = [function(path, range(n)) for function in (count, count_floats)]
        one_pass.append(verify_tiny(Path(tiny)))
        expected = [text_of(result) for result in one_pass]
        verified = cache(lambda *args: submit(verify, *args))  # 31 different parts
        for first in range(0, examples, _AT_ONCE):
            several = [
                example(drawn, submit, path, tiny, verified)
                for _ in range(min(_AT_ONCE, examples - first))
            ]
            for texts in several:
                assert wait(texts) == expected
    took = time.perf_counter() - start
    print(f"{engine}: {examples} examples of 3 results are those of one pass ({took:.0f} s)")


if __name__ == "__main__":
    import random_partitions  # by its name, which workers import

    warnings.simplefilter("ignore")
    random_partitions.main(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:]))
