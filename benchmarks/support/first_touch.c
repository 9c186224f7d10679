/* Maps cached pages of windows into this process, and does nothing else. */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TOUCH, POPULATE };
#define MADV_POPULATE_READ_ 22 /* Linux 5.14; glibc's headers are often older */

/* Window k has n_bytes from begin[k] on. Returns how many could not be mapped. */
size_t map_windows(const char *base, const int64_t *begin, size_t n, size_t n_bytes, int how)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t n_failed = 0;
    for (size_t k = 0; k < n; ++k) {
        const uintptr_t end = (uintptr_t)(base + begin[k]) + n_bytes;
        uintptr_t at = (uintptr_t)(base + begin[k]) / page * page;
        if (how == POPULATE)
            n_failed += madvise((void *)at, end - at, MADV_POPULATE_READ_) != 0;
        else
            for (; at < end; at += page)
                (void)*(volatile const char *)at;
    }
    return n_failed;
}
