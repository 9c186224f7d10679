# The pages that windows lie in: read ahead, waited for, and evicted. csrc/files.h is the manual.
# Nothing here needs the GIL.
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c
from cloudio._core.boxes cimport Box, box_offset, sample_box
from cloudio._core.job cimport MASK, SKIP, ArrayDesc, Job, Output, SampleWindow, Tile
from cloudio._core.job_files cimport set_unreadable_fault
from cloudio._core.tiling cimport is_by_array, n_tiles_per_sample, read_step, row_extent

# What is done to a range of pages; returns whether any page was concerned, or an errno.
ctypedef int (*PageAction)(c.cio_file *file, int64_t offset, int64_t n_bytes) noexcept nogil


# ---- pages of one window -------------------------------------------------------------------------

cdef inline int for_page_runs(const Box *box, PageAction action) noexcept nogil:
    """Do something to exactly the pages of a box, one run of neighboring pages at a time."""
    cdef c.cio_file *file = box.desc.file
    cdef Py_ssize_t y = 0, n, row_step = box.desc.row_step, height = box.n_rows
    cdef Py_ssize_t row_bytes = row_extent(box.desc, box.n_cols)
    # Those of a group of arrays are the same.
    cdef int64_t offset = box_offset(box) - box.desc.before
    cdef int64_t page = c.cio_page_bytes()
    cdef int answer = 0
    if file == NULL or height == 0:
        return 0
    # What `fetch` reads at once it reads with the pages between the rows.
    if row_step - row_bytes < page or (
            box.desc.base == NULL and read_step(row_step, row_bytes) == row_step):
        return action(file, offset, (height - 1) * row_step + row_bytes)
    while y < height:
        # Rows whose pages are the same or follow each other.
        n = 1
        while y + n < height and (
                (offset + (y + n) * row_step) // page
                <= (offset + (y + n - 1) * row_step + row_bytes - 1) // page + 1):
            n += 1
        answer |= action(file, offset + y * row_step, (n - 1) * row_step + row_bytes)
        y += n
    return answer


cdef inline int for_window_pages(const Job *job, const Output *output, Py_ssize_t array,
                                 const SampleWindow *window, PageAction action) noexcept nogil:
    cdef Box box = sample_box(output, job.n_splits, array, window, job.height, job.width)
    return for_page_runs(&box, action)


cdef inline bint is_lead(const Job *job, const Output *output, Py_ssize_t array,
                         const SampleWindow *window, Py_ssize_t first) noexcept nogil:
    """Whether the pages of an array are not those of one before it, from ``first`` on."""
    return array == max(first, output.descs[array * job.n_splits + window.split].lead)


cdef inline int evict_pages(c.cio_file *file, int64_t offset, int64_t n_bytes) noexcept nogil:
    c.cio_file_evict(file, offset, n_bytes)
    return 0


cdef inline int populate_pages(c.cio_file *file, int64_t offset, int64_t n_bytes) noexcept nogil:
    return c.cio_file_populate(file, offset, n_bytes)


# ---- windows of several tiles --------------------------------------------------------------------

# The windows that tiles [first, last] read: of one array if tiles are, else of all.
cdef struct WindowGroup:
    const Output *output
    const SampleWindow *window
    Py_ssize_t array, n_arrays, first, last


cdef inline WindowGroup group_of_tile(const Job *job, Py_ssize_t number) noexcept nogil:
    """The windows that a tile reads."""
    cdef WindowGroup group
    cdef const Output *output = &job.outputs[0]
    cdef Py_ssize_t rest = number % job.n_sample_tiles
    group.window = &job.windows[number // job.n_sample_tiles]
    while rest >= n_tiles_per_sample(output):
        rest -= n_tiles_per_sample(output)
        output += 1
    group.output = output
    group.array = rest // output.n_tiles
    group.n_arrays = 1 if is_by_array(output) else output.n_arrays
    group.first = number - rest % output.n_tiles
    group.last = group.first + output.n_tiles - 1
    return group


cdef inline void evict_finished(const Job *job, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Evict the windows that only tiles [begin, end) have read."""
    cdef WindowGroup group
    cdef Py_ssize_t number = begin
    while number < end:
        group = group_of_tile(job, number)
        if group.first >= begin and group.last < end:
            evict_group(job, &group)
        number = group.last + 1


cdef inline void evict_rest(void *context, size_t begin, size_t end, int slot) noexcept nogil:
    """Evict the windows of tiles [begin, end) that `evict_finished` has not."""
    cdef const Job *job = <const Job *>context
    cdef WindowGroup group
    cdef size_t number
    for number in range(begin, end):
        group = group_of_tile(job, number)
        if number == <size_t>group.first and (
                job.evicts_last or group.first // job.chunk != group.last // job.chunk):
            evict_group(job, &group)


cdef inline void evict_group(const Job *job, const WindowGroup *group) noexcept nogil:
    cdef Py_ssize_t k
    if group.output.kind != MASK:  # whose windows are the image's
        for k in range(group.array, group.array + group.n_arrays):
            if is_lead(job, group.output, k, group.window, group.array):
                for_window_pages(job, group.output, k, group.window, evict_pages)


cdef inline void readahead_tiles(Job *job, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Read ahead the windows whose first tile is one of [begin, end); a mask's are the image's.

    A sparse job looks at one array of each sample, not always the same.
    """
    cdef WindowGroup group
    cdef Py_ssize_t number = begin, k
    cdef bint sparse
    end = min(end, job.n_samples * job.n_sample_tiles)
    while number < end:
        group = group_of_tile(job, number)
        sparse = job.sparse and not c.cio_is_raised(&job.absent)
        if number == group.first and group.output.kind != MASK:
            for k in range(group.array, group.array + group.n_arrays):
                if (k != group.window.patch % group.output.n_arrays if sparse
                        else not is_lead(job, group.output, k, group.window, group.array)):
                    continue
                if (for_window_pages(job, group.output, k, group.window, c.cio_file_readahead)
                        and c.cio_raise(&job.absent) and sparse):
                    # The arrays that were skipped may be absent too.
                    readahead_tiles(job, begin, number + 1)
        number = group.last + 1


cdef inline bint populate_tile(Job *job, const Tile *tile) noexcept nogil:
    """Wait for the windows of a tile if its files may be cold; false if they cannot be read.

    The estimate is read again: `prefetch` may be loading pages that this job has not missed yet.
    """
    cdef const Output *output = tile.output
    cdef const ArrayDesc *desc
    cdef Box box
    cdef Py_ssize_t k
    for k in range(tile.array, tile.array + (1 if is_by_array(output) else output.n_arrays)):
        desc = &output.descs[k * job.n_splits + tile.window.split]
        if desc.base == NULL or desc.file == NULL or output.ops[k].opcode == SKIP or (
                desc.repetition == NULL and c.cio_file_coldness(desc.file) <= c.CIO_LUKEWARM):
            continue
        box = sample_box(output, job.n_splits, k, tile.window, job.height, job.width)
        if (c.cio_file_coldness(box.desc.file) > c.CIO_LUKEWARM
                and for_page_runs(&box, populate_pages) != 0):
            set_unreadable_fault(job, output, &box)
            return False
    return True
