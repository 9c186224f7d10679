# Background tasks that read windows ahead, for batches to come. They need no GIL.
from libc.stdint cimport int32_t
from libc.stdlib cimport free

from cloudio._core cimport _csrc as c
from cloudio._core.boxes cimport Box, repeated_box
from cloudio._core.job cimport ArrayDesc, Repetition, SampleWindow
from cloudio._core.pages cimport for_page_runs


# One array of one split; the task has acquired its file.
cdef struct PrefetchSource:
    ArrayDesc desc
    Py_ssize_t split
    Py_ssize_t number  # among the sources of its split
    # [window]: where each is, of an array that is repeated and of its exceptions. Else NULL.
    int32_t *places
    bint exceptions
    Repetition repetition


cdef struct PrefetchTask:
    c.cio_background_task task
    Py_ssize_t height, width, n_sources, n_windows
    PrefetchSource *sources
    Py_ssize_t *n_split_sources  # [split]: some arrays may lie in memory, not in a file
    SampleWindow *windows
    int32_t *places  # room for those of sources to come


cdef inline void run_prefetch(c.cio_background_task *task) noexcept nogil:
    """Read every window ahead; while all files are warm, look at one array of each sample."""
    cdef PrefetchTask *ahead = <PrefetchTask *>task
    cdef const PrefetchSource *source
    cdef const SampleWindow *window
    cdef Py_ssize_t i, k
    cdef bint sparse = True, any_open
    cdef Box box
    for k in range(ahead.n_sources):
        sparse = sparse and c.cio_file_coldness(ahead.sources[k].desc.file) == c.CIO_WARM
    i, any_open = 0, ahead.n_sources > 0
    while i < ahead.n_windows and any_open:
        window = &ahead.windows[i]
        any_open = False
        for k in range(ahead.n_sources):
            source = &ahead.sources[k]
            if c.cio_file_is_closed(source.desc.file):
                continue
            any_open = True
            if source.split != window.split or (sparse and (
                    source.number != window.patch % ahead.n_split_sources[source.split])):
                continue
            box = source_box(ahead, source, i)
            if for_page_runs(&box, c.cio_file_readahead) and sparse:
                # The arrays that were skipped may be absent too.
                sparse, i = False, -1
                break
        i += 1


cdef inline Box source_box(
        const PrefetchTask *ahead, const PrefetchSource *source, Py_ssize_t i) noexcept nogil:
    """The stored pixels of window i: none, if another source has them."""
    cdef const SampleWindow *window = &ahead.windows[i]
    cdef Box box = Box(
        &source.desc, window.patch, window.row, window.col, ahead.height, ahead.width)
    if source.places == NULL:
        return box
    if (source.places[i] < 0) != source.exceptions:
        box.n_rows = 0
    elif source.exceptions:
        box.patch = -1 - <Py_ssize_t>source.places[i]
    else:
        box = repeated_box(
            &source.desc, &source.repetition, source.places[i], box.patch, box.row, box.col,
            box.n_rows, box.n_cols)
    return box


cdef inline void destroy_prefetch(c.cio_background_task *task) noexcept nogil:
    cdef PrefetchTask *ahead = <PrefetchTask *>task
    cdef Py_ssize_t k
    for k in range(ahead.n_sources):
        c.cio_file_release(ahead.sources[k].desc.file)
        c.cio_file_unref(ahead.sources[k].desc.file)
    free(ahead)
