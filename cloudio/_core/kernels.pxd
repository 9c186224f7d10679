# What other packages may cimport: the row functions, and the team of threads that runs them.
#
# csrc/cloudio.h is the manual; `cloudio.get_include()` is where it lies once installed. Its
# functions are reached through these, for the library that holds them exports no symbols.
from cloudio._core cimport _csrc as c

# The row functions of the instruction set in use.
cdef const c.cio_rows *rows_in_use() noexcept nogil

# cio_end_line, cio_store_fence and cio_team_run.
cdef void end_line(c.cio_line *line) noexcept nogil
cdef void store_fence() noexcept nogil
cdef void team_run(
    c.cio_task task, void *context, size_t n_items, size_t chunk, int n_threads) noexcept nogil
