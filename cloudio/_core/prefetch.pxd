# Background tasks that read windows ahead, for batches to come. They need no GIL.
from libc.stdlib cimport free

from cloudio._core cimport _csrc as c
from cloudio._core.job cimport ArrayDesc, SampleWindow
from cloudio._core.job_files cimport window_offset
from cloudio._core.pages cimport for_page_runs


# One array of one split; the task has acquired its file.
cdef struct PrefetchSource:
    ArrayDesc desc
    Py_ssize_t split, item


cdef struct PrefetchTask:
    c.cio_background_task task
    Py_ssize_t height, width, n_sources, n_windows
    Py_ssize_t n_splits  # that a window lies in
    PrefetchSource *sources  # [array * n_splits + split]
    SampleWindow *windows


cdef inline void run_prefetch(c.cio_background_task *task) noexcept nogil:
    """Read every window ahead; while all files are warm, look at one array of each sample."""
    cdef PrefetchTask *ahead = <PrefetchTask *>task
    cdef const PrefetchSource *source
    cdef const SampleWindow *window
    cdef Py_ssize_t i, k, n_arrays
    cdef bint sparse = True
    if ahead.n_sources == 0:
        return
    n_arrays = ahead.n_sources // ahead.n_splits
    for k in range(ahead.n_sources):
        sparse = sparse and c.cio_file_coldness(ahead.sources[k].desc.file) == c.CIO_WARM
    i = 0
    while i < ahead.n_windows:
        window = &ahead.windows[i]
        for k in range(ahead.n_sources):
            source = &ahead.sources[k]
            if (source.split != window.split or c.cio_file_is_closed(source.desc.file)
                    or (sparse and k // ahead.n_splits != window.patch % n_arrays)):
                continue
            if for_page_runs(
                    &source.desc, ahead.height, ahead.width * source.item,
                    window_offset(&source.desc, source.item, window),
                    c.cio_file_readahead) and sparse:
                # The arrays that were skipped may be absent too.
                sparse, i = False, -1
                break
        i += 1


cdef inline void destroy_prefetch(c.cio_background_task *task) noexcept nogil:
    cdef PrefetchTask *ahead = <PrefetchTask *>task
    cdef Py_ssize_t k
    for k in range(ahead.n_sources):
        c.cio_file_release(ahead.sources[k].desc.file)
        c.cio_file_unref(ahead.sources[k].desc.file)
    free(ahead)
