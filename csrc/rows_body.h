/* Every row function, once. A file rows_<isa>.c says what a vector is there and includes this.
 *
 * What it must define: LANES (floats in a vector), V and B (vectors of floats and of bytes),
 * set_f32, mul_add, put_f32, load_{u8,i8,i16,u16,f32}, get_bytes, put_bytes; with HAS_STREAM also
 * stream_f32 and stream_bytes (to addresses aligned to a vector); with HAS_LOOK_UP also Table,
 * load_table and look_up. No file includes this twice.
 */
#include <string.h>

#include "cloudio.h"

enum { LINE = 64, LINE_F32 = LINE / (int)sizeof(float) };

#ifdef HAS_STREAM
/* Elements of `size` bytes, at most n, that are written before dst meets a cache line. */
static inline size_t head_of(const void *dst, size_t size, size_t n)
{
    const size_t head = (size_t)(-(uintptr_t)dst % LINE) / size;
    return head < n ? head : n;
}

/* Room in the held line for n bytes that belong at dst. */
static inline uint8_t *hold(cio_line *line, void *dst, size_t n)
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

/* Write the held line, if its last byte is there. */
static inline void let_go(cio_line *line)
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

#define SCALE_CACHED(name, type)                                                                   \
    static void scale_##name(const void *source, float *dst, size_t n, float scale, float offset,  \
                             cio_line *line)                                                       \
    {                                                                                              \
        const type *src = source;                                                                  \
        const V a = set_f32(scale), b = set_f32(offset);                                           \
        size_t i = 0;                                                                              \
        (void)line;                                                                                \
        for (; i + LANES <= n; i += LANES)                                                         \
            put_f32(dst + i, mul_add(load_##name(src + i), a, b));                                 \
        for (; i < n; ++i)                                                                         \
            dst[i] = (float)src[i] * scale + offset;                                               \
    }

#ifdef HAS_STREAM
#define SCALE_STREAMED(name, type)                                                                 \
    static void scale_##name##_streamed(const void *source, float *dst, size_t n, float scale,     \
                                        float offset, cio_line *line)                              \
    {                                                                                              \
        const type *src = source;                                                                  \
        const V a = set_f32(scale), b = set_f32(offset);                                           \
        size_t i = head_of(dst, sizeof *dst, n);                                                   \
        if (i > 0) {                                                                               \
            scale_##name(src, (float *)hold(line, dst, i * sizeof *dst), i, scale, offset, NULL);  \
            let_go(line);                                                                          \
        }                                                                                          \
        for (; i + LINE_F32 <= n; i += LINE_F32)                                                   \
            for (size_t j = i; j < i + LINE_F32; j += LANES)                                       \
                stream_f32(dst + j, mul_add(load_##name(src + j), a, b));                          \
        if (i < n)                                                                                 \
            scale_##name(src + i, (float *)hold(line, dst + i, (n - i) * sizeof *dst), n - i,      \
                         scale, offset, NULL);                                                     \
    }
#define SCALE(name, type) SCALE_CACHED(name, type) SCALE_STREAMED(name, type)
#define BOTH(function) {function, function##_streamed}
#else
#define SCALE(name, type) SCALE_CACHED(name, type)
#define BOTH(function) {function, function}
#endif

SCALE(u8, uint8_t)
SCALE(i8, int8_t)
SCALE(i16, int16_t)
SCALE(u16, uint16_t)
SCALE(f32, float)

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
        memcpy(hold(line, dst, i), src, i);
        let_go(line);
    }
    for (; i + LINE <= n; i += LINE)
        for (size_t j = i; j < i + LINE; j += sizeof(B))
            stream_bytes(dst + j, get_bytes(src + j));
    if (i < n)
        memcpy(hold(line, dst + i, n - i), src + i, n - i);
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
        cio_line line = {{0}, NULL, 0, 0};                                                         \
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
LOOK_UP_STREAMED(look_up_1_u8, uint8_t, uint8_t)
#else
LOOK_UP(look_up_1_u8, uint8_t, uint8_t)
#endif
LOOK_UP(look_up_1_i64, uint8_t, int64_t)
LOOK_UP(look_up_2_u8, uint16_t, uint8_t)
LOOK_UP(look_up_2_i64, uint16_t, int64_t)

/* ---- the table ------------------------------------------------------------------------------- */

#define ROWS(name)                                                                                 \
    {                                                                                              \
        name,                                                                                      \
        {BOTH(scale_u8), BOTH(scale_i8), BOTH(scale_i16), BOTH(scale_u16), BOTH(scale_f32)},       \
        BOTH(copy),                                                                                \
        {{BOTH(look_up_1_u8), BOTH(look_up_1_i64)}, {BOTH(look_up_2_u8), BOTH(look_up_2_i64)}},    \
    }
