/* Files: opened, mapped, read ahead, read and evicted; files.h is the manual.
 *
 * POSIX first, with what Linux adds; Windows reads and maps, and its cache manager does the rest.
 */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifdef _WIN32
#include <io.h>
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#include <sys/vfs.h>
#elif !defined(_WIN32)
#include <sys/mount.h>
#include <sys/param.h>
#endif

struct cio_file {
    int descriptor, direct; /* the latter past the page cache, or -1 */
    const char *base;
    int64_t n_bytes, changed;
    atomic_int coldness;
    atomic_int users;  /* CLOSED, and 2 for each that has acquired it */
    atomic_int n_refs; /* to this struct */
    int is_ours;       /* Linux tells other users that every page is resident */
    int is_remote;     /* of one that is read past the page cache */
};

enum { CLOSED = 1, ONE_USER = 2 };

/* ---- the system's calls ---------------------------------------------------------------------- */

#ifdef _WIN32

static const char *map(int descriptor, int64_t n_bytes)
{
    HANDLE file = (HANDLE)_get_osfhandle(descriptor);
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    const char *base = NULL;
    if (mapping != NULL) {
        base = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, (SIZE_T)n_bytes);
        CloseHandle(mapping); /* the view keeps it */
    }
    if (base == NULL)
        errno = ENOMEM;
    return base;
}

static void unmap(const char *base, int64_t n_bytes)
{
    (void)n_bytes;
    UnmapViewOfFile(base);
}

static int is_owner(int descriptor)
{
    (void)descriptor;
    return 1;
}

static int64_t read_some(int descriptor, void *dst, int64_t offset, int64_t n_bytes)
{
    OVERLAPPED at = {0};
    DWORD n = 0;
    at.Offset = (DWORD)offset;
    at.OffsetHigh = (DWORD)(offset >> 32);
    if (!ReadFile((HANDLE)_get_osfhandle(descriptor), dst, (DWORD)n_bytes, &n, &at))
        return GetLastError() == ERROR_HANDLE_EOF ? 0 : -EIO;
    return n;
}

int cio_is_remote(int descriptor)
{
    FILE_REMOTE_PROTOCOL_INFO info;
    return GetFileInformationByHandleEx((HANDLE)_get_osfhandle(descriptor), FileRemoteProtocolInfo,
                                        &info, sizeof(info)) != 0;
}

int64_t cio_page_bytes(void) { return 4096; }

#define fstat _fstat64
#define stat _stat64
#define close _close

#else

static const char *map(int descriptor, int64_t n_bytes)
{
    void *base = mmap(NULL, (size_t)n_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    return base == MAP_FAILED ? NULL : base;
}

static void unmap(const char *base, int64_t n_bytes) { munmap((void *)base, (size_t)n_bytes); }

static int is_owner(int descriptor)
{
    struct stat status;
    return geteuid() == 0 || (fstat(descriptor, &status) == 0 && status.st_uid == geteuid());
}

static int64_t read_some(int descriptor, void *dst, int64_t offset, int64_t n_bytes)
{
    const ssize_t n = pread(descriptor, dst, (size_t)n_bytes, (off_t)offset);
    return n < 0 ? -errno : n;
}

int cio_is_remote(int descriptor)
{
    struct statfs status;
    if (fstatfs(descriptor, &status) != 0)
        return 0;
#ifdef __linux__
    /* Of linux/magic.h and of the file systems' own sources. */
    static const uint32_t remote[] = {
        0x6969,     /* NFS */
        0x517B,     /* SMB */
        0xFF534D42, /* CIFS */
        0xFE534D42, /* SMB 2 */
        0x65735546, /* FUSE */
        0x01021997, /* 9P */
        0x00C36400, /* Ceph */
        0x5346414F, /* AFS */
        0x6B414653, /* kAFS */
        0x73757245, /* Coda */
        0x0BD00BD0, /* Lustre */
        0x47504653, /* GPFS */
        0x19830326, /* BeeGFS */
        0x7C7C6673, /* prl_fs, shared folders of Parallels */
        0x786F4256, /* vboxsf, of VirtualBox */
    };
    for (size_t k = 0; k < sizeof(remote) / sizeof(remote[0]); ++k)
        if ((uint32_t)status.f_type == remote[k])
            return 1;
    return 0;
#elif defined(MNT_LOCAL)
    return (status.f_flags & MNT_LOCAL) == 0;
#else
    return 0;
#endif
}

int64_t cio_page_bytes(void) { return (int64_t)sysconf(_SC_PAGESIZE); }

#endif

#if defined(__linux__) && defined(O_DIRECT)
/* The same file, even if another file has its name by now. */
static int open_direct(int descriptor)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}
#else
static int open_direct(int descriptor)
{
    (void)descriptor;
    return -1;
}
#endif

/* ---- an open file ---------------------------------------------------------------------------- */

cio_file *cio_file_open(int descriptor, int64_t n_bytes, int flags)
{
    cio_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return NULL;
    file->descriptor = descriptor;
    file->n_bytes = n_bytes;
    file->is_ours = is_owner(descriptor);
    atomic_init(&file->coldness, CIO_LUKEWARM);
    atomic_init(&file->users, 0);
    atomic_init(&file->n_refs, 1);
    cio_status status;
    int code = cio_file_status(file, &status);
    if (code == 0 && (flags & CIO_MAPPED) && (file->base = map(descriptor, n_bytes)) == NULL)
        code = errno;
    if (code != 0) {
        free(file);
        errno = code;
        return NULL;
    }
    file->changed = status.changed;
    file->direct = flags & CIO_DIRECT ? open_direct(descriptor) : -1;
    file->is_remote = file->direct >= 0 && cio_is_remote(descriptor);
#ifdef POSIX_FADV_RANDOM
    /* Only a window is wanted; the bytes after it are another patch. */
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
#endif
    return file;
}

static void shut(cio_file *file)
{
    if (file->base != NULL)
        unmap(file->base, file->n_bytes);
    close(file->descriptor);
    if (file->direct >= 0)
        close(file->direct);
}

void cio_file_close(cio_file *file)
{
    if (atomic_fetch_or(&file->users, CLOSED) == 0)
        shut(file);
}

int cio_file_acquire(cio_file *file)
{
    int users = atomic_load(&file->users);
    do {
        if (users & CLOSED)
            return 0;
    } while (!atomic_compare_exchange_weak(&file->users, &users, users + ONE_USER));
    return 1;
}

void cio_file_release(cio_file *file)
{
    if (atomic_fetch_sub(&file->users, ONE_USER) == (CLOSED | ONE_USER))
        shut(file);
}

void cio_file_ref(cio_file *file) { atomic_fetch_add(&file->n_refs, 1); }

void cio_file_unref(cio_file *file)
{
    if (atomic_fetch_sub(&file->n_refs, 1) == 1)
        free(file);
}

int cio_file_is_closed(const cio_file *file) { return atomic_load(&file->users) & CLOSED; }

const char *cio_file_base(const cio_file *file) { return file->base; }

int cio_file_descriptor(const cio_file *file) { return file->descriptor; }

int64_t cio_file_n_bytes(const cio_file *file) { return file->n_bytes; }

int64_t cio_file_changed(const cio_file *file) { return file->changed; }

int cio_file_status(const cio_file *file, cio_status *status)
{
    struct stat s;
    if (fstat(file->descriptor, &s) != 0)
        return errno;
    status->n_bytes = (int64_t)s.st_size;
#if defined(__APPLE__)
    status->changed = (int64_t)s.st_mtimespec.tv_sec * 1000000000 + s.st_mtimespec.tv_nsec;
#elif defined(_WIN32)
    status->changed = (int64_t)s.st_mtime * 1000000000;
#else
    status->changed = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
#endif
    return 0;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* Widen a range to whole pages of the file. */
static void to_pages(int64_t *offset, int64_t *n_bytes)
{
    const int64_t page = cio_page_bytes(), end = *offset + *n_bytes, over = end % page;
    *offset -= *offset % page;
    /* The last page of the largest file ends where no number does. */
    *n_bytes = (over == 0 || end > INT64_MAX - page ? end : end - over + page) - *offset;
}

#ifdef __linux__
/* cachestat: Linux 6.5. Counts a whole range; from 6.14 on it returns an error where it may not. */
enum { CACHESTAT = 451 };

static int64_t count_pages(const cio_file *file, int64_t offset, int64_t n_bytes)
{
    struct { uint64_t offset, n_bytes; } range = {(uint64_t)offset, (uint64_t)n_bytes};
    struct { uint64_t cached, dirty, writeback, evicted, recently_evicted; } found;
    if (syscall(CACHESTAT, file->descriptor, &range, &found, 0) == 0)
        return (int64_t)found.cached;
    return -1;
}
#else
static int64_t count_pages(const cio_file *file, int64_t offset, int64_t n_bytes)
{
    (void)file, (void)offset, (void)n_bytes;
    return -1;
}
#endif

#ifndef _WIN32
static int64_t count_mapped_pages(const cio_file *file, int64_t offset, int64_t n_bytes)
{
    enum { AT_ONCE = 512 };
    unsigned char resident[AT_ONCE];
    const int64_t page = cio_page_bytes();
    int64_t n = 0;
    while (n_bytes > 0) {
        const int64_t part = n_bytes < AT_ONCE * page ? n_bytes : AT_ONCE * page;
        if (mincore((char *)file->base + offset, (size_t)part, (void *)resident) != 0)
            return -1;
        for (int64_t k = 0; k < (part + page - 1) / page; ++k)
            n += resident[k] & 1;
        offset += part;
        n_bytes -= part;
    }
    return n;
}
#endif

/* Linux does not count pages for other users, but tells them whether a read would wait. The ends
 * of a range are tested: reads of other crops leave them absent. */
static int64_t probe_ends(const cio_file *file, int64_t offset, int64_t n_bytes)
{
    char byte;
    const int64_t rest = file->n_bytes - offset, last = (rest < n_bytes ? rest : n_bytes) - 1;
    const int64_t here = cio_file_read_nowait(file, &byte, offset + last, 1);
    if (here < 0)
        return -1;
    return here && cio_file_read_nowait(file, &byte, offset, 1) ? n_bytes : 0;
}

int64_t cio_file_resident(const cio_file *file, int64_t offset, int64_t n_bytes)
{
    if (n_bytes == 0) /* which to the system means: to the end */
        return 0;
    to_pages(&offset, &n_bytes);
    int64_t n = count_pages(file, offset, n_bytes);
#ifndef _WIN32
    if (n < 0 && file->base != NULL && file->is_ours)
        n = count_mapped_pages(file, offset, n_bytes);
#endif
    return n < 0 ? probe_ends(file, offset, n_bytes) : n * cio_page_bytes();
}

static void advise(const cio_file *file, int64_t offset, int64_t n_bytes)
{
#if defined(POSIX_FADV_WILLNEED)
    (void)posix_fadvise(file->descriptor, (off_t)offset, (off_t)n_bytes, POSIX_FADV_WILLNEED);
#elif defined(F_RDADVISE)
    struct radvisory range = {(off_t)offset, (int)n_bytes};
    (void)fcntl(file->descriptor, F_RDADVISE, &range);
#elif defined(_WIN32)
    if (file->base != NULL) {
        WIN32_MEMORY_RANGE_ENTRY range = {(char *)file->base + offset, (SIZE_T)n_bytes};
        (void)PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
    }
#else
    (void)file, (void)offset, (void)n_bytes;
#endif
}

static void raise_coldness(cio_file *file, int coldness)
{
    int before = cio_file_coldness(file);
    while (before < coldness && !atomic_compare_exchange_weak(&file->coldness, &before, coldness))
        ;
}

int cio_file_readahead(cio_file *file, int64_t offset, int64_t n_bytes)
{
    /* Linux cuts one piece of advice to the device's read-ahead, by default this. */
    enum { PIECE = 128 * 1024 };
    to_pages(&offset, &n_bytes);
    if (cio_file_resident(file, offset, n_bytes) == n_bytes)
        return 0;
    /* First the estimate: a thread that finds pages requested must know that they may not
     * arrive. */
    raise_coldness(file, CIO_COLD);
    advise(file, offset, n_bytes);
    if (n_bytes > PIECE && count_pages(file, offset, n_bytes) * cio_page_bytes() != n_bytes)
        for (int64_t at = PIECE; at < n_bytes; at += PIECE)
            advise(file, offset + at, n_bytes - at < PIECE ? n_bytes - at : PIECE);
    return 1;
}

int cio_file_populate(cio_file *file, int64_t offset, int64_t n_bytes)
{
#ifdef __linux__
    enum { POPULATE_READ = 22, HWPOISON = 133 }; /* Linux 5.14; glibc's headers are often older */
    to_pages(&offset, &n_bytes);
    /* Pages that have arrived need no waiting; to count them costs a tenth of populating. */
    if (file->is_ours && count_mapped_pages(file, offset, n_bytes) * cio_page_bytes() == n_bytes)
        return 0;
    if (madvise((char *)file->base + offset, (size_t)n_bytes, POPULATE_READ) != 0 &&
        (errno == EFAULT || errno == HWPOISON)) {
        const int code = errno;
        raise_coldness(file, CIO_FAILED);
        return code;
    }
#else
    (void)file, (void)offset, (void)n_bytes;
#endif
    return 0;
}

void cio_file_evict(const cio_file *file, int64_t offset, int64_t n_bytes)
{
    if (n_bytes == 0)
        return;
    to_pages(&offset, &n_bytes);
#ifdef MADV_DONTNEED
    /* Linux keeps pages in memory that a page table still maps. */
    if (file->base != NULL)
        (void)madvise((char *)file->base + offset, (size_t)n_bytes, MADV_DONTNEED);
#endif
#ifdef POSIX_FADV_DONTNEED
    (void)posix_fadvise(file->descriptor, (off_t)offset, (off_t)n_bytes, POSIX_FADV_DONTNEED);
#endif
    (void)file;
}

int cio_file_coldness(const cio_file *file)
{
    return atomic_load_explicit(&file->coldness, memory_order_relaxed);
}

void cio_file_decay(cio_file *file)
{
    int coldness = cio_file_coldness(file);
    /* Another thread may have lowered it too, or set a value that must be kept. */
    if (coldness > CIO_WARM && coldness < CIO_FAILED)
        (void)atomic_compare_exchange_strong(&file->coldness, &coldness, coldness - 1);
}

/* ---- reading --------------------------------------------------------------------------------- */

int64_t cio_file_read(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes)
{
    /* The most that one call reads on any system. */
    const int64_t max_bytes = 1 << 30;
    int64_t done = 0;
    while (done < n_bytes) {
        const int64_t rest = n_bytes - done;
        const int64_t n = read_some(file->descriptor, (char *)dst + done, offset + done,
                                    rest < max_bytes ? rest : max_bytes);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += n;
    }
    return done;
}

int64_t cio_file_read_nowait(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes)
{
#ifdef RWF_NOWAIT
    struct iovec whole = {dst, (size_t)n_bytes};
    const ssize_t n = preadv2(file->descriptor, &whole, 1, (off_t)offset, RWF_NOWAIT);
    return n >= 0 ? n : errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? -1 : 0;
#else
    (void)file, (void)dst, (void)offset, (void)n_bytes;
    return -1;
#endif
}

int cio_file_is_direct(const cio_file *file) { return file->direct >= 0; }

int cio_file_is_direct_on_disk(const cio_file *file) { return file->direct >= 0 && !file->is_remote; }

int64_t cio_file_read_direct(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes)
{
    int64_t n = -EINTR;
    if (file->direct < 0 || cio_file_resident(file, offset, n_bytes) == n_bytes)
        return -1;
    while (n == -EINTR)
        n = read_some(file->direct, dst, offset, n_bytes);
    return n < 0 ? -1 : n;
}
