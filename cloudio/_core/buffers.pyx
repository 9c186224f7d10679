"""Memory of other Python objects: what lies in it, and where.

Whoever holds a pointer into it holds the `Buffer`.
"""
import sys

cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer)
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

from cloudio._core cimport _csrc as c

cdef enum:
    MAX_AXES = 64  # as memoryview


# The collector must not clear `view`: its memory would be released under whoever reads it.
@cython.final
@cython.no_gc_clear
cdef class Buffer:
    """The memory of a Python object, held as long as this lives; ``writable``: to be written to."""

    def __cinit__(self, source, bint writable):
        PyObject_GetBuffer(
            source, &self.view,
            PyBUF_FORMAT | PyBUF_STRIDES | (PyBUF_WRITABLE if writable else 0))
        self.strides = self.view.strides
        self.measure()

    def __dealloc__(self):
        PyBuffer_Release(&self.view)
        free(self.own_strides)

    cdef int measure(self) except -1:
        """Prove that what the exporter says of its memory is consistent, and that it has strides.

        Arrays of ctypes have none: they are contiguous.  Nothing that is computed from the shape
        can overflow after this; `extent` proves the same of strides.
        """
        cdef Py_buffer *view = &self.view
        cdef bint fits = (
            0 <= view.ndim <= MAX_AXES and view.itemsize >= 0 and view.len >= 0
            and (view.ndim == 0 or view.shape != NULL) and view.suboffsets == NULL)
        cdef bint is_empty = view.itemsize == 0
        cdef Py_ssize_t n_bytes = view.itemsize, k
        if not fits:
            raise ValueError("a buffer has no shape, or its elements lie behind pointers")
        for k in range(view.ndim):
            fits = fits and view.shape[k] >= 0
            is_empty = is_empty or view.shape[k] == 0
        if self.strides == NULL and view.ndim > 0:
            self.own_strides = <Py_ssize_t *>zeros(view.ndim, sizeof(Py_ssize_t))
            self.strides = self.own_strides
        k = view.ndim
        while fits and not is_empty and k > 0:
            k -= 1
            if self.own_strides != NULL:
                self.own_strides[k] = n_bytes
            fits = n_bytes <= view.len // view.shape[k]
            n_bytes *= view.shape[k] if fits else 1
        if not fits or view.len != (0 if is_empty else n_bytes):
            raise ValueError(f"a buffer of {view.len} bytes has shape {self.shape()}")
        return 0

    cdef tuple shape(self):
        return tuple([self.view.shape[k] for k in range(self.view.ndim)])

    cdef str described(self):
        format = "unknown" if self.view.format == NULL else self.view.format.decode("latin-1")
        return f"{self.shape()} of format {format}"

    cdef bint holds(self, const char *formats, Py_ssize_t itemsize) noexcept:
        """Whether the elements have one of these native formats, and this size."""
        cdef const char *given = self.view.format
        if given == NULL:
            return False
        if given[0] == b"@"[0] or given[0] == b"="[0] or (LITTLE and given[0] == b"<"[0]):
            given += 1
        if given[0] == 0 or given[1] != 0 or self.view.itemsize != itemsize:
            return False
        while formats[0] != 0:
            if formats[0] == given[0]:
                return True
            formats += 1
        return False

    cdef bint aligned(self) noexcept:
        """Whether every element is at a multiple of its size."""
        cdef Py_ssize_t k, misfit
        if self.view.itemsize < 1:
            return False
        misfit = <uintptr_t>self.view.buf % self.view.itemsize
        for k in range(self.view.ndim):
            misfit |= self.strides[k] % self.view.itemsize
        return misfit == 0

    cdef int extent(self) except -1:
        """Set where the memory begins and ends, after the proof that no address overflows."""
        cdef Py_ssize_t room = PY_SSIZE_T_MAX - self.view.itemsize, below = 0, above = 0, k, n
        for k in range(self.view.ndim if self.view.len else 0):
            n = self.view.shape[k] - 1
            if n == 0:
                continue
            if not -(room // n) <= self.strides[k] <= room // n:
                raise ValueError(f"a buffer of shape {self.shape()} has strides without bounds")
            if self.strides[k] < 0:
                below -= n * self.strides[k]
                room += n * self.strides[k]
            else:
                above += n * self.strides[k]
                room -= n * self.strides[k]
        self.begin = <uintptr_t>self.view.buf - <uintptr_t>below
        self.end = <uintptr_t>self.view.buf + <uintptr_t>above
        if self.view.len:
            self.end += <uintptr_t>self.view.itemsize
        return 0

    cdef bint overlaps(self, Buffer other) noexcept:
        """Whether two buffers share memory, once both have an `extent`."""
        return self.begin < other.end and other.begin < self.end


cdef bint LITTLE = sys.byteorder == "little"


cdef int element_type(Buffer buffer) except -1:
    """CIO_U8..; ValueError for elements that no row function reads."""
    if buffer.holds(b"B", 1):
        return c.CIO_U8
    if buffer.holds(b"b", 1):
        return c.CIO_I8
    if buffer.holds(b"h", 2):
        return c.CIO_I16
    if buffer.holds(b"H", 2):
        return c.CIO_U16
    if buffer.holds(b"f", 4):
        return c.CIO_F32
    raise ValueError(
        f"an array is {buffer.described()}; it must be uint8, int8, int16, uint16 or float32 in "
        "this machine's byte order")


cdef void *zeros(Py_ssize_t n, size_t size) except NULL:
    """Memory of n elements, at least one, for the caller to free."""
    cdef void *memory = calloc(n if n > 0 else 1, size)
    if memory == NULL:
        raise MemoryError()
    return memory


cdef void *int64_data(Buffer buffer) except NULL:
    """The numbers of a buffer, after the proof that they are contiguous int64."""
    if (not buffer.holds(b"lq", 8) or not PyBuffer_IsContiguous(&buffer.view, b"C")
            or not buffer.aligned()):
        raise ValueError(f"numbers are {buffer.described()}; it must be contiguous int64")
    # An empty array may have no memory.
    return buffer.view.buf if buffer.view.buf != NULL else <void *>&buffer.view


def address(source):
    """Where the memory of a buffer begins, in bytes."""
    return <uintptr_t>Buffer(source, False).view.buf
