/* Errands: one thread, made when first needed, that does what nobody waits for.
 *
 * The only state beside the team's. A fork waits for the queue to be whole; the child has the
 * queue but no thread, and drops what is in it, the errand under way included.
 */
#include <stdatomic.h>
#include <stddef.h>

#include "files.h"
#include "sync.h"

enum { STACK_BYTES = 256 * 1024 };

/* Guarded by the mutex. */
static cio_mutex mutex = CIO_MUTEX_INIT;
static cio_condition work = CIO_CONDITION_INIT;
static cio_errand *first, *last, *current;
static int has_thread;

static cio_thread_result CIO_THREAD_CALL runner(void *nothing)
{
    (void)nothing;
    cio_lock(&mutex);
    for (;;) {
        while (first == NULL)
            cio_wait(&work, &mutex);
        current = first;
        first = first->next;
        cio_errand *errand = current;
        cio_unlock(&mutex);
        errand->run(errand);
        cio_lock(&mutex);
        current = NULL;
        /* Under the mutex: a child forked in between could not tell whether it was dropped. */
        errand->drop(errand);
    }
    return 0;
}

static void before_fork(void) { cio_lock(&mutex); }

static void in_parent(void) { cio_unlock(&mutex); }

static void in_child(void)
{
    static const cio_mutex new_mutex = CIO_MUTEX_INIT;
    static const cio_condition new_condition = CIO_CONDITION_INIT;
    mutex = new_mutex;
    work = new_condition;
    has_thread = 0;
    if (current != NULL)
        current->drop(current);
    current = NULL;
    while (first != NULL) {
        cio_errand *errand = first;
        first = errand->next;
        errand->drop(errand);
    }
}

void cio_send(cio_errand *errand)
{
    static atomic_int registered;
    errand->next = NULL;
    /* Not under the mutex: forked right before, a child would have it locked, and no way out. */
    if (!atomic_exchange(&registered, 1))
        cio_around_fork(before_fork, in_parent, in_child);
    cio_lock(&mutex);
    if (!has_thread)
        has_thread = cio_start_detached(runner, STACK_BYTES);
    const int sent = has_thread;
    if (sent) {
        if (first == NULL)
            first = errand;
        else
            last->next = errand;
        last = errand;
    }
    cio_unlock(&mutex);
    if (sent) {
        cio_wake_one(&work);
    } else {
        errand->run(errand);
        errand->drop(errand);
    }
}
