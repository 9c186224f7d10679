/* Background tasks: one thread, made when it is first needed, runs tasks without a waiting caller.
 *
 * This file keeps state: the queue, and the task under way. A fork waits until the queue is whole.
 * The child has the queue but no thread; it destroys what is in it, the task under way included.
 */
#include <stdatomic.h>
#include <stddef.h>

#include "background.h"
#include "sync.h"

enum { STACK_BYTES = 256 * 1024 };

/* Guarded by the mutex. */
static cio_mutex mutex = CIO_MUTEX_INIT;
static cio_condition work_ready = CIO_CONDITION_INIT;
static cio_background_task *first, *last, *current;
static size_t n_waiting_bytes; /* of all tasks from `first` on */
static int has_thread;

/* Take the first task out of the queue, under the mutex. */
static cio_background_task *take_first(void)
{
    cio_background_task *task = first;
    first = task->next;
    n_waiting_bytes -= task->n_bytes;
    return task;
}

static cio_thread_result CIO_THREAD_CALL run_queue(void *nothing)
{
    (void)nothing;
    cio_lock(&mutex);
    for (;;) {
        while (first == NULL)
            cio_wait(&work_ready, &mutex);
        cio_background_task *task = current = take_first();
        cio_unlock(&mutex);
        task->run(task);
        cio_lock(&mutex);
        current = NULL;
        /* Under the mutex: a child forked in between could not tell whether it was destroyed. */
        task->destroy(task);
    }
    return 0;
}

static void before_fork(void) { cio_lock(&mutex); }

static void in_parent(void) { cio_unlock(&mutex); }

static void reset_after_fork(void)
{
    static const cio_mutex new_mutex = CIO_MUTEX_INIT;
    static const cio_condition new_condition = CIO_CONDITION_INIT;
    mutex = new_mutex;
    work_ready = new_condition;
    has_thread = 0;
    if (current != NULL)
        current->destroy(current);
    current = NULL;
    while (first != NULL) {
        cio_background_task *task = take_first();
        task->destroy(task);
    }
}

int cio_background_submit(cio_background_task *task)
{
    static atomic_int registered;
    task->next = NULL;
    /* Not under the mutex: a child forked right before would have it locked, with no way out. */
    if (!atomic_exchange(&registered, 1))
        cio_around_fork(before_fork, in_parent, reset_after_fork);
    cio_lock(&mutex);
    if (!has_thread)
        has_thread = cio_start_detached(run_queue, STACK_BYTES);
    const int queued = has_thread;
    if (queued) {
        /* Whoever asks faster than the system reads wants the last of it. */
        while (first != NULL && task->n_bytes + n_waiting_bytes > CIO_MAX_WAITING) {
            cio_background_task *oldest = take_first();
            oldest->destroy(oldest);
        }
        n_waiting_bytes += task->n_bytes;
        if (first == NULL)
            first = task;
        else
            last->next = task;
        last = task;
    }
    cio_unlock(&mutex);
    if (queued) {
        cio_wake_one(&work_ready);
    } else {
        task->run(task);
        task->destroy(task);
    }
    return queued;
}
