# Arrays that are stored coarser than the patch grid: how their rows become those of a sample.
# Numbers are repeated as they are stored, in a row that stays in the first cache, and converted
# from there (docs/decisions/repeated-pixels.md). Needs no GIL.
from libc.stdint cimport int32_t
from libc.string cimport memset

from cloudio._core.boxes cimport cols_axis, flip_axis, place_of, rows_axis
from cloudio._core.cursors cimport Rectangle, read_buffer, tile_rectangle
from cloudio._core.job cimport Expansion, Job, Output, Repetition, RowCursor, Tile
from cloudio._core.tiling cimport expansion_bytes, n_arrays_per_tile, picked_step


cdef inline bint expand(Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor,
                        char *scratch) noexcept nogil:
    """Bring the stored rows of a tile to where `expand_row` finds them; false after a fault."""
    cdef const Output *output = tile.output
    cdef const Repetition *repetition = cursor.desc.repetition
    cdef Py_ssize_t slot = array if n_arrays_per_tile(output) > 1 else 0
    cdef char *memory = scratch + job.expand_offset + slot * output.expand_bytes
    cdef Expansion *expansion = <Expansion *>memory
    cdef int32_t place = place_of(repetition, tile.window.patch)
    cdef Rectangle part = tile_rectangle(job, tile)
    if job.fetch != NULL and cursor.n_rows > 0 and not job.fetch(
            job, tile, array, cursor, read_buffer(job, output, array, scratch)):
        return False
    expansion.rows = rows_axis(repetition, place, part.row, part.n_rows)
    expansion.cols = cols_axis(repetition, place, part.col, part.n_cols)
    if tile.window.flip_rows:
        flip_axis(&expansion.rows, part.n_rows)
    if tile.window.flip_cols:
        flip_axis(&expansion.cols, part.n_cols)
    expansion.src, expansion.step = cursor.src, cursor.step
    expansion.col_step, expansion.reverses = cursor.col_step, tile.window.flip_cols
    expansion.current = -2  # neither a stored row nor what is outside
    expansion.row = memory + expansion_bytes()
    expansion.stored = expansion.row + picked_step(job.width, 4)
    if tile.window.transpose:
        transpose_stored(
            job, tile, cursor, expansion, expansion.stored + picked_step(job.width, 4))
    cursor.expansion = expansion
    return True


cdef inline void transpose_stored(
        const Job *job, const Tile *tile, const RowCursor *cursor, Expansion *expansion,
        char *block) noexcept nogil:
    """Write the stored columns of a tile as rows to a block; they are the rows to be repeated."""
    cdef Py_ssize_t item = cursor.op.item, step = picked_step(job.width, item), y
    cdef char *dst = block
    cdef Py_ssize_t dst_step = step
    if tile.window.flip_cols:
        dst, dst_step = block + (cursor.n_cols - 1) * step, -step
    if cursor.col_step == item and cursor.n_rows > 0:
        job.rows.transpose[cursor.op.move](
            cursor.src, cursor.step, dst, dst_step, cursor.n_rows, cursor.n_cols)
    elif cursor.n_rows > 0:
        for y in range(cursor.n_rows):
            job.rows.pick[cursor.op.move](
                cursor.src + y * cursor.step, cursor.col_step, expansion.stored, cursor.n_cols)
            job.rows.transpose[cursor.op.move](
                expansion.stored, 0, dst + y * item, dst_step, 1, cursor.n_cols)
    expansion.rows, expansion.cols = expansion.cols, expansion.rows
    expansion.src, expansion.step = block, step
    expansion.col_step, expansion.reverses = item, False


cdef inline void expand_row(const Job *job, RowCursor *cursor, Py_ssize_t y) noexcept nogil:
    """Point the cursor to row y of a tile: a stored row repeated, or zeros outside the window."""
    cdef Expansion *expansion = cursor.expansion
    cdef Py_ssize_t item = cursor.op.item, k = -1
    cdef Py_ssize_t n = expansion.cols.n, before = expansion.cols.before
    cdef Py_ssize_t inside = y - expansion.rows.before
    if 0 <= inside < expansion.rows.n and n > 0:
        k = (inside + expansion.rows.skip) // expansion.rows.repeat
    cursor.row = expansion.row
    if k == expansion.current:
        return
    expansion.current = k
    if k < 0:
        memset(expansion.row, 0, job.width * item)
        return
    memset(expansion.row, 0, before * item)
    job.rows.repeat[cursor.op.move](
        stored_row(job, cursor, k), expansion.row + before * item, n, expansion.cols.skip,
        expansion.cols.repeat)
    memset(expansion.row + (before + n) * item, 0, (job.width - before - n) * item)


cdef inline const char *stored_row(
        const Job *job, const RowCursor *cursor, Py_ssize_t k) noexcept nogil:
    """Stored row k, its pixels side by side in the order in which the sample has them."""
    cdef const Expansion *expansion = cursor.expansion
    cdef Py_ssize_t n = expansion.cols.n_stored, step = expansion.col_step
    cdef const char *src = expansion.src + k * expansion.step
    if step != cursor.op.item:
        if expansion.reverses:
            src, step = src + (n - 1) * step, -step
        job.rows.pick[cursor.op.move](src, step, expansion.stored, n)
    elif expansion.reverses:
        job.rows.reverse[cursor.op.move](src, expansion.stored, n)
    else:
        return src
    return expansion.stored
