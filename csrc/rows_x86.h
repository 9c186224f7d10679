/* What rows in vectors of 32 and of 64 bytes have in common: moves of 16 bytes. */
#include <immintrin.h>
#include <stdint.h>

#define HAS_MICRO_TILES
typedef __m128i Q;

static inline Q get_q(const void *p) { return _mm_loadu_si128(p); }
#define put_q(p, x, lane) _mm_storeu_si128((Q *)(p), x)
static inline Q shuffle_q(Q x, Q indices) { return _mm_shuffle_epi8(x, indices); }
static inline Q or_q(Q x, Q y) { return _mm_or_si128(x, y); }
static inline Q low_q_1(Q x, Q y) { return _mm_unpacklo_epi8(x, y); }
static inline Q low_q_2(Q x, Q y) { return _mm_unpacklo_epi16(x, y); }
static inline Q low_q_4(Q x, Q y) { return _mm_unpacklo_epi32(x, y); }
static inline Q high_q_1(Q x, Q y) { return _mm_unpackhi_epi8(x, y); }
static inline Q high_q_2(Q x, Q y) { return _mm_unpackhi_epi16(x, y); }
static inline Q high_q_4(Q x, Q y) { return _mm_unpackhi_epi32(x, y); }

typedef __m256i S; /* no slower than 64 bytes: two of these are stored at once */

static inline S get_s(const void *p) { return _mm256_loadu_si256(p); }
static inline S get_lanes(const void *p) { return _mm256_broadcastsi128_si256(get_q(p)); }
static inline S shuffle_s(S x, S indices) { return _mm256_shuffle_epi8(x, indices); }
static inline void put_s(void *p, S x) { _mm256_storeu_si256(p, x); }

/* For a shuffle: a lane from back to front, by elements of 1, 2 and 4 bytes. */
#define BACKWARDS_1 _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define BACKWARDS_2 _mm_set_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define BACKWARDS_4 _mm_set_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
