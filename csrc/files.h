/* The C contract of cloudio's files: how they are held, asked for ahead, read and given back.
 *
 * Offsets and sizes are bytes. Nothing here writes to a file. Advice (ask, give back) cannot fail:
 * a system that does not take it reads as it always would.
 */
#ifndef CLOUDIO_FILES_H
#define CLOUDIO_FILES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- an open file ---------------------------------------------------------------------------- */

/* Its owner closes it. Others enter before they use it and leave afterwards; the last one to leave
 * a closed file closes descriptor and mapping. Threads may do all of this at once. */
typedef struct cio_file cio_file;

/* How a file is held: mapped; also open for reads past the page cache, where the system has these. */
enum { CIO_MAPPED = 1, CIO_DIRECT = 2 };

/* Hold a descriptor, which is the file's from here on, of a file of `n_bytes`, at least 1. NULL, with errno set and the descriptor still the caller's, where the system
 * refuses. */
cio_file *cio_file_hold(int descriptor, int64_t n_bytes, int how);

void cio_file_close(cio_file *file); /* twice is once */
int cio_file_enter(cio_file *file);  /* 0 where it is closed: then there is nothing to leave */
void cio_file_leave(cio_file *file);

/* The struct itself lasts until all who keep it, its owner to begin with, have dropped it. */
void cio_file_keep(cio_file *file);
void cio_file_drop(cio_file *file);

int cio_file_is_closed(const cio_file *file);

const char *cio_file_base(const cio_file *file); /* where it is mapped, or NULL */
int cio_file_descriptor(const cio_file *file);
int64_t cio_file_n_bytes(const cio_file *file); /* that it must hold */
int64_t cio_file_changed(const cio_file *file); /* as in cio_status, when it began to be held */

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

/* Bytes of a range, in whole pages, that are in memory or on their way there; -1: unknown. Of a file
 * of somebody else's that need not be counted: one page that is absent means none. */
int64_t cio_file_resident(const cio_file *file, int64_t offset, int64_t n_bytes);

/* Have the pages of a range read if they are absent, without waiting for them; whether any were, or
 * may have been. */
int cio_file_ask(cio_file *file, int64_t offset, int64_t n_bytes);

/* Wait until a range of the mapping may be touched: 0, or the errno of what would be a signal. */
int cio_file_settle(cio_file *file, int64_t offset, int64_t n_bytes);

/* Give the pages of a range back to the system. */
void cio_file_give_back(const cio_file *file, int64_t offset, int64_t n_bytes);

/* How likely a file's pages are absent, from what was found: asking costs, and so does settling.
 * Above CIO_DOUBTFUL something was absent not long ago, or is on its way; at 0 nothing has been for
 * long. A file that once failed to settle is never trusted again: a page that could not be read
 * counts as resident, for nobody can tell it from one on its way. */
enum { CIO_CALM, CIO_DOUBTFUL = 32, CIO_COLD = 64, CIO_FAILED = 1 << 30 };
int cio_file_doubt(const cio_file *file);
void cio_file_calm(cio_file *file); /* once for each read that found every page */

/* ---- reading --------------------------------------------------------------------------------- */

/* Read `n_bytes` at `offset`: how many there were, less only at the end of the file; or -errno. */
int64_t cio_file_read(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes);

/* Read as many of them as can be had without waiting, perhaps none; -1: the file system knows no
 * such reads. */
int64_t cio_file_read_at_hand(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes);

/* Read past the page cache, to where no page of the range is kept afterwards: like cio_file_read, but
 * -1 where that cannot be, or where the pages are in memory anyway. `dst`, `offset` and `n_bytes` are
 * multiples of CIO_BLOCK. */
enum { CIO_BLOCK = 4096 };
int64_t cio_file_read_direct(const cio_file *file, void *dst, int64_t offset, int64_t n_bytes);
int cio_file_is_direct(const cio_file *file);

/* ---- errands --------------------------------------------------------------------------------- */

/* Work that nobody waits for. `run` does it, if there is still a thread to; `drop` frees it. */
typedef struct cio_errand {
    struct cio_errand *next;
    void (*run)(struct cio_errand *errand);
    void (*drop)(struct cio_errand *errand);
} cio_errand;

/* Have it run, after those before it, by the one thread that runs errands. A forked child drops
 * what its parent has not finished. */
void cio_send(cio_errand *errand);

#ifdef __cplusplus
}
#endif
#endif
