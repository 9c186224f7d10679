/* Rows in plain C: what every machine can run, and what the other tables must equal. */
#include <stdint.h>

#include "halves.h"

#define LANES 1
typedef float V;
typedef uint16_t H;

static inline V set_f32(float x) { return x; }
static inline V mul_add(V x, V a, V b) { return x * a + b; }
static inline V limit(V x, V lo, V hi)
{
    const V y = x < lo ? lo : x;
    return y > hi ? hi : y;
}
static inline V choose(V x, V nodata, V y, V fill) { return x == nodata || x != x ? fill : y; }
static inline void put_f32(float *p, V x) { *p = x; }
static inline H to_f16(V x) { return f16_of(x); }
static inline H to_bf16(V x) { return bf16_of(x); }
static inline void put_half(uint16_t *p, H x) { *p = x; }
static inline V load_u8(const uint8_t *p) { return *p; }
static inline V load_i8(const int8_t *p) { return *p; }
static inline V load_i16(const int16_t *p) { return *p; }
static inline V load_u16(const uint16_t *p) { return *p; }
static inline V load_f32(const float *p) { return *p; }

#include "rows_body.h"

const cio_rows cio_rows_base = ROWS("base");
