# Stored rows of arrays that are read, not mapped: from a file to scratch, without the GIL.
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c
from cloudio._core.job cimport TRUNCATED, ArrayDesc, Job, RowCursor, Tile
from cloudio._core.job_files cimport desc_number, set_fault
from cloudio._core.tiling cimport read_step, round_up_to_blocks, row_extent


cdef inline bint fetch(Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor,
                       char *buffer) noexcept nogil:
    """Read the stored rows of a tile, and point the cursor to them; false after a fault."""
    cdef const ArrayDesc *desc = cursor.desc
    cdef bint flip_rows = tile.window.flip_rows
    cdef Py_ssize_t n_rows = cursor.n_rows
    cdef Py_ssize_t row_bytes = row_extent(desc, cursor.n_cols)
    cdef Py_ssize_t step = read_step(desc.row_step, row_bytes)
    cdef Py_ssize_t y, n = n_rows, lead = 0
    # The cursor is at the row that is taken first, which may be the last one stored.
    cdef int64_t offset = desc.offset + cursor.offset - desc.before
    if flip_rows:
        offset -= (n_rows - 1) * desc.row_step
    if step == desc.row_step:
        row_bytes += (n_rows - 1) * step
        n = 1
        if job.evicts and c.cio_file_is_direct(desc.file):
            lead = offset % c.CIO_BLOCK
            # A direct read waits, unless the pages are in memory, where they seldom are.
            c.cio_thread_pool_add_worker()
            if c.cio_file_read_direct(
                    desc.file, buffer, offset - lead,
                    round_up_to_blocks(lead + row_bytes) - c.CIO_BLOCK) >= lead + row_bytes:
                n = 0
            else:
                lead = 0
    for y in range(n):
        if not read_range(job, tile, desc, buffer + y * step, offset + y * desc.row_step,
                          row_bytes):
            return False
    cursor.src = buffer + lead + desc.before + ((n_rows - 1) * step if flip_rows else 0)
    cursor.step = -step if flip_rows else step
    cursor.row = cursor.src
    return True


cdef inline bint read_range(Job *job, const Tile *tile, const ArrayDesc *desc, char *dst,
                            int64_t offset, int64_t n_bytes) noexcept nogil:
    """Read bytes of a file. A thread that has to wait for them adds a worker first."""
    cdef c.cio_file *file = desc.file
    cdef int64_t n = c.cio_file_read_nowait(file, dst, offset, n_bytes), more
    cdef bint is_resident = n == n_bytes
    if n < 0:
        # Pages that are being loaded count as resident, because the system reports them so.
        n = 0
        is_resident = c.cio_file_resident(file, offset, n_bytes) >= n_bytes
    if n < n_bytes:
        if not is_resident:
            c.cio_raise(&job.absent)
            c.cio_thread_pool_add_worker()
        more = c.cio_file_read(file, dst + n, offset + n, n_bytes - n)
        if more < n_bytes - n:
            set_fault(&job.fault, TRUNCATED if more >= 0 else <int>-more,
                      desc_number(job, tile.output, desc), tile.window.patch,
                      offset + n + max(more, 0))
            return False
    return True
