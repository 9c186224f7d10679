/* As rows_avx512.c, where the CPU also has VBMI: all 256 entries of a table in four registers. */
#include "targets.h"

#ifdef CIO_X86
CIO_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")
#include "rows_avx512.h"

typedef struct { __m512i part[4]; } Table; /* entries 64 * k .. 64 * k + 63 */

static inline Table load_table(const uint8_t *entries)
{
    Table table;
    for (int k = 0; k < 4; ++k)
        table.part[k] = get_bytes(entries + 64 * k);
    return table;
}

/* One permutation reads 128 entries by the low seven bits; bit 7 chooses between two. */
static inline B look_up(Table table, B codes)
{
    const B low = _mm512_permutex2var_epi8(table.part[0], codes, table.part[1]);
    const B high = _mm512_permutex2var_epi8(table.part[2], codes, table.part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
}

#include "rows_body.h"

const cio_rows cio_rows_avx512vbmi = ROWS("avx512vbmi");
CIO_TARGET_END
#else
typedef int cio_nothing_here;
#endif
