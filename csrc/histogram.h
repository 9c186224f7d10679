/* What is counted of a patch, in one pass over its rows. These functions cannot fail, like the row
 * functions of cloudio.h. */
#ifndef CLOUDIO_HISTOGRAM_H
#define CLOUDIO_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "cloudio.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is counted of one patch; RECORD of cloudio/reading/scan.py says what each number means. */
typedef struct cio_record {
    uint64_t checksum;
    int64_t data, nodata, nan, infinite, negative, saturated;
    double minimum, maximum, center, mean, m2, padding_minimum, padding_maximum;
    int64_t padding_nan;
} cio_record;

/* What to count, the same for all patches of an array. */
typedef struct cio_histogram_spec {
    int type;      /* of the pixels: CIO_U8.. of cloudio.h */
    double nodata; /* NaN: every number is data */
    int checksum;  /* whether one is made */
    int paired;    /* two arrays of one byte a pixel: pairs of numbers are counted */
    /* The class of each of 256 or 65,536 numbers, by its bits read as unsigned; or NULL. If paired,
     * 256 classes for each array: the pair of two classes is their sum, which is below 256. */
    const uint8_t *class_lut;
    size_t n_classes;
    /* Of floats: for each upper half of a key 1 + the bucket that counts its lower halves, or 0; or
     * NULL. */
    const uint16_t *buckets;
    size_t n_buckets;
} cio_histogram_spec;

/* The rows of a patch that were read, and the window in them that is counted. */
typedef struct cio_patch {
    const char *src;
    ptrdiff_t step; /* bytes from one row to the next */
    size_t n_rows, n_cols;
    size_t top, left, bottom, right;
} cio_patch;

/* Bytes of the table that each thread counts in; it begins as zeros. A counter reaches at most the
 * number of pixels, which must stay below 2**32. */
size_t cio_histogram_bytes(const cio_histogram_spec *spec);

/* Count a patch: write its record, unless that is NULL; add its numbers to the table; and with a
 * `class_lut` write how many pixels each class has. With `buckets`, only the table is written. */
void cio_histogram_add_patch(const cio_rows *rows, const cio_histogram_spec *spec,
                             const cio_patch *patch, uint32_t *table, cio_record *record,
                             int64_t *classes);

/* Count the pairs of numbers at the same pixels of two arrays of one byte each; with a `class_lut`
 * those of classes instead, of which `classes` also gets how many pixels of the patch have each. */
void cio_histogram_add_pair(const cio_rows *rows, const cio_histogram_spec *spec,
                            const cio_patch *one, const cio_patch *other, uint32_t *table,
                            int64_t *classes);

/* Add counters [begin, end) of a table to counts. There are 256 or 65,536 of them, by the numbers'
 * bits read as unsigned; of pairs, by the first number times 256 plus the second, or by their sums;
 * of floats, by the upper half of the key; with `buckets`, 65,536 for each bucket, by the lower half. */
void cio_histogram_sum(const cio_histogram_spec *spec, const uint32_t *table, size_t begin,
                       size_t end, int64_t *counts);

#ifdef __cplusplus
}
#endif
#endif
