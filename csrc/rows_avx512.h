/* Rows in vectors of 64 bytes; included by the two files that differ in how they look codes up. */
#include <immintrin.h>

#define LANES 16
#define HAS_STREAM
#define HAS_LOOK_UP
typedef __m512 V;
typedef __m512i B;

static inline V set_f32(float x) { return _mm512_set1_ps(x); }
static inline V mul_add(V x, V a, V b) { return _mm512_add_ps(_mm512_mul_ps(x, a), b); }
static inline void put_f32(float *p, V x) { _mm512_storeu_ps(p, x); }
static inline void stream_f32(float *p, V x) { _mm512_stream_ps(p, x); }
static inline B get_bytes(const void *p) { return _mm512_loadu_si512(p); }
static inline void put_bytes(void *p, B x) { _mm512_storeu_si512(p, x); }
static inline void stream_bytes(void *p, B x) { _mm512_stream_si512(p, x); }

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
