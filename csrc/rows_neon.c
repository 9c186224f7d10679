/* Rows in vectors of 16 bytes, for aarch64. Its stores past the cache are hints, which compilers do
 * not all offer: both ways of writing are the same here. */
#include "targets.h"

#ifdef CIO_ARM64
#include <arm_neon.h>
#include <stdint.h>

#define LANES 4
#define HAS_LOOK_UP
#define HAS_MICRO_TILES
typedef float32x4_t V;
typedef uint16x8_t H;
typedef uint8x16_t Q;
typedef uint8x16_t B;
typedef uint8x16_t S;
typedef struct { uint8x16x4_t part[4]; } Table; /* entries 64 * k .. 64 * k + 63 */

static inline V set_f32(float x) { return vdupq_n_f32(x); }
static inline V mul_add(V x, V a, V b) { return vaddq_f32(vmulq_f32(x, a), b); }
static inline V limit(V x, V lo, V hi)
{
    const V y = vbslq_f32(vcltq_f32(x, lo), lo, x);
    return vbslq_f32(vcgtq_f32(y, hi), hi, y);
}
static inline V choose(V x, V nodata, V y, V fill)
{
    const uint32x4_t some = vbicq_u32(vceqq_f32(x, x), vceqq_f32(x, nodata));
    return vbslq_f32(some, y, fill);
}
static inline H to_f16(V x, V y)
{
    return vreinterpretq_u16_f16(vcombine_f16(vcvt_f16_f32(x), vcvt_f16_f32(y)));
}
static inline uint16x4_t near_bf16(V x)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(x);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    return vshrn_n_u32(vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd), 16);
}
static inline H to_bf16(V x, V y) { return vcombine_u16(near_bf16(x), near_bf16(y)); }
static inline V canonical_nan(V x)
{
    const uint32x4_t sign = vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x80000000));
    const uint32x4_t quiet = vorrq_u32(sign, vdupq_n_u32(0x7fc00000));
    return vbslq_f32(vceqq_f32(x, x), x, vreinterpretq_f32_u32(quiet));
}
static inline void put_f32(float *p, V x) { vst1q_f32(p, x); }
static inline void put_halves(uint16_t *p, H x) { vst1q_u16(p, x); }
static inline B get_bytes(const void *p) { return vld1q_u8(p); }
static inline void put_bytes(void *p, B x) { vst1q_u8(p, x); }

static inline V load_i16(const int16_t *p) { return vcvtq_f32_s32(vmovl_s16(vld1_s16(p))); }
static inline V load_u16(const uint16_t *p) { return vcvtq_f32_u32(vmovl_u16(vld1_u16(p))); }
static inline V load_u8(const uint8_t *p)
{
    const uint16_t wide[4] = {p[0], p[1], p[2], p[3]};
    return load_u16(wide);
}
static inline V load_i8(const int8_t *p)
{
    const int16_t wide[4] = {p[0], p[1], p[2], p[3]};
    return load_i16(wide);
}
static inline V load_f32(const float *p) { return vld1q_f32(p); }

static inline Table load_table(const uint8_t *entries)
{
    Table table;
    for (int k = 0; k < 4; ++k)
        table.part[k] = vld1q_u8_x4(entries + 64 * k);
    return table;
}

/* An index past a part's 64 entries finds 0, so the four results are or-ed. */
static inline B look_up(Table table, B codes)
{
    B classes = vqtbl4q_u8(table.part[0], codes);
    for (uint8_t k = 1; k < 4; ++k)
        classes = vorrq_u8(classes, vqtbl4q_u8(table.part[k], vsubq_u8(codes, vdupq_n_u8(64 * k))));
    return classes;
}

static inline Q get_q(const void *p) { return vld1q_u8(p); }
#define put_q(p, x, lane) vst1q_u8((uint8_t *)(p), x)
static inline Q shuffle_q(Q x, Q indices) { return vqtbl1q_u8(x, indices); }
static inline Q or_q(Q x, Q y) { return vorrq_u8(x, y); }
#define get_s get_q
#define get_lanes get_q
#define shuffle_s shuffle_q
#define put_s(p, x) put_q(p, x, 0)
#define ZIP(bytes, bits)                                                                           \
    static inline Q low_q_##bytes(Q x, Q y)                                                        \
    {                                                                                              \
        return vreinterpretq_u8_u##bits(                                                           \
            vzip1q_u##bits(vreinterpretq_u##bits##_u8(x), vreinterpretq_u##bits##_u8(y)));         \
    }                                                                                              \
    static inline Q high_q_##bytes(Q x, Q y)                                                       \
    {                                                                                              \
        return vreinterpretq_u8_u##bits(                                                           \
            vzip2q_u##bits(vreinterpretq_u##bits##_u8(x), vreinterpretq_u##bits##_u8(y)));         \
    }
static inline Q low_q_1(Q x, Q y) { return vzip1q_u8(x, y); }
static inline Q high_q_1(Q x, Q y) { return vzip2q_u8(x, y); }
ZIP(2, 16)
ZIP(4, 32)
/* A vector is one lane. */
#define put_lane put_q
#define low_1 low_q_1
#define low_2 low_q_2
#define low_4 low_q_4
#define high_1 high_q_1
#define high_2 high_q_2
#define high_4 high_q_4
/* From back to front in each half, then the halves. */
static inline Q swap_halves(Q x) { return vextq_u8(x, x, 8); }
static inline Q reversed_1(Q x) { return swap_halves(vrev64q_u8(x)); }
static inline Q reversed_2(Q x)
{
    return swap_halves(vreinterpretq_u8_u16(vrev64q_u16(vreinterpretq_u16_u8(x))));
}
static inline Q reversed_4(Q x)
{
    return swap_halves(vreinterpretq_u8_u32(vrev64q_u32(vreinterpretq_u32_u8(x))));
}

#define HAS_COUNTS
static inline B set_bytes(uint8_t x) { return vdupq_n_u8(x); }
static inline B sum_of_bytes(B x, B y) { return vaddq_u8(x, y); }
static inline B count_equal(B counts, B codes, B code)
{
    return vsubq_u8(counts, vceqq_u8(codes, code));
}
static inline uint32_t sum_bytes(B x) { return vaddlvq_u8(x); }

#include "rows_body.h"

const cio_rows cio_rows_neon = ROWS("neon");
#else
typedef int cio_nothing_here;
#endif
