# What threads do with a job: tile by tile, row by row. It needs no GIL.
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

from cloudio._core cimport _csrc as c
from cloudio._core.cursors cimport (
    clip_window, load_rows, nth_tile, prefetch_row, seek_any_row, seek_row, start_cursor,
    transpose_rows)
from cloudio._core.job cimport (
    COPY, HISTOGRAM, INTERLEAVED, LOOK_UP, PLANAR, SCALE, SKIP, BandOp, Job, Loaded, Output,
    RowCursor, Tile)
from cloudio._core.pages cimport evict_finished, populate_tile, readahead_tiles
from cloudio._core.tiling cimport cell_bytes, round_up_to_lines


cdef inline void process_tiles(void *context, size_t begin, size_t end, int slot) noexcept nogil:
    """Do tiles [begin, end) of a job, and prefetch the rows of those to come."""
    cdef Job *job = <Job *>context
    cdef char *scratch = job.scratch + slot * job.scratch_bytes
    cdef Tile tile, following
    cdef RowCursor cursor, next_cursor
    cdef size_t number
    cdef Py_ssize_t y
    cdef c.cio_line line
    if job.n_ahead > 0 and job.fetch == NULL:
        readahead_tiles(job, begin + job.n_ahead, end + job.n_ahead)
    elif job.n_ahead > 0 and c.cio_thread_pool_is_alone():
        # No other thread waits for the file: only readahead has requests under way.
        readahead_tiles(job, begin + job.n_ahead if begin > 0 else 0, end + job.n_ahead)
    tile = nth_tile(job, begin)
    cursor = start_cursor(job, &tile, tile.array)
    memset(&line, 0, sizeof(line))
    for y in range(min(job.rows_ahead, cursor.n_rows)):
        prefetch_row(job, &tile, &cursor, y)
    for number in range(begin, end):
        if c.cio_is_raised(&job.fault.is_set):
            break
        following = nth_tile(job, following_tile(job, number, end))
        next_cursor = start_cursor(job, &following, following.array)
        if (tile.y == 0 or number == begin) and not populate_tile(job, &tile):
            break
        if tile.output.together:
            write_together(job, &tile, scratch, &line)
        elif tile.output.kind == PLANAR:
            write_planar(job, &tile, &cursor, &following, &next_cursor, scratch, &line)
        elif tile.output.kind == INTERLEAVED:
            write_interleaved(job, &tile, scratch, &line)
        elif tile.output.kind == HISTOGRAM:
            job.count_patch(job, &tile, scratch)
        else:
            write_mask(job, &tile, scratch)
        tile, cursor = following, next_cursor
    c.cio_end_line(&line)
    c.cio_store_fence()
    if job.evicts:
        evict_finished(job, begin, end)


cdef inline size_t following_tile(const Job *job, size_t number, size_t end) noexcept nogil:
    """The tile that this thread does next, after the last of a chunk the one that is likely."""
    cdef size_t following = number + 1
    if following == end:
        following += job.n_between
    return following if following < <size_t>(job.n_samples * job.n_sample_tiles) else number


cdef inline void write_planar(
        Job *job, const Tile *tile, RowCursor *cursor, const Tile *following,
        const RowCursor *next_cursor, char *scratch, c.cio_line *line) noexcept nogil:
    cdef Py_ssize_t y, ahead
    if cursor.desc.repetition != NULL:
        job.write_repeated(job, tile, cursor, following, next_cursor, scratch, line)
        return
    if job.fetch != NULL and not job.fetch(
            job, tile, tile.array, cursor, scratch + job.read_offset):
        return
    if tile.window.transpose:
        transpose_rows(job, tile, cursor, scratch)
    if cursor.op.opcode == LOOK_UP:
        clip_window(job, tile, cursor)
    if cursor.op.opcode == SCALE and job.store == c.CIO_STREAMED:
        job.scale_streamed(job, tile, cursor, following, next_cursor, scratch, line)
        return
    for y in range(tile.n_rows):
        ahead = y + job.rows_ahead
        if ahead < tile.n_rows:
            prefetch_row(job, tile, cursor, ahead)
        elif ahead - tile.n_rows < next_cursor.n_rows:
            prefetch_row(job, following, next_cursor, ahead - tile.n_rows)
        seek_row(job, tile, cursor, y, scratch)
        write_row(job, tile, cursor, y, 0, job.width, tile.dst + y * tile.dst_step, job.store,
                  line)


cdef inline void scale_streamed(
        Job *job, const Tile *tile, RowCursor *cursor, const Tile *following,
        const RowCursor *next_cursor, char *scratch, c.cio_line *line) noexcept nogil:
    """Write scaled rows past the cache; each prefetches one that is as long, between its lines."""
    cdef const BandOp *op = cursor.op
    cdef c.cio_scale_fn scale = job.rows.scale[op.type][tile.output.to][op.fills][c.CIO_STREAMED]
    cdef bint is_like = (
        following.output.kind == PLANAR and not following.window.transpose
        and next_cursor.n_cols * next_cursor.op.item == job.width * op.item)
    cdef Py_ssize_t y, ahead
    for y in range(tile.n_rows):
        ahead = y + job.rows_ahead
        line.ahead = NULL
        if ahead < tile.n_rows:
            if not tile.window.transpose:
                line.ahead = cursor.src + ahead * cursor.step
        elif ahead - tile.n_rows < next_cursor.n_rows:
            if is_like:
                line.ahead = next_cursor.src + (ahead - tile.n_rows) * next_cursor.step
            else:
                prefetch_row(job, following, next_cursor, ahead - tile.n_rows)
        seek_row(job, tile, cursor, y, scratch)
        scale(cursor.row, tile.dst + y * tile.dst_step, job.width, &op.affine, line)
    line.ahead = NULL


cdef inline void write_repeated(
        Job *job, const Tile *tile, RowCursor *cursor, const Tile *following,
        const RowCursor *next_cursor, char *scratch, c.cio_line *line) noexcept nogil:
    """Write rows that are made of fewer stored ones; of these all are prefetched first."""
    cdef Py_ssize_t y, ahead
    if not job.expand(job, tile, tile.array, cursor, scratch):
        return
    if cursor.op.opcode == LOOK_UP:
        clip_window(job, tile, cursor)
    for y in range(tile.n_rows):
        ahead = y + job.rows_ahead
        if ahead < cursor.n_rows:
            prefetch_row(job, tile, cursor, ahead)
        elif 0 <= ahead - tile.n_rows < next_cursor.n_rows:
            prefetch_row(job, following, next_cursor, ahead - tile.n_rows)
        job.expand_row(job, cursor, y)
        write_row(job, tile, cursor, y, 0, job.width, tile.dst + y * tile.dst_step, job.store,
                  line)


cdef inline void write_together(
        Job *job, const Tile *tile, char *scratch, c.cio_line *line) noexcept nogil:
    """Write array by array, as `write_planar`, where pixels of some lie between those of others."""
    cdef const Output *output = tile.output
    cdef Py_ssize_t plane = job.height * tile.dst_step, a, y
    cdef RowCursor cursor
    cdef Loaded loaded
    loaded.window = NULL
    for a in range(output.n_arrays):
        cursor = start_cursor(job, tile, a)
        if not load_rows(job, tile, a, &cursor, &loaded, scratch):
            return
        if tile.window.transpose:
            transpose_rows(job, tile, &cursor, scratch)
        if cursor.op.opcode == LOOK_UP:
            clip_window(job, tile, &cursor)
        for y in range(tile.n_rows):
            seek_any_row(job, tile, &cursor, y, scratch)
            write_row(job, tile, &cursor, y, 0, job.width,
                      tile.dst + a * plane + y * tile.dst_step, job.store, line)


cdef inline void write_interleaved(
        Job *job, const Tile *tile, char *scratch, c.cio_line *line) noexcept nogil:
    """Write block by block: a row of each array, these as columns, and those as one row.

    A uniform output is interleaved as it is stored, and scaled last.
    """
    cdef const Output *output = tile.output
    cdef Py_ssize_t n = output.n_arrays, cell = cell_bytes(output), row_bytes = output.block * cell
    cdef RowCursor *cursors = <RowCursor *>scratch
    cdef char *symmetric = scratch + round_up_to_lines(n * sizeof(RowCursor))
    cdef char *rows = symmetric + n * output.symmetry_bytes
    cdef char *pixels = rows + n * row_bytes
    cdef char *dst
    cdef char *target
    cdef Py_ssize_t a, y, x, width, n_ahead
    cdef const BandOp *op = output.ops
    cdef bint in_place = job.store == c.CIO_CACHED and not output.uniform
    cdef Loaded loaded
    loaded.window = NULL
    if output.whole_pixels and not tile.window.transpose and not tile.window.flip_cols:
        write_whole_pixels(job, tile, scratch, line)
        return
    for a in range(n):
        cursors[a] = start_cursor(job, tile, a)
        if not load_rows(job, tile, a, &cursors[a], &loaded, scratch):
            return
        if tile.window.transpose:
            transpose_rows(job, tile, &cursors[a], symmetric + a * output.symmetry_bytes)
    n_ahead = 0 if tile.window.transpose else tile.n_rows
    for y in range(tile.n_rows):
        dst = tile.dst + y * tile.dst_step
        for a in range(n):
            if output.repeats:
                seek_any_row(job, tile, &cursors[a], y, symmetric + a * output.symmetry_bytes)
            else:
                seek_row(job, tile, &cursors[a], y, symmetric + a * output.symmetry_bytes)
        x = 0
        while x < job.width:
            width = min(output.block, job.width - x)
            for a in range(n):
                if y + 1 < n_ahead and (not output.repeats or cursors[a].expansion == NULL):
                    c.cio_prefetch_row(
                        cursors[a].src + (y + 1) * cursors[a].step + x * cursors[a].op.item,
                        width * cursors[a].op.item)
                if output.uniform:
                    job.rows.copy[c.CIO_CACHED](
                        cursors[a].row + x * cell, rows + a * row_bytes, width * cell, NULL)
                else:
                    write_row(job, tile, &cursors[a], y, x, width, rows + a * row_bytes,
                              c.CIO_CACHED, NULL)
            target = dst if in_place else pixels
            job.rows.transpose[op.move if output.uniform else output.move](
                rows, row_bytes, target, n * cell, n, width)
            if output.uniform:
                job.rows.scale[op.type][output.to][op.fills][job.store](
                    pixels, dst, width * n, &op.affine, line)
            elif not in_place:
                job.rows.copy[job.store](pixels, dst, width * n * cell, line)
            dst += width * n * output.item
            x += width


cdef inline void write_whole_pixels(
        Job *job, const Tile *tile, char *scratch, c.cio_line *line) noexcept nogil:
    """Write rows of pixels that are stored as they are wanted, all arrays at once."""
    cdef const Output *output = tile.output
    cdef const BandOp *op = output.ops
    cdef Py_ssize_t n = job.width * output.n_arrays, y
    cdef RowCursor cursor = start_cursor(job, tile, 0)
    if job.fetch != NULL and not job.fetch(job, tile, 0, &cursor, scratch + job.read_offset):
        return
    for y in range(tile.n_rows):
        if tile.y + y + job.rows_ahead < job.height:
            c.cio_prefetch_row(cursor.src + (y + job.rows_ahead) * cursor.step, n * op.item)
        if output.uniform:
            job.rows.scale[op.type][output.to][op.fills][job.store](
                cursor.src + y * cursor.step, tile.dst + y * tile.dst_step, n, &op.affine, line)
        else:
            job.rows.copy[job.store](
                cursor.src + y * cursor.step, tile.dst + y * tile.dst_step, n * op.item, line)


cdef inline void write_mask(Job *job, const Tile *tile, char *scratch) noexcept nogil:
    """Write 1 inside the window of the first array, where all arrays hold data; 0 elsewhere."""
    cdef RowCursor cursor = start_cursor(job, tile, 0)
    cdef Py_ssize_t a, y, left, right
    cdef char *dst = tile.dst
    cdef Loaded loaded
    loaded.window = NULL
    clip_window(job, tile, &cursor)
    left = min(max(cursor.left, 0), job.width)
    right = max(min(cursor.right, job.width), left)
    memset(dst, 0, tile.n_rows * tile.dst_step)
    for y in range(max(cursor.top - tile.y, 0), min(cursor.bottom - tile.y, tile.n_rows)):
        memset(dst + y * tile.dst_step + left, 1, right - left)
    for a in range(tile.output.n_arrays):
        if tile.output.ops[a].opcode == SKIP:
            continue
        cursor = start_cursor(job, tile, a)
        if not load_rows(job, tile, a, &cursor, &loaded, scratch):
            return
        if tile.window.transpose:
            transpose_rows(job, tile, &cursor, scratch)
        for y in range(tile.n_rows):
            if (cursor.expansion == NULL and not tile.window.transpose
                    and y + job.rows_ahead < tile.n_rows):
                c.cio_prefetch_row(
                    cursor.src + (y + job.rows_ahead) * cursor.step, job.width * cursor.op.item)
            seek_any_row(job, tile, &cursor, y, scratch)
            job.rows.check[cursor.op.type](
                cursor.row, <uint8_t *>dst + y * tile.dst_step, job.width, cursor.op.affine.nodata)


cdef inline void write_row(
        const Job *job, const Tile *tile, const RowCursor *cursor, Py_ssize_t y, Py_ssize_t x,
        Py_ssize_t width, char *dst, int store, c.cio_line *line) noexcept nogil:
    """Write pixels [x, x + width) of row y of a tile."""
    cdef const BandOp *op = cursor.op
    cdef const char *src = cursor.row + x * op.item
    if op.opcode == SCALE:
        job.rows.scale[op.type][tile.output.to][op.fills][store](
            src, dst, width, &op.affine, line)
    elif op.opcode == COPY:
        job.rows.copy[store](src, dst, width * op.item, line)
    else:
        look_up_row(job, tile, cursor, y, src, dst)


cdef inline void look_up_row(
        const Job *job, const Tile *tile, const RowCursor *cursor, Py_ssize_t y, const char *src,
        char *dst) noexcept nogil:
    """Write classes inside the window of the cursor, and `fill` before and after it."""
    cdef const BandOp *op = cursor.op
    cdef const Output *output = tile.output
    cdef Py_ssize_t inside = 0, before = 0
    if cursor.top <= tile.y + y < cursor.bottom:
        before = min(max(cursor.left, 0), job.width)
        inside = max(min(cursor.right, job.width) - before, 0)
    fill_row(output, dst, before)
    if inside > 0:
        job.rows.look_up[op.item - 1][output.to][job.store](
            src + before * op.item, dst + before * output.item, inside, op.table)
    fill_row(output, dst + (before + inside) * output.item, job.width - before - inside)


cdef inline void fill_row(const Output *output, char *dst, Py_ssize_t n) noexcept nogil:
    cdef int64_t *wide = <int64_t *>dst
    cdef Py_ssize_t i
    if output.to == c.CIO_TO_U8:
        memset(dst, <int>output.fill, n)
    else:
        for i in range(n):
            wide[i] = output.fill
