# The C contract as Cython sees it; csrc/cloudio.h is the manual. The only `cdef extern` here.
from libc.stdint cimport int64_t

cdef extern from "cloudio.h" nogil:
    int CIO_U8
    int CIO_I8
    int CIO_I16
    int CIO_U16
    int CIO_F32
    int CIO_CACHED
    int CIO_STREAMED
    int CIO_TO_U8
    int CIO_TO_I64

    ctypedef struct cio_line:
        pass

    void cio_end_line(cio_line *line) noexcept

    ctypedef void (*cio_scale_fn)(
        const void *src, float *dst, size_t n, float scale, float offset,
        cio_line *line) noexcept nogil
    ctypedef void (*cio_copy_fn)(
        const void *src, void *dst, size_t n_bytes, cio_line *line) noexcept nogil
    ctypedef void (*cio_look_up_fn)(
        const void *src, void *dst, size_t n, const void *table) noexcept nogil

    ctypedef struct cio_rows:
        const char *isa
        cio_scale_fn scale[5][2]
        cio_copy_fn copy[2]
        cio_look_up_fn look_up[2][2][2]

    const cio_rows *cio_rows_available(size_t k) noexcept
    void cio_store_fence() noexcept
    void cio_prefetch_row(const void *src, size_t n_bytes) noexcept

    ctypedef void (*cio_task)(void *context, size_t begin, size_t end) noexcept nogil
    void cio_team_run(
        cio_task task, void *context, size_t n_items, size_t chunk, int n_threads) noexcept
    int cio_team_size() noexcept

    int64_t cio_file_size(int descriptor) noexcept
