/* Rows in plain C: what every machine can run, and what the other tables must equal. */
#include <stdint.h>

#define LANES 1
typedef float V;

static inline V set_f32(float x) { return x; }
static inline V mul_add(V x, V a, V b) { return x * a + b; }
static inline void put_f32(float *p, V x) { *p = x; }
static inline V load_u8(const uint8_t *p) { return *p; }
static inline V load_i8(const int8_t *p) { return *p; }
static inline V load_i16(const int16_t *p) { return *p; }
static inline V load_u16(const uint16_t *p) { return *p; }
static inline V load_f32(const float *p) { return *p; }

#include "rows_body.h"

const cio_rows cio_rows_base = ROWS("base");
