# Arrays whose pixels are apart, such as a channel of an array (patch, row, column, channel): which
# of them share rows, and how these become rows of pixels side by side. Needs no GIL.
from libc.stdint cimport intptr_t

from cloudio._core cimport _csrc as c
from cloudio._core.cursors cimport read_buffer
from cloudio._core.job cimport (
    MASK, ArrayDesc, BandOp, Job, Loaded, Output, RowCursor, Tile)
from cloudio._core.tiling cimport n_arrays_per_tile, picked_step, row_extent

cdef enum:
    VECTOR = 16  # bytes; fewer channels are picked one by one


# ---- decided once, by a plan ---------------------------------------------------------------------

cdef inline bint find_groups(
        ArrayDesc *descs, const BandOp *ops, Py_ssize_t n_arrays, Py_ssize_t n_splits) noexcept:
    """Find neighboring arrays whose pixels lie between each other's; whether any are apart."""
    cdef Py_ssize_t a, s, lead
    cdef intptr_t low, high, at
    cdef ArrayDesc *desc
    cdef bint any_spaced = False
    for s in range(n_splits):
        lead = 0
        while lead < n_arrays:
            desc = &descs[lead * n_splits + s]
            any_spaced = any_spaced or (
                desc.repetition == NULL and desc.col_step != ops[lead].item)
            low = high = address(desc)
            a = lead + 1
            while a < n_arrays and share_rows(desc, &descs[a * n_splits + s]):
                at = address(&descs[a * n_splits + s])
                if (ops[a].item != ops[lead].item
                        or max(high, at) - min(low, at) > desc.col_step - ops[lead].item):
                    break
                low, high = min(low, at), max(high, at)
                a += 1
            set_group(descs, ops, lead, a, n_splits, s, low, high)
            lead = a
    return any_spaced


cdef inline intptr_t address(const ArrayDesc *desc) noexcept:
    """Where the first pixel lies: in memory, or in a file that is read."""
    return <intptr_t>desc.base if desc.base != NULL else <intptr_t>desc.offset


cdef inline bint share_rows(const ArrayDesc *one, const ArrayDesc *other) noexcept:
    return (one.repetition == NULL and other.repetition == NULL
            and one.file == other.file and one.patch_step == other.patch_step
            and one.row_step == other.row_step and one.col_step == other.col_step
            and one.col_step > 0)


cdef inline void set_group(
        ArrayDesc *descs, const BandOp *ops, Py_ssize_t lead, Py_ssize_t stop, Py_ssize_t n_splits,
        Py_ssize_t s, intptr_t low, intptr_t high) noexcept:
    cdef ArrayDesc *desc
    cdef Py_ssize_t a
    for a in range(lead, stop):
        desc = &descs[a * n_splits + s]
        desc.lead, desc.n_members = lead, stop - lead
        desc.before, desc.span = address(desc) - low, high - low + ops[lead].item


cdef inline bint holds_whole_pixels(
        const ArrayDesc *descs, const BandOp *ops, Py_ssize_t n_arrays,
        Py_ssize_t n_splits) noexcept:
    """Whether the arrays are, in their order, all channels of their pixels, in every split."""
    cdef Py_ssize_t k
    for k in range(n_arrays * n_splits):
        if (descs[k].n_members != n_arrays or descs[k].span != descs[k].col_step
                or descs[k].before != k // n_splits * ops[0].item):
            return False
    return n_arrays > 1


# ---- done for each tile --------------------------------------------------------------------------

cdef inline bint load_spaced(Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor,
                             Loaded *loaded, char *scratch) noexcept nogil:
    """Write the stored pixels of a tile side by side to scratch, and point the cursor to them.

    What ``loaded`` says the last array has brought is used again.  False after a fault.
    """
    cdef const Output *output = tile.output
    cdef const ArrayDesc *desc = &output.descs[array * job.n_splits + tile.window.split]
    cdef Py_ssize_t slot = array if n_arrays_per_tile(output) > 1 else 0
    cdef char *planes = scratch + job.pick_offset + 2 * slot * output.pick_bytes
    cdef Py_ssize_t n_rows = job.width if tile.window.transpose else tile.n_rows
    cdef Py_ssize_t width = tile.n_rows if tile.window.transpose else job.width
    cdef Py_ssize_t item = cursor.op.item, step = picked_step(width, item), y
    if loaded.window != tile.window or loaded.lead != desc.lead:
        if job.fetch != NULL and not job.fetch(
                job, tile, array, cursor, read_buffer(job, output, array, scratch)):
            return False
        loaded.window, loaded.lead, loaded.planes = tile.window, desc.lead, NULL
        loaded.src, loaded.step = cursor.src - desc.before, cursor.step
        if (slot == desc.lead and output.kind != MASK and 2 * desc.n_members >= desc.span // item
                and desc.n_members > 1 and desc.span >= VECTOR):
            loaded.planes = planes
            for y in range(n_rows):
                prefetch_spaced(job, tile, desc, loaded, y)
                job.rows.transpose[cursor.op.move](
                    loaded.src + y * loaded.step, desc.col_step, planes + y * step,
                    output.pick_bytes, width, desc.span // item)
    if loaded.planes != NULL:
        cursor.src = loaded.planes + desc.before // item * output.pick_bytes
    else:
        for y in range(n_rows):
            prefetch_spaced(job, tile, desc, loaded, y)
            job.rows.pick[cursor.op.move](
                loaded.src + desc.before + y * loaded.step, desc.col_step, planes + y * step,
                width)
        cursor.src = planes
    cursor.step, cursor.row = step, cursor.src
    return True


cdef inline void prefetch_spaced(
        const Job *job, const Tile *tile, const ArrayDesc *desc, const Loaded *loaded,
        Py_ssize_t y) noexcept nogil:
    """Prefetch a later row of the window, which may be one of the next tile."""
    cdef Py_ssize_t ahead = y + job.rows_ahead
    cdef Py_ssize_t n_rows = job.width if tile.window.transpose else job.height - tile.y
    if 0 < job.rows_ahead and ahead < n_rows and desc.col_step > 0:
        c.cio_prefetch_row(
            loaded.src + ahead * loaded.step,
            row_extent(desc, tile.n_rows if tile.window.transpose else job.width))
