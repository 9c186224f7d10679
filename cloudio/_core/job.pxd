# A job: a batch that is proved, and what it is cut into. kernels.pyx makes jobs and answers for
# every bound; pages.pxd and rows.pxd do them.
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c

cdef enum:
    MOST_OUTPUTS = 3  # image, label, mask
    LINE = 64
    # Rows that are turned together: tiles have up to 16, and as many are asked for ahead.
    SLAB = 16
    MIRRORED = 8  # rows that are mirrored together
    # Of a block that is interleaved; it and what it came from fit the first level of cache.
    BLOCK_BYTES = 8192
    # Of a gap between rows that is read with them rather than skipped: what a call costs.
    GAP_BYTES = 16384
    # That a strip of an array is read in at least, and that a strip may take in all to be read
    # whole if it is turned: otherwise each strip would read all rows again.
    LEAST_READ = 131072
    MOST_TURNED = 16777216

# How a pixel of one array becomes a pixel of the output.
cdef enum Verb:
    SCALE
    COPY
    LOOK_UP
    CHECK
    COUNT
    SKIP

# How an output lies in memory: array by array; pixel by pixel, the arrays of one side by side; one
# plane that all arrays have their say in; or records, one a sample.
cdef enum Form:
    PLANAR
    INTERLEAVED
    MASK
    TALLY

# One array of one split: patches one after another.
cdef struct Plane:
    const char *base  # or NULL, if it is to be read
    Py_ssize_t patch_step  # bytes
    Py_ssize_t row_step  # bytes
    c.cio_file *file  # behind it, or NULL
    int64_t offset  # of its first pixel there

# What is done to one array, and within which stored rows and columns; elsewhere is `fill`.
cdef struct Deed:
    Verb verb
    int type  # CIO_U8..
    Py_ssize_t item  # bytes of a stored pixel
    int move  # CIO_MOVE_*, of such an item
    c.cio_affine how
    bint fills
    const void *table
    Py_ssize_t top, left, bottom, right

# Where a sample lies, and which of the eight symmetries it is read in.
cdef struct Place:
    Py_ssize_t split, patch, row, col
    bint turned  # rows become columns
    bint up  # stored rows are taken from the last to the first
    bint back  # stored columns likewise

# One output of a job: images, labels or masks, cut into strips of rows.
cdef struct Output:
    Form form
    const Plane *planes
    const Deed *deeds
    Py_ssize_t n_arrays
    Py_ssize_t item  # bytes of a pixel written
    int move  # CIO_MOVE_*, of such an item
    bint alike  # the same is done to numbers of the same type, whatever the array
    int to  # CIO_TO_F32.. for SCALE, CIO_TO_U8 or CIO_TO_I64 for LOOK_UP
    int64_t fill
    const c.cio_tally *tally
    int64_t *classes  # [sample, class], of a tally
    char *data
    Py_ssize_t strip_rows, n_strips
    Py_ssize_t block  # pixels that are interleaved at a time
    Py_ssize_t turned_bytes  # of scratch, for the rows of one array that are read in a symmetry
    Py_ssize_t read_bytes  # of scratch, for the stored rows of one array, if they are read

# A strip of one output: of one sample, and of one array unless the output takes them together.
cdef struct Strip:
    const Output *output
    const Place *place
    Py_ssize_t array, y, n_rows
    char *dst
    Py_ssize_t dst_step

# The rows of one array in a strip, from its first. Of a turned strip they are in scratch.
cdef struct View:
    const Deed *deed
    int64_t at  # bytes from the plane's first pixel to the row's, as it is stored
    const char *src
    Py_ssize_t step  # bytes
    const char *row  # that is being read
    Py_ssize_t top, left, bottom, right  # of the deed's window, in the sample

# Why a read ended early. Whoever finds the first fault tells it; nobody begins a strip after that.
cdef struct Fault:
    c.cio_flag told
    int code  # errno, or one of these
    Py_ssize_t plane  # counted through the outputs
    Py_ssize_t patch  # in its split, or -1: no single one
    int64_t offset  # in the file

cdef enum:
    NO_FAULT = 0
    ENDED = -1  # the file holds less than it should
    WRITTEN = -2  # the file was written to when it should not have been

ctypedef bint (*Fetch)(
    Job *job, const Strip *strip, Py_ssize_t array, View *view, char *room) noexcept nogil

cdef struct Job:
    const c.cio_rows *rows
    Place *places
    char *touched  # [split]: whether a sample lies in it
    Py_ssize_t n_samples, n_splits, height, width, rows_ahead
    bint any_turned, any_back  # whether a sample is
    int store
    Output outputs[MOST_OUTPUTS]
    Py_ssize_t n_outputs, n_bytes
    Py_ssize_t n_sample_tasks  # strips of one sample, of all outputs
    char *scratch
    Py_ssize_t scratch_bytes  # of each seat
    Py_ssize_t room  # where in it stored rows are read to
    Fetch fetch  # reads the stored rows of a strip; NULL: they are mapped
    bint sparse  # asking: one array of a sample, for all have long been resident
    c.cio_flag absent  # whether any page was
    Py_ssize_t n_ahead  # tasks that are asked for before they are done; 0: nothing is asked for
    bint gives_back  # windows to the system, each when it has been read
    bint gives_back_last  # all of them, when everything has
    Py_ssize_t chunk  # tasks that are taken at once
    int64_t *changed  # [plane, counted through the outputs]: when its file last was, before
    Fault fault

cdef inline Py_ssize_t up_to_block(Py_ssize_t n_bytes) noexcept nogil:
    """Whole blocks, and one more for where in the first of them the bytes begin."""
    return (n_bytes + 2 * c.CIO_BLOCK - 1) // c.CIO_BLOCK * c.CIO_BLOCK


cdef inline Py_ssize_t up_to_line(Py_ssize_t n_bytes) noexcept nogil:
    return (n_bytes + LINE - 1) // LINE * LINE

cdef inline Py_ssize_t cut(const Job *job, Output *output, Py_ssize_t tile_bytes) noexcept nogil:
    """Cut an output into strips of about that many bytes, as even as rows allow; its bytes.

    Of arrays that are read so many bytes are read at once.  Strips that are turned read as many
    columns as they have rows: whole lines of cache, where their arrays' rows fit the second level
    together.
    """
    cdef Py_ssize_t together = 1 if output.form == PLANAR else output.n_arrays
    cdef Py_ssize_t pixel = output.item * (together if output.form == INTERLEAVED else 1)
    cdef Py_ssize_t rows_at_most = max(1, tile_bytes // (job.width * pixel))
    if job.fetch != NULL:
        if output.form == INTERLEAVED:
            tile_bytes = max(tile_bytes // together, LEAST_READ)
        rows_at_most = max(1, tile_bytes // pitch_of(job, output, job.width))
    if output.form == TALLY:
        rows_at_most = job.height
    elif job.any_turned:
        if job.fetch != NULL and reads_whole(job, output):
            rows_at_most = job.height
        elif output.form == INTERLEAVED:
            rows_at_most = SLAB
        else:
            rows_at_most = min(max(rows_at_most, 32), 64)
    output.n_strips = (job.height + rows_at_most - 1) // rows_at_most
    output.strip_rows = (job.height + output.n_strips - 1) // output.n_strips
    output.n_strips = (job.height + output.strip_rows - 1) // output.strip_rows
    output.block = max(LINE, BLOCK_BYTES // pixel // LINE * LINE)
    output.turned_bytes = output.read_bytes = 0
    if job.any_turned or job.any_back:
        output.turned_bytes = line_bytes(job, 4) * (
            max(output.strip_rows, MIRRORED) if job.any_turned else MIRRORED)
    if job.fetch != NULL:
        output.read_bytes = up_to_block(output.strip_rows * pitch_of(job, output, job.width))
        if job.any_turned:
            output.read_bytes = max(output.read_bytes, up_to_block(
                job.width * pitch_of(job, output, output.strip_rows)))
    return job.n_samples * job.height * job.width * output.item * (
        output.n_arrays if output.form != MASK else 1)


cdef inline Py_ssize_t read_step(Py_ssize_t row_step, Py_ssize_t row_bytes) noexcept nogil:
    """From one stored row to the next where they are read to: as in the file, or close together."""
    return row_step if row_step - row_bytes < GAP_BYTES else up_to_line(row_bytes)


cdef inline Py_ssize_t pitch_of(
        const Job *job, const Output *output, Py_ssize_t width) noexcept nogil:
    """The widest such step of any array."""
    cdef Py_ssize_t k, most = 1
    for k in range(output.n_arrays * job.n_splits):
        most = max(most, read_step(
            output.planes[k].row_step, width * output.deeds[k // job.n_splits].item))
    return most


cdef inline bint reads_whole(const Job *job, const Output *output) noexcept nogil:
    """Whether the windows of a strip that is turned are read as a whole."""
    cdef Py_ssize_t together = output.n_arrays if output.form == INTERLEAVED else 1
    return together * job.height * pitch_of(job, output, job.width) <= MOST_TURNED


cdef inline Py_ssize_t line_bytes(const Job *job, Py_ssize_t item) noexcept nogil:
    """From one row in scratch to the next: not a power of two, so that columns do not collide."""
    return up_to_line(job.width * item) + LINE


cdef inline Py_ssize_t scratch_of(const Output *output) noexcept nogil:
    """Bytes of scratch that a strip needs."""
    if output.form == TALLY:
        return LINE + c.cio_tally_bytes(output.tally)
    if output.form != INTERLEAVED:
        return output.turned_bytes
    return (up_to_line(output.n_arrays * sizeof(View)) + output.n_arrays * output.turned_bytes
            + 2 * output.n_arrays * output.block * cell_of(output))


cdef inline Py_ssize_t cell_of(const Output *output) noexcept nogil:
    """Bytes of a pixel of one array while pixels are interleaved."""
    return output.deeds[0].item if output.alike else output.item


cdef inline Py_ssize_t room_of(const Output *output) noexcept nogil:
    """Bytes of scratch that a strip reads to."""
    return output.read_bytes * (output.n_arrays if output.form in (INTERLEAVED, TALLY) else 1)


cdef inline Py_ssize_t n_tasks_of(const Output *output) noexcept nogil:
    """Strips of one sample."""
    return output.n_strips * (output.n_arrays if output.form == PLANAR else 1)
