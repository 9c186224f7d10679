# What other packages may cimport of cloudio's kernels, under names that stay (docs/cython.md): the
# row functions of the instruction set in use, cio_end_line, cio_store_fence and
# cio_thread_pool_run. Compiled modules export no symbols, so these are reached through Cython.
from cloudio._core.executor cimport run_on_pool as team_run
from cloudio._core.runtime cimport end_line, rows_in_use, store_fence
