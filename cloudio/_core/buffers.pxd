# Memory of other Python objects, for the kernels.
from cpython.buffer cimport Py_buffer
from libc.stdint cimport uintptr_t


cdef class Buffer:
    cdef Py_buffer view
    cdef Py_ssize_t *strides  # of every axis, also where the exporter gives none
    cdef Py_ssize_t *own_strides
    cdef uintptr_t begin, end  # of its memory, once `extent` has set them

    cdef int measure(self) except -1
    cdef int extent(self) except -1
    cdef tuple shape(self)
    cdef str described(self)
    cdef bint holds(self, const char *formats, Py_ssize_t itemsize) noexcept
    cdef bint aligned(self) noexcept
    cdef bint overlaps(self, Buffer other) noexcept


cdef int element_type(Buffer buffer) except -1
cdef void *int64_data(Buffer buffer) except NULL
cdef void *zeros(Py_ssize_t n, size_t size) except NULL
