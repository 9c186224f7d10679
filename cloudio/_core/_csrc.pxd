# The C contract as Cython sees it; the headers of csrc are the manual. `cdef extern` is only here.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "cloudio.h" nogil:
    int CIO_U8
    int CIO_I8
    int CIO_I16
    int CIO_U16
    int CIO_F32
    int CIO_TO_F32
    int CIO_TO_F16
    int CIO_TO_BF16
    int CIO_CACHED
    int CIO_STREAMED
    int CIO_TO_U8
    int CIO_TO_I64
    int CIO_MOVE_1
    int CIO_MOVE_2
    int CIO_MOVE_4

    ctypedef struct cio_line:
        const void *ahead

    void cio_end_line(cio_line *line) noexcept

    ctypedef struct cio_affine:
        float scale
        float offset
        float lo
        float hi
        float nodata
        float fill

    ctypedef void (*cio_scale_fn)(
        const void *src, void *dst, size_t n, const cio_affine *affine,
        cio_line *line) noexcept nogil
    ctypedef void (*cio_copy_fn)(
        const void *src, void *dst, size_t n_bytes, cio_line *line) noexcept nogil
    ctypedef void (*cio_look_up_fn)(
        const void *src, void *dst, size_t n, const void *table) noexcept nogil
    ctypedef void (*cio_check_fn)(
        const void *src, uint8_t *dst, size_t n, float nodata) noexcept nogil
    ctypedef void (*cio_reverse_fn)(const void *src, void *dst, size_t n) noexcept nogil
    ctypedef void (*cio_transpose_fn)(
        const void *src, Py_ssize_t src_step, void *dst, Py_ssize_t dst_step, size_t n_rows,
        size_t n_cols) noexcept nogil
    ctypedef void (*cio_pick_fn)(
        const void *src, Py_ssize_t step, void *dst, size_t n) noexcept nogil
    ctypedef void (*cio_repeat_fn)(
        const void *src, void *dst, size_t n, size_t skip, size_t repeat) noexcept nogil

    ctypedef void (*cio_count_codes_fn)(
        const uint8_t *src, size_t n, const uint8_t *codes, size_t n_codes,
        uint32_t *counts) noexcept nogil
    ctypedef void (*cio_join_fn)(
        const uint8_t *one, const uint8_t *other, uint8_t *dst, size_t n,
        const uint8_t *tables) noexcept nogil

    ctypedef struct cio_rows:
        const char *isa
        cio_scale_fn scale[5][3][2][2]
        cio_copy_fn copy[2]
        cio_look_up_fn look_up[2][2][2]
        cio_check_fn check[5]
        cio_reverse_fn reverse[3]
        cio_transpose_fn transpose[3]
        cio_pick_fn pick[3]
        cio_repeat_fn repeat[3]
        cio_count_codes_fn count_codes
        cio_join_fn join

    const cio_rows *cio_rows_available(size_t k) noexcept
    void cio_store_fence() noexcept
    void cio_prefetch_row(const void *src, size_t n_bytes) noexcept

    ctypedef void (*cio_task)(void *context, size_t begin, size_t end, int slot) noexcept nogil
    void cio_thread_pool_run(
        cio_task task, void *context, size_t n_items, size_t chunk, int n_threads,
        int max_threads) noexcept
    int cio_thread_pool_is_alone() noexcept
    void cio_thread_pool_add_worker() noexcept
    int cio_thread_pool_n_workers() noexcept
    int cio_thread_pool_is_refused() noexcept

    void *cio_scratch_take(size_t n_bytes) noexcept
    void cio_scratch_return(void *scratch) noexcept

    ctypedef struct cio_flag:
        pass

    int cio_raise(cio_flag *flag) noexcept
    int cio_is_raised(const cio_flag *flag) noexcept

    ctypedef struct cio_counter:
        pass

    unsigned int cio_count(cio_counter *counter) noexcept


cdef extern from "<fenv.h>" nogil:
    ctypedef struct fenv_t:
        pass

    const fenv_t *FE_DFL_ENV
    int fegetenv(fenv_t *environment) noexcept
    int fesetenv(const fenv_t *environment) noexcept


cdef extern from "checksum.h" nogil:
    uint64_t cio_checksum(
        const char *src, Py_ssize_t step, size_t n_rows, size_t row_bytes) noexcept


cdef extern from "histogram.h" nogil:
    ctypedef struct cio_record:
        pass

    ctypedef struct cio_histogram_spec:
        int type
        double nodata
        int checksum
        int paired
        const uint8_t *class_lut
        size_t n_classes
        const uint16_t *buckets
        size_t n_buckets

    ctypedef struct cio_patch:
        const char *src
        Py_ssize_t step
        size_t n_rows
        size_t n_cols
        size_t top
        size_t left
        size_t bottom
        size_t right

    size_t cio_histogram_bytes(const cio_histogram_spec *spec) noexcept
    void cio_histogram_add_patch(
        const cio_rows *rows, const cio_histogram_spec *spec, const cio_patch *patch,
        uint32_t *table, cio_record *record, int64_t *classes) noexcept
    void cio_histogram_add_pair(
        const cio_rows *rows, const cio_histogram_spec *spec, const cio_patch *one,
        const cio_patch *other, uint32_t *table, int64_t *classes) noexcept
    void cio_histogram_sum(
        const cio_histogram_spec *spec, const uint32_t *table, size_t begin, size_t end,
        int64_t *counts) noexcept


cdef extern from "files.h" nogil:
    ctypedef struct cio_file:
        pass

    int CIO_MAPPED
    int CIO_DIRECT
    cio_file *cio_file_open(int descriptor, int64_t n_bytes, int flags) noexcept
    void cio_file_close(cio_file *file) noexcept
    int cio_file_acquire(cio_file *file) noexcept
    void cio_file_release(cio_file *file) noexcept
    void cio_file_ref(cio_file *file) noexcept
    void cio_file_unref(cio_file *file) noexcept
    int cio_file_is_closed(const cio_file *file) noexcept
    const char *cio_file_base(const cio_file *file) noexcept
    int cio_file_descriptor(const cio_file *file) noexcept
    int64_t cio_file_n_bytes(const cio_file *file) noexcept
    int64_t cio_file_changed(const cio_file *file) noexcept

    ctypedef struct cio_status:
        int64_t n_bytes
        int64_t changed

    int cio_file_status(const cio_file *file, cio_status *status) noexcept
    int cio_is_remote(int descriptor) noexcept
    int64_t cio_page_bytes() noexcept

    int64_t cio_file_resident(const cio_file *file, int64_t offset, int64_t n_bytes) noexcept
    int cio_file_readahead(cio_file *file, int64_t offset, int64_t n_bytes) noexcept
    int cio_file_populate(cio_file *file, int64_t offset, int64_t n_bytes) noexcept
    void cio_file_evict(const cio_file *file, int64_t offset, int64_t n_bytes) noexcept

    int CIO_WARM
    int CIO_LUKEWARM
    int cio_file_coldness(const cio_file *file) noexcept
    void cio_file_decay(cio_file *file) noexcept

    int64_t cio_file_read(
        const cio_file *file, void *dst, int64_t offset, int64_t n_bytes) noexcept
    int64_t cio_file_read_nowait(
        const cio_file *file, void *dst, int64_t offset, int64_t n_bytes) noexcept

    int CIO_BLOCK
    int64_t cio_file_read_direct(
        const cio_file *file, void *dst, int64_t offset, int64_t n_bytes) noexcept
    int cio_file_is_direct(const cio_file *file) noexcept
    int cio_file_is_direct_on_disk(const cio_file *file) noexcept


cdef extern from "background.h" nogil:
    ctypedef struct cio_background_task:
        size_t n_bytes
        void (*run)(cio_background_task *task) noexcept nogil
        void (*destroy)(cio_background_task *task) noexcept nogil

    int cio_background_submit(cio_background_task *task) noexcept
