# What is decided once, for the kernels: arrays, scales, tables.
from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t, uint8_t, uint16_t

from cloudio._core cimport _csrc as c
from cloudio._core.job cimport Deed, Form, Plane


cdef class Buffer:
    cdef Py_buffer view

    cdef str described(self)
    cdef bint holds(self, const char *formats, Py_ssize_t itemsize) noexcept
    cdef bint aligned(self) noexcept
    cdef const char *begin(self) noexcept
    cdef const char *end(self) noexcept
    cdef const char *corner(self, int sign) noexcept
    cdef bint overlaps(self, Buffer other) noexcept


cdef class BasePlan:
    cdef readonly Py_ssize_t n_patches, n_arrays, n_splits, patch_height, patch_width
    cdef readonly list files
    cdef readonly bint reads  # files, rather than finding them mapped
    cdef Plane *planes  # [array * n_splits + split]
    cdef Deed *deeds  # [array]
    cdef Py_ssize_t *starts  # [split]: number of its first patch; [n_splits] = n_patches
    cdef Form form  # of the output
    cdef unsigned int n_runs  # so far
    cdef list buffers

    cdef int adopt(self, Py_ssize_t a, Py_ssize_t s, array, file) except -1
    cdef int confine(self, Deed *deed, window) except -1


cdef class Gather(BasePlan):
    cdef readonly bint stored, interleaved
    cdef int to


cdef class Mask(BasePlan):
    pass


cdef class Remap(BasePlan):
    cdef readonly int class_type
    cdef int64_t fill
    cdef list tables


cdef class Histogram(BasePlan):
    cdef readonly Py_ssize_t n_classes, n_counts, item  # bytes of a pixel, of all its arrays
    cdef c.cio_tally how
    cdef uint8_t *class_lut
    cdef uint16_t *buckets


cdef int type_of(Buffer buffer) except -1
cdef int move_of(Py_ssize_t item) noexcept
cdef void *zeros(Py_ssize_t n, size_t size) except NULL
