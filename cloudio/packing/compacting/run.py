"""A run of `compact` from its begin, or from where another one ended, to the finished data set."""

import hashlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._utils.progress import Advance, progress_bar
from ..ahead import in_order
from ..running.committer import committing, submit_to
from ..running.unfinished import data_folder, open_run
from .choosing import Rules, choose_by_sample, choose_for, least_share
from .files import Inputs, Outputs
from .finish import finish
from .result import CompactResult, summarize
from .source import SourceSet
from .state import Choice, CompactState, Done
from .units import Unit, array_path, task_sizes, units_of_round
from .worker import Worker

_TASKS_AHEAD = 3  # of each worker


@dataclass(frozen=True)
class Options:
    """How a run goes, whatever it compacts."""

    n_workers: int
    resume: bool = False
    progress: bool | None = False


def compact_source(source: SourceSet, rules: Rules, dest: Path, options: Options) -> CompactResult:
    """Write a data set with native arrays; a resumed run does not do again what is done."""
    start = time.perf_counter()
    plan = hashlib.sha256(f"{rules.digest()} {task_sizes()}".encode()).hexdigest()
    head = {"source": source.digest(), "plan": f"compact {plan}"}
    sizes = {
        (split, name): n
        for name, array in source.arrays.items()
        for split, n in array.n_patches.items()
    }
    inputs, outputs = Inputs(), Outputs(data_folder(dest))
    with open_run(
        dest,
        lambda folder, new: CompactState(folder, head, sizes, new=new),
        resume=options.resume,
    ) as state:
        try:
            if not state.rounds:
                state.decide(*choose_by_sample(source, rules, options.n_workers))
            _all_rounds(source, rules, state, inputs, outputs, options)
            outputs.close()
            finish(dest, source, state, inputs, head["source"], options.n_workers)
        finally:
            outputs.close()
            inputs.close()
    return summarize(dest, source, rules, state, time.perf_counter() - start)


def _all_rounds(
    source: SourceSet,
    rules: Rules,
    state: CompactState,
    inputs: Inputs,
    outputs: Outputs,
    options: Options,
) -> None:
    """Do the rounds: the second one is for arrays that all patches have decided otherwise."""
    units = units_of_round(source, state.choice, list(state.rounds[-1]))
    total = sum(unit.n_bytes for unit in units)
    with progress_bar(total, shown=options.progress, what="compact") as advance:
        while True:
            row = len(state.rounds) - 1
            _reserve(source, row, units, state, outputs)
            worker = Worker(source, rules, inputs, outputs, row)
            _do(worker, row, units, state, outputs, options.n_workers, advance)
            changed, shares = reconsider(source, rules, state)
            if not changed:
                return
            state.decide(changed, shares)
            units = units_of_round(source, state.choice, list(changed))


def _reserve(
    source: SourceSet, row: int, units: list[Unit], state: CompactState, outputs: Outputs
) -> None:
    """Give the files of a round their sizes; what an earlier round has made of them is removed."""
    has_begun = any(key[0] == row for key in state.done)
    if not has_begun:
        for unit in units:
            for name in unit.file.arrays if unit.is_copy else unit.repeats:
                outputs.remove(array_path(source, unit.file.split, name))
    sizes = dict(size for unit in units for size in unit.outputs.values())
    outputs.reserve(sizes, done=has_begun)


def _do(
    worker: Worker,
    row: int,
    units: list[Unit],
    state: CompactState,
    outputs: Outputs,
    n_workers: int,
    advance: Advance,
) -> None:
    """Do the tasks of a round that are not done yet."""
    tasks = [(unit, number, task) for unit in units for number, task in enumerate(unit.tasks())]
    todo = []
    for unit, number, task in tasks:
        if (row, unit.number, number) in state.done:
            advance(unit.task_bytes(task))
        else:
            todo.append((unit, number, task))
    threads = ThreadPoolExecutor(n_workers, thread_name_prefix="cloudio-compact")

    def submit(each: tuple[Unit, int, range]) -> "Future[Done]":
        unit, number, task = each
        worker.ahead(unit, task)
        return submit_to(threads, worker.do, unit, number, task)

    try:
        with committing(outputs.sync, state.commit) as committer:
            results = in_order(submit, todo, _TASKS_AHEAD * n_workers)
            for (unit, _, task), done in zip(todo, results, strict=True):
                committer.add([done], done.n_bytes)
                if task.stop == unit.end:
                    worker.release(unit)
                advance(done.n_bytes)
    finally:
        threads.shutdown(cancel_futures=True)


def reconsider(
    source: SourceSet, rules: Rules, state: CompactState
) -> tuple[Choice, dict[str, float]]:
    """Return the arrays that are to be stored otherwise, now that all patches are known.

    With them, how many of their patches are no repetition, by the repeat that has fewest.
    """
    changed, shares = {}, {}
    for name, repeat in state.choice.items():
        if repeat is None:
            continue
        array, repeats = source.arrays[name], rules.of(name)
        bits = np.concatenate([state.exact[split, name] for split in array.n_patches])
        exact = (bits[:, None] >> np.arange(len(repeats), dtype=np.uint32) & 1).astype(bool)
        right = choose_for(source, rules, name, exact, rules.exceptions)
        if right != repeat:
            changed[name], shares[name] = right, least_share(exact)
    return changed, shares
