/* The end of streamed rows: the line that was held, and the fence. No state. */
#include <string.h>

#include "cloudio.h"
#include "targets.h"

#ifdef CIO_X86
#include <immintrin.h>
#endif

void cio_end_line(cio_line *line)
{
    if (line->end > line->begin)
        memcpy(line->at + line->begin, line->bytes + line->begin, line->end - line->begin);
    line->begin = line->end = 0;
}

void cio_store_fence(void)
{
#ifdef CIO_X86
    _mm_sfence();
#endif
}
