"""A run over an iterable: samples come one by one, and nobody knows how many."""

import time
from pathlib import Path

import numpy as np

from ..._utils.progress import progress_bar
from ...errors import RequestError
from ..plan import Plan, as_fields
from ..planning import Choices, complete, make_plan
from ..result import PackResult, summarize
from ..sample import Sample, describe_error
from ..sources.samples import Stream
from .committer import committing
from .engine import EndlessRows, Outcome, RowWriter
from .finish import finish
from .row_files import RowFiles
from .run import Options, settle
from .state import FINISHING, State, opener
from .unfinished import data_folder, open_run

# Files grow by this, of all arrays together.
_GROWN_BYTES = 64 << 20


def pack_stream(stream: Stream, choices: Choices, dest: Path, options: Options) -> PackResult:
    """Pack the samples of an iterable; a resumed run takes and drops those that are packed."""
    start = time.perf_counter()
    plan = make_plan({"sample 0": complete(stream.first(), choices)}, choices)
    rows = EndlessRows(stream.split)
    head = {"source": stream.digest(), "plan": plan.digest()}
    with open_run(dest, opener(head, plan), resume=options.resume) as state:
        files = RowFiles(data_folder(dest), plan, rows.splits)
        try:
            if FINISHING not in state.phases:
                files.check_rows({stream.split: state.n_done})
                _pack(stream, plan, rows, files, state, choices, options)
            packed = state.packed(range(state.n_done))
            files.check_rows({stream.split: len(packed)})
            kept = {stream.split: np.array(packed, np.int64)}
            finish(dest, plan, rows, kept, files, state, {}, options.hints)
        finally:
            files.close()
        left_out = tuple((f"sample {k}", why) for k, why in sorted(state.left_out.items()))
    return summarize(dest, plan, kept, left_out, (), time.perf_counter() - start)


def _pack(
    stream: Stream,
    plan: Plan,
    rows: EndlessRows,
    files: RowFiles,
    state: State,
    choices: Choices,
    options: Options,
) -> None:
    writer = RowWriter(plan, files.folder, rows)
    # Without a key the number of a sample is its row, also for one that was left out.
    skip = 0 if stream.key else state.n_done
    keys = _Keys(stream.key, state)
    row = reserved = state.n_done
    block = max(1, _GROWN_BYTES // plan.patch_bytes)
    try:
        with (
            progress_bar(0, shown=options.progress, what="pack") as advance,
            committing(files.sync, state.commit) as committer,
        ):
            for k, sample in stream.samples(skip):
                if keys.is_packed(sample, k):
                    continue
                if row >= reserved:
                    reserved = row + block
                    files.reserve({stream.split: reserved})
                outcome = _store(writer, row, complete(sample, choices), f"sample {k}")
                settle([outcome], skip_errors=options.skip_errors)
                committer.add([outcome], plan.patch_bytes)
                advance(plan.patch_bytes)
                row += 1
    finally:
        writer.close()


def _store(writer: RowWriter, row: int, sample: Sample, name: str) -> Outcome:
    try:
        return writer.store(row, sample)
    except Exception as error:
        return Outcome(row, error=describe_error(error, name))


class _Keys:
    """The samples that an earlier run has packed, by the values of a column, if one is given."""

    def __init__(self, column: str | None, state: State) -> None:
        self._column = column
        self._before = state.values(column) if column else set()
        self._now: set[str] = set()

    def is_packed(self, sample: Sample, k: int) -> bool:
        """Return whether a sample is packed already; RequestError if another has its key."""
        if self._column is None:
            return False
        value = as_fields(sample.attributes).get(self._column, "")
        if not value:
            raise RequestError(f"sample {k} has no {self._column}, which is the key")
        if value in self._now:
            raise RequestError(f"two samples have {self._column} {value!r}, which is the key")
        self._now.add(value)
        return value in self._before
