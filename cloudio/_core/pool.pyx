"""Memory of batches, which is used again when nothing refers to it any more.

An array over a `Lease` refers to it, and so does a view of that array, or a tensor of another
package over it.  When the lease is deallocated, its memory returns to the pool.  Weak references
and finalizers cannot do this: they run while the garbage collector may still revive an object.

Any thread may lend, take and let go.  Critical sections are locks where Python has no GIL, and
nothing where it has one; nothing inside them runs Python bytecode.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer)


cdef class Pool:
    """Memory of several kinds, of ``sizes`` bytes each; ``allocate`` makes it, `lend` lends it.

    Batches that are ``begun`` and not yet ``taken`` are under way; the caller counts them.  Of each
    kind, at most ``capacity`` less these is kept free.  ``returned.put(None)`` is called when
    memory of the first kind returns, and when ``stopped`` was set.
    """
    cdef readonly tuple sizes
    cdef readonly Py_ssize_t capacity, n_lent  # the latter of the first kind
    cdef public size_t begun, taken  # these may wrap, whatever they are set to
    cdef public bint stopped
    cdef readonly object returned
    cdef object allocate
    cdef tuple free

    def __cinit__(self, sizes, Py_ssize_t capacity, allocate, returned):
        self.sizes = tuple([int(n_bytes) for n_bytes in sizes])
        self.capacity, self.allocate, self.returned = capacity, allocate, returned
        self.free = tuple([[] for _ in self.sizes])

    @property
    def n_free(self):
        """How much memory of the first kind is free."""
        return len(self.free[0])

    def lend(self):
        """Begin a batch; return a `Lease` of each kind, of free memory or else of new."""
        cdef list free, memories = []
        with cython.critical_section(self):
            for free in self.free:
                memories.append(free.pop() if free else None)
            # Before `allocate` is called: other memory may return meanwhile.
            self.begun += 1
        try:
            return [
                Lease(self, kind, self.allocate(n_bytes) if memory is None else memory)
                for kind, (n_bytes, memory) in enumerate(zip(self.sizes, memories))
            ]
        except BaseException:
            with cython.critical_section(self):
                self.begun -= 1
            raise

    def begin(self):
        """Begin a batch in memory that is not the pool's."""
        with cython.critical_section(self):
            self.begun += 1

    def take(self):
        """Note that a batch was taken."""
        with cython.critical_section(self):
            self.taken += 1

    def take_all(self):
        """Note that all batches that are begun were taken."""
        with cython.critical_section(self):
            self.taken = self.begun

    def reset(self):
        """Note that no batch is begun, nor taken."""
        with cython.critical_section(self):
            self.begun = self.taken = 0

    cdef int take_back(self, Py_ssize_t kind, memory) except -1:
        # Nothing here may run Python bytecode: a signal would be handled, and lost.
        cdef list free = self.free[kind]
        with cython.critical_section(self):
            if <double>len(free) + self.begun - self.taken < self.capacity:
                free.append(memory)
            self.n_lent -= kind == 0
        if kind == 0:
            self.returned.put(None)
        return 0


# No garbage collection: the collector clears fields that deallocation needs.
@cython.no_gc
cdef class Lease:
    """A buffer over ``memory``, which returns to the pool with the last reference."""
    cdef Pool pool
    cdef Py_ssize_t kind
    cdef readonly object memory
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, Pool pool not None, Py_ssize_t kind, memory):
        needed = pool.sizes[kind]
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        if self.view.len < needed:
            n_bytes = self.view.len
            PyBuffer_Release(&self.view)
            raise ValueError(f"{n_bytes} bytes were allocated; it must be {needed}")
        self.held, self.pool, self.kind, self.memory = True, pool, kind, memory
        with cython.critical_section(pool):
            pool.n_lent += kind == 0

    def renew(self):
        """Return a new lease, of the calling thread, of the same memory; it takes this one's place.

        Nobody else may use this one, or an array over it: they keep the memory alive, but it
        returns to the pool without them.  ValueError if this was done before.
        """
        cdef Pool pool
        with cython.critical_section(self):
            pool, self.pool = self.pool, None
        if pool is None:
            raise ValueError("this lease was renewed; use the new one")
        try:
            renewed = Lease(pool, self.kind, self.memory)
        except BaseException:
            self.pool = pool
            raise
        with cython.critical_section(pool):
            pool.n_lent -= self.kind == 0
        return renewed

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)
            if self.pool is not None:
                self.pool.take_back(self.kind, self.memory)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.view.buf, self.view.len, 0, flags)


@cython.no_gc
cdef class CancellationToken:
    """Stops the thread that builds in a pool's memory: on `cancel`, or with its last reference."""
    cdef Pool pool

    def __cinit__(self, Pool pool not None):
        self.pool = pool

    def __dealloc__(self):
        self.cancel()

    cpdef cancel(self):
        """Set `Pool.stopped`, once: later the pool may belong to another iteration."""
        cdef Pool pool
        with cython.critical_section(self):
            pool, self.pool = self.pool, None
        if pool is not None:
            pool.stopped = True
            pool.returned.put(None)
