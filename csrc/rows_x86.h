/* What rows in vectors of 32 and of 64 bytes do alike: moves of 16 bytes. */
#include <immintrin.h>
#include <stdint.h>

#define HAS_TILE
typedef __m128i Q;

static inline Q get_q(const void *p) { return _mm_loadu_si128(p); }
static inline void put_q(void *p, Q x) { _mm_storeu_si128(p, x); }
static inline Q low_1(Q x, Q y) { return _mm_unpacklo_epi8(x, y); }
static inline Q low_2(Q x, Q y) { return _mm_unpacklo_epi16(x, y); }
static inline Q low_4(Q x, Q y) { return _mm_unpacklo_epi32(x, y); }
static inline Q high_1(Q x, Q y) { return _mm_unpackhi_epi8(x, y); }
static inline Q high_2(Q x, Q y) { return _mm_unpackhi_epi16(x, y); }
static inline Q high_4(Q x, Q y) { return _mm_unpackhi_epi32(x, y); }
static inline Q turned_1(Q x)
{
    return _mm_shuffle_epi8(x, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
static inline Q turned_2(Q x)
{
    return _mm_shuffle_epi8(x, _mm_set_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
}
static inline Q turned_4(Q x) { return _mm_shuffle_epi32(x, 0x1b); }
