"""Open files: a descriptor each, and a mapping or none. csrc/file.c makes the system calls.

Which files there are, and what they should hold, is known by cloudio/storage.
"""
import os

from libc.errno cimport errno as last_error
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c


cdef class File:
    """An open file of ``n_bytes``, mapped or to be read by position; it owns its descriptor.

    ``direct``: read past the page cache what is not in it, where the system can.  ``path`` is for
    messages.  A file is closed by `close`, or with its last reference; reads under way in other
    threads end first.  OSError if the system refuses; the descriptor is then closed too.
    """

    def __cinit__(self, int descriptor, path, int64_t n_bytes, bint mapped, bint direct=False):
        self.path = path
        self.handle = NULL
        if n_bytes < 1:
            os.close(descriptor)
            raise ValueError(f"{n_bytes} bytes; there must be 1 or more")
        self.handle = c.cio_file_open(
            descriptor, n_bytes, mapped * c.CIO_MAPPED | direct * c.CIO_DIRECT)
        if self.handle == NULL:
            code = last_error
            os.close(descriptor)
            raise OSError(code, os.strerror(code), os.fspath(path))

    def __dealloc__(self):
        if self.handle != NULL:
            c.cio_file_close(self.handle)
            c.cio_file_unref(self.handle)

    @property
    def n_bytes(self):
        """What the file must hold."""
        return 0 if self.handle == NULL else c.cio_file_n_bytes(self.handle)

    @property
    def mapped(self):
        return self.handle != NULL and c.cio_file_base(self.handle) != NULL

    @property
    def closed(self):
        return self.handle == NULL or bool(c.cio_file_is_closed(self.handle))

    def fileno(self):
        """The descriptor; ValueError once it is closed."""
        self.acquire()
        c.cio_file_release(self.handle)
        return c.cio_file_descriptor(self.handle)

    def duplicate(self):
        """Another descriptor of it, the caller's to close; ValueError once it is closed."""
        self.acquire()
        try:
            return os.dup(c.cio_file_descriptor(self.handle))
        finally:
            c.cio_file_release(self.handle)

    def close(self):
        """Close descriptor and mapping when no read uses them; a second call does nothing."""
        if self.handle != NULL:
            c.cio_file_close(self.handle)

    def closed_error(self):
        """Return the ValueError of a closed file, which has the file as ``path``."""
        error = ValueError(f"{self.path} is closed; open the data set again")
        error.path = self.path
        return error

    def size(self):
        """Bytes it holds now."""
        cdef c.cio_status status
        cdef int code
        self.acquire()
        code = c.cio_file_status(self.handle, &status)
        c.cio_file_release(self.handle)
        if code != 0:
            raise OSError(code, os.strerror(code), os.fspath(self.path))
        return status.n_bytes

    def resident(self, int64_t offset, int64_t n_bytes):
        """Bytes of a range that are in memory, in whole pages; -1 where the system will not say."""
        cdef int64_t n
        self.check(offset, n_bytes)
        self.acquire()
        n = c.cio_file_resident(self.handle, offset, n_bytes)
        c.cio_file_release(self.handle)
        return n

    def evict(self, int64_t offset, int64_t n_bytes):
        """Let the system drop the pages of a range from memory, as far as it does."""
        self.check(offset, n_bytes)
        self.acquire()
        c.cio_file_evict(self.handle, offset, n_bytes)
        c.cio_file_release(self.handle)

    cdef int check(self, int64_t offset, int64_t n_bytes) except -1:
        # Not the property, which a subclass in Python may replace.
        cdef int64_t whole = 0 if self.handle == NULL else c.cio_file_n_bytes(self.handle)
        if not 0 <= offset <= whole or not 0 <= n_bytes <= whole - offset:
            raise ValueError(f"{n_bytes} bytes at {offset} of {self.path}, which holds {whole}")
        return 0

    cdef int acquire(self) except -1:
        """Use the file until `cio_file_release`."""
        if self.handle == NULL or not c.cio_file_acquire(self.handle):
            raise self.closed_error()
        return 0


def is_remote(int descriptor):
    """Whether an open file lies on a network or is served by a process (FUSE)."""
    return bool(c.cio_is_remote(descriptor))
