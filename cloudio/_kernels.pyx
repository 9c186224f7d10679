"""Batches from mapped arrays: the only file of cloudio that holds pointers.

`Gather` and `Remap` are what is decided once: arrays, scales, tables. `run` proves that a batch
lies inside them and inside its outputs, drops the GIL once, and walks sample, array and row on
the team of threads. Nothing is written before all is proved. Imports nothing else of cloudio.
"""
import os
import sys

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer)
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cloudio cimport _csrc as c

# How a pixel of one array becomes a pixel of the output.
cdef enum Verb:
    SCALE
    COPY
    LOOK_UP

# What was measured, not derived: benchmarks/bench_tuning.py, docs/design.md "Measured numbers".
cdef struct Tuning:
    Py_ssize_t rows_ahead  # asked for before they are read
    Py_ssize_t strip_bytes  # of output in a strip, the unit of work
    Py_ssize_t thread_bytes  # of output for which one more thread is woken
    Py_ssize_t stream_bytes  # of output from which on it is written past the cache

# One array of one split: patches one after another.
cdef struct Plane:
    const char *base
    Py_ssize_t patch_step  # bytes
    Py_ssize_t row_step  # bytes
    int descriptor  # of the file behind it, or -1
    int64_t n_bytes  # that the file must hold

# What is done to one array, and within which stored rows and columns; elsewhere is `fill`.
cdef struct Deed:
    Verb verb
    int type  # CIO_U8..
    Py_ssize_t item  # bytes of a stored pixel
    float scale
    float offset
    const void *table
    Py_ssize_t top, left, bottom, right

# Where a sample lies.
cdef struct Place:
    Py_ssize_t split, patch, row, col

# One output of a job: an image or a label batch, cut into strips of rows.
cdef struct Output:
    const Plane *planes
    const Deed *deeds
    Py_ssize_t n_arrays
    Py_ssize_t item  # bytes of a pixel written
    int class_type  # CIO_TO_U8 or CIO_TO_I64, for LOOK_UP
    int64_t fill
    char *data
    Py_ssize_t strip_rows, n_strips

cdef struct Job:
    const c.cio_rows *rows
    const Place *places
    const char *touched  # [split]: whether a sample lies in it
    Py_ssize_t n_samples, n_splits, height, width, rows_ahead
    int store
    Output outputs[2]
    Py_ssize_t n_outputs

cdef struct Strip:
    const Output *output
    const Deed *deed
    const char *src
    Py_ssize_t src_step
    char *dst
    Py_ssize_t dst_step
    Py_ssize_t n_rows, row, col  # row and col: of its first pixel, in the stored patch


cdef class Buffer:
    """A buffer that is held until this object goes."""

    cdef Py_buffer view

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
        cdef Py_ssize_t k, misfit = <uintptr_t>self.view.buf % self.view.itemsize
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


cdef void *zeros(Py_ssize_t n, size_t size) except NULL:
    cdef void *memory = calloc(n if n > 0 else 1, size)
    if memory == NULL:
        raise MemoryError()
    return memory


cdef class Stack:
    """Arrays over the same patches, each in one or more splits: what Gather and Remap share.

    ``arrays[a][s]`` is array ``a`` of split ``s``: a buffer (patch, row, column) whose rows are
    contiguous.  ``files[a][s]`` is the open file it is mapped from, an object with ``fileno()``,
    or None.  Both are kept alive.
    """

    cdef readonly Py_ssize_t n_patches, n_arrays, n_splits, patch_height, patch_width
    cdef Plane *planes  # [array * n_splits + split]
    cdef Deed *deeds  # [array]
    cdef Py_ssize_t *starts  # [split]: number of its first patch; [n_splits] = n_patches
    cdef list buffers
    cdef list files

    def __cinit__(self, arrays, files, *_):
        cdef Py_ssize_t a, s
        cdef Buffer buffer
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
                buffer = Buffer(arrays[a][s], 0)
                self.adopt(a, s, buffer, files[a][s])

    def __dealloc__(self):
        free(self.planes)
        free(self.deeds)
        free(self.starts)

    cdef int adopt(self, Py_ssize_t a, Py_ssize_t s, Buffer buffer, file) except -1:
        """Take in one array, after the proof that every pixel of its shape may be read."""
        cdef Py_buffer *view = &buffer.view
        cdef Plane *plane = &self.planes[a * self.n_splits + s]
        cdef int type = type_of(buffer)
        if view.ndim != 3 or view.shape[1] < 1 or view.shape[2] < 1:
            raise ValueError(f"an array is {buffer.described()}; (patch, row, column) is needed")
        if view.strides[2] != view.itemsize:
            raise ValueError(
                f"an array has strides {tuple([view.strides[k] for k in range(3)])}; "
                f"pixels of a row must be contiguous, {view.itemsize} bytes apart")
        if not buffer.aligned():
            raise ValueError("an array is not aligned to its type")
        if a == 0 and s == 0:
            self.patch_height, self.patch_width = view.shape[1], view.shape[2]
        if view.shape[1] != self.patch_height or view.shape[2] != self.patch_width:
            raise ValueError(
                f"an array has patches of {view.shape[1]} x {view.shape[2]}; the first has "
                f"{self.patch_height} x {self.patch_width}")
        if a == 0:
            self.starts[s + 1] = self.starts[s] + view.shape[0]
            self.n_patches = self.starts[s + 1]
        elif view.shape[0] != self.starts[s + 1] - self.starts[s]:
            raise ValueError(
                f"an array has {view.shape[0]} patches; the first has "
                f"{self.starts[s + 1] - self.starts[s]}")
        if s == 0:
            self.deeds[a].type, self.deeds[a].item = type, view.itemsize
            self.deeds[a].bottom, self.deeds[a].right = self.patch_height, self.patch_width
        elif type != self.deeds[a].type:
            raise ValueError(f"array {a} changes its type in split {s}: {buffer.described()}")
        plane.base = <const char *>view.buf
        plane.patch_step, plane.row_step = view.strides[0], view.strides[1]
        plane.descriptor = -1 if file is None else file.fileno()
        plane.n_bytes = 0 if file is None else file.n_bytes
        self.buffers.append(buffer)
        self.files.append(file)
        return 0


cdef class Gather(Stack):
    """Bands to float32, ``pixel * scale[a] + offset[a]``; or, with ``scale=None``, as stored.

    ``scale`` and ``offset`` are one number per array, rounded here to float32.
    """

    cdef readonly bint stored

    def __cinit__(self, arrays, files, scale, offset):
        cdef Py_ssize_t a
        cdef float b
        self.stored = scale is None
        if not self.stored and not len(scale) == len(offset) == self.n_arrays:
            raise ValueError(
                f"{len(scale)} scales and {len(offset)} offsets for {self.n_arrays} arrays")
        for a in range(self.n_arrays):
            if self.stored:
                self.deeds[a].verb = COPY
                if self.deeds[a].type != self.deeds[0].type:
                    raise ValueError(f"arrays 0 and {a} are of two types: no common stored type")
            else:
                self.deeds[a].verb = SCALE
                b = offset[a]
                # Adding -0.0 changes no float; adding 0.0 would turn -0.0 into 0.0.
                self.deeds[a].scale, self.deeds[a].offset = scale[a], b if b != 0 else -0.0


cdef class Remap(Stack):
    """Codes to classes: ``tables[a][code]``, where a code is its bits read as unsigned.

    A table has 256 entries for an array of one byte a pixel, 65,536 for two; all tables are
    uint8, or all int64.  Pixels outside ``windows[a]``, the stored (row, column, height, width)
    that is real, become ``fill``.
    """

    cdef readonly int class_type
    cdef int64_t fill
    cdef list tables

    def __cinit__(self, arrays, files, tables, windows, fill):
        cdef Py_ssize_t a, needed, row, col, height, width
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
            if deed.type == c.CIO_F32:
                raise ValueError(f"array {a} is float32; codes are whole numbers")
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
            row, col, height, width = windows[a]
            if (row < 0 or col < 0 or height < 0 or width < 0 or row > self.patch_height - height
                    or col > self.patch_width - width):
                raise ValueError(f"window {windows[a]} leaves the patch")
            deed.verb, deed.table = LOOK_UP, table.view.buf
            deed.top, deed.left, deed.bottom, deed.right = row, col, row + height, col + width
            self.tables.append(table)
        if self.class_type == c.CIO_TO_U8 and not 0 <= self.fill <= 255:
            raise ValueError(f"fill {fill} does not fit uint8")


# ---- one batch -----------------------------------------------------------------------------------

def resolve(index, Py_ssize_t n_patches):
    """Turn negative numbers of ``index``, int64 and contiguous, into those from the start.

    IndexError names the first one that no patch has; ``index`` is then partly resolved.
    """
    resolve_buffer(Buffer(index, PyBUF_WRITABLE), n_patches)


cdef int resolve_buffer(Buffer index, Py_ssize_t n_patches) except -1:
    cdef int64_t *numbers = <int64_t *>whole_numbers(index)
    cdef Py_ssize_t k
    if index.view.ndim != 1:
        raise ValueError(f"index is {index.described()}; one dimension is needed")
    for k in range(index.view.shape[0]):
        if not -n_patches <= numbers[k] < n_patches:
            raise IndexError(f"index[{k}] = {numbers[k]}; there are {n_patches} patches")
        if numbers[k] < 0:
            numbers[k] += n_patches
    return 0


def run(Gather gather, Remap remap, index, origin, image, label, int n_threads):
    """Write the windows of ``index`` to ``image`` (n, bands, h, w) and ``label``.

    ``label`` is (n, arrays, h, w), or (n, h, w) for one array; either plan may be None with its
    output.  ``index`` is (n,), ``origin`` (2,) or (n, 2), both int64; ``index`` is resolved, as
    by `resolve`.  All is checked first: IndexError for ``index``, ValueError for the rest.
    Returns None, or the first file found to hold less than was mapped: before the copy, when
    nothing is written, or after a long one.
    """
    cdef Stack stack = remap if gather is None else gather
    if stack is None:
        raise ValueError("neither a Gather nor a Remap")
    if n_threads < 1:
        raise ValueError(f"{n_threads} threads; 1 or more are needed")
    if gather is not None and remap is not None:
        same_patches(gather, remap)
    cdef Buffer numbers = Buffer(index, PyBUF_WRITABLE)
    cdef Buffer corners = Buffer(origin, 0)
    cdef Buffer image_out = None if gather is None else Buffer(image, PyBUF_WRITABLE)
    cdef Buffer label_out = None if remap is None else Buffer(label, PyBUF_WRITABLE)
    cdef Buffer shaped = label_out if gather is None else image_out
    if shaped.view.ndim < 3:
        raise ValueError(f"the output is {shaped.described()}; (n, arrays, h, w) is needed")
    cdef Job job
    cdef Py_ssize_t missing
    cdef char *touched = NULL
    cdef Place *places = NULL
    memset(&job, 0, sizeof(job))
    job.rows, job.n_splits = rows, stack.n_splits
    job.rows_ahead = tuning.rows_ahead
    job.n_samples = shaped.view.shape[0]
    job.height = shaped.view.shape[shaped.view.ndim - 2]
    job.width = shaped.view.shape[shaped.view.ndim - 1]
    if gather is not None:
        aim(&job, gather, image_out)
        check_image(gather, image_out)
    if remap is not None:
        aim(&job, remap, label_out)
        check_label(remap, label_out, &job.outputs[job.n_outputs - 1])
    check_overlap(gather, remap, image_out, label_out)
    try:
        job.touched = touched = <char *>zeros(stack.n_splits, 1)
        job.places = places = <Place *>zeros(job.n_samples, sizeof(Place))
        place(places, stack, numbers, corners, &job, touched)
        with nogil:
            missing = do(&job, n_threads, tuning)
    finally:
        free(touched)
        free(places)
    if missing < 0:
        return None
    files = ([] if gather is None else gather.files) + ([] if remap is None else remap.files)
    return files[missing]


cdef int same_patches(Stack one, Stack other) except -1:
    cdef bint same = (
        one.n_splits == other.n_splits and one.patch_height == other.patch_height
        and one.patch_width == other.patch_width)
    cdef Py_ssize_t s
    for s in range(one.n_splits + 1 if same else 0):
        same = same and one.starts[s] == other.starts[s]
    if not same:
        raise ValueError("bands and labels are not over the same patches")
    return 0


cdef void *whole_numbers(Buffer buffer) except NULL:
    if (not buffer.holds(b"lq", 8) or not PyBuffer_IsContiguous(&buffer.view, b"C")
            or not buffer.aligned()):
        raise ValueError(f"numbers are {buffer.described()}; contiguous int64 is needed")
    # An empty array may have no memory.
    return buffer.view.buf if buffer.view.buf != NULL else <void *>buffer.view.shape


cdef int place(Place *places, Stack stack, Buffer index, Buffer origin, const Job *job,
               char *touched) except -1:
    """Fill in the place of each sample, after the proof that its window lies inside its patch."""
    cdef const int64_t *corner = <const int64_t *>whole_numbers(origin)
    cdef Py_ssize_t rows_left = stack.patch_height - job.height
    cdef Py_ssize_t cols_left = stack.patch_width - job.width
    cdef bint each = origin.view.ndim == 2
    cdef Py_ssize_t k, s = 0
    cdef int64_t patch, row, col
    resolve_buffer(index, stack.n_patches)
    if index.view.shape[0] != job.n_samples:
        raise ValueError(f"index is {index.described()}; the output has {job.n_samples} samples")
    if (origin.view.ndim not in (1, 2) or origin.view.shape[origin.view.ndim - 1] != 2
            or (each and origin.view.shape[0] != job.n_samples)):
        raise ValueError(f"origin is {origin.described()}; (2,) or ({job.n_samples}, 2) is needed")
    if job.height < 1 or job.width < 1 or rows_left < 0 or cols_left < 0:
        raise ValueError(
            f"a window of {job.height} x {job.width} does not fit a patch of "
            f"{stack.patch_height} x {stack.patch_width}")
    # An origin that all share is checked even where there is no sample.
    for k in range(job.n_samples if each else max(1, job.n_samples)):
        # Each number is read once: without the GIL another thread may write to it meanwhile.
        row, col = corner[2 * k * each], corner[2 * k * each + 1]
        if not (0 <= row <= rows_left and 0 <= col <= cols_left):
            raise ValueError(
                f"origin{f'[{k}]' if each else ''} = ({row}, {col}); a window of {job.height} x "
                f"{job.width} lies inside a patch of {stack.patch_height} x {stack.patch_width} "
                f"from (0, 0) to ({rows_left}, {cols_left})")
        if k == job.n_samples:
            break
        patch = (<const int64_t *>index.view.buf)[k]
        if not 0 <= patch < stack.n_patches:
            raise IndexError(f"index[{k}] = {patch}; there are {stack.n_patches} patches")
        while patch < stack.starts[s]:
            s -= 1
        while patch >= stack.starts[s + 1]:
            s += 1
        touched[s] = 1
        places[k] = Place(s, patch - stack.starts[s], row, col)
    return 0


cdef int aim(Job *job, Stack stack, Buffer out) except -1:
    """Add an output to the job, after the proof that it has room for every sample."""
    cdef Output *output = &job.outputs[job.n_outputs]
    cdef Py_buffer *view = &out.view
    cdef bint flat = view.ndim == 3 and stack.n_arrays == 1
    if (not (view.ndim == 4 or flat) or view.shape[0] != job.n_samples
            or (not flat and view.shape[1] != stack.n_arrays)
            or view.shape[view.ndim - 2] != job.height
            or view.shape[view.ndim - 1] != job.width):
        raise ValueError(
            f"an output is {out.described()}; ({job.n_samples}, {stack.n_arrays}, {job.height}, "
            f"{job.width}) is needed")
    if not PyBuffer_IsContiguous(view, b"C") or not out.aligned():
        raise ValueError("an output is not contiguous, or not aligned to its type")
    output.planes, output.deeds, output.n_arrays = stack.planes, stack.deeds, stack.n_arrays
    output.item, output.data = view.itemsize, <char *>view.buf
    job.n_outputs += 1
    return 0


cdef int check_image(Gather gather, Buffer image) except -1:
    if gather.stored and type_of(image) != gather.deeds[0].type:
        raise ValueError(f"image is {image.described()}; the stored type is needed")
    if not gather.stored and not image.holds(b"f", 4):
        raise ValueError(f"image is {image.described()}; float32 is needed")
    return 0


cdef int check_label(Remap remap, Buffer label, Output *output) except -1:
    if remap.class_type == c.CIO_TO_U8 and not label.holds(b"B", 1):
        raise ValueError(f"label is {label.described()}; uint8 is needed")
    if remap.class_type == c.CIO_TO_I64 and not label.holds(b"lq", 8):
        raise ValueError(f"label is {label.described()}; int64 is needed")
    output.class_type, output.fill = remap.class_type, remap.fill
    return 0


cdef int check_overlap(Gather gather, Remap remap, Buffer image, Buffer label) except -1:
    cdef Buffer source
    cdef Stack stack
    for stack in (gather, remap):
        for source in () if stack is None else stack.buffers:
            if ((image is not None and image.overlaps(source))
                    or (label is not None and label.overlaps(source))):
                raise ValueError("an output overlaps an array that is read")
    if image is not None and label is not None and image.overlaps(label):
        raise ValueError("image and label overlap")
    return 0


# ---- without the GIL -----------------------------------------------------------------------------

cdef Py_ssize_t do(Job *job, int n_threads, Tuning tuned) noexcept nogil:
    """Do a job that is proved; the number of a file that is too short, or -1."""
    cdef Py_ssize_t n_bytes = 0, n_tasks = 0, k
    cdef Py_ssize_t missing = short_file(job)
    if missing >= 0 or job.n_samples == 0:
        return missing
    for k in range(job.n_outputs):
        n_bytes += cut(job, &job.outputs[k], tuned.strip_bytes)
        n_tasks += job.n_samples * job.outputs[k].n_arrays * job.outputs[k].n_strips
    job.store = c.CIO_STREAMED if n_bytes >= tuned.stream_bytes else c.CIO_CACHED
    n_threads = <int>min(<Py_ssize_t>n_threads, 1 + n_bytes // tuned.thread_bytes)
    c.cio_team_run(walk, job, n_tasks, max(1, n_tasks // (16 * n_threads)), n_threads)
    # Again where the copy took long enough for a file to shrink meanwhile: asking costs as much
    # as copying a small window does.
    return -1 if n_bytes < tuned.thread_bytes else short_file(job)


cdef Py_ssize_t short_file(const Job *job) noexcept nogil:
    """The first touched plane, counted through the outputs, whose file is too short, or -1."""
    cdef Py_ssize_t o, k, n, before = 0
    cdef const Plane *plane
    for o in range(job.n_outputs):
        n = job.outputs[o].n_arrays * job.n_splits
        for k in range(n):
            plane = &job.outputs[o].planes[k]
            if (job.touched[k % job.n_splits] and plane.descriptor >= 0
                    and c.cio_file_size(plane.descriptor) < plane.n_bytes):
                return before + k
        before += n
    return -1


cdef Py_ssize_t cut(const Job *job, Output *output, Py_ssize_t strip_bytes) noexcept nogil:
    """Cut an output into strips of about that many bytes, as even as rows allow; its bytes."""
    cdef Py_ssize_t row_bytes = job.width * output.item
    cdef Py_ssize_t rows_at_most = max(1, strip_bytes // row_bytes)
    output.n_strips = (job.height + rows_at_most - 1) // rows_at_most
    output.strip_rows = (job.height + output.n_strips - 1) // output.n_strips
    output.n_strips = (job.height + output.strip_rows - 1) // output.strip_rows
    return job.n_samples * output.n_arrays * job.height * row_bytes


cdef Strip strip_of(const Job *job, Py_ssize_t task) noexcept nogil:
    cdef Strip strip
    cdef const Output *output = &job.outputs[0]
    cdef Py_ssize_t n_tasks = job.n_samples * output.n_arrays * output.n_strips
    if task >= n_tasks:
        task -= n_tasks
        output = &job.outputs[1]
    cdef Py_ssize_t y = task % output.n_strips * output.strip_rows
    cdef Py_ssize_t at = task // output.n_strips  # sample * n_arrays + array
    cdef Py_ssize_t array = at % output.n_arrays
    cdef const Place *place = &job.places[at // output.n_arrays]
    cdef const Plane *plane = &output.planes[array * job.n_splits + place.split]
    strip.output, strip.deed = output, &output.deeds[array]
    strip.row, strip.col = place.row + y, place.col
    strip.n_rows = min(output.strip_rows, job.height - y)
    strip.src_step, strip.dst_step = plane.row_step, job.width * output.item
    strip.src = (plane.base + place.patch * plane.patch_step + strip.row * plane.row_step
                 + strip.col * strip.deed.item)
    strip.dst = output.data + (at * job.height + y) * strip.dst_step
    return strip


cdef void walk(void *context, size_t begin, size_t end) noexcept nogil:
    """Strips [begin, end) of a job, row by row, with the rows to come asked for in time."""
    cdef const Job *job = <const Job *>context
    cdef Strip strip = strip_of(job, begin), following
    cdef Py_ssize_t y, ahead
    cdef size_t task
    cdef c.cio_line line
    memset(&line, 0, sizeof(line))
    for y in range(min(job.rows_ahead, strip.n_rows)):
        c.cio_prefetch_row(strip.src + y * strip.src_step, job.width * strip.deed.item)
    for task in range(begin, end):
        following = strip_of(job, task + 1 if task + 1 < end else task)
        for y in range(strip.n_rows):
            ahead = y + job.rows_ahead
            if ahead < strip.n_rows:
                c.cio_prefetch_row(
                    strip.src + ahead * strip.src_step, job.width * strip.deed.item)
            elif ahead - strip.n_rows < following.n_rows:
                c.cio_prefetch_row(
                    following.src + (ahead - strip.n_rows) * following.src_step,
                    job.width * following.deed.item)
            write_row(job, &strip, y, &line)
        strip = following
    c.cio_end_line(&line)
    c.cio_store_fence()


cdef void write_row(
        const Job *job, const Strip *strip, Py_ssize_t y, c.cio_line *line) noexcept nogil:
    cdef const Deed *deed = strip.deed
    cdef const char *src = strip.src + y * strip.src_step
    cdef char *dst = strip.dst + y * strip.dst_step
    if deed.verb == SCALE:
        job.rows.scale[deed.type][job.store](
            src, <float *>dst, job.width, deed.scale, deed.offset, line)
    elif deed.verb == COPY:
        job.rows.copy[job.store](src, dst, job.width * deed.item, line)
    else:
        look_up_row(job, strip, strip.row + y, src, dst)


cdef void look_up_row(const Job *job, const Strip *strip, Py_ssize_t row, const char *src,
                      char *dst) noexcept nogil:
    """Classes where the row is real; `fill` before and after."""
    cdef const Deed *deed = strip.deed
    cdef const Output *output = strip.output
    cdef Py_ssize_t real = 0, before, rest
    before = min(max(deed.left - strip.col, 0), job.width)
    if deed.top <= row < deed.bottom:
        real = max(min(deed.right - strip.col, job.width) - before, 0)
    else:
        before = 0
    rest = job.width - before - real
    fill_row(output, dst, before)
    if real > 0:
        job.rows.look_up[deed.item - 1][output.class_type][job.store](
            src + before * deed.item, dst + before * output.item, real, deed.table)
    fill_row(output, dst + (before + real) * output.item, rest)


cdef void fill_row(const Output *output, char *dst, Py_ssize_t n) noexcept nogil:
    cdef int64_t *wide = <int64_t *>dst
    cdef Py_ssize_t i
    if output.class_type == c.CIO_TO_U8:
        memset(dst, <int>output.fill, n)
    else:
        for i in range(n):
            wide[i] = output.fill


# ---- this machine --------------------------------------------------------------------------------

cdef const c.cio_rows *rows = NULL
cdef Tuning tuning = Tuning(8, 64 << 10, 1 << 20, 2 << 20)

# In the order of csrc/dispatch.c; which of them exist depends on the machine.
ISAS = ("base", "neon", "avx2", "avx512", "avx512vbmi")


def available():
    """Instruction sets this CPU can run, slowest first."""
    names = []
    while c.cio_rows_available(len(names)) != NULL:
        names.append(c.cio_rows_available(len(names)).isa.decode())
    return tuple(names)


def isa():
    """The instruction set in use."""
    return rows.isa.decode()


def use(name):
    """Use ``name``, or the best below it that this CPU can run, from the next batch on."""
    global rows
    if name not in ISAS:
        raise ValueError(f"no instruction set {name!r}; there are {', '.join(ISAS)}")
    cdef Py_ssize_t k = 0
    for at, other in enumerate(available()):
        if ISAS.index(other) <= ISAS.index(name):
            k = at
    rows = c.cio_rows_available(k)


def tune(**numbers):
    """Change fields of `Tuning` for batches to come, for benchmarks; returns all of them."""
    global tuning
    now = dict(tuning)
    if not now.keys() >= numbers.keys() or not all(number > 0 for number in numbers.values()):
        raise ValueError(f"{numbers}; positive {', '.join(now)} are needed")
    now.update(numbers)
    tuning = now
    return now


def team_size():
    """Worker threads alive in this process, besides its callers."""
    return c.cio_team_size()


def address(source):
    """Where the memory of a buffer begins, in bytes."""
    return <uintptr_t>Buffer(source, 0).view.buf


use(os.environ.get("CLOUDIO_ISA") or "avx512vbmi")
