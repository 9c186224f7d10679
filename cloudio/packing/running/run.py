"""A run from its begin, or from where another one ended, to the finished data set."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._utils.progress import progress_bar
from ...errors import RequestError, WriteError
from ...layouts.layout import Layout
from ..plan import Plan, StoredTypeError
from ..planning import ChosenSource
from ..result import PackResult, summarize
from .committer import committing
from .engine import TASK_SIZE, Outcome, Rows, run_tasks, workers
from .finish import finish
from .row_files import RowFiles
from .state import FINISHING, State, opener
from .unfinished import data_folder, open_run


@dataclass(frozen=True)
class Options:
    """How a run goes, whatever it packs.  ``hints``: a layout from which the new one is made."""

    n_workers: int
    resume: bool = False
    verify: bool = False
    skip_errors: bool = False
    progress: bool | None = False
    hints: Layout | None = None


def pack_source(source: ChosenSource, plan: Plan, dest: Path, options: Options) -> PackResult:
    """Pack the samples of a source; a resumed run does not read again what is packed."""
    start = time.perf_counter()
    rows = Rows.of(source)
    head = {"source": source.digest(), "plan": plan.digest()}
    with open_run(dest, opener(head, plan), resume=options.resume) as state:
        files = RowFiles(data_folder(dest), plan, rows.splits)
        try:
            if FINISHING in state.phases:
                files.check_rows({split: len(some) for split, some in _kept(rows, state).items()})
            else:
                if state.n_done:
                    files.check_rows(rows.counts)
                files.reserve(rows.counts)
                _pack(source, plan, rows, files, state, options)
            if options.verify:
                _verify(source, plan, rows, files, state, options)
            kept = _kept(rows, state)
            finish(dest, plan, rows, kept, files, state, source.label_names(), options.hints)
        finally:
            files.close()
        left_out = tuple((source.name_of(k), why) for k, why in sorted(state.left_out.items()))
    left_out = (*source.left_out, *left_out)
    return summarize(dest, plan, kept, left_out, source.notes, time.perf_counter() - start)


def _kept(rows: Rows, state: State) -> dict[str, np.ndarray]:
    """Return the packed samples of each split."""
    return {
        split: np.array(state.packed(rows.samples(split).tolist()), np.int64)
        for split in rows.splits
    }


def _task_size(source: ChosenSource) -> int:
    return source.task_size or TASK_SIZE


def _n_workers(source: ChosenSource, n_samples: int, options: Options) -> int:
    """Return how many workers there are tasks for."""
    return max(1, min(options.n_workers, -(-n_samples // _task_size(source))))


def _pack(
    source: ChosenSource, plan: Plan, rows: Rows, files: RowFiles, state: State, options: Options
) -> None:
    todo = (k for k in range(len(source)) if not state.is_done(k))
    n_workers = _n_workers(source, len(source) - state.n_done, options)
    n_bytes = plan.patch_bytes
    with (
        progress_bar(len(source) * n_bytes, shown=options.progress, what="pack") as advance,
        workers(source, plan, files.folder, rows, n_workers) as submit,
        committing(files.sync, state.commit) as committer,
    ):
        advance(state.n_done * n_bytes)
        for outcomes in run_tasks(submit, "pack", todo, _task_size(source), n_workers):
            settle(outcomes, skip_errors=options.skip_errors)
            committer.add(outcomes, len(outcomes) * n_bytes)
            advance(len(outcomes) * n_bytes)


def settle(outcomes: Sequence[Outcome], *, skip_errors: bool) -> None:
    """Raise the first error, unless errors are skipped: then such samples are left out.

    Always raised are errors of the disk that is written to, and numbers that the stored type does
    not hold: a class that is rare would be lost.
    """
    for outcome in outcomes:
        if outcome.error is not None:
            if not skip_errors or isinstance(outcome.error, WriteError | StoredTypeError):
                raise outcome.error
            outcome.left_out = str(outcome.error)


def _verify(
    source: ChosenSource, plan: Plan, rows: Rows, files: RowFiles, state: State, options: Options
) -> None:
    """Read all samples again, and compare them with what is stored."""
    if FINISHING in state.phases and state.left_out:
        raise RequestError(
            "verify: the run was ended when its rows had been checked and were being moved; resume "
            "it without verify (--verify)"
        )
    packed = state.packed(range(len(source)))
    n_workers = _n_workers(source, len(packed), options)
    total = len(packed) * plan.patch_bytes
    with (
        progress_bar(total, shown=options.progress, what="verify") as advance,
        workers(source, plan, files.folder, rows, n_workers) as submit,
    ):
        for outcomes in run_tasks(submit, "compare", packed, _task_size(source), n_workers):
            for outcome in outcomes:
                if why := outcome.error or outcome.left_out:
                    raise RequestError(f"verify: {source.name_of(outcome.k)}: {why}")
            advance(len(outcomes) * plan.patch_bytes)
