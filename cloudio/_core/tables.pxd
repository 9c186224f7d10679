# What a histogram counts by: numbers, and tables that nobody else can change.
from cpython.buffer cimport PyBuffer_IsContiguous
from libc.math cimport NAN
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from cloudio._core cimport _csrc as c
from cloudio._core.buffers cimport Buffer, zeros


cdef inline double representable(double number, int type) except *:
    """The number itself; NaN, which nothing equals, where no pixel of that type can hold it."""
    cdef double[4] minimum = [0, -128, -32768, 0]
    cdef double[4] maximum = [255, 127, 32767, 65535]
    if type == c.CIO_F32:
        return number
    if not 0 <= type < 4:
        raise ValueError(f"numbers of element type {type} cannot be counted")
    return number if minimum[type] <= number <= maximum[type] and number == <int>number else NAN


cdef inline void *copy_table(
        source, const char *formats, Py_ssize_t item, Py_ssize_t n) except NULL:
    """Return a copy of a table, so that no other thread can change it; the caller frees it."""
    cdef Buffer table = Buffer(source, False)
    cdef void *copy
    if (table.view.ndim != 1 or table.view.shape[0] != n or not table.holds(formats, item)
            or not PyBuffer_IsContiguous(&table.view, b"C")):
        raise ValueError(
            f"a table is {table.described()}; it must be {n} contiguous entries of {item} bytes")
    copy = zeros(n, item)
    memcpy(copy, table.view.buf, n * item)
    return copy


cdef inline size_t n_classes_of(
        const uint8_t *lut, Py_ssize_t n, Py_ssize_t n_arrays) except 0:
    """One more than the largest class of a table; of two tables, than the largest sum of two."""
    cdef size_t[2] largest = [0, 0]
    cdef Py_ssize_t k
    for k in range(n * n_arrays):
        largest[k // n] = max(largest[k // n], <size_t>lut[k])
    if largest[0] + largest[1] > 255:
        raise ValueError(
            f"two tables have classes to {largest[0]} and {largest[1]}; sums must be below 256")
    return largest[0] + largest[1] + 1
