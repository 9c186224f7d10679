/* Which row functions this CPU can run. */
#include "cloudio.h"
#include "targets.h"

#ifdef CIO_X86
#ifdef _MSC_VER
#include <windows.h>
#else
#include <cpuid.h>
#endif
#endif

extern const cio_rows cio_rows_base;
#ifdef CIO_X86
extern const cio_rows cio_rows_avx2, cio_rows_avx512, cio_rows_avx512vbmi;

#ifndef _MSC_VER
/* Asks the CPU itself: compilers before gcc 11 and clang 18 do not know the name. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

/* How many of the three this CPU runs; each needs what the one before it needs. */
static size_t n_extensions(void)
{
#ifdef _MSC_VER
    return IsProcessorFeaturePresent(PF_AVX2_INSTRUCTIONS_AVAILABLE) ? 1 : 0;
#else
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && has_f16c()))
        return 0;
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
        return 1;
    return __builtin_cpu_supports("avx512vbmi") ? 3 : 2;
#endif
}

static const cio_rows *const extensions[] = {&cio_rows_avx2, &cio_rows_avx512,
                                             &cio_rows_avx512vbmi};
#elif defined(CIO_ARM64)
extern const cio_rows cio_rows_neon;
static size_t n_extensions(void) { return 1; }
static const cio_rows *const extensions[] = {&cio_rows_neon};
#else
static size_t n_extensions(void) { return 0; }
static const cio_rows *const extensions[] = {NULL};
#endif

const cio_rows *cio_rows_available(size_t k)
{
    if (k == 0)
        return &cio_rows_base;
    return k <= n_extensions() ? extensions[k - 1] : NULL;
}
