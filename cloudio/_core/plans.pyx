"""What is decided once, before any batch: arrays, scales, tables, and the proof that they hold.

`Gather`, `Mask` and `Remap` are what `kernels.run` does to the arrays of a `BasePlan`, which are
buffers or lie in files; `Histogram` is what `kernels.count` does. Every pixel of their shapes may
be read; the kernels rely on it.
"""
import sys

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer)
from libc.math cimport INFINITY, NAN, copysign
from libc.stdint cimport int64_t, uint8_t, uint16_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cloudio._core cimport _csrc as c
from cloudio._core.files cimport File
from cloudio._core.job cimport (
    CHECK, COPY, COUNT, INTERLEAVED, LOOK_UP, MASK, SCALE, SKIP, TALLY, Deed,
    Plane)


cdef class Buffer:
    """A buffer that is held until this object goes."""

    def __cinit__(self, source, int flags):
        PyObject_GetBuffer(source, &self.view, flags | PyBUF_FORMAT | PyBUF_STRIDES)

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef str described(self):
        shape = tuple([self.view.shape[k] for k in range(self.view.ndim)])
        format = "unknown" if self.view.format == NULL else self.view.format.decode()
        return f"{shape} of format {format}"

    cdef bint holds(self, const char *formats, Py_ssize_t itemsize) noexcept:
        """Whether the elements are of one of these native formats and of this size."""
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


cdef int type_of(Buffer buffer) except -1:
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
        f"an array is {buffer.described()}; uint8, int8, int16, uint16 or float32 of this "
        "machine's byte order is needed")


cdef int move_of(Py_ssize_t item) noexcept:
    return c.CIO_MOVE_1 if item == 1 else c.CIO_MOVE_2 if item == 2 else c.CIO_MOVE_4


cdef void *zeros(Py_ssize_t n, size_t size) except NULL:
    cdef void *memory = calloc(n if n > 0 else 1, size)
    if memory == NULL:
        raise MemoryError()
    return memory


# Of an array (patch, row, column).
cdef struct Shape:
    int type
    Py_ssize_t item, n_patches, n_rows, n_cols
    Py_ssize_t patch_step, row_step  # bytes
    int64_t start  # in its file


cdef Shape shape_of(Buffer buffer) except *:
    """The shape of a buffer, after the proof that every pixel of it may be read."""
    cdef Py_buffer *view = &buffer.view
    cdef int type = type_of(buffer)
    if view.ndim != 3 or view.shape[1] < 1 or view.shape[2] < 1:
        raise ValueError(f"an array is {buffer.described()}; (patch, row, column) is needed")
    if view.strides[2] != view.itemsize:
        raise ValueError(
            f"an array has strides {tuple([view.strides[k] for k in range(3)])}; "
            f"pixels of a row must be contiguous, {view.itemsize} bytes apart")
    if not buffer.aligned():
        raise ValueError("an array is not aligned to its type")
    return Shape(type, view.itemsize, view.shape[0], view.shape[1], view.shape[2],
                 view.strides[0], view.strides[1], 0)


# Formats of arrays in files, by element type.
FORMATS = "BbhHf"
cdef Py_ssize_t[5] ITEMS = [1, 1, 2, 2, 4]


cdef Shape shape_in(File file, array) except *:
    """The same of an array in a file: (format, start, shape, strides)."""
    cdef Shape shape
    cdef int64_t rest
    format, shape.start, (shape.n_patches, shape.n_rows, shape.n_cols), steps = array
    shape.patch_step, shape.row_step, col_step = steps
    shape.type = FORMATS.find(format)
    if len(format) != 1 or shape.type < 0:
        raise ValueError(f"an array is of format {format!r}; one of {FORMATS} is needed")
    shape.item = ITEMS[shape.type]
    # Nothing can overflow once each step holds what is inside it, and the file all of it.
    if (shape.n_patches < 0 or shape.n_rows < 1 or shape.n_cols < 1 or col_step != shape.item
            or shape.n_cols > shape.row_step // shape.item
            or shape.n_rows > shape.patch_step // shape.row_step
            or (shape.start | shape.row_step | shape.patch_step) % shape.item != 0):
        raise ValueError(f"an array is {array}; rows of contiguous pixels, apart, are needed")
    rest = file.n_bytes - shape.start
    if shape.start < 0 or rest < 0 or (shape.n_patches > 0 and (
            rest < (shape.n_rows - 1) * shape.row_step + shape.n_cols * shape.item
            or shape.n_patches - 1 > (
                rest - (shape.n_rows - 1) * shape.row_step - shape.n_cols * shape.item
            ) // shape.patch_step)):
        raise ValueError(f"an array is {array}; {file.path} holds {file.n_bytes} bytes")
    return shape


cdef class BasePlan:
    """Arrays over the same patches, each in one or more splits: what Gather and Remap share.

    ``arrays[a][s]`` is array ``a`` of split ``s``: a buffer (patch, row, column) whose rows are
    contiguous, where ``files[a][s]`` is None; else (format, start, shape, strides) of the same in
    that `File`, all in bytes.  Either is kept alive.
    """

    def __cinit__(self, arrays, files, *_, **__):
        cdef Py_ssize_t a, s
        self.buffers, self.files = [], []
        self.n_arrays, self.n_splits = len(arrays), len(arrays[0]) if len(arrays) else 0
        if self.n_arrays == 0 or self.n_splits == 0:
            raise ValueError("no arrays")
        self.planes = <Plane *>zeros(self.n_arrays * self.n_splits, sizeof(Plane))
        self.deeds = <Deed *>zeros(self.n_arrays, sizeof(Deed))
        self.starts = <Py_ssize_t *>zeros(self.n_splits + 1, sizeof(Py_ssize_t))
        for a in range(self.n_arrays):
            if len(arrays[a]) != self.n_splits or len(files[a]) != self.n_splits:
                raise ValueError(f"array {a} is in {len(arrays[a])} splits, not {self.n_splits}")
            for s in range(self.n_splits):
                self.adopt(a, s, arrays[a][s], files[a][s])

    def __dealloc__(self):
        free(self.planes)
        free(self.deeds)
        free(self.starts)

    cdef int adopt(self, Py_ssize_t a, Py_ssize_t s, array, file) except -1:
        """Take in one array, after the proof that every pixel of its shape may be read."""
        cdef Plane *plane = &self.planes[a * self.n_splits + s]
        cdef Shape shape
        cdef Buffer buffer
        if file is None:
            buffer = Buffer(array, 0)
            shape = shape_of(buffer)
            plane.base = <const char *>buffer.view.buf
            self.buffers.append(buffer)
        else:
            shape = shape_in(<File?>file, array)
            plane.file = (<File>file).held
            plane.base, plane.offset = c.cio_file_base(plane.file), shape.start
            if plane.base != NULL:
                plane.base += plane.offset
            if a == 0 and s == 0:
                self.reads = plane.base == NULL
        if (plane.base == NULL) != self.reads:
            raise ValueError("some arrays are mapped, and others are to be read")
        self.files.append(file)
        if a == 0 and s == 0:
            self.patch_height, self.patch_width = shape.n_rows, shape.n_cols
        if shape.n_rows != self.patch_height or shape.n_cols != self.patch_width:
            raise ValueError(
                f"an array has patches of {shape.n_rows} x {shape.n_cols}; the first has "
                f"{self.patch_height} x {self.patch_width}")
        if a == 0:
            self.starts[s + 1] = self.starts[s] + shape.n_patches
            self.n_patches = self.starts[s + 1]
        elif shape.n_patches != self.starts[s + 1] - self.starts[s]:
            raise ValueError(
                f"an array has {shape.n_patches} patches; the first has "
                f"{self.starts[s + 1] - self.starts[s]}")
        if s == 0:
            self.deeds[a].type, self.deeds[a].item = shape.type, shape.item
            self.deeds[a].move = move_of(shape.item)
        elif shape.type != self.deeds[a].type:
            raise ValueError(f"array {a} changes its type in split {s}")
        plane.patch_step, plane.row_step = shape.patch_step, shape.row_step
        return 0

    cdef int confine(self, Deed *deed, window) except -1:
        """Note the stored (row, column, height, width) outside which a deed is not done."""
        cdef Py_ssize_t row, col, height, width
        row, col, height, width = window
        if (row < 0 or col < 0 or height < 0 or width < 0 or row > self.patch_height - height
                or col > self.patch_width - width):
            raise ValueError(f"window {window} leaves the patch")
        deed.top, deed.left, deed.bottom, deed.right = row, col, row + height, col + width
        return 0


cdef class Gather(BasePlan):
    """Bands to floats, ``pixel * scale[a] + offset[a]``; or, with ``scale=None``, as stored.

    ``scale`` and ``offset`` are one number per array, rounded here to float32; ``clip`` is the
    least and the most that comes out.  With ``fill``, pixels that are NaN or equal ``nodata[a]``,
    a number or None, become it.  ``to``: float32, float16 or bfloat16.  ``interleaved``: (sample,
    row, column, array), not (sample, array, row, column).
    """

    def __cinit__(self, arrays, files, scale, offset, *, clip=(None, None), nodata=None, fill=None,
                  to="float32", interleaved=False):
        cdef Py_ssize_t a
        cdef float b
        cdef Deed *deed
        if to not in FLOATS:
            raise ValueError(f"to={to!r}; {', '.join(FLOATS)} are written")
        self.to = FLOATS.index(to)
        self.stored, self.interleaved = scale is None, interleaved
        if interleaved:
            self.form = INTERLEAVED
        if not self.stored and not len(scale) == len(offset) == self.n_arrays:
            raise ValueError(
                f"{len(scale)} scales and {len(offset)} offsets for {self.n_arrays} arrays")
        if fill is not None and len(nodata) != self.n_arrays:
            raise ValueError(f"{len(nodata)} numbers for no data of {self.n_arrays} arrays")
        for a in range(self.n_arrays):
            deed = &self.deeds[a]
            if self.stored:
                deed.verb = COPY
                if deed.type != self.deeds[0].type:
                    raise ValueError(f"arrays 0 and {a} are of two types: no common stored type")
                continue
            deed.verb = SCALE
            b = offset[a]
            # Adding -0.0 changes no float; adding 0.0 would turn -0.0 into 0.0.
            deed.how.scale, deed.how.offset = scale[a], b if b != 0 else -0.0
            deed.how.lo = -INFINITY if clip[0] is None else clip[0]
            deed.how.hi = INFINITY if clip[1] is None else clip[1]
            if not deed.how.lo <= deed.how.hi:
                raise ValueError(f"clip from {deed.how.lo} to {deed.how.hi}")
            if fill is not None:
                deed.how.nodata, deed.how.fill = none_of(nodata[a]), fill
                if deed.how.fill != deed.how.fill:
                    deed.how.fill = copysign(NAN, deed.how.fill)
                deed.fills = nodata[a] is not None or deed.type == c.CIO_F32


FLOATS = ("float32", "float16", "bfloat16")


cdef float none_of(nodata) except *:
    """What a pixel is compared with: NaN, which nothing equals, where there is no such number."""
    return NAN if nodata is None else nodata


cdef class Mask(BasePlan):
    """1 where every array holds data inside ``window``, the stored (row, column, height, width).

    A pixel that is NaN or equals ``nodata[a]``, a number or None, is no data.
    """

    def __cinit__(self, arrays, files, nodata, window):
        cdef Py_ssize_t a
        cdef Deed *deed
        self.form = MASK
        if len(nodata) != self.n_arrays:
            raise ValueError(f"{len(nodata)} numbers for no data of {self.n_arrays} arrays")
        for a in range(self.n_arrays):
            deed = &self.deeds[a]
            deed.how.nodata = none_of(nodata[a])
            deed.verb = CHECK if nodata[a] is not None or deed.type == c.CIO_F32 else SKIP
            self.confine(deed, window)


cdef class Remap(BasePlan):
    """Codes to classes: ``tables[a][code]``, where a code is its bits read as unsigned.

    A table has 256 entries for an array of one byte a pixel, 65,536 for two; all tables are
    uint8, or all int64.  Pixels outside ``windows[a]``, the stored (row, column, height, width)
    that is real, become ``fill``.
    """

    def __cinit__(self, arrays, files, tables, windows, fill):
        cdef Py_ssize_t a, needed
        cdef Buffer table
        cdef Deed *deed
        self.tables = []
        self.fill = fill
        if not len(tables) == len(windows) == self.n_arrays:
            raise ValueError(
                f"{len(tables)} tables and {len(windows)} windows for {self.n_arrays} arrays")
        for a in range(self.n_arrays):
            deed = &self.deeds[a]
            table = Buffer(tables[a], 0)
            if deed.type == c.CIO_F32 or deed.item > 2:
                raise ValueError(f"array {a} is no array of codes: whole numbers of 1 or 2 bytes")
            needed = 256 if deed.item == 1 else 65536
            if (table.view.ndim != 1 or table.view.shape[0] != needed
                    or not PyBuffer_IsContiguous(&table.view, b"C") or not table.aligned()):
                raise ValueError(
                    f"table {a} is {table.described()}; {needed} contiguous entries are needed")
            if not table.holds(b"B", 1) and not table.holds(b"lq", 8):
                raise ValueError(f"table {a} is {table.described()}; uint8 or int64 is needed")
            if a == 0:
                self.class_type = c.CIO_TO_U8 if table.view.itemsize == 1 else c.CIO_TO_I64
            elif (table.view.itemsize == 1) != (self.class_type == c.CIO_TO_U8):
                raise ValueError("tables of two types")
            self.confine(deed, windows[a])
            deed.verb, deed.table = LOOK_UP, table.view.buf
            self.tables.append(table)
        if self.class_type == c.CIO_TO_U8 and not 0 <= self.fill <= 255:
            raise ValueError(f"fill {fill} does not fit uint8")


cdef class Histogram(BasePlan):
    """What is counted of each patch in ``window``, the stored (row, column, height, width).

    Of one array its numbers; a pixel that is NaN or equals ``nodata``, a number or None, is no
    data.  ``class_lut`` gives each number, by its bits read as unsigned, a class: (256,) or
    (65536,) uint8.  ``buckets`` looks into floats, by the upper half of a key: (65536,) uint16, 0
    for those that are passed over, else 1, 2, .. for the first, second, .. of the counts.  Of two
    arrays of one byte a pixel the pairs of numbers.  Tables are copied.
    """

    def __cinit__(self, arrays, files, window, *, nodata=None, class_lut=None, buckets=None,
                  checksum=False):
        cdef Py_ssize_t a, k
        self.form = TALLY
        self.how.type = self.deeds[0].type
        self.how.nodata = NAN if nodata is None else held(nodata, self.how.type)
        self.how.checksum, self.how.paired = bool(checksum), self.n_arrays == 2
        if self.n_arrays > 2 or (self.how.paired and (
                self.deeds[0].item != 1 or self.deeds[1].item != 1)):
            raise ValueError("one array is counted, or the pairs of two of one byte a pixel")
        for a in range(self.n_arrays):
            self.deeds[a].verb = COUNT
            self.confine(&self.deeds[a], window)
        self.n_counts = 256 if self.deeds[0].item == 1 and self.n_arrays == 1 else 65536
        if class_lut is not None:
            if self.how.type == c.CIO_F32 or self.how.paired:
                raise ValueError("class_lut is for one array of whole numbers")
            self.class_lut = <uint8_t *>copied(class_lut, b"B", 1, self.n_counts)
            for k in range(self.n_counts):
                self.how.n_classes = max(self.how.n_classes, <size_t>self.class_lut[k] + 1)
            self.how.class_lut = self.class_lut
        if buckets is not None:
            if self.how.type != c.CIO_F32:
                raise ValueError("buckets is for an array of floats")
            self.buckets = <uint16_t *>copied(buckets, b"H", 2, 65536)
            for k in range(65536):
                self.how.n_buckets = max(self.how.n_buckets, <size_t>self.buckets[k])
            self.how.buckets = self.buckets
            self.n_counts = 65536 * <Py_ssize_t>self.how.n_buckets
        self.n_classes = self.how.n_classes
        self.item = self.deeds[0].item * self.n_arrays

    def __dealloc__(self):
        free(self.class_lut)
        free(self.buckets)


cdef double held(double number, int type) except *:
    """The number itself; NaN, which nothing equals, where no pixel of that type can be it."""
    cdef double[4] least = [0, -128, -32768, 0]
    cdef double[4] most = [255, 127, 32767, 65535]
    if type == c.CIO_F32:
        return number
    return number if least[type] <= number <= most[type] and number == <int>number else NAN


cdef void *copied(source, const char *formats, Py_ssize_t item, Py_ssize_t n) except NULL:
    """A table that nobody else can write to."""
    cdef Buffer table = Buffer(source, 0)
    cdef void *copy
    if (table.view.ndim != 1 or table.view.shape[0] != n or not table.holds(formats, item)
            or not PyBuffer_IsContiguous(&table.view, b"C")):
        raise ValueError(
            f"a table is {table.described()}; {n} contiguous entries of {item} bytes are needed")
    copy = zeros(n, item)
    memcpy(copy, table.view.buf, n * item)
    return copy
