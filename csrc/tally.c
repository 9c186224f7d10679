/* Counting what a patch holds. Histograms are bound by one store a pixel, so that all else is cheap
 * beside them, and plain C will do. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cloudio.h"
#include "tally.h"

enum {
    N_BYTES = 256,
    N_SHORTS = 65536,
    LANES = 8,
    PIECE = 1024, /* floats that stay in the nearest cache */
    AHEAD = 8     /* rows; of 2 to 16 all are alike, and a third faster than none */
};
#define EACH_BYTE ((uint64_t)0x0101010101010101u)

static const char *row_of(const cio_patch *patch, size_t y)
{
    return patch->src + (ptrdiff_t)y * patch->step;
}

/* Row y of the window, of which later rows are asked for: the CPU's own fetching ends with a page. */
static const char *next_row(const cio_patch *patch, size_t y, size_t item)
{
    const size_t ahead = y + AHEAD < patch->bottom ? y + AHEAD : y;
    cio_prefetch_row(row_of(patch, ahead) + patch->left * item,
                     (patch->right - patch->left) * item);
    return row_of(patch, y) + patch->left * item;
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* Words go to eight lanes in turn, each row anew, the last word filled up with zeros. A step takes
 * every state and every word to another one each, so one changed word cannot go unseen. */
static uint64_t stir(uint64_t state, uint64_t word)
{
    const uint64_t x = (state ^ word) * 0x9E3779B97F4A7C15u;
    return x << 29 | x >> 35;
}

static uint64_t checksum_of(const cio_patch *patch, size_t item)
{
    const size_t n_bytes = patch->n_cols * item;
    uint64_t lanes[LANES], sum = n_bytes * patch->n_rows;
    for (size_t k = 0; k < LANES; ++k)
        lanes[k] = k;
    for (size_t y = 0; y < patch->n_rows; ++y) {
        const char *row = row_of(patch, y);
        uint64_t word;
        size_t i = 0;
        for (; i + 8 * LANES <= n_bytes; i += 8 * LANES)
            for (size_t k = 0; k < LANES; ++k) {
                memcpy(&word, row + i + 8 * k, 8);
                lanes[k] = stir(lanes[k], word);
            }
        for (size_t k = 0; i < n_bytes; i += 8, ++k) {
            word = 0;
            memcpy(&word, row + i, n_bytes - i < 8 ? n_bytes - i : 8);
            lanes[k] = stir(lanes[k], word);
        }
    }
    for (size_t k = 0; k < LANES; ++k)
        sum = stir(sum, lanes[k]);
    return sum;
}

/* ---- the frame ------------------------------------------------------------------------------- */

static void widen(cio_record *record, double x)
{
    record->frame_nan += x != x;
    if (x < record->frame_least || record->frame_least != record->frame_least)
        record->frame_least = x;
    if (x > record->frame_most || record->frame_most != record->frame_most)
        record->frame_most = x;
}

static void look_at(const char *src, size_t n, int type, cio_record *record)
{
    for (size_t i = 0; i < n; ++i)
        switch (type) {
        case CIO_U8: widen(record, ((const uint8_t *)src)[i]); break;
        case CIO_I8: widen(record, ((const int8_t *)src)[i]); break;
        case CIO_U16: widen(record, ((const uint16_t *)src)[i]); break;
        case CIO_I16: widen(record, ((const int16_t *)src)[i]); break;
        default: widen(record, (double)((const float *)src)[i]);
        }
}

static void look_around(const cio_patch *patch, size_t item, int type, cio_record *record)
{
    for (size_t y = 0; y < patch->n_rows; ++y) {
        const char *row = row_of(patch, y);
        if (y < patch->top || y >= patch->bottom) {
            look_at(row, patch->n_cols, type, record);
            continue;
        }
        look_at(row, patch->left, type, record);
        look_at(row + patch->right * item, patch->n_cols - patch->right, type, record);
    }
}

/* ---- one byte a pixel ------------------------------------------------------------------------ */

/* Eight tables, for a number that was just stored is slow to load again. */
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

static void tally_bytes(const cio_tally *how, const cio_patch *patch, uint32_t *table,
                        cio_record *record, int64_t *classes)
{
    uint32_t tables[8 * N_BYTES] = {0};
    const int is_signed = how->type == CIO_I8;
    for (size_t y = patch->top; y < patch->bottom; ++y)
        count_bytes((const uint8_t *)next_row(patch, y, 1), patch->right - patch->left, tables);
    for (int k = 0; k < N_BYTES; ++k) {
        /* From the least number on. */
        const int x = is_signed ? k - 128 : k;
        const uint8_t code = (uint8_t)x;
        uint32_t n = 0;
        for (size_t t = 0; t < 8; ++t)
            n += tables[t * N_BYTES + code];
        if (n == 0)
            continue;
        table[code] += n;
        if (how->class_lut != NULL)
            classes[how->class_lut[code]] += n;
        if (record == NULL)
            continue;
        if (x == how->nodata) {
            record->nodata = n;
            continue;
        }
        if (record->data == 0)
            record->least = x;
        record->most = x;
        record->data += n;
        record->negative += x < 0 ? n : 0;
        record->top += x == (is_signed ? INT8_MAX : UINT8_MAX) ? n : 0;
    }
}

/* ---- two bytes a pixel ----------------------------------------------------------------------- */

/* Neighbours are often equal, and a number that was just stored is slow to load again: each pixel
 * of a pair has a number of its own. */
static void count_shorts(const uint16_t *src, size_t n, uint32_t *table, uint32_t by)
{
    size_t i = 0;
    uint64_t word;
    for (; i + 4 <= n; i += 4) {
        memcpy(&word, src + i, 8);
        table[2 * (word & 0xffff)] += by;
        table[2 * (word >> 16 & 0xffff) + 1] += by;
        table[2 * (word >> 32 & 0xffff)] += by;
        table[2 * (word >> 48) + 1] += by;
    }
    for (; i < n; ++i)
        table[2 * src[i]] += by;
}

/* Whether pixels are equal two by two, all of those that are in whole words. */
static int is_doubled(const uint16_t *src, size_t n)
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

/* Bands of 20 and 60 m are stored at 10 m, so that their pixels are equal two by two, from the
 * first or from the second on. */
static void count_row(const uint16_t *src, size_t n, uint32_t *table, uint32_t by)
{
    uint64_t word;
    const size_t first = is_doubled(src, n) ? 0 : 1;
    if (n < 5 || (first == 1 && !is_doubled(src + 1, n - 1))) {
        count_shorts(src, n, table, by);
        return;
    }
    const size_t end = first + (n - first) / 4 * 4;
    for (size_t i = first; i < end; i += 4) {
        memcpy(&word, src + i, 8);
        table[2 * (word & 0xffff)] += 2 * by;
        table[2 * (word >> 32 & 0xffff) + 1] += 2 * by;
    }
    count_shorts(src, first, table, by);
    count_shorts(src + end, n - end, table, by);
}

/* Signed or not, numbers are compared as these, which are in the same order. */
typedef struct {
    uint16_t turned; /* bits */
    int32_t shift;   /* from these to the numbers */
} order;

static int16_t ordered(uint16_t bits, order by) { return (int16_t)(bits ^ by.turned); }

static void widen_extent(const uint16_t *src, size_t n, order by, int16_t *least, int16_t *most)
{
    int16_t lo = *least, hi = *most;
    for (size_t i = 0; i < n; ++i) {
        const int16_t x = ordered(src[i], by);
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    *least = lo;
    *most = hi;
}

/* What most patches have none of, and the extent without it. */
static void sift(const cio_tally *how, const cio_patch *patch, order by, cio_record *record)
{
    const int any = how->nodata == how->nodata;
    const int16_t none = any ? (int16_t)((int32_t)how->nodata - by.shift) : 0;
    const int16_t zero = (int16_t)-by.shift;
    int16_t lo = INT16_MAX, hi = INT16_MIN;
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const uint16_t *src = (const uint16_t *)row_of(patch, y);
        uint32_t n_none = 0, n_negative = 0, n_top = 0;
        for (size_t i = patch->left; i < patch->right; ++i) {
            const int16_t x = ordered(src[i], by);
            const int data = !any | (x != none);
            n_none += (uint32_t)!data;
            n_negative += (uint32_t)(data & (x < zero));
            n_top += (uint32_t)(data & (x == INT16_MAX));
            lo = data & (x < lo) ? x : lo;
            hi = data & (x > hi) ? x : hi;
        }
        record->nodata += n_none;
        record->negative += n_negative;
        record->top += n_top;
    }
    record->data -= record->nodata;
    record->least = record->data ? (double)(lo + by.shift) : NAN;
    record->most = record->data ? (double)(hi + by.shift) : NAN;
}

/* From the numbers of this patch to those of all, which follow. */
static void move_class(const cio_tally *how, uint32_t *table, uint16_t code, int64_t *classes)
{
    const uint32_t n = table[2 * code] + table[2 * code + 1];
    table[2 * code] = table[2 * code + 1] = 0;
    table[2 * N_SHORTS + code] += n;
    classes[how->class_lut[code]] += n;
}

static void tally_shorts(const cio_tally *how, const cio_patch *patch, uint32_t *table,
                         cio_record *record, int64_t *classes)
{
    const int brief = record == NULL && how->class_lut == NULL;
    const order by = how->type == CIO_I16 ? (order){0, 0} : (order){0x8000, 32768};
    const size_t width = patch->right - patch->left;
    const uint16_t *held = NULL;
    int16_t lo = INT16_MAX, hi = INT16_MIN;
    uint32_t times = 0;
    if (width == 0 || patch->top == patch->bottom)
        return;
    /* For the same reason rows repeat: one that does is counted once. */
    for (size_t y = patch->top; y < patch->bottom; ++y, ++times) {
        const uint16_t *row = (const uint16_t *)next_row(patch, y, sizeof(*row));
        if (held != NULL && memcmp(row, held, width * sizeof(*row)) == 0)
            continue;
        if (held != NULL)
            count_row(held, width, table, times);
        if (!brief)
            widen_extent(row, width, by, &lo, &hi);
        held = row;
        times = 0;
    }
    count_row(held, width, table, times);
    if (brief)
        return;
    const int32_t least = lo + by.shift, most = hi + by.shift;
    for (int32_t x = least; how->class_lut != NULL && x <= most; ++x)
        move_class(how, table, (uint16_t)x, classes);
    if (record == NULL)
        return;
    record->data = (int64_t)((patch->bottom - patch->top) * width);
    record->least = least;
    record->most = most;
    if ((how->nodata >= least && how->nodata <= most) || least < 0 || hi == INT16_MAX)
        sift(how, patch, by, record);
}

/* ---- floats ---------------------------------------------------------------------------------- */

/* As whole numbers, which compilers compare many at a time; -0.0 is right below 0.0. */
static int32_t whole_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, 4);
    return bits ^ (bits >> 31 & INT32_MAX);
}

static float float_of(int32_t whole)
{
    float x;
    whole ^= whole >> 31 & INT32_MAX;
    memcpy(&x, &whole, 4);
    return x;
}

/* The key of cloudio/scan.py. */
static uint32_t key_of(float x) { return (uint32_t)whole_of(x) + 0x80000000u; }

static void look_into(const cio_tally *how, const cio_patch *patch, uint32_t *table)
{
    const float nodata = (float)how->nodata;
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const float *src = (const float *)next_row(patch, y, sizeof(*src));
        for (size_t i = 0; i < patch->right - patch->left; ++i) {
            const uint32_t key = key_of(src[i]), place = how->buckets[key >> 16];
            if (place != 0 && src[i] == src[i] && src[i] != nodata)
                ++table[(place - 1) * N_SHORTS + (key & 0xffff)];
        }
    }
}

/* Whether all is finite data, as it mostly is. */
static int is_clean(const float *src, size_t n, float nodata)
{
    int odd = 0;
    for (size_t i = 0; i < n; ++i)
        odd |= !(fabsf(src[i]) <= FLT_MAX) | (src[i] == nodata);
    return !odd;
}

/* Data, and what is true of them whether they are finite or not. */
static void count_data(const float *src, size_t n, uint32_t *table, cio_record *record)
{
    int32_t lo = INT32_MAX, hi = INT32_MIN, n_negative = 0;
    for (size_t i = 0; i < n; ++i) {
        const int32_t x = whole_of(src[i]);
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
        n_negative += x < -1;
    }
    for (size_t i = 0; i < n; ++i)
        ++table[2 * (key_of(src[i]) >> 16) + i % 2];
    if (record->data == 0 || float_of(lo) < record->least)
        record->least = float_of(lo);
    if (record->data == 0 || float_of(hi) > record->most)
        record->most = float_of(hi);
    record->negative += n_negative;
    record->data += (int64_t)n;
}

/* The finite data of a piece, in order; the rest of it is counted. */
static size_t pick(const float *src, size_t n, float nodata, float *picked, uint32_t *table,
                   cio_record *record)
{
    size_t n_picked = 0;
    for (size_t i = 0; i < n; ++i)
        if (src[i] != src[i]) {
            ++record->nan;
        } else if (src[i] == nodata) {
            ++record->nodata;
        } else if (fabsf(src[i]) <= FLT_MAX) {
            picked[n_picked++] = src[i];
        } else {
            ++record->infinite;
            count_data(src + i, 1, table, record);
        }
    return n_picked;
}

/* The sum of x - centre, or of its square; always in the same order. */
static double sum_of(const float *src, size_t n, double centre, int squared)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; ++k) {
            const double x = src[i + k] - centre;
            lanes[k] += squared ? x * x : x;
        }
    for (size_t k = 0; i < n; ++i, ++k) {
        const double x = src[i] - centre;
        lanes[k] += squared ? x * x : x;
    }
    for (size_t k = 0; k < LANES; ++k)
        sum += lanes[k];
    return sum;
}

/* Adds to mean and squares those of n finite data (Chan, Golub and LeVeque 1979), all less a number
 * among them: what they have in common would leave no bits for how they differ. */
static void merge(const float *src, size_t n, cio_record *record)
{
    const double n_before = (double)(record->data - record->infinite), n_here = (double)n;
    if (n_before == 0)
        record->centre = src[0];
    const double mean = sum_of(src, n, record->centre, 0) / n_here, step = mean - record->mean;
    const double share = n_here / (n_before + n_here);
    record->m2 += sum_of(src, n, record->centre + mean, 1) + step * step * n_before * share;
    record->mean += step * share;
}

static void tally_floats(const cio_tally *how, const cio_patch *patch, uint32_t *table,
                         cio_record *record)
{
    cio_record unused = {0};
    const float nodata = (float)how->nodata;
    float picked[PIECE];
    if (record == NULL)
        record = &unused;
    const size_t width = patch->right - patch->left;
    for (size_t y = patch->top; y < patch->bottom; ++y) {
        const float *row = (const float *)next_row(patch, y, sizeof(*row));
        for (size_t x = 0; x < width; x += PIECE) {
            const float *src = row + x;
            size_t n = width - x < PIECE ? width - x : PIECE;
            if (!is_clean(src, n, nodata)) {
                n = pick(src, n, nodata, picked, table, record);
                src = picked;
            }
            if (n == 0)
                continue;
            merge(src, n, record);
            count_data(src, n, table, record);
        }
    }
}

/* ---- two arrays ------------------------------------------------------------------------------ */

/* As count_bytes: where both are of one class each, a block at once. */
static void count_pairs(const uint8_t *one, const uint8_t *other, size_t n, uint32_t *table)
{
    size_t i = 0;
    uint64_t a, b;
    for (; i + 8 <= n; i += 8) {
        memcpy(&a, one + i, 8);
        memcpy(&b, other + i, 8);
        if (((a ^ one[i] * EACH_BYTE) | (b ^ other[i] * EACH_BYTE)) == 0) {
            table[2 * (one[i] << 8 | other[i])] += 8;
            continue;
        }
        for (size_t k = 0; k < 8; ++k)
            ++table[2 * ((a >> 8 * k & 0xff) << 8 | (b >> 8 * k & 0xff)) + k % 2];
    }
    for (; i < n; ++i)
        ++table[2 * (one[i] << 8 | other[i])];
}

void cio_tally_pair(const cio_patch *one, const cio_patch *other, uint32_t *table)
{
    for (size_t y = one->top; y < one->bottom; ++y)
        count_pairs((const uint8_t *)next_row(one, y, 1), (const uint8_t *)next_row(other, y, 1),
                    one->right - one->left, table);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static size_t item_of(int type) { return type == CIO_F32 ? 4 : type >= CIO_I16 ? 2 : 1; }

size_t cio_tally_bytes(const cio_tally *how)
{
    const size_t n = how->paired             ? 2 * N_SHORTS
                     : item_of(how->type) == 1 ? N_BYTES
                     : how->buckets != NULL   ? how->n_buckets * N_SHORTS
                     : how->class_lut != NULL     ? 3 * N_SHORTS
                                             : 2 * N_SHORTS;
    return n * sizeof(uint32_t);
}

void cio_tally_patch(const cio_tally *how, const cio_patch *patch, uint32_t *table,
                     cio_record *record, int64_t *classes)
{
    static const cio_record nothing = {.least = NAN, .most = NAN, .frame_least = NAN,
                                       .frame_most = NAN};
    const size_t item = item_of(how->type);
    if (how->buckets != NULL) {
        look_into(how, patch, table);
        return;
    }
    if (record != NULL)
        *record = nothing;
    if (how->class_lut != NULL)
        memset(classes, 0, how->n_classes * sizeof(*classes));
    switch (how->type) {
    case CIO_I16:
    case CIO_U16: tally_shorts(how, patch, table, record, classes); break;
    case CIO_F32: tally_floats(how, patch, table, record); break;
    default: tally_bytes(how, patch, table, record, classes);
    }
    if (record == NULL)
        return;
    look_around(patch, item, how->type, record);
    if (how->checksum)
        record->checksum = checksum_of(patch, item);
}

void cio_tally_sum(const cio_tally *how, const uint32_t *table, int64_t *counts)
{
    const size_t n = cio_tally_bytes(how) / sizeof(*table);
    if (n == N_BYTES || how->buckets != NULL)
        for (size_t k = 0; k < n; ++k)
            counts[k] += table[k];
    else if (how->class_lut != NULL)
        for (size_t k = 0; k < N_SHORTS; ++k)
            counts[k] += table[2 * N_SHORTS + k];
    else
        for (size_t k = 0; k < N_SHORTS; ++k)
            counts[k] += (int64_t)table[2 * k] + table[2 * k + 1];
}
