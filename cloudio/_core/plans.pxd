# What is done to arrays, decided once, for the kernels.
from libc.stdint cimport int64_t, uint8_t, uint16_t

from cloudio._core cimport _csrc as c
from cloudio._core.files cimport File
from cloudio._core.job cimport ArrayDesc, BandOp, OutputKind, Repetition
from cloudio._core.shapes cimport Shape


cdef class Repeated:
    cdef object array, places, exceptions
    cdef File exceptions_file
    cdef Py_ssize_t height, width  # of a patch
    cdef Repetition repetition


cdef class BasePlan:
    cdef readonly Py_ssize_t n_patches, n_arrays, n_splits, patch_height, patch_width
    cdef readonly tuple files
    cdef readonly bint reads  # whether files are read, not mapped
    cdef ArrayDesc *descs  # [array * n_splits + split], and those of exceptions, as in an Output
    cdef Py_ssize_t n_descs
    cdef Repetition *repetitions  # [array * n_splits + split], or NULL: nothing is repeated
    cdef BandOp *ops  # [array]
    cdef Py_ssize_t *starts  # [split]: number of its first patch; [n_splits] = n_patches
    cdef OutputKind kind  # of the output; NO_OUTPUT until everything is proved
    cdef c.cio_counter runs  # that were executed
    cdef bint uniform  # whether all arrays are scaled in the same way
    cdef bint spaced  # whether the pixels of any array are apart
    cdef tuple buffers  # that are read

    cdef int add_array(self, Py_ssize_t a, Py_ssize_t s, array, File file, list buffers) except -1
    cdef Shape bind(
        self, ArrayDesc *desc, array, File file, Py_ssize_t a, list buffers) except *
    cdef int add_repetition(self, Py_ssize_t a, Py_ssize_t s, Repeated repeated,
                            const Shape *stored, list buffers) except -1
    cdef int add_patches(self, Py_ssize_t a, Py_ssize_t s, Py_ssize_t n) except -1
    cdef int set_window(self, BandOp *op, window) except -1


cdef class Gather(BasePlan):
    cdef readonly bint stored, interleaved
    cdef int to


cdef class Mask(BasePlan):
    pass


cdef class Remap(BasePlan):
    cdef readonly int class_type
    cdef int64_t fill
    cdef tuple tables


cdef class Histogram(BasePlan):
    cdef readonly Py_ssize_t n_classes, n_counts, item  # bytes of a pixel, of all its arrays
    cdef c.cio_histogram_spec spec
    cdef uint8_t *class_lut
    cdef uint16_t *buckets


cdef inline int move_size(Py_ssize_t item) noexcept nogil:
    """Return CIO_MOVE_* for elements of ``item`` bytes."""
    return c.CIO_MOVE_1 if item == 1 else c.CIO_MOVE_2 if item == 2 else c.CIO_MOVE_4
