/* Every table of row functions against the first, which is plain C: for running where Python is
 * not, under an emulator say. Exit status 0 where all bits of all rows agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloudio.h"

enum { WIDTH = 300, SHIFTS = 20 };

static uint32_t state = 1;
static uint8_t noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (uint8_t)(state >> 24);
}

static int differ(const char *isa, const char *what, const void *one, const void *other, size_t n)
{
    if (memcmp(one, other, n) == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", isa, what);
    return 1;
}

int main(void)
{
    static const size_t sizes[CIO_N_TYPES] = {1, 1, 2, 2, 4};
    static _Alignas(64) uint8_t source[4 * (WIDTH + SHIFTS)], table[65536 * 8];
    static _Alignas(64) uint8_t wanted[8 * (WIDTH + SHIFTS)], got[8 * (WIDTH + SHIFTS)];
    const cio_rows *base = cio_rows_available(0), *rows;
    int failures = 0;
    for (size_t i = 0; i < sizeof table; ++i)
        table[i] = noise();
    for (size_t k = 1; (rows = cio_rows_available(k)) != NULL; ++k)
        for (size_t n = 0; n <= WIDTH; ++n)
            for (size_t shift = 0; shift < SHIFTS; ++shift)
                for (int store = 0; store < CIO_N_STORES; ++store) {
                    for (size_t i = 0; i < sizeof source; ++i)
                        source[i] = noise();
                    for (int type = 0; type < CIO_N_TYPES; ++type) {
                        const uint8_t *src = source + sizes[type] * shift;
                        memset(wanted, 7, sizeof wanted);
                        memset(got, 7, sizeof got);
                        float *to = (float *)wanted + shift, *other = (float *)got + shift;
                        /* Two rows, the second of which ends the line that the first began. */
                        const size_t rest = n / 3, first = n - rest;
                        const uint8_t *next = src + sizes[type] * first;
                        cio_line line = {{0}, NULL, 0, 0};
                        base->scale[type][store](src, to, n, 1e-4f, -0.3f, NULL);
                        rows->scale[type][store](src, other, first, 1e-4f, -0.3f, &line);
                        rows->scale[type][store](next, other + first, rest, 1e-4f, -0.3f, &line);
                        cio_end_line(&line);
                        failures += differ(rows->isa, "scale", wanted, got, sizeof got);
                    }
                    memset(got, 7, sizeof got);
                    cio_line line = {{0}, NULL, 0, 0};
                    rows->copy[store](source + shift, got + 3, n, &line);
                    cio_end_line(&line);
                    failures += differ(rows->isa, "copy", source + shift, got + 3, n);
                    for (size_t bytes = 1; bytes <= 2; ++bytes)
                        for (int to = 0; to < CIO_N_CLASSES; ++to) {
                            const size_t at = (to == CIO_TO_U8 ? 1 : 8) * shift;
                            memset(wanted, 7, sizeof wanted);
                            memset(got, 7, sizeof got);
                            base->look_up[bytes - 1][to][store](source + 2 * shift, wanted + at, n,
                                                                table);
                            rows->look_up[bytes - 1][to][store](source + 2 * shift, got + at, n,
                                                                table);
                            failures += differ(rows->isa, "look_up", wanted, got, sizeof got);
                        }
                }
    return failures != 0;
}
