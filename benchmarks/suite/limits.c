/* The limits of memory: the barest loops that move the rows of a batch, and a plain copy.
 *
 * limits.py compiles this for the machine that it runs on.  Nothing is checked: limits.py makes the
 * addresses.  Output goes past the cache by whole lines, as far as the compiler knows how; rows of
 * bands are fetched ahead, also those of the next plane.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { LINE = 64, N = LINE / sizeof(float), AHEAD = 8, FAR = 4096, MOST_THREADS = 256 };
enum { SCALED, BYTES, COPY, READ };

/* One window of one array.  SCALED: int16 to float32, times scale.  BYTES: as they are.
 * COPY: row_bytes bytes in one piece, streamed.  READ: rows that nobody wants. */
struct plane {
    const char *from;
    char *to;
    int64_t kind, n_rows, row_bytes, row_step;
    double scale;
};

typedef float floats __attribute__((vector_size(LINE)));
typedef int ints __attribute__((vector_size(LINE)));
typedef int16_t shorts __attribute__((vector_size(LINE / 2)));

/* Store a line past the cache; `to` is a multiple of LINE. */
static inline void stream(void *to, floats line)
{
#if defined(__AVX512F__)
    _mm512_stream_ps(to, (__m512)line);
#elif defined(__SSE2__)
    __m128 part[4];
    memcpy(part, &line, LINE);
    for (int k = 0; k < 4; k++)
        _mm_stream_ps((float *)to + 4 * k, part[k]);
#else
    *(floats *)to = line;
#endif
}

static inline floats widened(const int16_t *from)
{
#if defined(__AVX512F__)
    __m256i part = _mm256_loadu_si256((const __m256i *)from);
    return (floats)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(part));
#else
    shorts part;
    memcpy(&part, from, sizeof part);
    return __builtin_convertvector(__builtin_convertvector(part, ints), floats);
#endif
}

static inline void fence(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

/* A band is one run of floats.  A line that two rows share is put together in `held`. */
static void scaled(const struct plane *p, const struct plane *next)
{
    const int64_t width = p->row_bytes / sizeof(int16_t);
    const float scale = (float)p->scale;
    float *to = (float *)p->to, held[N];
    int64_t n_held = (uintptr_t)to % LINE / sizeof(float), skipped = n_held;
    to -= n_held;
    for (int64_t y = 0; y < p->n_rows; y++) {
        const int16_t *row = (const int16_t *)(p->from + y * p->row_step);
        const char *ahead = y + AHEAD < p->n_rows ? p->from + (y + AHEAD) * p->row_step
                            : next ? next->from + (y + AHEAD - p->n_rows) * next->row_step : p->from;
        /* From the line of the first byte to that of the last. */
        for (const char *at = ahead - (uintptr_t)ahead % LINE; at < ahead + p->row_bytes; at += LINE)
            __builtin_prefetch(at, 0, 2);
        int64_t x = 0;
        while (n_held && n_held < N && x < width)
            held[n_held++] = row[x++] * scale;
        if (n_held == N) {
            if (skipped) { /* the first line belongs to the plane before, too */
                memcpy(to + skipped, held + skipped, LINE - skipped * sizeof(float));
                skipped = 0;
            } else {
                floats line;
                memcpy(&line, held, LINE);
                stream(to, line);
            }
            to += N, n_held = 0;
        }
        for (; x + N <= width; x += N, to += N) {
            stream(to, widened(row + x) * scale);
        }
        while (x < width)
            held[n_held++] = row[x++] * scale;
    }
    memcpy(to + skipped, held + skipped, (n_held - skipped) * sizeof(float));
}

static void bytes(const struct plane *p)
{
    for (int64_t y = 0; y < p->n_rows; y++)
        memcpy(p->to + y * p->row_bytes, p->from + y * p->row_step, p->row_bytes);
}

static void copy(const struct plane *p)
{
    int64_t at = 0;
    for (; at + LINE <= p->row_bytes; at += LINE) {
        floats line;
        __builtin_prefetch(p->from + at + FAR, 0, 2);
        memcpy(&line, p->from + at, LINE);
        stream(p->to + at, line);
    }
    memcpy(p->to + at, p->from + at, p->row_bytes - at);
}

static void read_only(const struct plane *p)
{
    floats all = {0};
    for (int64_t y = 0; y < p->n_rows; y++) {
        const char *row = p->from + y * p->row_step;
        for (int64_t at = 0; at + LINE <= p->row_bytes; at += LINE) {
            floats line;
            memcpy(&line, row + at, LINE);
            all = (floats)((ints)all ^ (ints)line);
        }
    }
    __asm__ volatile("" : : "m"(all)); /* or the compiler would leave it out */
}

struct batch {
    const struct plane *planes;
    int64_t n, n_threads;
    _Atomic int64_t done;
};

/* Take planes until none is left. */
static void *take(void *given)
{
    struct batch *batch = given;
    int64_t k;
    while ((k = batch->done++) < batch->n) {
        const struct plane *p = batch->planes + k;
        const int64_t after = k + batch->n_threads;
        if (p->kind == SCALED)
            scaled(p, after < batch->n ? batch->planes + after : 0);
        else if (p->kind == BYTES)
            bytes(p);
        else if (p->kind == COPY)
            copy(p);
        else
            read_only(p);
    }
    fence();
    return 0;
}

/* Move all planes in `n_threads` threads, of which the caller is one. */
void move(const struct plane *planes, int64_t n, int64_t n_threads)
{
    pthread_t others[MOST_THREADS];
    struct batch batch = {planes, n, n_threads, 0};
    int64_t n_others = 0;
    while (n_others < n_threads - 1 && n_others < MOST_THREADS
           && !pthread_create(others + n_others, 0, take, &batch))
        n_others++;
    take(&batch);
    while (n_others)
        pthread_join(others[--n_others], 0);
}
