/* The C contract of cloudio's files: they are opened, read ahead, read, and evicted from memory.
 *
 * Offsets and sizes are bytes. Nothing here writes to a file. Advice (readahead, evict) cannot
 * fail: a system without it reads as usual.
 */
#ifndef CLOUDIO_FILES_H
#define CLOUDIO_FILES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- an open file ---------------------------------------------------------------------------- */

/* Its owner closes it. Others acquire it before they use it, and release it afterwards; the last
 * release of a closed file closes descriptor and mapping. Threads may do all of this at once. */
typedef struct cio_file cio_file;

/* How a file is opened: mapped; also for reads past the page cache, where the system has these. */
enum { CIO_MAPPED = 1, CIO_DIRECT = 2 };

/* Open a file of `n_bytes`, at least 1, by its descriptor, which the file owns from then on. NULL
 * if the system refuses: errno is set, and the descriptor is still the caller's. */
cio_file *cio_file_open(int descriptor, int64_t n_bytes, int flags);

void cio_file_close(cio_file *file);  /* a second call does nothing */
int cio_file_acquire(cio_file *file); /* 0 if it is closed: then there is nothing to release */
void cio_file_release(cio_file *file);

/* The struct itself lives as long as any reference; its owner has the first one. */
void cio_file_ref(cio_file *file);
void cio_file_unref(cio_file *file);

int cio_file_is_closed(const cio_file *file);

const char *cio_file_base(const cio_file *file); /* where it is mapped, or NULL */
int cio_file_descriptor(const cio_file *file);
int64_t cio_file_n_bytes(const cio_file *file); /* that it must hold */
int64_t cio_file_changed(const cio_file *file); /* as in cio_status, when it was opened */

/* ---- what the system says -------------------------------------------------------------------- */

typedef struct cio_status {
    int64_t n_bytes;
    int64_t changed; /* when it was last written to, in ns */
} cio_status;

/* 0, or errno. */
int cio_file_status(const cio_file *file, cio_status *status);

/* Whether an open file lies on a network or is served by a process (FUSE). */
int cio_is_remote(int descriptor);

int64_t cio_page_bytes(void);

/* ---- pages ----------------------------------------------------------------------------------- */

/* Bytes of a range, in whole pages, that are in memory or being loaded; -1: unknown. They are not
 * counted if the file belongs to another user: one absent page then means 0. */
int64_t cio_file_resident(const cio_file *file, int64_t offset, int64_t n_bytes);

/* Begin to read the absent pages of a range, without waiting for them; whether any page was absent,
 * or may have been. */
int cio_file_readahead(cio_file *file, int64_t offset, int64_t n_bytes);

/* Wait until a range of the mapping may be touched: 0, or the errno of what would be a signal. */
int cio_file_populate(cio_file *file, int64_t offset, int64_t n_bytes);

/* Let the system drop the pages of a range from memory. */
void cio_file_evict(const cio_file *file, int64_t offset, int64_t n_bytes);

/* The residency estimate of a file: how likely its pages are absent, from earlier reads. It exists
 * because asking the system takes time, and so does cio_file_populate.
 *
 * Above CIO_LUKEWARM a page was absent recently, or is being loaded; at CIO_WARM none has been
 * absent for long. A file that once failed to be populated stays at CIO_FAILED: a page that could
 * not be read counts as resident, like one that is being loaded. */
enum { CIO_WARM, CIO_LUKEWARM = 32, CIO_COLD = 64, CIO_FAILED = 1 << 30 };
int cio_file_coldness(const cio_file *file);
void cio_file_decay(cio_file *file); /* once for each read that found every page */

/* ---- reading --------------------------------------------------------------------------------- */

/* Read `n_bytes` at `offset`: how many there were, less only at the end of the file; or -errno. */
int64_t cio_file_read(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes);

/* Read as many of them as possible without waiting, perhaps none; -1: the file system has no such
 * reads. */
int64_t cio_file_read_nowait(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes);

/* Read past the page cache, so that no page of the range is kept afterwards: as cio_file_read does,
 * but -1 where that is not possible, or where the pages are in memory anyway. `dst`, `offset` and
 * `n_bytes` are multiples of CIO_BLOCK. */
enum { CIO_BLOCK = 4096 };
int64_t cio_file_read_direct(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes);
int cio_file_is_direct(const cio_file *file);
int cio_file_is_direct_on_disk(const cio_file *file); /* of this machine */

#ifdef __cplusplus
}
#endif
#endif
