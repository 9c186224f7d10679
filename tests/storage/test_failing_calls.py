"""Each call of the system fails once: the right result or an error that names the file; no leak.

tests/support/fault_matrix.py runs the operations; here are some of them, in the gate all.
"""

import os
import shutil
import sys

import pytest
from paths import SUPPORT
from processes import environment, printed
from profiles import scaled
from residents import is_sanitized

COMPILER = shutil.which(os.environ.get("CC", "cc"))
MATRIX = SUPPORT / "fault_matrix.py"
ERRORS = scaled(("EIO", "short"), ("EIO", "EINTR", "ENOMEM", "ESTALE", "ENOSPC", "short"))

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="preloads a library"),
    pytest.mark.skipif(COMPILER is None, reason="no C compiler"),
    pytest.mark.skipif(is_sanitized(), reason="the sanitizer is preloaded"),
]


def matrix(operations, *more):
    """What the program prints of these operations; it fails where a cell is bad."""
    words = ["--bad", "--most", scaled(3, 6), "--operations", *operations, *more]
    # In memory nobody waits for the disk, but there all pages are resident.
    if not {"read cold", "prefetch"}.intersection(operations) and os.access("/dev/shm", os.W_OK):
        words += "--folder", "/dev/shm"
    return printed([sys.executable, MATRIX, *words], env=environment(), seconds=1200)


@pytest.mark.parametrize(
    "operations",
    [
        ("open", "layout", "metadata"),
        ("read", "read cold"),
        scaled(("Loader left early",), ("Loader ahead", "Loader left early", "prefetch")),
        ("stats.load", "verify", "info"),
        ("views", "evict, resident", *scaled((), ("gather, remap", "pickle"))),
        scaled(("torch.Dataset",), ("torch.Dataset", "torch.Loader", "Loader", "stats")),
    ],
    ids=", ".join,
)
def test_what_reads_is_right_or_names_the_file_and_leaves_nothing(operations):
    assert ", 0 bad; " in matrix(operations, "--errors", *ERRORS, "EFAULT")


@pytest.mark.parametrize(
    "operations",
    [
        ("write new", "save new", "save replaces", "save by a link"),
        ("manifest replaces",),
        ("stats -o", "plot.save"),
        ("pack",),
        scaled(("synthesize",), ("synthesize", "manifest new", "stats -o replaces")),
    ],
    ids=", ".join,
)
def test_what_is_written_is_whole_or_as_it_was_and_the_error_names_it(operations):
    assert ", 0 bad; " in matrix(operations, "--errors", *ERRORS)


def test_memory_that_is_refused_is_an_error_and_leaves_nothing():
    said = matrix(("read", "gather, remap", "prefetch", "verify"), "--calls", "malloc")
    assert "MemoryError" in said
    assert ", 0 bad; " in said


def test_threads_that_cannot_be_started_are_no_error_but_a_loader_that_needs_one_says_so():
    said = matrix(
        ("read", "prefetch", "Loader ahead"), "--calls", "pthread_create", "--errors", "ENOMEM"
    )
    assert "RequestError" in said
    assert ", 0 bad; " in said
