/* Counts what a patch holds. One store per pixel limits a histogram: everything else is cheap in
 * comparison, and plain C is enough. Labels hold few codes, which need no histogram: vectors of
 * pixels are compared with each code. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "checksum.h"
#include "cloudio.h"
#include "histogram.h"

enum {
    N_BYTES = 256,
    N_SHORTS = 65536,
    LANES = 8,
    CHUNK = 1024,  /* floats, which stay in the nearest cache */
    PIECE = 8128,  /* bytes, a multiple of 64, likewise */
    MOST_CODES = 32,
    ROWS_AHEAD = 8 /* 2 to 16 are all alike, and a third faster than 0 */
};
#define EACH_BYTE ((uint64_t)0x0101010101010101u)

static const char *row_at(const cio_patch *patch, size_t y)
{
    return patch->src + (ptrdiff_t)y * patch->step;
}

/* Row y of the window, or a later one to prefetch: the CPU's own prefetching ends with a page. */
static const char *row_in_window(const cio_patch *patch, size_t y, size_t item)
{
    return row_at(patch, y) + patch->left * item;
}

static const char *row_ahead(const cio_patch *patch, size_t y, size_t item)
{
    return row_in_window(patch, y + ROWS_AHEAD < patch->bottom ? y + ROWS_AHEAD : y, item);
}

static const char *next_row(const cio_patch *patch, size_t y, size_t item)
{
    cio_prefetch_row(row_ahead(patch, y, item), (patch->right - patch->left) * item);
    return row_in_window(patch, y, item);
}

/* ---- padding, outside the window ------------------------------------------------------------- */

static void widen_padding_range(cio_record *record, double x)
{
    record->padding_nan += x != x;
    if (x < record->padding_minimum || record->padding_minimum != record->padding_minimum)
        record->padding_minimum = x;
    if (x > record->padding_maximum || record->padding_maximum != record->padding_maximum)
        record->padding_maximum = x;
}

static void scan_padding_run(const char *src, size_t n, int type, cio_record *record)
{
    for (size_t i = 0; i < n; ++i)
        switch (type) {
        case CIO_U8: widen_padding_range(record, ((const uint8_t *)src)[i]); break;
        case CIO_I8: widen_padding_range(record, ((const int8_t *)src)[i]); break;
        case CIO_U16: widen_padding_range(record, ((const uint16_t *)src)[i]); break;
        case CIO_I16: widen_padding_range(record, ((const int16_t *)src)[i]); break;
        default: widen_padding_range(record, (double)((const float *)src)[i]);
        }
}

static void scan_padding(const cio_patch *patch, size_t item, int type, cio_record *record)
{
    for (size_t y = 0; y < patch->n_rows; ++y) {
        const char *row = row_at(patch, y);
        if (y < patch->top || y >= patch->bottom) {
            scan_padding_run(row, patch->n_cols, type, record);
            continue;
        }
        scan_padding_run(row, patch->left, type, record);
        scan_padding_run(row + patch->right * item, patch->n_cols - patch->right, type, record);
    }
}

/* ---- one byte a pixel ------------------------------------------------------------------------ */

/* Eight tables, because a number that was just stored is slow to load again. */
static void count_word(uint64_t word, uint32_t *tables)
{
    for (size_t k = 0; k < 8; ++k)
        ++tables[k * N_BYTES + (word >> 8 * k & 0xff)];
}

/* Labels are mostly areas of one class: words of one number are counted at once. */
static void count_bytes(const uint8_t *src, size_t n, uint32_t *tables)
{
    size_t i = 0;
    uint64_t words[4];
    for (; i + sizeof(words) <= n; i += sizeof(words)) {
        const uint64_t same = src[i] * EACH_BYTE;
        memcpy(words, src + i, sizeof(words));
        if (((words[0] ^ same) | (words[1] ^ same) | (words[2] ^ same) | (words[3] ^ same)) == 0) {
            tables[src[i]] += sizeof(words);
            continue;
        }
        for (size_t k = 0; k < 4; ++k)
            if (words[k] == (words[k] & 0xff) * EACH_BYTE)
                tables[words[k] & 0xff] += 8;
            else
                count_word(words[k], tables);
    }
    for (; i < n; ++i)
        ++tables[src[i]];
}

/* What a patch is counted in. Pixels are gathered in pieces, which stay in the nearest cache. */
typedef struct {
    uint32_t tables[8 * N_BYTES];
    uint8_t codes[MOST_CODES]; /* that are expected; none: pixels are counted one by one */
    size_t n_codes;
    int is_new; /* what to expect is not known yet */
    size_t n_held;
    uint8_t held[2][PIECE]; /* of pairs, the second is of the other array */
} counter;

static uint32_t sum_of_tables(const counter *c, size_t code)
{
    uint32_t n = 0;
    for (size_t t = 0; t < 8; ++t)
        n += c->tables[t * N_BYTES + code];
    return n;
}

/* Expect the codes that were found, in this patch or before, if they are few. */
static void expect_codes(counter *c, const uint32_t *table)
{
    c->n_codes = 0;
    for (size_t code = 0; code < N_BYTES; ++code) {
        if (table[code] == 0 && sum_of_tables(c, code) == 0)
            continue;
        if (c->n_codes == MOST_CODES) {
            c->n_codes = 0;
            return;
        }
        c->codes[c->n_codes++] = (uint8_t)code;
    }
}

static void begin_counting(const cio_rows *rows, counter *c, const uint32_t *table)
{
    memset(c->tables, 0, sizeof(c->tables));
    c->n_codes = c->n_held = 0;
    c->is_new = 0;
    if (rows->count_codes == NULL)
        return;
    expect_codes(c, table);
    for (size_t code = 0; c->n_codes == 0 && code < N_BYTES; ++code)
        if (table[code] != 0)
            return;
    c->is_new = c->n_codes == 0;
}

/* Add the pixels of a row for which the piece has room, and return how many. */
static size_t hold(counter *c, size_t k, const uint8_t *src, size_t n)
{
    if (n > PIECE - c->n_held)
        n = PIECE - c->n_held;
    memcpy(c->held[k] + c->n_held, src, n);
    return n;
}

/* Compare all pixels of a piece with each code that is expected, many at a time. Return whether
 * these were all codes of the piece; else nothing is counted. */
static int count_expected(const cio_rows *rows, counter *c)
{
    uint32_t counts[MOST_CODES] = {0};
    const size_t n = c->n_held / 64 * 64;
    size_t n_found = 0;
    if (c->n_codes == 0)
        return 0;
    rows->count_codes(c->held[0], n, c->codes, c->n_codes, counts);
    for (size_t k = 0; k < c->n_codes; ++k)
        n_found += counts[k];
    if (n_found < n)
        return 0;
    for (size_t k = 0; k < c->n_codes; ++k)
        c->tables[c->codes[k]] += counts[k];
    count_bytes(c->held[0] + n, c->n_held - n, c->tables);
    return 1;
}

static void count_piece(const cio_rows *rows, counter *c, const uint32_t *table)
{
    if (!count_expected(rows, c)) {
        count_bytes(c->held[0], c->n_held, c->tables);
        if (c->n_codes > 0 || c->is_new)
            expect_codes(c, table);
        c->is_new = 0;
    }
    c->n_held = 0;
}

/* Add what was counted to the counts of all patches, and to those of classes, or NULL; without a
 * look-up table, these are the numbers themselves. */
static void add_counts(const counter *c, const uint8_t *class_lut, uint32_t *table,
                       int64_t *classes)
{
    for (size_t code = 0; code < N_BYTES; ++code) {
        const uint32_t n = sum_of_tables(c, code);
        table[code] += n;
        if (n > 0 && classes != NULL)
            classes[class_lut == NULL ? code : class_lut[code]] += n;
    }
}

static void describe_bytes(const cio_histogram_spec *spec, const counter *c, cio_record *record)
{
    const int is_signed = spec->type == CIO_I8;
    for (int k = 0; k < N_BYTES; ++k) {
        /* In the order of the numbers. */
        const int x = is_signed ? k - 128 : k;
        const uint32_t n = sum_of_tables(c, (uint8_t)x);
        if (n == 0)
            continue;
        if (x == spec->nodata) {
            record->nodata = n;
            continue;
        }
        if (record->data == 0)
            record->minimum = x;
        record->maximum = x;
        record->data += n;
        record->negative += x < 0 ? n : 0;
        record->saturated += x == (is_signed ? INT8_MAX : UINT8_MAX) ? n : 0;
    }
}

static void add_bytes(const cio_rows *rows, const cio_histogram_spec *spec, const cio_patch *patch,
                      uint32_t *table, cio_record *record, int64_t *classes)
{
    const size_t width = patch->right - patch->left;
    counter c;
    begin_counting(rows, &c, table);
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const uint8_t *row = (const uint8_t *)next_row(patch, y, 1);
        size_t x = 0, n;
        for (; x < width && (c.n_codes > 0 || c.is_new); x += n) {
            n = hold(&c, 0, row + x, width - x);
            c.n_held += n;
            if (c.n_held == PIECE)
                count_piece(rows, &c, table);
        }
        count_bytes(row + x, width - x, c.tables);
    }
    count_piece(rows, &c, table);
    if (record != NULL)
        describe_bytes(spec, &c, record);
    add_counts(&c, spec->class_lut, table, spec->class_lut == NULL ? NULL : classes);
}

/* ---- two bytes a pixel ----------------------------------------------------------------------- */

/* Neighbors are often equal, and a number that was just stored is slow to load again: each pixel of
 * a pair has a counter of its own. */
static inline void count_eight(const uint16_t *src, uint32_t *table, uint32_t weight)
{
    for (size_t k = 0; k < 8; ++k)
        table[2 * (size_t)src[k] + k % 2] += weight;
}

/* Prefetch a line that is counted soon, into the nearest cache: one at a time, it has room. */
static inline void prefetch_line(const char *line)
{
#if defined(__GNUC__)
    __asm__ volatile(""); /* as in cio_prefetch_row */
#endif
    CIO_PREFETCH(line, 3);
}

/* `ahead`, a later row, is prefetched line by line: many prefetches at once wait for each other. */
static void count_shorts(const uint16_t *src, size_t n, uint32_t *table, uint32_t weight,
                         const char *ahead)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        prefetch_line(ahead + 2 * i);
        count_eight(src + i, table, weight);
        count_eight(src + i + 8, table, weight);
        count_eight(src + i + 16, table, weight);
        count_eight(src + i + 24, table, weight);
    }
    prefetch_line(ahead + 2 * i);
    for (; i + 8 <= n; i += 8)
        count_eight(src + i, table, weight);
    for (; i < n; ++i)
        table[2 * (size_t)src[i]] += weight;
}

/* Whether pixels are equal two by two, in all whole words of a row. */
static int is_repeated(const uint16_t *src, size_t n)
{
    uint64_t odd = 0, word;
    /* Most rows end here. */
    if (n >= 8 && (src[0] != src[1] || src[2] != src[3] || src[4] != src[5] || src[6] != src[7]))
        return 0;
    for (size_t i = 0; i + 4 <= n; i += 4) {
        memcpy(&word, src + i, 8);
        odd |= (word ^ word >> 16) & 0x0000ffff0000ffffu;
    }
    return odd == 0;
}

/* Bands of 20 and 60 m are stored at 10 m, so their pixels are equal two by two, from the first or
 * from the second on. */
static void count_row(const uint16_t *src, size_t n, uint32_t *table, uint32_t weight,
                      const char *ahead)
{
    uint64_t word;
    const size_t first = is_repeated(src, n) ? 0 : 1;
    if (n < 5 || (first == 1 && !is_repeated(src + 1, n - 1))) {
        count_shorts(src, n, table, weight, ahead);
        return;
    }
    const size_t end = first + (n - first) / 4 * 4;
    cio_prefetch_row(ahead, 2 * n);
    for (size_t i = first; i < end; i += 4) {
        memcpy(&word, src + i, 8);
        table[2 * (word & 0xffff)] += 2 * weight;
        table[2 * (word >> 32 & 0xffff) + 1] += 2 * weight;
    }
    count_shorts(src, first, table, weight, ahead);
    count_shorts(src + end, n - end, table, weight, ahead);
}

/* How numbers, signed or not, become int16 in the same order: these are compared. */
typedef struct {
    uint16_t flipped; /* bits */
    int32_t shift;    /* from int16 to the number */
} order;

static int16_t to_ordered(uint16_t bits, order by) { return (int16_t)(bits ^ by.flipped); }

static void widen_range(const uint16_t *src, size_t n, order by, int16_t *minimum,
                        int16_t *maximum)
{
    int16_t lo = *minimum, hi = *maximum;
    for (size_t i = 0; i < n; ++i) {
        const int16_t x = to_ordered(src[i], by);
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    *minimum = lo;
    *maximum = hi;
}

/* The range of the data, and counts that are 0 in most patches: no-data, negative and saturated
 * pixels. */
static void filter_nodata(const cio_histogram_spec *spec, const cio_patch *patch, order by,
                          cio_record *record)
{
    const int any = spec->nodata == spec->nodata;
    const int16_t none = any ? (int16_t)((int32_t)spec->nodata - by.shift) : 0;
    const int16_t zero = (int16_t)-by.shift;
    int16_t lo = INT16_MAX, hi = INT16_MIN;
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const uint16_t *src = (const uint16_t *)row_at(patch, y);
        uint32_t n_none = 0, n_negative = 0, n_saturated = 0;
        for (size_t i = patch->left; i < patch->right; ++i) {
            const int16_t x = to_ordered(src[i], by);
            const int data = !any | (x != none);
            n_none += (uint32_t)!data;
            n_negative += (uint32_t)(data & (x < zero));
            n_saturated += (uint32_t)(data & (x == INT16_MAX));
            lo = (data & (x < lo)) ? x : lo;
            hi = (data & (x > hi)) ? x : hi;
        }
        record->nodata += n_none;
        record->negative += n_negative;
        record->saturated += n_saturated;
    }
    record->data -= record->nodata;
    record->minimum = record->data ? (double)(lo + by.shift) : NAN;
    record->maximum = record->data ? (double)(hi + by.shift) : NAN;
}

/* Move a count of this patch to those of all patches, which follow it in the table. */
static void flush_class(const cio_histogram_spec *spec, uint32_t *table, uint16_t code,
                        int64_t *classes)
{
    const uint32_t n = table[2 * code] + table[2 * code + 1];
    table[2 * code] = table[2 * code + 1] = 0;
    table[2 * N_SHORTS + code] += n;
    classes[spec->class_lut[code]] += n;
}

static void add_shorts(const cio_histogram_spec *spec, const cio_patch *patch, uint32_t *table,
                       cio_record *record, int64_t *classes)
{
    const int brief = record == NULL && spec->class_lut == NULL;
    const order by = spec->type == CIO_I16 ? (order){0, 0} : (order){0x8000, 32768};
    const size_t width = patch->right - patch->left;
    const uint16_t *previous = NULL;
    int16_t lo = INT16_MAX, hi = INT16_MIN;
    uint32_t times = 0;
    if (width == 0 || patch->top == patch->bottom)
        return;
    /* Rows repeat for the same reason: a repeated row is counted once. */
    for (size_t y = patch->top; y < patch->bottom; ++y, ++times) {
        const uint16_t *row = (const uint16_t *)row_in_window(patch, y, sizeof(*row));
        const char *ahead = row_ahead(patch, y, sizeof(*row));
        if (previous == NULL || memcmp(row, previous, width * sizeof(*row)) == 0) {
            cio_prefetch_row(ahead, width * sizeof(*row));
            if (previous != NULL)
                continue;
        } else
            count_row(previous, width, table, times, ahead);
        if (!brief)
            widen_range(row, width, by, &lo, &hi);
        previous = row;
        times = 0;
    }
    count_row(previous, width, table, times, (const char *)previous);
    if (brief)
        return;
    const int32_t minimum = lo + by.shift, maximum = hi + by.shift;
    for (int32_t x = minimum; spec->class_lut != NULL && x <= maximum; ++x)
        flush_class(spec, table, (uint16_t)x, classes);
    if (record == NULL)
        return;
    record->data = (int64_t)((patch->bottom - patch->top) * width);
    record->minimum = minimum;
    record->maximum = maximum;
    if ((spec->nodata >= minimum && spec->nodata <= maximum) || minimum < 0 || hi == INT16_MAX)
        filter_nodata(spec, patch, by, record);
}

/* ---- floats ---------------------------------------------------------------------------------- */

/* As an integer, of which compilers compare many at a time; -0.0 is right below 0.0. */
static int32_t int_from_float(float x)
{
    int32_t bits;
    memcpy(&bits, &x, 4);
    return bits ^ (bits >> 31 & INT32_MAX);
}

static float float_from_int(int32_t ordered)
{
    float x;
    ordered ^= ordered >> 31 & INT32_MAX;
    memcpy(&x, &ordered, 4);
    return x;
}

/* floats_to_keys of cloudio/reading/scan.py. */
static uint32_t key_from_float(float x) { return (uint32_t)int_from_float(x) + 0x80000000u; }

static void count_buckets(const cio_histogram_spec *spec, const cio_patch *patch, uint32_t *table)
{
    const float nodata = (float)spec->nodata;
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const float *src = (const float *)next_row(patch, y, sizeof(*src));
        for (size_t i = 0; i < patch->right - patch->left; ++i) {
            const uint32_t key = key_from_float(src[i]), bucket = spec->buckets[key >> 16];
            if (bucket != 0 && src[i] == src[i] && src[i] != nodata)
                ++table[(bucket - 1) * N_SHORTS + (key & 0xffff)];
        }
    }
}

/* Whether all pixels are finite data, as they mostly are. */
static int is_clean(const float *src, size_t n, float nodata)
{
    int odd = 0;
    for (size_t i = 0; i < n; ++i)
        odd |= !(fabsf(src[i]) <= FLT_MAX) | (src[i] == nodata);
    return !odd;
}

/* Count data, finite or not, and widen their range. */
static void count_data(const float *src, size_t n, uint32_t *table, cio_record *record)
{
    int32_t lo = INT32_MAX, hi = INT32_MIN, n_negative = 0;
    for (size_t i = 0; i < n; ++i) {
        const int32_t x = int_from_float(src[i]);
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
        n_negative += x < -1;
    }
    for (size_t i = 0; i < n; ++i)
        ++table[2 * (key_from_float(src[i]) >> 16) + i % 2];
    if (record->data == 0 || float_from_int(lo) < record->minimum)
        record->minimum = float_from_int(lo);
    if (record->data == 0 || float_from_int(hi) > record->maximum)
        record->maximum = float_from_int(hi);
    record->negative += n_negative;
    record->data += (int64_t)n;
}

/* The finite data of a chunk, in order; its other pixels are counted here. */
static size_t filter_finite(const float *src, size_t n, float nodata, float *finite,
                            uint32_t *table, cio_record *record)
{
    size_t n_finite = 0;
    for (size_t i = 0; i < n; ++i)
        if (src[i] != src[i]) {
            ++record->nan;
        } else if (src[i] == nodata) {
            ++record->nodata;
        } else if (fabsf(src[i]) <= FLT_MAX) {
            finite[n_finite++] = src[i];
        } else {
            ++record->infinite;
            count_data(src + i, 1, table, record);
        }
    return n_finite;
}

/* The sum of x - center, or of its square; always in the same order. */
static double sum_centered(const float *src, size_t n, double center, int squared)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; ++k) {
            const double x = src[i + k] - center;
            lanes[k] += squared ? x * x : x;
        }
    for (size_t k = 0; i < n; ++i, ++k) {
        const double x = src[i] - center;
        lanes[k] += squared ? x * x : x;
    }
    for (size_t k = 0; k < LANES; ++k)
        sum += lanes[k];
    return sum;
}

/* Add n finite data to mean and squares (Chan, Golub and LeVeque 1979). All are centered on one
 * of them: a large common part would leave no bits for the differences. */
static void merge_moments(const float *src, size_t n, cio_record *record)
{
    const double n_before = (double)(record->data - record->infinite), n_here = (double)n;
    if (n_before == 0)
        record->center = src[0];
    const double mean = sum_centered(src, n, record->center, 0) / n_here;
    const double step = mean - record->mean;
    const double share = n_here / (n_before + n_here);
    record->m2 += sum_centered(src, n, record->center + mean, 1) + step * step * n_before * share;
    record->mean += step * share;
}

static void add_floats(const cio_histogram_spec *spec, const cio_patch *patch, uint32_t *table,
                       cio_record *record)
{
    cio_record unused = {0};
    const float nodata = (float)spec->nodata;
    float finite[CHUNK];
    if (record == NULL)
        record = &unused;
    const size_t width = patch->right - patch->left;
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const float *row = (const float *)next_row(patch, y, sizeof(*row));
        for (size_t x = 0; x < width; x += CHUNK) {
            const float *src = row + x;
            size_t n = width - x < CHUNK ? width - x : CHUNK;
            if (!is_clean(src, n, nodata)) {
                n = filter_finite(src, n, nodata, finite, table, record);
                src = finite;
            }
            if (n == 0)
                continue;
            merge_moments(src, n, record);
            count_data(src, n, table, record);
        }
    }
}

/* ---- two arrays ------------------------------------------------------------------------------ */

/* The next eight codes of two arrays. Return whether each array has one code only. */
static int take_words(const uint8_t *one, const uint8_t *other, uint64_t *a, uint64_t *b)
{
    memcpy(a, one, 8);
    memcpy(b, other, 8);
    return ((*a ^ one[0] * EACH_BYTE) | (*b ^ other[0] * EACH_BYTE)) == 0;
}

/* As count_bytes: where both have one class each, a word at once. */
static void count_pairs(const uint8_t *one, const uint8_t *other, size_t n, uint32_t *table)
{
    size_t i = 0;
    uint64_t a, b;
    for (; i + 8 <= n; i += 8) {
        if (take_words(one + i, other + i, &a, &b)) {
            table[2 * (one[i] << 8 | other[i])] += 8;
            continue;
        }
        for (size_t k = 0; k < 8; ++k)
            ++table[2 * ((a >> 8 * k & 0xff) << 8 | (b >> 8 * k & 0xff)) + k % 2];
    }
    for (; i < n; ++i)
        ++table[2 * (one[i] << 8 | other[i])];
}

/* As count_pairs, of classes. */
static void count_class_pairs(const uint8_t *one, const uint8_t *other, size_t n,
                              const uint8_t *luts, uint32_t *tables)
{
    size_t i = 0;
    uint64_t a, b;
    for (; i + 8 <= n; i += 8) {
        if (take_words(one + i, other + i, &a, &b)) {
            tables[luts[one[i]] + luts[N_BYTES + other[i]]] += 8;
            continue;
        }
        for (size_t k = 0; k < 8; ++k)
            ++tables[k * N_BYTES + luts[a >> 8 * k & 0xff] + luts[N_BYTES + (b >> 8 * k & 0xff)]];
    }
    for (; i < n; ++i)
        ++tables[luts[one[i]] + luts[N_BYTES + other[i]]];
}

/* Pairs of classes, of which there are at most 256, are counted as bytes are. */
static void add_class_pairs(const cio_rows *rows, const cio_histogram_spec *spec,
                            const cio_patch *one, const cio_patch *other, uint32_t *table,
                            int64_t *classes)
{
    const size_t width = one->right - one->left;
    counter c;
    begin_counting(rows, &c, table);
    for (size_t y = one->top; y < one->bottom; ++y) {
        const uint8_t *row = (const uint8_t *)next_row(one, y, 1);
        const uint8_t *other_row = (const uint8_t *)next_row(other, y, 1);
        if (rows->join == NULL) {
            count_class_pairs(row, other_row, width, spec->class_lut, c.tables);
            continue;
        }
        for (size_t x = 0, n; x < width; x += n) {
            n = hold(&c, 0, row + x, width - x);
            hold(&c, 1, other_row + x, n);
            c.n_held += n;
            if (c.n_held == PIECE || (y + 1 == one->bottom && x + n == width)) {
                rows->join(c.held[0], c.held[1], c.held[0], c.n_held, spec->class_lut);
                count_piece(rows, &c, table);
            }
        }
    }
    add_counts(&c, NULL, table, classes);
}

void cio_histogram_add_pair(const cio_rows *rows, const cio_histogram_spec *spec,
                            const cio_patch *one, const cio_patch *other, uint32_t *table,
                            int64_t *classes)
{
    if (spec->class_lut != NULL) {
        memset(classes, 0, spec->n_classes * sizeof(*classes));
        add_class_pairs(rows, spec, one, other, table, classes);
        return;
    }
    for (size_t y = one->top; y < one->bottom; ++y)
        count_pairs((const uint8_t *)next_row(one, y, 1), (const uint8_t *)next_row(other, y, 1),
                    one->right - one->left, table);
}

/* ---- all types ------------------------------------------------------------------------------- */

static size_t item_size(int type) { return type == CIO_F32 ? 4 : type >= CIO_I16 ? 2 : 1; }

size_t cio_histogram_bytes(const cio_histogram_spec *spec)
{
    const size_t n = spec->paired && spec->class_lut == NULL ? 2 * N_SHORTS
                     : item_size(spec->type) == 1 ? N_BYTES
                     : spec->buckets != NULL      ? spec->n_buckets * N_SHORTS
                     : spec->class_lut != NULL    ? 3 * N_SHORTS
                                                  : 2 * N_SHORTS;
    return n * sizeof(uint32_t);
}

void cio_histogram_add_patch(const cio_rows *rows, const cio_histogram_spec *spec,
                             const cio_patch *patch, uint32_t *table, cio_record *record,
                             int64_t *classes)
{
    static const cio_record nothing = {.minimum = NAN, .maximum = NAN, .padding_minimum = NAN,
                                       .padding_maximum = NAN};
    const size_t item = item_size(spec->type);
    if (spec->buckets != NULL) {
        count_buckets(spec, patch, table);
        return;
    }
    if (record != NULL)
        *record = nothing;
    if (spec->class_lut != NULL)
        memset(classes, 0, spec->n_classes * sizeof(*classes));
    switch (spec->type) {
    case CIO_I16:
    case CIO_U16: add_shorts(spec, patch, table, record, classes); break;
    case CIO_F32: add_floats(spec, patch, table, record); break;
    default: add_bytes(rows, spec, patch, table, record, classes);
    }
    if (record == NULL)
        return;
    scan_padding(patch, item, spec->type, record);
    if (spec->checksum)
        record->checksum = cio_checksum(patch->src, patch->step, patch->n_rows, patch->n_cols * item);
}

/* The counters of each number are two. Most numbers never occur. */
static void sum_pairs(const uint32_t *table, size_t begin, size_t end, uint64_t *sums)
{
    enum { AT_ONCE = 16 };
    for (size_t k = begin; k < end; k += AT_ONCE) {
        const size_t n = end - k < AT_ONCE ? end - k : AT_ONCE;
        uint32_t any = 0;
        for (size_t j = 2 * k; j < 2 * (k + n); ++j)
            any |= table[j];
        for (size_t j = k; any != 0 && j < k + n; ++j)
            sums[j] += (uint64_t)table[2 * j] + table[2 * j + 1];
    }
}

void cio_histogram_sum(const cio_histogram_spec *spec, const uint32_t *table, size_t begin,
                       size_t end, int64_t *counts)
{
    uint64_t *sums = (uint64_t *)counts; /* whatever the caller's counts are: these may wrap */
    if (cio_histogram_bytes(spec) == N_BYTES * sizeof(*table) || spec->buckets != NULL)
        for (size_t k = begin; k < end; ++k)
            sums[k] += table[k];
    else if (spec->class_lut != NULL)
        for (size_t k = begin; k < end; ++k)
            sums[k] += table[2 * N_SHORTS + k];
    else
        sum_pairs(table, begin, end, sums);
}
