# Memory of other Python objects, for the kernels.
from cpython.buffer cimport Py_buffer


cdef class Buffer:
    cdef Py_buffer view

    cdef str described(self)
    cdef bint holds(self, const char *formats, Py_ssize_t itemsize) noexcept
    cdef bint aligned(self) noexcept
    cdef const char *begin(self) noexcept
    cdef const char *end(self) noexcept
    cdef const char *corner(self, int sign) noexcept
    cdef bint overlaps(self, Buffer other) noexcept


cdef int element_type(Buffer buffer) except -1
cdef void *int64_data(Buffer buffer) except NULL
cdef void *zeros(Py_ssize_t n, size_t size) except NULL
