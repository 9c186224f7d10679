/* The limits of memory: the barest loops that move the rows of a batch, and a plain copy.
 *
 * limits.py compiles this for the machine that it runs on.  Nothing is checked: limits.py makes the
 * addresses.  Output goes past the cache by whole lines, as far as the compiler knows how; rows are
 * fetched ahead, also those of the next plane.  Tried and slower: to fetch 2 or 4 rows ahead, each
 * line of a row just before it is needed 8 rows below, or into the first level of cache; and for bands
 * of pixels, all lines of a row at once.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { LINE = 64, AHEAD = 8, AHEAD_MIXED = 2, FAR = 4096 };
enum { MOST_THREADS = 256, MOST_MIXED = 1 << 16, MOST_BANDS = 64 };
#define BATCH ((int64_t)1 << 32)
enum { SCALED, HALVED, LOOKED_UP, MIXED, BESIDE, COPY, READ };

/* Rows of a window of one array.
 *
 * SCALED: int16 to float32, times scale.  HALVED: and rounded to float16.  LOOKED_UP: bytes, each to
 * its entry in a table; as they are where one instruction cannot do that.  MIXED: int16 of n_bands
 * planes, this one and those BESIDE it, to the float32 bands of pixels.  COPY: row_bytes bytes in
 * one piece, streamed.  READ: rows that nobody wants. */
struct plane {
    const char *from;
    char *to;
    int64_t kind, n_rows, row_bytes, row_step;
    double scale;
    const uint8_t *table;
    int64_t n_bands;
};

typedef uint8_t line __attribute__((vector_size(LINE)));
typedef float floats __attribute__((vector_size(LINE)));
typedef int ints __attribute__((vector_size(LINE)));
typedef int16_t shorts __attribute__((vector_size(LINE / 2)));

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512VBMI__)
const int looks_up = 1;
#else
const int looks_up = 0;
#endif
#if defined(__F16C__) || defined(__FLT16_MAX__)
const int halves = 1;
#else
const int halves = 0;
#endif

/* ---- lines ----------------------------------------------------------------------------------- */

/* Store a line past the cache; `to` is a multiple of LINE. */
INLINE void stream(char *to, line given)
{
#if defined(__AVX512F__)
    _mm512_stream_si512((void *)to, (__m512i)given);
#elif defined(__SSE2__)
    __m128i part[4];
    memcpy(part, &given, LINE);
    for (int k = 0; k < 4; k++)
        _mm_stream_si128((__m128i *)to + k, part[k]);
#else
    memcpy(to, &given, LINE);
#endif
}

INLINE void fence(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

INLINE floats widened(const char *from)
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

/* The halves of `x` are half a line. */
INLINE void halve(char *to, floats x)
{
#if defined(__AVX512F__)
    _mm256_storeu_si256((void *)to, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
    __m256 part[2];
    memcpy(part, &x, LINE);
    for (int k = 0; k < 2; k++)
        _mm_storeu_si128((__m128i *)to + k, _mm256_cvtps_ph(part[k], _MM_FROUND_TO_NEAREST_INT));
#elif defined(__FLT16_MAX__)
    typedef _Float16 fewer __attribute__((vector_size(LINE / 2)));
    fewer rounded = __builtin_convertvector(x, fewer);
    memcpy(to, &rounded, sizeof rounded);
#else
    memset(to, 0, LINE / 2);
#endif
}

/* Bytes of a pixel, before and after. */
INLINE int64_t stored(int kind) { return kind == LOOKED_UP ? 1 : 2; }
INLINE int64_t written(int kind) { return kind == LOOKED_UP ? 1 : kind == HALVED ? 2 : 4; }

/* A line of output, of pixels from `from` on. */
INLINE line made(int kind, const struct plane *p, const char *from)
{
    if (kind == SCALED)
        return (line)(widened(from) * (float)p->scale);
    line found;
    if (kind == HALVED) {
#if defined(__AVX512F__)
        const __m512 scale = _mm512_set1_ps((float)p->scale);
        const __m256i a = _mm512_cvtps_ph((__m512)widened(from) * scale, _MM_FROUND_TO_NEAREST_INT);
        const __m256i b =
            _mm512_cvtps_ph((__m512)widened(from + LINE / 2) * scale, _MM_FROUND_TO_NEAREST_INT);
        return (line)_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
#else
        halve((char *)&found, widened(from) * (float)p->scale);
        halve((char *)&found + LINE / 2, widened(from + LINE / 2) * (float)p->scale);
        return found;
#endif
    }
#if defined(__AVX512VBMI__)
    const __m512i codes = _mm512_loadu_si512(from), *part = (const void *)p->table;
    const __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(part), codes,
                                                 _mm512_loadu_si512(part + 1));
    const __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(part + 2), codes,
                                                  _mm512_loadu_si512(part + 3));
    return (line)_mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
#endif
    memcpy(&found, from, LINE);
    return found;
}

/* The last n bytes of one line, and after them the first of another. */
INLINE line joined(line before, int64_t n, line after)
{
#if defined(__AVX512VBMI__)
    static const uint8_t all[2 * LINE] = {
#define UP(k) k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7
        UP(0), UP(8), UP(16), UP(24), UP(32), UP(40), UP(48), UP(56),
        UP(64), UP(72), UP(80), UP(88), UP(96), UP(104), UP(112), UP(120)};
    const __m512i at = _mm512_loadu_si512(all + LINE - n);
    return (line)_mm512_permutex2var_epi8((__m512i)before, at, (__m512i)after);
#else
    char both[2 * LINE];
    line found;
    memcpy(both, &before, LINE);
    memcpy(both + LINE, &after, LINE);
    memcpy(&found, both + LINE - n, LINE);
    return found;
#endif
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* From the line of the first byte to that of the last. */
INLINE void fetch(const char *row, int64_t n)
{
    for (const char *at = row - (uintptr_t)row % LINE; at < row + n; at += LINE)
        __builtin_prefetch(at, 0, 2);
}

/* The row that is so many after row y of p, also in the next plane. */
INLINE const char *later(const struct plane *p, const struct plane *next, int64_t y, int64_t ahead)
{
    return y + ahead < p->n_rows ? p->from + (y + ahead) * p->row_step
           : next ? next->from + (y + ahead - p->n_rows) * next->row_step : p->from;
}

/* Rows narrower than a line of output. */
INLINE void narrow(int kind, const struct plane *p)
{
    const int64_t n = p->row_bytes / stored(kind) * written(kind);
    for (int64_t y = 0; y < p->n_rows; y++) {
        char row[LINE] = {0};
        memcpy(row, p->from + y * p->row_step, p->row_bytes);
        line found = made(kind, p, row);
        memcpy(p->to + y * n, &found, n);
    }
}

/* Output is one run of pixels.  Of a line that two rows share, `last` ends with the first part. */
INLINE void rows(int kind, const struct plane *p, const struct plane *next)
{
    const int64_t from_line = LINE / written(kind) * stored(kind), n = p->row_bytes;
    char *to = p->to - (uintptr_t)p->to % LINE;
    int64_t held = p->to - to, skipped = held;
    line last = {0};
    if (n < from_line) {
        narrow(kind, p);
        return;
    }
    for (int64_t y = 0; y < p->n_rows; y++) {
        const char *row = p->from + y * p->row_step;
        fetch(later(p, next, y, AHEAD), n);
        int64_t x = 0;
        if (held) {
            line first = joined(last, held, made(kind, p, row));
            if (skipped) /* the line belongs to the plane before, too */
                memcpy(to + skipped, (char *)&first + skipped, LINE - skipped);
            else
                stream(to, first);
            x = (LINE - held) / written(kind) * stored(kind);
            to += LINE, skipped = 0;
        }
        for (; x + from_line <= n; x += from_line, to += LINE)
            stream(to, made(kind, p, row + x));
        held = (n - x) / stored(kind) * written(kind);
        last = made(kind, p, row + n - from_line);
    }
    memcpy(to, (char *)&last + LINE - held, held);
}

/* ---- bands of pixels ------------------------------------------------------------------------- */

#if defined(__AVX512BW__)
typedef __m512i vector;
#define LOAD(p) _mm512_loadu_si512(p)
#define LOW(x, y) _mm512_unpacklo_epi16(x, y)
#define HIGH(x, y) _mm512_unpackhi_epi16(x, y)
#define PUT(p, x, lane) _mm_storeu_si128((void *)(p), _mm512_extracti32x4_epi32(x, lane))
#define PUTS(lane) for (int k = 0; k < 8; k++) PUT(to + ((lane) * 8 + k) * n_bands, one[k], lane)
#define ALL_PUTS PUTS(0); PUTS(1); PUTS(2); PUTS(3)
#elif defined(__SSE2__)
typedef __m128i vector;
#define LOAD(p) _mm_loadu_si128((const void *)(p))
#define LOW(x, y) _mm_unpacklo_epi16(x, y)
#define HIGH(x, y) _mm_unpackhi_epi16(x, y)
#define ALL_PUTS for (int k = 0; k < 8; k++) _mm_storeu_si128((void *)(to + k * n_bands), one[k])
#endif

#if defined(__SSE2__)
enum { AT_ONCE = sizeof(vector) / sizeof(int16_t) };

/* Eight bands of AT_ONCE pixels: zips of rows that are four apart make columns of them.  If there are
 * fewer, the pixel that is written next covers what is too much. */
INLINE void eight(const char *const *rows, const char *const *ahead, int64_t n, int64_t x, int16_t *to,
                  int64_t n_bands)
{
    vector one[8], other[8];
    for (int k = 0; k < 8; k++) {
        const int64_t b = k < n ? k : n - 1;
        one[k] = LOAD(rows[b] + 2 * x);
        __builtin_prefetch(ahead[b] + 2 * x, 0, 2);
    }
    for (int k = 0; k < 4; k++)
        other[2 * k] = LOW(one[k], one[k + 4]), other[2 * k + 1] = HIGH(one[k], one[k + 4]);
    for (int k = 0; k < 4; k++)
        one[2 * k] = LOW(other[k], other[k + 4]), one[2 * k + 1] = HIGH(other[k], other[k + 4]);
    for (int k = 0; k < 4; k++)
        other[2 * k] = LOW(one[k], one[k + 4]), other[2 * k + 1] = HIGH(one[k], one[k + 4]);
    memcpy(one, other, sizeof one);
    ALL_PUTS;
}
#else
enum { AT_ONCE = 1 << 30 };
#endif

/* Zip the bands of a row. */
static void mix(const char *const *rows, const char *const *ahead, int64_t width, int16_t *to, int64_t n_bands)
{
#if defined(__SSE2__)
    if (width >= AT_ONCE) {
        for (int64_t x0 = 0; x0 < width; x0 += AT_ONCE) {
            const int64_t x = x0 + AT_ONCE <= width ? x0 : width - AT_ONCE;
            for (int64_t b0 = 0; b0 < n_bands; b0 += 8) {
                const int64_t b = b0 + 8 <= n_bands || n_bands < 8 ? b0 : n_bands - 8;
                eight(rows + b, ahead + b, n_bands - b, x, to + x * n_bands + b, n_bands);
            }
        }
        return;
    }
#endif
    for (int64_t b = 0; b < n_bands; b++)
        for (int64_t x = 0; x < width; x++)
            memcpy(to + x * n_bands + b, rows[b] + 2 * x, 2);
}

static void mixed(const struct plane *p, const struct plane *next)
{
    enum { N = LINE / sizeof(float) };
    const int64_t n_bands = p->n_bands, width = p->row_bytes / 2;
    int16_t mixture[MOST_MIXED];
    floats scales[MOST_BANDS];
    const char *rows[MOST_BANDS], *ahead[MOST_BANDS];
    char *to = p->to - (uintptr_t)p->to % LINE;
    int64_t held = (p->to - to) / sizeof(float), skipped = held * sizeof(float), turn = 0;
    for (int64_t j = 0; j < n_bands * N; j++)
        ((float *)scales)[j] = (float)p[(j + n_bands * N - held) % n_bands].scale;
    for (int64_t y = 0; y < p->n_rows; y++) {
        for (int64_t b = 0; b < n_bands; b++) {
            rows[b] = p[b].from + y * p->row_step;
            ahead[b] = later(p + b, next ? next + b : 0, y, AHEAD_MIXED);
        }
        mix(rows, ahead, width, mixture + held, n_bands);
        const int64_t n = held + width * n_bands;
        int64_t x = 0;
        for (; x + N <= n; x += N, to += LINE) {
            floats found = widened((const char *)(mixture + x)) * scales[turn];
            if (++turn == n_bands)
                turn = 0;
            if (skipped)
                memcpy(to + skipped, (char *)&found + skipped, LINE - skipped), skipped = 0;
            else
                stream(to, (line)found);
        }
        held = n - x;
        memcpy(mixture, mixture + x, N * sizeof *mixture);
    }
    floats found = widened((const char *)mixture) * scales[turn];
    if (held * (int64_t)sizeof(float) > skipped)
        memcpy(to + skipped, (char *)&found + skipped, held * sizeof(float) - skipped);
}

/* ---- the others ------------------------------------------------------------------------------ */

static void copy(const struct plane *p)
{
    int64_t at = 0;
    for (; at + LINE <= p->row_bytes; at += LINE) {
        line found;
        __builtin_prefetch(p->from + at + FAR, 0, 2);
        memcpy(&found, p->from + at, LINE);
        stream(p->to + at, found);
    }
    memcpy(p->to + at, p->from + at, p->row_bytes - at);
}

static void read_only(const struct plane *p)
{
    line all = {0};
    for (int64_t y = 0; y < p->n_rows; y++) {
        const char *row = p->from + y * p->row_step;
        for (int64_t at = 0; at + LINE <= p->row_bytes; at += LINE) {
            line found;
            memcpy(&found, row + at, LINE);
            all ^= found;
        }
    }
    __asm__ volatile("" : : "m"(all)); /* or the compiler would leave it out */
}

/* ---- threads --------------------------------------------------------------------------------- */

/* The caller and its helpers, which take the planes of one batch after another.  A helper that the
 * system keeps elsewhere is not waited for. */
struct team {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    _Atomic int64_t batch, n_inside, n_asleep;
    _Atomic int64_t next; /* batch * BATCH + the next plane */
    _Atomic int64_t n;
    const struct plane *_Atomic planes;
    _Atomic int ends;
    int64_t n_threads;
    pthread_t helpers[MOST_THREADS];
};

/* Wait until a number of the team is `value`, or is no longer.  Looking is faster than to be woken;
 * after many looks the thread sleeps. */
static void await(struct team *team, const _Atomic int64_t *number, int64_t value, int equal)
{
    enum { LOOKS = 1 << 14 };
    for (int64_t looks = 0; (*number == value) != equal && looks < LOOKS; looks++) {
#if defined(__SSE2__)
        _mm_pause();
#endif
    }
    if ((*number == value) == equal)
        return;
    pthread_mutex_lock(&team->mutex);
    team->n_asleep++;
    while ((*number == value) != equal)
        pthread_cond_wait(&team->changed, &team->mutex);
    team->n_asleep--;
    pthread_mutex_unlock(&team->mutex);
}

/* Wake those that sleep, after a number has changed. */
static void wake(struct team *team)
{
    if (!team->n_asleep)
        return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->mutex);
}

/* The next plane of a batch, or 0 if all are taken. */
static const struct plane *taken(struct team *team, int64_t batch)
{
    int64_t next = team->next;
    while (next / BATCH == batch && next % BATCH < team->n)
        if (atomic_compare_exchange_weak(&team->next, &next, next + 1))
            return team->planes + next % BATCH;
    return 0;
}

/* Take planes until none is left. */
static void work(struct team *team, int64_t batch)
{
    const struct plane *p;
    while ((p = taken(team, batch))) {
        const struct plane *const end = team->planes + team->n;
        const struct plane *next = p + team->n_threads * (p->kind == MIXED ? p->n_bands : 1);
        if (next >= end)
            next = 0;
        switch (p->kind) {
        case SCALED: rows(SCALED, p, next); break;
        case HALVED: rows(HALVED, p, next); break;
        case LOOKED_UP: rows(LOOKED_UP, p, next); break;
        case MIXED: mixed(p, next); break;
        case COPY: copy(p); break;
        case READ: read_only(p); break;
        }
    }
    fence();
}

static void *help(void *given)
{
    struct team *team = given;
    for (int64_t batch = 0;;) {
        await(team, &team->batch, batch, 0);
        if (team->ends)
            return 0;
        batch = team->batch;
        team->n_inside++;
        work(team, batch);
        if (--team->n_inside == 0)
            wake(team);
    }
}

/* Make a team of n_threads, of which the caller of `move` is one. */
void *gather(int64_t n_threads)
{
    struct team *team = calloc(1, sizeof *team);
    pthread_mutex_init(&team->mutex, 0);
    pthread_cond_init(&team->changed, 0);
    team->n_threads = 1;
    while (team->n_threads < n_threads && team->n_threads < MOST_THREADS
           && !pthread_create(team->helpers + team->n_threads, 0, help, team))
        team->n_threads++;
    return team;
}

/* Move all planes. */
void move(struct team *team, const struct plane *planes, int64_t n)
{
    const int64_t batch = team->batch + 1;
    team->next = 0; /* of no batch: what follows is not read yet */
    team->n = n;
    team->planes = planes;
    team->next = batch * BATCH;
    team->batch = batch;
    wake(team);
    work(team, batch);
    await(team, &team->n_inside, 0, 1);
}

/* End the threads of a team. */
void part(struct team *team)
{
    team->ends = 1;
    team->batch++;
    wake(team);
    while (team->n_threads > 1)
        pthread_join(team->helpers[--team->n_threads], 0);
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->mutex);
    free(team);
}
