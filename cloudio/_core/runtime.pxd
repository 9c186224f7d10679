# What all batches of this process share.
from cloudio._core cimport _csrc as c

# Measured, not derived.
cdef struct Tuning:
    Py_ssize_t rows_ahead  # rows from prefetch to use
    Py_ssize_t tile_bytes  # of output in a tile, the unit of work
    Py_ssize_t thread_bytes  # of output for which one more thread is woken
    Py_ssize_t stream_bytes  # of output from which on it is written past the cache
    Py_ssize_t readahead_bytes  # of output from readahead to use
    Py_ssize_t read_bytes  # of stored rows that a tile reads, where arrays are read
    Py_ssize_t waiting  # threads that may wait for files at once

cdef const Tuning *tuning_in_use() noexcept nogil

# The row functions of the instruction set in use.
cdef const c.cio_rows *rows_in_use() noexcept nogil

# cio_end_line and cio_store_fence, for other packages: the library exports no symbols.
cdef void end_line(c.cio_line *line) noexcept nogil
cdef void store_fence() noexcept nogil
