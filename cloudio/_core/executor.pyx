"""Has a job done: cuts it into tiles, and drops the GIL once for the thread pool to do them.

The job is proved: its outputs by kernels.pyx, its windows by windows.pyx. What threads do with it
stands in rows.pxd, pages.pxd, reads.pxd and counts.pxd. Only this module links the thread pool.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset

from cloudio._core cimport _csrc as c
from cloudio._core.counts cimport Sum, count_patch, sum_tables
from cloudio._core.files cimport File
from cloudio._core.job cimport MASK, NO_FAULT, ArrayDesc, Job, Output
from cloudio._core.job_files cimport (
    acquire_files, check_files, decay_coldness, max_coldness, release_files)
from cloudio._core.pages cimport evict_rest, readahead_tiles
from cloudio._core.plans cimport BasePlan, Histogram
from cloudio._core.reads cimport fetch
from cloudio._core.repeated cimport expand, expand_row
from cloudio._core.rows cimport process_tiles, scale_streamed, write_repeated
from cloudio._core.runtime cimport Tuning, rows_in_use, tuning_in_use
from cloudio._core.spaced cimport load_spaced
from cloudio._core.tiling cimport (
    cut_tiles, n_tiles_per_sample, round_up_to_blocks, round_up_to_lines, tile_expand_bytes,
    tile_pick_bytes, tile_read_bytes, tile_scratch_bytes)

cdef enum:
    MAX_SCRATCH = 256 << 20  # bytes, of all threads that wait for files
    MAX_THREADS = 1024  # as thread_pool.c
    # Bytes that threads wait for past the page cache: docs/decisions/evict-reads-by-position.md.
    DIRECT_BYTES = 4 << 20
    SUMMED = 1 << 14  # counts that a thread adds at once

cdef const Tuning *tuning = tuning_in_use()


cdef void start_job(Job *job, BasePlan plan) noexcept:
    """Begin a job over the patches of a plan."""
    memset(job, 0, sizeof(job[0]))
    job.rows, job.n_splits, job.rows_ahead = rows_in_use(), plan.n_splits, tuning.rows_ahead
    job.load = load_spaced
    job.write_repeated, job.scale_streamed = write_repeated, scale_streamed
    job.expand, job.expand_row, job.count_patch = expand, expand_row, count_patch
    if plan.reads:
        job.fetch, job.rows_ahead = fetch, 0


cdef object execute(
        Job *job, tuple plans, BasePlan first, int n_threads, bint evict, int64_t *counts):
    """Do a job that is proved; add to ``counts`` what it counts, unless that is NULL.

    Return None, or the first fault of a file, as `kernels.run` does.
    """
    cdef char *scratch = NULL
    cdef Py_ssize_t closed
    cdef int slot, max_threads
    cdef Sum whole
    if job.n_samples == 0:
        return None
    max_threads = n_threads = min(n_threads, MAX_THREADS)
    n_threads = plan_tiles(job, n_threads)
    max_threads = plan_reads(job, first, n_threads, max_threads, evict)
    try:
        if job.scratch_bytes > 0:
            scratch = <char *>c.cio_scratch_take(max_threads * job.scratch_bytes)
            if scratch == NULL:
                raise MemoryError()
            job.scratch = scratch
            for slot in range(max_threads):
                scratch[slot * job.scratch_bytes] = 0  # no table is in use yet
        if counts != NULL:
            whole.job, whole.n_slots, whole.counts = job, max_threads, counts
            whole.n_counts = (<Histogram>first).n_counts
        closed = acquire_files(job)
        if closed >= 0:
            raise nth_file(plans, closed).closed_error()
        with nogil:
            run_tiles(job, n_threads, max_threads, evict)
            if counts != NULL:
                c.cio_thread_pool_run(
                    sum_tables, &whole, whole.n_counts, SUMMED, n_threads, n_threads)
            release_files(job, job.n_descs)
    finally:
        c.cio_scratch_return(scratch)
    if c.cio_thread_pool_is_refused() and not c.cio_is_raised(&refusal_logged):
        log_refusal("reads use fewer than they may")
    if job.fault.code == NO_FAULT:
        return None
    return (
        nth_file(plans, job.fault.desc), -1 if is_exception(job, job.fault.desc) else
        job.fault.patch, job.fault.offset, job.fault.code)


cdef bint is_exception(const Job *job, Py_ssize_t desc) noexcept:
    """Whether that is an array of exceptions, whose patches have other numbers."""
    cdef Py_ssize_t o = 0
    while desc >= job.outputs[o].n_descs:
        desc -= job.outputs[o].n_descs
        o += 1
    return desc >= job.outputs[o].n_arrays * job.n_splits


cdef File nth_file(tuple plans, Py_ssize_t desc):
    return [file for plan in plans for file in (<BasePlan>plan).files][desc]


cdef int plan_tiles(Job *job, int n_threads) noexcept:
    """Cut the outputs into tiles; decide how they are written, and return by how many threads."""
    cdef Py_ssize_t n_bytes = 0, read_bytes = 0, pick_bytes = 0, expand_bytes = 0, k
    cdef Output *output
    for k in range(job.n_outputs):
        output = &job.outputs[k]
        n_bytes += cut_tiles(job, output, tuning.read_bytes if job.fetch else tuning.tile_bytes)
        job.n_sample_tiles += n_tiles_per_sample(output)
        job.read_offset = max(job.read_offset, tile_scratch_bytes(job, output))
        read_bytes = max(read_bytes, tile_read_bytes(output))
        pick_bytes = max(pick_bytes, tile_pick_bytes(output))
        expand_bytes = max(expand_bytes, tile_expand_bytes(output))
    # In every worker slot, the buffer that files are read to begins at a block.
    job.read_offset = (
        round_up_to_lines(job.read_offset) if job.fetch == NULL
        else round_up_to_blocks(job.read_offset))
    job.n_bytes, job.pick_offset = n_bytes, job.read_offset + read_bytes
    job.expand_offset = job.pick_offset + pick_bytes
    job.scratch_bytes = job.expand_offset + expand_bytes
    if job.fetch != NULL:
        job.scratch_bytes = round_up_to_blocks(job.scratch_bytes) - c.CIO_BLOCK
    job.store = c.CIO_STREAMED if n_bytes >= tuning.stream_bytes else c.CIO_CACHED
    return <int>max(1, min(
        n_threads, 1 + n_bytes // tuning.thread_bytes, job.n_samples * job.n_sample_tiles))


cdef int plan_reads(
        Job *job, BasePlan first, int n_threads, int n_allowed, bint evict) noexcept:
    """Decide what is read ahead, and return how many threads may wait for files.

    Waiting is worth a thread however little there is to copy.
    """
    cdef int coldness = max_coldness(job)
    cdef int max_threads = n_threads
    cdef bint is_eighth = c.cio_count(&first.runs) % 8 == 0
    cdef const ArrayDesc *desc
    cdef Py_ssize_t stored = 0, n_rows, n_bytes, waiting = tuning.waiting, k
    if job.fetch != NULL and n_allowed > 1:
        if evict and first.descs[0].file != NULL and (
                c.cio_file_is_direct_on_disk(first.descs[0].file)):
            waiting = min(waiting, DIRECT_BYTES // max(1, job.outputs[0].read_bytes))
        max_threads = <int>max(n_threads, min(waiting, MAX_SCRATCH // job.scratch_bytes))
    # Of small reads of files that are warm, every eighth reads ahead.
    if coldness < 0 or (
            coldness == c.CIO_WARM and job.n_bytes < tuning.thread_bytes and not is_eighth):
        return max_threads
    job.sparse = coldness == c.CIO_WARM
    for k in range(first.n_arrays):
        desc = &first.descs[k * job.n_splits]
        n_rows, n_bytes = job.height, job.width * max(4, desc.col_step)
        if desc.repetition != NULL:
            n_rows, n_bytes = n_rows // desc.repetition.rows, n_bytes // desc.repetition.cols
        stored += n_rows * min(desc.row_step, n_bytes)
    job.n_ahead = 1 + <Py_ssize_t>min(
        <double>tuning.readahead_bytes / max(1, stored) * job.n_sample_tiles,
        <double>(job.n_samples * job.n_sample_tiles))
    return max_threads


cdef void run_tiles(Job *job, int n_threads, int max_threads, bint evict) noexcept nogil:
    """Do the tiles of a job, between two checks of its files."""
    cdef Py_ssize_t n_tiles = job.n_samples * job.n_sample_tiles
    # A thread alone shares with nobody: a new chunk would only prefetch its first rows again.
    job.chunk = n_tiles if max_threads == 1 and not evict else max(1, n_tiles // (16 * n_threads))
    check_files(job, False)
    if job.fault.code != NO_FAULT:
        return
    if evict:
        # A mask reads again what the image has read, and finds it in memory.
        job.evicts_last = job.outputs[job.n_outputs - 1].kind == MASK
        job.evicts = not job.evicts_last
    if job.n_ahead > 0:
        job.chunk = max(1, min(job.chunk, job.n_ahead // 4))
        if job.fetch == NULL:
            readahead_tiles(job, 0, job.n_ahead)
    if job.fetch != NULL:
        job.chunk = 1  # a request
    job.n_between = (n_threads - 1) * job.chunk
    c.cio_thread_pool_run(process_tiles, job, n_tiles, job.chunk, n_threads, max_threads)
    # Again where the copy took long enough for a file to change meanwhile. A check costs as much as
    # the copy of a small window.
    if job.n_bytes >= tuning.thread_bytes or job.fetch != NULL or c.cio_is_raised(&job.absent):
        check_files(job, True)
    if job.n_ahead > 0 and not c.cio_is_raised(&job.absent):
        decay_coldness(job)
    if evict:
        c.cio_thread_pool_run(
            evict_rest, job, n_tiles, max(1, job.n_sample_tiles // 8), n_threads, n_threads)


# ---- the thread pool -----------------------------------------------------------------------------

cdef c.cio_flag refusal_logged


cdef void log_refusal(what) except *:
    """Log, once, that the system starts no more threads."""
    if not c.cio_raise(&refusal_logged):
        return
    import logging
    logging.getLogger("cloudio").warning(
        "the system starts no more threads (ulimit -u, or the limit of a container), so %s; raise "
        "the limit, or ask for fewer: threads=1, prefetch=0", what)


cdef void run_on_pool(
        c.cio_task task, void *context, size_t n_items, size_t chunk, int n_threads) noexcept nogil:
    c.cio_thread_pool_run(task, context, n_items, chunk, n_threads, n_threads)


def n_workers():
    """Worker threads alive in this process, besides its callers."""
    return c.cio_thread_pool_n_workers()
