/* The team of threads: the one file of cloudio's C that keeps state.
 *
 * Workers are made when first needed, sleep between regions and are never joined. At most one
 * region runs at a time; `busy` says so, and whoever finds it set works alone: a second caller, or
 * a task that calls again. A worker enters a region only through one of its `seats`, under the
 * mutex; the caller closes the seats before it waits for those inside, so that nobody can come in
 * late and find the caller's stack gone. After a fork the child has none of the workers and
 * perhaps a mutex that nobody will unlock: it forgets all and begins anew.
 */
#include <fenv.h>
#include <stdatomic.h>
#include <stddef.h>

#include "cloudio.h"
#include "sync.h"

/* A task needs a few KB; the rest is for what libc and sanitizers put on a stack. */
enum { STACK_BYTES = 512 * 1024, MAX_WORKERS = 1023 };

typedef struct {
    cio_task task;
    void *context;
    size_t n_items, chunk;
    atomic_size_t next;
} region;

static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int n_workers;
static cio_mutex mutex = CIO_MUTEX_INIT;
/* Guarded by the mutex. */
static cio_condition work = CIO_CONDITION_INIT, left = CIO_CONDITION_INIT;
static region *current;
static int seats, inside;

static void forget(void)
{
    static const cio_mutex new_mutex = CIO_MUTEX_INIT;
    static const cio_condition new_condition = CIO_CONDITION_INIT;
    mutex = new_mutex;
    work = left = new_condition;
    current = NULL;
    seats = inside = 0;
    atomic_store(&n_workers, 0);
    atomic_flag_clear(&busy);
}

/* Library code may have set this thread to flush subnormals or to round otherwise. */
static void work_through(region *r, int seat)
{
    fenv_t callers;
    fegetenv(&callers);
    fesetenv(FE_DFL_ENV);
    for (;;) {
        const size_t begin = atomic_fetch_add_explicit(&r->next, r->chunk, memory_order_relaxed);
        if (begin >= r->n_items)
            break;
        const size_t rest = r->n_items - begin;
        r->task(r->context, begin, begin + (rest < r->chunk ? rest : r->chunk), seat);
    }
    fesetenv(&callers);
}

static cio_thread_result CIO_THREAD_CALL worker(void *nothing)
{
    (void)nothing;
    cio_lock(&mutex);
    for (;;) {
        while (seats == 0)
            cio_wait(&work, &mutex);
        const int seat = seats--;
        ++inside;
        region *r = current;
        cio_unlock(&mutex);
        work_through(r, seat);
        cio_lock(&mutex);
        if (--inside == 0)
            cio_wake_one(&left);
    }
    return 0;
}

/* Only the holder of `busy` comes here. */
static void hire(int wanted)
{
    static int registered;
    if (!registered) {
        registered = 1; /* inherited by a forked child, as the registration is */
        cio_after_fork(forget);
    }
    while (atomic_load(&n_workers) < wanted && cio_start_detached(worker, STACK_BYTES))
        atomic_fetch_add(&n_workers, 1);
}

void cio_team_run(cio_task task, void *context, size_t n_items, size_t chunk, int n_threads)
{
    region r = {task, context, n_items, chunk, 0};
    const size_t n_chunks = n_items / chunk + (n_items % chunk != 0);
    int helpers = n_threads - 1 < MAX_WORKERS ? n_threads - 1 : MAX_WORKERS;
    if (helpers > 0 && (size_t)helpers >= n_chunks)
        helpers = n_chunks == 0 ? 0 : (int)(n_chunks - 1);

    if (helpers <= 0 || atomic_flag_test_and_set(&busy)) {
        work_through(&r, 0);
        return;
    }
    hire(helpers);
    if (helpers > atomic_load(&n_workers))
        helpers = atomic_load(&n_workers);
    cio_lock(&mutex);
    current = &r;
    seats = helpers;
    cio_unlock(&mutex);
    for (int k = 0; k < helpers; ++k)
        cio_wake_one(&work);

    work_through(&r, 0);

    cio_lock(&mutex);
    seats = 0;
    while (inside > 0)
        cio_wait(&left, &mutex);
    current = NULL;
    cio_unlock(&mutex);
    atomic_flag_clear(&busy);
}

int cio_team_size(void) { return atomic_load(&n_workers); }
