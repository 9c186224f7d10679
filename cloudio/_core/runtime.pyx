"""What all batches of this process share: the instruction set, and numbers that were measured."""
import os

from cloudio._core cimport _csrc as c

cdef const c.cio_rows *rows = NULL

# In the order of csrc/dispatch.c; which of them exist depends on the machine.
ISAS = ("base", "neon", "avx2", "avx512", "avx512vbmi")

cdef object MAX_TUNING = 1 << 60

# benchmarks/bench_tuning.py sweeps these; docs/decisions/tuning-constants.md.
cdef Tuning tuning = Tuning(8, 64 << 10, 1 << 20, 2 << 20, 32 << 20, 512 << 10, 32)


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
        raise ValueError(f"there is no instruction set {name!r}; give one of {', '.join(ISAS)}")
    cdef Py_ssize_t k = 0
    for at, other in enumerate(available()):
        if ISAS.index(other) <= ISAS.index(name):
            k = at
    rows = c.cio_rows_available(k)


def tune(**numbers):
    """Change fields of `Tuning` for batches to come, for benchmarks; returns all of them."""
    global tuning
    now = dict(tuning)
    given = {name: int(number) for name, number in numbers.items()}
    # So far apart, no sum of these and of sizes overflows.
    if not now.keys() >= given.keys() or not all(
            0 < number <= MAX_TUNING for number in given.values()):
        raise ValueError(f"{numbers}; {', '.join(now)} must be positive, and at most 2**60")
    now.update(given)
    tuning = now
    return now


cdef class DefaultFloats:
    """A block in which this thread rounds to nearest and keeps subnormals, as it does at the start.

    Its own settings come back when the block ends.
    """
    cdef c.fenv_t callers

    def __enter__(self):
        c.fegetenv(&self.callers)
        c.fesetenv(c.FE_DFL_ENV)

    def __exit__(self, *_):
        c.fesetenv(&self.callers)


# ---- for other modules ---------------------------------------------------------------------------

cdef const Tuning *tuning_in_use() noexcept nogil:
    return &tuning


cdef const c.cio_rows *rows_in_use() noexcept nogil:
    return rows


cdef void end_line(c.cio_line *line) noexcept nogil:
    c.cio_end_line(line)


cdef void store_fence() noexcept nogil:
    c.cio_store_fence()


use(ISAS[-1])
# What is wrong with CLOUDIO_ISA, or "".  cloudio warns of it when all of it is imported: an import
# that fails would leave nothing that could tell what is wrong.
ignored = ""
if os.environ.get("CLOUDIO_ISA"):
    try:
        use(os.environ["CLOUDIO_ISA"])
    except ValueError as error:
        ignored = f"CLOUDIO_ISA is ignored: {error}"
