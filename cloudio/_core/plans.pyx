"""Operations on arrays, decided once before any batch, and the proof that they can be done.

`Gather`, `Mask` and `Remap` are plans for `kernels.run`, `Histogram` for `kernels.count`. Their
arrays are buffers, or lie in files. The kernels rely on it that every pixel of them may be read.
"""
cimport cython
from cpython.buffer cimport PyBuffer_IsContiguous
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.math cimport INFINITY, NAN, copysign
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport free
from libc.string cimport memcmp

from cloudio._core cimport _csrc as c
from cloudio._core.buffers cimport Buffer, zeros
from cloudio._core.files cimport File
from cloudio._core.job cimport (
    CHECK, COPY, COUNT, HISTOGRAM, INTERLEAVED, LOOK_UP, MASK, PLANAR, SCALE, SKIP, ArrayDesc,
    BandOp, Repetition)
from cloudio._core.places cimport is_inside, keep_places
from cloudio._core.shapes cimport Shape, buffer_shape, file_shape
from cloudio._core.spaced cimport find_groups
from cloudio._core.tables cimport copy_table, n_classes_of, representable

# What a Gather scales to: CIO_TO_F32..
cdef tuple FLOATS = ("float32", "float16", "bfloat16")

cdef enum:
    MAX_REPEAT = 1 << 15  # phases of rows and columns are one number
    MAX_SIDE = 1 << 30  # of a patch


@cython.final
cdef class Repeated:
    """An array that is stored coarser than the patch grid: each stored pixel is repeated.

    ``array``, a buffer or in a file, has the pixels of ``window``, (row, column, height, width), of
    every ``patch`` (height, width); outside it pixels are 0.  Pixel (y, x) of the window is the
    stored one at ((y + phase of rows) // rows, (x + phase of columns) // columns), ``repeat`` being
    (rows, columns).  ``places``, one number or int32 (patch,): phase of rows * columns + phase of
    columns; or -1 - e, for patch e of ``exceptions``, an array of whole patches like ``array``.
    """

    def __cinit__(self, array, *, repeat, patch, window, places, exceptions=None,
                  File exceptions_file=None):
        cdef Repetition *repetition = &self.repetition
        cdef tuple rectangle = tuple(window)
        self.array, self.places = array, places
        self.exceptions, self.exceptions_file = exceptions, exceptions_file
        repetition.rows, repetition.cols = repeat
        self.height, self.width = patch
        if not (1 <= repetition.rows <= MAX_REPEAT and 1 <= repetition.cols <= MAX_REPEAT):
            raise ValueError(f"repeat {repeat}; both numbers must be 1..{MAX_REPEAT}")
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE and is_inside(
                rectangle, self.height, self.width)):
            raise ValueError(f"window {window} leaves the patch {patch}")
        repetition.top, repetition.left, repetition.height, repetition.width = rectangle


# The collector must not clear what a plan keeps: jobs of other threads may read it.
@cython.no_gc_clear
cdef class BasePlan:
    """Arrays over the same patches, each in one or more splits: what all plans share.

    ``arrays[a][s]`` is array ``a`` of split ``s``, or a `Repeated` of it.  Where ``files[a][s]``
    is None, it is a buffer (patch, row, column) of any strides; else it is (format, start, shape,
    strides) of such an array in that `File`, all in bytes.  Buffers and files are kept alive.

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
        cdef Py_ssize_t n = self.n_arrays * self.n_splits
        cdef bint repeats = any([isinstance(array, Repeated) for row in rows for array in row])
        self.n_descs = 2 * n if repeats else n
        self.descs = <ArrayDesc *>zeros(self.n_descs, sizeof(ArrayDesc))
        if repeats:
            self.repetitions = <Repetition *>zeros(n, sizeof(Repetition))
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
        if repeats:
            self.files += tuple([
                (<Repeated>array).exceptions_file if isinstance(array, Repeated) else None
                for row in rows for array in row])
        self.spaced = find_groups(self.descs, self.ops, self.n_arrays, self.n_splits)

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self.n_arrays * self.n_splits if self.repetitions != NULL else 0):
            free(self.repetitions[k].places)
        free(self.repetitions)
        free(self.descs)
        free(self.ops)
        free(self.starts)

    cdef int add_array(self, Py_ssize_t a, Py_ssize_t s, array, File file, list buffers) except -1:
        """Add one array, after the proof that every pixel of it may be read."""
        cdef ArrayDesc *desc = &self.descs[a * self.n_splits + s]
        cdef bint first = a == 0 and s == 0
        cdef Repeated repeated = <Repeated>array if isinstance(array, Repeated) else None
        cdef Shape shape = self.bind(
            desc, array if repeated is None else repeated.array, file, a, buffers)
        cdef Py_ssize_t height = shape.n_rows, width = shape.n_cols
        if repeated is not None:
            height, width = repeated.height, repeated.width
        if first:
            self.reads = desc.base == NULL
            self.patch_height, self.patch_width = height, width
        if (desc.base == NULL) != self.reads:
            raise ValueError("some arrays are mapped and others are not")
        if height != self.patch_height or width != self.patch_width:
            raise ValueError(
                f"arrays[{a}] has patches of {height} x {width}; it must have "
                f"{self.patch_height} x {self.patch_width}, as arrays[0] has")
        self.add_patches(a, s, shape.n_patches)
        if s == 0:
            self.ops[a].type, self.ops[a].item = shape.type, shape.item
            self.ops[a].move = move_size(shape.item)
        elif shape.type != self.ops[a].type:
            raise ValueError(f"array {a} changes its type in split {s}")
        if repeated is not None:
            self.add_repetition(a, s, repeated, &shape, buffers)
        return 0

    cdef Shape bind(
            self, ArrayDesc *desc, array, File file, Py_ssize_t a, list buffers) except *:
        """Set where an array lies, and return its shape."""
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
        desc.patch_step, desc.row_step = shape.patch_step, shape.row_step
        desc.col_step = shape.col_step
        return shape

    cdef int add_repetition(self, Py_ssize_t a, Py_ssize_t s, Repeated repeated,
                            const Shape *stored, list buffers) except -1:
        """Add how an array is repeated, and its exceptions, after the proof that they can be."""
        cdef Py_ssize_t n = self.n_arrays * self.n_splits, k = a * self.n_splits + s
        cdef Repetition *repetition = &self.repetitions[k]
        cdef ArrayDesc *whole = &self.descs[n + k]
        cdef Shape shape
        cdef Py_ssize_t n_exceptions = 0
        repetition[0] = repeated.repetition
        self.descs[k].repetition = repetition
        if repeated.exceptions is not None:
            shape = self.bind(whole, repeated.exceptions, repeated.exceptions_file, a, buffers)
            if (shape.type != stored.type or shape.n_rows != repeated.height
                    or shape.n_cols != repeated.width or shape.col_step != shape.item
                    or (whole.base == NULL) != self.reads):
                raise ValueError(
                    f"the exceptions of array {a} must be whole patches, {repeated.height} x "
                    f"{repeated.width}, stored and read as the array is")
            n_exceptions = shape.n_patches
            whole.lead, whole.n_members, whole.span = a, 1, shape.item
        keep_places(repetition, repeated.places, stored, n_exceptions, a)
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
        if not is_inside(window, self.patch_height, self.patch_width):
            raise ValueError(f"window {window} leaves the patch")
        row, col, height, width = window
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
    two arrays of one byte a pixel, pairs of numbers are counted; with a ``class_lut`` of (512,),
    256 for each array, the sums of both classes.  Tables are copied.
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
            if self.spec.type == c.CIO_F32:
                raise ValueError("class_lut is for arrays of whole numbers")
            self.n_counts = 256 if self.spec.paired else self.n_counts
            self.class_lut = <uint8_t *>copy_table(
                class_lut, b"B", 1, self.n_counts * self.n_arrays)
            self.spec.n_classes = n_classes_of(self.class_lut, self.n_counts, self.n_arrays)
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
