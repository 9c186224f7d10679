# Where the stored pixels of each patch are that is stored coarser: the proof that they are stored.
from cpython.buffer cimport PyBuffer_IsContiguous
from cpython.long cimport PyLong_Check
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from cloudio._core.buffers cimport Buffer, zeros
from cloudio._core.job cimport Repetition
from cloudio._core.shapes cimport Shape


cdef inline bint is_inside(
        window, Py_ssize_t patch_height, Py_ssize_t patch_width) except -1:
    """Whether a stored (row, column, height, width) lies in a patch."""
    cdef Py_ssize_t row, col, height, width
    row, col, height, width = window
    return (row >= 0 and col >= 0 and height >= 0 and width >= 0 and row <= patch_height - height
            and col <= patch_width - width)


cdef inline int keep_places(Repetition *repetition, places, const Shape *stored,
                            Py_ssize_t n_exceptions, Py_ssize_t a) except -1:
    """Copy the places of all patches of array ``a``, which nobody can change then; prove each."""
    cdef Buffer table
    cdef Py_ssize_t k
    if PyLong_Check(places):
        repetition.place = places
        if repetition.place < 0:
            raise ValueError(f"place {places} of array {a} is negative")
        return prove_place(repetition, repetition.place, stored, 0, a, -1)
    table = Buffer(places, False)
    if (table.view.ndim != 1 or table.view.shape[0] != stored.n_patches
            or not table.holds(b"il", 4) or not PyBuffer_IsContiguous(&table.view, b"C")):
        raise ValueError(
            f"places of array {a} are {table.described()}; there must be {stored.n_patches}, int32 "
            "and contiguous")
    repetition.places = <int32_t *>zeros(max(stored.n_patches, 1), sizeof(int32_t))
    memcpy(repetition.places, table.view.buf, stored.n_patches * sizeof(int32_t))
    for k in range(stored.n_patches):
        prove_place(repetition, repetition.places[k], stored, n_exceptions, a, k)
    return 0


cdef inline int prove_place(const Repetition *repetition, int32_t place, const Shape *stored,
                            Py_ssize_t n_exceptions, Py_ssize_t a, Py_ssize_t k) except -1:
    """Prove that all stored pixels that the window of a patch needs are there."""
    cdef Py_ssize_t row = place // <int32_t>repetition.cols, col = place % <int32_t>repetition.cols
    if place < 0:
        if -1 - <Py_ssize_t>place >= n_exceptions:
            raise ValueError(
                f"patch {k} of array {a} is exception {-1 - <Py_ssize_t>place} of {n_exceptions}")
        return 0
    # Divided, because a product may be too large.
    if (row >= repetition.rows
            or (row + repetition.height + repetition.rows - 1) // repetition.rows > stored.n_rows
            or (col + repetition.width + repetition.cols - 1) // repetition.cols > stored.n_cols):
        raise ValueError(
            f"array {a} has {stored.n_rows} x {stored.n_cols} stored pixels a patch; repeated "
            f"{repetition.rows} x {repetition.cols} times from phase ({row}, {col}) on they do not "
            f"cover {repetition.height} x {repetition.width}")
    return 0
