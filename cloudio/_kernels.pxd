# What other packages may cimport of cloudio's kernels, under a name that stays (docs/cython.md).
from cloudio._core.kernels cimport end_line, rows_in_use, store_fence, team_run
