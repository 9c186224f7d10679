# Counting: a record for each sample, and a table for each worker slot. Needs no GIL.
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset

from cloudio._core cimport _csrc as c
from cloudio._core.cursors cimport clip_window, load_rows, start_cursor
from cloudio._core.job cimport LINE, Job, Loaded, Output, RowCursor, Tile
from cloudio._core.tiling cimport picked_step, round_up_to_lines


cdef inline void count_patch(Job *job, const Tile *tile, char *scratch) noexcept nogil:
    """Write the record of a sample, and add it to the table of this worker slot."""
    cdef const Output *output = tile.output
    cdef const c.cio_histogram_spec *spec = output.histogram
    cdef Py_ssize_t sample = tile.window - job.windows, a
    cdef c.cio_patch[2] patches
    cdef RowCursor cursor
    cdef Loaded loaded
    cdef uint32_t *table = slot_table(spec, scratch)
    loaded.window = NULL
    for a in range(output.n_arrays):
        cursor = start_cursor(job, tile, a)
        if not load_rows(job, tile, a, &cursor, &loaded, scratch):
            return
        if cursor.expansion != NULL:
            expand_patch(job, tile, a, &cursor, scratch)
        clip_window(job, tile, &cursor)
        patches[a].src, patches[a].step = cursor.src, cursor.step
        patches[a].n_rows, patches[a].n_cols = job.height, job.width
        patches[a].top = min(max(cursor.top, 0), job.height)
        patches[a].left = min(max(cursor.left, 0), job.width)
        patches[a].bottom = max(<Py_ssize_t>patches[a].top, min(cursor.bottom, job.height))
        patches[a].right = max(<Py_ssize_t>patches[a].left, min(cursor.right, job.width))
    if spec.paired:
        c.cio_histogram_add_pair(
            job.rows, spec, &patches[0], &patches[1], table,
            output.classes + sample * spec.n_classes)
    else:
        c.cio_histogram_add_patch(
            job.rows, spec, &patches[0], table,
            NULL if output.data == NULL else <c.cio_record *>output.data + sample,
            output.classes + sample * spec.n_classes)


cdef inline void expand_patch(const Job *job, const Tile *tile, Py_ssize_t array,
                              RowCursor *cursor, char *scratch) noexcept nogil:
    """Write all rows of an array whose pixels are repeated, and point the cursor to them."""
    cdef Py_ssize_t item = cursor.op.item, step = picked_step(job.width, item), y
    cdef char *rows = scratch + array * job.height * step + round_up_to_lines(
        LINE + c.cio_histogram_bytes(tile.output.histogram))
    for y in range(job.height):
        job.expand_row(job, cursor, y)
        memcpy(rows + y * step, cursor.row, job.width * item)
    cursor.src, cursor.step = rows, step


cdef inline uint32_t *slot_table(const c.cio_histogram_spec *spec, char *scratch) noexcept nogil:
    """The table of a worker slot. It is cleared at first use; the first byte says whether it is."""
    cdef uint32_t *table = <uint32_t *>(scratch + LINE)
    if scratch[0] == 0:
        scratch[0] = 1
        memset(table, 0, c.cio_histogram_bytes(spec))
    return table


cdef struct Sum:
    const Job *job
    int n_slots
    int64_t *counts
    size_t n_counts


cdef inline void sum_tables(void *context, size_t begin, size_t end, int slot) noexcept nogil:
    """Add what all worker slots have counted to counts [begin, end)."""
    cdef const Sum *whole = <const Sum *>context
    cdef const char *scratch
    cdef int k
    for k in range(whole.n_slots):
        scratch = whole.job.scratch + k * whole.job.scratch_bytes
        if scratch[0] != 0:
            c.cio_histogram_sum(
                whole.job.outputs[0].histogram, <const uint32_t *>(scratch + LINE), begin, end,
                whole.counts)
