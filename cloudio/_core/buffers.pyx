"""Memory of other Python objects: what lies in it, and where.

Whoever holds a pointer into it holds the `Buffer`.
"""
import sys

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer)
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc

from cloudio._core cimport _csrc as c


cdef class Buffer:
    """The memory of a Python object, held as long as this lives."""

    def __cinit__(self, source, int flags):
        PyObject_GetBuffer(source, &self.view, flags | PyBUF_FORMAT | PyBUF_STRIDES)

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef str described(self):
        shape = tuple([self.view.shape[k] for k in range(self.view.ndim)])
        format = "unknown" if self.view.format == NULL else self.view.format.decode()
        return f"{shape} of format {format}"

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
            misfit |= self.view.strides[k] % self.view.itemsize
        return misfit == 0

    cdef const char *begin(self) noexcept:
        """The lowest address of any element; `end` is past the highest."""
        return self.corner(-1)

    cdef const char *end(self) noexcept:
        return self.corner(1) + self.view.itemsize if self.view.len else self.corner(-1)

    cdef const char *corner(self, int sign) noexcept:
        cdef const char *at = <const char *>self.view.buf
        cdef Py_ssize_t k, reach
        for k in range(self.view.ndim):
            reach = (self.view.shape[k] - 1) * self.view.strides[k]
            if self.view.len and reach * sign > 0:
                at += reach
        return at

    cdef bint overlaps(self, Buffer other) noexcept:
        return self.begin() < other.end() and other.begin() < self.end()


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
    return <uintptr_t>Buffer(source, 0).view.buf
