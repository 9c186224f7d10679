/* Which machine this is compiled for, and how a function asks for instructions that the machine
 * may lack. No compiler flag does this, so one library runs on all of them. */
#ifndef CLOUDIO_TARGETS_H
#define CLOUDIO_TARGETS_H

#include <stdint.h>

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define CIO_X86
#elif defined(__aarch64__) || defined(_M_ARM64)
#define CIO_ARM64
#endif

#define CIO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CIO_TARGET_BEGIN(isa) \
    CIO_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define CIO_TARGET_END CIO_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define CIO_TARGET_BEGIN(isa) CIO_PRAGMA(GCC push_options) CIO_PRAGMA(GCC target(isa))
#define CIO_TARGET_END CIO_PRAGMA(GCC pop_options)
#else /* MSVC compiles any intrinsic anywhere */
#define CIO_TARGET_BEGIN(isa)
#define CIO_TARGET_END
#endif

#endif
