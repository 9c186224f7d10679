/* Rows in vectors of 64 bytes; included by the two files that differ in how they look codes up. */
#include "rows_x86.h"

#define LANES 16
#define HAS_STREAM
#define HAS_LOOK_UP
typedef __m512 V;
typedef __m512i B;
typedef __m512i H;

static inline V set_f32(float x) { return _mm512_set1_ps(x); }
static inline V mul_add(V x, V a, V b) { return _mm512_add_ps(_mm512_mul_ps(x, a), b); }
/* Of these two the second argument is the answer where the other is NaN, or both are zeros. */
static inline V limit(V x, V lo, V hi) { return _mm512_min_ps(hi, _mm512_max_ps(lo, x)); }
static inline V choose(V x, V nodata, V y, V fill)
{
    const __mmask16 none = _mm512_cmp_ps_mask(x, nodata, _CMP_EQ_OQ) |
                           _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_blend_ps(none, y, fill);
}
static inline H to_f16(V x, V y)
{
    const __m512i low = _mm512_castsi256_si512(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
    return _mm512_inserti64x4(low, _mm512_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT), 1);
}
/* In the upper half of each lane: half a unit less a bit is added, and a bit where the last that
 * stays is set. */
static inline __m512i near_bf16(V x)
{
    const __m512i bits = _mm512_castps_si512(x);
    const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    const __m512i up = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
    return _mm512_mask_add_epi32(up, odd, up, _mm512_set1_epi32(1));
}
static inline H to_bf16(V x, V y)
{
    const __m512i upper = _mm512_set_epi16(
        63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19,
        17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(near_bf16(x), upper, near_bf16(y));
}
static inline V canonical_nan(V x)
{
    const __m512i sign = _mm512_set1_epi32((int)0x80000000), quiet = _mm512_set1_epi32(0x7fc00000);
    const __m512i bits = _mm512_castps_si512(x);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_castsi512_ps(
        _mm512_mask_or_epi32(bits, nan, _mm512_and_si512(bits, sign), quiet));
}
static inline void put_f32(float *p, V x) { _mm512_storeu_ps(p, x); }
static inline void stream_f32(float *p, V x) { _mm512_stream_ps(p, x); }
static inline void put_halves(uint16_t *p, H x) { _mm512_storeu_si512((H *)p, x); }
static inline void stream_halves(uint16_t *p, H x) { _mm512_stream_si512((H *)p, x); }
static inline B get_bytes(const void *p) { return _mm512_loadu_si512(p); }
static inline void put_bytes(void *p, B x) { _mm512_storeu_si512(p, x); }
static inline void stream_bytes(void *p, B x) { _mm512_stream_si512(p, x); }

static inline B low_1(B x, B y) { return _mm512_unpacklo_epi8(x, y); }
static inline B low_2(B x, B y) { return _mm512_unpacklo_epi16(x, y); }
static inline B low_4(B x, B y) { return _mm512_unpacklo_epi32(x, y); }
static inline B high_1(B x, B y) { return _mm512_unpackhi_epi8(x, y); }
static inline B high_2(B x, B y) { return _mm512_unpackhi_epi16(x, y); }
static inline B high_4(B x, B y) { return _mm512_unpackhi_epi32(x, y); }
#define put_lane(p, x, lane) _mm_storeu_si128((Q *)(p), _mm512_extracti32x4_epi32(x, lane))
static inline B reversed(B x, Q backwards)
{
    const B lanes = _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(backwards));
    return _mm512_shuffle_i64x2(lanes, lanes, 0x1b);
}
static inline B reversed_1(B x) { return reversed(x, BACKWARDS_1); }
static inline B reversed_2(B x) { return reversed(x, BACKWARDS_2); }
static inline B reversed_4(B x) { return reversed(x, BACKWARDS_4); }

static inline __m128i get16(const void *p) { return _mm_loadu_si128(p); }
static inline __m256i get32(const void *p) { return _mm256_loadu_si256(p); }
static inline V load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(get16(p)));
}
static inline V load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(get16(p)));
}
static inline V load_i16(const int16_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(get32(p)));
}
static inline V load_u16(const uint16_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(get32(p)));
}
static inline V load_f32(const float *p) { return _mm512_loadu_ps(p); }

#define HAS_COUNTS
static inline B set_bytes(uint8_t x) { return _mm512_set1_epi8((char)x); }
static inline B sum_of_bytes(B x, B y) { return _mm512_add_epi8(x, y); }
static inline B count_equal(B counts, B codes, B code)
{
    const __mmask64 equal = _mm512_cmpeq_epi8_mask(codes, code);
    return _mm512_mask_sub_epi8(counts, equal, counts, _mm512_set1_epi8(-1));
}
static inline uint32_t sum_bytes(B x)
{
    return (uint32_t)_mm512_reduce_add_epi64(_mm512_sad_epu8(x, _mm512_setzero_si512()));
}
