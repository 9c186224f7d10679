/* A library to preload: calls of the system fail, or read and write less than they should.
 *
 * A program arms it through ctypes: watch(folder), then fail(call, error, n), and the nth call from
 * now on fails. With an error of 0 it reads or writes one byte. `failed` says how many have failed
 * since, `called` how many calls there were. Only calls about files below the folder count; of
 * memory, pages and threads only those of cloudio's compiled modules, and of Python's threads.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    OPEN, OPENDIR, READDIR, STAT, FSTAT, READLINK, STATFS, LSEEK, READ, PREAD, PREADV2, MMAP,
    MADVISE, FADVISE, MINCORE, CACHESTAT, THREAD, MALLOC, /* and what writes */
    WRITE, FSYNC, CLOSE, MKDIR, LINK, RENAME, UNLINK, CHMOD, N_CALLS
};

static const char names[] =
    "open opendir readdir stat fstat readlink statfs lseek read pread preadv2 mmap madvise fadvise "
    "mincore cachestat pthread_create malloc write fsync close mkdir link rename unlink chmod";

static atomic_long left[N_CALLS], n_called[N_CALLS];
static atomic_int n_failed;
static int errors[N_CALLS];
static char watched[PATH_MAX];

const char *call_names(void) { return names; }

void fail(int call, int error, long n)
{
    for (int k = 0; k < N_CALLS; ++k) {
        atomic_store(&left[k], 0);
        atomic_store(&n_called[k], 0);
    }
    atomic_store(&n_failed, 0);
    errors[call] = error;
    atomic_store(&left[call], n);
}

int failed(void) { return atomic_load(&n_failed); }

/* Since `fail` was called, of calls that it could make fail. */
long called(int call) { return atomic_load(&n_called[call]); }

static int is_due(int call)
{
    atomic_fetch_add(&n_called[call], 1);
    if (atomic_load(&left[call]) <= 0 || atomic_fetch_sub(&left[call], 1) != 1)
        return 0;
    atomic_fetch_add(&n_failed, 1);
    return 1;
}

static void *system_call(const char *name) { return dlsym(RTLD_NEXT, name); }

/* ---- whose call it is ------------------------------------------------------------------------ */

enum { MOST = 32 };
static struct { uintptr_t begin, end; } modules[MOST];
static int n_modules;

static int add_module(struct dl_phdr_info *info, size_t size, void *nothing)
{
    (void)size, (void)nothing;
    if (strstr(info->dlpi_name, "/cloudio/_core/") == NULL || n_modules == MOST)
        return 0;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (int k = 0; k < info->dlpi_phnum; ++k) {
        const uintptr_t at = info->dlpi_addr + info->dlpi_phdr[k].p_vaddr;
        if (info->dlpi_phdr[k].p_type != PT_LOAD)
            continue;
        begin = at < begin ? at : begin;
        end = at + info->dlpi_phdr[k].p_memsz > end ? at + info->dlpi_phdr[k].p_memsz : end;
    }
    modules[n_modules].begin = begin;
    modules[n_modules++].end = end;
    return 0;
}

/* Files below this folder count; how many of cloudio's modules are loaded. */
int watch(const char *folder)
{
    snprintf(watched, sizeof(watched), "%s", folder);
    n_modules = 0;
    dl_iterate_phdr(add_module, NULL);
    return n_modules;
}

static int of_module(const void *caller)
{
    for (int k = 0; k < n_modules; ++k)
        if ((uintptr_t)caller >= modules[k].begin && (uintptr_t)caller < modules[k].end)
            return 1;
    return 0;
}

static int of_python(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) != 0 && strstr(info.dli_fname, "python") != NULL &&
           strstr(info.dli_fname, "/site-packages/") == NULL;
}

static int is_below(const char *path)
{
    return watched[0] != 0 && strncmp(path, watched, strlen(watched)) == 0;
}

static int of_descriptor(int descriptor)
{
    char link[32], path[PATH_MAX];
    if (watched[0] == 0 || descriptor < 0)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    const ssize_t n = readlinkat(AT_FDCWD, link, path, sizeof(path) - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return is_below(path);
}

static int of_path(int folder, const char *path)
{
    int descriptor;
    if (path == NULL)
        return 0;
    if (sscanf(path, "/proc/self/fd/%d", &descriptor) == 1)
        return of_descriptor(descriptor);
    return path[0] == '/' || folder == AT_FDCWD ? is_below(path) : of_descriptor(folder);
}

/* Whether a call that counts is due; errno is then set. */
#define FAILS(call, counts) ((counts) && is_due(call) ? (errno = errors[call], 1) : 0)
#define CALLER __builtin_return_address(0)

/* ---- names and folders ----------------------------------------------------------------------- */

#define OPEN_AS(name)                                                                              \
    int cio_test_##name(const char *path, int flags, ...) __asm__(#name);                          \
    int cio_test_##name(const char *path, int flags, ...)                                          \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        const int mode = va_arg(more, int);                                                        \
        va_end(more);                                                                              \
        if (FAILS(OPEN, of_path(AT_FDCWD, path)))                                                  \
            return -1;                                                                             \
        return ((int (*)(const char *, int, ...))system_call(#name))(path, flags, mode);           \
    }
OPEN_AS(open)
OPEN_AS(open64)

#define OPENAT_AS(name)                                                                            \
    int cio_test_##name(int folder, const char *path, int flags, ...) __asm__(#name);              \
    int cio_test_##name(int folder, const char *path, int flags, ...)                              \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        const int mode = va_arg(more, int);                                                        \
        va_end(more);                                                                              \
        if (FAILS(OPEN, of_path(folder, path)))                                                    \
            return -1;                                                                             \
        return ((int (*)(int, const char *, int, ...))system_call(#name))(folder, path, flags,     \
                                                                          mode);                   \
    }
OPENAT_AS(openat)
OPENAT_AS(openat64)

/* A function of one path, two, or a path below a folder; FAILED is what it returns then. */
#define PATH_AS(call, result, name, parameters, folder, path, arguments)                           \
    result name parameters                                                                         \
    {                                                                                              \
        if (FAILS(call, of_path(folder, path)))                                                    \
            return (result)-1;                                                                     \
        return ((result(*) parameters)system_call(#name))arguments;                                \
    }
PATH_AS(STAT, int, stat, (const char *path, struct stat *s), AT_FDCWD, path, (path, s))
PATH_AS(STAT, int, stat64, (const char *path, struct stat64 *s), AT_FDCWD, path, (path, s))
PATH_AS(STAT, int, lstat, (const char *path, struct stat *s), AT_FDCWD, path, (path, s))
PATH_AS(STAT, int, lstat64, (const char *path, struct stat64 *s), AT_FDCWD, path, (path, s))
PATH_AS(STAT, int, fstatat, (int folder, const char *path, struct stat *s, int flags), folder, path,
        (folder, path, s, flags))
PATH_AS(STAT, int, fstatat64, (int folder, const char *path, struct stat64 *s, int flags), folder,
        path, (folder, path, s, flags))
PATH_AS(READLINK, ssize_t, readlink, (const char *path, char *to, size_t n), AT_FDCWD, path,
        (path, to, n))
PATH_AS(STATFS, int, statvfs, (const char *path, struct statvfs *s), AT_FDCWD, path, (path, s))
PATH_AS(STATFS, int, statvfs64, (const char *path, struct statvfs64 *s), AT_FDCWD, path, (path, s))
PATH_AS(MKDIR, int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
PATH_AS(LINK, int, link, (const char *from, const char *to), AT_FDCWD, to, (from, to))
PATH_AS(LINK, int, linkat, (int a, const char *from, int b, const char *to, int flags), b, to,
        (a, from, b, to, flags))
PATH_AS(RENAME, int, rename, (const char *from, const char *to), AT_FDCWD, to, (from, to))
PATH_AS(UNLINK, int, unlink, (const char *path), AT_FDCWD, path, (path))
PATH_AS(UNLINK, int, unlinkat, (int folder, const char *path, int flags), folder, path,
        (folder, path, flags))
PATH_AS(UNLINK, int, rmdir, (const char *path), AT_FDCWD, path, (path))
PATH_AS(CHMOD, int, chmod, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
PATH_AS(CHMOD, int, fchmodat, (int folder, const char *path, mode_t mode, int flags), folder, path,
        (folder, path, mode, flags))

DIR *opendir(const char *path)
{
    if (FAILS(OPENDIR, of_path(AT_FDCWD, path)))
        return NULL;
    return ((DIR * (*)(const char *)) system_call("opendir"))(path);
}

DIR *fdopendir(int descriptor)
{
    if (FAILS(OPENDIR, of_descriptor(descriptor)))
        return NULL;
    return ((DIR * (*)(int)) system_call("fdopendir"))(descriptor);
}

#define READDIR_AS(name, type)                                                                     \
    struct type *name(DIR *folder)                                                                 \
    {                                                                                              \
        if (FAILS(READDIR, of_descriptor(dirfd(folder))))                                          \
            return NULL;                                                                           \
        return ((struct type * (*)(DIR *)) system_call(#name))(folder);                            \
    }
READDIR_AS(readdir, dirent)
READDIR_AS(readdir64, dirent64)

/* ---- open files ------------------------------------------------------------------------------ */

#define FILE_AS(call, result, name, parameters, arguments)                                         \
    result name parameters                                                                         \
    {                                                                                              \
        if (FAILS(call, of_descriptor(descriptor)))                                                \
            return (result)-1;                                                                     \
        return ((result(*) parameters)system_call(#name))arguments;                                \
    }
FILE_AS(FSTAT, int, fstat, (int descriptor, struct stat *s), (descriptor, s))
FILE_AS(FSTAT, int, fstat64, (int descriptor, struct stat64 *s), (descriptor, s))
FILE_AS(STATFS, int, fstatfs, (int descriptor, struct statfs *s), (descriptor, s))
FILE_AS(STATFS, int, fstatfs64, (int descriptor, struct statfs64 *s), (descriptor, s))
FILE_AS(LSEEK, off_t, lseek, (int descriptor, off_t offset, int whence),
        (descriptor, offset, whence))
FILE_AS(LSEEK, off64_t, lseek64, (int descriptor, off64_t offset, int whence),
        (descriptor, offset, whence))
FILE_AS(FSYNC, int, fsync, (int descriptor), (descriptor))
FILE_AS(MMAP, void *, mmap, (void *at, size_t n, int access, int flags, int descriptor, off_t begin),
        (at, n, access, flags, descriptor, begin))
FILE_AS(MMAP, void *, mmap64,
        (void *at, size_t n, int access, int flags, int descriptor, off64_t begin),
        (at, n, access, flags, descriptor, begin))

/* Those that may do less than they are told. */
#define PART_AS(call, name, parameters, arguments)                                                 \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        if (FAILS(call, of_descriptor(descriptor))) {                                              \
            if (errors[call] != 0)                                                                 \
                return -1;                                                                         \
            n = n > 0;                                                                             \
        }                                                                                          \
        return ((ssize_t(*) parameters)system_call(#name))arguments;                               \
    }
PART_AS(READ, read, (int descriptor, void *dst, size_t n), (descriptor, dst, n))
PART_AS(WRITE, write, (int descriptor, const void *src, size_t n), (descriptor, src, n))
PART_AS(PREAD, pread, (int descriptor, void *dst, size_t n, off_t begin),
        (descriptor, dst, n, begin))
PART_AS(PREAD, pread64, (int descriptor, void *dst, size_t n, off64_t begin),
        (descriptor, dst, n, begin))

#define PREADV2_AS(name)                                                                           \
    ssize_t name(int descriptor, const struct iovec *parts, int n, off_t offset, int flags)        \
    {                                                                                              \
        struct iovec part = parts[0];                                                              \
        if (FAILS(PREADV2, of_descriptor(descriptor))) {                                           \
            if (errors[PREADV2] != 0)                                                              \
                return -1;                                                                         \
            part.iov_len = part.iov_len > 0;                                                       \
            parts = &part;                                                                         \
            n = 1;                                                                                 \
        }                                                                                          \
        return ((ssize_t(*)(int, const struct iovec *, int, off_t, int))system_call(#name))(       \
            descriptor, parts, n, offset, flags);                                                  \
    }
PREADV2_AS(preadv2)
PREADV2_AS(preadv64v2)

#define FADVISE_AS(name)                                                                           \
    int name(int descriptor, off_t offset, off_t n, int advice)                                    \
    {                                                                                              \
        if (FAILS(FADVISE, of_descriptor(descriptor)))                                             \
            return errors[FADVISE];                                                                \
        return ((int (*)(int, off_t, off_t, int))system_call(#name))(descriptor, offset, n,        \
                                                                     advice);                      \
    }
FADVISE_AS(posix_fadvise)
FADVISE_AS(posix_fadvise64)

/* As on Linux, a descriptor is closed even if that fails. */
int close(int descriptor)
{
    const int ours = of_descriptor(descriptor);
    const int closed = ((int (*)(int))system_call("close"))(descriptor);
    return closed != 0 || FAILS(CLOSE, ours) ? -1 : 0;
}

/* ---- pages, threads and memory --------------------------------------------------------------- */

int madvise(void *at, size_t n, int advice)
{
    if (FAILS(MADVISE, of_module(CALLER)))
        return -1;
    return ((int (*)(void *, size_t, int))system_call("madvise"))(at, n, advice);
}

int mincore(void *at, size_t n, unsigned char *pages)
{
    if (FAILS(MINCORE, of_module(CALLER)))
        return -1;
    return ((int (*)(void *, size_t, unsigned char *))system_call("mincore"))(at, n, pages);
}

long syscall(long number, ...)
{
    enum { CACHESTAT_NUMBER = 451 };
    va_list more;
    va_start(more, number);
    const long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long);
    const long d = va_arg(more, long), e = va_arg(more, long), f = va_arg(more, long);
    va_end(more);
    if (number == CACHESTAT_NUMBER && FAILS(CACHESTAT, of_module(CALLER)))
        return -1;
    return ((long (*)(long, ...))system_call("syscall"))(number, a, b, c, d, e, f);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument)
{
    if (FAILS(THREAD, of_module(CALLER) || of_python(CALLER)))
        return errors[THREAD];
    return ((int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))system_call(
        "pthread_create"))(thread, attributes, body, argument);
}

#ifdef __GLIBC__
/* dlsym allocates memory too. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

void *malloc(size_t n)
{
    return FAILS(MALLOC, of_module(CALLER)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return FAILS(MALLOC, of_module(CALLER)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return FAILS(MALLOC, of_module(CALLER)) ? NULL : __libc_realloc(old, n);
}
#endif
