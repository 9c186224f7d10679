/* Rows in vectors of 64 bytes, for x86-64 with AVX-512 F, BW, DQ and VL. */
#include "targets.h"

#ifdef CIO_X86
CIO_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl")
#include "rows_avx512.h"

typedef struct { __m512i part[16]; } Table; /* entries 16 * k .. 16 * k + 15, in each quarter */

static inline Table load_table(const uint8_t *entries)
{
    Table table;
    for (int k = 0; k < 16; ++k)
        table.part[k] = _mm512_broadcast_i32x4(get16(entries + 16 * k));
    return table;
}

/* These two as in rows_avx2.c. */
#define TABLE_PARTS 16
static inline B part_of(const Table *table, int k, B codes)
{
    const B in_part = _mm512_xor_si512(codes, _mm512_set1_epi8((char)(16 * k)));
    const B at = _mm512_adds_epu8(in_part, _mm512_set1_epi8(0x70));
    return _mm512_shuffle_epi8(table->part[k], at);
}

static inline B look_up(Table table, B codes)
{
    B classes = _mm512_setzero_si512();
    for (int k = 0; k < TABLE_PARTS; ++k)
        classes = _mm512_or_si512(classes, part_of(&table, k, codes));
    return classes;
}

#include "rows_body.h"

const cio_rows cio_rows_avx512 = ROWS("avx512");
CIO_TARGET_END
#else
typedef int cio_nothing_here;
#endif
