/* Rows in plain C: every machine can run them, and the other tables must equal them. */
#include <stdint.h>

#include "halves.h"

#define LANES 1
typedef float V;
typedef struct { uint16_t x, y; } H;

static inline V set_f32(float x) { return x; }
static inline V mul_add(V x, V a, V b) { return x * a + b; }
static inline V limit(V x, V lo, V hi)
{
    const V y = x < lo ? lo : x;
    return y > hi ? hi : y;
}
static inline V choose(V x, V nodata, V y, V fill) { return x == nodata || x != x ? fill : y; }
static inline void put_f32(float *p, V x) { *p = x; }
static inline H to_f16(V x, V y)
{
    const H both = {f16_of(x), f16_of(y)};
    return both;
}
static inline H to_bf16(V x, V y)
{
    const H both = {bf16_of(x), bf16_of(y)};
    return both;
}
static inline V canonical_nan(V x) { return x; } /* bf16_of does it */
static inline void put_halves(uint16_t *p, H both)
{
    p[0] = both.x;
    p[1] = both.y;
}
static inline V load_u8(const uint8_t *p) { return *p; }
static inline V load_i8(const int8_t *p) { return *p; }
static inline V load_i16(const int16_t *p) { return *p; }
static inline V load_u16(const uint16_t *p) { return *p; }
static inline V load_f32(const float *p) { return *p; }

#include "rows_body.h"

const cio_rows cio_rows_base = ROWS("base");
