/* Is io_uring faster than threads that pread, for windows of patches whose pages are on the disk?
 *
 *     cc -O2 -pthread -o uring benchmarks/scripts/uring.c && ./uring data/train/L1C_*.dat
 *
 * Files of int16 patches of 512 x 512.  The pages of the same random windows are read by a pool of
 * threads and by one thread with a ring, at several depths, through the page cache and past it,
 * interleaved; pages are evicted before each run.  Medians of the rounds.  Files are only read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ROW = 1024, PATCH = 512 * ROW, PAGE = 4096, SAMPLES = 64, ROUNDS = 9, MAX_FILES = 64 };
enum { N_DEPTHS = 6, MAX_DEPTH = 32, N_CANDIDATES = 4 * N_DEPTHS };

static const char *const names[4] = {
    "threads, page cache", "io_uring, page cache", "threads, O_DIRECT", "io_uring, O_DIRECT"};

struct request {
    int file;
    uint32_t n_bytes;
    uint64_t offset;
};

static int n_files, files[2][MAX_FILES]; /* through the page cache, and past it */
static uint64_t n_patches;
static struct request requests[SAMPLES * MAX_FILES];
static int n_requests;
static char *buffers[MAX_DEPTH];

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- threads ------------------------------------------------------------------------------- */

static atomic_int next_request;
static const int *open_files;

static void *work(void *buffer) {
    int k;
    while ((k = atomic_fetch_add(&next_request, 1)) < n_requests) {
        const struct request *r = requests + k;
        if (pread(open_files[r->file], buffer, r->n_bytes, r->offset) != (ssize_t)r->n_bytes)
            die("pread");
    }
    return NULL;
}

static void by_threads(int depth) {
    pthread_t threads[MAX_DEPTH];
    atomic_store(&next_request, 0);
    for (int d = 0; d < depth; d++)
        if (pthread_create(threads + d, NULL, work, buffers[d])) die("pthread_create");
    for (int d = 0; d < depth; d++) pthread_join(threads[d], NULL);
}

/* ---- io_uring ------------------------------------------------------------------------------ */

struct ring {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    char *memory;
    size_t n_memory, n_sqes;
};

/* The two rings share one mapping, as every kernel since 5.4 has it. */
static struct ring ring_open(unsigned depth) {
    struct io_uring_params p = {0};
    struct ring r = {.fd = (int)syscall(SYS_io_uring_setup, depth, &p)};
    if (r.fd < 0) die("io_uring_setup");
    if (!(p.features & IORING_FEAT_SINGLE_MMAP)) die("io_uring before Linux 5.4");
    size_t sq = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    r.n_memory = sq > cq ? sq : cq;
    r.n_sqes = p.sq_entries * sizeof(struct io_uring_sqe);
    r.memory = mmap(NULL, r.n_memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r.fd,
                    IORING_OFF_SQ_RING);
    r.sqes = mmap(NULL, r.n_sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r.fd,
                  IORING_OFF_SQES);
    if (r.memory == MAP_FAILED || r.sqes == MAP_FAILED) die("mmap of a ring");
    r.sq_tail = (unsigned *)(r.memory + p.sq_off.tail);
    r.sq_mask = (unsigned *)(r.memory + p.sq_off.ring_mask);
    r.sq_array = (unsigned *)(r.memory + p.sq_off.array);
    r.cq_head = (unsigned *)(r.memory + p.cq_off.head);
    r.cq_tail = (unsigned *)(r.memory + p.cq_off.tail);
    r.cq_mask = (unsigned *)(r.memory + p.cq_off.ring_mask);
    r.cqes = (struct io_uring_cqe *)(r.memory + p.cq_off.cqes);
    return r;
}

static void ring_close(struct ring *r) {
    munmap(r->memory, r->n_memory);
    munmap(r->sqes, r->n_sqes);
    close(r->fd);
}

/* Request k, but for what is done of it, into buffer d; both come back with its completion. */
static void submit(struct ring *r, int d, int k, uint32_t done) {
    unsigned tail = *r->sq_tail, at = tail & *r->sq_mask;
    struct io_uring_sqe *e = r->sqes + at;
    memset(e, 0, sizeof *e);
    e->opcode = IORING_OP_READ;
    e->fd = open_files[requests[k].file];
    e->off = requests[k].offset + done;
    e->addr = (uint64_t)(uintptr_t)(buffers[d] + done);
    e->len = requests[k].n_bytes - done;
    e->user_data = (uint64_t)d << 32 | (uint64_t)k;
    r->sq_array[at] = at;
    __atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

static void by_ring(struct ring *r, int depth) {
    static uint32_t done[MAX_DEPTH];
    int next = 0, finished = 0;
    unsigned waiting = 0;
    for (; next < depth && next < n_requests; next++, waiting++) {
        done[next] = 0;
        submit(r, next, next, 0);
    }
    while (finished < n_requests) {
        long taken = syscall(SYS_io_uring_enter, r->fd, waiting, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        if (taken < 0) die("io_uring_enter");
        waiting -= (unsigned)taken;
        unsigned head = *r->cq_head, tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);
        for (; head != tail; head++) {
            struct io_uring_cqe c = r->cqes[head & *r->cq_mask];
            int d = (int)(c.user_data >> 32), k = (int)(uint32_t)c.user_data;
            if (c.res <= 0) {
                fprintf(stderr, "read: %s\n", c.res ? strerror(-c.res) : "the file ends");
                exit(1);
            }
            done[d] += (uint32_t)c.res;
            if (done[d] == requests[k].n_bytes) {
                finished++;
                if (next == n_requests) continue;
                done[d] = 0;
                k = next++;
            }
            submit(r, d, k, done[d]);
            waiting++;
        }
        __atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
    }
}

/* ---- one run ------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The kernel's own threads that serve a ring count as threads of its process. */
static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Windows of n_rows rows of different random patches, the same in every file, as whole pages. */
static void draw(int n_rows) {
    static char taken[1 << 20];
    memset(taken, 0, sizeof taken);
    n_requests = 0;
    for (int s = 0; s < SAMPLES && (uint64_t)s < n_patches; s++) {
        uint64_t patch;
        do patch = (uint64_t)rand() % n_patches;
        while (taken[patch]);
        taken[patch] = 1;
        uint64_t row = 1 + (uint64_t)(rand() % (509 - n_rows + 1));
        uint64_t first = row * ROW / PAGE * PAGE;
        uint64_t last = ((row + (uint64_t)n_rows) * ROW + PAGE - 1) / PAGE * PAGE;
        for (int f = 0; f < n_files; f++)
            requests[n_requests++] =
                (struct request){f, (uint32_t)(last - first), patch * PATCH + first};
    }
}

static void run(int path, int depth, double *seconds, double *cpu) {
    struct ring ring = {0};
    int uses_ring = path & 1;
    open_files = files[path >> 1];
    if (uses_ring) ring = ring_open((unsigned)depth);
    for (int f = 0; f < n_files; f++)
        if (posix_fadvise(files[0][f], 0, 0, POSIX_FADV_DONTNEED)) die("posix_fadvise");
    double start = now(), spent = cpu_seconds();
    if (uses_ring)
        by_ring(&ring, depth);
    else
        by_threads(depth);
    *seconds = now() - start;
    *cpu = cpu_seconds() - spent;
    if (uses_ring) ring_close(&ring);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

static void compare(int n_rows) {
    static double speed[N_CANDIDATES][ROUNDS], cpu[N_CANDIDATES][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        draw(n_rows);
        double mb = 0, seconds;
        for (int k = 0; k < n_requests; k++) mb += requests[k].n_bytes / 1e6;
        for (int k = 0; k < N_CANDIDATES; k++) {
            int w = (round % 2 ? N_CANDIDATES - k : k) + round * 5;
            w %= N_CANDIDATES;
            run(w / N_DEPTHS, 1 << w % N_DEPTHS, &seconds, &cpu[w][round]);
            speed[w][round] = mb / seconds;
        }
    }
    printf("\n%d rows: %d windows, MB/s (CPU seconds) by reads at once\n%-22s", n_rows, n_requests,
           "");
    for (int d = 0; d < N_DEPTHS; d++) printf("%13d", 1 << d);
    for (int path = 0; path < 4; path++) {
        printf("\n%-22s", names[path]);
        for (int d = 0; d < N_DEPTHS; d++) {
            int w = path * N_DEPTHS + d;
            printf("%6.0f (%.2f)", median(speed[w]), median(cpu[w]));
        }
    }
    printf("\n");
}

int main(int n_arguments, char **arguments) {
    struct stat status;
    if (n_arguments < 2 || n_arguments - 1 > MAX_FILES) {
        fprintf(stderr, "usage: %s FILE ...\n", arguments[0]);
        return 2;
    }
    for (; n_files < n_arguments - 1; n_files++) {
        const char *path = arguments[1 + n_files];
        files[0][n_files] = open(path, O_RDONLY);
        files[1][n_files] = open(path, O_RDONLY | O_DIRECT);
        if (files[0][n_files] < 0 || files[1][n_files] < 0) die(path);
        fsync(files[0][n_files]);
        posix_fadvise(files[0][n_files], 0, 0, POSIX_FADV_RANDOM);
        if (fstat(files[0][n_files], &status)) die(path);
        uint64_t n = (uint64_t)status.st_size / PATCH;
        if (!n_files || n < n_patches) n_patches = n;
    }
    if (!n_patches || n_patches > 1 << 20) {
        fprintf(stderr, "1 to %d patches of %d bytes are needed\n", 1 << 20, PATCH);
        return 2;
    }
    for (int d = 0; d < MAX_DEPTH; d++)
        if (posix_memalign((void **)&buffers[d], PAGE, PATCH)) die("posix_memalign");
    srand((unsigned)time(NULL));
    compare(509);
    compare(224);
    return 0;
}
