/* What is counted of a patch, in one pass over its rows. Total functions, as those of cloudio.h. */
#ifndef CLOUDIO_TALLY_H
#define CLOUDIO_TALLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of one patch; cloudio/scan.py, RECORD, says what each number means. */
typedef struct cio_record {
    uint64_t checksum;
    int64_t data, nodata, nan, infinite, negative, top;
    double least, most, centre, mean, m2, frame_least, frame_most;
    int64_t frame_nan;
} cio_record;

/* What to count, the same for all patches of an array. */
typedef struct cio_tally {
    int type;      /* of the pixels: CIO_U8.. of cloudio.h */
    double nodata; /* NaN: no number is */
    int checksum;  /* whether one is made */
    int paired;    /* two arrays of one byte a pixel, their numbers together */
    /* The class of each number by its bits read as unsigned, 256 or 65,536 of them; or NULL. */
    const uint8_t *class_lut;
    size_t n_classes;
    /* Of floats: 1 + the place of each upper half of a key that is looked into, or 0; or NULL. */
    const uint16_t *buckets;
    size_t n_buckets;
} cio_tally;

/* The rows of a patch that were read, and the window in them that is counted. */
typedef struct cio_patch {
    const char *src;
    ptrdiff_t step; /* bytes from one row to the next */
    size_t n_rows, n_cols;
    size_t top, left, bottom, right;
} cio_patch;

/* Bytes of the table that each thread counts in; it begins as zeros. A number of a table is at most
 * the number of pixels, which must stay below 2**32. */
size_t cio_tally_bytes(const cio_tally *how);

/* Count a patch: write its record, unless that is NULL, add its numbers to the table, and write how
 * many pixels are of each class where there is a `class_lut`. With `buckets`, only the table is written. */
void cio_tally_patch(const cio_tally *how, const cio_patch *patch, uint32_t *table,
                     cio_record *record, int64_t *classes);

/* Count the pairs of numbers at the same pixels of two arrays of one byte each. */
void cio_tally_pair(const cio_patch *one, const cio_patch *other, uint32_t *table);

/* Add a table to counts: 256 or 65,536 of them, by the numbers' bits read as unsigned, of pairs by
 * the first of these times 256 and the second; of floats by the upper half of the key; with
 * `buckets`, 65,536 for each, by the lower half. */
void cio_tally_sum(const cio_tally *how, const uint32_t *table, int64_t *counts);

#ifdef __cplusplus
}
#endif
#endif
