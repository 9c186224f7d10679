/* Rows in vectors of 32 bytes, for x86-64 with AVX2. */
#include "targets.h"

#ifdef CIO_X86
CIO_TARGET_BEGIN("avx2,f16c")
#include "rows_x86.h"

#define LANES 8
#define HAS_STREAM
#define HAS_LOOK_UP
typedef __m256 V;
typedef __m256i B;
typedef __m256i H;
typedef struct { __m256i part[16]; } Table; /* entries 16 * k .. 16 * k + 15, in both halves */

static inline V set_f32(float x) { return _mm256_set1_ps(x); }
static inline V mul_add(V x, V a, V b) { return _mm256_add_ps(_mm256_mul_ps(x, a), b); }
/* Of these two the second argument is the answer where the other is NaN, or both are zeros. */
static inline V limit(V x, V lo, V hi) { return _mm256_min_ps(hi, _mm256_max_ps(lo, x)); }
static inline V choose(V x, V nodata, V y, V fill)
{
    const V equal = _mm256_cmp_ps(x, nodata, _CMP_EQ_OQ), nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    return _mm256_blendv_ps(y, fill, _mm256_or_ps(equal, nan));
}
static inline H to_f16(V x, V y)
{
    return _mm256_set_m128i(_mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT),
                            _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
/* In the upper half of each lane: half a unit less a bit is added, and the last bit that stays. */
static inline __m256i near_bf16(V x)
{
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
}
static inline H to_bf16(V x, V y)
{
    const __m256i low = _mm256_srli_epi32(near_bf16(x), 16);
    const __m256i high = _mm256_srli_epi32(near_bf16(y), 16);
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
}
static inline V canonical_nan(V x)
{
    const V sign = _mm256_castsi256_ps(_mm256_set1_epi32((int)0x80000000));
    const V quiet = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    return _mm256_blendv_ps(x, _mm256_or_ps(_mm256_and_ps(x, sign), quiet),
                            _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
static inline void put_f32(float *p, V x) { _mm256_storeu_ps(p, x); }
static inline void stream_f32(float *p, V x) { _mm256_stream_ps(p, x); }
static inline void put_halves(uint16_t *p, H x) { _mm256_storeu_si256((H *)p, x); }
static inline void stream_halves(uint16_t *p, H x) { _mm256_stream_si256((H *)p, x); }
static inline B get_bytes(const void *p) { return _mm256_loadu_si256(p); }
static inline void put_bytes(void *p, B x) { _mm256_storeu_si256(p, x); }
static inline void stream_bytes(void *p, B x) { _mm256_stream_si256(p, x); }

static inline B low_1(B x, B y) { return _mm256_unpacklo_epi8(x, y); }
static inline B low_2(B x, B y) { return _mm256_unpacklo_epi16(x, y); }
static inline B low_4(B x, B y) { return _mm256_unpacklo_epi32(x, y); }
static inline B high_1(B x, B y) { return _mm256_unpackhi_epi8(x, y); }
static inline B high_2(B x, B y) { return _mm256_unpackhi_epi16(x, y); }
static inline B high_4(B x, B y) { return _mm256_unpackhi_epi32(x, y); }
#define put_lane(p, x, lane) _mm_storeu_si128((Q *)(p), _mm256_extracti128_si256(x, lane))
static inline B reversed(B x, Q backwards)
{
    return _mm256_permute4x64_epi64(
        _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(backwards)), 0x4e);
}
static inline B reversed_1(B x) { return reversed(x, BACKWARDS_1); }
static inline B reversed_2(B x) { return reversed(x, BACKWARDS_2); }
static inline B reversed_4(B x) { return reversed(x, BACKWARDS_4); }

static inline __m128i get8(const void *p) { return _mm_loadl_epi64(p); }
static inline __m128i get16(const void *p) { return _mm_loadu_si128(p); }
static inline V load_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(get8(p)));
}
static inline V load_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(get8(p)));
}
static inline V load_i16(const int16_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(get16(p)));
}
static inline V load_u16(const uint16_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(get16(p)));
}
static inline V load_f32(const float *p) { return _mm256_loadu_ps(p); }

static inline Table load_table(const uint8_t *entries)
{
    Table table;
    for (int k = 0; k < 16; ++k)
        table.part[k] = _mm256_broadcastsi128_si256(get16(entries + 16 * k));
    return table;
}

#define TABLE_PARTS 16
/* A shuffle writes 0 where bit 7 of its index is set. For part k the exclusive or takes codes of
 * that part to 0..15 and all others past 15; adding 0x70 with saturation then sets bit 7 of the
 * others alone. */
static inline B part_of(const Table *table, int k, B codes)
{
    const B in_part = _mm256_xor_si256(codes, _mm256_set1_epi8((char)(16 * k)));
    const B at = _mm256_adds_epu8(in_part, _mm256_set1_epi8(0x70));
    return _mm256_shuffle_epi8(table->part[k], at);
}

/* Each code is found in one part, and the sixteen results are or-ed. */
static inline B look_up(Table table, B codes)
{
    B classes = _mm256_setzero_si256();
    for (int k = 0; k < TABLE_PARTS; ++k)
        classes = _mm256_or_si256(classes, part_of(&table, k, codes));
    return classes;
}

#define HAS_COUNTS
static inline B set_bytes(uint8_t x) { return _mm256_set1_epi8((char)x); }
static inline B sum_of_bytes(B x, B y) { return _mm256_add_epi8(x, y); }
static inline B count_equal(B counts, B codes, B code)
{
    return _mm256_sub_epi8(counts, _mm256_cmpeq_epi8(codes, code));
}
static inline uint32_t sum_bytes(B x)
{
    const B sums = _mm256_sad_epu8(x, _mm256_setzero_si256());
    const Q both = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return (uint32_t)(_mm_extract_epi16(both, 0) + _mm_extract_epi16(both, 4));
}

#include "rows_body.h"

const cio_rows cio_rows_avx2 = ROWS("avx2");
CIO_TARGET_END
#else
typedef int cio_nothing_here;
#endif
