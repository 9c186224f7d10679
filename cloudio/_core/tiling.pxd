# How an output is cut into tiles, and how much scratch a tile needs.
from cloudio._core cimport _csrc as c
from cloudio._core.job cimport (
    HISTOGRAM, INTERLEAVED, LINE, MASK, PLANAR, ArrayDesc, Expansion, Job, Output, RowCursor)

cdef enum:
    # Rows that are transposed together: a micro-tile has up to 16. As many are prefetched.
    SLAB = 16
    REVERSE_ROWS = 8  # rows that are reversed together
    ROWS_TOGETHER = 8  # at least, of a tile that has them of all arrays
    # Of a block that is interleaved: with what it is made from, it fits the first level of cache.
    BLOCK_BYTES = 8192
    # Of a gap between rows that is read with them, not skipped: what a call costs.
    MAX_GAP_BYTES = 16384
    # A tile of an array reads at least this.
    MIN_READ_BYTES = 131072
    # A transposed tile reads at most this as a whole window; else each tile reads all rows again.
    MAX_TRANSPOSED_BYTES = 16777216


cdef inline Py_ssize_t round_up_to_blocks(Py_ssize_t n_bytes) noexcept nogil:
    """Whole blocks, and one more: the bytes may begin anywhere in the first block."""
    return (n_bytes + 2 * c.CIO_BLOCK - 1) // c.CIO_BLOCK * c.CIO_BLOCK


cdef inline Py_ssize_t round_up_to_lines(Py_ssize_t n_bytes) noexcept nogil:
    return (n_bytes + LINE - 1) // LINE * LINE


cdef inline Py_ssize_t cut_tiles(
        const Job *job, Output *output, Py_ssize_t tile_bytes) noexcept nogil:
    """Cut an output into tiles of about that many bytes, as even as rows allow; return its bytes.

    Where arrays are read, about as many bytes are read at once.  A transposed tile reads as many
    columns as it has rows: whole cache lines, of few enough rows for the second level of cache.
    """
    # What lies between each other's pixels is done while these are in the nearest cache.
    output.together = output.spaced and output.kind == PLANAR
    cdef Py_ssize_t together = 1 if is_by_array(output) else output.n_arrays
    cdef Py_ssize_t pixel = output.item * (together if output.kind == INTERLEAVED else 1)
    cdef Py_ssize_t max_rows = max(1, tile_bytes // (job.width * pixel))
    if output.together:
        max_rows = max(ROWS_TOGETHER, max_rows // together)
    if job.fetch != NULL:
        if output.kind == INTERLEAVED or output.together:
            tile_bytes = max(tile_bytes // together, MIN_READ_BYTES)
        max_rows = max(1, tile_bytes // max_read_step(job, output, job.width))
    if output.kind == HISTOGRAM:
        max_rows = job.height
    elif job.any_transpose:
        if job.fetch != NULL and reads_whole(job, output):
            max_rows = job.height
        elif output.kind == INTERLEAVED or output.together:
            max_rows = SLAB
        else:
            max_rows = min(max(max_rows, 32), 64)
    output.n_tiles = (job.height + max_rows - 1) // max_rows
    output.tile_rows = (job.height + output.n_tiles - 1) // output.n_tiles
    output.n_tiles = (job.height + output.tile_rows - 1) // output.tile_rows
    output.block = max(LINE, BLOCK_BYTES // pixel // LINE * LINE)
    output.symmetry_bytes = output.read_bytes = 0
    if job.any_transpose or job.any_flip_cols:
        output.symmetry_bytes = scratch_step(job, 4) * (
            max(output.tile_rows, REVERSE_ROWS) if job.any_transpose else REVERSE_ROWS)
    if job.fetch != NULL:
        output.read_bytes = round_up_to_blocks(
            output.tile_rows * max_read_step(job, output, job.width))
        if job.any_transpose:
            output.read_bytes = max(output.read_bytes, round_up_to_blocks(
                job.width * max_read_step(job, output, output.tile_rows)))
    output.pick_bytes = 0
    if output.spaced:
        output.pick_bytes = output.tile_rows * picked_step(job.width, 4)
        if job.any_transpose:
            output.pick_bytes = max(
                output.pick_bytes, job.width * picked_step(output.tile_rows, 4))
    output.expand_bytes = 0
    if output.repeats:
        # A row, a stored row and, of a transposed tile, all stored columns.
        output.expand_bytes = expansion_bytes() + picked_step(job.width, 4) * (
            2 + (output.tile_rows if job.any_transpose else 0))
    return job.n_samples * job.height * job.width * output.item * (
        output.n_arrays if output.kind != MASK else 1)


cdef inline Py_ssize_t expansion_bytes() noexcept nogil:
    """Bytes of scratch for what is known of an array whose pixels are repeated."""
    return round_up_to_lines(sizeof(Expansion))


cdef inline Py_ssize_t row_extent(
        const ArrayDesc *desc, Py_ssize_t width) noexcept nogil:
    """Bytes from the first pixel of a stored row to the end of the last, of a group of arrays."""
    return (width - 1) * desc.col_step + desc.span


cdef inline Py_ssize_t picked_step(Py_ssize_t width, Py_ssize_t item) noexcept nogil:
    """Bytes from one row of picked pixels to the next; see `scratch_step`."""
    return round_up_to_lines(width * item) + LINE


cdef inline Py_ssize_t read_step(Py_ssize_t row_step, Py_ssize_t row_bytes) noexcept nogil:
    """Bytes from one row to the next in the buffer: as in the file, or without the gaps."""
    return row_step if row_step - row_bytes < MAX_GAP_BYTES else round_up_to_lines(row_bytes)


cdef inline Py_ssize_t max_read_step(
        const Job *job, const Output *output, Py_ssize_t width) noexcept nogil:
    """The largest `read_step` of any array."""
    cdef Py_ssize_t k, largest = 1
    for k in range(output.n_descs):
        largest = max(largest, read_step(
            output.descs[k].row_step, row_extent(&output.descs[k], width)))
    return largest


cdef inline bint reads_whole(const Job *job, const Output *output) noexcept nogil:
    """Whether a transposed tile takes in the whole window, which is then read once."""
    cdef Py_ssize_t together = n_arrays_per_tile(output)
    return together * job.height * max_read_step(job, output, job.width) <= MAX_TRANSPOSED_BYTES


cdef inline Py_ssize_t scratch_step(const Job *job, Py_ssize_t item) noexcept nogil:
    """Bytes from one row in scratch to the next: no power of two, where columns would collide."""
    return picked_step(job.width, item)


cdef inline Py_ssize_t tile_scratch_bytes(const Job *job, const Output *output) noexcept nogil:
    """Bytes of scratch that a tile needs, besides what it reads to."""
    if output.kind == HISTOGRAM:
        # Of arrays whose pixels are repeated, the patch as it is counted.
        return round_up_to_lines(LINE + c.cio_histogram_bytes(output.histogram)) + (
            output.n_arrays * output.tile_rows * picked_step(job.width, output.item)
            if output.repeats else 0)
    if output.kind != INTERLEAVED:
        return output.symmetry_bytes
    return (round_up_to_lines(output.n_arrays * sizeof(RowCursor))
            + output.n_arrays * output.symmetry_bytes
            + 2 * output.n_arrays * output.block * cell_bytes(output))


cdef inline Py_ssize_t cell_bytes(const Output *output) noexcept nogil:
    """Bytes of a pixel of one array while pixels are interleaved."""
    return output.ops[0].item if output.uniform else output.item


cdef inline Py_ssize_t tile_read_bytes(const Output *output) noexcept nogil:
    """Bytes of scratch that a tile reads to."""
    return output.read_bytes * n_arrays_per_tile(output)


cdef inline Py_ssize_t tile_pick_bytes(const Output *output) noexcept nogil:
    """Bytes of scratch that a tile picks to."""
    # Twice: of a group of arrays, other channels are written too if they are not more.
    return 2 * output.pick_bytes * n_arrays_per_tile(output)


cdef inline Py_ssize_t tile_expand_bytes(const Output *output) noexcept nogil:
    """Bytes of scratch that a tile repeats pixels in."""
    return output.expand_bytes * n_arrays_per_tile(output)


cdef inline bint is_by_array(const Output *output) noexcept nogil:
    """Whether a tile has the rows of one array, not of all."""
    return output.kind == PLANAR and not output.together


cdef inline Py_ssize_t n_arrays_per_tile(const Output *output) noexcept nogil:
    """Arrays whose rows a tile needs at once."""
    return 1 if is_by_array(output) or output.kind == MASK else output.n_arrays


cdef inline Py_ssize_t n_tiles_per_sample(const Output *output) noexcept nogil:
    """Tiles of one sample."""
    return output.n_tiles * (output.n_arrays if is_by_array(output) else 1)
