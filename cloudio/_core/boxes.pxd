# Which stored pixels a window needs of an array: its own, or, of one that is stored coarser than
# the patch grid, those that are repeated in it. Nothing here needs the GIL.
from libc.stdint cimport int32_t, int64_t

from cloudio._core.job cimport ArrayDesc, Axis, Output, Repetition, SampleWindow


# The stored pixels that a window needs. None, where it lies outside those that an array has.
cdef struct Box:
    const ArrayDesc *desc
    Py_ssize_t patch, row, col, n_rows, n_cols


cdef inline Box box_of(
        const ArrayDesc *desc, Py_ssize_t n_arrays, Py_ssize_t patch, Py_ssize_t row,
        Py_ssize_t col, Py_ssize_t n_rows, Py_ssize_t n_cols) noexcept nogil:
    """The stored pixels of a window of a patch; ``n_arrays`` later are those of exceptions."""
    cdef Box box
    cdef int32_t place
    if desc.repetition != NULL:
        place = place_of(desc.repetition, patch)
        if place >= 0:
            return repeated_box(
                desc, desc.repetition, place, patch, row, col, n_rows, n_cols)
        desc, patch = desc + n_arrays, -1 - <Py_ssize_t>place
    box.desc, box.patch, box.row, box.col = desc, patch, row, col
    box.n_rows, box.n_cols = n_rows, n_cols
    return box


cdef inline Box sample_box(
        const Output *output, Py_ssize_t n_splits, Py_ssize_t array, const SampleWindow *window,
        Py_ssize_t height, Py_ssize_t width) noexcept nogil:
    """The stored pixels of the whole window of a sample."""
    return box_of(
        &output.descs[array * n_splits + window.split], output.n_arrays * n_splits, window.patch,
        window.row, window.col, height, width)


cdef inline int64_t box_offset(const Box *box) noexcept nogil:
    """Where the first pixel of a box lies in its file."""
    return (box.desc.offset + <int64_t>box.patch * box.desc.patch_step
            + box.row * box.desc.row_step + box.col * box.desc.col_step)


# ---- repeated pixels -----------------------------------------------------------------------------

cdef inline int32_t place_of(const Repetition *repetition, Py_ssize_t patch) noexcept nogil:
    return repetition.place if repetition.places == NULL else repetition.places[patch]


cdef inline Axis make_axis(
        Py_ssize_t begin, Py_ssize_t n, Py_ssize_t low, Py_ssize_t extent, Py_ssize_t phase,
        Py_ssize_t repeat) noexcept nogil:
    """How pixels [begin, begin + n) of a patch are made of those stored for [low, low + extent)."""
    cdef Axis axis
    cdef Py_ssize_t first = max(begin, low), end = min(begin + n, low + extent)
    axis.repeat = repeat
    if end <= first:
        axis.before, axis.n, axis.skip, axis.first, axis.n_stored = n, 0, 0, 0, 0
        return axis
    axis.before, axis.n = first - begin, end - first
    axis.skip = (first - low + phase) % repeat
    axis.first = (first - low + phase) // repeat
    axis.n_stored = (axis.skip + axis.n - 1) // repeat + 1
    return axis


cdef inline Axis rows_axis(const Repetition *repetition, int32_t place, Py_ssize_t begin,
                           Py_ssize_t n) noexcept nogil:
    return make_axis(begin, n, repetition.top, repetition.height, place // repetition.cols,
                     repetition.rows)


cdef inline Axis cols_axis(const Repetition *repetition, int32_t place, Py_ssize_t begin,
                           Py_ssize_t n) noexcept nogil:
    return make_axis(begin, n, repetition.left, repetition.width, place % repetition.cols,
                     repetition.cols)


cdef inline void flip_axis(Axis *axis, Py_ssize_t n) noexcept nogil:
    """Make it that of n pixels, and of the stored ones, in reverse order."""
    axis.before = n - axis.before - axis.n
    axis.skip = axis.n_stored * axis.repeat - axis.skip - axis.n


cdef inline Box repeated_box(
        const ArrayDesc *desc, const Repetition *repetition, int32_t place, Py_ssize_t patch,
        Py_ssize_t row, Py_ssize_t col, Py_ssize_t n_rows, Py_ssize_t n_cols) noexcept nogil:
    cdef Box box
    cdef Axis rows = rows_axis(repetition, place, row, n_rows)
    cdef Axis cols = cols_axis(repetition, place, col, n_cols)
    box.desc, box.patch, box.row, box.col = desc, patch, rows.first, cols.first
    box.n_rows, box.n_cols = rows.n_stored, cols.n_stored
    if box.n_rows == 0 or box.n_cols == 0:
        box.n_rows = box.n_cols = box.row = box.col = 0
    return box
