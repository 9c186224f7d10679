"""Checksums of patches that lie in memory, as those of files that `kernels.count` makes."""
from cpython.buffer cimport PyBuffer_IsContiguous

from cloudio._core cimport _csrc as c
from cloudio._core.buffers cimport Buffer


def checksum(patch):
    """Return the checksum of a patch, (row, column) of any type and contiguous."""
    cdef Buffer pixels = Buffer(patch, False)
    cdef const char *src = <const char *>pixels.view.buf
    cdef size_t n_rows, row_bytes
    cdef unsigned long long found
    if pixels.view.ndim != 2 or not PyBuffer_IsContiguous(&pixels.view, b"C"):
        raise ValueError(f"patch is {pixels.described()}; it must be (row, column), contiguous")
    n_rows = pixels.view.shape[0]
    row_bytes = pixels.view.shape[1] * pixels.view.itemsize
    with nogil:
        found = c.cio_checksum(src, row_bytes, n_rows, row_bytes)
    return found
