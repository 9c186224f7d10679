# Open files, for the kernels.
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c


cdef class File:
    cdef readonly object path
    cdef c.cio_file *handle

    cdef int check(self, int64_t offset, int64_t n_bytes) except -1
    cdef int acquire(self) except -1
