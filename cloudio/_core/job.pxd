# A job: a batch that is proved, and what it is cut into. kernels.pyx makes jobs and answers for
# every bound; executor.pyx has them done.
from libc.stdint cimport int32_t, int64_t

from cloudio._core cimport _csrc as c

cdef enum:
    MAX_OUTPUTS = 3  # image, label, mask
    LINE = 64  # bytes of a cache line

# What becomes of a pixel of one array.
cdef enum Opcode:
    SCALE
    COPY
    LOOK_UP
    CHECK
    COUNT
    SKIP

# How an output lies in memory: array by array; pixel by pixel, with the arrays side by side; one
# mask over all arrays; or one record a sample, and a histogram of all. A plan that is not made to
# its end has none, and cannot be run.
cdef enum OutputKind:
    NO_OUTPUT
    PLANAR
    INTERLEAVED
    MASK
    HISTOGRAM

# An array that is stored coarser than the patch grid: it has the pixels of a window of every patch,
# and each is repeated. Outside the window every pixel is a stored 0.
cdef struct Repetition:
    Py_ssize_t rows, cols  # of a patch that one stored pixel fills
    Py_ssize_t top, left, height, width  # the window
    # [patch]: phase of rows * cols + phase of columns, which say where in a stored pixel the window
    # begins; or -1 - e: the patch is patch e of the exceptions. Or NULL: `place` is that of all.
    int32_t *places
    int32_t place

# How pixels of a row or column are made of stored ones.
cdef struct Axis:
    Py_ssize_t repeat
    Py_ssize_t before, n  # pixels outside the window, in front of it; inside
    Py_ssize_t skip  # pixels of the first stored one that are not needed
    Py_ssize_t first, n_stored  # stored pixels that are needed

# One array of one split: patches one after another.
cdef struct ArrayDesc:
    const char *base  # or NULL: it is read
    Py_ssize_t patch_step  # bytes
    Py_ssize_t row_step  # bytes
    Py_ssize_t col_step  # bytes; more than a pixel where a row holds other channels too
    c.cio_file *file  # that it lies in, or NULL
    int64_t offset  # of its first pixel in the file
    const Repetition *repetition  # or NULL
    # Arrays [lead, lead + n_members) lie between each other's pixels: bytes from the first of a
    # pixel's to this one, and of all.
    Py_ssize_t lead, n_members, before, span

# What is done to one array, inside a window of stored rows and columns. Outside it, a class is the
# `fill` of its output, and a pixel is neither data nor counted.
cdef struct BandOp:
    Opcode opcode
    int type  # CIO_U8..
    Py_ssize_t item  # bytes of a stored pixel
    int move  # CIO_MOVE_*, of such an item
    c.cio_affine affine
    bint fills  # whether no-data pixels become affine.fill
    const void *table
    Py_ssize_t top, left, bottom, right

# Where a sample lies, and which of the eight symmetries it is read in.
cdef struct SampleWindow:
    Py_ssize_t split, patch, row, col
    bint transpose  # rows become columns
    bint flip_rows  # stored rows are taken from the last to the first
    bint flip_cols  # stored columns are taken from the last to the first

# One output of a job: images, labels, masks or records, cut into tiles.
cdef struct Output:
    OutputKind kind
    # [array * n_splits + split]; where any is repeated, those of exceptions follow in this order.
    const ArrayDesc *descs
    Py_ssize_t n_descs
    const BandOp *ops  # [array]
    Py_ssize_t n_arrays
    Py_ssize_t item  # bytes of a pixel written
    int move  # CIO_MOVE_*, of such an item
    bint uniform  # whether every array has the same type and the same affine
    int to  # CIO_TO_F32.. for SCALE, CIO_TO_U8 or CIO_TO_I64 for LOOK_UP
    int64_t fill
    const c.cio_histogram_spec *histogram
    int64_t *classes  # [sample, class], of a histogram
    char *data
    Py_ssize_t tile_rows, n_tiles  # of one sample and, if PLANAR, one array
    Py_ssize_t block  # pixels that are interleaved at a time
    Py_ssize_t symmetry_bytes  # of scratch, for the rows of one array that are read in a symmetry
    Py_ssize_t read_bytes  # of scratch, for the stored rows of one array, if they are read
    bint spaced  # whether the pixels of any array are apart
    bint together  # PLANAR, but of every array in a tile: they lie between each other's pixels
    bint whole_pixels  # INTERLEAVED, and stored alike: all arrays at once are rows already
    Py_ssize_t pick_bytes  # of scratch, for the rows of one array whose pixels are apart
    bint repeats  # whether any array is stored coarser
    Py_ssize_t expand_bytes  # of scratch, for one array whose pixels are repeated

# Rows of one output, the unit of work: of one sample and, if PLANAR and not together, of one array.
cdef struct Tile:
    const Output *output
    const SampleWindow *window
    Py_ssize_t array, y, n_rows
    char *dst
    Py_ssize_t dst_step

# Stored rows whose pixels are repeated, one row of the sample at a time.
cdef struct Expansion:
    Axis rows, cols  # of the sample
    const char *src  # the first stored row, of those that become rows of the sample
    Py_ssize_t step, col_step  # bytes
    bint reverses  # stored rows
    Py_ssize_t current  # stored row that `row` holds; -1: pixels outside the window
    char *row
    char *stored  # a stored row, with its pixels side by side and in order

# The rows of one array in a tile. Those of a transposed tile are in scratch.
cdef struct RowCursor:
    const BandOp *op
    const ArrayDesc *desc
    Py_ssize_t n_rows, n_cols  # that are stored
    Expansion *expansion  # or NULL: each stored row is a row
    int64_t offset  # bytes, from the first pixel of the array to the first that is taken
    const char *src  # the first row
    Py_ssize_t step  # bytes
    Py_ssize_t col_step  # bytes
    const char *row  # the current row
    Py_ssize_t top, left, bottom, right  # the window of the op, in rows and columns of the sample

# Why a job ended early. The first fault counts; no tile is begun after it.
cdef struct Fault:
    c.cio_flag is_set
    int code  # errno, or one of the codes below
    Py_ssize_t desc  # counted through the outputs
    Py_ssize_t patch  # in its split, or -1: no single one
    int64_t offset  # in the file

cdef enum:
    NO_FAULT = 0
    TRUNCATED = -1  # the file holds less than it should
    MODIFIED = -2  # the file was written to while it was in use

# Reads the stored rows of a tile to a buffer in scratch, and points the cursor to them.
ctypedef bint (*Fetch)(
    Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor, char *buffer) noexcept nogil

# The stored rows that the last array of a tile has brought to where the next can use them.
cdef struct Loaded:
    const SampleWindow *window  # or NULL: none
    Py_ssize_t lead  # of the group of arrays
    const char *src  # the first row, of all arrays of the group
    Py_ssize_t step  # bytes
    char *planes  # where each channel is alone, or NULL

# Does what `fetch` does, and puts pixels side by side that are apart.
ctypedef bint (*Load)(
    Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor, Loaded *loaded,
    char *scratch) noexcept nogil

# Brings the stored rows of a tile to where `expand_row` finds them.
ctypedef bint (*Expand)(
    Job *job, const Tile *tile, Py_ssize_t array, RowCursor *cursor, char *scratch) noexcept nogil

# Points the cursor to row y of a tile, made of a stored row.
ctypedef void (*ExpandRow)(
    const Job *job, RowCursor *cursor, Py_ssize_t y) noexcept nogil

# Writes the rows of a PLANAR tile: those that are made of fewer stored ones, or those that are
# scaled and written past the cache.
ctypedef void (*WriteRows)(
    Job *job, const Tile *tile, RowCursor *cursor, const Tile *following,
    const RowCursor *next_cursor, char *scratch, c.cio_line *line) noexcept nogil

# Writes the record of a sample, and counts it.
ctypedef void (*CountPatch)(Job *job, const Tile *tile, char *scratch) noexcept nogil

cdef struct Job:
    const c.cio_rows *rows
    SampleWindow *windows  # [sample]
    char *touched  # [split]: whether a sample lies in it
    Py_ssize_t n_samples, n_splits, height, width
    Py_ssize_t rows_ahead  # that are prefetched
    bint any_transpose, any_flip_cols  # of any sample
    int store  # CIO_CACHED or CIO_STREAMED
    Output outputs[MAX_OUTPUTS]
    Py_ssize_t n_outputs, n_bytes
    Py_ssize_t n_descs  # of all outputs
    Py_ssize_t n_sample_tiles  # of one sample, of all outputs
    char *scratch
    Py_ssize_t scratch_bytes  # of each worker slot
    Py_ssize_t read_offset  # in the scratch of a slot, where stored rows are read to
    Py_ssize_t pick_offset  # likewise, where pixels that are apart are put together
    Py_ssize_t expand_offset  # likewise, where pixels are repeated
    Fetch fetch  # NULL: arrays are mapped
    # Not called by name: inlined, they would cost the loops that do without them registers.
    Load load
    Expand expand
    ExpandRow expand_row
    WriteRows write_repeated, scale_streamed
    CountPatch count_patch
    bint sparse  # readahead looks at one array of a sample: all were resident for long
    c.cio_flag absent  # whether any page was
    Py_ssize_t n_ahead  # tiles from readahead to use; 0: no readahead
    bint evicts  # windows, each when it has been read
    bint evicts_last  # all windows, when everything has been read
    Py_ssize_t chunk  # tiles that a thread takes at once
    Py_ssize_t n_between  # tiles that other threads take before it takes more
    int64_t *changed  # [desc, counted through the outputs]: its file's last change, before the job
    Fault fault
