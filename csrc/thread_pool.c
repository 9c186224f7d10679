/* The thread pool of this process: workers that help callers with their tasks.
 *
 * This file keeps state; so do background.c (a queue) and scratch.c (one block of memory). A
 * module that links it has a pool of its own, so exactly one may (SOURCES in setup.py).
 *
 * A worker is spawned when it is first needed, sleeps when no region has work and is never joined.
 * Each call is a region, and a caller works in its own region only, from beginning to end. So a
 * region ends also where no worker comes. Workers help in any region: one that leaves a region
 * enters the next that has an open slot, the one with the fewest workers first. It enters none
 * while callers and workers are as many as there are CPUs, if that is more than the region may
 * have: they would only take turns. A task that is about to wait for something else than the CPU
 * opens one more slot (add_worker), which is not counted there; so many requests can be under way
 * at once. A task that calls again uses its own thread only.
 *
 * A worker enters a region only through an open slot, under the mutex. The caller takes its region
 * out of the list before it waits for the workers inside, so no worker can come in late and find
 * the caller's stack gone. A forked child has none of the workers, and perhaps a locked mutex whose
 * owner is gone: it resets everything.
 */
#define _GNU_SOURCE /* the CPUs of a process */
#include <fenv.h>
#include <stdatomic.h>
#include <stddef.h>

#include "cloudio.h"
#include "sync.h"

/* A task needs a few KB; the rest is for what libc and sanitizers put on a stack. */
enum { STACK_BYTES = 512 * 1024, MAX_WORKERS = 1023 };

/* Why a worker is in a region: to compute, or because a task waits. */
enum { COMPUTES, WAITS, N_REASONS };

typedef struct region {
    cio_task task;
    void *context;
    size_t n_items, chunk;
    atomic_size_t next;
    atomic_int n_more; /* slots that may still be added; 0 once the region is closed */
    int is_alone;
    /* Guarded by the mutex. */
    struct region *following;
    int n_open[N_REASONS]; /* open slots */
    int n_taken, n_inside; /* slots taken so far; workers in the region */
    int max_computing;     /* threads that may compute, in all regions, with one that enters it */
} region;

static int n_cpus; /* set once, before the first region */
static atomic_int n_workers;
static atomic_int is_refused; /* the system has refused to start a worker */
static cio_mutex mutex = CIO_MUTEX_INIT;
/* Guarded by the mutex. */
static cio_condition work_ready = CIO_CONDITION_INIT, one_left = CIO_CONDITION_INIT;
static region *oldest; /* of the regions that are not closed */
static int n_regions;
static int n_inside[N_REASONS]; /* workers in regions, also in those that are closed */
static int n_open_waits;        /* open slots of tasks that wait, of all regions */
/* The region that this thread works in. */
static CIO_THREAD_LOCAL region *own;

static void reset_after_fork(void)
{
    static const cio_mutex new_mutex = CIO_MUTEX_INIT;
    static const cio_condition new_condition = CIO_CONDITION_INIT;
    mutex = new_mutex;
    work_ready = one_left = new_condition;
    oldest = NULL;
    n_regions = n_inside[COMPUTES] = n_inside[WAITS] = n_open_waits = 0;
    atomic_store(&n_workers, 0);
}

/* Whether a fork resets the pool. The first caller sees to it; those that come meanwhile do not
 * lock a mutex that a child could not unlock. */
static int is_reset_after_fork(void)
{
    enum { NOT_YET, BEGUN, DONE };
    static atomic_int state; /* inherited by a forked child, as the registration is */
    int before = atomic_load_explicit(&state, memory_order_acquire);
    if (before == NOT_YET && atomic_compare_exchange_strong(&state, &before, BEGUN)) {
        cio_around_fork(NULL, NULL, reset_after_fork);
        n_cpus = cio_n_cpus();
        atomic_store(&state, DONE);
        return 1;
    }
    return before == DONE;
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

/* Whether one more thread may compute, in this region. Under the mutex. */
static int may_compute(const region *r)
{
    return n_regions + n_inside[COMPUTES] < r->max_computing;
}

/* The region with the fewest workers that has work left and a slot that a worker may take now, for
 * this reason; of equal ones the oldest; or NULL. Under the mutex. */
static region *neediest(int reason)
{
    region *found = NULL;
    for (region *r = oldest; r != NULL; r = r->following)
        if (r->n_open[reason] > 0 && (found == NULL || r->n_inside < found->n_inside) &&
            (reason == WAITS || may_compute(r)) &&
            atomic_load_explicit(&r->next, memory_order_relaxed) < r->n_items)
            found = r;
    return found;
}

static cio_thread_result CIO_THREAD_CALL worker(void *nothing)
{
    (void)nothing;
    cio_lock(&mutex);
    for (;;) {
        int reason = WAITS;
        region *r = neediest(WAITS);
        if (r == NULL)
            r = neediest(reason = COMPUTES);
        if (r == NULL) {
            cio_wait(&work_ready, &mutex);
            continue;
        }
        --r->n_open[reason];
        n_open_waits -= reason == WAITS;
        const int slot = ++r->n_taken;
        ++r->n_inside;
        ++n_inside[reason];
        cio_unlock(&mutex);
        run_chunks(r, slot);
        cio_lock(&mutex);
        --n_inside[reason];
        if (--r->n_inside == 0)
            cio_wake_all(&one_left);
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

/* Let workers into a region; how many to wake. */
static int open_region(region *r, int n_threads, int max_helpers)
{
    region **end = &oldest;
    int helpers = n_threads - 1 < max_helpers ? n_threads - 1 : max_helpers;
    cio_lock(&mutex);
    spawn(helpers);
    if (helpers > atomic_load(&n_workers))
        helpers = atomic_load(&n_workers);
    r->n_open[COMPUTES] = helpers;
    r->max_computing = n_threads > n_cpus ? n_threads : n_cpus;
    atomic_store(&r->n_more, max_helpers - helpers);
    while (*end != NULL)
        end = &(*end)->following;
    *end = r;
    ++n_regions;
    cio_unlock(&mutex);
    return helpers;
}

/* Let no more workers in, and wait for those inside. */
static void close_region(region *r)
{
    region **at = &oldest;
    cio_lock(&mutex);
    while (*at != r)
        at = &(*at)->following;
    *at = r->following;
    --n_regions;
    n_open_waits -= r->n_open[WAITS];
    /* A worker inside may be about to add another: no slot is left to turn into one that waits. */
    r->n_open[COMPUTES] = r->n_open[WAITS] = 0;
    /* This thread computes no more: another may. */
    if (neediest(COMPUTES) != NULL)
        cio_wake_one(&work_ready);
    atomic_store(&r->n_more, 0);
    while (r->n_inside > 0)
        cio_wait(&one_left, &mutex);
    cio_unlock(&mutex);
}

void cio_thread_pool_run(cio_task task, void *context, size_t n_items, size_t chunk, int n_threads,
                         int max_threads)
{
    region r = {.task = task, .context = context, .n_items = n_items, .chunk = chunk};
    const size_t n_chunks = n_items / chunk + (n_items % chunk != 0);
    int max_helpers = max_threads - 1 < MAX_WORKERS ? max_threads - 1 : MAX_WORKERS;
    if (max_helpers > 0 && (size_t)max_helpers >= n_chunks)
        max_helpers = n_chunks == 0 ? 0 : (int)(n_chunks - 1);

    r.is_alone = max_helpers <= 0 || (own != NULL && !own->is_alone) || !is_reset_after_fork();
    if (r.is_alone) {
        run_chunks(&r, 0);
        return;
    }
    const int helpers = open_region(&r, n_threads, max_helpers);
    for (int k = 0; k < helpers; ++k)
        cio_wake_one(&work_ready);
    run_chunks(&r, 0);
    close_region(&r);
}

int cio_thread_pool_is_alone(void) { return own == NULL || own->is_alone; }

void cio_thread_pool_add_worker(void)
{
    if (own == NULL || own->is_alone)
        return;
    cio_lock(&mutex);
    /* A slot that is open but closed to workers that compute will do. */
    const int is_barred = own->n_open[COMPUTES] > 0 && !may_compute(own);
    const int can = is_barred || atomic_load(&own->n_more) > 0;
    if (can) {
        if (is_barred)
            --own->n_open[COMPUTES];
        else
            atomic_fetch_sub(&own->n_more, 1);
        ++own->n_open[WAITS];
        ++n_open_waits;
        /* One for each slot that is open because a task waits, and for those of this region. */
        spawn(n_inside[COMPUTES] + n_inside[WAITS] + n_open_waits + own->n_open[COMPUTES]);
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
