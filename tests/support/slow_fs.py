"""A slow, faulty medium that needs no hardware: a folder seen through FUSE, read-only.

    with slow_fs.mounted(folder, latency=0.02) as medium:
        (medium.path / "B4.dat").read_bytes()
        assert slow_fs.at_once(medium.log()) >= 2

Three processes.  The test reads: were it the server too, a page fault would hold the GIL that its
answer needs.  The server speaks the protocol of <linux/fuse.h> over /dev/fuse.  The keeper mounts,
and kills the server and unmounts when the test is done or dies, the server dies, or time is up: it
touches no file of the medium, so nothing there can hang it.
"""

import contextlib
import ctypes
import errno
import heapq
import itertools
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from multiprocessing.connection import wait as ready_of
from pathlib import Path
from typing import NamedTuple

# What /dev/fuse and mount(2) say where FUSE is not there, or not for us.
UNABLE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENODEV, errno.ENXIO)


class Read(NamedTuple):
    """A READ request, timed by ``time.monotonic``; until it is answered ``end`` is infinite."""

    path: str
    offset: int
    size: int
    begin: float
    end: float


def at_once(reads: list[Read]) -> int:
    """Return the greatest number of requests that were under way at one time."""
    steps = sorted([(read.begin, 1) for read in reads] + [(read.end, -1) for read in reads])
    return max(itertools.accumulate(step for _, step in steps), default=0)


@dataclass(frozen=True)
class Medium:
    """Where a folder is mounted, and the wire to its server, for one thread at a time."""

    path: Path
    server: int  # its process id
    control: Connection

    def _ask(self, faults: dict, latency: float | None = None) -> list[Read]:
        self.control.send((faults, latency))
        return [Read(*entry) for entry in self.control.recv()]

    def log(self) -> list[Read]:
        """Return the READ requests so far, as they came; paths are relative to the folder."""
        return self._ask({})

    def answer_after(self, latency: float) -> None:
        """Let each READ take so many seconds, those under way too; ``math.inf`` holds them all."""
        self._ask({}, latency)

    @contextlib.contextmanager
    def holding(self, least: int, seconds: float = 30) -> Iterator[None]:
        """Answer no READ in this block before so many are under way at once, or time is up.

        However long a thread waits for a CPU, what would overlap does.  For the block, which must
        not use the wire: a thread does.
        """
        first = len(self.log())

        def watch() -> None:
            end = time.monotonic() + seconds
            while at_once(self.log()[first:]) < least and time.monotonic() < end and not done:
                time.sleep(0.002)
            self.answer_after(0.0)

        done: list[bool] = []
        self.answer_after(math.inf)
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.append(True)
            thread.join()

    def fail(self, path: str, offset: int, n_bytes: int, error: int | None) -> None:
        """Let READs that touch these bytes end in ``error`` from now on; None heals the same bytes.

        Pages in the cache are not asked for again, and do not fail; a read that gets to some pages
        before the first that fails is short.
        """
        self._ask({(path, offset, n_bytes): error})


@contextlib.contextmanager
def mounted(
    folder: str | os.PathLike[str], latency: float = 0.0, direct: bool = False, life: float = 120.0
) -> Iterator[Medium]:
    """Mount ``folder``; each READ takes ``latency`` seconds, however many are under way.

    ``direct`` reads go past the page cache, and no file can be mapped as numpy does it (shared);
    else each open finds the cache empty.  After ``life`` seconds all that still waits is aborted.
    A test that asks where FUSE cannot be had is skipped.
    """
    if sys.platform != "linux":
        raise unittest.SkipTest("no FUSE: this is not Linux")
    control, theirs = Pipe()
    with control, tempfile.TemporaryDirectory() as path:
        with theirs:
            keeper = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C ends the test, and the keeper cleans up after it
            )
        try:
            control.send((os.path.abspath(folder), path, latency, direct, life))
            server = control.recv()
            if isinstance(server, OSError):
                raise unittest.SkipTest(f"no FUSE: {server}") if server.errno in UNABLE else server
            yield Medium(Path(path), server, control)
        finally:
            keeper.communicate(b"done")  # a closed pipe is not enough: a forked child may hold it
            if keeper.returncode < 0:  # by a signal, and so too early
                unmount(path)


def keep(
    control: Connection, folder: str, path: str, latency: float, direct: bool, life: float
) -> None:
    """Mount, serve in a child, and end both, whoever ends first."""
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK)
        options = f"fd={fuse},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        ms_rdonly = 1
        system("mount", b"slow_fs", os.fsencode(path), b"fuse.slow", ms_rdonly, options.encode())
    except OSError as error:
        control.send(error)
        return
    ended, alive = os.pipe()
    server = os.fork()
    if server == 0:
        control.send(os.getpid())
        Server(fuse, folder, latency, direct).serve(control)
        sys.exit()
    # Now only the server has /dev/fuse, so that its death aborts every request, and `alive`.
    os.close(fuse)
    os.close(alive)
    if not ready_of([ended, sys.stdin], life):
        print(f"slow_fs: {path} was not given back in {life} s, and aborted", file=sys.stderr)
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
    unmount(path)


def unmount(path: str) -> None:
    mnt_detach = 2  # at once, whoever still has files open
    system("umount2", os.fsencode(path), mnt_detach)


def system(name: str, *arguments: bytes | int) -> None:
    """Call a function of the C library that Python does not have."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


# As <linux/fuse.h> has them; what is left out is zero.
IN_HEADER = struct.Struct("=IIQQ16x")  # length, opcode, unique, node
OUT_HEADER = struct.Struct("=IiQ")  # length, -errno, unique
INIT_IN = struct.Struct("=IIII")  # major, minor, max_readahead, flags
INIT_OUT = struct.Struct("=IIIIHHIIH34x")  # ..., background, congested, max_write, ns, max_pages
READ_IN = struct.Struct("=8xQI")  # offset, size
ENTRY_OUT = struct.Struct("=Q32x")  # node; that it is valid for no time lets no answer grow old
ATTR_OUT = struct.Struct("=16x")
ATTRIBUTES = struct.Struct("=6Q10I")  # node, size, blocks, times, their ns, mode, links, owner, ...
OPEN_OUT = struct.Struct("=8xI4x")  # flags
STATFS_OUT = struct.Struct("=40xII32x")  # size of a block, longest name
DIRENT = struct.Struct("=QQII")  # ino, which entry is next, length of the name, type

ASYNC_READ, MAX_PAGES = 1 << 0, 1 << 22  # flags of INIT
DIRECT_IO, NO_FLUSH = 1 << 0, 1 << 5  # of OPEN; with the second, close asks nobody
UNKNOWN_INO, UNKNOWN_TYPE = 0xFFFFFFFF, 0  # of a directory's entry: who wants to know asks again


class Server:
    """Answers the kernel, in one thread: a READ that waits is an entry in a heap."""

    def __init__(self, fuse: int, folder: str, latency: float, direct: bool) -> None:
        self.fuse, self.latency, self.direct = fuse, latency, direct
        self.paths = ["", folder]  # by node; the root is 1, and none is ever forgotten
        self.reads: list[list] = []  # the fields of `Read`
        self.waiting: list[tuple[float, int, int, list]] = []  # until when, unique, node, fields
        self.faults: dict[tuple[str, int, int], int | None] = {}

    def serve(self, control: Connection) -> None:
        """Answer until killed, or the test is gone."""
        while True:
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                self.finish(*heapq.heappop(self.waiting)[1:])
            until = self.waiting[0][0] if self.waiting else math.inf
            wait = None if until == math.inf else max(0.0, until - time.monotonic())
            ready = ready_of([self.fuse, control.fileno()], wait)  # of any numbers
            if self.fuse in ready:
                self.take()
            if control.fileno() in ready:
                try:
                    faults, latency = control.recv()
                except EOFError:
                    return
                self.faults |= faults
                if latency is not None:
                    self.latency = latency
                    # Of a read, its fourth field is when it began.
                    self.waiting = [(x[-1][3] + latency, *x[1:]) for x in self.waiting]
                    heapq.heapify(self.waiting)
                control.send(self.reads)

    def take(self) -> None:
        """Take one request, and answer it unless it is a READ."""
        try:
            request = os.read(self.fuse, 1 << 16)
        except BlockingIOError:  # who asked was killed, and it was taken back
            return
        _, opcode, unique, node = IN_HEADER.unpack_from(request)
        body = request[IN_HEADER.size :]
        if opcode == READ:
            begin, path = time.monotonic(), os.path.relpath(self.paths[node], self.paths[1])
            self.reads.append([path, *READ_IN.unpack_from(body), begin, math.inf])
            heapq.heappush(self.waiting, (begin + self.latency, unique, node, self.reads[-1]))
        elif opcode not in UNANSWERED:
            self.answer(unique, ANSWERS.get(opcode, Server.refuse), self, node, body)

    def finish(self, unique: int, node: int, read: list) -> None:
        self.answer(unique, self.read, node, *read[:3])
        read[-1] = time.monotonic()

    def answer(self, unique: int, function: Callable[..., bytes], *arguments: object) -> None:
        """Send what the function returns, or the number of the error it raises."""
        try:
            error, data = 0, function(*arguments)
        except OSError as raised:
            error, data = raised.errno or errno.EIO, b""
        with contextlib.suppress(FileNotFoundError):  # who asked was killed
            os.write(self.fuse, OUT_HEADER.pack(OUT_HEADER.size + len(data), -error, unique) + data)

    def read(self, node: int, path: str, offset: int, size: int) -> bytes:
        for (where, begin, n_bytes), error in self.faults.items():
            if error and where == path and offset < begin + n_bytes and begin < offset + size:
                raise OSError(error, os.strerror(error))
        with open(self.paths[node], "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def init(self, node: int, body: bytes) -> bytes:
        """Speak 7.31: the cache may ask for 64 ranges at once, and a READ for 256 pages."""
        _, _, max_readahead, flags = INIT_IN.unpack_from(body)
        flags &= ASYNC_READ | MAX_PAGES
        return INIT_OUT.pack(7, 31, max_readahead, flags, 64, 48, 4096, 1, 256)

    def lookup(self, node: int, body: bytes) -> bytes:
        path = os.path.join(self.paths[node], os.fsdecode(body.rstrip(b"\0")))
        os.stat(path)  # a missing name raises, and gets no node
        if path not in self.paths:
            self.paths.append(path)
        node = self.paths.index(path)
        return ENTRY_OUT.pack(node) + self.attributes(node)

    def getattr(self, node: int, body: bytes) -> bytes:
        return ATTR_OUT.pack() + self.attributes(node)

    def attributes(self, node: int) -> bytes:
        of = os.stat(self.paths[node])
        times = [divmod(ns, 10**9) for ns in (of.st_atime_ns, of.st_mtime_ns, of.st_ctime_ns)]
        seconds, nanoseconds = zip(*times, strict=True)
        rest = (of.st_mode, of.st_nlink, of.st_uid, of.st_gid, 0, of.st_blksize, 0)
        return ATTRIBUTES.pack(node, of.st_size, of.st_blocks, *seconds, *nanoseconds, *rest)

    def open(self, node: int, body: bytes) -> bytes:
        return OPEN_OUT.pack(NO_FLUSH | (DIRECT_IO if self.direct else 0))

    def readdir(self, node: int, body: bytes) -> bytes:
        """Return as many entries as fit, from the one that was said to be next."""
        first, size = READ_IN.unpack_from(body)
        names = [b".", b"..", *sorted(os.listdir(os.fsencode(self.paths[node])))]
        entries = b""
        for after, name in enumerate(names[first:], first + 1):
            entry = DIRENT.pack(UNKNOWN_INO, after, len(name), UNKNOWN_TYPE) + name
            entry += bytes(-len(entry) % 8)
            if len(entries) + len(entry) > size:
                break
            entries += entry
        return entries

    def statfs(self, node: int, body: bytes) -> bytes:
        return STATFS_OUT.pack(4096, 255)

    def agree(self, node: int, body: bytes) -> bytes:
        return b""

    def refuse(self, node: int, body: bytes) -> bytes:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


READ = 15
UNANSWERED = (2, 36, 42)  # FORGET, BATCH_FORGET; INTERRUPT, for a READ ends soon by itself
AGREED = (18, 25, 29, 34, 38)  # RELEASE, FLUSH, RELEASEDIR, ACCESS, DESTROY
ANSWERS: dict[int, Callable[[Server, int, bytes], bytes]] = {
    1: Server.lookup,
    3: Server.getattr,
    14: Server.open,
    17: Server.statfs,
    26: Server.init,
    27: Server.open,  # OPENDIR
    28: Server.readdir,
    **dict.fromkeys(AGREED, Server.agree),
}

if __name__ == "__main__":
    wire = Connection(int(sys.argv[1]))
    keep(wire, *wire.recv())
