/* The thread team under load, for running under sanitizers: `team_stress [forks]`.
 *
 * Every item of every region must be done exactly once, whoever calls, from wherever, and in the
 * children of a process whose team is at work. Prints what failed; exit status 0 if nothing did.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloudio.h"

enum { ITEMS = 1000, SEATS = 5, CALLERS = 4, REGIONS = 300 };

typedef struct {
    unsigned char done[ITEMS];
    atomic_flag taken[SEATS];
    int nested;
} job;

static atomic_int failures;
static atomic_int stop;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    atomic_fetch_add(&failures, 1);
}

static void count(void *context, size_t begin, size_t end, int seat)
{
    job *j = context;
    if (seat < 0 || seat >= SEATS || atomic_flag_test_and_set(&j->taken[seat]))
        fail("a seat was taken twice");
    for (size_t i = begin; i < end; ++i)
        ++j->done[i];
    if (j->nested) {
        job inner = {.nested = 0};
        cio_team_run(count, &inner, 10, 1, 2, 2);
        for (int i = 0; i < 10; ++i)
            if (inner.done[i] != 1)
                fail("nested: an item was not done once");
    }
    atomic_flag_clear(&j->taken[seat]);
}

static void one_region(unsigned seed)
{
    job j = {.nested = seed % 7 == 0};
    const size_t n = seed % (ITEMS + 1), chunk = 1 + seed % 13;
    const int n_threads = 1 + (int)(seed % 5);
    cio_team_run(count, &j, n, chunk, n_threads, n_threads);
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

static void forks(int n)
{
    pthread_t busy[2];
    for (int k = 0; k < 2; ++k)
        pthread_create(&busy[k], NULL, until_stopped, NULL);
    for (int k = 0; k < n; ++k) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20); /* a hang is a failure, not a wait */
            for (unsigned r = 0; r < 50; ++r)
                one_region(r);
            _exit(atomic_load(&failures) != 0);
        }
        int status;
        waitpid(child, &status, 0);
        if (status != 0)
            fail("a forked child failed or hung");
    }
    atomic_store(&stop, 1);
    for (int k = 0; k < 2; ++k)
        pthread_join(busy[k], NULL);
}

int main(int argc, char **argv)
{
    pthread_t callers[CALLERS];
    for (size_t k = 0; k < CALLERS; ++k)
        pthread_create(&callers[k], NULL, caller, (void *)k);
    for (int k = 0; k < CALLERS; ++k)
        pthread_join(callers[k], NULL);
    if (cio_team_size() < 1 || cio_team_size() > 4)
        fail("the team has a wrong size");
    if (argc > 1)
        forks(atoi(argv[1]));
    return atomic_load(&failures) != 0;
}
