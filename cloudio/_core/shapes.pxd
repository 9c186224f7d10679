# The shape of an array (patch, row, column), after the proof that every pixel of it may be read.
from libc.stdint cimport int64_t

from cloudio._core cimport _csrc as c
from cloudio._core.buffers cimport Buffer, element_type
from cloudio._core.files cimport File


# An array (patch, row, column).
cdef struct Shape:
    int type
    Py_ssize_t item, n_patches, n_rows, n_cols
    Py_ssize_t patch_step, row_step, col_step  # bytes
    int64_t start  # in its file


cdef inline Shape buffer_shape(Buffer buffer, Py_ssize_t a) except *:
    """The shape of a buffer, after the proof that every pixel may be read."""
    cdef Py_buffer *view = &buffer.view
    cdef int type = element_type(buffer)
    cdef Py_ssize_t patch_step = 0, row_step, col_step = view.itemsize
    if view.ndim != 3 or view.shape[1] < 1 or view.shape[2] < 1:
        raise ValueError(f"arrays[{a}] is {buffer.described()}; it must be (patch, row, column)")
    if not buffer.aligned():
        raise ValueError(f"arrays[{a}] is not aligned to its type; pass a copy of it")
    buffer.extent()
    row_step = view.shape[2] * view.itemsize
    if view.len > 0:  # the stride of an axis of one element may be any number
        col_step = buffer.strides[2] if view.shape[2] > 1 else view.itemsize
        row_step = buffer.strides[1] if view.shape[1] > 1 else view.shape[2] * col_step
        patch_step = buffer.strides[0] if view.shape[0] > 1 else 0
    return Shape(type, view.itemsize, view.shape[0], view.shape[1], view.shape[2],
                 patch_step, row_step, col_step, 0)


cdef inline Shape file_shape(File file, array) except *:
    """The shape of an array in a file, (format, start, shape, strides), after the same proof."""
    cdef Shape shape
    cdef int64_t rest, n_bytes, extent
    cdef str format
    # Formats and their bytes, by element type: CIO_U8..
    cdef str formats = "BbhHf"
    cdef Py_ssize_t[5] items = [1, 1, 2, 2, 4]
    n_bytes = -1 if file.handle == NULL else c.cio_file_n_bytes(file.handle)
    format, shape.start, (shape.n_patches, shape.n_rows, shape.n_cols), steps = array
    shape.patch_step, shape.row_step, shape.col_step = steps
    shape.type = formats.find(format) if format is not None and len(format) == 1 else -1
    if shape.type < 0:
        raise ValueError(f"an array has format {format!r}; it must be one of {formats}")
    shape.item = items[shape.type]
    # Nothing can overflow once each step holds what is inside it, and the file all of it.
    if (shape.n_patches < 0 or shape.n_rows < 1 or shape.n_cols < 1
            or shape.col_step < shape.item
            or shape.n_cols > shape.row_step // shape.col_step
            or shape.n_rows > shape.patch_step // shape.row_step
            or (shape.start | shape.col_step | shape.row_step | shape.patch_step)
            % shape.item != 0):
        raise ValueError(f"an array is {array}; its pixels and rows must not overlap")
    # Of one patch, from its first pixel to the end of its last.
    extent = ((shape.n_rows - 1) * shape.row_step + (shape.n_cols - 1) * shape.col_step
              + shape.item)
    rest = n_bytes - max(shape.start, 0)
    if shape.start < 0 or rest < 0 or (shape.n_patches > 0 and (
            rest < extent or shape.n_patches - 1 > (rest - extent) // shape.patch_step)):
        raise ValueError(f"an array is {array}; {file.path} holds {n_bytes} bytes")
    return shape
