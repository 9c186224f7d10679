/* The checksum of a patch, in one pass over its rows. */
#ifndef CLOUDIO_CHECKSUM_H
#define CLOUDIO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CIO_CHECKSUM_LANES = 8 };

/* A bijection of the state and of the word, so one changed word always changes the result. */
static inline uint64_t cio_checksum_mix(uint64_t state, uint64_t word)
{
    const uint64_t x = (state ^ word) * 0x9E3779B97F4A7C15u;
    return x << 29 | x >> 35;
}

/* Words go to eight lanes in turn, beginning again in each row; zeros fill the last word. Rows begin
 * `step` bytes apart. CHECKSUM of cloudio/reading/scan.py names what is computed here. */
static inline uint64_t cio_checksum(const char *src, ptrdiff_t step, size_t n_rows,
                                    size_t row_bytes)
{
    uint64_t lanes[CIO_CHECKSUM_LANES], sum = row_bytes * n_rows;
    for (size_t k = 0; k < CIO_CHECKSUM_LANES; ++k)
        lanes[k] = k;
    for (size_t y = 0; y < n_rows; ++y) {
        const char *row = src + (ptrdiff_t)y * step;
        uint64_t word;
        size_t i = 0;
        for (; i + 8 * CIO_CHECKSUM_LANES <= row_bytes; i += 8 * CIO_CHECKSUM_LANES)
            for (size_t k = 0; k < CIO_CHECKSUM_LANES; ++k) {
                memcpy(&word, row + i + 8 * k, 8);
                lanes[k] = cio_checksum_mix(lanes[k], word);
            }
        for (size_t k = 0; i < row_bytes; i += 8, ++k) {
            word = 0;
            memcpy(&word, row + i, row_bytes - i < 8 ? row_bytes - i : 8);
            lanes[k] = cio_checksum_mix(lanes[k], word);
        }
    }
    for (size_t k = 0; k < CIO_CHECKSUM_LANES; ++k)
        sum = cio_checksum_mix(sum, lanes[k]);
    return sum;
}

#endif
