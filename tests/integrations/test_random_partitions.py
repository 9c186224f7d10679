"""Random parts, merged in random trees; the same program does it with tasks of Dask and Ray."""

import random_partitions
from profiles import scaled


def test_random_parts_merge_to_the_bits_of_one_pass(capsys):
    random_partitions.main("here", scaled(1, 3))
    assert "examples of 3 results are those of one pass" in capsys.readouterr().out
