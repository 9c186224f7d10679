"""Orders and trees in which results are merged, drawn by hypothesis."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st


def trees(numbers: Sequence[int]) -> st.SearchStrategy[Any]:
    """Draw nested tuples of all numbers, in any order."""

    def cut(order: Sequence[int]) -> st.SearchStrategy[Any]:
        ends = st.sets(st.integers(1, len(order)), max_size=3)
        return ends.map(lambda some: sorted({0, *some, len(order)})).flatmap(
            lambda at: (
                st.tuples(*(branch(order[a:b]) for a, b in pairwise(at)))
                if len(at) > 2
                else st.just(tuple(order))
            )
        )

    def branch(order: Sequence[int]) -> st.SearchStrategy[Any]:
        return st.just(order[0]) if len(order) == 1 else cut(order)

    return st.permutations(numbers).flatmap(branch)


def merge_by(tree: Any, results: Sequence[Any], merge: Callable[[list[Any]], Any]) -> Any:
    """Merge results as nested tuples of their positions say."""
    if isinstance(tree, int):
        return results[tree]
    return merge([merge_by(branch, results, merge) for branch in tree])
