"""What the system refuses: open files and mappings.  The limits hold in a process of its own."""

import sys
import textwrap
from pathlib import Path

import pytest
from processes import in_subprocess
from residents import is_sanitized

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two arrays of 1 GB each, of which next to nothing is on the disk."""
    folder = tmp_path_factory.mktemp("large") / "train"
    folder.mkdir()
    (folder / "cloudio.toml").write_text(
        'name = "Large"\npatch = [512, 512]\n[[arrays]]\nnames = ["B1", "B2"]\ndtype = "int16"\n'
    )
    for name in ("B1", "B2"):
        with open(folder / f"{name}.dat", "wb") as file:
            file.write(bytes(range(256)) * 2048)
            file.truncate(2001 * 512 * 512 * 2)
    return folder


BEGIN = """
    import mmap, os, resource, sys, cloudio
    from pathlib import Path
    ds = cloudio.open(sys.argv[1])
    wanted = ds.reader(["B1"], scale=None, threads=1).read([0, 1]).image
    ds.close()
    ds = cloudio.open(sys.argv[1])

    def limit_memory():
        now = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (now + (400 << 20), resource.RLIM_INFINITY))

    def said(use):
        try:
            use()
        except OSError as error:
            return f"{type(error).__name__} {error.errno}: {error.reason}"
"""


def ran(code, folder):
    return in_subprocess(textwrap.dedent(BEGIN) + textwrap.dedent(code), folder)


def test_a_limit_of_the_address_space_names_pread_which_reads(folder):
    code = """
        limit_memory()
        print(said(lambda: ds.reader(["B1"], threads=1)))
        print(said(lambda: ds["B1"]))
        whole = cloudio.open(sys.argv[1], io="pread").reader(["B1"], scale=None, threads=2)
        print((whole.read([0, 1]).image == wanted).all())
    """
    reader, view, same = ran(code, folder).splitlines()
    assert reader.startswith("ReadError 12: it cannot be mapped into the memory of this process (")
    assert reader.endswith(
        " GB); open the data set with io='pread', whose readers map nothing, or raise the limit"
    )
    assert "ulimit -v limits it to" in reader
    assert view == reader
    assert same == "True"


def most_mappings():
    return int(Path("/proc/sys/vm/max_map_count").read_text())


@pytest.mark.skipif(
    sys.platform != "linux" or most_mappings() > 100_000, reason="the limit is too large to reach"
)
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer ends where it can map nothing")
def test_a_limit_of_the_number_of_mappings_is_named(folder):
    code = """
        kept = []
        try:
            while True:
                kept.append(mmap.mmap(-1, mmap.PAGESIZE))
        except OSError:
            pass
        print(said(lambda: ds.reader(["B1"], threads=1)))
    """
    said = ran(code, folder)
    assert f"mappings; vm.max_map_count allows {most_mappings():,}); open the data set" in said
    assert "io='pread'" in said


def test_a_limit_of_open_files_is_explained_wherever_it_is_met(folder):
    code = """
        import cloudio.verification.verify
        layout = Path(sys.argv[1], "cloudio.toml")
        cloudio.Layout.from_toml(layout)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        kept = []
        try:
            while True:
                kept.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        print(said(lambda: ds.reader(["B1"], threads=1)))
        print(said(lambda: cloudio.open(sys.argv[1])))
        print(said(lambda: cloudio.open(sys.argv[1], layout=layout)))
        print(said(lambda: cloudio.verify(sys.argv[1])))
    """
    lines = ran(code, folder).splitlines()
    assert len(lines) == 4
    for line in lines:
        assert line == (
            "ReadError 24: this process cannot open more files than the limit of 64; a reader "
            "opens one for each array of each split. Close data sets that you no longer use, or "
            "raise the limit (ulimit -n)"
        )
