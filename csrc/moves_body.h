/* Every function that moves elements as they are, once; rows_body.h includes this.
 *
 * With HAS_MICRO_TILES a file rows_<isa>.c must define reversed_{1,2,4} (a vector of B from back to
 * front, by elements of so many bytes), low_* and high_* (in each lane of 16 bytes, the first or
 * second halves of two vectors, zipped element by element), put_lane, and the same for Q, a vector
 * that is one such lane: low_q_*, high_q_*, get_q, put_q; and shuffle_q (of bytes, 0 where bit 7 of
 * an index is set) and or_q. S is a vector of one or two lanes: get_s, get_lanes (the same 16 bytes
 * in each), shuffle_s (in each lane, as shuffle_q) and put_s.
 */

#ifdef HAS_MICRO_TILES
#define REVERSE_VECTORS(bytes, type)                                                               \
    enum { N = sizeof(B) / bytes };                                                                \
    for (; i + N <= n; i += N)                                                                     \
        put_bytes(dst + i, reversed_##bytes(get_bytes(src + (n - i - N))));                        \
    if (i < n && n > N) {                                                                          \
        put_bytes(dst + n - N, reversed_##bytes(get_bytes(src)));                                  \
        return;                                                                                    \
    }
#else
#define REVERSE_VECTORS(bytes, type)
#endif

#define REVERSE(bytes, type)                                                                       \
    static void reverse_##bytes(const void *source, void *destination, size_t n)                   \
    {                                                                                              \
        const type *src = source;                                                                  \
        type *dst = destination;                                                                   \
        size_t i = 0;                                                                              \
        REVERSE_VECTORS(bytes, type)                                                               \
        for (; i < n; ++i)                                                                         \
            dst[i] = src[n - 1 - i];                                                               \
    }

REVERSE(1, uint8_t)
REVERSE(2, uint16_t)
REVERSE(4, uint32_t)

/* One element at a time, in blocks that stay in the first level of cache. */
#define TRANSPOSE_PLAIN(name, type)                                                                \
    static void name(const void *source, ptrdiff_t src_step, void *destination,                    \
                     ptrdiff_t dst_step, size_t n_rows, size_t n_cols)                             \
    {                                                                                              \
        enum { SIDE = 32 };                                                                        \
        const char *src = source;                                                                  \
        char *dst = destination;                                                                   \
        for (size_t x0 = 0; x0 < n_cols; x0 += SIDE) {                                             \
            const size_t x1 = n_cols - x0 < SIDE ? n_cols : x0 + SIDE;                             \
            for (size_t y = 0; y < n_rows; ++y) {                                                  \
                const type *from = (const type *)(src + (ptrdiff_t)y * src_step);                  \
                for (size_t x = x0; x < x1; ++x)                                                   \
                    ((type *)(dst + (ptrdiff_t)x * dst_step))[y] = from[x];                        \
            }                                                                                      \
        }                                                                                          \
    }

#ifdef HAS_MICRO_TILES
/* A micro-tile: N rows of a vector each at src, column by column to dst. Each lane of 16 bytes, N
 * elements, is a square of its own. Zipping the first half of all vectors with the second half, as
 * often as N can be halved, turns its rows into columns. With fewer rows than N the last row is read
 * again. */
#define MICRO_TILE(name, bytes, vector, get, low, high, put_lane)                                  \
    static ALWAYS_INLINE void name##_zip(const vector *from, vector *to)                           \
    {                                                                                              \
        enum { N = 16 / bytes };                                                                   \
        for (size_t k = 0; k < N / 2; ++k) {                                                       \
            to[2 * k] = low(from[k], from[k + N / 2]);                                             \
            to[2 * k + 1] = high(from[k], from[k + N / 2]);                                        \
        }                                                                                          \
    }                                                                                              \
    static ALWAYS_INLINE void name(const char *src, ptrdiff_t src_step, char *dst,                 \
                                   ptrdiff_t dst_step, size_t n_rows)                              \
    {                                                                                              \
        enum { N = 16 / bytes, N_LANES = sizeof(vector) / 16 };                                    \
        vector one[N], other[N];                                                                   \
        for (size_t k = 0; k < N; ++k)                                                             \
            one[k] = get(src + (ptrdiff_t)(k < n_rows ? k : n_rows - 1) * src_step);               \
        name##_zip(one, other);                                                                    \
        name##_zip(other, one);                                                                    \
        if (N >= 8)                                                                                \
            name##_zip(one, other);                                                                \
        if (N == 16)                                                                               \
            name##_zip(other, one);                                                                \
        const vector *const cols = N == 8 ? other : one;                                           \
        for (size_t k = 0; k < N; ++k)                                                             \
            put_lane(dst + (ptrdiff_t)k * dst_step, cols[k], 0);                                   \
        if (N_LANES >= 2)                                                                          \
            for (size_t k = 0; k < N; ++k)                                                         \
                put_lane(dst + (ptrdiff_t)(N + k) * dst_step, cols[k], 1 % N_LANES);               \
        if (N_LANES == 4) {                                                                        \
            for (size_t k = 0; k < N; ++k)                                                         \
                put_lane(dst + (ptrdiff_t)(2 * N + k) * dst_step, cols[k], 2 % N_LANES);           \
            for (size_t k = 0; k < N; ++k)                                                         \
                put_lane(dst + (ptrdiff_t)(3 * N + k) * dst_step, cols[k], 3 % N_LANES);           \
        }                                                                                          \
    }

/* All rows and columns by micro-tiles, of which the last overlap their neighbors; 0 where the
 * micro-tile is too large. Where fewer rows than it has lie side by side in dst, as the bands of a
 * pixel do, each vector reaches into the next columns, which are written after it; the last columns
 * are plain. */
#define MICRO_TILES(name, bytes, vector, tile, plain)                                              \
    static inline int name(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step,     \
                           size_t n_rows, size_t n_cols)                                           \
    {                                                                                              \
        enum { N = 16 / bytes, WIDTH = sizeof(vector) / bytes };                                   \
        if (n_cols < WIDTH)                                                                        \
            return 0;                                                                              \
        if (n_rows < N && dst_step == (ptrdiff_t)(n_rows * bytes)) {                               \
            const size_t reach = (N + n_rows - 1) / n_rows;                                        \
            size_t x = 0;                                                                          \
            for (; x + WIDTH - 1 + reach <= n_cols; x += WIDTH)                                    \
                tile(src + x * bytes, src_step, dst + (ptrdiff_t)x * dst_step, dst_step, n_rows);  \
            plain(src + x * bytes, src_step, dst + (ptrdiff_t)x * dst_step, dst_step, n_rows,      \
                  n_cols - x);                                                                     \
            return 1;                                                                              \
        }                                                                                          \
        if (n_rows < N)                                                                            \
            return 0;                                                                              \
        for (size_t y = 0; y < n_rows; y += N) {                                                   \
            const size_t row = y + N <= n_rows ? y : n_rows - N;                                   \
            for (size_t x = 0; x < n_cols; x += WIDTH) {                                           \
                const size_t col = x + WIDTH <= n_cols ? x : n_cols - WIDTH;                       \
                tile(src + (ptrdiff_t)row * src_step + col * bytes, src_step,                      \
                     dst + (ptrdiff_t)col * dst_step + row * bytes, dst_step, N);                  \
            }                                                                                      \
        }                                                                                          \
        return 1;                                                                                  \
    }

#define TRANSPOSE(bytes, type)                                                                     \
    TRANSPOSE_PLAIN(transpose_plain_##bytes, type)                                                 \
    MICRO_TILE(micro_tile_##bytes, bytes, B, get_bytes, low_##bytes, high_##bytes, put_lane)       \
    MICRO_TILE(small_micro_tile_##bytes, bytes, Q, get_q, low_q_##bytes, high_q_##bytes, put_q)    \
    MICRO_TILES(micro_tiles_##bytes, bytes, B, micro_tile_##bytes, transpose_plain_##bytes)        \
    MICRO_TILES(small_micro_tiles_##bytes, bytes, Q, small_micro_tile_##bytes,                     \
                transpose_plain_##bytes)                                                           \
    static void transpose_##bytes(const void *src, ptrdiff_t src_step, void *dst,                  \
                                  ptrdiff_t dst_step, size_t n_rows, size_t n_cols)                \
    {                                                                                              \
        if (!micro_tiles_##bytes(src, src_step, dst, dst_step, n_rows, n_cols) &&                  \
            !small_micro_tiles_##bytes(src, src_step, dst, dst_step, n_rows, n_cols))              \
            transpose_plain_##bytes(src, src_step, dst, dst_step, n_rows, n_cols);                 \
    }
#else
#define TRANSPOSE(bytes, type) TRANSPOSE_PLAIN(transpose_##bytes, type)
#endif

TRANSPOSE(1, uint8_t)
TRANSPOSE(2, uint16_t)
TRANSPOSE(4, uint32_t)

/* ---- pick ------------------------------------------------------------------------------------ */

#ifdef HAS_MICRO_TILES
/* Where byte j of a picked vector lies, of elements of so many bytes that are `step` elements apart;
 * and its index in vector v of those loaded, past 127 where it lies in another one. */
#define PICKED(j, bytes, step) ((j) / (bytes) * (step) * (bytes) + (j) % (bytes))
#define PICKED_IN(j, bytes, step, v)                                                               \
    (PICKED(j, bytes, step) / 16 == (v) ? PICKED(j, bytes, step) % 16 : 0x80)
#define PICKED_4(j, bytes, step, v)                                                                \
    PICKED_IN(j, bytes, step, v), PICKED_IN(j + 1, bytes, step, v),                                \
        PICKED_IN(j + 2, bytes, step, v), PICKED_IN(j + 3, bytes, step, v)
#define PICKED_16(bytes, step, v)                                                                  \
    {                                                                                              \
        PICKED_4(0, bytes, step, v), PICKED_4(4, bytes, step, v), PICKED_4(8, bytes, step, v),     \
            PICKED_4(12, bytes, step, v)                                                           \
    }

/* Elements `step` elements apart, a vector of 16 bytes at once, as long as one more element follows:
 * of `step` vectors the last ends where that one begins. Returns how many are done. */
#define PICK_VECTORS(bytes, step)                                                                  \
    static size_t pick_vectors_##bytes##_##step(const char *src, char *dst, size_t n)              \
    {                                                                                              \
        static const uint8_t at[4][16] = {PICKED_16(bytes, step, 0), PICKED_16(bytes, step, 1),    \
                                          PICKED_16(bytes, step, 2), PICKED_16(bytes, step, 3)};   \
        enum { N = 16 / bytes };                                                                   \
        Q indices[step];                                                                           \
        if (n <= N)                                                                                \
            return 0;                                                                              \
        for (int v = 0; v < step; ++v)                                                             \
            indices[v] = get_q(at[v]);                                                             \
        for (size_t i = 0;; i = i + 2 * N < n ? i + N : n - N - 1) {                               \
            const char *from = src + i * step * bytes;                                             \
            Q picked = shuffle_q(get_q(from), indices[0]);                                         \
            for (int v = 1; v < step; ++v)                                                         \
                picked = or_q(picked, shuffle_q(get_q(from + 16 * v), indices[v]));                \
            put_q(dst + i * bytes, picked, 0);                                                     \
            if (i + N + 1 >= n)                                                                    \
                return i + N;                                                                      \
        }                                                                                          \
    }
PICK_VECTORS(1, 2)
PICK_VECTORS(1, 3)
PICK_VECTORS(1, 4)
PICK_VECTORS(2, 2)
PICK_VECTORS(2, 3)
PICK_VECTORS(2, 4)
#define PICK_SOME(bytes)                                                                           \
    i = step == 2 * bytes   ? pick_vectors_##bytes##_2(src, destination, n)                        \
        : step == 3 * bytes ? pick_vectors_##bytes##_3(src, destination, n)                        \
        : step == 4 * bytes ? pick_vectors_##bytes##_4(src, destination, n)                        \
                            : 0;
#else
#define PICK_SOME(bytes)
#endif

/* Wider steps, and elements of four bytes, are no faster in vectors. */
#define PICK(bytes, type, some)                                                                    \
    static void pick_##bytes(const void *source, ptrdiff_t step, void *destination, size_t n)      \
    {                                                                                              \
        const char *src = source;                                                                  \
        type *dst = destination;                                                                   \
        size_t i = 0;                                                                              \
        some                                                                                       \
        for (; i < n; ++i)                                                                         \
            dst[i] = *(const type *)(src + (ptrdiff_t)i * step);                                   \
    }

PICK(1, uint8_t, PICK_SOME(1))
PICK(2, uint16_t, PICK_SOME(2))
PICK(4, uint32_t, )

/* ---- repeat ---------------------------------------------------------------------------------- */

#ifdef HAS_MICRO_TILES
/* Sixteen bytes of a source become `repeat` lanes of sixteen. This is where byte j of lane u lies in
 * them; past the last lane those of the next sixteen bytes follow. */
#define REPEATED(j, bytes, repeat, u)                                                              \
    (((u) % (repeat) * 16 + (j)) / (bytes) / (repeat) * (bytes) + (j) % (bytes))
#define REPEATED_4(j, bytes, repeat, u)                                                            \
    REPEATED(j, bytes, repeat, u), REPEATED(j + 1, bytes, repeat, u),                              \
        REPEATED(j + 2, bytes, repeat, u), REPEATED(j + 3, bytes, repeat, u)
#define REPEATED_16(bytes, repeat, u)                                                              \
    {                                                                                              \
        REPEATED_4(0, bytes, repeat, u), REPEATED_4(4, bytes, repeat, u),                          \
            REPEATED_4(8, bytes, repeat, u), REPEATED_4(12, bytes, repeat, u)                      \
    }

/* Each of n elements `repeat` times, a vector S at once; the last vectors overlap those before. All
 * lanes of a vector need the same sixteen bytes of the source; only if the repeat is odd, those of
 * the middle one need neighbors. Returns how many elements are done: n, or none where they are too
 * few. */
#define REPEAT_VECTORS(bytes, repeat)                                                              \
    static size_t repeat_vectors_##bytes##_##repeat(const void *source, void *destination,         \
                                                    size_t n)                                      \
    {                                                                                              \
        static const uint8_t at[6][16] = {                                                         \
            REPEATED_16(bytes, repeat, 0), REPEATED_16(bytes, repeat, 1),                          \
            REPEATED_16(bytes, repeat, 2), REPEATED_16(bytes, repeat, 3),                          \
            REPEATED_16(bytes, repeat, 4), REPEATED_16(bytes, repeat, 5)};                         \
        enum {                                                                                     \
            N_LANES = sizeof(S) / 16,                                                              \
            N_READ = repeat % N_LANES == 0 ? 16 : sizeof(S),                                       \
            N_VECTORS = N_READ * repeat / sizeof(S),                                               \
            N = N_READ / bytes                                                                     \
        };                                                                                         \
        S indices[N_VECTORS];                                                                      \
        if (n < N)                                                                                 \
            return 0;                                                                              \
        for (size_t v = 0; v < N_VECTORS; ++v)                                                     \
            indices[v] = get_s(at[v * N_LANES]);                                                   \
        for (size_t i = 0;; i = i + 2 * N < n ? i + N : n - N) {                                   \
            const char *src = (const char *)source + i * bytes;                                    \
            char *dst = (char *)destination + i * repeat * bytes;                                  \
            for (size_t v = 0; v < N_VECTORS; ++v) {                                               \
                const size_t u = v * N_LANES / repeat, last = ((v + 1) * N_LANES - 1) / repeat;    \
                const S x = u == last ? get_lanes(src + 16 * u) : get_s(src + 16 * u);             \
                put_s(dst + v * sizeof(S), shuffle_s(x, indices[v]));                              \
            }                                                                                      \
            if (i + N >= n)                                                                        \
                return n;                                                                          \
        }                                                                                          \
    }
REPEAT_VECTORS(1, 2)
REPEAT_VECTORS(1, 3)
REPEAT_VECTORS(1, 4)
REPEAT_VECTORS(1, 6)
REPEAT_VECTORS(2, 2)
REPEAT_VECTORS(2, 3)
REPEAT_VECTORS(2, 4)
REPEAT_VECTORS(2, 6)
REPEAT_VECTORS(4, 2)
REPEAT_VECTORS(4, 3)
REPEAT_VECTORS(4, 4)
REPEAT_VECTORS(4, 6)
#define REPEAT_SOME(bytes)                                                                         \
    whole = repeat == 2   ? repeat_vectors_##bytes##_2(src, dst + i, (n - i) / 2)                  \
            : repeat == 3 ? repeat_vectors_##bytes##_3(src, dst + i, (n - i) / 3)                  \
            : repeat == 4 ? repeat_vectors_##bytes##_4(src, dst + i, (n - i) / 4)                  \
            : repeat == 6 ? repeat_vectors_##bytes##_6(src, dst + i, (n - i) / 6)                  \
                          : 0;
#else
#define REPEAT_SOME(bytes)
#endif

/* The rest of the first element, whole ones, and what there is of the last. */
#define REPEAT(bytes, type)                                                                        \
    static void repeat_##bytes(const void *source, void *destination, size_t n, size_t skip,       \
                               size_t repeat)                                                      \
    {                                                                                              \
        const type *src = source;                                                                  \
        type *dst = destination;                                                                   \
        size_t i = 0, whole = 0;                                                                   \
        if (skip > 0) {                                                                            \
            for (; i < repeat - skip && i < n; ++i)                                                \
                dst[i] = *src;                                                                     \
            ++src;                                                                                 \
        }                                                                                          \
        REPEAT_SOME(bytes)                                                                         \
        src += whole;                                                                              \
        for (i += whole * repeat; i < n; ++src)                                                    \
            for (size_t k = 0; k < repeat && i < n; ++k)                                           \
                dst[i++] = *src;                                                                   \
    }

REPEAT(1, uint8_t)
REPEAT(2, uint16_t)
REPEAT(4, uint32_t)
