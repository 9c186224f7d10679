/* The thread pool of this process: workers that help a caller with its tasks.
 *
 * This file keeps state; so do background.c (a queue) and scratch.c (one block of memory). A
 * module that links it has a pool of its own, so exactly one may (SOURCES in setup.py).
 *
 * A worker is spawned when it is first needed, sleeps between regions and is never joined. At
 * most one region runs at a time; `busy` says so. If it is set, a caller uses its own thread
 * only: a second caller, or a task that calls again. A worker enters a region only through an
 * open slot, under the mutex. The caller closes the slots before it waits for the workers
 * inside, so no worker can come in late and find the caller's stack gone. A task that is about
 * to wait for something else than the CPU opens one more slot (add_worker); so many requests can
 * be under way at once. A forked child has none of the workers, and perhaps a locked mutex whose
 * owner is gone: it resets everything.
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
    atomic_int n_more; /* slots that may still be added; 0 once the region is closed */
    int is_alone;
} region;

static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int n_workers;
static atomic_int is_refused; /* the system has refused to start a worker */
static cio_mutex mutex = CIO_MUTEX_INIT;
/* Guarded by the mutex. */
static cio_condition work_ready = CIO_CONDITION_INIT, all_left = CIO_CONDITION_INIT;
static region *current;
static int n_open, n_taken, n_inside; /* open slots; slots taken so far; workers in the region */
/* The region that this thread works in. */
static CIO_THREAD_LOCAL region *own;

static void reset_after_fork(void)
{
    static const cio_mutex new_mutex = CIO_MUTEX_INIT;
    static const cio_condition new_condition = CIO_CONDITION_INIT;
    mutex = new_mutex;
    work_ready = all_left = new_condition;
    current = NULL;
    n_open = n_taken = n_inside = 0;
    atomic_store(&n_workers, 0);
    atomic_flag_clear(&busy);
}

/* Library code may have set this thread to flush subnormals or to round in another direction. */
static void run_chunks(region *r, int slot)
{
    fenv_t callers;
    region *outer = own;
    own = r;
    fegetenv(&callers);
    fesetenv(FE_DFL_ENV);
    for (;;) {
        const size_t begin = atomic_fetch_add_explicit(&r->next, r->chunk, memory_order_relaxed);
        if (begin >= r->n_items)
            break;
        const size_t rest = r->n_items - begin;
        r->task(r->context, begin, begin + (rest < r->chunk ? rest : r->chunk), slot);
    }
    fesetenv(&callers);
    own = outer;
}

static cio_thread_result CIO_THREAD_CALL worker(void *nothing)
{
    (void)nothing;
    cio_lock(&mutex);
    for (;;) {
        while (n_open == 0)
            cio_wait(&work_ready, &mutex);
        --n_open;
        const int slot = ++n_taken;
        ++n_inside;
        region *r = current;
        cio_unlock(&mutex);
        run_chunks(r, slot);
        cio_lock(&mutex);
        if (--n_inside == 0)
            cio_wake_one(&all_left);
    }
    return 0;
}

/* Under the mutex. */
static void spawn(int wanted)
{
    while (atomic_load(&n_workers) < wanted) {
        if (!cio_start_detached(worker, STACK_BYTES)) {
            atomic_store(&is_refused, 1);
            return;
        }
        atomic_fetch_add(&n_workers, 1);
    }
}

void cio_thread_pool_run(cio_task task, void *context, size_t n_items, size_t chunk, int n_threads,
                         int max_threads)
{
    static int registered;
    region r = {task, context, n_items, chunk, 0, 0, 1};
    const size_t n_chunks = n_items / chunk + (n_items % chunk != 0);
    int max_helpers = max_threads - 1 < MAX_WORKERS ? max_threads - 1 : MAX_WORKERS;
    if (max_helpers > 0 && (size_t)max_helpers >= n_chunks)
        max_helpers = n_chunks == 0 ? 0 : (int)(n_chunks - 1);

    if (max_helpers <= 0 || atomic_flag_test_and_set(&busy)) {
        run_chunks(&r, 0);
        return;
    }
    if (!registered) {
        registered = 1; /* inherited by a forked child, as the registration is */
        cio_around_fork(NULL, NULL, reset_after_fork);
    }
    r.is_alone = 0;
    int helpers = n_threads - 1 < max_helpers ? n_threads - 1 : max_helpers;
    cio_lock(&mutex);
    spawn(helpers);
    if (helpers > atomic_load(&n_workers))
        helpers = atomic_load(&n_workers);
    current = &r;
    n_open = helpers;
    n_taken = 0;
    atomic_store(&r.n_more, max_helpers - helpers);
    cio_unlock(&mutex);
    for (int k = 0; k < helpers; ++k)
        cio_wake_one(&work_ready);

    run_chunks(&r, 0);

    cio_lock(&mutex);
    n_open = 0;
    atomic_store(&r.n_more, 0);
    while (n_inside > 0)
        cio_wait(&all_left, &mutex);
    current = NULL;
    cio_unlock(&mutex);
    atomic_flag_clear(&busy);
}

int cio_thread_pool_is_alone(void) { return own == NULL || own->is_alone; }

void cio_thread_pool_add_worker(void)
{
    if (own == NULL || atomic_load(&own->n_more) == 0)
        return;
    cio_lock(&mutex);
    const int can = atomic_load(&own->n_more) > 0;
    if (can) {
        atomic_fetch_sub(&own->n_more, 1);
        ++n_open;
        spawn(n_open + n_taken);
    }
    cio_unlock(&mutex);
    if (can)
        cio_wake_one(&work_ready);
}

int cio_thread_pool_n_workers(void) { return atomic_load(&n_workers); }

int cio_thread_pool_is_refused(void)
{
    return atomic_load_explicit(&is_refused, memory_order_relaxed);
}

/* The type of the header is plain, because C++ has no stdatomic.h. */
int cio_raise(cio_flag *flag)
{
    return atomic_exchange_explicit((atomic_int *)&flag->value, 1, memory_order_acq_rel) == 0;
}

int cio_is_raised(const cio_flag *flag)
{
    return atomic_load_explicit((const atomic_int *)&flag->value, memory_order_relaxed);
}

unsigned cio_count(cio_counter *counter)
{
    return 1 + atomic_fetch_add_explicit((atomic_uint *)&counter->value, 1, memory_order_relaxed);
}
