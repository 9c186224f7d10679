"""Batches: the proof that each lies inside its arrays and outputs, before it is executed.

What is done to the arrays is decided once, by plans.pyx. Nothing is written before everything is
proved; executor.pyx then does the batch.
"""
from cpython.buffer cimport PyBuffer_IsContiguous
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free
from libc.string cimport memset

from cloudio._core cimport _csrc as c
from cloudio._core.boxes cimport place_of
from cloudio._core.buffers cimport Buffer, element_type, int64_data, zeros
from cloudio._core.executor cimport execute, log_refusal, start_job
from cloudio._core.job cimport (
    COPY, HISTOGRAM, INTERLEAVED, MASK, MAX_OUTPUTS, MODIFIED as FILE_MODIFIED, NO_OUTPUT, PLANAR,
    TRUNCATED as FILE_TRUNCATED, ArrayDesc, Job, Output, OutputKind, Repetition, SampleWindow)
from cloudio._core.plans cimport BasePlan, Gather, Histogram, Remap, move_size
from cloudio._core.prefetch cimport (
    PrefetchSource, PrefetchTask, destroy_prefetch, run_prefetch)
from cloudio._core.spaced cimport holds_whole_pixels
from cloudio._core.tiling cimport read_step, row_extent
from cloudio._core.windows cimport resolve_index, set_symmetries, set_windows

# Codes of faults that are no errno.
TRUNCATED, MODIFIED = FILE_TRUNCATED, FILE_MODIFIED

cdef enum:
    MAX_COUNTED = 0xFFFFFFFF  # pixels, in a counter of a table


def resolve(index, Py_ssize_t n_patches):
    """Turn negative numbers of ``index``, int64 and contiguous, into those from the start.

    IndexError names the first number that no patch has; ``index`` is then partly resolved.
    """
    if n_patches < 0:
        raise ValueError(f"{n_patches} patches; there must be 0 or more")
    resolve_index(Buffer(index, True), n_patches)


def run(plans, outs, index, origin, symmetry, int n_threads, bint evict=False):
    """Write the windows of ``index`` to ``outs``, by each of ``plans`` to its own output.

    The output of a `Gather` is (n, arrays, h, w), or (n, h, w, arrays) if interleaved; of a `Remap`
    (n, arrays, h, w), or (n, h, w) for one array; of a `Mask` (n, h, w).  ``index`` is (n,),
    ``origin`` (2,) or (n, 2), ``symmetry`` None, () or (n,), all int64; ``index`` is resolved, as
    by `resolve`.  All is checked before anything is written: IndexError for ``index``, ValueError
    for the rest.  With ``evict`` the system drops the pages of the windows from memory.

    Return None, or the first fault of a file: (file, patch in it, offset, code).  ``patch`` is -1
    if no single one is at fault; ``code`` is TRUNCATED, MODIFIED or an errno.  Outputs are
    untouched where a file was too short from the beginning; else they must not be used.
    """
    cdef Job job
    cdef Py_ssize_t k
    # Read once, and held here: other threads may change a sequence while there is no GIL.
    cdef tuple jobs = checked_plans(plans)
    cdef tuple targets = tuple([Buffer(out, True) for out in outs])
    cdef BasePlan plan, first
    if not 1 <= len(jobs) == len(targets) <= MAX_OUTPUTS:
        raise ValueError(
            f"{len(jobs)} plans and {len(targets)} outputs; the numbers must be equal, "
            f"1..{MAX_OUTPUTS}")
    if n_threads < 1:
        raise ValueError(f"{n_threads} threads; there must be 1 or more")
    first = <BasePlan>jobs[0]
    start_job(&job, first)
    infer_shape(&job, first, <Buffer>targets[0])
    for k in range(len(targets)):
        plan = <BasePlan>jobs[k]
        if plan.kind == HISTOGRAM:
            raise ValueError("a Histogram is for count")
        if k > 0:
            same_patches(first, plan)
        bind_output(&job, plan, <Buffer>targets[k])
    check_overlap(jobs, targets)
    return prove_and_execute(
        &job, jobs, Buffer(index, True), Buffer(origin, False),
        None if symmetry is None else Buffer(symmetry, False), n_threads, evict, NULL)


def count(Histogram plan not None, records, counts, classes, index, origin, Py_ssize_t height,
          Py_ssize_t width, int n_threads, bint evict=False):
    """Count what a `Histogram` counts, in windows of that height and width from ``origin`` on.

    All is int64 and contiguous.  ``records`` (n, bytes of a cio_record / 8) and ``classes`` (n,
    classes), None if there is no ``class_lut``, are written; ``counts`` (numbers,) is added to.
    ``records`` may be None, and must be for pairs and with ``buckets``.  The rest is as in `run`.
    """
    cdef Job job
    cdef Output *output = &job.outputs[0]
    cdef Py_ssize_t n
    cdef int64_t *sums
    cdef tuple jobs = checked_plans((plan,))
    cdef Buffer numbers = Buffer(index, True)
    if n_threads < 1:
        raise ValueError(f"{n_threads} threads; there must be 1 or more")
    if not (1 <= height <= plan.patch_height and 1 <= width <= plan.patch_width):
        raise ValueError(f"a window of {height} x {width} does not fit into a patch")
    start_job(&job, plan)
    job.height, job.width = height, width
    n = n_numbers(numbers)
    if n > MAX_COUNTED // (height * width):
        raise ValueError(f"{n} patches are more than can be counted at once")
    job.n_samples, job.n_outputs = n, 1
    job.n_descs = output.n_descs = plan.n_descs
    output.kind, output.descs, output.ops = HISTOGRAM, plan.descs, plan.ops
    output.n_arrays, output.item = plan.n_arrays, plan.ops[0].item
    output.spaced, output.repeats = plan.spaced, plan.repetitions != NULL
    output.histogram = &plan.spec
    cdef bint has_records = records is not None
    cdef Buffer record_table = Buffer(records if has_records else counts, True)
    cdef Buffer class_table = Buffer(classes if plan.n_classes else counts, True)
    cdef Buffer totals = Buffer(counts, True)
    sums = <int64_t *>int64_data(totals)
    if totals.view.ndim != 1 or totals.view.shape[0] != plan.n_counts:
        raise ValueError(f"counts are {totals.described()}; it must be ({plan.n_counts},)")
    if has_records and (plan.spec.paired or plan.spec.buckets != NULL):
        raise ValueError("records are of one array that is counted")
    if has_records:
        output.data = <char *>checked_table(record_table, n, sizeof(c.cio_record) // 8)
    if plan.n_classes:
        output.classes = <int64_t *>checked_table(class_table, n, plan.n_classes)
    cdef tuple outs = (totals,)
    outs += (record_table,) if has_records else ()
    outs += (class_table,) if plan.n_classes else ()
    check_overlap(jobs, outs)
    return prove_and_execute(
        &job, jobs, numbers, Buffer(origin, False), None, n_threads, evict, sums)


def is_direct(plans, Py_ssize_t width):
    """Whether ``run`` with ``evict`` reads windows of that width past the page cache."""
    cdef BasePlan plan
    cdef Py_ssize_t k
    cdef const ArrayDesc *desc
    for plan in tuple(plans):
        for k in range(plan.n_descs):
            desc = &plan.descs[k]
            if desc.file != NULL and not (
                    c.cio_file_is_direct(desc.file)
                    and read_step(desc.row_step, row_extent(desc, width)) == desc.row_step):
                return False
    return plan.kind != MASK  # which reads again what the image has read


def prefetch(plans, index, origin, Py_ssize_t height, Py_ssize_t width):
    """Begin to read the pages of the windows of ``index`` in the background.

    Arguments are those of `run`, and checked as there.  Pages in memory cost next to nothing.
    """
    cdef Job job
    cdef tuple jobs = checked_plans(plans)
    cdef BasePlan plan, first
    cdef PrefetchTask *ahead
    cdef Py_ssize_t max_sources = 0, n_repeated = 0
    cdef size_t n_bytes
    cdef char *memory
    cdef bint queued
    if not 1 <= len(jobs) <= MAX_OUTPUTS:
        raise ValueError(f"{len(jobs)} plans; there must be 1..{MAX_OUTPUTS}")
    for plan in jobs:
        max_sources += plan.n_descs
        n_repeated += plan.n_descs if plan.repetitions != NULL else 0
    first = <BasePlan>jobs[0]
    if not (1 <= height <= first.patch_height and 1 <= width <= first.patch_width):
        raise ValueError(f"a window of {height} x {width} does not fit into a patch")
    memset(&job, 0, sizeof(job))
    job.n_splits, job.height, job.width = first.n_splits, height, width
    cdef Buffer numbers = Buffer(index, True)
    job.n_samples = n_numbers(numbers)
    n_bytes = (
        sizeof(PrefetchTask) + max_sources * sizeof(PrefetchSource)
        + first.n_splits * (sizeof(Py_ssize_t) + 1) + job.n_samples * sizeof(SampleWindow)
        + n_repeated * job.n_samples * sizeof(int32_t))
    memory = <char *>zeros(n_bytes, 1)
    ahead = <PrefetchTask *>memory
    ahead.task.run, ahead.task.destroy = run_prefetch, destroy_prefetch
    ahead.task.n_bytes = n_bytes
    ahead.height, ahead.width, ahead.n_windows = height, width, job.n_samples
    ahead.sources = <PrefetchSource *>(ahead + 1)
    ahead.n_split_sources = <Py_ssize_t *>(ahead.sources + max_sources)
    ahead.windows = job.windows = <SampleWindow *>(ahead.n_split_sources + first.n_splits)
    ahead.places = <int32_t *>(job.windows + job.n_samples)
    job.touched = <char *>(ahead.places + n_repeated * job.n_samples)
    try:
        set_windows(&job, first, numbers, Buffer(origin, False))
        for plan in jobs:
            if plan is not first:
                same_patches(first, plan)
            if plan.kind != MASK:  # whose arrays are the image's
                add_sources(ahead, plan, job.touched)
        queued = c.cio_background_submit(&ahead.task)
        ahead = NULL
        if not queued:
            log_refusal("prefetch() waits for its pages")
    finally:
        if ahead != NULL:
            destroy_prefetch(&ahead.task)


cdef int add_sources(PrefetchTask *ahead, BasePlan plan, const char *touched) except -1:
    """Add the arrays of a plan that lie in files, and acquire these."""
    cdef Py_ssize_t k
    cdef ArrayDesc *desc
    cdef PrefetchSource *source
    cdef Py_ssize_t n = plan.n_arrays * plan.n_splits
    for k in range(plan.n_descs):
        desc = &plan.descs[k]
        if (desc.file == NULL or not touched[k % plan.n_splits]
                or desc.lead != k % n // plan.n_splits):
            continue
        if not c.cio_file_acquire(desc.file):
            raise plan.files[k].closed_error()
        c.cio_file_ref(desc.file)
        source = &ahead.sources[ahead.n_sources]
        source.desc, source.split = desc[0], k % plan.n_splits
        source.number = ahead.n_split_sources[source.split]
        ahead.n_split_sources[source.split] += 1
        ahead.n_sources += 1
        if plan.repetitions != NULL and plan.descs[k % n].repetition != NULL:
            add_places(ahead, source, plan.descs[k % n].repetition)
            source.exceptions = k >= n
    return 0


cdef void add_places(
        PrefetchTask *ahead, PrefetchSource *source, const Repetition *repetition) noexcept:
    """Copy where each window of a source lies: the task may outlive the plan."""
    cdef Py_ssize_t i
    source.repetition, source.places = repetition[0], ahead.places
    ahead.places += ahead.n_windows
    for i in range(ahead.n_windows):
        if ahead.windows[i].split == source.split:
            source.places[i] = place_of(repetition, ahead.windows[i].patch)


cdef object prove_and_execute(
        Job *job, tuple plans, Buffer index, Buffer origin, Buffer symmetry, int n_threads,
        bint evict, int64_t *counts):
    """Execute a job whose outputs are proved, once its windows are."""
    cdef BasePlan first = <BasePlan>plans[0]
    cdef char *memory = <char *>zeros(
        job.n_descs * sizeof(int64_t) + job.n_samples * sizeof(SampleWindow) + job.n_splits, 1)
    try:
        job.changed = <int64_t *>memory
        job.windows = <SampleWindow *>(job.changed + job.n_descs)
        job.touched = <char *>(job.windows + job.n_samples)
        set_windows(job, first, index, origin)
        if symmetry is not None:
            set_symmetries(job, symmetry)
        return execute(job, plans, first, n_threads, evict, counts)
    finally:
        free(memory)


# ---- what is proved ------------------------------------------------------------------------------

cdef tuple checked_plans(plans):
    """The plans, read once, after the proof that each was made to its end."""
    cdef tuple given = tuple(plans)
    cdef BasePlan plan
    for plan in given:
        if plan is None:
            raise ValueError("a plan is None")
        if plan.kind == NO_OUTPUT:
            raise ValueError(
                f"a {type(plan).__name__} cannot be run; give a Gather, Mask, Remap or Histogram")
    return given


cdef Py_ssize_t n_numbers(Buffer index) except -1:
    """How many numbers an index holds; 0 if it is not one, which `resolve_index` refuses."""
    int64_data(index)
    return index.view.shape[0] if index.view.ndim == 1 else 0


cdef int same_patches(BasePlan one, BasePlan other) except -1:
    """Prove that two plans are over the same patches."""
    cdef bint same = (
        one.n_splits == other.n_splits and one.patch_height == other.patch_height
        and one.patch_width == other.patch_width and one.reads == other.reads)
    cdef Py_ssize_t s
    for s in range(one.n_splits + 1 if same else 0):
        same = same and one.starts[s] == other.starts[s]
    if not same:
        raise ValueError("two plans are not over the same patches")
    return 0


cdef int infer_shape(Job *job, BasePlan plan, Buffer out) except -1:
    """Set how many samples a job has, and of what size, from its first output."""
    cdef Py_buffer *view = &out.view
    cdef Py_ssize_t last = view.ndim - 1
    if view.ndim < 3:
        raise ValueError(f"the output is {out.described()}; it must be (n, arrays, h, w)")
    if view.ndim == 4 and plan.kind == INTERLEAVED:
        last -= 1
    job.n_samples, job.height, job.width = view.shape[0], view.shape[last - 1], view.shape[last]
    if not (1 <= job.height <= plan.patch_height and 1 <= job.width <= plan.patch_width):
        raise ValueError(
            f"a window of {job.height} x {job.width} does not fit a patch of "
            f"{plan.patch_height} x {plan.patch_width}")
    return 0


cdef int bind_output(Job *job, BasePlan plan, Buffer out) except -1:
    """Add an output to the job, after the proof that it has room for every sample."""
    cdef Output *output = &job.outputs[job.n_outputs]
    cdef Py_buffer *view = &out.view
    cdef OutputKind kind = plan.kind
    # The axis of arrays; the others are samples, rows and columns, in that order.
    cdef int array_axis = 1 if kind == PLANAR else 3
    cdef Py_ssize_t[3] sides = [job.n_samples, job.height, job.width]
    cdef bint flat = view.ndim == 3 and (kind == MASK or plan.n_arrays == 1)
    cdef bint fits = flat or (view.ndim == 4 and kind != MASK)
    cdef int k
    for k in range(4 if fits and not flat else 3):
        if fits:
            fits = view.shape[k] == (
                sides[k] if flat or k < array_axis
                else plan.n_arrays if k == array_axis
                else sides[k - 1])
    if not fits:
        needed = list(sides)
        if kind != MASK:
            needed.insert(array_axis, plan.n_arrays)
        raise ValueError(f"an output is {out.described()}; it must be {tuple(needed)}")
    if not PyBuffer_IsContiguous(view, b"C") or not out.aligned():
        raise ValueError("an output is not contiguous, or not aligned to its type")
    output.kind, output.descs, output.ops = kind, plan.descs, plan.ops
    output.n_arrays, output.item = plan.n_arrays, view.itemsize
    output.move = move_size(view.itemsize)
    output.data = <char *>view.buf
    output.uniform, output.spaced = plan.uniform, plan.spaced
    output.n_descs, output.repeats = plan.n_descs, plan.repetitions != NULL
    output.whole_pixels = (
        kind == INTERLEAVED and plan.spaced and (plan.uniform or plan.ops[0].opcode == COPY)
        and holds_whole_pixels(plan.descs, plan.ops, plan.n_arrays, plan.n_splits))
    job.n_outputs += 1
    job.n_descs += plan.n_descs
    if isinstance(plan, Gather):
        check_image(plan, out, output)
    elif isinstance(plan, Remap):
        check_label(plan, out, output)
    elif kind != MASK or not out.holds(b"B?", 1):
        raise ValueError(f"valid is {out.described()}; it must be uint8")
    return 0


cdef int check_image(Gather gather, Buffer image, Output *output) except -1:
    if gather.stored and element_type(image) != gather.ops[0].type:
        raise ValueError(f"image is {image.described()}; it must be the stored type")
    if not gather.stored:
        output.to = gather.to
        if gather.to == c.CIO_TO_F32 and not image.holds(b"f", 4):
            raise ValueError(f"image is {image.described()}; it must be float32")
        if gather.to == c.CIO_TO_F16 and not image.holds(b"e", 2):
            raise ValueError(f"image is {image.described()}; it must be float16")
        if gather.to == c.CIO_TO_BF16 and not image.holds(b"H", 2):
            raise ValueError(f"image is {image.described()}; it must be bfloat16 as uint16")
    return 0


cdef int check_label(Remap remap, Buffer label, Output *output) except -1:
    if remap.class_type == c.CIO_TO_U8 and not label.holds(b"B", 1):
        raise ValueError(f"label is {label.described()}; it must be uint8")
    if remap.class_type == c.CIO_TO_I64 and not label.holds(b"lq", 8):
        raise ValueError(f"label is {label.described()}; it must be int64")
    output.to, output.fill = remap.class_type, remap.fill
    return 0


cdef int check_overlap(tuple plans, tuple outs) except -1:
    cdef Py_ssize_t k, other, n = len(outs)
    cdef Buffer out, source
    cdef BasePlan plan
    for out in outs:
        out.extent()
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


cdef void *checked_table(Buffer buffer, Py_ssize_t n_rows, Py_ssize_t n_cols) except NULL:
    """The numbers of a table, after the proof that it has this shape."""
    cdef void *numbers = int64_data(buffer)
    if (buffer.view.ndim != 2 or buffer.view.shape[0] != n_rows
            or buffer.view.shape[1] != n_cols):
        raise ValueError(f"a table is {buffer.described()}; it must be ({n_rows}, {n_cols})")
    return numbers
