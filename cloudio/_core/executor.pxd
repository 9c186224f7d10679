# Has jobs done, and hands out the thread pool.
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c
from cloudio._core.job cimport Job
from cloudio._core.plans cimport BasePlan

cdef void start_job(Job *job, BasePlan plan) noexcept
cdef object execute(
    Job *job, tuple plans, BasePlan first, int n_threads, bint evict, int64_t *counts)

cdef void log_refusal(what) except *

# cio_thread_pool_run, for other packages: the library exports no symbols.
cdef void run_on_pool(
    c.cio_task task, void *context, size_t n_items, size_t chunk, int n_threads) noexcept nogil
