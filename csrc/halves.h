/* One float to float16 or bfloat16, rounded to nearest even. The vectors of every instruction
 * set must equal it. It also serves the few pixels that fill no vector. */
#ifndef CLOUDIO_HALVES_H
#define CLOUDIO_HALVES_H

#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline uint16_t f16_of(float x)
{
    const uint32_t sign = bits_of(x) >> 16 & 0x8000, bits = bits_of(x) & 0x7fffffff;
    if (bits > 0x7f800000) /* NaN: made quiet, the first bits of its payload kept */
        return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x1ff));
    if (bits >= 0x477ff000) /* 65520 and more */
        return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) { /* below 2^-14 halves are multiples of 2^-24, as floats from 1/2 on */
        const float shifted = (x < 0 ? -x : x) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - 0x3f000000));
    }
    return (uint16_t)(sign | (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13);
}

static inline uint16_t bf16_of(float x)
{
    const uint32_t bits = bits_of(x);
    if (x != x)
        return (uint16_t)((bits >> 16 & 0x8000) | 0x7fc0);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
