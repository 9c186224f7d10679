/* A library to preload: one call of the system fails, the nth from now on.
 *
 * A program arms it through ctypes: fail(call, error, n). With an error of 0, a read is shortened
 * to one byte. `failed` says how many calls have failed since.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FSTAT, MMAP, PREAD, PREADV2, MADVISE, FADVISE, MINCORE, THREAD, N_CALLS };

static atomic_int left[N_CALLS], n_failed;
static int errors[N_CALLS];

void fail(int call, int error, int n)
{
    for (int k = 0; k < N_CALLS; ++k)
        atomic_store(&left[k], 0);
    atomic_store(&n_failed, 0);
    errors[call] = error;
    atomic_store(&left[call], n);
}

int failed(void) { return atomic_load(&n_failed); }

static int is_due(int call)
{
    if (atomic_load(&left[call]) <= 0 || atomic_fetch_sub(&left[call], 1) != 1)
        return 0;
    atomic_fetch_add(&n_failed, 1);
    return 1;
}

static void *system_call(const char *name) { return dlsym(RTLD_NEXT, name); }

/* -1 with errno, where a call is due. */
#define FAILS(call) (is_due(call) ? (errno = errors[call], 1) : 0)

#define FSTAT_AS(name, type)                                                                       \
    int name(int descriptor, type *status)                                                         \
    {                                                                                              \
        if (FAILS(FSTAT))                                                                          \
            return -1;                                                                             \
        return ((int (*)(int, type *))system_call(#name))(descriptor, status);                     \
    }
FSTAT_AS(fstat, struct stat)
FSTAT_AS(fstat64, struct stat64)

#define MMAP_AS(name)                                                                              \
    void *name(void *at, size_t n, int access, int flags, int descriptor, off_t offset)            \
    {                                                                                              \
        if (descriptor >= 0 && FAILS(MMAP))                                                        \
            return MAP_FAILED;                                                                     \
        return ((void *(*)(void *, size_t, int, int, int, off_t))system_call(#name))(              \
            at, n, access, flags, descriptor, offset);                                             \
    }
MMAP_AS(mmap)
MMAP_AS(mmap64)

#define PREAD_AS(name)                                                                             \
    ssize_t name(int descriptor, void *dst, size_t n, off_t offset)                                \
    {                                                                                              \
        if (is_due(PREAD)) {                                                                       \
            errno = errors[PREAD];                                                                 \
            if (errno != 0)                                                                        \
                return -1;                                                                         \
            n = n > 0;                                                                             \
        }                                                                                          \
        return ((ssize_t(*)(int, void *, size_t, off_t))system_call(#name))(descriptor, dst, n,    \
                                                                            offset);               \
    }
PREAD_AS(pread)
PREAD_AS(pread64)

#define PREADV2_AS(name)                                                                           \
    ssize_t name(int descriptor, const struct iovec *parts, int n, off_t offset, int flags)        \
    {                                                                                              \
        if (FAILS(PREADV2))                                                                        \
            return -1;                                                                             \
        return ((ssize_t(*)(int, const struct iovec *, int, off_t, int))system_call(#name))(       \
            descriptor, parts, n, offset, flags);                                                  \
    }
PREADV2_AS(preadv2)
PREADV2_AS(preadv64v2)

int madvise(void *at, size_t n, int advice)
{
    if (FAILS(MADVISE))
        return -1;
    return ((int (*)(void *, size_t, int))system_call("madvise"))(at, n, advice);
}

int posix_fadvise(int descriptor, off_t offset, off_t n, int advice)
{
    if (is_due(FADVISE))
        return errors[FADVISE];
    return ((int (*)(int, off_t, off_t, int))system_call("posix_fadvise"))(descriptor, offset, n,
                                                                           advice);
}

int mincore(void *at, size_t n, unsigned char *pages)
{
    if (FAILS(MINCORE))
        return -1;
    return ((int (*)(void *, size_t, unsigned char *))system_call("mincore"))(at, n, pages);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument)
{
    if (is_due(THREAD))
        return errors[THREAD];
    return ((int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))system_call(
        "pthread_create"))(thread, attributes, body, argument);
}
