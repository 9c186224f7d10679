/* The C contract of background tasks: the caller does not wait for them. */
#ifndef CLOUDIO_BACKGROUND_H
#define CLOUDIO_BACKGROUND_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of tasks that may wait for the thread. */
enum { CIO_MAX_WAITING = 32 << 20 };

/* The head of a struct that describes the work. `run` does the work, if a thread can; `destroy`
 * then frees the struct, whose memory is `n_bytes`. */
typedef struct cio_background_task {
    struct cio_background_task *next;
    size_t n_bytes;
    void (*run)(struct cio_background_task *task);
    void (*destroy)(struct cio_background_task *task);
} cio_background_task;

/* Run a task after those before it, in the one thread for such tasks. Where those that wait would
 * take more than CIO_MAX_WAITING bytes, the oldest of them are destroyed, not run. A forked child
 * destroys the tasks that its parent has not finished. Returns 0 where no thread can be started: the
 * caller has then run the task itself. */
int cio_background_submit(cio_background_task *task);

#ifdef __cplusplus
}
#endif
#endif
