# The proof that the windows of samples lie inside their patches.
from cloudio._core.buffers cimport Buffer
from cloudio._core.job cimport Job
from cloudio._core.plans cimport BasePlan

cdef int resolve_index(Buffer index, Py_ssize_t n_patches) except -1

# Both write to memory of the job that the caller has allocated: `windows`, and `touched`.
cdef int set_windows(Job *job, BasePlan plan, Buffer index, Buffer origin) except -1
cdef int set_symmetries(Job *job, Buffer symmetry) except -1
