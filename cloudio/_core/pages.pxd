# The files of a job: whether they are what they were, which of their pages are asked for ahead,
# waited for, read and given back. All of it without the GIL; csrc/files.h says what each means.
from libc.errno cimport EIO
from libc.stdint cimport int64_t
from libc.stdlib cimport free

from cloudio._core cimport _csrc as c
from cloudio._core.job cimport (
    ENDED, INTERLEAVED, MASK, PLANAR, SKIP, WRITTEN, Deed, Fault, Job, Output, Place, Plane,
    Strip, View, n_tasks_of, read_step, up_to_block)

cdef inline void tell(Fault *fault, int code, Py_ssize_t plane, Py_ssize_t patch,
                      int64_t offset) noexcept nogil:
    """Note a fault, if it is the first."""
    if c.cio_raise(&fault.told):
        fault.plane, fault.patch, fault.offset = plane, patch, offset
        fault.code = code


cdef inline Py_ssize_t number_of(
        const Job *job, const Output *output, Py_ssize_t array, Py_ssize_t split) noexcept nogil:
    """Of a plane, counted through the outputs."""
    cdef const Output *other = &job.outputs[0]
    cdef Py_ssize_t before = 0
    while other != output:
        before += other.n_arrays * job.n_splits
        other += 1
    return before + array * job.n_splits + split


cdef inline bint is_read(const Job *job, const Output *output, Py_ssize_t k) noexcept nogil:
    """Whether plane k of an output is of a file, and read, and the one right before is not."""
    cdef const Plane *plane = &output.planes[k]
    cdef const Deed *deed = &output.deeds[k // job.n_splits]
    return (plane.file != NULL and job.touched[k % job.n_splits] and deed.verb != SKIP
            and (k < job.n_splits or output.planes[k - job.n_splits].file != plane.file
                 or (deed - 1).verb == SKIP))


cdef inline void check_files(Job *job, bint again) noexcept nogil:
    """Ask every file that is read for its size, and when it was last written to.

    That should not have been since the file was opened; of a mapped one, whose pages show what is
    written anyway, since it was asked before, if it is asked ``again``.
    """
    cdef Py_ssize_t o, k, before = 0
    cdef const Output *output
    cdef const Plane *plane
    cdef c.cio_status status
    cdef int code
    for o in range(job.n_outputs):
        output = &job.outputs[o]
        for k in range(output.n_arrays * job.n_splits):
            if not is_read(job, output, k):
                continue
            plane = &output.planes[k]
            code = c.cio_file_status(plane.file, &status)
            if code != 0:
                tell(&job.fault, code, before + k, -1, 0)
            elif status.n_bytes < c.cio_file_n_bytes(plane.file):
                blame(job, plane, before + k, status.n_bytes)
            elif status.changed != (
                    c.cio_file_changed(plane.file) if job.fetch != NULL
                    else job.changed[before + k] if again else status.changed):
                tell(&job.fault, WRITTEN, before + k, -1, 0)
            job.changed[before + k] = status.changed
        before += output.n_arrays * job.n_splits


cdef inline Py_ssize_t enter_files(const Job *job) noexcept nogil:
    """Enter every file that is read; -1, or the number of the first plane whose file is closed."""
    cdef Py_ssize_t o, k, before = 0
    for o in range(job.n_outputs):
        for k in range(job.outputs[o].n_arrays * job.n_splits):
            if is_read(job, &job.outputs[o], k) and not c.cio_file_enter(
                    job.outputs[o].planes[k].file):
                leave_files(job, before + k)
                return before + k
        before += job.outputs[o].n_arrays * job.n_splits
    return -1


cdef inline void leave_files(const Job *job, Py_ssize_t n_planes) noexcept nogil:
    """Leave those of the first planes."""
    cdef Py_ssize_t o, k
    for o in range(job.n_outputs):
        for k in range(min(n_planes, job.outputs[o].n_arrays * job.n_splits)):
            if is_read(job, &job.outputs[o], k):
                c.cio_file_leave(job.outputs[o].planes[k].file)
        n_planes -= job.outputs[o].n_arrays * job.n_splits


cdef inline int doubt_of(const Job *job) noexcept nogil:
    """The greatest of any file that is read; -1 without files."""
    cdef Py_ssize_t o, k
    cdef int doubt = -1
    for o in range(job.n_outputs):
        for k in range(job.outputs[o].n_arrays * job.n_splits):
            if is_read(job, &job.outputs[o], k):
                doubt = max(doubt, c.cio_file_doubt(job.outputs[o].planes[k].file))
    return doubt


cdef inline void calm_files(const Job *job) noexcept nogil:
    cdef Py_ssize_t o, k
    for o in range(job.n_outputs):
        for k in range(job.outputs[o].n_arrays * job.n_splits):
            if is_read(job, &job.outputs[o], k):
                c.cio_file_calm(job.outputs[o].planes[k].file)


cdef inline void blame(Job *job, const Plane *plane, Py_ssize_t number,
                       int64_t n_bytes) noexcept nogil:
    """Tell that a plane's file ends too early, and which patch is the first that it cuts.

    Patches are counted from the end, for a channel's first pixel is not the first of its file.
    """
    cdef int64_t step = plane.patch_step, whole = c.cio_file_n_bytes(plane.file)
    cdef int64_t n_patches = (whole - plane.offset + step - 1) // step
    cdef int64_t n_cut = (whole - n_bytes + step - 1) // step
    tell(&job.fault, ENDED, number, max(n_patches - n_cut, 0), n_bytes)


cdef inline int64_t window_offset(
        const Plane *plane, Py_ssize_t item, const Place *place) noexcept nogil:
    """Where in its file a sample's window begins."""
    return (plane.offset + <int64_t>place.patch * plane.patch_step + place.row * plane.row_step
            + place.col * item)


# What is done to pages: asked for, settled, given back.
ctypedef int (*Paged)(c.cio_file *file, int64_t offset, int64_t n_bytes) noexcept nogil

cdef inline int over_pages(const Plane *plane, Py_ssize_t height, Py_ssize_t row_bytes,
                           int64_t offset, Paged deed) noexcept nogil:
    """Do something to exactly the pages that a window needs, as far as they follow each other."""
    cdef c.cio_file *file = plane.file
    cdef Py_ssize_t y = 0, n, row_step = plane.row_step
    cdef int64_t page = c.cio_page_bytes()
    cdef int answer = 0
    # What `fetch` reads at once it reads with the pages between the rows.
    if row_step - row_bytes < page or (
            plane.base == NULL and read_step(row_step, row_bytes) == row_step):
        return deed(file, offset, (height - 1) * row_step + row_bytes)
    while y < height:
        # Rows whose pages are the same or follow each other.
        n = 1
        while y + n < height and (
                (offset + (y + n) * row_step) // page
                <= (offset + (y + n - 1) * row_step + row_bytes - 1) // page + 1):
            n += 1
        answer |= deed(file, offset + y * row_step, (n - 1) * row_step + row_bytes)
        y += n
    return answer


cdef inline int give_back(c.cio_file *file, int64_t offset, int64_t n_bytes) noexcept nogil:
    c.cio_file_give_back(file, offset, n_bytes)
    return 0


cdef inline int settle(c.cio_file *file, int64_t offset, int64_t n_bytes) noexcept nogil:
    return c.cio_file_settle(file, offset, n_bytes)


cdef inline int over_window(const Job *job, const Output *output, Py_ssize_t array,
                            const Place *place, Paged deed) noexcept nogil:
    cdef const Plane *plane = &output.planes[array * job.n_splits + place.split]
    cdef const Deed *how = &output.deeds[array]
    if plane.file == NULL:
        return 0
    return over_pages(plane, job.height, job.width * how.item,
                      window_offset(plane, how.item, place), deed)


# Windows that the same strips [first, last] read: of one array, or of all if these are interleaved.
cdef struct Windows:
    const Output *output
    const Place *place
    Py_ssize_t array, n_arrays, first, last


cdef inline Windows windows_of(const Job *job, Py_ssize_t task) noexcept nogil:
    """Those that a strip reads."""
    cdef Windows windows
    cdef const Output *output = &job.outputs[0]
    cdef Py_ssize_t rest = task % job.n_sample_tasks
    windows.place = &job.places[task // job.n_sample_tasks]
    while rest >= n_tasks_of(output):
        rest -= n_tasks_of(output)
        output += 1
    windows.output = output
    windows.array = rest // output.n_strips
    windows.n_arrays = 1 if output.form == PLANAR else output.n_arrays
    windows.first = task - rest % output.n_strips
    windows.last = windows.first + output.n_strips - 1
    return windows


cdef inline void give_back_done(const Job *job, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Give back the windows that strips [begin, end) alone have read."""
    cdef Windows windows
    cdef Py_ssize_t task = begin
    while task < end:
        windows = windows_of(job, task)
        if windows.first >= begin and windows.last < end:
            give_back_windows(job, &windows)
        task = windows.last + 1


cdef inline void give_back_rest(void *context, size_t begin, size_t end, int seat) noexcept nogil:
    """Give back what `give_back_done` has not, in strips [begin, end)."""
    cdef const Job *job = <const Job *>context
    cdef Windows windows
    cdef size_t task
    for task in range(begin, end):
        windows = windows_of(job, task)
        if task == <size_t>windows.first and (
                job.gives_back_last or windows.first // job.chunk != windows.last // job.chunk):
            give_back_windows(job, &windows)


cdef inline void give_back_windows(const Job *job, const Windows *windows) noexcept nogil:
    cdef Py_ssize_t k
    if windows.output.form != MASK:  # whose windows are the image's
        for k in range(windows.array, windows.array + windows.n_arrays):
            over_window(job, windows.output, k, windows.place, give_back)


cdef inline void ask_ahead(Job *job, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Ask for the windows of which strips [begin, end) hold the first; a mask's are the image's.

    A sparse job looks at one array of each sample, not always the same.
    """
    cdef Windows windows
    cdef Py_ssize_t task = begin, k
    cdef bint sparse
    end = min(end, job.n_samples * job.n_sample_tasks)
    while task < end:
        windows = windows_of(job, task)
        sparse = job.sparse and not c.cio_is_raised(&job.absent)
        if task == windows.first and windows.output.form != MASK:
            for k in range(windows.array, windows.array + windows.n_arrays):
                if sparse and k != windows.place.patch % windows.output.n_arrays:
                    continue
                if (over_window(job, windows.output, k, windows.place, c.cio_file_ask)
                        and c.cio_raise(&job.absent) and sparse):
                    # What was passed over may be absent too.
                    ask_ahead(job, begin, task + 1)
        task = windows.last + 1


cdef inline bint settle_strip(Job *job, const Strip *strip) noexcept nogil:
    """Wait for the windows of a strip, if its files are in doubt; false where they cannot be had.

    A doubt may be new: `prefetch` has pages on their way that this job never saw to be absent.
    """
    cdef const Output *output = strip.output
    cdef const Plane *plane
    cdef Py_ssize_t k
    for k in range(strip.array, strip.array + (1 if output.form == PLANAR else output.n_arrays)):
        plane = &output.planes[k * job.n_splits + strip.place.split]
        if (plane.base != NULL and plane.file != NULL
                and output.deeds[k].verb != SKIP
                and c.cio_file_doubt(plane.file) > c.CIO_DOUBTFUL
                and over_window(job, output, k, strip.place, settle) != 0):
            cannot_touch(job, output, k, strip.place)
            return False
    return True


cdef inline void cannot_touch(Job *job, const Output *output, Py_ssize_t array,
                              const Place *place) noexcept nogil:
    """Tell why a window cannot be touched: the file has become too short, or does not give it."""
    cdef Py_ssize_t k = array * job.n_splits + place.split
    cdef Py_ssize_t plane = number_of(job, output, array, place.split)
    cdef c.cio_status status
    if (c.cio_file_status(output.planes[k].file, &status) == 0
            and status.n_bytes < c.cio_file_n_bytes(output.planes[k].file)):
        blame(job, &output.planes[k], plane, status.n_bytes)
    else:
        tell(&job.fault, EIO, plane, place.patch,
             window_offset(&output.planes[k], output.deeds[array].item, place))


cdef inline bint fetch(Job *job, const Strip *strip, Py_ssize_t array, View *view,
                       char *room) noexcept nogil:
    """Read the stored rows of a strip, and view them; false where the file does not give them."""
    cdef const Place *place = strip.place
    cdef const Plane *plane = &strip.output.planes[array * job.n_splits + place.split]
    cdef Py_ssize_t n_rows = job.width if place.turned else strip.n_rows
    cdef Py_ssize_t row_bytes = view.deed.item * (strip.n_rows if place.turned else job.width)
    cdef Py_ssize_t step = read_step(plane.row_step, row_bytes)
    cdef Py_ssize_t y, n = n_rows, lead = 0
    # `view_of` points to the row that is taken first, which may be the last one stored.
    cdef int64_t offset = plane.offset + view.at
    if place.up:
        offset -= (n_rows - 1) * plane.row_step
    if step == plane.row_step:
        row_bytes += (n_rows - 1) * step
        n = 1
        if job.gives_back and c.cio_file_is_direct(plane.file):
            lead = offset % c.CIO_BLOCK
            # It waits, unless the pages are in memory, where they seldom are.
            c.cio_team_more()
            if c.cio_file_read_direct(
                    plane.file, room, offset - lead,
                    up_to_block(lead + row_bytes) - c.CIO_BLOCK) >= lead + row_bytes:
                n = 0
            else:
                lead = 0
    for y in range(n):
        if not read_some(job, strip, array, room + y * step, offset + y * plane.row_step,
                         row_bytes):
            return False
    view.src = room + lead + ((n_rows - 1) * step if place.up else 0)
    view.step = -step if place.up else step
    view.row = view.src
    return True


cdef inline bint read_some(Job *job, const Strip *strip, Py_ssize_t array, char *dst,
                           int64_t offset, int64_t n_bytes) noexcept nogil:
    """Read bytes of a file. Whoever has to wait for them lets another thread at work meanwhile."""
    cdef Py_ssize_t split = strip.place.split
    cdef c.cio_file *file = strip.output.planes[array * job.n_splits + split].file
    cdef int64_t n = c.cio_file_read_at_hand(file, dst, offset, n_bytes), more
    cdef bint at_hand = n == n_bytes
    if n < 0:
        # Pages that are on their way count too; here that is as good as can be said.
        n = 0
        at_hand = c.cio_file_resident(file, offset, n_bytes) >= n_bytes
    if n < n_bytes:
        if not at_hand:
            c.cio_raise(&job.absent)
            c.cio_team_more()
        more = c.cio_file_read(file, dst + n, offset + n, n_bytes - n)
        if more < n_bytes - n:
            tell(&job.fault, ENDED if more >= 0 else <int>-more,
                 number_of(job, strip.output, array, split), strip.place.patch,
                 offset + n + max(more, 0))
            return False
    return True


# ---- ahead of batches ----------------------------------------------------------------------------

# An array of a split, and the windows wanted of it.
cdef struct Source:
    Plane plane
    Py_ssize_t split, item


cdef struct Ahead:
    c.cio_errand errand
    Py_ssize_t height, width, n_sources, n_splits, n_places  # splits that are touched
    Source *sources
    Place *places


cdef inline void read_ahead(c.cio_errand *errand) noexcept nogil:
    """Ask for every window; while nothing is in doubt, for one array of each sample."""
    cdef Ahead *ahead = <Ahead *>errand
    cdef const Source *source
    cdef const Place *place
    cdef Py_ssize_t i, k, n_arrays
    cdef bint sparse = True
    if ahead.n_sources == 0:
        return
    n_arrays = ahead.n_sources // ahead.n_splits
    for k in range(ahead.n_sources):
        sparse = sparse and c.cio_file_doubt(ahead.sources[k].plane.file) == c.CIO_CALM
    i = 0
    while i < ahead.n_places:
        place = &ahead.places[i]
        for k in range(ahead.n_sources):
            source = &ahead.sources[k]
            if (source.split != place.split or c.cio_file_is_closed(source.plane.file)
                    or (sparse and k // ahead.n_splits != place.patch % n_arrays)):
                continue
            if over_pages(&source.plane, ahead.height, ahead.width * source.item,
                          window_offset(&source.plane, source.item, place), c.cio_file_ask) and (
                              sparse):
                # What was passed over may be absent too.
                sparse, i = False, -1
                break
        i += 1


cdef inline void drop_ahead(c.cio_errand *errand) noexcept nogil:
    cdef Ahead *ahead = <Ahead *>errand
    cdef Py_ssize_t k
    for k in range(ahead.n_sources):
        c.cio_file_leave(ahead.sources[k].plane.file)
        c.cio_file_drop(ahead.sources[k].plane.file)
    free(ahead)
