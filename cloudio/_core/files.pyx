"""Open files: a descriptor each, and a mapping or none. What the system says of them is csrc's.

Which files, and what they should hold, is source.py's to know.
"""
import os

from libc.errno cimport errno as last_error
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c


cdef class File:
    """An open file of ``n_bytes``, mapped or to be read by position; it owns its descriptor.

    ``direct``: read past the page cache what is not in it, where the system can.  ``path`` is for
    messages.  Closed by `close`, or with the last reference; reads under way in
    other threads end first.  OSError where the system refuses; the descriptor is closed then too.
    """

    def __cinit__(self, int descriptor, path, int64_t n_bytes, bint mapped, bint direct=False):
        self.path = path
        self.held = NULL
        if n_bytes < 1:
            os.close(descriptor)
            raise ValueError(f"{n_bytes} bytes; 1 or more are needed")
        self.held = c.cio_file_hold(
            descriptor, n_bytes, mapped * c.CIO_MAPPED | direct * c.CIO_DIRECT)
        if self.held == NULL:
            code = last_error
            os.close(descriptor)
            raise OSError(code, os.strerror(code), os.fspath(path))

    def __dealloc__(self):
        if self.held != NULL:
            c.cio_file_close(self.held)
            c.cio_file_drop(self.held)

    @property
    def n_bytes(self):
        """What the file must hold."""
        return c.cio_file_n_bytes(self.held)

    @property
    def mapped(self):
        return c.cio_file_base(self.held) != NULL

    @property
    def closed(self):
        return bool(c.cio_file_is_closed(self.held))

    def fileno(self):
        """The descriptor; ValueError once it is closed."""
        self.enter()
        c.cio_file_leave(self.held)
        return c.cio_file_descriptor(self.held)

    def duplicate(self):
        """Another descriptor of it, the caller's to close; ValueError once it is closed."""
        self.enter()
        try:
            return os.dup(c.cio_file_descriptor(self.held))
        finally:
            c.cio_file_leave(self.held)

    def close(self):
        """Close descriptor and mapping, once nobody is reading; twice is once."""
        c.cio_file_close(self.held)

    def size(self):
        """Bytes it holds now."""
        cdef c.cio_status status
        cdef int code
        self.enter()
        code = c.cio_file_status(self.held, &status)
        c.cio_file_leave(self.held)
        if code != 0:
            raise OSError(code, os.strerror(code), os.fspath(self.path))
        return status.n_bytes

    def resident(self, int64_t offset, int64_t n_bytes):
        """Bytes of a range that are in memory, in whole pages; -1 where the system will not say."""
        cdef int64_t n
        self.check(offset, n_bytes)
        self.enter()
        n = c.cio_file_resident(self.held, offset, n_bytes)
        c.cio_file_leave(self.held)
        return n

    def evict(self, int64_t offset, int64_t n_bytes):
        """Let the system forget the pages of a range, as far as it does."""
        self.check(offset, n_bytes)
        self.enter()
        c.cio_file_give_back(self.held, offset, n_bytes)
        c.cio_file_leave(self.held)

    cdef int check(self, int64_t offset, int64_t n_bytes) except -1:
        if not 0 <= offset <= self.n_bytes or not 0 <= n_bytes <= self.n_bytes - offset:
            raise ValueError(
                f"{n_bytes} bytes at {offset} of {self.path}, which holds {self.n_bytes}")
        return 0

    cdef int enter(self) except -1:
        """Use the file until `cio_file_leave`."""
        if not c.cio_file_enter(self.held):
            raise ValueError(f"{self.path} is closed")
        return 0


def is_remote(int descriptor):
    """Whether an open file lies on a network or is served by a process (FUSE)."""
    return bool(c.cio_is_remote(descriptor))
