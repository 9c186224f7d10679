/* Scratch: one block is kept from one batch to the next, whoever takes it first. */
#include <stdatomic.h>
#include <stdlib.h>

#include "cloudio.h"

enum { LINE = 64, MOST_KEPT = 64 << 20 };

/* In front of what is handed out, which begins at a line. */
typedef struct {
    void *memory;
    size_t n_bytes;
} block;

static _Atomic(block *) kept;

static void discard(block *b)
{
    if (b != NULL)
        free(b->memory);
}

void *cio_scratch_take(size_t n_bytes)
{
    block *b = atomic_exchange(&kept, NULL);
    if (b == NULL || b->n_bytes < n_bytes) {
        discard(b);
        char *memory = malloc(n_bytes + 2 * LINE);
        if (memory == NULL)
            return NULL;
        b = (block *)(memory + LINE - (uintptr_t)memory % LINE);
        b->memory = memory;
        b->n_bytes = n_bytes;
    }
    return (char *)b + LINE;
}

void cio_scratch_give_back(void *scratch)
{
    if (scratch == NULL)
        return;
    block *b = (block *)((char *)scratch - LINE);
    discard(b->n_bytes <= MOST_KEPT ? atomic_exchange(&kept, b) : b);
}
