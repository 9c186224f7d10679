/* The team of threads: the one file of cloudio's C that keeps state.
 *
 * Workers are made when first needed, sleep between regions and are never joined. At most one
 * region runs at a time; `busy` says so, and whoever finds it set works alone: a second caller, or
 * a task that calls again. A worker enters a region only through one of its `seats`, under the
 * mutex; the caller closes the seats before it waits for those inside, so that nobody can come in
 * late and find the caller's stack gone. A task that is about to wait for something else than the
 * CPU has one more seat put up, which is how many requests come to be under way. After a fork the
 * child has none of the workers and perhaps a mutex that nobody will unlock: it forgets all and
 * begins anew.
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
    atomic_int more; /* seats that may still be added; none once it is closed */
    int alone;
} region;

static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int n_workers;
static cio_mutex mutex = CIO_MUTEX_INIT;
/* Guarded by the mutex. */
static cio_condition work = CIO_CONDITION_INIT, left = CIO_CONDITION_INIT;
static region *current;
static int seats, n_seated, inside; /* free ones; all that were taken; workers in the region */
/* That this thread works in. */
static CIO_THREAD_LOCAL region *mine;

static void forget(void)
{
    static const cio_mutex new_mutex = CIO_MUTEX_INIT;
    static const cio_condition new_condition = CIO_CONDITION_INIT;
    mutex = new_mutex;
    work = left = new_condition;
    current = NULL;
    seats = n_seated = inside = 0;
    atomic_store(&n_workers, 0);
    atomic_flag_clear(&busy);
}

/* Library code may have set this thread to flush subnormals or to round otherwise. */
static void work_through(region *r, int seat)
{
    fenv_t callers;
    region *outer = mine;
    mine = r;
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
    mine = outer;
}

static cio_thread_result CIO_THREAD_CALL worker(void *nothing)
{
    (void)nothing;
    cio_lock(&mutex);
    for (;;) {
        while (seats == 0)
            cio_wait(&work, &mutex);
        --seats;
        const int seat = ++n_seated;
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

/* Under the mutex. */
static void hire(int wanted)
{
    while (atomic_load(&n_workers) < wanted && cio_start_detached(worker, STACK_BYTES))
        atomic_fetch_add(&n_workers, 1);
}

void cio_team_run(cio_task task, void *context, size_t n_items, size_t chunk, int n_threads,
                  int n_most)
{
    static int registered;
    region r = {task, context, n_items, chunk, 0, 0, 1};
    const size_t n_chunks = n_items / chunk + (n_items % chunk != 0);
    int most = n_most - 1 < MAX_WORKERS ? n_most - 1 : MAX_WORKERS;
    if (most > 0 && (size_t)most >= n_chunks)
        most = n_chunks == 0 ? 0 : (int)(n_chunks - 1);

    if (most <= 0 || atomic_flag_test_and_set(&busy)) {
        work_through(&r, 0);
        return;
    }
    if (!registered) {
        registered = 1; /* inherited by a forked child, as the registration is */
        cio_around_fork(NULL, NULL, forget);
    }
    r.alone = 0;
    int helpers = n_threads - 1 < most ? n_threads - 1 : most;
    cio_lock(&mutex);
    hire(helpers);
    if (helpers > atomic_load(&n_workers))
        helpers = atomic_load(&n_workers);
    current = &r;
    seats = helpers;
    n_seated = 0;
    atomic_store(&r.more, most - helpers);
    cio_unlock(&mutex);
    for (int k = 0; k < helpers; ++k)
        cio_wake_one(&work);

    work_through(&r, 0);

    cio_lock(&mutex);
    seats = 0;
    atomic_store(&r.more, 0);
    while (inside > 0)
        cio_wait(&left, &mutex);
    current = NULL;
    cio_unlock(&mutex);
    atomic_flag_clear(&busy);
}

int cio_team_alone(void) { return mine == NULL || mine->alone; }

void cio_team_more(void)
{
    if (mine == NULL || atomic_load(&mine->more) == 0)
        return;
    cio_lock(&mutex);
    const int can = atomic_load(&mine->more) > 0;
    if (can) {
        atomic_fetch_sub(&mine->more, 1);
        ++seats;
        hire(seats + n_seated);
    }
    cio_unlock(&mutex);
    if (can)
        cio_wake_one(&work);
}

int cio_team_size(void) { return atomic_load(&n_workers); }

/* The type of the header is plain, for C++ has no stdatomic.h. */
int cio_raise(cio_flag *flag)
{
    return atomic_exchange_explicit((atomic_int *)&flag->value, 1, memory_order_acq_rel) == 0;
}

int cio_is_raised(const cio_flag *flag)
{
    return atomic_load_explicit((const atomic_int *)&flag->value, memory_order_relaxed);
}
