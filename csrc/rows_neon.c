/* Rows in vectors of 16 bytes, for aarch64. Its stores past the cache are hints that compilers do
 * not offer alike, so both ways of writing are the same here. */
#include "targets.h"

#ifdef CIO_ARM64
#include <arm_neon.h>
#include <stdint.h>

#define LANES 4
#define HAS_LOOK_UP
typedef float32x4_t V;
typedef uint8x16_t B;
typedef struct { uint8x16x4_t part[4]; } Table; /* entries 64 * k .. 64 * k + 63 */

static inline V set_f32(float x) { return vdupq_n_f32(x); }
static inline V mul_add(V x, V a, V b) { return vaddq_f32(vmulq_f32(x, a), b); }
static inline void put_f32(float *p, V x) { vst1q_f32(p, x); }
static inline B get_bytes(const uint8_t *p) { return vld1q_u8(p); }
static inline void put_bytes(uint8_t *p, B x) { vst1q_u8(p, x); }

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

#include "rows_body.h"

const cio_rows cio_rows_neon = ROWS("neon");
#else
typedef int cio_nothing_here;
#endif
