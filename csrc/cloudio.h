/* The C contract of cloudio: functions for one row, and the threads that work on rows.
 *
 * A row function is total: it cannot fail, allocates nothing, locks nothing and touches exactly the
 * n elements at `src` and `dst`, which never overlap. The caller has proved that they exist and are
 * aligned to their type; more alignment is only faster.
 */
#ifndef CLOUDIO_H
#define CLOUDIO_H

#include <stddef.h>
#include <stdint.h>
#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- rows ------------------------------------------------------------------------------------ */

/* The element types of a source. All are little-endian, like the machine. */
enum { CIO_U8, CIO_I8, CIO_I16, CIO_U16, CIO_F32, CIO_N_TYPES };

/* The element types of a scaled row. */
enum { CIO_TO_F32, CIO_TO_F16, CIO_TO_BF16, CIO_N_FLOATS };

/* How a row is written: through the cache, or past it (whole lines, non-temporal stores).
 * Past the cache is faster if a batch is too large to stay in it. */
enum { CIO_CACHED, CIO_STREAMED, CIO_N_STORES };

/* Widths of the classes that a look-up writes. */
enum { CIO_TO_U8, CIO_TO_I64, CIO_N_CLASSES };

/* Elements that are moved unchanged have 1, 2 or 4 bytes: 1 << CIO_MOVE_2 is 2. */
enum { CIO_MOVE_1, CIO_MOVE_2, CIO_MOVE_4, CIO_N_MOVES };

/* What streamed rows that follow each other in memory share. Begins as zeros; after the last row its
 * owner calls cio_end_line.
 *
 * The cache line that a row leaves unfinished: the next row completes it, and it is written in one
 * piece. A line written in two parts is read first.
 *
 * And a row that will be read soon, of as many elements of the same type: while a row is scaled, this
 * one is prefetched, line by line between the lines that are written. */
typedef struct cio_line {
    uint8_t before[64], bytes[64], after[64]; /* the last vector of a row may reach out of a line */
    uint8_t *at;                              /* where the line belongs */
    size_t begin, end;                        /* the bytes that are held; none where equal */
    const void *ahead;                        /* or NULL */
} cio_line;

void cio_end_line(cio_line *line);

/* What a stored number x becomes: (float)x * scale + offset, rounded to float32 after each of
 * the two steps; then, if it is less than lo, lo, and if it is more than hi, hi, so that NaN
 * stays. An offset of -0.0f changes no bit of any number. */
typedef struct cio_affine {
    float scale, offset;
    float lo, hi; /* -INFINITY and INFINITY: no limits */
    /* Of cio_scale_fn's [1] only: x that equals nodata or is NaN becomes fill, which if it is a
     * NaN is one without payload. */
    float nodata, fill;
} cio_affine;

/* dst[i] = what src[i] becomes, rounded to nearest even where dst is float16 or bfloat16; a NaN
 * becomes a quiet NaN; in bfloat16 only its sign is kept. Streamed bytes may still be held by
 * `line`; cached bytes never are. */
typedef void (*cio_scale_fn)(const void *src, void *dst, size_t n, const cio_affine *affine,
                             cio_line *line);

/* dst[i] = src[i], in bytes; `line` likewise. */
typedef void (*cio_copy_fn)(const void *src, void *dst, size_t n_bytes, cio_line *line);

/* dst[i] = table[src[i]], where src holds codes of one byte (a table of 256 entries) or of two
 * (65,536), read as unsigned, and the table's entries are what dst holds. */
typedef void (*cio_look_up_fn)(const void *src, void *dst, size_t n, const void *table);

/* dst[i] = 0 where src[i] equals nodata or is NaN; elsewhere dst[i] is left as it is. */
typedef void (*cio_check_fn)(const void *src, uint8_t *dst, size_t n, float nodata);

/* dst[i] = src[n - 1 - i]. */
typedef void (*cio_reverse_fn)(const void *src, void *dst, size_t n);

/* dst[x][y] = src[y][x] for y < n_rows and x < n_cols. The rows of src are src_step bytes apart,
 * those of dst dst_step; the steps may be negative. */
typedef void (*cio_transpose_fn)(const void *src, ptrdiff_t src_step, void *dst, ptrdiff_t dst_step,
                                 size_t n_rows, size_t n_cols);

/* dst[i] = the element `step` * i bytes after src: one channel of pixels that hold several, say. The
 * step is a multiple of the element's size, of either sign, or 0. What lies between the first and
 * the last element may be read too; nothing outside them is. */
typedef void (*cio_pick_fn)(const void *src, ptrdiff_t step, void *dst, size_t n);

/* dst[i] = src[(skip + i) / repeat], where skip is less than repeat. */
typedef void (*cio_repeat_fn)(const void *src, void *dst, size_t n, size_t skip, size_t repeat);

/* counts[k] += how many bytes of src equal codes[k]. n is a multiple of 64. */
typedef void (*cio_count_codes_fn)(const uint8_t *src, size_t n, const uint8_t *codes,
                                   size_t n_codes, uint32_t *counts);

/* dst[i] = tables[one[i]] + tables[256 + other[i]], as bytes. dst may be one of the sources. */
typedef void (*cio_join_fn)(const uint8_t *one, const uint8_t *other, uint8_t *dst, size_t n,
                            const uint8_t *tables);

/* The row functions of one instruction set: the only place that knows element types. */
typedef struct cio_rows {
    const char *isa;
    cio_scale_fn scale[CIO_N_TYPES][CIO_N_FLOATS][2][CIO_N_STORES]; /* [whether no data is filled] */
    cio_copy_fn copy[CIO_N_STORES];
    cio_look_up_fn look_up[2][CIO_N_CLASSES][CIO_N_STORES]; /* [bytes of a code - 1] */
    cio_check_fn check[CIO_N_TYPES];
    cio_reverse_fn reverse[CIO_N_MOVES];
    cio_transpose_fn transpose[CIO_N_MOVES];
    cio_pick_fn pick[CIO_N_MOVES];
    cio_repeat_fn repeat[CIO_N_MOVES];
    cio_count_codes_fn count_codes; /* this and join may be NULL: a histogram is faster */
    cio_join_fn join;
} cio_rows;

/* Table k of the tables that this CPU can run, from slowest to fastest; NULL past the last. The
 * first is plain C. */
const cio_rows *cio_rows_available(size_t k);

/* Make every streamed row visible to other threads: once at the end of a run of rows. */
void cio_store_fence(void);

/* Prefetch a line into a level of cache: 3 is the nearest, 2 the second. No function: gcc treats one
 * that only prefetches as one without effects, and drops its calls. */
#if defined(__GNUC__)
#define CIO_PREFETCH(line, level) __builtin_prefetch(line, 0, level)
#elif defined(_M_X64)
#define CIO_PREFETCH(line, level) _mm_prefetch((const char *)(line), 4 - (level)) /* T0, T1 */
#else
#define CIO_PREFETCH(line, level) (void)(line)
#endif

/* Into the second level: the first has too few lines in flight (docs/decisions/prefetch-rows.md). */
#define CIO_PREFETCH_LINE(line) CIO_PREFETCH(line, 2)

/* Prefetch a row that will be read soon. */
static inline void cio_prefetch_row(const void *src, size_t n_bytes)
{
    const char *end = (const char *)src + n_bytes;
    const char *line = (const char *)((uintptr_t)src & ~(uintptr_t)63);
#if defined(__GNUC__)
    __asm__ volatile(""); /* an effect */
#endif
    for (; line < end; line += 64)
        CIO_PREFETCH_LINE(line);
}

/* ---- the thread pool ------------------------------------------------------------------------- */

/* Do items [begin, end) of the work that `context` describes. Each thread at work has a slot of its
 * own: 0, the caller's, to n_threads - 1. */
typedef void (*cio_task)(void *context, size_t begin, size_t end, int slot);

/* Call `task` until each of `n_items` is done once, `chunk` (at least 1) at a time, on at most
 * `n_threads` threads, the caller among them; return when all is done. Cannot fail: where workers
 * are busy with other calls or cannot be made, or a task calls this, the caller does everything
 * itself. Every thread works in the default floating-point environment, and the caller gets its own
 * back.
 *
 * Tasks that wait, for a file perhaps, may have more workers added, up to `max_threads` threads in
 * all; slots then reach to max_threads - 1. */
void cio_thread_pool_run(cio_task task, void *context, size_t n_items, size_t chunk, int n_threads,
                         int max_threads);

/* For a task: whether no worker can come, because max_threads is 1 or a task has called. */
int cio_thread_pool_is_alone(void);

/* For a task that is about to wait: add one worker to its region, if that has room. */
void cio_thread_pool_add_worker(void);

/* A flag that threads raise and read. Begins as zeros. */
typedef struct cio_flag {
    int value;
} cio_flag;

int cio_raise(cio_flag *flag); /* whether it was not raised before */
int cio_is_raised(const cio_flag *flag);

/* A number that threads count up. Begins as zeros; wraps. */
typedef struct cio_counter {
    unsigned value;
} cio_counter;

unsigned cio_count(cio_counter *counter); /* the number, from 1 on */

/* Workers of this process that are alive. */
int cio_thread_pool_n_workers(void);

/* Whether the system has ever refused to start one; the callers have then done its work. */
int cio_thread_pool_is_refused(void);

/* ---- scratch --------------------------------------------------------------------------------- */

/* At least n_bytes of uninitialized memory, aligned to 4096; NULL if there is no memory. The block
 * that was returned last is kept for the next caller: new memory costs a page fault per page. */
void *cio_scratch_take(size_t n_bytes);
void cio_scratch_return(void *scratch); /* or NULL */

#ifdef __cplusplus
}
#endif
#endif
