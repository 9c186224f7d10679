/* The C contract of background tasks: work that nobody waits for. */
#ifndef CLOUDIO_BACKGROUND_H
#define CLOUDIO_BACKGROUND_H

#ifdef __cplusplus
extern "C" {
#endif

/* The head of a struct that describes the work. `run` does it, if there is still a thread to;
 * `destroy` then frees the struct. */
typedef struct cio_background_task {
    struct cio_background_task *next;
    void (*run)(struct cio_background_task *task);
    void (*destroy)(struct cio_background_task *task);
} cio_background_task;

/* Have a task run, after those before it, by the one thread that runs such tasks. A forked child
 * destroys what its parent has not finished. */
void cio_background_submit(cio_background_task *task);

#ifdef __cplusplus
}
#endif
#endif
