"""Batches: the proof that each lies inside its arrays and outputs, and the way to the threads.

What is done to the arrays is _plans', decided once. `run` drops the GIL once and has the team of
threads walk a batch (job.pxd, pages.pxd, rows.pxd); nothing is written before all is proved.
"""
import os
import warnings

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_IsContiguous
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memset

from cloudio._core cimport _csrc as c
from cloudio._core.files cimport File
from cloudio._core.job cimport (
    ENDED as FILE_ENDED, INTERLEAVED, MASK, MOST_OUTPUTS, NO_FAULT, PLANAR, SCALE, TALLY,
    WRITTEN as FILE_WRITTEN, Deed, Form, Job, Output, Place, Plane, cut, n_tasks_of, room_of,
    scratch_of, up_to_block, up_to_line)
from cloudio._core.pages cimport (
    Ahead, Source, ask_ahead, calm_files, check_files, doubt_of, drop_ahead, enter_files, fetch,
    give_back_rest, leave_files, read_ahead)
from cloudio._core.plans cimport (
    Buffer, Gather, Mask, Remap, BasePlan, Histogram, move_of, type_of, zeros)
from cloudio._core.rows cimport sum_tables, walk

# Codes of faults that are no errno.
ENDED, WRITTEN = FILE_ENDED, FILE_WRITTEN

cdef enum:
    MOST_SCRATCH = 256 << 20  # bytes, of all threads that wait for files
    MOST_COUNTED = 0xFFFFFFFF  # pixels, that a number of a table counts

# What was measured, not derived: benchmarks/bench_tuning.py, docs/decisions/tuning-constants.md.
cdef struct Tuning:
    Py_ssize_t rows_ahead  # asked for before they are read
    Py_ssize_t tile_bytes  # of output in a strip, the unit of work
    Py_ssize_t thread_bytes  # of output for which one more thread is woken
    Py_ssize_t stream_bytes  # of output from which on it is written past the cache
    Py_ssize_t readahead_bytes  # of output before which absent pages are asked for
    Py_ssize_t read_bytes  # that a strip is read in, where arrays are read
    Py_ssize_t waiting  # threads that may wait for a file at once


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


def run(plans, outs, index, origin, symmetry, int n_threads, bint evict=False):
    """Write the windows of ``index``, by each of ``plans``, to the output in its place in ``outs``.

    That of a `Gather` is (n, arrays, h, w), or (n, h, w, arrays) if interleaved; of a `Remap` (n,
    arrays, h, w), or (n, h, w) for one array; of a `Mask` (n, h, w).  ``index`` is (n,),
    ``origin`` (2,) or (n, 2), ``symmetry`` None, () or (n,), all int64; ``index`` is resolved, as
    by `resolve`.  All is checked first: IndexError for ``index``, ValueError for the rest.
    With ``evict`` the pages of the windows are given back to the system.

    Returns None, or the first fault of a file: (file, patch in it, offset, code), where ``patch``
    is -1 if no single one is at fault, and ``code`` is ENDED, WRITTEN or an errno.  Outputs are
    untouched where a file was too short from the beginning, else not to be used.
    """
    cdef Job job
    cdef Py_ssize_t k
    cdef list targets = [Buffer(out, PyBUF_WRITABLE) for out in outs]
    cdef BasePlan plan, first
    if not 1 <= len(plans) == len(targets) <= MOST_OUTPUTS:
        raise ValueError(
            f"{len(plans)} plans and {len(targets)} outputs; as many, 1..{MOST_OUTPUTS}, are "
            "needed")
    if n_threads < 1:
        raise ValueError(f"{n_threads} threads; 1 or more are needed")
    for plan in plans:
        if plan is None:
            raise ValueError("a plan is None")
        if plan.form == TALLY:
            raise ValueError("a Histogram is for count")
    first = plans[0]
    memset(&job, 0, sizeof(job))
    job.rows, job.n_splits, job.rows_ahead = rows, first.n_splits, tuning.rows_ahead
    if first.reads:
        job.fetch, job.rows_ahead = fetch, 0
    measure(&job, first, targets[0])
    for k in range(len(targets)):
        plan = plans[k]
        if k > 0:
            same_patches(first, plan)
        aim(&job, plan, targets[k])
    check_overlap(plans, targets)
    return carry_out(&job, plans, index, origin, symmetry, n_threads, evict, NULL)


def count(Histogram plan not None, records, counts, classes, index, origin, Py_ssize_t height,
          Py_ssize_t width, int n_threads, bint evict=False):
    """Count what a `Histogram` counts, of windows of that height and width from ``origin`` on.

    All is int64 and contiguous: ``records`` (n, bytes of a cio_record / 8) and ``classes`` (n,
    classes), None where there is no ``class_lut``, are written; ``counts`` (numbers,) is added to.
    ``records`` may be None, as it must be for pairs and where floats are looked into.  The rest is
    as in `run`.
    """
    cdef Job job
    cdef Output *output = &job.outputs[0]
    cdef Py_ssize_t n
    cdef int64_t *sums
    if n_threads < 1:
        raise ValueError(f"{n_threads} threads; 1 or more are needed")
    if not (1 <= height <= plan.patch_height and 1 <= width <= plan.patch_width):
        raise ValueError(f"a window of {height} x {width} does not fit a patch")
    memset(&job, 0, sizeof(job))
    job.rows, job.n_splits, job.rows_ahead = rows, plan.n_splits, tuning.rows_ahead
    if plan.reads:
        job.fetch, job.rows_ahead = fetch, 0
    job.height, job.width = height, width
    cdef Buffer numbers = Buffer(index, PyBUF_WRITABLE)
    whole_numbers(numbers)
    n = numbers.view.shape[0] if numbers.view.ndim == 1 else 0
    if n > MOST_COUNTED // (height * width):
        raise ValueError(f"{n} patches are more than can be counted at once")
    job.n_samples, job.n_outputs = n, 1
    output.form, output.planes, output.deeds = TALLY, plan.planes, plan.deeds
    output.n_arrays, output.item, output.tally = plan.n_arrays, plan.deeds[0].item, &plan.how
    cdef bint told = records is not None
    cdef Buffer kept = Buffer(records if told else counts, PyBUF_WRITABLE)
    cdef Buffer folded = Buffer(classes if plan.n_classes else counts, PyBUF_WRITABLE)
    cdef Buffer totals = Buffer(counts, PyBUF_WRITABLE)
    sums = <int64_t *>whole_numbers(totals)
    if totals.view.ndim != 1 or totals.view.shape[0] != plan.n_counts:
        raise ValueError(f"counts are {totals.described()}; ({plan.n_counts},) is needed")
    if told and (plan.how.paired or plan.how.buckets != NULL):
        raise ValueError("records are of one array that is counted")
    if told:
        output.data = <char *>table_of_numbers(kept, n, sizeof(c.cio_record) // 8)
    if plan.n_classes:
        output.classes = <int64_t *>table_of_numbers(folded, n, plan.n_classes)
    outs = [totals, *([kept] if told else []), *([folded] if plan.n_classes else [])]
    check_overlap((plan,), outs)
    return carry_out(&job, (plan,), index, origin, None, n_threads, evict, sums)


cdef void *table_of_numbers(Buffer buffer, Py_ssize_t n_rows, Py_ssize_t n_cols) except NULL:
    cdef void *numbers = whole_numbers(buffer)
    if (buffer.view.ndim != 2 or buffer.view.shape[0] != n_rows
            or buffer.view.shape[1] != n_cols):
        raise ValueError(f"a table is {buffer.described()}; ({n_rows}, {n_cols}) is needed")
    return numbers


cdef object carry_out(Job *job, plans, index, origin, symmetry, int n_threads, bint evict,
                      int64_t *counts):
    """Do a job whose outputs are proved, once the rest of it is; add to ``counts`` what it counts.

    None, or the first fault of a file, as `run` returns it.
    """
    cdef char *memory = NULL
    cdef char *scratch = NULL
    cdef Py_ssize_t closed, n_planes = 0
    cdef int n_most, seat
    cdef BasePlan plan, first = plans[0]
    for plan in plans:
        n_planes += plan.n_arrays * plan.n_splits
    memory = <char *>zeros(
        n_planes * sizeof(int64_t) + job.n_samples * sizeof(Place) + first.n_splits, 1)
    try:
        job.changed = <int64_t *>memory
        job.places = <Place *>(job.changed + n_planes)
        job.touched = <char *>(job.places + job.n_samples)
        place(job, first, Buffer(index, PyBUF_WRITABLE), Buffer(origin, 0))
        if symmetry is not None:
            orient(job, Buffer(symmetry, 0))
        n_most = n_threads
        n_threads = plan_strips(job, n_threads)
        n_most = plan_reading(job, first, n_threads, n_most)
        if job.scratch_bytes > 0:
            scratch = <char *>c.cio_scratch_take(n_most * job.scratch_bytes)
            if scratch == NULL:
                raise MemoryError()
            job.scratch = scratch
            for seat in range(n_most):
                scratch[seat * job.scratch_bytes] = 0  # nothing is counted yet
        closed = enter_files(job)
        if closed >= 0:
            raise ValueError(f"{file_of(plans, closed).path} is closed; open the data set anew")
        with nogil:
            do(job, n_threads, n_most, evict)
            if counts != NULL:
                sum_tables(job, n_most, counts)
            leave_files(job, n_planes)
    finally:
        free(memory)
        c.cio_scratch_give_back(scratch)
    if job.fault.code == NO_FAULT:
        return None
    return (file_of(plans, job.fault.plane), job.fault.patch, job.fault.offset, job.fault.code)


cdef File file_of(plans, Py_ssize_t plane):
    return [file for plan in plans for file in (<BasePlan>plan).files][plane]


def prefetch(plans, index, origin, Py_ssize_t height, Py_ssize_t width):
    """Begin to read the pages of the windows of ``index``, in the background.

    Arguments are those of `run`, and checked alike.  Pages in memory cost next to nothing.
    """
    cdef Job job
    cdef BasePlan plan, first
    cdef Ahead *ahead
    cdef Py_ssize_t most = 0, k
    cdef char *memory
    for plan in plans:
        most += plan.n_arrays * plan.n_splits
    first = plans[0]
    if not (1 <= height <= first.patch_height and 1 <= width <= first.patch_width):
        raise ValueError(f"a window of {height} x {width} does not fit a patch")
    memset(&job, 0, sizeof(job))
    job.n_splits, job.height, job.width = first.n_splits, height, width
    cdef Buffer numbers = Buffer(index, PyBUF_WRITABLE)
    whole_numbers(numbers)
    job.n_samples = numbers.view.shape[0] if numbers.view.ndim == 1 else 0
    memory = <char *>zeros(
        sizeof(Ahead) + most * sizeof(Source) + job.n_samples * sizeof(Place) + first.n_splits, 1)
    ahead = <Ahead *>memory
    ahead.errand.run, ahead.errand.drop = read_ahead, drop_ahead
    ahead.height, ahead.width, ahead.n_places = height, width, job.n_samples
    ahead.sources = <Source *>(ahead + 1)
    ahead.places = job.places = <Place *>(ahead.sources + most)
    job.touched = <char *>(job.places + job.n_samples)
    try:
        place(&job, first, numbers, Buffer(origin, 0))
        for k in range(first.n_splits):
            ahead.n_splits += job.touched[k]
        for plan in plans:
            if plan is not first:
                same_patches(first, plan)
            if not isinstance(plan, Mask):  # whose arrays are the image's
                add_sources(ahead, plan, job.touched)
        c.cio_send(&ahead.errand)
        ahead = NULL
    finally:
        if ahead != NULL:
            drop_ahead(&ahead.errand)


cdef int add_sources(Ahead *ahead, BasePlan plan, const char *touched) except -1:
    """Add the arrays of a plan that lie in files, and enter these."""
    cdef Py_ssize_t k
    cdef Plane *plane
    cdef Source *source
    for k in range(plan.n_arrays * plan.n_splits):
        plane = &plan.planes[k]
        if plane.file == NULL or not touched[k % plan.n_splits]:
            continue
        if not c.cio_file_enter(plane.file):
            raise ValueError(f"{plan.files[k].path} is closed; open the data set anew")
        c.cio_file_keep(plane.file)
        source = &ahead.sources[ahead.n_sources]
        source.plane, source.split = plane[0], k % plan.n_splits
        source.item = plan.deeds[k // plan.n_splits].item
        ahead.n_sources += 1
    return 0


cdef int same_patches(BasePlan one, BasePlan other) except -1:
    cdef bint same = (
        one.n_splits == other.n_splits and one.patch_height == other.patch_height
        and one.patch_width == other.patch_width and one.reads == other.reads)
    cdef Py_ssize_t s
    for s in range(one.n_splits + 1 if same else 0):
        same = same and one.starts[s] == other.starts[s]
    if not same:
        raise ValueError("two plans are not over the same patches")
    return 0


cdef void *whole_numbers(Buffer buffer) except NULL:
    if (not buffer.holds(b"lq", 8) or not PyBuffer_IsContiguous(&buffer.view, b"C")
            or not buffer.aligned()):
        raise ValueError(f"numbers are {buffer.described()}; contiguous int64 is needed")
    # An empty array may have no memory.
    return buffer.view.buf if buffer.view.buf != NULL else <void *>&buffer.view


cdef int measure(Job *job, BasePlan plan, Buffer out) except -1:
    """Take from its first output how many samples a job has, and of what size."""
    cdef Py_buffer *view = &out.view
    cdef Py_ssize_t last = view.ndim - 1
    if view.ndim < 3:
        raise ValueError(f"the output is {out.described()}; (n, arrays, h, w) is needed")
    if view.ndim == 4 and plan.form == INTERLEAVED:
        last -= 1
    job.n_samples, job.height, job.width = view.shape[0], view.shape[last - 1], view.shape[last]
    if not (1 <= job.height <= plan.patch_height and 1 <= job.width <= plan.patch_width):
        raise ValueError(
            f"a window of {job.height} x {job.width} does not fit a patch of "
            f"{plan.patch_height} x {plan.patch_width}")
    return 0


cdef int aim(Job *job, BasePlan plan, Buffer out) except -1:
    """Add an output to the job, after the proof that it has room for every sample."""
    cdef Output *output = &job.outputs[job.n_outputs]
    cdef Py_buffer *view = &out.view
    cdef Form form = plan.form
    # Where the arrays have an axis; the others are samples, rows and columns, in that order.
    cdef int apart = 1 if form == PLANAR else 3
    cdef Py_ssize_t[3] sides = [job.n_samples, job.height, job.width]
    cdef bint flat = view.ndim == 3 and (form == MASK or plan.n_arrays == 1)
    cdef bint fits = flat or (view.ndim == 4 and form != MASK)
    cdef int k
    for k in range(4 if fits and not flat else 3):
        if fits:
            fits = view.shape[k] == (
                sides[k] if flat or k < apart else plan.n_arrays if k == apart else sides[k - 1])
    if not fits:
        needed = list(sides)
        if form != MASK:
            needed.insert(apart, plan.n_arrays)
        raise ValueError(f"an output is {out.described()}; {tuple(needed)} is needed")
    if not PyBuffer_IsContiguous(view, b"C") or not out.aligned():
        raise ValueError("an output is not contiguous, or not aligned to its type")
    output.form, output.planes, output.deeds = form, plan.planes, plan.deeds
    output.n_arrays, output.item, output.move = plan.n_arrays, view.itemsize, move_of(view.itemsize)
    output.data = <char *>view.buf
    output.alike = are_alike(plan)
    job.n_outputs += 1
    if isinstance(plan, Gather):
        check_image(plan, out, output)
    elif isinstance(plan, Remap):
        check_label(plan, out, output)
    elif not out.holds(b"B?", 1):
        raise ValueError(f"valid is {out.described()}; uint8 is needed")
    return 0


cdef bint are_alike(BasePlan plan) noexcept:
    """Whether all arrays are scaled alike; what else may differ does not matter to a Gather."""
    cdef const Deed *first = plan.deeds
    cdef const Deed *deed
    cdef Py_ssize_t a
    for a in range(plan.n_arrays):
        deed = &plan.deeds[a]
        if (deed.verb != SCALE or deed.type != first.type or deed.fills != first.fills
                or memcmp(&deed.how, &first.how, sizeof(deed.how)) != 0):
            return False
    return True


cdef int check_image(Gather gather, Buffer image, Output *output) except -1:
    if gather.stored and type_of(image) != gather.deeds[0].type:
        raise ValueError(f"image is {image.described()}; the stored type is needed")
    if not gather.stored:
        output.to = gather.to
        if gather.to == c.CIO_TO_F32 and not image.holds(b"f", 4):
            raise ValueError(f"image is {image.described()}; float32 is needed")
        if gather.to == c.CIO_TO_F16 and not image.holds(b"e", 2):
            raise ValueError(f"image is {image.described()}; float16 is needed")
        if gather.to == c.CIO_TO_BF16 and not image.holds(b"H", 2):
            raise ValueError(f"image is {image.described()}; bfloat16 as uint16 is needed")
    return 0


cdef int check_label(Remap remap, Buffer label, Output *output) except -1:
    if remap.class_type == c.CIO_TO_U8 and not label.holds(b"B", 1):
        raise ValueError(f"label is {label.described()}; uint8 is needed")
    if remap.class_type == c.CIO_TO_I64 and not label.holds(b"lq", 8):
        raise ValueError(f"label is {label.described()}; int64 is needed")
    output.to, output.fill = remap.class_type, remap.fill
    return 0


cdef int check_overlap(plans, list outs) except -1:
    cdef Py_ssize_t k, other, n = len(outs)
    cdef Buffer out, source
    cdef BasePlan plan
    for k in range(n):
        out = <Buffer>outs[k]
        for plan in plans:
            for source in plan.buffers:
                if out.overlaps(source):
                    raise ValueError("an output overlaps an array that is read")
        for other in range(k + 1, n):
            if out.overlaps(<Buffer>outs[other]):
                raise ValueError("two outputs overlap")
    return 0


cdef int place(Job *job, BasePlan stack, Buffer index, Buffer origin) except -1:
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
        job.touched[s] = 1
        job.places[k] = Place(s, patch - stack.starts[s], row, col, False, False, False)
    return 0


cdef int orient(Job *job, Buffer symmetry) except -1:
    """Note how each sample is flipped and turned, after the proof that it can be."""
    cdef const int64_t *numbers = <const int64_t *>whole_numbers(symmetry)
    cdef bint each = symmetry.view.ndim == 1
    cdef Py_ssize_t k
    cdef int64_t s
    cdef Place *place
    if symmetry.view.ndim > 1 or (each and symmetry.view.shape[0] != job.n_samples):
        raise ValueError(
            f"symmetry is {symmetry.described()}; () or ({job.n_samples},) is needed")
    # One that all share is checked even where there is no sample.
    for k in range(job.n_samples if each else max(1, job.n_samples)):
        s = numbers[k * each]
        at = f"[{k}]" if each else ""
        if not 0 <= s < 8:
            raise ValueError(f"symmetry{at} = {s}; 0..7 are needed")
        if s % 2 == 1 and job.height != job.width:
            raise ValueError(
                f"symmetry{at} = {s} is a quarter turn, for which a window must be square; it is "
                f"{job.height} x {job.width}")
        if k == job.n_samples:
            break
        # np.rot90(np.fliplr(x) if s >= 4 else x, s % 4): which stored row and column each pixel
        # comes from.
        place = &job.places[k]
        place.turned = s & 1
        place.up = s >> 1 & 1
        place.back = place.up != (s >> 2 & 1)
        if place.turned:
            place.back = not place.back
        job.any_turned |= place.turned
        job.any_back |= place.back
    return 0


cdef int plan_strips(Job *job, int n_threads) noexcept:
    """Cut the outputs into strips, and decide how they are written and by how many threads."""
    cdef Py_ssize_t n_bytes = 0, room = 0, k
    cdef Output *output
    for k in range(job.n_outputs):
        output = &job.outputs[k]
        n_bytes += cut(job, output, tuning.read_bytes if job.fetch else tuning.tile_bytes)
        job.n_sample_tasks += n_tasks_of(output)
        job.room = max(job.room, scratch_of(output))
        room = max(room, room_of(output))
    # Where files are read to begins at a block, at every seat.
    job.room = up_to_line(job.room) if job.fetch == NULL else up_to_block(job.room)
    job.n_bytes, job.scratch_bytes = n_bytes, job.room + room
    job.store = c.CIO_STREAMED if n_bytes >= tuning.stream_bytes else c.CIO_CACHED
    return <int>max(1, min(
        n_threads, 1 + n_bytes // tuning.thread_bytes, job.n_samples * job.n_sample_tasks))


cdef int plan_reading(Job *job, BasePlan first, int n_threads, int n_allowed) noexcept:
    """Decide what is asked for ahead, and how many threads may wait for files.

    Waiting is worth a thread however little there is to copy.
    """
    cdef int doubt = doubt_of(job)
    cdef int n_most = n_threads
    cdef Py_ssize_t stored = 0, k
    if job.fetch != NULL and n_allowed > 1:
        n_most = <int>max(n_threads, min(tuning.waiting, MOST_SCRATCH // job.scratch_bytes))
    # Of reads that are small and have long found all pages, every eighth looks.
    first.n_runs += 1
    if doubt < 0 or (
            doubt == c.CIO_CALM and job.n_bytes < tuning.thread_bytes and first.n_runs % 8 != 0):
        return n_most
    job.sparse = doubt == c.CIO_CALM
    for k in range(first.n_arrays):
        stored += job.height * min(first.planes[k * job.n_splits].row_step, job.width * 4)
    job.n_ahead = 1 + <Py_ssize_t>(
        <double>tuning.readahead_bytes / max(1, stored) * job.n_sample_tasks)
    return n_most


cdef void do(Job *job, int n_threads, int n_most, bint evict) noexcept nogil:
    """Do a job that is proved."""
    cdef Py_ssize_t n_tasks = job.n_samples * job.n_sample_tasks
    job.chunk = max(1, n_tasks // (16 * n_threads))
    check_files(job, False)
    if job.fault.code != NO_FAULT or job.n_samples == 0:
        return
    if evict:
        # A mask reads again what the image has read, and should find it in memory.
        job.gives_back_last = job.outputs[job.n_outputs - 1].form == MASK
        job.gives_back = not job.gives_back_last
    if job.n_ahead > 0:
        job.chunk = max(1, min(job.chunk, job.n_ahead // 4))
        if job.fetch == NULL:
            ask_ahead(job, 0, job.n_ahead)
    if job.fetch != NULL:
        job.chunk = 1  # a request
    c.cio_team_run(walk, job, n_tasks, job.chunk, n_threads, n_most)
    # Again where the copy took long enough for a file to change meanwhile: asking costs as much
    # as copying a small window does.
    if job.n_bytes >= tuning.thread_bytes or job.fetch != NULL or c.cio_is_raised(&job.absent):
        check_files(job, True)
    if job.n_ahead > 0 and not c.cio_is_raised(&job.absent):
        calm_files(job)
    if evict:
        c.cio_team_run(
            give_back_rest, job, n_tasks, max(1, job.n_sample_tasks // 8), n_threads, n_threads)


# ---- this machine --------------------------------------------------------------------------------

cdef const c.cio_rows *rows = NULL


# For _kernels.pxd, which says what they do.
cdef const c.cio_rows *rows_in_use() noexcept nogil:
    return rows


cdef void end_line(c.cio_line *line) noexcept nogil:
    c.cio_end_line(line)


cdef void store_fence() noexcept nogil:
    c.cio_store_fence()


cdef void team_run(
        c.cio_task task, void *context, size_t n_items, size_t chunk, int n_threads) noexcept nogil:
    c.cio_team_run(task, context, n_items, chunk, n_threads, n_threads)


cdef Tuning tuning = Tuning(8, 64 << 10, 1 << 20, 2 << 20, 32 << 20, 512 << 10, 32)

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


def n_workers():
    """Worker threads alive in this process, besides its callers."""
    return c.cio_team_size()


def address(source):
    """Where the memory of a buffer begins, in bytes."""
    return <uintptr_t>Buffer(source, 0).view.buf


use(ISAS[-1])
if os.environ.get("CLOUDIO_ISA"):
    try:
        use(os.environ["CLOUDIO_ISA"])
    except ValueError as error:
        # An import that fails would leave nothing to ask what is wrong.
        warnings.warn(f"CLOUDIO_ISA is ignored: {error}")
