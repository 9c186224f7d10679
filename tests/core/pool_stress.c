/* The thread pool, files and tasks under load: `pool_stress ROUNDS [stay]`.
 *
 * Every item of every region must be done exactly once, whoever calls, from wherever, and in the
 * children of a process whose pool is at work; no two threads of a region may have one slot; workers
 * that have nothing left to do in one region must help in another. Every file must be closed exactly
 * once, not while anybody is inside, by whoever is the last: its owner, a reader or a task, be that
 * run or dropped by a child. Prints what failed; exit status 0 if nothing did.
 *
 * Each round forks a child; with `stay` none does, for the thread sanitizer, whose allocator has a
 * lock that a fork does not release in the child.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "background.h"
#include "cloudio.h"
#include "files.h"

enum { ITEMS = 1000, SLOTS = 12, CALLERS = 4, REGIONS = 300, BYTES = 3 * 4096, ROUNDS = 200 };

typedef struct {
    unsigned char done[ITEMS];
    atomic_flag taken[SLOTS];
    int nested, n_most;
    int waits; /* at every so manieth item more threads are let in; 0: at none */
} job;

static atomic_int failures;
static atomic_int stop;
static int forking;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    atomic_fetch_add(&failures, 1);
}

/* ---- children ------------------------------------------------------------------------------------ */

enum { CHILD_SECONDS = 60 };

/* End this process when the one that started it ends. */
static void die_with(pid_t parent)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent) /* it ended before it was asked for */
        _exit(3);
}

/* Fork a child that lives no longer than its parent and its time. The thread that forked may have
 * had every signal blocked, and with them the alarm. */
static pid_t fork_child(void)
{
    const pid_t parent = getpid(), child = fork();
    if (child == 0) {
        sigset_t none;
        die_with(parent);
        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
        alarm(CHILD_SECONDS);
    }
    return child;
}

/* Whether a child ends well and in time; one that does not end is killed. */
static int ends_well(pid_t child)
{
    int status = 0;
    for (int k = 0; k < CHILD_SECONDS * 5000; ++k) {
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return status == 0;
        if (ended < 0 && errno != EINTR)
            return 0;
        usleep(200);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return 0;
}

/* Run `act` in a child of its own, if children are forked at all; it returns whether all was well. */
static void in_a_child(int (*act)(void *), void *context, const char *failure)
{
    if (!forking)
        return;
    const pid_t child = fork_child();
    if (child == 0)
        _exit(!act(context) || atomic_load(&failures) != 0);
    if (child < 0 || !ends_well(child))
        fail(failure);
}

/* Rounds go on until one fails: what hangs once would hang in each. */
static int goes_on(int k, int n)
{
    return k < n && atomic_load(&failures) == 0;
}

/* ---- regions ------------------------------------------------------------------------------------- */

static void count(void *context, size_t begin, size_t end, int slot)
{
    job *j = context;
    if (slot < 0 || slot >= j->n_most)
        fail("a slot is none of the region's");
    if (atomic_flag_test_and_set(&j->taken[slot]))
        fail("a slot was taken twice");
    for (size_t i = begin; i < end; ++i) {
        ++j->done[i];
        if (j->waits != 0 && i % (size_t)j->waits == 0) {
            cio_thread_pool_add_worker();
            sched_yield();
        }
    }
    if (j->nested) {
        job inner = {.n_most = 2, .waits = j->waits};
        cio_thread_pool_run(count, &inner, 10, 1, 2, 2);
        for (int i = 0; i < 10; ++i)
            if (inner.done[i] != 1)
                fail("nested: an item was not done once");
    }
    atomic_flag_clear(&j->taken[slot]);
}

static void one_region(unsigned seed)
{
    const size_t n = seed % (ITEMS + 1), chunk = 1 + seed % 13;
    const int n_threads = 1 + (int)(seed % 5), n_most = n_threads + (int)(seed % 8);
    job j = {.nested = seed % 7 == 0, .n_most = n_most, .waits = (int)(seed % 3) * 10};
    cio_thread_pool_run(count, &j, n, chunk, n_threads, n_most);
    for (size_t i = 0; i < ITEMS; ++i)
        if (j.done[i] != (i < n)) {
            fail("an item was not done once");
            return;
        }
}

static void *caller(void *number)
{
    for (unsigned k = 0; k < REGIONS; ++k)
        one_region(k * 31u + (unsigned)(size_t)number);
    return NULL;
}

static void *until_stopped(void *nothing)
{
    (void)nothing;
    for (unsigned k = 0; !atomic_load(&stop); ++k)
        one_region(k);
    return NULL;
}

static int regions_of_a_child(void *nothing)
{
    (void)nothing;
    for (unsigned r = 0; r < 50; ++r)
        one_region(r);
    return 1;
}

/* Others call while this thread forks. */
static void calls(int n)
{
    pthread_t busy[2];
    for (int k = 0; k < 2; ++k)
        pthread_create(&busy[k], NULL, until_stopped, NULL);
    for (int k = 0; goes_on(k, n); ++k)
        in_a_child(regions_of_a_child, NULL, "a forked child failed or hung");
    atomic_store(&stop, 1);
    for (int k = 0; k < 2; ++k)
        pthread_join(busy[k], NULL);
    atomic_store(&stop, 0);
}

/* ---- several at once ----------------------------------------------------------------------------- */

typedef struct {
    atomic_int n_here, n_left;
    int wanted, n_slots; /* threads that must be here at once; slots of the region */
    int adds;            /* slots that each of them adds */
    int stays;           /* whether the caller's own task stays until `may_leave` */
    atomic_int may_leave;
} meeting;

static void wait_until(atomic_int *n, int least, const char *failure)
{
    for (int k = 0; k < 8000 && atomic_load(n) < least; ++k)
        usleep(1000);
    if (atomic_load(n) < least)
        fail(failure);
}

static void meet(void *context, size_t begin, size_t end, int slot)
{
    meeting *m = context;
    (void)begin, (void)end;
    if (slot < 0 || slot >= m->n_slots)
        fail("a slot is none of the region's");
    atomic_fetch_add(&m->n_here, 1);
    for (int k = 0; k < m->adds; ++k)
        cio_thread_pool_add_worker();
    wait_until(&m->n_here, m->wanted, "a region has fewer threads than it may have");
    if (m->stays && slot == 0)
        wait_until(&m->may_leave, 1, "another region does not end");
    else
        atomic_fetch_add(&m->n_left, 1);
}

/* Six items of a region that begins with two threads, or with all six: each must see six. */
static void *gather_six(void *n_begun)
{
    meeting six = {.wanted = 6, .n_slots = 6, .adds = 5};
    cio_thread_pool_run(meet, &six, 6, 1, *(const int *)n_begun, 6);
    return NULL;
}

static void more_than_begun(void)
{
    static int n_begun[] = {2, 6};
    pthread_t others[3];
    cio_thread_pool_add_worker(); /* outside of a region is no harm */
    gather_six(&n_begun[0]);
    /* Each of several regions has its own. */
    for (int how = 0; how < 2; ++how) {
        for (int k = 0; k < 3; ++k)
            pthread_create(&others[k], NULL, gather_six, &n_begun[how]);
        for (int k = 0; k < 3; ++k)
            pthread_join(others[k], NULL);
    }
}

/* More threads than this machine has CPUs, so that only they limit a region. */
static int many(void) { return 2 + (int)sysconf(_SC_NPROCESSORS_ONLN); }

static void *stay(void *m)
{
    cio_thread_pool_run(meet, m, (size_t)many(), 1, many(), many());
    return NULL;
}

/* Workers of a region whose caller is still at work help in another, which began meanwhile. */
static void workers_move(void)
{
    meeting first = {.wanted = many(), .n_slots = many(), .stays = 1};
    meeting second = {.wanted = many() - 1, .n_slots = many()};
    pthread_t other;
    pthread_create(&other, NULL, stay, &first);
    wait_until(&first.n_left, many() - 1, "workers do not leave a region that has no more work");
    cio_thread_pool_run(meet, &second, (size_t)many(), 1, many(), many());
    atomic_store(&first.may_leave, 1);
    pthread_join(other, NULL);
}

static void wait_all(void *nothing, size_t begin, size_t end, int slot)
{
    (void)nothing, (void)begin, (void)end, (void)slot;
    cio_thread_pool_add_worker();
}

static void *crowd(void *nothing)
{
    for (int k = 0; k < 10000; ++k)
        cio_thread_pool_run(wait_all, NULL, SLOTS, 1, 4, SLOTS);
    return nothing;
}

/* Callers are as many as CPUs or more, and every task waits: no slot of a region that is closed
 * meanwhile may be counted, and no more workers started than all regions may have. */
static void stays_small(void)
{
    const int before = cio_thread_pool_n_workers(), most = CALLERS * (SLOTS - 1);
    pthread_t callers[CALLERS];
    for (int k = 0; k < CALLERS; ++k)
        pthread_create(&callers[k], NULL, crowd, NULL);
    for (int k = 0; k < CALLERS; ++k)
        pthread_join(callers[k], NULL);
    if (cio_thread_pool_n_workers() > (before > most ? before : most))
        fail("the pool grows though its regions do not");
}

/* ---- files --------------------------------------------------------------------------------------- */

static const char *path;

static int n_open(void)
{
    int n = 0;
    for (int descriptor = 0; descriptor < 256; ++descriptor)
        n += fcntl(descriptor, F_GETFD) != -1;
    return n;
}

static cio_file *new_file(void)
{
    const int descriptor = open(path, O_RDONLY);
    cio_file *file = descriptor < 0 ? NULL : cio_file_open(descriptor, BYTES, 1);
    if (file == NULL)
        fail("a file could not be held");
    return file;
}

static void release(cio_file *file)
{
    cio_file_close(file);
    cio_file_unref(file);
}

static void *reader(void *argument)
{
    cio_file *file = argument;
    char bytes[16];
    while (cio_file_acquire(file)) {
        /* Were it closed under us, the mapping would be gone and the descriptor perhaps another's. */
        if (cio_file_base(file)[4096] != 'x')
            fail("a mapping shows something else");
        if (cio_file_read(file, bytes, 8192 - 8, 16) != 16 || bytes[0] != 'x' || bytes[15] != 'x')
            fail("a descriptor reads something else");
        cio_file_readahead(file, 0, BYTES);
        cio_file_decay(file);
        cio_file_release(file);
    }
    return NULL;
}

static void *closer(void *file)
{
    cio_file_close(file);
    /* It is likely to get the number that has just become free. */
    const int another = open(path, O_RDONLY);
    cio_file_close(file);
    if (another < 0 || close(another) != 0)
        fail("a file was closed twice, and with it another");
    return NULL;
}

static void closes(void)
{
    const int before = n_open();
    for (int k = 0; k < ROUNDS; ++k) {
        cio_file *file = new_file();
        pthread_t threads[4];
        if (file == NULL)
            return;
        for (int t = 0; t < 4; ++t)
            pthread_create(&threads[t], NULL, t < 2 ? reader : closer, file);
        for (int t = 0; t < 4; ++t)
            pthread_join(threads[t], NULL);
        if (!cio_file_is_closed(file) || n_open() != before)
            fail("a file that everybody left is still open");
        release(file);
        if (n_open() != before)
            fail("a file was closed twice");
    }
}

/* ---- tasks --------------------------------------------------------------------------------------- */

typedef struct {
    cio_background_task task;
    cio_file *file;
} ahead;

static atomic_int sent, run, dropped; /* by this process; a child has its parent's */

static void run_ahead(cio_background_task *task)
{
    cio_file_readahead(((ahead *)task)->file, 0, BYTES);
    usleep(20);
    atomic_fetch_add(&run, 1);
}

static void drop_ahead(cio_background_task *task)
{
    usleep(20);
    cio_file_release(((ahead *)task)->file);
    cio_file_unref(((ahead *)task)->file);
    free(task);
    atomic_fetch_add(&dropped, 1);
}

static void send_ahead_of(cio_file *file, size_t n_bytes)
{
    ahead *a = malloc(sizeof(*a));
    if (a == NULL || !cio_file_acquire(file))
        return;
    a->task.run = run_ahead, a->task.destroy = drop_ahead;
    a->task.n_bytes = n_bytes;
    a->file = file;
    cio_file_ref(file);
    atomic_fetch_add(&sent, 1);
    cio_background_submit(&a->task);
}

static void send_ahead(cio_file *file) { send_ahead_of(file, sizeof(ahead)); }

static int all_dropped(void)
{
    for (int k = 0; k < 4000 && atomic_load(&dropped) < atomic_load(&sent); ++k)
        usleep(1000);
    return atomic_load(&dropped) == atomic_load(&sent);
}

/* Wait until a process has as many descriptors as it had. */
static int all_closed(int before)
{
    for (int k = 0; k < 4000 && n_open() != before; ++k)
        usleep(1000);
    return n_open() == before;
}

/* What was under way is dropped by now, and its file closed with the last of it. */
static int errands_of_a_child(void *before)
{
    const int n_before = *(int *)before, done = atomic_load(&run);
    if (atomic_load(&dropped) != atomic_load(&sent) || n_open() != n_before)
        fail("a child has not dropped what its parent sent");
    cio_file *file = new_file();
    send_ahead(file);
    release(file);
    if (!all_dropped() || atomic_load(&run) != done + 1 || n_open() != n_before)
        fail("a child runs no tasks of its own");
    return 1;
}

/* A file has been closed by its owner, and many tasks still need it, when a child is forked. */
static void close_before_tasks(int n)
{
    int before = n_open();
    for (int k = 0; goes_on(k, n); ++k) {
        cio_file *file = new_file();
        if (file == NULL)
            return;
        for (int e = 0; e < 40; ++e)
            send_ahead(file);
        release(file);
        usleep((unsigned)k * 7 % 200);
        in_a_child(errands_of_a_child, &before,
                   "a forked child has tasks or files left, or hung");
    }
    if (!all_dropped() || atomic_load(&run) != atomic_load(&sent) || n_open() != before)
        fail("a task was not run and dropped once, or its file is open");
}

static void *sender(void *nothing)
{
    (void)nothing;
    cio_file *file = new_file();
    while (file != NULL && !atomic_load(&stop)) {
        for (int e = 0; e < 10; ++e)
            send_ahead(file);
        all_dropped();
    }
    release(file);
    return NULL;
}

static int sends_in_a_child(void *nothing)
{
    (void)nothing;
    const int before = n_open();
    cio_file *file = new_file();
    for (int e = 0; e < 10; ++e)
        send_ahead(file);
    release(file);
    return all_closed(before);
}

/* Another thread sends while this one forks. What it had in hand is nobody's in the child. */
static void errands_from_elsewhere(int n)
{
    pthread_t other;
    const int before = n_open();
    pthread_create(&other, NULL, sender, NULL);
    for (int k = 0; goes_on(k, n); ++k) {
        in_a_child(sends_in_a_child, NULL,
                   "a child that was forked while tasks were sent failed or hung");
        if (!forking)
            usleep(1000);
    }
    atomic_store(&stop, 1);
    pthread_join(other, NULL);
    atomic_store(&stop, 0);
    if (!all_dropped() || n_open() != before)
        fail("a task sent from elsewhere was not dropped, or its file is open");
}

static atomic_int blocked, is_running;

static void run_blocked(cio_background_task *task)
{
    (void)task;
    atomic_store(&is_running, 1);
    while (atomic_load(&blocked))
        usleep(100);
}

static void drop_nothing(cio_background_task *task) { (void)task; }

/* Whoever sends faster than tasks are run: the oldest are dropped, and the last are run. */
static void bounded(void)
{
    enum { FIT = 8, MANY = 1000 };
    const int before = n_open(), run_before = atomic_load(&run), sent_before = atomic_load(&sent);
    static cio_background_task block;
    cio_file *file = new_file();
    if (file == NULL || !all_dropped())
        return;
    block.n_bytes = sizeof(block), block.run = run_blocked, block.destroy = drop_nothing;
    atomic_store(&blocked, 1);
    cio_background_submit(&block);
    while (!atomic_load(&is_running))
        usleep(100);
    for (int k = 0; k < MANY; ++k)
        send_ahead_of(file, (CIO_MAX_WAITING - sizeof(block)) / FIT);
    if (atomic_load(&dropped) < sent_before + MANY - FIT - 1)
        fail("more tasks wait than may");
    send_ahead_of(file, 2 * (size_t)CIO_MAX_WAITING); /* alone it may wait, however large it is */
    if (atomic_load(&dropped) < sent_before + MANY)
        fail("tasks wait with one that is too large");
    atomic_store(&blocked, 0);
    release(file);
    if (!all_dropped() || atomic_load(&run) != run_before + 1 || n_open() != before)
        fail("the last task was not run, or its file is open");
}

/* ---- a loader ------------------------------------------------------------------------------------ */

/* Ask for the pages of the next batch, then read this one. */
static void build(cio_file *file, unsigned k)
{
    send_ahead(file);
    one_region(k * 17u);
    if (!cio_file_acquire(file)) {
        fail("a file that is in use is closed");
        return;
    }
    if (cio_file_base(file)[8192] != 'x')
        fail("a mapping shows something else");
    cio_file_release(file);
    if (k % 5 == 0)
        all_dropped();
}

static void *builder(void *nothing)
{
    (void)nothing;
    cio_file *file = new_file();
    for (unsigned k = 0; file != NULL && !atomic_load(&stop); ++k)
        build(file, k);
    release(file);
    return NULL;
}

static int builds_in_a_child(void *parents)
{
    const int before = n_open();
    /* The other thread may have been about to send one. */
    atomic_store(&sent, 0);
    atomic_store(&dropped, 0);
    cio_file *own = new_file();
    for (unsigned r = 0; r < 10 && own != NULL; ++r) {
        build(own, r);
        build(parents, r);
    }
    release(own);
    return all_closed(before);
}

/* A thread builds, while this one builds by itself and forks. Sanitizers let a child start no thread
 * but those of the pool and of tasks, whose stacks no thread of its parent had. */
static void loads(int n)
{
    pthread_t other;
    const int before = n_open();
    pthread_create(&other, NULL, builder, NULL);
    for (int k = 0; goes_on(k, n); ++k) {
        cio_file *file = new_file();
        if (file == NULL)
            return;
        build(file, (unsigned)k);
        in_a_child(builds_in_a_child, file,
                   "a child that was forked while batches are built failed or hung");
        release(file);
    }
    atomic_store(&stop, 1);
    pthread_join(other, NULL);
    atomic_store(&stop, 0);
    if (!all_dropped() || n_open() != before)
        fail("a task of a loader was not dropped, or its file is open");
}

static void write_file(char *name)
{
    static char bytes[BYTES];
    for (int k = 0; k < BYTES; ++k)
        bytes[k] = 'x';
    const int descriptor = mkstemp(name);
    if (descriptor < 0 || write(descriptor, bytes, BYTES) != BYTES)
        fail("no file could be written");
    close(descriptor);
    path = name;
}

int main(int argc, char **argv)
{
    char name[] = "pool_stress_XXXXXX";
    const int n_rounds = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t callers[CALLERS];
    forking = argc < 3 || strcmp(argv[2], "stay") != 0;
    die_with(getppid());
    write_file(name);
    workers_move(); /* first, while the pool is nobody yet */
    stays_small();
    more_than_begun();
    close_before_tasks(n_rounds);
    errands_from_elsewhere(n_rounds);
    bounded();
    loads(n_rounds / 2);
    closes();
    for (size_t k = 0; k < CALLERS; ++k)
        pthread_create(&callers[k], NULL, caller, (void *)k);
    for (int k = 0; k < CALLERS; ++k)
        pthread_join(callers[k], NULL);
    if (cio_thread_pool_n_workers() < 1 || cio_thread_pool_n_workers() > CALLERS * (SLOTS - 1))
        fail("the pool has a wrong size");
    calls(n_rounds);
    unlink(name);
    return atomic_load(&failures) != 0;
}
