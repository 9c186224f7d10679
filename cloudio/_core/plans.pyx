"""Operations on arrays, decided once before any batch, and the proof that they can be done.

`Gather`, `Mask` and `Remap` are plans for `kernels.run`, `Histogram` for `kernels.count`. Their
arrays are buffers, or lie in files. The kernels rely on it that every pixel of them may be read.
"""
cimport cython
from cpython.buffer cimport PyBuffer_IsContiguous
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.math cimport INFINITY, NAN, copysign
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy

from cloudio._core cimport _csrc as c
from cloudio._core.buffers cimport Buffer, element_type, zeros
from cloudio._core.files cimport File
from cloudio._core.job cimport (
    CHECK, COPY, COUNT, HISTOGRAM, INTERLEAVED, LOOK_UP, MASK, PLANAR, SCALE, SKIP, ArrayDesc,
    BandOp)
from cloudio._core.spaced cimport find_groups

# What a Gather scales to: CIO_TO_F32..
cdef tuple FLOATS = ("float32", "float16", "bfloat16")

# Formats of arrays in files, and their bytes, by element type: CIO_U8..
cdef str FORMATS = "BbhHf"
cdef Py_ssize_t[5] ITEMS = [1, 1, 2, 2, 4]


# An array (patch, row, column).
cdef struct Shape:
    int type
    Py_ssize_t item, n_patches, n_rows, n_cols
    Py_ssize_t patch_step, row_step, col_step  # bytes
    int64_t start  # in its file


cdef Shape buffer_shape(Buffer buffer, Py_ssize_t a) except *:
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


cdef Shape file_shape(File file, array) except *:
    """The shape of an array in a file, (format, start, shape, strides), after the same proof."""
    cdef Shape shape
    cdef int64_t rest, n_bytes, extent
    cdef str format
    n_bytes = -1 if file.handle == NULL else c.cio_file_n_bytes(file.handle)
    format, shape.start, (shape.n_patches, shape.n_rows, shape.n_cols), steps = array
    shape.patch_step, shape.row_step, shape.col_step = steps
    shape.type = FORMATS.find(format) if format is not None and len(format) == 1 else -1
    if shape.type < 0:
        raise ValueError(f"an array has format {format!r}; it must be one of {FORMATS}")
    shape.item = ITEMS[shape.type]
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


# The collector must not clear what a plan keeps: jobs of other threads may read it.
@cython.no_gc_clear
cdef class BasePlan:
    """Arrays over the same patches, each in one or more splits: what all plans share.

    ``arrays[a][s]`` is array ``a`` of split ``s``.  Where ``files[a][s]`` is None, it is a buffer
    (patch, row, column) of any strides; else it is (format, start, shape, strides) of such an array
    in that `File`, all in bytes.  Buffers and files are kept alive.

    Sequences are read once.  A subclass sets ``kind`` last: what has no kind cannot be run.
    """

    def __cinit__(self, arrays, files, *_, **__):
        cdef Py_ssize_t a, s
        cdef list buffers = []
        if type(self) is BasePlan:
            raise TypeError("a BasePlan does nothing; make a Gather, Mask, Remap or Histogram")
        cdef tuple rows = tuple([tuple(row) for row in arrays])
        cdef tuple file_rows = tuple([tuple(row) for row in files])
        self.n_arrays, self.n_splits = len(rows), len(<tuple>rows[0]) if rows else 0
        if self.n_arrays == 0 or self.n_splits == 0:
            raise ValueError("there are no arrays")
        if len(file_rows) != self.n_arrays:
            raise ValueError(f"{self.n_arrays} arrays, {len(file_rows)} rows of files")
        self.descs = <ArrayDesc *>zeros(self.n_arrays * self.n_splits, sizeof(ArrayDesc))
        self.ops = <BandOp *>zeros(self.n_arrays, sizeof(BandOp))
        self.starts = <Py_ssize_t *>zeros(self.n_splits + 1, sizeof(Py_ssize_t))
        for k, row in enumerate(rows + file_rows):
            if len(row) != self.n_splits:
                raise ValueError(
                    f"array {k % self.n_arrays} is in {len(row)} splits, not {self.n_splits}")
        self.files = tuple([file for row in file_rows for file in row])
        for a in range(self.n_arrays):
            for s in range(self.n_splits):
                self.add_array(a, s, rows[a][s], self.files[a * self.n_splits + s], buffers)
        self.buffers = tuple(buffers)
        self.spaced = find_groups(self.descs, self.ops, self.n_arrays, self.n_splits)

    def __dealloc__(self):
        free(self.descs)
        free(self.ops)
        free(self.starts)

    cdef int add_array(self, Py_ssize_t a, Py_ssize_t s, array, File file, list buffers) except -1:
        """Add one array, after the proof that every pixel of it may be read."""
        cdef ArrayDesc *desc = &self.descs[a * self.n_splits + s]
        cdef Shape shape
        cdef Buffer buffer
        if file is None:
            buffer = Buffer(array, False)
            shape = buffer_shape(buffer, a)
            desc.base = <const char *>buffer.view.buf
            buffers.append(buffer)
        else:
            shape = file_shape(file, array)
            desc.file = file.handle
            desc.base, desc.offset = c.cio_file_base(desc.file), shape.start
            if desc.base != NULL:
                desc.base += desc.offset
            if a == 0 and s == 0:
                self.reads = desc.base == NULL
        if (desc.base == NULL) != self.reads:
            raise ValueError("some arrays are mapped and others are not")
        if a == 0 and s == 0:
            self.patch_height, self.patch_width = shape.n_rows, shape.n_cols
        if shape.n_rows != self.patch_height or shape.n_cols != self.patch_width:
            raise ValueError(
                f"arrays[{a}] has patches of {shape.n_rows} x {shape.n_cols}; it must have "
                f"{self.patch_height} x {self.patch_width}, as arrays[0] has")
        self.add_patches(a, s, shape.n_patches)
        if s == 0:
            self.ops[a].type, self.ops[a].item = shape.type, shape.item
            self.ops[a].move = move_size(shape.item)
        elif shape.type != self.ops[a].type:
            raise ValueError(f"array {a} changes its type in split {s}")
        desc.patch_step, desc.row_step = shape.patch_step, shape.row_step
        desc.col_step = shape.col_step
        return 0

    cdef int add_patches(self, Py_ssize_t a, Py_ssize_t s, Py_ssize_t n) except -1:
        """Add the patches of the first array in a split; every other must have as many."""
        if a == 0:
            if n > PY_SSIZE_T_MAX - self.n_patches:
                raise ValueError("there are more patches than can be counted")
            self.n_patches += n
            self.starts[s + 1] = self.n_patches
        elif n != self.starts[s + 1] - self.starts[s]:
            raise ValueError(
                f"arrays[{a}] has {n} patches; it must have "
                f"{self.starts[s + 1] - self.starts[s]}, as arrays[0] has")
        return 0

    cdef int set_window(self, BandOp *op, window) except -1:
        """Set the stored (row, column, height, width) that an op is done in."""
        cdef Py_ssize_t row, col, height, width
        row, col, height, width = window
        if (row < 0 or col < 0 or height < 0 or width < 0 or row > self.patch_height - height
                or col > self.patch_width - width):
            raise ValueError(f"window {window} leaves the patch")
        op.top, op.left, op.bottom, op.right = row, col, row + height, col + width
        return 0


@cython.final
@cython.no_gc_clear
cdef class Gather(BasePlan):
    """Bands as floats, ``pixel * scale[a] + offset[a]``; or, with ``scale=None``, as stored.

    ``scale`` and ``offset`` are one number per array, rounded here to float32; ``clip`` is the
    smallest and the largest result.  With ``fill``, pixels that are NaN or equal ``nodata[a]``, a
    number or None, become ``fill``.  ``to``: float32, float16 or bfloat16.  ``interleaved``:
    (sample, row, column, array), not (sample, array, row, column).
    """

    def __cinit__(self, arrays, files, scale, offset, *, clip=(None, None), nodata=None, fill=None,
                  to="float32", interleaved=False):
        cdef Py_ssize_t a
        cdef float b
        cdef BandOp *op
        cdef tuple scales = (), offsets = (), none = ()
        if to not in FLOATS:
            raise ValueError(f"to={to!r}; it must be one of {', '.join(FLOATS)}")
        self.to = FLOATS.index(to)
        self.stored, self.interleaved = scale is None, interleaved
        low, high = clip
        if not self.stored:
            scales, offsets = tuple(scale), tuple(offset)
        if not self.stored and not len(scales) == len(offsets) == self.n_arrays:
            raise ValueError(
                f"{len(scales)} scales and {len(offsets)} offsets for {self.n_arrays} arrays")
        if fill is not None:
            none = tuple(nodata)
        if fill is not None and len(none) != self.n_arrays:
            raise ValueError(f"{len(none)} numbers for no data of {self.n_arrays} arrays")
        for a in range(self.n_arrays):
            op = &self.ops[a]
            if self.stored:
                op.opcode = COPY
                if op.type != self.ops[0].type:
                    raise ValueError(f"arrays 0 and {a} are of two types: no common stored type")
                continue
            op.opcode = SCALE
            b = offsets[a]
            # Adding -0.0 changes no float; adding 0.0 would turn -0.0 into 0.0.
            op.affine.scale, op.affine.offset = scales[a], b if b != 0 else -0.0
            op.affine.lo = -INFINITY if low is None else low
            op.affine.hi = INFINITY if high is None else high
            if not op.affine.lo <= op.affine.hi:
                raise ValueError(f"clip from {op.affine.lo} to {op.affine.hi}")
            if fill is not None:
                op.affine.nodata, op.affine.fill = nodata_float(none[a]), fill
                if op.affine.fill != op.affine.fill:
                    op.affine.fill = copysign(NAN, op.affine.fill)
                op.fills = none[a] is not None or op.type == c.CIO_F32
        self.uniform = is_uniform(self)
        self.kind = INTERLEAVED if self.interleaved else PLANAR


cdef float nodata_float(nodata) except *:
    """The number that pixels are compared with; NaN, which equals nothing, if there is none."""
    return NAN if nodata is None else nodata


cdef bint is_uniform(BasePlan plan) noexcept:
    """Whether all arrays are scaled in the same way; what else may differ does not matter here."""
    cdef const BandOp *first = plan.ops
    cdef const BandOp *op
    cdef Py_ssize_t a
    for a in range(plan.n_arrays):
        op = &plan.ops[a]
        if (op.opcode != SCALE or op.type != first.type or op.fills != first.fills
                or memcmp(&op.affine, &first.affine, sizeof(op.affine)) != 0):
            return False
    return True


@cython.final
@cython.no_gc_clear
cdef class Mask(BasePlan):
    """1 where every array holds data inside ``window``, the stored (row, column, height, width).

    A pixel that is NaN or equals ``nodata[a]``, a number or None, is no data.
    """

    def __cinit__(self, arrays, files, nodata, window):
        cdef Py_ssize_t a
        cdef BandOp *op
        cdef tuple none = tuple(nodata), rectangle = tuple(window)
        if len(none) != self.n_arrays:
            raise ValueError(f"{len(none)} numbers for no data of {self.n_arrays} arrays")
        for a in range(self.n_arrays):
            op = &self.ops[a]
            op.affine.nodata = nodata_float(none[a])
            op.opcode = CHECK if none[a] is not None or op.type == c.CIO_F32 else SKIP
            self.set_window(op, rectangle)
        self.kind = MASK


@cython.final
@cython.no_gc_clear
cdef class Remap(BasePlan):
    """Codes as classes: ``tables[a][code]``, where a code is its bits read as unsigned.

    A table has 256 entries for an array of one byte a pixel, 65,536 for two bytes.  All tables are
    uint8, or all int64.  Pixels outside ``windows[a]``, the stored (row, column, height, width) of
    valid pixels, become ``fill``.
    """

    def __cinit__(self, arrays, files, tables, windows, fill):
        cdef Py_ssize_t a, needed
        cdef Buffer table
        cdef BandOp *op
        cdef tuple rectangles = tuple(windows)
        self.tables = tuple([Buffer(codes, False) for codes in tables])
        self.fill = fill
        if not len(self.tables) == len(rectangles) == self.n_arrays:
            raise ValueError(
                f"{len(self.tables)} tables and {len(rectangles)} windows for {self.n_arrays} "
                "arrays")
        for a in range(self.n_arrays):
            op = &self.ops[a]
            table = <Buffer>self.tables[a]
            if op.type == c.CIO_F32 or op.item > 2:
                raise ValueError(f"array {a} must hold codes: whole numbers of 1 or 2 bytes")
            needed = 256 if op.item == 1 else 65536
            if (table.view.ndim != 1 or table.view.shape[0] != needed
                    or not PyBuffer_IsContiguous(&table.view, b"C") or not table.aligned()):
                raise ValueError(
                    f"table {a} is {table.described()}; it must be {needed} contiguous entries")
            if not table.holds(b"B", 1) and not table.holds(b"lq", 8):
                raise ValueError(f"table {a} is {table.described()}; it must be uint8 or int64")
            if a == 0:
                self.class_type = c.CIO_TO_U8 if table.view.itemsize == 1 else c.CIO_TO_I64
            elif (table.view.itemsize == 1) != (self.class_type == c.CIO_TO_U8):
                raise ValueError("tables of two types")
            self.set_window(op, rectangles[a])
            op.opcode, op.table = LOOK_UP, table.view.buf
        if self.class_type == c.CIO_TO_U8 and not 0 <= self.fill <= 255:
            raise ValueError(f"fill {fill} does not fit uint8")
        self.kind = PLANAR


@cython.final
@cython.no_gc_clear
cdef class Histogram(BasePlan):
    """What is counted of each patch in ``window``, the stored (row, column, height, width).

    Of one array, its numbers are counted; a pixel that is NaN or equals ``nodata``, a number or
    None, is no data.  ``class_lut``, (256,) or (65536,) uint8, is the class of each number by its
    bits read as unsigned.  ``buckets``, (65536,) uint16, chooses floats by the upper half of their
    key: 0 skips them, and 1, 2, .. counts their lower halves in the first, second, .. bucket.  Of
    two arrays of one byte a pixel, pairs of numbers are counted.  Tables are copied.
    """

    def __cinit__(self, arrays, files, window, *, nodata=None, class_lut=None, buckets=None,
                  checksum=False):
        cdef Py_ssize_t a, k
        cdef tuple rectangle = tuple(window)
        self.spec.type = self.ops[0].type
        self.spec.nodata = NAN if nodata is None else representable(nodata, self.spec.type)
        self.spec.checksum, self.spec.paired = bool(checksum), self.n_arrays == 2
        if self.n_arrays > 2 or (self.spec.paired and (
                self.ops[0].item != 1 or self.ops[1].item != 1)):
            raise ValueError("only one array, or two of one byte per pixel, can be counted")
        for a in range(self.n_arrays):
            self.ops[a].opcode = COUNT
            self.set_window(&self.ops[a], rectangle)
        self.n_counts = 256 if self.ops[0].item == 1 and self.n_arrays == 1 else 65536
        if class_lut is not None:
            if self.spec.type == c.CIO_F32 or self.spec.paired:
                raise ValueError("class_lut is for one array of whole numbers")
            self.class_lut = <uint8_t *>copy_table(class_lut, b"B", 1, self.n_counts)
            for k in range(self.n_counts):
                self.spec.n_classes = max(self.spec.n_classes, <size_t>self.class_lut[k] + 1)
            self.spec.class_lut = self.class_lut
        if buckets is not None:
            if self.spec.type != c.CIO_F32:
                raise ValueError("buckets is for an array of floats")
            self.buckets = <uint16_t *>copy_table(buckets, b"H", 2, 65536)
            for k in range(65536):
                self.spec.n_buckets = max(self.spec.n_buckets, <size_t>self.buckets[k])
            self.spec.buckets = self.buckets
            self.n_counts = 65536 * <Py_ssize_t>self.spec.n_buckets
        self.n_classes = self.spec.n_classes
        self.item = self.ops[0].item * self.n_arrays
        self.kind = HISTOGRAM

    def __dealloc__(self):
        free(self.class_lut)
        free(self.buckets)


cdef double representable(double number, int type) except *:
    """The number itself; NaN, which nothing equals, where no pixel of that type can hold it."""
    cdef double[4] minimum = [0, -128, -32768, 0]
    cdef double[4] maximum = [255, 127, 32767, 65535]
    if type == c.CIO_F32:
        return number
    if not 0 <= type < 4:
        raise ValueError(f"numbers of element type {type} cannot be counted")
    return number if minimum[type] <= number <= maximum[type] and number == <int>number else NAN


cdef void *copy_table(source, const char *formats, Py_ssize_t item, Py_ssize_t n) except NULL:
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
