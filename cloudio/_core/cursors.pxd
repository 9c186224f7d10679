# The tiles of a job, and cursors over the rows that they take from an array. They need no GIL.
from cloudio._core cimport _csrc as c
from cloudio._core.boxes cimport Box, box_of
from cloudio._core.job cimport (
    INTERLEAVED, PLANAR, ArrayDesc, BandOp, Job, Loaded, Output, RowCursor, SampleWindow, Tile)
from cloudio._core.tiling cimport (
    REVERSE_ROWS, SLAB, n_arrays_per_tile, n_tiles_per_sample, scratch_step)


cdef inline Tile nth_tile(const Job *job, Py_ssize_t number) noexcept nogil:
    cdef Tile tile
    cdef const Output *output = &job.outputs[0]
    # Sample by sample: a mask finds in the cache what the image has just read.
    cdef Py_ssize_t sample = number // job.n_sample_tiles
    number %= job.n_sample_tiles
    while number >= n_tiles_per_sample(output):
        number -= n_tiles_per_sample(output)
        output += 1
    tile.output, tile.window = output, &job.windows[sample]
    tile.array = number // output.n_tiles
    cdef Py_ssize_t image = sample  # of those written, each height x width
    if output.kind == PLANAR:
        image = sample * output.n_arrays + tile.array
    tile.y = number % output.n_tiles * output.tile_rows
    tile.n_rows = min(output.tile_rows, job.height - tile.y)
    tile.dst_step = job.width * output.item * (
        output.n_arrays if output.kind == INTERLEAVED else 1)
    tile.dst = output.data + (image * job.height + tile.y) * tile.dst_step
    return tile


# A rectangle of a patch.
cdef struct Rectangle:
    Py_ssize_t row, col, n_rows, n_cols


cdef inline Rectangle tile_rectangle(const Job *job, const Tile *tile) noexcept nogil:
    """The part of a patch that a tile shows."""
    cdef const SampleWindow *window = tile.window
    cdef Rectangle part = Rectangle(window.row, window.col, job.height, job.width)
    if window.transpose:
        part.n_cols = tile.n_rows
        part.col += job.width - tile.y - tile.n_rows if window.flip_cols else tile.y
    else:
        part.n_rows = tile.n_rows
        part.row += job.height - tile.y - tile.n_rows if window.flip_rows else tile.y
    return part


cdef inline RowCursor start_cursor(
        const Job *job, const Tile *tile, Py_ssize_t array) noexcept nogil:
    """A cursor over the rows of an array as they are stored, up or down; see `transpose_rows`."""
    cdef RowCursor cursor
    cdef const SampleWindow *window = tile.window
    cdef const ArrayDesc *desc = &tile.output.descs[array * job.n_splits + window.split]
    cdef Rectangle part = tile_rectangle(job, tile)
    cdef Py_ssize_t patch = window.patch
    cdef Box box
    if desc.repetition != NULL:
        box = box_of(desc, tile.output.n_arrays * job.n_splits, patch, part.row, part.col,
                     part.n_rows, part.n_cols)
        desc, patch = box.desc, box.patch
        part = Rectangle(box.row, box.col, box.n_rows, box.n_cols)
    cursor.op, cursor.desc = &tile.output.ops[array], desc
    cursor.n_rows, cursor.n_cols = part.n_rows, part.n_cols
    cursor.expansion = NULL  # until `load_rows`
    cursor.top = cursor.left = cursor.bottom = cursor.right = 0  # until `clip_window`
    cursor.step, cursor.col_step = desc.row_step, desc.col_step
    if window.flip_rows and part.n_rows > 0:
        part.row += part.n_rows - 1
        cursor.step = -cursor.step
    cursor.offset = (
        patch * desc.patch_step + part.row * desc.row_step + part.col * desc.col_step)
    cursor.src = NULL  # until `fetch`, where the array is read
    if desc.base != NULL:
        cursor.src = desc.base + cursor.offset
    cursor.row = cursor.src
    return cursor


cdef inline char *read_buffer(
        const Job *job, const Output *output, Py_ssize_t array, char *scratch) noexcept nogil:
    """Where the stored rows of an array are read to."""
    cdef Py_ssize_t slot = array if n_arrays_per_tile(output) > 1 else 0
    return scratch + job.read_offset + slot * output.read_bytes


cdef inline bint load_rows(Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor,
                           Loaded *loaded, char *scratch) noexcept nogil:
    """Bring the stored rows of an array to where the cursor then points; false after a fault."""
    if cursor.desc.repetition != NULL:
        return job.expand(job, tile, array, cursor, scratch)
    if cursor.col_step != cursor.op.item:
        return job.load(job, tile, array, cursor, loaded, scratch)
    return job.fetch == NULL or job.fetch(
        job, tile, array, cursor, read_buffer(job, tile.output, array, scratch))


cdef inline void transpose_rows(
        const Job *job, const Tile *tile, RowCursor *cursor, char *scratch) noexcept nogil:
    """Write the stored columns of a tile as rows to scratch, and point the cursor to them."""
    if cursor.expansion != NULL:  # `expand` has done it
        return
    cdef Py_ssize_t item = cursor.op.item
    cdef Py_ssize_t step = scratch_step(job, item)
    cdef Py_ssize_t y = 0, n, k
    cdef char *dst = scratch
    cdef Py_ssize_t dst_step = step
    if tile.window.flip_cols:
        dst, dst_step = scratch + (tile.n_rows - 1) * step, -step
    for k in range(min(2 * SLAB, job.width)):
        c.cio_prefetch_row(cursor.src + k * cursor.step, tile.n_rows * item)
    while y < job.width:
        # The last slab takes in a rest that would be less than a micro-tile.
        n = job.width - y if job.width - y < 2 * SLAB else SLAB
        for k in range(y + 2 * SLAB, min(y + 3 * SLAB, job.width)):
            c.cio_prefetch_row(cursor.src + k * cursor.step, tile.n_rows * item)
        job.rows.transpose[cursor.op.move](
            cursor.src + y * cursor.step, cursor.step, dst + y * item, dst_step, n, tile.n_rows)
        y += n
    cursor.src, cursor.step = scratch, step


cdef inline void clip_window(const Job *job, const Tile *tile, RowCursor *cursor) noexcept nogil:
    """Set the window of the cursor: that of its op, in the rows and columns of the sample."""
    cdef const BandOp *op = cursor.op
    cdef const SampleWindow *window = tile.window
    cdef Py_ssize_t top = op.top - window.row, bottom = op.bottom - window.row
    cdef Py_ssize_t left = op.left - window.col, right = op.right - window.col
    if window.flip_rows:
        top, bottom = job.height - bottom, job.height - top
    if window.flip_cols:
        left, right = job.width - right, job.width - left
    if window.transpose:
        top, left, bottom, right = left, top, right, bottom
    cursor.top, cursor.left, cursor.bottom, cursor.right = top, left, bottom, right


cdef inline void seek_row(const Job *job, const Tile *tile, RowCursor *cursor, Py_ssize_t y,
                          char *scratch) noexcept nogil:
    """Move the cursor to row y of the tile, reversed if need be; rows come one after another."""
    cdef Py_ssize_t step, k
    if tile.window.transpose or not tile.window.flip_cols:
        cursor.row = cursor.src + y * cursor.step
        return
    step = scratch_step(job, cursor.op.item)
    # Some rows at once: what was just written in narrow stores is slow to load in wide ones.
    if y % REVERSE_ROWS == 0:
        for k in range(min(REVERSE_ROWS, tile.n_rows - y)):
            job.rows.reverse[cursor.op.move](
                cursor.src + (y + k) * cursor.step, scratch + k * step, job.width)
    cursor.row = scratch + y % REVERSE_ROWS * step


cdef inline void seek_any_row(const Job *job, const Tile *tile, RowCursor *cursor, Py_ssize_t y,
                              char *scratch) noexcept nogil:
    """Move the cursor to row y of the tile, whose pixels may be repeated."""
    if cursor.expansion != NULL:
        job.expand_row(job, cursor, y)
    else:
        seek_row(job, tile, cursor, y, scratch)


cdef inline void prefetch_row(const Job *job, const Tile *tile, const RowCursor *cursor,
                              Py_ssize_t y) noexcept nogil:
    """Prefetch stored row y of a tile; `transpose_rows` does it for itself."""
    if tile.output.kind == PLANAR and not tile.window.transpose:
        c.cio_prefetch_row(cursor.src + y * cursor.step, cursor.n_cols * cursor.op.item)
