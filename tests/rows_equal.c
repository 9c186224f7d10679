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
                        base->scale[type][store](src, (float *)wanted + shift, n, 1e-4f, -0.3f);
                        rows->scale[type][store](src, (float *)got + shift, n, 1e-4f, -0.3f);
                        failures += differ(rows->isa, "scale", wanted, got, sizeof got);
                    }
                    memset(got, 7, sizeof got);
                    rows->copy[store](source + shift, got + 3, n);
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
