/* Scratch memory: one block is kept from one batch to the next, for the thread that takes it first.
 *
 * This file keeps state: that block. */
#include <stdatomic.h>
#include <stdlib.h>

#include "cloudio.h"

enum { ALIGNED = 4096, MAX_KEPT = 64 << 20 };

/* Right before what is handed out. */
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
        char *memory = malloc(sizeof(block) + ALIGNED + n_bytes);
        if (memory == NULL)
            return NULL;
        const uintptr_t begin = (uintptr_t)memory + sizeof(block);
        b = (block *)(memory + sizeof(block) + -begin % ALIGNED) - 1;
        b->memory = memory;
        b->n_bytes = n_bytes;
    }
    return b + 1;
}

void cio_scratch_return(void *scratch)
{
    if (scratch == NULL)
        return;
    block *b = (block *)scratch - 1;
    discard(b->n_bytes <= MAX_KEPT ? atomic_exchange(&kept, b) : b);
}
