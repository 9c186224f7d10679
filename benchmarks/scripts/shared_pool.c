/* How long do two reads at once take, by the scheduling of the thread pool alone?
 *
 *     cc -O2 -pthread -Icsrc benchmarks/scripts/shared_pool.c csrc/thread_pool.c -o shared -lm && ./shared
 *
 * A tile is a sleep of 1 ms, so threads need no CPUs, and the figures are those of a machine that
 * has as many CPUs as threads.  Each row: two reads of several tiles, by two callers, one after the
 * other and at once; medians of interleaved rounds. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cloudio.h"

enum { ROUNDS = 5 };

static int n_threads;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void sleep_per_tile(void *context, size_t begin, size_t end, int slot)
{
    (void)context, (void)slot;
    usleep((useconds_t)(1000 * (end - begin)));
}

static void *read_tiles(void *n_tiles)
{
    cio_thread_pool_run(sleep_per_tile, NULL, *(size_t *)n_tiles, 1, n_threads, n_threads);
    return NULL;
}

/* Milliseconds until both have ended. */
static double both(size_t *tiles, int at_once)
{
    pthread_t callers[2];
    const double begin = now();
    for (int k = 0; k < 2; ++k) {
        pthread_create(&callers[k], NULL, read_tiles, &tiles[k]);
        if (!at_once)
            pthread_join(callers[k], NULL);
    }
    for (int k = 0; k < 2 && at_once; ++k)
        pthread_join(callers[k], NULL);
    return now() - begin;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const int threads[] = {2, 4, 16};
    static size_t tiles[][2] = {{128, 128}, {32, 256}};
    printf("threads  tiles        one after the other   at once   tiles per thread\n");
    for (int t = 0; t < 3; ++t)
        for (int k = 0; k < 2; ++k) {
            double ms[2][ROUNDS];
            n_threads = threads[t];
            for (int r = 0; r < ROUNDS; ++r)
                for (int at_once = 0; at_once < 2; ++at_once)
                    ms[at_once][r] = both(tiles[k], at_once);
            qsort(ms[0], ROUNDS, sizeof(double), compare);
            qsort(ms[1], ROUNDS, sizeof(double), compare);
            printf("%7d  %3zu and %3zu  %19.0f %9.0f %18.0f\n", n_threads, tiles[k][0], tiles[k][1],
                   ms[0][ROUNDS / 2], ms[1][ROUNDS / 2],
                   (double)(tiles[k][0] + tiles[k][1]) / n_threads);
        }
    return 0;
}
