# How a job is walked: sample, array, strip of rows, row. All of it without the GIL.
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from cloudio._core cimport _csrc as c
from cloudio._core.job cimport (
    COPY, INTERLEAVED, LINE, LOOK_UP, MIRRORED, PLANAR, SCALE, SKIP, SLAB, TALLY, Deed, Job, Output,
    Place, Plane, Strip, View, cell_of, line_bytes, n_tasks_of, up_to_line)
from cloudio._core.pages cimport ask_ahead, give_back_done, settle_strip

# ---- strips ----------------------------------------------------------------------------------

cdef inline Strip strip_of(const Job *job, Py_ssize_t task) noexcept nogil:
    cdef Strip strip
    cdef const Output *output = &job.outputs[0]
    # Sample by sample, so that a mask finds in the cache what the image has just read.
    cdef Py_ssize_t sample = task // job.n_sample_tasks
    task %= job.n_sample_tasks
    while task >= n_tasks_of(output):
        task -= n_tasks_of(output)
        output += 1
    strip.output, strip.place = output, &job.places[sample]
    strip.array = task // output.n_strips
    cdef Py_ssize_t at = sample  # of the planes written
    if output.form == PLANAR:
        at = sample * output.n_arrays + strip.array
    strip.y = task % output.n_strips * output.strip_rows
    strip.n_rows = min(output.strip_rows, job.height - strip.y)
    strip.dst_step = job.width * output.item * (
        output.n_arrays if output.form == INTERLEAVED else 1)
    strip.dst = output.data + (at * job.height + strip.y) * strip.dst_step
    return strip


cdef inline View view_of(const Job *job, const Strip *strip, Py_ssize_t array) noexcept nogil:
    """The rows of an array as they are stored; `turn` makes a turned strip's."""
    cdef View view
    cdef const Place *place = strip.place
    cdef const Plane *plane = &strip.output.planes[array * job.n_splits + place.split]
    cdef const Deed *deed = &strip.output.deeds[array]
    # The stored row and column, within the window, of the first that the strip reads.
    cdef Py_ssize_t y = 0 if place.turned else strip.y
    cdef Py_ssize_t x = strip.y if place.turned else 0
    if place.up:
        y = job.height - 1 - y
    if place.turned and place.back:
        x = job.width - x - strip.n_rows
    view.deed = deed
    view.top = view.left = view.bottom = view.right = 0  # until `frame`
    view.at = (place.patch * plane.patch_step + (place.row + y) * plane.row_step
               + (place.col + x) * deed.item)
    view.src = NULL  # of a plane that is to be read, until `fetch`
    if plane.base != NULL:
        view.src = plane.base + view.at
    view.step = -plane.row_step if place.up else plane.row_step
    view.row = view.src
    return view


cdef inline void turn(const Job *job, const Strip *strip, View *view, char *scratch) noexcept nogil:
    """Make the stored columns of a strip rows in scratch, some stored rows at a time."""
    cdef Py_ssize_t item = view.deed.item
    cdef Py_ssize_t step = line_bytes(job, item)
    cdef Py_ssize_t y = 0, n, k
    cdef char *dst = scratch
    cdef Py_ssize_t dst_step = step
    if strip.place.back:
        dst, dst_step = scratch + (strip.n_rows - 1) * step, -step
    for k in range(min(2 * SLAB, job.width)):
        c.cio_prefetch_row(view.src + k * view.step, strip.n_rows * item)
    while y < job.width:
        # The last slab takes in what would be less than a tile.
        n = job.width - y if job.width - y < 2 * SLAB else SLAB
        for k in range(y + 2 * SLAB, min(y + 3 * SLAB, job.width)):
            c.cio_prefetch_row(view.src + k * view.step, strip.n_rows * item)
        job.rows.transpose[view.deed.move](
            view.src + y * view.step, view.step, dst + y * item, dst_step, n, strip.n_rows)
        y += n
    view.src, view.step = scratch, step


cdef inline void frame(const Job *job, const Strip *strip, View *view) noexcept nogil:
    """Put a view's window where the symmetry puts it."""
    cdef const Deed *deed = view.deed
    cdef const Place *place = strip.place
    cdef Py_ssize_t top = deed.top - place.row, bottom = deed.bottom - place.row
    cdef Py_ssize_t left = deed.left - place.col, right = deed.right - place.col
    if place.up:
        top, bottom = job.height - bottom, job.height - top
    if place.back:
        left, right = job.width - right, job.width - left
    if place.turned:
        top, left, bottom, right = left, top, right, bottom
    view.top, view.left, view.bottom, view.right = top, left, bottom, right


cdef inline void go_to(const Job *job, const Strip *strip, View *view, Py_ssize_t y,
                       char *scratch) noexcept nogil:
    """Have row y of the strip as it is to be read; rows come one after another."""
    cdef Py_ssize_t step, k
    if strip.place.turned or not strip.place.back:
        view.row = view.src + y * view.step
        return
    step = line_bytes(job, view.deed.item)
    # Some rows at once, for one that was just written in narrow stores is slow to load in wide.
    if y % MIRRORED == 0:
        for k in range(min(MIRRORED, strip.n_rows - y)):
            job.rows.reverse[view.deed.move](
                view.src + (y + k) * view.step, scratch + k * step, job.width)
    view.row = scratch + y % MIRRORED * step


cdef inline void ask_for(const Job *job, const Strip *strip, const View *view,
                         Py_ssize_t y) noexcept nogil:
    """Ask for row y of a strip that will be read soon; a turned one asks for itself."""
    if strip.output.form == PLANAR and not strip.place.turned:
        c.cio_prefetch_row(view.src + y * view.step, job.width * view.deed.item)


# ---- rows ------------------------------------------------------------------------------------

cdef inline void walk(void *context, size_t begin, size_t end, int seat) noexcept nogil:
    """Strips [begin, end) of a job, row by row, with the rows to come asked for in time."""
    cdef Job *job = <Job *>context
    cdef char *scratch = job.scratch + seat * job.scratch_bytes
    cdef Strip strip, following
    cdef View view, next_view
    cdef size_t task
    cdef Py_ssize_t y
    cdef c.cio_line line
    if job.n_ahead > 0 and job.fetch == NULL:
        ask_ahead(job, begin + job.n_ahead, end + job.n_ahead)
    elif job.n_ahead > 0 and c.cio_team_alone():
        # Nobody else waits for the file, so that only what is asked for is under way.
        ask_ahead(job, begin + job.n_ahead if begin > 0 else 0, end + job.n_ahead)
    strip = strip_of(job, begin)
    view = view_of(job, &strip, strip.array)
    memset(&line, 0, sizeof(line))
    for y in range(min(job.rows_ahead, strip.n_rows)):
        ask_for(job, &strip, &view, y)
    for task in range(begin, end):
        if c.cio_is_raised(&job.fault.told):
            break
        following = strip_of(job, task + 1 if task + 1 < end else task)
        next_view = view_of(job, &following, following.array)
        if (strip.y == 0 or task == begin) and not settle_strip(job, &strip):
            break
        if strip.output.form == PLANAR:
            write_planar(job, &strip, &view, &following, &next_view, scratch, &line)
        elif strip.output.form == INTERLEAVED:
            write_interleaved(job, &strip, scratch, &line)
        elif strip.output.form == TALLY:
            count_patch(job, &strip, scratch)
        else:
            write_mask(job, &strip, scratch)
        strip, view = following, next_view
    c.cio_end_line(&line)
    c.cio_store_fence()
    if job.gives_back:
        give_back_done(job, begin, end)


cdef inline void write_planar(
        Job *job, const Strip *strip, View *view, const Strip *following,
        const View *next_view, char *scratch, c.cio_line *line) noexcept nogil:
    cdef Py_ssize_t y, ahead
    if job.fetch != NULL and not job.fetch(job, strip, strip.array, view, scratch + job.room):
        return
    if strip.place.turned:
        turn(job, strip, view, scratch)
    if view.deed.verb == LOOK_UP:
        frame(job, strip, view)
    for y in range(strip.n_rows):
        ahead = y + job.rows_ahead
        if ahead < strip.n_rows:
            ask_for(job, strip, view, ahead)
        elif ahead - strip.n_rows < following.n_rows:
            ask_for(job, following, next_view, ahead - strip.n_rows)
        go_to(job, strip, view, y, scratch)
        write_row(job, strip, view, y, 0, job.width, strip.dst + y * strip.dst_step, job.store,
                  line)


cdef inline void write_interleaved(
        Job *job, const Strip *strip, char *scratch, c.cio_line *line) noexcept nogil:
    """Block by block: a row of each array, then these as columns, then these as one row.

    Numbers to which the same is done are interleaved as they are stored, and scaled last.
    """
    cdef const Output *output = strip.output
    cdef Py_ssize_t n = output.n_arrays, cell = cell_of(output), row_bytes = output.block * cell
    cdef View *views = <View *>scratch
    cdef char *turned = scratch + up_to_line(n * sizeof(View))
    cdef char *rows = turned + n * output.turned_bytes
    cdef char *pixels = rows + n * row_bytes
    cdef char *dst
    cdef char *target
    cdef Py_ssize_t a, y, x, width
    cdef const Deed *deed = output.deeds
    cdef bint in_place = job.store == c.CIO_CACHED and not output.alike
    for a in range(n):
        views[a] = view_of(job, strip, a)
        if job.fetch != NULL and not job.fetch(
                job, strip, a, &views[a], scratch + job.room + a * output.read_bytes):
            return
        if strip.place.turned:
            turn(job, strip, &views[a], turned + a * output.turned_bytes)
    for y in range(strip.n_rows):
        dst = strip.dst + y * strip.dst_step
        for a in range(n):
            go_to(job, strip, &views[a], y, turned + a * output.turned_bytes)
        x = 0
        while x < job.width:
            width = min(output.block, job.width - x)
            for a in range(n):
                if not strip.place.turned and y + 1 < strip.n_rows:
                    c.cio_prefetch_row(
                        views[a].src + (y + 1) * views[a].step + x * views[a].deed.item,
                        width * views[a].deed.item)
                if output.alike:
                    job.rows.copy[c.CIO_CACHED](
                        views[a].row + x * cell, rows + a * row_bytes, width * cell, NULL)
                else:
                    write_row(job, strip, &views[a], y, x, width, rows + a * row_bytes,
                              c.CIO_CACHED, NULL)
            target = dst if in_place else pixels
            job.rows.transpose[deed.move if output.alike else output.move](
                rows, row_bytes, target, n * cell, n, width)
            if output.alike:
                job.rows.scale[deed.type][output.to][deed.fills][job.store](
                    pixels, dst, width * n, &deed.how, line)
            elif not in_place:
                job.rows.copy[job.store](pixels, dst, width * n * cell, line)
            dst += width * n * output.item
            x += width


cdef inline void write_mask(Job *job, const Strip *strip, char *scratch) noexcept nogil:
    """1 inside the window of the first array, where every array holds data."""
    cdef View view = view_of(job, strip, 0)
    cdef Py_ssize_t a, y, left, right
    cdef char *dst = strip.dst
    frame(job, strip, &view)
    left = min(max(view.left, 0), job.width)
    right = max(min(view.right, job.width), left)
    memset(dst, 0, strip.n_rows * strip.dst_step)
    for y in range(max(view.top - strip.y, 0), min(view.bottom - strip.y, strip.n_rows)):
        memset(dst + y * strip.dst_step + left, 1, right - left)
    for a in range(strip.output.n_arrays):
        if strip.output.deeds[a].verb == SKIP:
            continue
        view = view_of(job, strip, a)
        if job.fetch != NULL and not job.fetch(job, strip, a, &view, scratch + job.room):
            return
        if strip.place.turned:
            turn(job, strip, &view, scratch)
        for y in range(strip.n_rows):
            if not strip.place.turned and y + job.rows_ahead < strip.n_rows:
                c.cio_prefetch_row(
                    view.src + (y + job.rows_ahead) * view.step, job.width * view.deed.item)
            go_to(job, strip, &view, y, scratch)
            job.rows.check[view.deed.type](
                view.row, <uint8_t *>dst + y * strip.dst_step, job.width, view.deed.how.nodata)


cdef inline void write_row(
        const Job *job, const Strip *strip, const View *view, Py_ssize_t y, Py_ssize_t x,
        Py_ssize_t width, char *dst, int store, c.cio_line *line) noexcept nogil:
    """Pixels [x, x + width) of row y of a strip."""
    cdef const Deed *deed = view.deed
    cdef const char *src = view.row + x * deed.item
    if deed.verb == SCALE:
        job.rows.scale[deed.type][strip.output.to][deed.fills][store](
            src, dst, width, &deed.how, line)
    elif deed.verb == COPY:
        job.rows.copy[store](src, dst, width * deed.item, line)
    else:
        look_up_row(job, strip, view, y, src, dst)


cdef inline void look_up_row(const Job *job, const Strip *strip, const View *view, Py_ssize_t y,
                             const char *src, char *dst) noexcept nogil:
    """Classes where the row is real; `fill` before and after."""
    cdef const Deed *deed = view.deed
    cdef const Output *output = strip.output
    cdef Py_ssize_t real = 0, before = 0
    if view.top <= strip.y + y < view.bottom:
        before = min(max(view.left, 0), job.width)
        real = max(min(view.right, job.width) - before, 0)
    fill_row(output, dst, before)
    if real > 0:
        job.rows.look_up[deed.item - 1][output.to][job.store](
            src + before * deed.item, dst + before * output.item, real, deed.table)
    fill_row(output, dst + (before + real) * output.item, job.width - before - real)


cdef inline void fill_row(const Output *output, char *dst, Py_ssize_t n) noexcept nogil:
    cdef int64_t *wide = <int64_t *>dst
    cdef Py_ssize_t i
    if output.to == c.CIO_TO_U8:
        memset(dst, <int>output.fill, n)
    else:
        for i in range(n):
            wide[i] = output.fill


cdef inline void count_patch(Job *job, const Strip *strip, char *scratch) noexcept nogil:
    """Write the record of a sample, and count in the table of this seat."""
    cdef const Output *output = strip.output
    cdef const c.cio_tally *how = output.tally
    cdef Py_ssize_t sample = strip.place - job.places, a
    cdef c.cio_patch[2] patches
    cdef View view
    cdef uint32_t *table = table_of(how, scratch)
    for a in range(output.n_arrays):
        view = view_of(job, strip, a)
        if job.fetch != NULL and not job.fetch(
                job, strip, a, &view, scratch + job.room + a * output.read_bytes):
            return
        frame(job, strip, &view)
        patches[a].src, patches[a].step = view.src, view.step
        patches[a].n_rows, patches[a].n_cols = job.height, job.width
        patches[a].top = min(max(view.top, 0), job.height)
        patches[a].left = min(max(view.left, 0), job.width)
        patches[a].bottom = max(<Py_ssize_t>patches[a].top, min(view.bottom, job.height))
        patches[a].right = max(<Py_ssize_t>patches[a].left, min(view.right, job.width))
    if how.paired:
        c.cio_tally_pair(&patches[0], &patches[1], table)
    else:
        c.cio_tally_patch(
            how, &patches[0], table,
            NULL if output.data == NULL else <c.cio_record *>output.data + sample,
            output.classes + sample * how.n_classes)


cdef inline uint32_t *table_of(const c.cio_tally *how, char *scratch) noexcept nogil:
    """Zeros when a seat first comes; its first byte says whether it has."""
    cdef uint32_t *table = <uint32_t *>(scratch + LINE)
    if scratch[0] == 0:
        scratch[0] = 1
        memset(table, 0, c.cio_tally_bytes(how))
    return table


cdef inline void sum_tables(const Job *job, int n_seats, int64_t *counts) noexcept nogil:
    """Add what each seat has counted."""
    cdef char *scratch
    cdef int seat
    for seat in range(n_seats):
        scratch = job.scratch + seat * job.scratch_bytes
        if scratch[0] != 0:
            c.cio_tally_sum(
                job.outputs[0].tally, <const uint32_t *>(scratch + LINE), counts)
