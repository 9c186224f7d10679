# The files of a job: whether they have changed, their users, and the first fault.
# csrc/files.h is the manual. Nothing here needs the GIL.
from libc.errno cimport EIO
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c
from cloudio._core.boxes cimport Box, box_offset
from cloudio._core.job cimport (
    MODIFIED, SKIP, TRUNCATED, ArrayDesc, BandOp, Fault, Job, Output)


# ---- all files that a job reads ------------------------------------------------------------------

cdef inline bint is_read(const Job *job, const Output *output, Py_ssize_t k) noexcept nogil:
    """Whether array k of an output is read from a file that the array before it is not."""
    cdef const ArrayDesc *desc = &output.descs[k]
    cdef Py_ssize_t array = k // job.n_splits % output.n_arrays
    cdef const BandOp *op = &output.ops[array]
    return (desc.file != NULL and job.touched[k % job.n_splits] and op.opcode != SKIP
            and (array == 0 or output.descs[k - job.n_splits].file != desc.file
                 or (op - 1).opcode == SKIP))


cdef inline void check_files(Job *job, bint again) noexcept nogil:
    """Check the size of every file that is read, and when it was last written to.

    A file that is read must not have been written to since it was opened.  The pages of a mapped
    one show what is written anyway: it must not have changed since the first check, which is
    compared if this is done ``again``.
    """
    cdef Py_ssize_t o, k, before = 0
    cdef const Output *output
    cdef const ArrayDesc *desc
    cdef c.cio_status status
    cdef int code
    for o in range(job.n_outputs):
        output = &job.outputs[o]
        for k in range(output.n_descs):
            if not is_read(job, output, k):
                continue
            desc = &output.descs[k]
            code = c.cio_file_status(desc.file, &status)
            if code != 0:
                set_fault(&job.fault, code, before + k, -1, 0)
            elif status.n_bytes < c.cio_file_n_bytes(desc.file):
                set_truncated_fault(job, desc, before + k, status.n_bytes)
            elif status.changed != (
                    c.cio_file_changed(desc.file) if job.fetch != NULL
                    else job.changed[before + k] if again else status.changed):
                set_fault(&job.fault, MODIFIED, before + k, -1, 0)
            job.changed[before + k] = status.changed
        before += output.n_descs


cdef inline Py_ssize_t acquire_files(const Job *job) noexcept nogil:
    """Acquire every file that is read; return -1, or the number of an array of a closed file."""
    cdef Py_ssize_t o, k, before = 0
    for o in range(job.n_outputs):
        for k in range(job.outputs[o].n_descs):
            if is_read(job, &job.outputs[o], k) and not c.cio_file_acquire(
                    job.outputs[o].descs[k].file):
                release_files(job, before + k)
                return before + k
        before += job.outputs[o].n_descs
    return -1


cdef inline void release_files(const Job *job, Py_ssize_t n_descs) noexcept nogil:
    """Release the files of the first ``n_descs`` array descriptors."""
    cdef Py_ssize_t o, k
    for o in range(job.n_outputs):
        for k in range(min(n_descs, job.outputs[o].n_descs)):
            if is_read(job, &job.outputs[o], k):
                c.cio_file_release(job.outputs[o].descs[k].file)
        n_descs -= job.outputs[o].n_descs


cdef inline int max_coldness(const Job *job) noexcept nogil:
    """The largest residency estimate of any file that is read; -1 without files."""
    cdef Py_ssize_t o, k
    cdef int coldness = -1
    for o in range(job.n_outputs):
        for k in range(job.outputs[o].n_descs):
            if is_read(job, &job.outputs[o], k):
                coldness = max(coldness, c.cio_file_coldness(job.outputs[o].descs[k].file))
    return coldness


cdef inline void decay_coldness(const Job *job) noexcept nogil:
    """Lower the residency estimate of every file that is read: every page was in memory."""
    cdef Py_ssize_t o, k
    for o in range(job.n_outputs):
        for k in range(job.outputs[o].n_descs):
            if is_read(job, &job.outputs[o], k):
                c.cio_file_decay(job.outputs[o].descs[k].file)


# ---- faults --------------------------------------------------------------------------------------

cdef inline void set_fault(Fault *fault, int code, Py_ssize_t desc, Py_ssize_t patch,
                           int64_t offset) noexcept nogil:
    """Note a fault if it is the first."""
    if c.cio_raise(&fault.is_set):
        fault.desc, fault.patch, fault.offset = desc, patch, offset
        fault.code = code


cdef inline void set_truncated_fault(Job *job, const ArrayDesc *desc, Py_ssize_t number,
                                     int64_t n_bytes) noexcept nogil:
    """Note that a file holds only ``n_bytes``, and which patch is the first that is cut.

    Patches are counted from the end: the first pixel of a channel is not the first of its file.
    """
    cdef int64_t step = desc.patch_step, whole = c.cio_file_n_bytes(desc.file)
    cdef int64_t n_patches = 1 + (whole - desc.offset - 1) // step
    cdef int64_t n_cut = 1 + (whole - n_bytes - 1) // step
    set_fault(&job.fault, TRUNCATED, number, max(n_patches - n_cut, 0), n_bytes)


cdef inline void set_unreadable_fault(
        Job *job, const Output *output, const Box *box) noexcept nogil:
    """Note why pixels cannot be touched: their file is too short now, or cannot be read."""
    cdef Py_ssize_t number = desc_number(job, output, box.desc)
    cdef c.cio_status status
    if (c.cio_file_status(box.desc.file, &status) == 0
            and status.n_bytes < c.cio_file_n_bytes(box.desc.file)):
        set_truncated_fault(job, box.desc, number, status.n_bytes)
    else:
        set_fault(&job.fault, EIO, number, box.patch, box_offset(box))


cdef inline Py_ssize_t desc_number(
        const Job *job, const Output *output, const ArrayDesc *desc) noexcept nogil:
    """The number of an array in a split, counted through the outputs."""
    cdef const Output *other = &job.outputs[0]
    cdef Py_ssize_t before = 0
    while other != output:
        before += other.n_descs
        other += 1
    return before + (desc - output.descs)
