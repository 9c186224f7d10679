/* Every row function, once. A file rows_<isa>.c defines what a vector is and includes this.
 *
 * What it must define: LANES (floats in a vector), V and H (vectors of so many floats, and of twice
 * as many halves), set_f32, mul_add, limit, choose, load_{u8,i8,i16,u16,f32}, to_f16 and to_bf16
 * (of two vectors; the latter of none with a NaN but the canonical one), canonical_nan (replaces
 * every NaN by one without payload), put_f32, put_halves; with HAS_STREAM also B (a vector of
 * bytes), get_bytes, and stream_{f32,halves,bytes} (to addresses aligned to a vector); with
 * HAS_LOOK_UP also get_bytes, put_bytes, Table, load_table and look_up; and the words that
 * moves_body.h and counts_body.h list.
 * No file includes this twice.
 */
#include <string.h>

#include "cloudio.h"
#include "halves.h"

enum { LINE = 64 };

#if defined(__GNUC__)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
#else
#define ALWAYS_INLINE inline
#define NEVER_INLINE
#endif

/* Fewer instructions per cache line: more lines are in flight at once. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define UNROLLED
#endif

#define LESS(x, y) ((x) < (y) ? (x) : (y))

/* Prefetch the row ahead, of n bytes, where there is one. */
static inline void prefetch_ahead(const cio_line *line, size_t n)
{
    if (line->ahead != NULL)
        cio_prefetch_row(line->ahead, n);
}

#ifdef HAS_STREAM
/* Elements of `size` bytes, at most n, that are written before dst meets a cache line. */
static inline size_t head_of(const void *dst, size_t size, size_t n)
{
    const size_t head = (size_t)(-(uintptr_t)dst % LINE) / size;
    return head < n ? head : n;
}

/* Reserve n bytes of the held line, for what belongs at dst. */
static inline uint8_t *reserve(cio_line *line, void *dst, size_t n)
{
    const size_t offset = (uintptr_t)dst % LINE;
    uint8_t *at = (uint8_t *)dst - offset;
    if (line->at != at || line->end != offset) {
        cio_end_line(line);
        line->at = at;
        line->begin = offset;
    }
    line->end = offset + n;
    return line->bytes + offset;
}

/* Write the held line if it is complete. */
static inline void flush_if_full(cio_line *line)
{
    if (line->end < LINE)
        return;
    if (line->begin > 0) {
        cio_end_line(line);
        return;
    }
    for (size_t j = 0; j < LINE; j += sizeof(B))
        stream_bytes(line->at + j, get_bytes(line->bytes + j));
    line->end = 0;
}
#endif

/* ---- scale ----------------------------------------------------------------------------------- */

/* cio_affine, each number in every lane. */
typedef struct { V scale, offset, lo, hi, nodata, fill; } Affine;

static inline Affine broadcast(const cio_affine *affine)
{
    const Affine all = {set_f32(affine->scale), set_f32(affine->offset), set_f32(affine->lo),
                        set_f32(affine->hi),    set_f32(affine->nodata), set_f32(affine->fill)};
    return all;
}

static inline V kept(V x, Affine a) { return limit(mul_add(x, a.scale, a.offset), a.lo, a.hi); }
static inline V filled(V x, Affine a) { return choose(x, a.nodata, kept(x, a), a.fill); }

typedef float f32;
typedef uint16_t f16, bf16;

/* Of each output: how many pixels are written at once, and how they get to `to` from `from`. */
enum { AT_ONCE_f32 = LANES, AT_ONCE_f16 = 2 * LANES, AT_ONCE_bf16 = 2 * LANES };
#define WRITE_f32(store, to, in, fills, from) store##_f32(to, fills(load_##in(from), a))
#define WRITE_f16(store, to, in, fills, from)                                                      \
    store##_halves(to, to_f16(fills(load_##in(from), a), fills(load_##in((from) + LANES), a)))
#define WRITE_bf16(store, to, in, fills, from)                                                     \
    store##_halves(to, to_bf16(CANONICAL_NAN_##in(fills(load_##in(from), a)),                      \
                               CANONICAL_NAN_##in(fills(load_##in((from) + LANES), a))))
/* Whole numbers never become NaN, except through `fill`, which is canonical. */
#define CANONICAL_NAN_u8(x) x
#define CANONICAL_NAN_i8(x) x
#define CANONICAL_NAN_i16(x) x
#define CANONICAL_NAN_u16(x) x
#define CANONICAL_NAN_f32(x) canonical_nan(x)

static inline float one_kept(float x, const cio_affine *affine)
{
    const float y = x * affine->scale + affine->offset, z = y < affine->lo ? affine->lo : y;
    return z > affine->hi ? affine->hi : z;
}
static inline float one_filled(float x, const cio_affine *affine)
{
    return x == affine->nodata || x != x ? affine->fill : one_kept(x, affine);
}
static inline float f32_of(float x) { return x; }

/* Rows of `type`, loaded by load_<in>, to rows of `out`; `fills` is kept or filled. A last vector
 * overlaps what is done; only rows shorter than one are done pixel by pixel. */
#define SCALE_CACHED(name, in, type, out, fills)                                                   \
    static void name(const void *source, void *destination, size_t n, const cio_affine *affine,    \
                     cio_line *line)                                                               \
    {                                                                                              \
        enum { N = AT_ONCE_##out };                                                                \
        const type *src = source;                                                                  \
        out *dst = destination;                                                                    \
        const Affine a = broadcast(affine);                                                        \
        size_t i = 0;                                                                              \
        (void)line;                                                                                \
        for (; i + N <= n; i += N)                                                                 \
            WRITE_##out(put, dst + i, in, fills, src + i);                                         \
        if (i < n && n > N) {                                                                      \
            WRITE_##out(put, dst + n - N, in, fills, src + n - N);                                 \
            return;                                                                                \
        }                                                                                          \
        for (; i < n; ++i)                                                                         \
            dst[i] = out##_of(one_##fills((float)src[i], affine));                                 \
    }

#ifdef HAS_STREAM
/* Pixels [first, first + count) of a row of n to a held line, at `to`: as one vector of the row
 * that reaches past them on one side, where the line has room to spare.
 *
 * Rows of whole lines have a loop of their own, which prefetches the row ahead between the lines
 * that it writes, and keeps nothing on the stack (docs/decisions/prefetch-rows.md). */
#define SCALE_STREAMED(name, in, type, out, fills)                                                 \
    static inline void name##_edge(const type *src, size_t n, size_t first, size_t count, out *to, \
                                   const cio_affine *affine, Affine a)                             \
    {                                                                                              \
        enum { N = AT_ONCE_##out };                                                                \
        if (n < N || count >= N) {                                                                 \
            name(src + first, to, count, affine, NULL);                                            \
            return;                                                                                \
        }                                                                                          \
        const size_t begin = first < n - N ? first : n - N;                                        \
        WRITE_##out(put, to - (first - begin), in, fills, src + begin);                            \
    }                                                                                              \
    static void name##_lines(const void *source, void *destination, size_t n,                      \
                             const cio_affine *affine, const cio_line *line)                       \
    {                                                                                              \
        enum {                                                                                     \
            PER_LINE = LINE / sizeof(out),                                                         \
            STEP = LINE / LESS(sizeof(type), sizeof(out)) /* pixels that are lines of both */      \
        };                                                                                         \
        const type *src = source, *ahead = line->ahead == NULL ? source : line->ahead;             \
        out *dst = destination;                                                                    \
        const Affine a = broadcast(affine);                                                        \
        size_t i = 0;                                                                              \
        UNROLLED                                                                                   \
        for (size_t left = n / STEP; left > 0; --left, i += STEP) {                                \
            for (size_t j = 0; j < STEP; j += LINE / sizeof(type))                                 \
                CIO_PREFETCH_LINE(ahead + i + j);                                                  \
            for (size_t j = 0; j < STEP; j += AT_ONCE_##out)                                       \
                WRITE_##out(stream, dst + i + j, in, fills, src + i + j);                          \
        }                                                                                          \
        cio_prefetch_row(ahead + i, (n - i) * sizeof(type));                                       \
        for (; i < n; i += PER_LINE)                                                               \
            for (size_t j = 0; j < PER_LINE; j += AT_ONCE_##out)                                   \
                WRITE_##out(stream, dst + i + j, in, fills, src + i + j);                          \
    }                                                                                              \
    static NEVER_INLINE void name##_ragged(const void *source, void *destination, size_t n,        \
                                           const cio_affine *affine, cio_line *line)               \
    {                                                                                              \
        enum { SIZE = sizeof(out), PER_LINE = LINE / SIZE };                                       \
        const type *src = source;                                                                  \
        out *dst = destination;                                                                    \
        const Affine a = broadcast(affine);                                                        \
        size_t i = head_of(dst, SIZE, n);                                                          \
        prefetch_ahead(line, n * sizeof(type));                                                    \
        if (i > 0) {                                                                               \
            name##_edge(src, n, 0, i, (out *)reserve(line, dst, i * SIZE), affine, a);             \
            flush_if_full(line);                                                                   \
        }                                                                                          \
        UNROLLED                                                                                   \
        for (size_t left = (n - i) / PER_LINE; left > 0; --left, i += PER_LINE)                    \
            for (size_t j = 0; j < PER_LINE; j += AT_ONCE_##out)                                   \
                WRITE_##out(stream, dst + i + j, in, fills, src + i + j);                          \
        if (i < n)                                                                                 \
            name##_edge(src, n, i, n - i, (out *)reserve(line, dst + i, (n - i) * SIZE), affine,   \
                        a);                                                                        \
    }                                                                                              \
    static void name##_streamed(const void *source, void *destination, size_t n,                   \
                                const cio_affine *affine, cio_line *line)                          \
    {                                                                                              \
        if (((uintptr_t)destination | n * sizeof(out)) % LINE == 0)                                \
            name##_lines(source, destination, n, affine, line);                                    \
        else                                                                                       \
            name##_ragged(source, destination, n, affine, line);                                   \
    }
#define BOTH(function) {function, function##_streamed}
#else
#define SCALE_STREAMED(name, in, type, out, fills)                                                 \
    static void name##_streamed(const void *source, void *destination, size_t n,                   \
                                const cio_affine *affine, cio_line *line)                          \
    {                                                                                              \
        prefetch_ahead(line, n * sizeof(type));                                                    \
        name(source, destination, n, affine, line);                                                \
    }
#define BOTH(function) CACHED(function)
#endif
#define SCALED(function) {function, function##_streamed}
#define CACHED(function) {function, function}

#define SCALE_ONE(name, in, type, out, fills)                                                      \
    SCALE_CACHED(name, in, type, out, fills) SCALE_STREAMED(name, in, type, out, fills)
#define SCALE_TO(in, type, out)                                                                    \
    SCALE_ONE(scale_##in##_##out, in, type, out, kept)                                             \
    SCALE_ONE(scale_##in##_##out##_filled, in, type, out, filled)
#define SCALE(in, type) SCALE_TO(in, type, f32) SCALE_TO(in, type, f16) SCALE_TO(in, type, bf16)

SCALE(u8, uint8_t)
SCALE(i8, int8_t)
SCALE(i16, int16_t)
SCALE(u16, uint16_t)
SCALE(f32, float)

/* ---- check ----------------------------------------------------------------------------------- */

#define CHECK(in, type)                                                                            \
    static void check_##in(const void *source, uint8_t *dst, size_t n, float nodata)               \
    {                                                                                              \
        const type *src = source;                                                                  \
        for (size_t i = 0; i < n; ++i) {                                                           \
            const float x = (float)src[i];                                                         \
            dst[i] = x == nodata || x != x ? 0 : dst[i];                                           \
        }                                                                                          \
    }

CHECK(u8, uint8_t)
CHECK(i8, int8_t)
CHECK(i16, int16_t)
CHECK(u16, uint16_t)
CHECK(f32, float)

/* ---- copy ------------------------------------------------------------------------------------ */

static void copy(const void *src, void *dst, size_t n, cio_line *line)
{
    (void)line;
    memcpy(dst, src, n);
}

#ifdef HAS_STREAM
static void copy_streamed(const void *source, void *destination, size_t n, cio_line *line)
{
    const uint8_t *src = source;
    uint8_t *dst = destination;
    size_t i = head_of(dst, 1, n);
    if (i > 0) {
        memcpy(reserve(line, dst, i), src, i);
        flush_if_full(line);
    }
    UNROLLED
    for (size_t left = (n - i) / LINE; left > 0; --left, i += LINE)
        for (size_t j = 0; j < LINE; j += sizeof(B))
            stream_bytes(dst + i + j, get_bytes(src + i + j));
    if (i < n)
        memcpy(reserve(line, dst + i, n - i), src + i, n - i);
}
#endif

/* ---- look up --------------------------------------------------------------------------------- */

/* One entry at a time: the table lies in the first or second level of cache. */
#define LOOK_UP_PLAIN(name, code, class)                                                           \
    static void name(const void *source, void *destination, size_t n, const void *entries)         \
    {                                                                                              \
        const code *src = source;                                                                  \
        const class *table = entries;                                                              \
        class *dst = destination;                                                                  \
        for (size_t i = 0; i < n; ++i)                                                             \
            dst[i] = table[src[i]];                                                                \
    }

#ifdef HAS_STREAM
/* Through a block in the first level of cache, from which it leaves in whole lines. */
#define LOOK_UP_STREAMED(name, code, class)                                                        \
    static void name##_streamed(const void *source, void *destination, size_t n,                   \
                                const void *table)                                                 \
    {                                                                                              \
        enum { BLOCK = 2048 / sizeof(class) };                                                     \
        const code *src = source;                                                                  \
        class *dst = destination;                                                                  \
        class block[BLOCK];                                                                        \
        cio_line line = {0};                                                                       \
        for (size_t i = 0, m; i < n; i += m) {                                                     \
            m = n - i < BLOCK ? n - i : BLOCK;                                                     \
            name(src + i, block, m, table);                                                        \
            copy_streamed(block, dst + i, m * sizeof(class), &line);                               \
        }                                                                                          \
        cio_end_line(&line);                                                                       \
    }
#define LOOK_UP(name, code, class)                                                                 \
    LOOK_UP_PLAIN(name, code, class) LOOK_UP_STREAMED(name, code, class)
#else
#define LOOK_UP_STREAMED(name, code, class)
#define LOOK_UP(name, code, class) LOOK_UP_PLAIN(name, code, class)
#endif

#ifdef HAS_LOOK_UP
static void look_up_1_u8(const void *source, void *destination, size_t n, const void *entries)
{
    const uint8_t *src = source, *bytes = entries;
    uint8_t *dst = destination;
    const Table table = load_table(bytes);
    size_t i = 0;
    for (; i + sizeof(B) <= n; i += sizeof(B))
        put_bytes(dst + i, look_up(table, get_bytes(src + i)));
    for (; i < n; ++i)
        dst[i] = bytes[src[i]];
}
#else
LOOK_UP_PLAIN(look_up_1_u8, uint8_t, uint8_t)
#endif
LOOK_UP_PLAIN(look_up_2_u8, uint16_t, uint8_t)
/* Classes of a byte are never written past the cache: docs/decisions/streaming-stores.md. */
LOOK_UP(look_up_1_i64, uint8_t, int64_t)
LOOK_UP(look_up_2_i64, uint16_t, int64_t)

#include "moves_body.h"
#include "counts_body.h"

/* ---- the table ------------------------------------------------------------------------------- */

#define FILLS(in, out) {SCALED(scale_##in##_##out), SCALED(scale_##in##_##out##_filled)}
#define FLOATS(in) {FILLS(in, f32), FILLS(in, f16), FILLS(in, bf16)}
#define ROWS(name)                                                                                 \
    {                                                                                              \
        name,                                                                                      \
        {FLOATS(u8), FLOATS(i8), FLOATS(i16), FLOATS(u16), FLOATS(f32)},                           \
        BOTH(copy),                                                                                \
        {{CACHED(look_up_1_u8), BOTH(look_up_1_i64)},                                              \
         {CACHED(look_up_2_u8), BOTH(look_up_2_i64)}},                                             \
        {check_u8, check_i8, check_i16, check_u16, check_f32},                                     \
        {reverse_1, reverse_2, reverse_4},                                                         \
        {transpose_1, transpose_2, transpose_4},                                                   \
        {pick_1, pick_2, pick_4},                                                                  \
        {repeat_1, repeat_2, repeat_4},                                                            \
        COUNTS,                                                                                    \
    }
