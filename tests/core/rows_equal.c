/* Every table of row functions against the first, which is plain C: for running where Python is
 * not, under an emulator say. Exit status 0 where all bits of all rows agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloudio.h"

enum { WIDTH = 300, SHIFTS = 10 };

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

static const size_t sizes[CIO_N_TYPES] = {1, 1, 2, 2, 4}, float_sizes[CIO_N_FLOATS] = {4, 2, 2};
static const cio_affine how = {1e-4f, -0.3f, -0.5f, 1e30f, 5.0f, 0.25f};
static _Alignas(64) uint8_t source[4 * (WIDTH + SHIFTS)], table[65536 * 8];
static _Alignas(64) uint8_t wanted[8 * (WIDTH + SHIFTS)], got[8 * (WIDTH + SHIFTS)];

static void spoil(void)
{
    memset(wanted, 7, sizeof wanted);
    memset(got, 7, sizeof got);
}

static int scales(const cio_rows *base, const cio_rows *rows, size_t n, size_t shift, int store)
{
    int failures = 0;
    for (int type = 0; type < CIO_N_TYPES; ++type)
        for (int to = 0; to < CIO_N_FLOATS; ++to)
            for (int fills = 0; fills < 2; ++fills) {
                const uint8_t *src = source + sizes[type] * shift;
                uint8_t *one = wanted + float_sizes[to] * shift;
                uint8_t *other = got + float_sizes[to] * shift;
                /* Two rows, the second of which ends the line that the first began. */
                const size_t rest = n / 3, first = n - rest;
                cio_line line = {.ahead = n % 2 ? src : NULL};
                spoil();
                cio_line plain = {0};
                base->scale[type][to][fills][store](src, one, n, &how, &plain);
                cio_end_line(&plain);
                rows->scale[type][to][fills][store](src, other, first, &how, &line);
                rows->scale[type][to][fills][store](src + sizes[type] * first,
                                                    other + float_sizes[to] * first, rest, &how,
                                                    &line);
                cio_end_line(&line);
                failures += differ(rows->isa, "scale", wanted, got, sizeof got);
            }
    return failures;
}

static int moves(const cio_rows *base, const cio_rows *rows, size_t n, size_t shift)
{
    int failures = 0;
    for (int move = 0; move < CIO_N_MOVES; ++move) {
        const ptrdiff_t item = (ptrdiff_t)1 << move;
        const uint8_t *src = source + (ptrdiff_t)shift * item;
        spoil();
        base->reverse[move](src, wanted + item, n);
        rows->reverse[move](src, got + item, n);
        failures += differ(rows->isa, "reverse", wanted, got, sizeof got);
        /* Side by side, apart, and upside down. */
        for (size_t n_rows = 1; n_rows <= 20; ++n_rows) {
            const size_t n_cols = n / n_rows;
            const ptrdiff_t src_step = (ptrdiff_t)n_cols * item, close = (ptrdiff_t)n_rows * item;
            for (int apart = 0; apart < 2; ++apart) {
                const ptrdiff_t dst_step = close + apart * item;
                spoil();
                base->transpose[move](src, src_step, wanted + item, dst_step, n_rows, n_cols);
                rows->transpose[move](src, src_step, got + item, dst_step, n_rows, n_cols);
                failures += differ(rows->isa, "transpose", wanted, got, sizeof got);
            }
            if (n_cols == 0)
                continue;
            const ptrdiff_t last_row = (ptrdiff_t)(n_rows - 1) * src_step;
            const ptrdiff_t last_col = (ptrdiff_t)(n_cols - 1) * close;
            spoil();
            base->transpose[move](src + last_row, -src_step, wanted + last_col, -close, n_rows,
                                  n_cols);
            rows->transpose[move](src + last_row, -src_step, got + last_col, -close, n_rows,
                                  n_cols);
            failures += differ(rows->isa, "transpose", wanted, got, sizeof got);
        }
    }
    return failures;
}

/* Steps of -5 to 5 elements, that of the last element at the end of the source. */
static int picks(const cio_rows *base, const cio_rows *rows, size_t n)
{
    int failures = 0;
    for (int move = 0; move < CIO_N_MOVES; ++move)
        for (ptrdiff_t apart = -5; apart <= 5; ++apart) {
            const ptrdiff_t item = (ptrdiff_t)1 << move, step = apart * item;
            const size_t room = sizeof source / (size_t)(item * (apart < 0 ? -apart : apart + !apart));
            const size_t most = n < room ? n : room;
            const uint8_t *last = source + sizeof source - item;
            const uint8_t *src = apart < 0 ? last : last - ((ptrdiff_t)most - 1) * step;
            if (most == 0)
                src = source;
            spoil();
            base->pick[move](src, step, wanted + item, most);
            rows->pick[move](src, step, got + item, most);
            failures += differ(rows->isa, "pick", wanted, got, sizeof got);
        }
    return failures;
}

/* The last element that is needed lies at the end of the source; plain C against division. */
static int repeats(const cio_rows *base, const cio_rows *rows, size_t n)
{
    int failures = 0;
    for (int move = 0; move < CIO_N_MOVES; ++move)
        for (size_t repeat = 1; repeat <= 7; ++repeat)
            for (size_t skip = 0; skip < repeat; ++skip) {
                const size_t item = (size_t)1 << move;
                const size_t needed = n > 0 ? (skip + n - 1) / repeat + 1 : 0;
                const uint8_t *src = source + sizeof source - needed * item;
                spoil();
                for (size_t i = 0; i < n * item; ++i)
                    wanted[item + i] = src[(skip + i / item) / repeat * item + i % item];
                base->repeat[move](src, got + item, n, skip, repeat);
                failures += differ(base->isa, "repeat", wanted, got, sizeof got);
                memset(got, 7, sizeof got);
                rows->repeat[move](src, got + item, n, skip, repeat);
                failures += differ(rows->isa, "repeat", wanted, got, sizeof got);
            }
    return failures;
}

static int look_ups(const cio_rows *base, const cio_rows *rows, size_t n, size_t shift, int store)
{
    int failures = 0;
    for (size_t bytes = 1; bytes <= 2; ++bytes)
        for (int to = 0; to < CIO_N_CLASSES; ++to) {
            const size_t at = (to == CIO_TO_U8 ? 1 : 8) * shift;
            const uint8_t *src = source + 2 * shift;
            spoil();
            base->look_up[bytes - 1][to][store](src, wanted + at, n, table);
            rows->look_up[bytes - 1][to][store](src, got + at, n, table);
            failures += differ(rows->isa, "look_up", wanted, got, sizeof got);
        }
    return failures;
}

static int copies_and_checks(const cio_rows *base, const cio_rows *rows, size_t n, size_t shift,
                             int store)
{
    int failures = 0;
    cio_line line = {0};
    spoil();
    rows->copy[store](source + shift, got + 3, n, &line);
    cio_end_line(&line);
    failures += differ(rows->isa, "copy", source + shift, got + 3, n);
    for (int type = 0; type < CIO_N_TYPES; ++type) {
        spoil();
        base->check[type](source + sizes[type] * shift, wanted + 1, n, 5.0f);
        rows->check[type](source + sizes[type] * shift, got + 1, n, 5.0f);
        failures += differ(rows->isa, "check", wanted, got, sizeof got);
    }
    return failures;
}

/* Against plain C, which the first table leaves out: counts of few codes, and of sums of classes.
 * Tables whose entries differ in one part only, and in all. */
static int counts(const cio_rows *rows, size_t n, size_t shift)
{
    enum { TIMES = 70 }; /* vectors past what a byte counts to */
    const size_t whole = n / 64 * 64 * TIMES;
    static _Alignas(64) uint8_t many[WIDTH / 64 * 64 * TIMES + SHIFTS];
    uint8_t codes[40], tables[512], joined[WIDTH + 1];
    uint32_t found[40], expected[40];
    int failures = 0;
    if (rows->count_codes == NULL)
        return 0;
    const size_t most = shift == 0 && n % 16 > 12 ? 40 : 0; /* the longest part */
    for (size_t i = 0; i < whole; ++i)
        many[shift + i] = source[i % sizeof source] % (n % 3 == 0 ? 1 : n % 3 == 1 ? 40 : 200);
    for (size_t k = 0; k < 40; ++k)
        codes[k] = (uint8_t)(k * 7 % 40);
    for (size_t n_codes = 0; n_codes <= most; n_codes += 1 + n_codes / 5) {
        for (size_t k = 0; k < 40; ++k)
            found[k] = expected[k] = (uint32_t)k;
        for (size_t k = 0; k < n_codes; ++k)
            for (size_t i = 0; i < whole; ++i)
                expected[k] += many[shift + i] == codes[k];
        rows->count_codes(many + shift, whole, codes, n_codes, found);
        failures += differ(rows->isa, "count_codes", expected, found, sizeof found);
    }
    for (size_t i = 0; i < 512; ++i)
        tables[i] = n % 4 == 0 || i / 16 == n % 32 ? table[i] : (uint8_t)n;
    spoil();
    for (size_t i = 0; i < n; ++i)
        wanted[1 + i] = (uint8_t)(tables[source[shift + i]] + tables[256 + source[2 * shift + i]]);
    rows->join(source + shift, source + 2 * shift, got + 1, n, tables);
    failures += differ(rows->isa, "join", wanted, got, sizeof got);
    memcpy(joined, source + shift, n);
    rows->join(joined, source + 2 * shift, joined, n, tables);
    failures += differ(rows->isa, "join in place", wanted + 1, joined, n);
    return failures;
}

int main(void)
{
    const cio_rows *base = cio_rows_available(0), *rows;
    int failures = 0;
    for (size_t i = 0; i < sizeof table; ++i)
        table[i] = noise();
    for (size_t k = 1; (rows = cio_rows_available(k)) != NULL; ++k)
        for (size_t n = 0; n <= WIDTH; ++n)
            for (size_t shift = 0; shift < SHIFTS; ++shift) {
                for (size_t i = 0; i < sizeof source; ++i)
                    source[i] = noise() % 16 ? noise() : 5;
                failures += moves(base, rows, n, shift) + counts(rows, n, shift);
                failures += shift == 0 ? picks(base, rows, n) + repeats(base, rows, n) : 0;
                for (int store = 0; store < CIO_N_STORES; ++store) {
                    failures += scales(base, rows, n, shift, store);
                    failures += copies_and_checks(base, rows, n, shift, store);
                    failures += look_ups(base, rows, n, shift, store);
                }
            }
    return failures != 0;
}
