"""The windows of samples: the proof that each lies inside its patch."""
from libc.stdint cimport int64_t

from cloudio._core.buffers cimport Buffer, int64_data
from cloudio._core.job cimport Job, SampleWindow
from cloudio._core.plans cimport BasePlan


cdef index_error(Py_ssize_t k, number, Py_ssize_t n_patches):
    """The IndexError for a patch number that is out of range."""
    valid = f", so index must be {-n_patches}..{n_patches - 1}" if n_patches else ""
    are = "is 1 patch" if n_patches == 1 else f"are {n_patches} patches"
    return IndexError(f"index[{k}] = {number}; there {are}{valid}")


cdef int resolve_index(Buffer index, Py_ssize_t n_patches) except -1:
    """Turn negative numbers into those from the start; see `kernels.resolve`."""
    cdef volatile int64_t *numbers = <volatile int64_t *>int64_data(index)
    cdef Py_ssize_t k
    cdef int64_t number
    if index.view.ndim != 1:
        raise ValueError(f"index is {index.described()}; it must have one dimension")
    for k in range(index.view.shape[0]):
        number = numbers[k]
        if not -n_patches <= number < n_patches:
            raise index_error(k, number, n_patches)
        if number < 0:
            numbers[k] = number + n_patches
    return 0


cdef int set_windows(Job *job, BasePlan plan, Buffer index, Buffer origin) except -1:
    """Set the window of each sample, after the proof that it lies inside its patch.

    Each number is read once, hence volatile: without the GIL another thread may write to it.
    """
    cdef volatile int64_t *corner = <volatile int64_t *>int64_data(origin)
    cdef volatile int64_t *numbers = <volatile int64_t *>int64_data(index)
    cdef Py_ssize_t rows_left = plan.patch_height - job.height
    cdef Py_ssize_t cols_left = plan.patch_width - job.width
    cdef bint each = origin.view.ndim == 2
    cdef Py_ssize_t k, s = 0
    cdef int64_t patch, row, col
    resolve_index(index, plan.n_patches)
    if index.view.shape[0] != job.n_samples:
        raise ValueError(f"index is {index.described()}; the output has {job.n_samples} samples")
    if (origin.view.ndim not in (1, 2) or origin.view.shape[origin.view.ndim - 1] != 2
            or (each and origin.view.shape[0] != job.n_samples)):
        raise ValueError(f"origin is {origin.described()}; it must be (2,) or ({job.n_samples}, 2)")
    # An origin shared by all samples is checked even if there is no sample.
    for k in range(job.n_samples if each else max(1, job.n_samples)):
        row, col = corner[2 * k * each], corner[2 * k * each + 1]
        if not (0 <= row <= rows_left and 0 <= col <= cols_left):
            raise ValueError(
                f"origin{f'[{k}]' if each else ''} = ({row}, {col}); a window of {job.height} x "
                f"{job.width} in a patch of {plan.patch_height} x {plan.patch_width} must begin "
                f"between (0, 0) and ({rows_left}, {cols_left})")
        if k == job.n_samples:
            break
        patch = numbers[k]
        if not 0 <= patch < plan.n_patches:
            raise index_error(k, patch, plan.n_patches)
        while patch < plan.starts[s]:
            s -= 1
        while patch >= plan.starts[s + 1]:
            s += 1
        job.touched[s] = 1
        job.windows[k] = SampleWindow(s, patch - plan.starts[s], row, col, False, False, False)
    return 0


cdef int set_symmetries(Job *job, Buffer symmetry) except -1:
    """Set how each sample is transposed and flipped, after the proof that it can be."""
    cdef volatile int64_t *numbers = <volatile int64_t *>int64_data(symmetry)
    cdef bint each = symmetry.view.ndim == 1
    cdef Py_ssize_t k
    cdef int64_t s
    cdef SampleWindow *window
    if symmetry.view.ndim > 1 or (each and symmetry.view.shape[0] != job.n_samples):
        raise ValueError(
            f"symmetry is {symmetry.described()}; it must be () or ({job.n_samples},)")
    # A symmetry shared by all samples is checked even if there is no sample.
    for k in range(job.n_samples if each else max(1, job.n_samples)):
        s = numbers[k * each]
        at = f"[{k}]" if each else ""
        if not 0 <= s < 8:
            raise ValueError(f"symmetry{at} = {s}; it must be 0..7")
        if s % 2 == 1 and job.height != job.width:
            raise ValueError(
                f"symmetry{at} = {s} is a quarter turn, which needs a square window; this one is "
                f"{job.height} x {job.width}")
        if k == job.n_samples:
            break
        # np.rot90(np.fliplr(x) if s >= 4 else x, s % 4): which stored row and column each pixel
        # comes from.
        window = &job.windows[k]
        window.transpose = s & 1
        window.flip_rows = s >> 1 & 1
        window.flip_cols = window.flip_rows != (s >> 2 & 1)
        if window.transpose:
            window.flip_cols = not window.flip_cols
        job.any_transpose |= window.transpose
        job.any_flip_cols |= window.flip_cols
    return 0
