"""Memory that is used again once nobody holds it.

Who holds an array over a `Lease`, or a view of it, or another package's tensor of that, holds the
lease; when it dies its memory goes back to the pool.  Not by a weak reference or a finalizer:
those run while the garbage collector may still bring an object back to life.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer)


cdef class Pool:
    """Memory of several kinds, ``sizes`` bytes each, that ``allocate`` makes and `lend` lends.

    Of each kind no more is kept free than ``most`` less those ``begun`` and not yet ``taken``:
    batches under way, as whoever lends counts them.  ``returned.put(None)`` tells of returns of the
    first kind, and that ``stopped`` was set.
    """
    cdef readonly tuple sizes
    cdef readonly Py_ssize_t most
    cdef public Py_ssize_t begun, taken
    cdef public bint stopped
    cdef readonly object returned
    cdef object allocate
    cdef list free

    def __cinit__(self, sizes, Py_ssize_t most, allocate, returned):
        self.sizes, self.most, self.allocate = tuple(sizes), most, allocate
        self.returned = returned
        self.free = [[] for _ in self.sizes]

    @property
    def n_free(self):
        """How many of the first kind are free."""
        return len(<list>self.free[0])

    def lend(self):
        """A `Lease` of each kind, of memory that is free or else new, for one that is begun."""
        cdef list free, memories = []
        for free in self.free:
            memories.append(free.pop() if free else None)
        # Before `allocate`, while which other memory may come back.
        self.begun += 1
        try:
            return [
                Lease(self, kind, self.allocate(n_bytes) if memory is None else memory)
                for kind, (n_bytes, memory) in enumerate(zip(self.sizes, memories))
            ]
        except BaseException:
            self.begun -= 1
            raise

    cdef int take_back(self, Py_ssize_t kind, memory) except -1:
        # Nothing here may run Python's bytecode: a signal would be handled, and lost.
        cdef list free = <list>self.free[kind]
        if len(free) + self.begun - self.taken < self.most:
            free.append(memory)
        if kind == 0:
            self.returned.put(None)
        return 0


# Without the collector: what it clears before it deallocates would be needed then.
@cython.no_gc
cdef class Lease:
    """A buffer over ``memory``, which goes back to its pool with the last reference."""
    cdef Pool pool
    cdef Py_ssize_t kind
    cdef readonly object memory
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, Pool pool not None, Py_ssize_t kind, memory):
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        if self.view.len < pool.sizes[kind]:
            n_bytes = self.view.len
            PyBuffer_Release(&self.view)
            raise ValueError(f"{n_bytes} bytes were allocated; {pool.sizes[kind]} are needed")
        self.held, self.pool, self.kind, self.memory = True, pool, kind, memory

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)
            self.pool.take_back(self.kind, self.memory)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.view.buf, self.view.len, 0, flags)


@cython.no_gc
cdef class CancellationToken:
    """Stops who builds in a pool's memory: on `cancel`, or with its last reference."""
    cdef Pool pool

    def __cinit__(self, Pool pool not None):
        self.pool = pool

    def __dealloc__(self):
        self.cancel()

    cpdef cancel(self):
        """The first time `Pool.stopped` is set; later ones do nothing: the pool has moved on."""
        cdef Pool pool = self.pool
        self.pool = None
        if pool is not None:
            pool.stopped = True
            pool.returned.put(None)
